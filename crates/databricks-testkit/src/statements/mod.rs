//! The Statement Execution API: submit, poll, chunks, cancel, close; sessions; the storage behind external links.

mod answer;
mod compress;
mod encode;
mod links;
mod registry;
mod request;
mod sessions;
mod storage;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use databricks_transport::Body;
use futures::FutureExt;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use crate::api_error::{Answer, ApiFailure, json_response};
use crate::engine::{EngineRequest, EngineResult, StatementEngine, StatementFailure};
use crate::files::drain;
use crate::route::Call;
use crate::warehouses::{Lease, usable as known_warehouse};

pub(crate) use compress::lz4_frames;
use registry::{Entry, Outcome};
pub(crate) use registry::{Limits, Statements};
use request::{Disposition, StatementSpec, SubmitBody, WaitPolicy};
pub(crate) use sessions::Sessions;
pub(crate) use sessions::{close_session, open_session};
pub(crate) use storage::download;

/// The largest JSON body read: a statement of 16 MiB may need more than that once escaped.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// Results of no more cells are measured at once.
const FEW_CELLS: u64 = 4096;

/// `POST /api/2.0/sql/statements`.
pub(crate) async fn submit(call: &Call<'_>, body: Body) -> Answer {
    let body: SubmitBody = read_json(body).await?;
    let warehouse_id = body.warehouse_id()?.to_owned();
    known_warehouse(call, &warehouse_id)?;
    let defaults = call.shared.sessions.defaults(call.user, &warehouse_id, body.session_id())?;
    let StatementSpec { mut engine, mut delivery, wait } = body.into_spec(call.user, defaults)?;
    engine.grants = call.shared.access.grants.clone();
    let (statements, id) = (&call.shared.statements, call.shared.ids.next());
    delivery.lz4 &= statements.compresses();
    let entry = statements.insert(id, call.user, delivery, call.shared.clock.elapsed())?;
    let lease = call.shared.warehouses.lease(&warehouse_id);
    start(call.shared.engine.clone(), engine, entry.clone(), lease);
    wait_for_end(&entry, wait).await;
    statements.make_room(call.shared.clock.elapsed());
    answer::statement(call, &entry).await
}

/// Runs the engine, once the warehouse runs, in a task that a cancel aborts.
fn start(engine: Arc<dyn StatementEngine>, request: EngineRequest, entry: Arc<Entry>, warehouse: Lease) {
    let runner = entry.clone();
    let task = tokio::spawn(async move {
        let work = async {
            let ran = async {
                warehouse.ready().await?;
                runner.set_running();
                warehouse.run(async { engine.execute(request).await }).await
            };
            judged(&runner, ran.await).await
        };
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        runner.finish(outcome.unwrap_or_else(|_| {
            Outcome::Failed(StatementFailure::internal("The engine panicked while it ran the statement."))
        }));
    });
    entry.set_task(task.abort_handle());
}

/// What an engine gave is measured, where that may take long on a thread of its own: chunks may have to be encoded.
async fn judged(entry: &Arc<Entry>, result: Result<EngineResult, StatementFailure>) -> Outcome {
    let result = match result {
        Ok(result) => result,
        Err(failure) => return Outcome::Failed(failure),
    };
    let rows: u64 = result.chunks.iter().map(|chunk| chunk.row_count()).sum();
    if rows.saturating_mul(result.columns.len() as u64) <= FEW_CELLS {
        return judge(entry, result);
    }
    let entry = entry.clone();
    match tokio::task::spawn_blocking(move || judge(&entry, result)).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => {
            Outcome::Failed(StatementFailure::internal(format!("The result could not be read: {error}")))
        }
    }
}

/// A result that passes the INLINE limit is a failure, as documented.
fn judge(entry: &Entry, result: EngineResult) -> Outcome {
    let bytes = byte_count(&result);
    if entry.delivery.disposition == Disposition::Inline && bytes > entry.inline_limit {
        let limit = entry.inline_limit;
        let message = format!(
            "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most \
             {limit} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download the full result."
        );
        return Outcome::Failed(StatementFailure {
            error_code: "BAD_REQUEST".to_owned(),
            message,
            sql_state: None,
        });
    }
    let result = entry.delivery.limit(result);
    let bytes = byte_count(&result);
    Outcome::Succeeded(result, bytes)
}

fn byte_count(result: &EngineResult) -> u64 {
    result.chunks.iter().map(|chunk| chunk.byte_count()).fold(0, u64::saturating_add)
}

async fn wait_for_end(entry: &Arc<Entry>, policy: WaitPolicy) {
    if policy.timeout == Duration::ZERO {
        return;
    }
    if timeout(policy.timeout, entry.ended()).await.is_err() && policy.cancel_on_timeout {
        entry.cancel();
    }
}

/// `GET /api/2.0/sql/statements/{id}`.
pub(crate) async fn poll(call: &Call<'_>, id: &str) -> Answer {
    let entry = find(call, id)?;
    answer::statement(call, &entry).await
}

/// `GET /api/2.0/sql/statements/{id}/result/chunks/{index}`.
pub(crate) async fn chunk(call: &Call<'_>, id: &str, index: &str) -> Answer {
    let entry = find(call, id)?;
    let index = index.parse().map_err(|_| {
        ApiFailure::invalid(format!("'{index}' is not a chunk index: a whole number from 0 is."))
    })?;
    answer::chunk(call, &entry, index).await
}

/// `POST /api/2.0/sql/statements/{id}/cancel`: received, whatever the state; one that has ended stays as it is.
pub(crate) fn cancel(call: &Call<'_>, id: &str) -> Answer {
    find(call, id)?.cancel();
    json_response(&json!({}))
}

/// `DELETE /api/2.0/sql/statements/{id}`: cancels what still runs and frees the result.
pub(crate) fn close(call: &Call<'_>, id: &str) -> Answer {
    find(call, id)?.close();
    json_response(&json!({}))
}

/// A statement of this user. Those of others do not exist for them.
fn find(call: &Call<'_>, id: &str) -> Result<Arc<Entry>, ApiFailure> {
    call.shared.statements.make_room(call.shared.clock.elapsed());
    let entry = call.shared.statements.get(id).filter(|entry| entry.user == call.user);
    entry.ok_or_else(|| ApiFailure::not_found(format!("The statement {id} was not found.")))
}

/// A JSON body.
pub(crate) async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, ApiFailure> {
    if http_body::Body::size_hint(&body).lower() > BODY_LIMIT as u64 {
        drain(body).await;
        return Err(too_large());
    }
    let bytes = body.collect(BODY_LIMIT).await.map_err(|error| match error.kind() {
        databricks_transport::ErrorKind::Invalid => too_large(),
        _ => malformed(&error.to_string()),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))
}

fn malformed(detail: &str) -> ApiFailure {
    let message = format!("Could not parse request object: {detail}");
    ApiFailure::new(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", message)
}

fn too_large() -> ApiFailure {
    let message = format!("The request body is larger than {BODY_LIMIT} bytes.");
    ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE", message)
}
