//! The one body type of requests and answers: nothing, bytes, or a stream.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::error::{Error, ErrorKind};
use crate::service::BoxError;

/// Bytes are handed to the connection in pieces, so that a slow upload is seen to make progress.
const PIECE: usize = 256 * 1024;

type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = Error> + Send>>;

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
    Stream(BoxBody),
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
        Self(Inner::Stream(Box::pin(Streamed { stream, remaining: None })))
    }

    /// A streamed body whose length in bytes is known, so that it is sent with a `Content-Length`.
    pub fn from_sized_stream(
        stream: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
        length: u64,
    ) -> Self {
        Self(Inner::Stream(Box::pin(Streamed { stream, remaining: Some(length) })))
    }

    /// Any other body. An error of its own becomes [`ErrorKind::Unavailable`] (cut off), unless it already is an
    /// [`Error`].
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Inner::Stream(Box::pin(Wrapped { body })))
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

    /// Reads everything into memory.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there are more than `limit` bytes; otherwise what the stream failed with.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Error> {
        let body = match self.0 {
            Inner::Empty => return Ok(Bytes::new()),
            Inner::Bytes(bytes) => return within(limit, bytes.len()).map(|()| bytes),
            Inner::Stream(body) => body,
        };
        // What announces that it is too long is not even begun.
        within(limit, usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX))?;
        let mut collected = Collected { body, first: Bytes::new(), rest: BytesMut::new() };
        while let Some(data) = next_data(&mut collected.body).await {
            let data = data?;
            within(limit, collected.len().saturating_add(data.len()))?;
            collected.push(data);
        }
        Ok(collected.finish())
    }

    /// Reads up to `limit` bytes for no longer than `time`, and forgets the rest, failures included: what there is of an
    /// error's text.
    pub(crate) async fn collect_prefix(self, limit: usize, time: Duration) -> Bytes {
        let mut end = pin!(tokio::time::sleep(time));
        let mut stream = std::pin::pin!(self.into_stream());
        let mut bytes = BytesMut::new();
        while bytes.len() < limit {
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                () = &mut end => break,
            };
            let Some(Ok(data)) = next else { break };
            let room = limit.saturating_sub(bytes.len()).min(data.len());
            bytes.extend_from_slice(&data.slice(..room));
        }
        bytes.freeze()
    }

    /// The data as a stream of chunks, in order.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        futures::stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match next_data(&mut body).await? {
                Ok(data) => Some((Ok(data), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// What has been read of a stream. Small answers arrive as one piece, which is not copied.
struct Collected {
    body: BoxBody,
    first: Bytes,
    /// The first piece and those after it, once there is a second.
    rest: BytesMut,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len().max(self.rest.len())
    }

    fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

fn within(limit: usize, length: usize) -> Result<(), Error> {
    if length <= limit {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "the body has at least {length} bytes, more than the {limit} that are read into memory; stream it instead"
        ),
    ))
}

/// The next piece of data; trailers are skipped.
async fn next_data<B>(body: &mut B) -> Option<Result<Bytes, Error>>
where
    B: HttpBody<Data = Bytes, Error = Error> + Unpin,
{
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => {}
            Err(error) => return Some(Err(error)),
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
            Inner::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Bytes(bytes) => bytes.is_empty(),
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(body) => body.size_hint(),
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

pin_project_lite::pin_project! {
    struct Streamed<S> {
        #[pin]
        stream: S,
        remaining: Option<u64>,
    }
}

impl<S> HttpBody for Streamed<S>
where
    S: Stream<Item = Result<Bytes, Error>>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.project();
        let data = match this.stream.poll_next(cx) {
            Poll::Ready(Some(Ok(data))) => data,
            other => return other.map(|end| end.map(|result| result.map(Frame::data))),
        };
        if let Some(remaining) = this.remaining {
            *remaining = remaining.saturating_sub(data.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

pin_project_lite::pin_project! {
    struct Wrapped<B> {
        #[pin]
        body: B,
    }
}

impl<B> HttpBody for Wrapped<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.project().body.poll_frame(cx).map_err(|error| cut_off(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that broke while it was read.
fn cut_off(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(error) => {
            let cause = crate::error::innermost(error.as_ref());
            Error::new(ErrorKind::Unavailable, format!("the body was cut off: {cause}")).with_source(error)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

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
        assert_eq!(next_data(&mut body).await.unwrap().unwrap().len(), PIECE);
        assert_eq!(body.size_hint().exact(), Some(1));
        assert_eq!(next_data(&mut body).await.unwrap().unwrap().len(), 1);
        assert!(next_data(&mut body).await.is_none());
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

    #[test]
    fn a_sized_stream_announces_its_length() {
        let body = Body::from_sized_stream(futures::stream::empty(), 12);
        assert_eq!(body.size_hint().exact(), Some(12));
        assert_eq!(stream_of(&["x"]).size_hint().exact(), None);
    }
}
