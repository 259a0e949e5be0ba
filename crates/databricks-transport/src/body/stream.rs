//! Bodies that come in pieces, and what watches them on the way to whoever reads them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use sync_wrapper::SyncWrapper;

use super::patience::Patience;
use crate::error::{Error, ErrorKind};
use crate::redact::Sent;
use crate::service::BoxError;

/// Any body that comes in pieces.
pub(super) type BoxStream = Pin<Box<Streaming<dyn Frames + Send + Sync>>>;

pin_project! {
    /// A body and what watches it, in one box.
    pub(super) struct Streaming<B: ?Sized> {
        ahead: Ahead,
        sent: Option<Arc<Sent>>,
        patience: Option<Patience>,
        #[pin]
        frames: B,
    }
}

/// What a body says about the part that has not been read. It is asked once for each piece, so that a body which only one
/// thread may look at can be shared between threads that do not.
pub(super) struct Ahead {
    is_nothing: bool,
    length: SizeHint,
}

impl Ahead {
    fn of(body: &impl HttpBody) -> Self {
        Self { is_nothing: body.is_end_stream(), length: body.size_hint() }
    }
}

/// [`HttpBody`] with the error of this crate, for bodies whose type is not known.
pub(super) trait Frames {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>>;

    fn ahead(self: Pin<&mut Self>) -> Ahead;
}

impl<B> Frames for SyncWrapper<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.get_pin_mut().poll_frame(cx).map_err(|error| cut_off(error.into()))
    }

    fn ahead(self: Pin<&mut Self>) -> Ahead {
        Ahead::of(&*self.get_pin_mut())
    }
}

impl Streaming<dyn Frames + Send + Sync> {
    pub(super) fn boxed<B>(body: B) -> BoxStream
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (ahead, frames) = (Ahead::of(&body), SyncWrapper::new(body));
        Box::pin(Streaming { ahead, sent: None, patience: None, frames })
    }

    /// Takes what was sent out of what the body fails with; gives it back when somebody else does so already.
    pub(super) fn clean(self: Pin<&mut Self>, sent: Arc<Sent>) -> Option<Arc<Sent>> {
        put(self.project().sent, sent)
    }

    /// Ends reads that take too long; gives the patience back when it has some already.
    pub(super) fn hurry(self: Pin<&mut Self>, patience: Patience) -> Option<Patience> {
        put(self.project().patience, patience)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.ahead.is_nothing
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.ahead.length
    }

    pub(super) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut this = self.project();
        let Poll::Ready(frame) = this.frames.as_mut().poll_frame(cx) else {
            let Some(patience) = this.patience else { return Poll::Pending };
            return patience.poll_end(cx).map(|error| Some(Err(error)));
        };
        *this.ahead = this.frames.ahead();
        if let Some(patience) = this.patience {
            patience.begin_again();
        }
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let error = match this.sent {
                    Some(sent) => error.cleaned(sent),
                    None => error,
                };
                match this.patience {
                    Some(patience) => patience.tell_call(error),
                    None => error,
                }
            })
        }))
    }
}

/// Fills an empty place; gives the value back when it is taken.
fn put<T>(place: &mut Option<T>, value: T) -> Option<T> {
    if place.is_some() {
        return Some(value);
    }
    *place = Some(value);
    None
}

pin_project! {
    /// A stream of data, of known length or not.
    pub(super) struct Streamed<S> {
        #[pin]
        stream: S,
        remaining: Option<u64>,
    }
}

impl<S> Streamed<S> {
    pub(super) fn new(stream: S, length: Option<u64>) -> Self {
        Self { stream, remaining: length }
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
        let next = ready!(this.stream.poll_next(cx));
        let Some(remaining) = this.remaining else {
            return Poll::Ready(next.map(|result| result.map(Frame::data)));
        };
        let next = match next {
            Some(Ok(data)) => Some(match remaining.checked_sub(data.len() as u64) {
                Some(rest) => {
                    *remaining = rest;
                    Ok(data)
                }
                None => Err(another_length("it has more bytes")),
            }),
            None if *remaining > 0 => Some(Err(another_length(&format!("{remaining} bytes are missing")))),
            other => other,
        };
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The stream is at fault: a connection would cut off what is too much, and break for what is missing.
fn another_length(how: &str) -> Error {
    Error::new(ErrorKind::Io, format!("the stream is not as long as it was said to be: {how}"))
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
