//! Content, taken piece by piece.

use bytes::{Bytes, BytesMut};
use databricks_transport::{Body, Error};
use futures::stream::{BoxStream, StreamExt};

/// What is left of some content.
pub(crate) struct Pieces {
    source: BoxStream<'static, Result<Bytes, Error>>,
    /// What was read and not taken yet.
    held: BytesMut,
    ended: bool,
}

impl Pieces {
    pub(crate) fn of(content: Body) -> Self {
        Self { source: content.into_stream().boxed(), held: BytesMut::new(), ended: false }
    }

    /// The next `size` bytes, or all that are left when those are fewer: none at the end.
    ///
    /// One copy: the pieces of a stream come in whatever sizes they do.
    pub(crate) async fn next(&mut self, size: usize) -> Result<Bytes, Error> {
        while !self.ended && self.held.len() < size {
            match self.source.next().await.transpose()? {
                Some(bytes) => {
                    self.held.reserve(size.saturating_sub(self.held.len()).max(bytes.len()));
                    self.held.extend_from_slice(&bytes);
                }
                None => self.ended = true,
            }
        }
        Ok(self.held.split_to(self.held.len().min(size)).freeze())
    }

    /// Whether there is nothing after what was taken.
    pub(super) async fn is_at_end(&mut self) -> Result<bool, Error> {
        while !self.ended && self.held.is_empty() {
            match self.source.next().await.transpose()? {
                Some(bytes) => self.held.extend_from_slice(&bytes),
                None => self.ended = true,
            }
        }
        Ok(self.held.is_empty())
    }

    /// What was taken, and then the rest, as one body.
    pub(super) fn back_to_body(self, taken: Bytes) -> Body {
        let held = [Ok(taken), Ok(self.held.freeze())];
        Body::from_stream(futures::stream::iter(held).chain(self.source))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::stream;

    use super::*;

    fn pieces(lengths: &[usize]) -> Pieces {
        let pieces: Vec<_> = lengths.iter().map(|length| Ok(Bytes::from(vec![7; *length]))).collect();
        Pieces::of(Body::from_stream(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn pieces_have_the_size_asked_for_however_the_content_comes() {
        for lengths in [&[10][..], &[1; 10], &[3, 0, 6, 1], &[4, 4, 2]] {
            let mut pieces = pieces(lengths);
            let mut sizes = Vec::new();
            while !pieces.is_at_end().await.unwrap() {
                sizes.push(pieces.next(4).await.unwrap().len());
            }
            assert_eq!(sizes, [4, 4, 2], "{lengths:?}");
            assert!(pieces.next(4).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn what_was_taken_can_be_put_back() {
        let mut pieces = pieces(&[3, 6]);
        let taken = pieces.next(2).await.unwrap();
        assert_eq!(pieces.back_to_body(taken).collect(100).await.unwrap().len(), 9);
    }
}
