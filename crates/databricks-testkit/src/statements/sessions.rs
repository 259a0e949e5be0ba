//! Sessions: a default catalog and schema, and configuration, under an id.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use databricks_transport::Body;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::read_json;
use super::request::Defaults;
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::warehouses::usable as known_warehouse;

/// Sessions kept; past it the oldest are forgotten.
const CAPACITY: usize = 10_000;

/// The open sessions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<IndexMap<String, Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    user: String,
    warehouse_id: String,
    defaults: Defaults,
}

impl Sessions {
    /// The defaults of a session, or none without one. A session belongs to the warehouse it was opened on.
    pub(super) fn defaults(
        &self,
        user: &str,
        warehouse_id: &str,
        id: Option<&str>,
    ) -> Result<Defaults, ApiFailure> {
        let Some(id) = id else { return Ok(Defaults::default()) };
        let open = self.lock();
        let session = open.get(id).filter(|session| session.user == user).ok_or_else(|| not_found(id))?;
        if session.warehouse_id != warehouse_id {
            let own = &session.warehouse_id;
            return Err(ApiFailure::invalid(format!(
                "The session {id} belongs to the warehouse {own}, not to {warehouse_id}."
            )));
        }
        Ok(session.defaults.clone())
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct OpenBody {
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    session_confs: Option<BTreeMap<String, Value>>,
}

/// `POST /api/2.0/sql/sessions`.
pub(crate) async fn open_session(call: &Call<'_>, body: Body) -> Answer {
    let OpenBody { warehouse_id, catalog, schema, session_confs } = read_json(body).await?;
    let warehouse_id = warehouse_id.unwrap_or_default();
    known_warehouse(call, &warehouse_id)?;
    // A session starts its warehouse, and does not wait for it.
    drop(call.shared.warehouses.lease(&warehouse_id));
    let id = call.shared.ids.next();
    let confs = session_confs.unwrap_or_default().into_iter().filter_map(conf).collect();
    let defaults = Defaults { catalog, schema, confs };
    let mut open = call.shared.sessions.lock();
    if open.len() == CAPACITY {
        open.shift_remove_index(0);
    }
    open.insert(id.clone(), Session { user: call.user.to_owned(), warehouse_id, defaults });
    json_response(&json!({ "session_id": id }))
}

/// A setting as text; null says nothing.
fn conf((name, value): (String, Value)) -> Option<(String, String)> {
    match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    }
}

/// `DELETE /api/2.0/sql/sessions/{id}`.
pub(crate) fn close_session(call: &Call<'_>, id: &str) -> Answer {
    let mut open = call.shared.sessions.lock();
    if open.get(id).is_none_or(|session| session.user != call.user) {
        return Err(not_found(id));
    }
    open.shift_remove(id);
    json_response(&json!({}))
}

fn not_found(id: &str) -> ApiFailure {
    ApiFailure::not_found(format!("The session {id} was not found."))
}
