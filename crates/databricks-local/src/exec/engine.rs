//! The engine behind the simulated workspace: one statement in, one result out.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use databricks_testkit::{EngineRequest, EngineResult, StatementEngine, StatementFailure};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use futures::future::BoxFuture;

use super::statement::Statement;
use super::threads;
use crate::error::{LocalError, Result};
use crate::metastore::{Metastore, ObjectPath};
use crate::parse::{self, Command};
use crate::result::SpoolSettings;

/// Bytes that the operators of all running queries may hold together: sorts and aggregates spill beyond it, a join
/// that cannot fails with `[OUT_OF_MEMORY]` instead of taking the machine down.
const QUERY_MEMORY: usize = 640 << 20;

/// Consumers named when memory runs out.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// Runs SQL over a metastore. Clones share everything.
#[derive(Clone)]
pub(crate) struct LocalEngine {
    shared: Arc<Shared>,
}

/// What all statements of a workspace share.
pub(super) struct Shared {
    pub(super) metastore: Arc<Metastore>,
    pub(super) spool: SpoolSettings,
    pub(super) memory: Arc<dyn MemoryPool>,
    locks: Mutex<HashMap<ObjectPath, Weak<tokio::sync::Mutex<()>>>>,
}

impl Shared {
    /// The lock that writers of this table take, whether the table exists or not.
    pub(super) fn table_lock(&self, path: &ObjectPath) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(path).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(path.clone(), Arc::downgrade(&lock));
        lock
    }
}

impl LocalEngine {
    /// An engine over this metastore.
    pub(crate) fn new(metastore: Arc<Metastore>) -> Self {
        let spool = SpoolSettings::new(metastore.spool_dir());
        let memory = Arc::new(TrackConsumersPool::new(FairSpillPool::new(QUERY_MEMORY), NAMED_CONSUMERS));
        Self { shared: Arc::new(Shared { metastore, spool, memory, locks: Mutex::default() }) }
    }
}

impl StatementEngine for LocalEngine {
    fn execute(&self, request: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let sql = request.statement.clone();
            threads::apart(run(shared, request)).await.map_err(|error| failure(&error, &sql))
        })
    }
}

async fn run(shared: Arc<Shared>, request: EngineRequest) -> Result<EngineResult> {
    if request.grants.is_enforced() {
        // Running it would show what the grants hide.
        return Err(LocalError::unsupported_feature("SQL under grants that are enforced"));
    }
    let command = parse::parse(&request.statement)?;
    let statement = Statement::new(shared, request)?;
    statement.run(command).await
}

fn failure(error: &LocalError, sql: &str) -> StatementFailure {
    let error_code = match error.class() {
        "INTERNAL_ERROR" => "INTERNAL_ERROR",
        "IO_ERROR" | "STORAGE_FULL" => "IO_ERROR",
        "OUT_OF_MEMORY" => "RESOURCE_EXHAUSTED",
        _ => "BAD_REQUEST",
    };
    StatementFailure {
        error_code: error_code.to_owned(),
        message: error.render(sql),
        sql_state: Some(error.sql_state().to_owned()),
    }
}

impl Statement {
    /// Runs one command.
    async fn run(&self, command: Command) -> Result<EngineResult> {
        match command {
            Command::Query(query) => self.query(&query).await,
            Command::CreateCatalog(object) => self.create_catalog(object).await,
            Command::DropCatalog(object) => self.drop_catalog(object).await,
            Command::CreateSchema(object) => self.create_schema(object).await,
            Command::DropSchema(object) => self.drop_schema(object).await,
            Command::CreateVolume(object) => self.create_volume(object).await,
            Command::DropVolume(object) => self.drop_volume(object).await,
            Command::CreateTable(create) => self.create_table(*create).await,
            Command::CloneTable(clone) => self.clone_table(*clone).await,
            Command::DropTable { name, if_exists } => self.drop_table(&name, if_exists).await,
            Command::Insert(insert) => self.insert(*insert).await,
            Command::Merge(merge) => self.merge(*merge).await,
            Command::Update(update) => self.update(*update).await,
            Command::Delete(delete) => self.delete(&delete).await,
            Command::Truncate { table } => self.truncate(&table).await,
            Command::CopyInto(copy) => self.copy_into(*copy).await,
            Command::AlterTable { table, change } => self.alter_table(&table, change).await,
            Command::CommentOn(on) => self.comment_on(on).await,
            Command::Optimize { table, full, predicate, zorder_by } => {
                self.optimize(&table, full, predicate.as_ref(), &zorder_by).await
            }
            Command::Vacuum { table, mode, retain_hours, dry_run } => {
                self.vacuum(&table, mode, retain_hours, dry_run).await
            }
            Command::Restore { table, to } => self.restore(&table, &to).await,
            command => self.answer(command).await,
        }
    }

    /// Runs a command that only reads what is known of objects.
    async fn answer(&self, command: Command) -> Result<EngineResult> {
        match command {
            Command::DescribeTable { table, extended } => self.describe_table(&table, extended).await,
            Command::DescribeHistory { table, limit } => self.describe_history(&table, limit).await,
            Command::DescribeDetail { table } => self.describe_detail(&table).await,
            Command::DescribeQuery(query) => self.describe_query(&query).await,
            Command::ShowCatalogs { like } => self.show_catalogs(like.as_deref()).await,
            Command::ShowSchemas(show) => self.show_schemas(&show).await,
            Command::ShowTables(show) => self.show_tables(&show).await,
            Command::ShowVolumes(show) => self.show_volumes(&show).await,
            Command::ShowColumns { table } => self.show_columns(&table).await,
            Command::BrowseSchemas(browse) => self.browse_schemas(&browse).await,
            Command::BrowseTables(browse) => self.browse_tables(&browse).await,
            Command::BrowseColumns(browse) => self.browse_columns(&browse).await,
            Command::ShowProperties { table, key } => self.show_properties(&table, key.as_deref()).await,
            Command::Explain(_) => Err(LocalError::unsupported_feature("EXPLAIN")),
            Command::UseCatalog(_) | Command::UseSchema(_) => Err(LocalError::unsupported_feature(
                "USE, for statements keep no session: give the catalog and schema with each statement",
            )),
            other => Err(LocalError::internal(format_args!("the command {other:?} has no handler"))),
        }
    }
}
