//! One statement being run: its defaults, its parameters, its session, and how names become objects.

use std::sync::Arc;

use databricks_testkit::{EngineRequest, EngineResult};
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use futures::future::BoxFuture;
use sqlparser::ast::Query;
use tokio::sync::OwnedMutexGuard;

use super::engine::Shared;
use super::files;
use super::information_schema;
use super::pauses::PausingJoins;
use super::scans::with_honest_scans;
use crate::error::{LocalError, Result};
use crate::metastore::{ObjectPath, SchemaPath};
use crate::query::{self, Parameters, TableSource, TableVersion};

/// The catalog and schema of a statement that names none, as in a new workspace.
const DEFAULT_CATALOG: &str = "main";
const DEFAULT_SCHEMA: &str = "default";

/// A statement and all it needs to run.
pub(super) struct Statement {
    pub(super) shared: Arc<Shared>,
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) user: String,
    pub(super) parameters: Parameters,
    pub(super) context: SessionContext,
    row_limit: Option<u64>,
}

impl Statement {
    /// Reads the request's parameters and makes a session for it.
    pub(super) fn new(shared: Arc<Shared>, request: EngineRequest) -> Result<Self> {
        let context = session(&shared)?;
        let parameters = Parameters::from_request(&request.parameters)?;
        Ok(Self {
            shared,
            catalog: request.catalog.unwrap_or_else(|| DEFAULT_CATALOG.to_owned()),
            schema: request.schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            user: request.user,
            parameters,
            context,
            row_limit: request.row_limit,
        })
    }

    /// Runs a query and streams its rows into chunks.
    pub(super) async fn query(&self, query: &Query) -> Result<EngineResult> {
        let plan = self.plan(query).await?;
        let stream = self.context.execute_logical_plan(plan).await?.execute_stream().await?;
        self.shared.spool.collect(stream, self.row_limit).await
    }

    /// The plan of a query.
    pub(super) async fn plan(&self, query: &Query) -> Result<LogicalPlan> {
        query::plan_query(self, query, &self.parameters).await
    }

    /// The session's state, for delta-rs' builders.
    pub(super) fn state(&self) -> Arc<SessionState> {
        Arc::new(self.context.state())
    }

    /// The full name of a table or volume written with one to three parts.
    pub(super) fn object(&self, name: &[String]) -> Result<ObjectPath> {
        match name {
            [name] => ObjectPath::parse(&self.catalog, &self.schema, name),
            [schema, name] => ObjectPath::parse(&self.catalog, schema, name),
            [catalog, schema, name] => ObjectPath::parse(catalog, schema, name),
            parts => Err(too_many_parts(parts)),
        }
    }

    /// The full name of a schema written with one or two parts.
    pub(super) fn schema_path(&self, name: &[String]) -> Result<SchemaPath> {
        match name {
            [schema] => SchemaPath::parse(&self.catalog, schema),
            [catalog, schema] => SchemaPath::parse(catalog, schema),
            parts => Err(too_many_parts(parts)),
        }
    }

    /// Waits until this statement is the only writer of the table.
    pub(super) async fn lock(&self, path: &ObjectPath) -> OwnedMutexGuard<()> {
        self.shared.table_lock(path).lock_owned().await
    }

    /// Runs something that touches the disk where blocking is fine.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Shared) -> Result<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared)).await.map_err(LocalError::internal)?
    }
}

/// A session whose operators share the workspace's memory and spill into its folder.
fn session(shared: &Shared) -> Result<SessionContext> {
    let spill = DiskManagerMode::Directories(vec![shared.metastore.spool_dir()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(&shared.memory))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
        .build_arc()?;
    let state = query::session().state();
    let mut config = state.config().clone();
    // delta-rs' own sessions have these two off: pushing a join's keys down as a list panics on the dictionary
    // arrays of its scans.
    config.options_mut().optimizer.hash_join_inlist_pushdown_max_size = 0;
    config.options_mut().optimizer.hash_join_inlist_pushdown_max_distinct_values = 0;
    // Those of files that anybody wrote pass over NaN: a column of one number and NaN would be read as that number.
    config.options_mut().execution.collect_statistics = false;
    let rules = with_honest_scans(state.physical_optimizers());
    let state = SessionStateBuilder::new_from_existing(state)
        .with_physical_optimizer_rules(rules)
        .with_config(config)
        .with_runtime_env(runtime)
        .with_query_planner(DeltaPlanner::new())
        .with_physical_optimizer_rule(Arc::new(PausingJoins))
        .build();
    Ok(SessionContext::new_with_state(state))
}

fn too_many_parts(parts: &[String]) -> LocalError {
    let name = parts.join(".");
    let message = format!("'{name}' is not a valid name here: it has {} parts.", parts.len());
    LocalError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", message)
}

impl TableSource for Statement {
    fn table<'a>(
        &'a self,
        name: &'a [String],
        at: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            let path = self.object(name)?;
            if information_schema::is_meant(&path) {
                return self.information_schema(&path).await;
            }
            let table = match at {
                None => self.open(&path).await?,
                Some(version) => self.open_at(&path, &version).await?,
            };
            self.provider(&table).await
        })
    }

    fn changes<'a>(
        &'a self,
        name: &'a [String],
        from: TableVersion,
        to: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(self.change_feed(name, from, to))
    }

    fn files<'a>(
        &'a self,
        path: &'a str,
        format: &'a str,
        options: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            let files = files::list(self, path).await?;
            files::provider(self, &files, format, options).await
        })
    }
}
