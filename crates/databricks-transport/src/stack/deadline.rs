//! The total deadline: it caps waits, attempts and everything between them, up to the head of the answer.

use std::pin::pin;

use super::state::CallState;
use crate::error::{Error, ErrorKind};
use crate::service::{Answered, Exchange, Outgoing};

/// Ends a call at its deadline.
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
}

impl<S> Deadline<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Exchange> Exchange for Deadline<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        let call = request.call;
        // Pinned where it is made: it is large, and the timeout would be put around a copy.
        let answer = pin!(self.inner.send(request));
        match call.deadline() {
            Some(deadline) => {
                tokio::time::timeout_at(deadline, answer).await.unwrap_or_else(|_| Err(out_of_time(call)))
            }
            None => answer.await,
        }
    }
}

fn out_of_time(state: &CallState) -> Error {
    let seconds = state.elapsed().as_secs_f64();
    let so_far = match (state.last_failure(), state.attempts()) {
        (None, _) if state.is_waiting_for_token() => "it was still waiting for an access token".to_owned(),
        (None, _) if state.is_waiting_for_probe() => {
            "other calls were still finding out whether the host works again".to_owned()
        }
        (Some(failure), _) => format!("the last attempt failed with: {failure}"),
        (None, 0) => "it was still waiting for its turn under the rate limit".to_owned(),
        (None, _) => "the server had not answered".to_owned(),
    };
    Error::new(
        ErrorKind::Timeout,
        format!(
            "no answer within the {seconds:.1} s that the call may take; {so_far}; allow more with `with_total_timeout`"
        ),
    )
}
