//! How long a read of an answer may wait for the server. Time in which nobody reads does not count.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::error::{CallSummary, Error, ErrorKind};

/// The silence that whoever reads an answer puts up with, and the call that an error is about.
pub(crate) struct Patience {
    limit: Duration,
    call: CallSummary,
    /// Since a read found nothing; none while there is something to read.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration, call: CallSummary) -> Self {
        Self { limit, call, waiting: None }
    }

    /// Something has come.
    pub(super) fn begin_again(&mut self) {
        self.waiting = None;
    }

    /// Nothing has come: the error, once it has been so for too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        let seconds = limit.as_secs_f64();
        let what = format!("the answer stopped in the middle: no data for {seconds} s");
        Poll::Ready(self.tell_call(Error::new(ErrorKind::Timeout, what)))
    }

    /// The error with the call that it happened in.
    pub(super) fn tell_call(&self, error: Error) -> Error {
        error.with_call(self.call)
    }
}
