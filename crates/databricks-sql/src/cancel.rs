//! Cancelling what nobody waits for any more.

use databricks_transport::{Error, ErrorKind};
use tokio::runtime::Handle;
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

/// Submits on a task of its own, so that a caller who goes away while the server holds the answer back does not
/// leave a statement running: the answer then drops the guard.
pub(crate) async fn submit(
    api: Api,
    request: StatementRequest,
    idempotent: bool,
) -> Result<(StatementResponse, CancelGuard)> {
    let call = async move {
        let response = api.submit(&request, idempotent).await?;
        let guard = CancelGuard::new(api, response.statement_id.clone());
        Ok((response, guard))
    };
    runtime()?.spawn(call.in_current_span()).await.map_err(|_| task_ended())?
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
