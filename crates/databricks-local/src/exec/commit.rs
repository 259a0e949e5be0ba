//! Commits of our own: what INSERT, COPY INTO and CREATE TABLE write to the log.
//!
//! The commit phase, here and in delta-rs' builders, runs in a task that outlives the statement: a cancelled
//! statement has committed or it has not, and its table's lock is held until that is settled.

use std::collections::HashMap;
use std::future::Future;

use deltalake::checkpoints::create_checkpoint;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake::kernel::{Action, CommitInfo, IsolationLevel};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaResult, DeltaTable};
use serde_json::{Map, Value, json};

use crate::error::{LocalError, Result};

/// The member of a commit's information that says what the statement was, where delta-rs says another name.
pub(super) const STATEMENT: &str = "databricksLocalStatement";

/// Versions between two checkpoints.
const CHECKPOINT_EVERY: u64 = 10;

/// A commit as history will show it.
pub(super) struct Draft {
    /// What it is to delta-rs: decides what it conflicts with.
    pub(super) operation: DeltaOperation,
    /// Databricks' name of the operation: `WRITE`, `COPY INTO`.
    pub(super) name: &'static str,
    pub(super) parameters: Vec<(&'static str, Value)>,
    /// Databricks' names of the metrics, and their values.
    pub(super) metrics: Vec<(&'static str, u64)>,
    pub(super) actions: Vec<Action>,
    /// Whether nothing was read to make it.
    pub(super) blind_append: bool,
    pub(super) user: String,
}

/// Commits to the table (its first version where there is none), checkpoints when it is time, and lets go of what
/// is held: the table's lock.
pub(super) async fn commit(table: DeltaTable, draft: Draft, held: impl Send + 'static) -> Result<()> {
    let info = draft.info(table.version());
    let Draft { operation, mut actions, .. } = draft;
    actions.push(Action::CommitInfo(info));
    commit_actions(table, actions, operation, held).await
}

/// As [`commit`], for actions that say themselves what they are.
pub(super) async fn commit_actions(
    table: DeltaTable,
    actions: Vec<Action>,
    operation: DeltaOperation,
    held: impl Send + 'static,
) -> Result<()> {
    in_task(async move {
        let _only_writer = held;
        let state = table.snapshot().ok().map(|state| state as &dyn TableReference);
        let removes = actions.iter().any(|action| matches!(action, Action::Remove(_)));
        let committed = CommitBuilder::from(if removes { properties() } else { patient() })
            .with_actions(actions)
            .build(state, table.log_store(), operation)
            .await?;
        let version = committed.version();
        let mut after = DeltaTable::new(table.log_store());
        after.state = Some(committed.snapshot());
        checkpoint(&after, version).await;
        Ok(())
    })
    .await
}

/// Runs one of delta-rs' builders to its end, checkpoints when it is time, and lets go of what is held.
pub(super) async fn run<B, M>(builder: B, held: impl Send + 'static) -> Result<M>
where
    B: IntoFuture<Output = DeltaResult<(DeltaTable, M)>> + Send + 'static,
    B::IntoFuture: Send,
    M: Send + 'static,
{
    in_task(async move {
        let _only_writer = held;
        let (after, metrics) = builder.await?;
        checkpoint(&after, after.version().unwrap_or(0)).await;
        Ok(metrics)
    })
    .await
}

/// Runs to its end even when nobody waits any more.
pub(super) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.map_err(LocalError::internal)?
}

/// How a commit of this crate is made that takes files out of its table: it fails when another engine has committed
/// since its table was opened. delta-rs would go on where that was an OPTIMIZE, although both have replaced the same
/// files, and the rows of these would be there twice.
pub(super) fn properties() -> CommitProperties {
    patient().with_max_retries(0)
}

/// How a commit is made that only adds: after those of other engines, if need be. A failed checkpoint must not fail a
/// commit that is there, so delta-rs' own hooks are off.
fn patient() -> CommitProperties {
    CommitProperties::default().with_create_checkpoint(false).with_cleanup_expired_logs(Some(false))
}

/// As [`properties`], naming the user.
pub(super) fn properties_of(user: &str) -> CommitProperties {
    properties().with_metadata([("userName".to_owned(), Value::from(user))])
}

/// As [`properties_of`], for a statement that is another one underneath: history shows what was asked for.
pub(super) fn properties_as(
    user: &str,
    operation: &'static str,
    parameters: &[(&'static str, String)],
) -> CommitProperties {
    let parameters: Map<String, Value> =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.clone()))).collect();
    properties().with_metadata([
        ("userName".to_owned(), Value::from(user)),
        (STATEMENT.to_owned(), json!({ "operation": operation, "operationParameters": parameters })),
    ])
}

/// Writes a checkpoint at every tenth version. The commit stands whether or not this works.
pub(super) async fn checkpoint(table: &DeltaTable, version: u64) {
    if version == 0 || !version.is_multiple_of(CHECKPOINT_EVERY) {
        return;
    }
    if let Err(error) = create_checkpoint(table, None).await {
        tracing::warn!(version, %error, "no checkpoint was written");
    }
}

impl Draft {
    /// The `commitInfo` action of a commit on top of `read_version`.
    pub(super) fn info(&self, read_version: Option<u64>) -> CommitInfo {
        let parameters = self.parameters.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let metrics: Map<String, Value> = self
            .metrics
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(value.to_string())))
            .collect();
        CommitInfo {
            timestamp: Some(chrono::Utc::now().timestamp_millis()),
            user_name: Some(self.user.clone()),
            operation: Some(self.name.to_owned()),
            operation_parameters: Some(parameters.collect::<HashMap<_, _>>()),
            read_version,
            isolation_level: Some(IsolationLevel::WriteSerializable),
            is_blind_append: Some(self.blind_append),
            engine_info: Some(concat!("databricks-local/", env!("CARGO_PKG_VERSION")).to_owned()),
            info: HashMap::from([("operationMetrics".to_owned(), Value::Object(metrics))]),
            ..CommitInfo::default()
        }
    }
}
