//! ALTER TABLE and COMMENT ON: a definition changed, and committed as one version.
//!
//! Each statement is a function from the current definition to an [`Edit`]; this file looks at the rows where the
//! edit asks for it, and commits.

mod add;
mod change;
mod cluster;
mod comment;
mod defaults;
mod properties;
mod rename;
mod rewrite;

use std::sync::Arc;

use databricks_schema::quote;
use databricks_testkit::EngineResult;
use datafusion::logical_expr::{LogicalPlanBuilder, UNNAMED_TABLE, ident};
use deltalake::DeltaTable;
use deltalake::kernel::{Action, StructField};
use deltalake::protocol::DeltaOperation;
use serde_json::Value;

use super::commit::{self, Draft};
use super::definition::Definition;
use super::statement::Statement;
use super::write::{Target, delete_files};
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{AlterTable, ColumnChange, Name};

pub(super) use add::check_name;
pub(super) use cluster::check as check_clustering;
pub(super) use defaults::{CURRENT_DEFAULT, set as set_default, written as written_default};
pub(super) use properties::{check as check_properties, set as set_properties};
pub(super) use rewrite::{plan as all_rows, replaced};

/// What a statement makes of a table's definition.
struct Edit {
    definition: Definition,
    /// Databricks' name of the operation.
    operation: &'static str,
    parameters: Vec<(&'static str, Value)>,
    rows: Rows,
}

/// What the edit asks of the rows.
enum Rows {
    /// Nothing: they are read as they are.
    Kept,
    /// They are written again, in the types of the new definition.
    Rewritten,
    /// These columns hold no NULL.
    NotNull(Vec<String>),
}

impl Statement {
    pub(super) async fn alter_table(&self, name: &Name, change: AlterTable) -> Result<EngineResult> {
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let before = Definition::of(&table)?;
        let edit = match &change {
            AlterTable::AddColumns(columns) => add::edit(&before, columns)?,
            AlterTable::ChangeColumns(changes) => {
                for (column, change) in changes {
                    if let ColumnChange::Default(Some(default)) = change {
                        self.check_default(&before, column, default).await?;
                    }
                }
                change::edit(&before, changes)?
            }
            AlterTable::RenameColumn { column, to } => rename::renamed(&before, column, to)?,
            AlterTable::DropColumns { columns, if_exists } => {
                match rename::dropped(&before, columns, *if_exists)? {
                    Some(edit) => edit,
                    None => return Ok(EngineResult::default()),
                }
            }
            AlterTable::SetProperties(pairs) => properties::set_edit(&before, pairs)?,
            AlterTable::UnsetProperties { keys, if_exists } => {
                properties::unset_edit(&before, &path, keys, *if_exists)?
            }
            AlterTable::ClusterBy(columns) => cluster::edit(&before, columns)?,
        };
        self.commit_edit(&path, table, &before, edit, guard).await?;
        Ok(EngineResult::default())
    }

    async fn commit_edit(
        &self,
        path: &ObjectPath,
        table: DeltaTable,
        before: &Definition,
        edit: Edit,
        guard: tokio::sync::OwnedMutexGuard<()>,
    ) -> Result<()> {
        let reads_rows = !matches!(edit.rows, Rows::Kept);
        let mut written = None;
        match &edit.rows {
            Rows::Kept => {}
            Rows::NotNull(columns) => self.check_no_nulls(path, &table, columns).await?,
            Rows::Rewritten => written = Some(self.rewritten(&table, &edit.definition).await?),
        }
        let Edit { definition, operation: name, parameters, .. } = edit;
        let mut actions = definition.actions(Some(before))?;
        let mut unfinished = None;
        if let Some((target, files, rewritten)) = written {
            actions.extend(rewritten);
            unfinished = Some((target, files));
        }
        let draft = Draft {
            name,
            parameters,
            operation: operation(reads_rows),
            metrics: Vec::new(),
            actions,
            blind_append: false,
            user: self.user.clone(),
        };
        let outcome = commit::commit(table, draft, guard).await;
        if let (Err(_), Some((target, files))) = (&outcome, unfinished) {
            delete_files(&target, &files).await;
        }
        outcome
    }

    /// `[DELTA_NEW_NOT_NULL_VIOLATION]` when a row has NULL in one of the columns.
    async fn check_no_nulls(&self, path: &ObjectPath, table: &DeltaTable, columns: &[String]) -> Result<()> {
        let provider = self.provider(table).await?;
        for column in columns {
            let source = datafusion::datasource::provider_as_source(Arc::clone(&provider));
            let plan = LogicalPlanBuilder::scan(UNNAMED_TABLE, source, None)?;
            let plan = plan.filter(ident(column).is_null())?.build()?;
            let nulls = self.context.execute_logical_plan(plan).await?.count().await?;
            if nulls > 0 {
                let message = format!(
                    "{nulls} rows in {} violate the new NOT NULL constraint on {column}.",
                    path.full_name()
                );
                return Err(LocalError::new("DELTA_NEW_NOT_NULL_VIOLATION", "23512", message));
            }
        }
        Ok(())
    }

    /// The rows written again as the new definition has them: the files to delete where nothing is committed, and
    /// the actions that put them in the place of the old.
    async fn rewritten(
        &self,
        table: &DeltaTable,
        definition: &Definition,
    ) -> Result<(Target, Vec<deltalake::kernel::Add>, Vec<Action>)> {
        // Rules that this crate does not keep are refused for the table as it is.
        Target::of(table)?;
        let target = Target::defined(table, definition)?;
        let plan = rewrite::plan(self.provider(table).await?, definition)?;
        let written = self.write(plan, &target).await?;
        let actions = rewrite::actions(table, &written)?;
        Ok((target, written.files, actions))
    }
}

fn operation(reads_rows: bool) -> DeltaOperation {
    if reads_rows { whole_table() } else { DeltaOperation::UpdateFieldMetadata { fields: Vec::new() } }
}

/// What a commit is to delta-rs that looked at all rows: it conflicts with any row that another process adds.
pub(super) fn whole_table() -> DeltaOperation {
    DeltaOperation::Merge {
        predicate: None,
        merge_predicate: None,
        matched_predicates: Vec::new(),
        not_matched_predicates: Vec::new(),
        not_matched_by_source_predicates: Vec::new(),
    }
}

/// A column in the history's parameters: as the log has it, with its path for a name.
fn described(path: &[String], field: &StructField) -> Result<Value> {
    let mut value = serde_json::to_value(field).map_err(LocalError::internal)?;
    if let Some(members) = value.as_object_mut() {
        let name: Vec<String> = path.iter().map(|part| quote::identifier_if_needed(part)).collect();
        members.insert("name".to_owned(), Value::from(name.join(".")));
    }
    Ok(value)
}

/// A JSON value as history's parameters hold it: as text.
fn text(value: &Value) -> Value {
    Value::from(value.to_string())
}

/// `[DELTA_OPERATION_NOT_ALLOWED]`.
fn not_allowed(what: &str) -> LocalError {
    let message = format!("Operation not allowed: `{what}` is not supported for Delta tables.");
    LocalError::new("DELTA_OPERATION_NOT_ALLOWED", "0AKDC", message)
}
