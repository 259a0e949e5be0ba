//! Cancelling what nobody waits for any more.

use std::pin::Pin;
use std::task::{Context, Poll};

use databricks_transport::{CallOff, Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::api::Api;
use crate::wire::{StatementRequest, StatementResponse};
use crate::{Result, SqlError, StatementId};

/// Cancels its statement on the server when it is dropped, unless it was disarmed.
#[derive(Debug)]
pub(crate) struct CancelGuard {
    armed: Option<(Api, StatementId)>,
}

impl CancelGuard {
    pub(crate) fn new(api: Api, id: StatementId) -> Self {
        Self { armed: Some((api, id)) }
    }

    /// The statement ended: nothing is left to cancel.
    pub(crate) fn disarm(&mut self) {
        self.armed = None;
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let Some((api, id)) = self.armed.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move { cancel_quietly(&api, &id).await }.in_current_span());
            }
            // Dropped after its runtime: nothing can be sent. The warehouse's own limits end the statement.
            Err(_) => {
                tracing::warn!(statement_id = %id, "statement left running: no runtime to cancel it on")
            }
        }
    }
}

/// Asks the server to cancel. A failure is logged: whoever waited has an error or is gone already.
pub(crate) async fn cancel_quietly(api: &Api, id: &StatementId) {
    match api.cancel(id).await {
        Ok(()) => tracing::debug!(statement_id = %id, "statement cancelled"),
        Err(error) => tracing::warn!(statement_id = %id, %error, "could not cancel the statement"),
    }
}

/// A statement on its way to the server, on a task of its own, so that a caller who goes away while the server holds the
/// answer back does not leave it running: the answer then drops the guard. Dropped, it is called off as far as it has not
/// been sent.
pub(crate) struct Submission {
    answer: JoinHandle<Result<(StatementResponse, CancelGuard)>>,
    call_off: CallOff,
}

pub(crate) fn submit(api: Api, request: StatementRequest, idempotent: bool) -> Result<Submission> {
    let call_off = CallOff::new();
    let off = call_off.clone();
    let call = async move {
        let response = api.submit(&request, idempotent, &off).await?;
        let guard = CancelGuard::new(api, response.statement_id.clone());
        Ok((response, guard))
    };
    Ok(Submission { answer: runtime()?.spawn(call.in_current_span()), call_off })
}

impl Submission {
    /// If it has not been sent by now, it is not going to be.
    pub(crate) fn call_off(&self) {
        self.call_off.call_off();
    }
}

impl Future for Submission {
    type Output = Result<(StatementResponse, CancelGuard)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.map_err(|_| task_ended())?)
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        self.call_off();
    }
}

/// The runtime of the caller.
pub(crate) fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        let message = "statements need a tokio runtime; call from inside one";
        SqlError::Transport(Error::new(ErrorKind::Config, message).with_source(error))
    })
}

/// The error of a task that ended without an answer, which only a runtime's shutdown does.
pub(crate) fn task_ended() -> SqlError {
    SqlError::Transport(
        Error::new(ErrorKind::Other, "the runtime shut down before the answer came").with_ambiguous(true),
    )
}
