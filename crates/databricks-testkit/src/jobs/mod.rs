//! The Jobs API: definitions, runs that move through their states on tokio's clock, repairs, outputs.
//!
//! A run is driven by one tokio task ([`drive`]), which holds the jobs service but not the workspace: when the
//! workspace is dropped, what still runs is stopped. What tasks do is told by a [`JobsScript`].

mod attempt;
mod condition;
mod core;
mod definitions;
mod drive;
mod ending;
mod fields;
mod for_each;
mod paging;
mod parameters;
mod permissions;
mod plan;
mod plan_check;
mod plan_read;
mod record;
mod references;
mod repair;
mod run_job;
mod runs;
mod scope;
mod script;
mod sql;
mod stale;
mod start;
mod task;
mod task_script;
mod view;

use std::fmt;
use std::sync::Arc;

use databricks_transport::Body;

use crate::api_error::Answer;
use crate::clock::Clock;
use crate::files::drain;
use crate::route::{Call, not_simulated};
use crate::statements::read_json;

use self::core::Core;
pub(crate) use permissions::handle as handle_permissions;
pub use script::JobsScript;
pub(crate) use sql::SqlTasks;
pub use task::{TaskCall, TaskOutcome};
pub use task_script::TaskScript;

/// The jobs service of a workspace. What runs stops when it is dropped.
pub(crate) struct Jobs {
    core: Arc<Core>,
}

impl Jobs {
    pub(crate) fn new(script: JobsScript, sql: SqlTasks, clock: Clock, seed: Option<u64>) -> Self {
        Self { core: Arc::new(Core::new(script, sql, clock, seed)) }
    }

    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn script(&self) -> &JobsScript {
        &self.core.script
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.core.abort_all();
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("script", self.script()).finish_non_exhaustive()
    }
}

/// Answers a call below `/api/{version}/jobs/`; `path` holds the decoded segments that follow.
pub(crate) async fn handle(
    call: &Call<'_>,
    version: &str,
    method: &str,
    path: &[&str],
    body: Body,
) -> Answer {
    let (core, user) = (&call.shared.jobs.core, call.user);
    match (method, path) {
        ("GET", ["get"]) => definitions::get(core, call),
        ("GET", ["list"]) => definitions::list(core, call),
        ("GET", ["runs", "get"]) => runs::get(core, call),
        ("GET", ["runs", "get-output"]) => runs::output(core, call),
        ("GET", ["runs", "export"]) => runs::export(core, call),
        ("GET", ["runs", "list"]) => runs::list(core, call),
        ("POST", ["create"]) => definitions::create(core, user, version, read_json(body).await?),
        ("POST", ["update"]) => definitions::update(core, user, read_json(body).await?),
        ("POST", ["reset"]) => definitions::reset(core, user, version, read_json(body).await?),
        ("POST", ["delete"]) => definitions::delete(core, user, read_json(body).await?),
        ("POST", ["run-now"]) => runs::run_now(core, user, read_json(body).await?),
        ("POST", ["runs", "submit"]) => runs::submit(core, user, read_json(body).await?),
        ("POST", ["runs", "cancel"]) => runs::cancel(core, user, read_json(body).await?),
        ("POST", ["runs", "cancel-all"]) => runs::cancel_all(core, user, read_json(body).await?),
        ("POST", ["runs", "delete"]) => runs::delete(core, user, read_json(body).await?),
        ("POST", ["runs", "repair"]) => repair::repair(core, user, read_json(body).await?),
        (method, path) => {
            drain(body).await;
            Err(not_simulated(method, &format!("/api/{version}/jobs/{}", path.join("/"))))
        }
    }
}
