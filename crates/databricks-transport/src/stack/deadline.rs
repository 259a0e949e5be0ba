//! The total deadline: it caps waits, attempts and everything between them, up to the head of the answer.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::state::CallState;
use crate::error::{Error, ErrorKind};
use crate::service::{Answered, Exchange, Outgoing};

/// Ends a call at its deadline.
#[derive(Clone, Debug)]
pub(crate) struct Deadline<S> {
    inner: S,
    is_alone: bool,
}

impl<S> Deadline<S> {
    /// `is_alone`: only layers of ours are inside, up to the attempts, so that all of them run in the task of the call.
    pub(crate) fn new(inner: S, is_alone: bool) -> Self {
        Self { inner, is_alone }
    }
}

impl<S: Exchange> Exchange for Deadline<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        let call = request.call;
        let mut answer = pin!(self.inner.send(request));
        let mut off = call.call_off().map(|call_off| Box::pin(call_off.called_off()));
        if call.is_called_off() {
            return Err(called_off(call));
        }
        let mut end = None;
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if off.as_mut().is_some_and(|off| off.as_mut().poll(cx).is_ready()) {
                off = None;
                // What the host has got comes to its end, and is not sent again.
                if !call.is_out_there() {
                    return Poll::Ready(Err(called_off(call)));
                }
            }
            let Some(deadline) = call.deadline() else { return Poll::Pending };
            // A timer costs more than most layers. While an attempt has one that comes sooner, it wakes this too.
            if self.is_alone && call.is_watched() {
                return Poll::Pending;
            }
            let end = end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            end.as_mut().poll(cx).map(|()| Err(out_of_time(call)))
        })
        .await
    }
}

fn out_of_time(state: &CallState) -> Error {
    let seconds = state.elapsed().as_secs_f64();
    let so_far = so_far(state);
    Error::new(
        ErrorKind::Timeout,
        format!(
            "no answer within the {seconds:.1} s that the call may take; {so_far}; allow more with `with_total_timeout`"
        ),
    )
}

fn called_off(state: &CallState) -> Error {
    let seconds = state.elapsed().as_secs_f64();
    let so_far = so_far(state);
    Error::new(ErrorKind::Timeout, format!("it was called off after {seconds:.1} s; {so_far}"))
}

fn so_far(state: &CallState) -> String {
    match (state.last_failure(), state.attempts()) {
        (None, _) if state.is_waiting_for_token() => "it was still waiting for an access token".to_owned(),
        (None, _) if state.is_waiting_for_probe() => {
            "other calls were still finding out whether the host works again".to_owned()
        }
        (Some(failure), _) => format!("the last attempt failed with: {failure}"),
        (None, 0) => "it was still waiting for its turn under the rate limit".to_owned(),
        (None, _) => "the server had not answered".to_owned(),
    }
}
