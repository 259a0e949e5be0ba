//! RESTORE TABLE .. TO VERSION or TIMESTAMP AS OF.

use std::collections::HashMap;

use databricks_testkit::EngineResult;
use deltalake::DeltaTable;

use super::commit;
use super::rows::{count, counts};
use super::statement::Statement;
use crate::error::Result;
use crate::parse::{Name, TimeTravel};
use crate::query;

impl Statement {
    pub(super) async fn restore(&self, name: &Name, to: &TimeTravel) -> Result<EngineResult> {
        let path = self.object(name)?;
        let at = query::time_travel(to, &self.parameters)?;
        let guard = self.lock(&path).await;
        let version = self.resolve_version(&path, &at).await?;
        let before = self.open(&path).await?;
        if before.version() == Some(version) {
            let files = sizes(&before)?;
            drop(guard);
            return answer(self, &files, &files).await;
        }
        let properties = commit::properties_of(&self.user);
        let (old, new) = commit::in_task(async move {
            let _only_writer = guard;
            let old = sizes(&before)?;
            let restore =
                before.restore().with_version_to_restore(version).with_commit_properties(properties);
            let (after, _) = restore.await?;
            commit::checkpoint(&after, after.version().unwrap_or(0)).await;
            Ok((old, sizes(&after)?))
        })
        .await?;
        answer(self, &old, &new).await
    }
}

/// The data files of a version and their sizes in bytes.
fn sizes(table: &DeltaTable) -> Result<HashMap<String, u64>> {
    let files = table.snapshot()?.log_data();
    Ok(files.iter().map(|file| (file.path().into_owned(), u64::try_from(file.size()).unwrap_or(0))).collect())
}

async fn answer(
    statement: &Statement,
    old: &HashMap<String, u64>,
    new: &HashMap<String, u64>,
) -> Result<EngineResult> {
    let only_in = |these: &HashMap<String, u64>, others: &HashMap<String, u64>| -> (u64, u64) {
        let files = these.iter().filter(|(path, _)| !others.contains_key(*path));
        files.fold((0, 0), |(number, bytes), (_, size)| (number + 1, bytes + size))
    };
    let (removed, removed_bytes) = only_in(old, new);
    let (restored, restored_bytes) = only_in(new, old);
    counts(
        statement,
        [
            ("table_size_after_restore", new.values().sum()),
            ("num_of_files_after_restore", count(new.len())),
            ("num_removed_files", removed),
            ("num_restored_files", restored),
            ("removed_files_size", removed_bytes),
            ("restored_files_size", restored_bytes),
        ],
    )
    .await
}
