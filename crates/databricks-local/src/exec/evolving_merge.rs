//! MERGE WITH SCHEMA EVOLUTION: the source's new columns and the merged rows in one version.
//!
//! delta-rs' own schema evolution makes a table of another id, without description or column mapping. So the merge
//! runs on a copy of the table that has the columns already (its files are links to the table's own), and what it
//! wrote there is committed to the table together with the columns.

use std::path::{Path, PathBuf};

use arrow::datatypes::FieldRef;
use datafusion::common::DFSchema;
use datafusion::dataframe::DataFrame;
use deltalake::DeltaTable;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{Action, CommitInfo, StructField};
use deltalake::operations::merge::MergeMetrics;
use tokio::sync::OwnedMutexGuard;

use super::alter::{check_name, whole_table};
use super::commit;
use super::create_table::storable;
use super::definition::fields::insert;
use super::definition::{Definition, mapping};
use super::open;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{Merge, MergeAction};

/// The definition with the columns that the merge brings along; none when it brings none.
pub(super) fn evolved(before: &Definition, merge: &Merge, source: &DFSchema) -> Result<Option<Definition>> {
    let all = merge
        .clauses
        .iter()
        .any(|clause| matches!(clause.action, MergeAction::UpdateAll | MergeAction::InsertAll));
    let named: Vec<String> = merge
        .clauses
        .iter()
        .flat_map(|clause| match &clause.action {
            MergeAction::Update(set) => set.iter().filter_map(|one| one.column.last()).collect::<Vec<_>>(),
            MergeAction::Insert { columns, .. } => {
                columns.iter().filter_map(|column| column.last()).collect()
            }
            _ => Vec::new(),
        })
        .map(|name| name.to_lowercase())
        .collect();
    let mut after = before.clone();
    for field in source.fields() {
        let lower = field.name().to_lowercase();
        let known = before.fields.iter().any(|old| old.name.to_lowercase() == lower);
        if !known && (all || named.contains(&lower)) {
            insert(&mut after.fields, new_column(before, field)?, None)?;
        }
    }
    if after.fields.len() == before.fields.len() {
        return Ok(None);
    }
    if mapping::is_on(before) {
        mapping::assign(&mut after, mapping::Naming::Unique)?;
    }
    Ok(Some(after))
}

fn new_column(definition: &Definition, field: &FieldRef) -> Result<StructField> {
    let data_type = databricks_schema::arrow::from_arrow(field.data_type()).map_err(|error| {
        LocalError::unsupported_feature(format_args!(
            "the type of the new column `{}`: {error}",
            field.name()
        ))
    })?;
    check_name(definition, field.name())?;
    let field = storable(field.name(), &data_type, true, None)?;
    (&field).try_into_kernel().map_err(LocalError::from)
}

impl Statement {
    /// Merges on a copy with the new columns, and commits columns and rows to the table.
    pub(super) async fn merge_evolved(
        &self,
        merge: &Merge,
        path: &ObjectPath,
        table: DeltaTable,
        after: Definition,
        source: DataFrame,
        guard: OwnedMutexGuard<()>,
    ) -> Result<MergeMetrics> {
        let copy = self.blocking(|shared| shared.metastore.new_staging()).await?;
        let outcome = self.merge_in(&copy, merge, path, table, after, source, guard).await;
        self.blocking(move |shared| shared.metastore.discard(&copy)).await?;
        outcome
    }

    #[allow(clippy::too_many_arguments, reason = "the same values as above, and the folder")]
    async fn merge_in(
        &self,
        copy: &Path,
        merge: &Merge,
        path: &ObjectPath,
        table: DeltaTable,
        after: Definition,
        source: DataFrame,
        guard: OwnedMutexGuard<()>,
    ) -> Result<MergeMetrics> {
        let (from, to) = (self.shared.metastore.table_dir(path), copy.to_owned());
        self.blocking(move |_| link_tree(&from, &to)).await?;
        let before = Definition::of(&table)?;
        let columns = after.actions(Some(&before))?;
        let staged = open::builder(copy)?.load().await?;
        commit::commit_actions(staged, columns.clone(), whole_table(), ()).await?;
        let staged = open::builder(copy)?.load().await?;
        let prepared = staged.version().unwrap_or(0);
        let metrics = self.merge_into(merge, staged, source, ()).await?;
        let written = self.written_after(copy, prepared).await?;
        let (made, base) = (new_files(&written), self.shared.metastore.table_dir(path));
        let (from, files) = (copy.to_owned(), made.clone());
        let to = base.clone();
        self.blocking(move |_| move_files(&from, &to, &files)).await?;
        let read = table.version();
        let mut actions = columns;
        actions.extend(written.into_iter().map(|action| match action {
            Action::CommitInfo(info) => Action::CommitInfo(CommitInfo { read_version: read, ..info }),
            other => other,
        }));
        let outcome = commit::commit_actions(table, actions, whole_table(), guard).await;
        if outcome.is_err() {
            self.blocking(move |_| {
                made.iter().for_each(|file| _ = std::fs::remove_file(base.join(file)));
                Ok(())
            })
            .await?;
        }
        outcome.map(|()| metrics)
    }

    /// The actions of the commit after this version; none where there is no such commit.
    async fn written_after(&self, table: &Path, version: u64) -> Result<Vec<Action>> {
        let commit = table.join("_delta_log").join(format!("{:020}.json", version + 1));
        self.blocking(move |_| {
            let text = match std::fs::read_to_string(&commit) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(LocalError::io("Cannot read the commit", &commit, &error)),
            };
            text.lines().map(|line| serde_json::from_str(line).map_err(LocalError::internal)).collect()
        })
        .await
    }
}

/// The files that actions bring, relative to the table.
fn new_files(actions: &[Action]) -> Vec<PathBuf> {
    let path = |action: &Action| match action {
        Action::Add(add) => Some(PathBuf::from(&add.path)),
        Action::Cdc(change) => Some(PathBuf::from(&change.path)),
        _ => None,
    };
    actions.iter().filter_map(path).collect()
}

/// A folder of links to another one's files.
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    let io = |path: &Path, error: std::io::Error| LocalError::io("Cannot copy", path, &error);
    std::fs::create_dir_all(to).map_err(|error| io(to, error))?;
    for entry in std::fs::read_dir(from).map_err(|error| io(from, error))? {
        let entry = entry.map_err(|error| io(from, error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            link_tree(&source, &target)?;
        } else {
            std::fs::hard_link(&source, &target)
                .or_else(|_| std::fs::copy(&source, &target).map(drop))
                .map_err(|error| io(&source, error))?;
        }
    }
    Ok(())
}

fn move_files(from: &Path, to: &Path, files: &[PathBuf]) -> Result<()> {
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        let moved = target.parent().map_or(Ok(()), std::fs::create_dir_all);
        moved
            .and_then(|()| std::fs::rename(&source, &target))
            .map_err(|error| LocalError::io("Cannot move", &source, &error))?;
    }
    Ok(())
}
