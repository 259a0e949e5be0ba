//! The one body type of requests and answers: nothing, bytes, or a stream.

mod collect;
mod patience;
mod stream;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};

pub(crate) use self::patience::Patience;
use self::stream::{BoxStream, Streamed, Streaming};
use crate::error::Error;
use crate::redact::Sent;
use crate::service::BoxError;

/// Bytes are handed to the connection in pieces, so that a slow upload is seen to make progress.
const PIECE: usize = 256 * 1024;

/// The body of a request or an answer.
///
/// `Debug` prints its shape and length, never its content.
///
/// ```
/// use databricks_transport::Body;
///
/// let body = Body::from("{}");
/// assert_eq!(body.as_bytes(), Some(&b"{}"[..]));
/// assert_eq!(format!("{body:?}"), "Body(2 bytes)");
///
/// let pieces = [Ok("some".into()), Ok(" bytes".into())];
/// let streamed = Body::from_sized_stream(futures::stream::iter(pieces), 10);
/// assert!(streamed.try_clone().is_none(), "a stream is not sent twice");
/// ```
pub struct Body(Inner);

enum Inner {
    Empty,
    Bytes(Bytes),
    Stream(BoxStream),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// A body held in memory. It can be sent again on a retry.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(if bytes.is_empty() { Inner::Empty } else { Inner::Bytes(bytes) })
    }

    /// A streamed body of unknown length. It cannot be sent again, so a call that carries it is not retried.
    pub fn from_stream(stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self::wrap(Streamed::new(stream, None))
    }

    /// A streamed body whose length in bytes is known, so that it is sent with a `Content-Length`. A stream that ends
    /// before that, or has a piece that goes beyond it, fails with [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn from_sized_stream(
        stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
        length: u64,
    ) -> Self {
        Self::wrap(Streamed::new(stream, Some(length)))
    }

    /// Any other body. An error of its own becomes [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) (cut off), unless it already is an
    /// [`Error`].
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Inner::Stream(Streaming::boxed(body)))
    }

    /// The same body again, or `None` for a stream.
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Inner::Empty => Some(Self::empty()),
            Inner::Bytes(bytes) => Some(Self(Inner::Bytes(bytes.clone()))),
            Inner::Stream(_) => None,
        }
    }

    /// The bytes, when they are in memory already.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Inner::Empty => Some(&[]),
            Inner::Bytes(bytes) => Some(bytes),
            Inner::Stream(_) => None,
        }
    }

    /// The data as a stream of chunks, in order.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        futures::stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match body.next_data().await? {
                Ok(data) => Some((Ok(data), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// From now on what it fails with repeats nothing that was sent.
    pub(crate) fn clean(&mut self, sent: Arc<Sent>) {
        let Inner::Stream(stream) = &mut self.0 else { return };
        if let Some(sent) = stream.as_mut().clean(sent) {
            *self = Self::wrap(std::mem::take(self));
            self.clean(sent);
        }
    }

    /// From now on a read that waits too long fails.
    pub(crate) fn hurry(&mut self, patience: Patience) {
        let Inner::Stream(stream) = &mut self.0 else { return };
        if let Some(patience) = stream.as_mut().hurry(patience) {
            *self = Self::wrap(std::mem::take(self));
            self.hurry(patience);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Bytes(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Inner::Stream(stream) => {
                let frame = ready!(stream.as_mut().poll_frame(cx));
                if let Some(Err(_)) = &frame {
                    // Nothing follows, and its connection is of no use any more.
                    self.0 = Inner::Empty;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Bytes(bytes) => bytes.is_empty(),
            Inner::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body(empty)"),
            Inner::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from_bytes(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from_bytes(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::error::ErrorKind;
    use futures::StreamExt;
    use std::time::Duration;

    fn stream_of(parts: &[&'static str]) -> Body {
        let parts: Vec<_> = parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect();
        Body::from_stream(futures::stream::iter(parts))
    }

    #[tokio::test]
    async fn collect_joins_the_chunks_of_a_stream() {
        assert_eq!(stream_of(&["ab", "", "cd"]).collect(4).await.unwrap(), "abcd");
        assert_eq!(Body::from("abcd").collect(4).await.unwrap(), "abcd");
        assert_eq!(Body::empty().collect(0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_of_one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let pieces = [Bytes::new(), piece.clone(), Bytes::new()].map(Ok);
        let collected = Body::from_stream(futures::stream::iter(pieces)).collect(100).await.unwrap();
        assert_eq!(collected.as_ptr(), piece.as_ptr());
        assert_eq!(collected, piece);
    }

    #[tokio::test]
    async fn collect_refuses_one_byte_too_many() {
        for body in [stream_of(&["ab", "cde"]), Body::from("abcde")] {
            let error = body.collect(4).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("more than the 4"), "{error}");
        }
    }

    #[tokio::test]
    async fn bytes_are_handed_over_in_pieces_and_counted() {
        let mut body = Body::from(vec![7; PIECE + 1]);
        assert_eq!(body.size_hint().exact(), Some(PIECE as u64 + 1));
        assert_eq!(body.next_data().await.unwrap().unwrap().len(), PIECE);
        assert_eq!(body.size_hint().exact(), Some(1));
        assert_eq!(body.next_data().await.unwrap().unwrap().len(), 1);
        assert!(body.next_data().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_ends_after_its_error() {
        let parts = vec![Ok(Bytes::from("a")), Err(Error::new(ErrorKind::Io, "disk")), Ok(Bytes::from("b"))];
        let got: Vec<_> = Body::from_stream(futures::stream::iter(parts)).into_stream().collect().await;
        assert_eq!(got.len(), 2);
        assert_eq!(got[1].as_ref().unwrap_err().kind(), ErrorKind::Io);
    }

    #[tokio::test]
    async fn the_prefix_survives_a_failing_stream() {
        let parts = vec![Ok(Bytes::from("abc")), Err(Error::new(ErrorKind::Io, "gone"))];
        assert_eq!(
            Body::from_stream(futures::stream::iter(parts)).collect_prefix(10, Duration::MAX).await,
            "abc"
        );
        assert_eq!(stream_of(&["abc", "def"]).collect_prefix(4, Duration::MAX).await, "abcd");
    }

    #[tokio::test]
    async fn a_foreign_body_error_means_cut_off_and_ours_is_kept() {
        let foreign = futures::stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("reset"))]);
        let error = Body::wrap(http_body_util::StreamBody::new(foreign)).collect(9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("reset"), "{error}");

        let ours = futures::stream::iter([Err::<Frame<Bytes>, _>(Error::new(ErrorKind::Timeout, "slow"))]);
        let error = Body::wrap(http_body_util::StreamBody::new(ours)).collect(9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }

    #[test]
    fn only_a_stream_cannot_be_cloned_and_debug_shows_no_content() {
        assert!(Body::empty().try_clone().is_some());
        assert!(stream_of(&["x"]).try_clone().is_none());
        let body = Body::from("secret");
        assert_eq!(body.try_clone().unwrap().as_bytes(), Some(&b"secret"[..]));
        assert_eq!(format!("{body:?}"), "Body(6 bytes)");
    }

    #[tokio::test]
    async fn a_sized_stream_of_another_length_fails() {
        let sized = |length| {
            let pieces = ["abc", "def"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            Body::from_sized_stream(futures::stream::iter(pieces), length)
        };
        assert_eq!(sized(6).collect(9).await.unwrap(), "abcdef");
        for (length, expected) in [(7, "1 bytes are missing"), (5, "more bytes"), (0, "more bytes")] {
            let error = sized(length).collect(9).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_sized_stream_announces_its_length() {
        let body = Body::from_sized_stream(futures::stream::empty(), 12);
        assert_eq!(body.size_hint().exact(), Some(12));
        assert_eq!(stream_of(&["x"]).size_hint().exact(), None);
    }

    #[test]
    fn a_body_may_be_shared_between_threads_whatever_it_is_made_of() {
        fn shared<T: Sync>(_: &T) {}
        // A cell is for one thread.
        let unshared = std::cell::Cell::new(1);
        let stream = futures::stream::once(async move { Ok(Bytes::from(vec![0; unshared.take()])) });
        shared(&http::Response::new(Body::from_stream(stream)));
    }
}
