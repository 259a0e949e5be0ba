//! INSERT INTO, INSERT OVERWRITE and INSERT INTO .. REPLACE WHERE.

use arrow::datatypes::SchemaRef;
use databricks_testkit::EngineResult;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{LogicalPlan, lit};
use deltalake::DeltaTable;
use deltalake::kernel::Action;
use deltalake::operations::write::WriteBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::Value;
use sqlparser::ast::{self, Query, SetExpr};
use tokio::sync::OwnedMutexGuard;

use super::alter::written_default;
use super::commit::{self, Draft};
use super::condition::{self, Matching};
use super::projection;
use super::rows::{count, counts};
use super::statement::Statement;
use super::stored;
use super::write::{Target, Written, writer_properties};
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{Insert, InsertMode};
use crate::query;

impl Statement {
    pub(super) async fn insert(&self, insert: Insert) -> Result<EngineResult> {
        if insert.schema_evolution {
            return Err(LocalError::unsupported_feature(
                "INSERT WITH SCHEMA EVOLUTION: add the columns with ALTER TABLE",
            ));
        }
        let path = self.object(&insert.table)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let target = Target::of(&table)?;
        let source = self.plan(&with_defaults(&insert, &target.schema)?).await?;
        let matching = matching(&insert, &path, &target, &source)?;
        let defaults = self.default_values(&target.schema).await?;
        let plan = projection::project(source, &target.schema, &matching, &defaults)?;
        let rows = match &insert.mode {
            InsertMode::Append => self.append(table, &target, plan, guard).await?,
            InsertMode::Overwrite => self.overwrite(table, &target, plan, guard).await?,
            InsertMode::ReplaceWhere(predicate) => {
                let plan = stored::project(plan, &target.schema, &target.partitions)?;
                self.replace_where(table, plan, predicate, guard).await?
            }
            InsertMode::ReplaceUsing(columns) => {
                self.replace_using(table, &target, plan, columns, guard).await?
            }
        };
        counts(self, [("num_affected_rows", rows), ("num_inserted_rows", rows)]).await
    }

    async fn append(
        &self,
        table: DeltaTable,
        target: &Target,
        plan: LogicalPlan,
        guard: OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let written = self.write(plan, target).await?;
        let draft = self.write_draft(&table, SaveMode::Append, &written, Vec::new());
        commit::commit(table, draft, guard).await?;
        Ok(written.rows)
    }

    async fn overwrite(
        &self,
        table: DeltaTable,
        target: &Target,
        plan: LogicalPlan,
        guard: OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let written = self.write(plan, target).await?;
        let old: Vec<Action> = table
            .snapshot()?
            .log_data()
            .iter()
            .map(|file| Action::Remove(file.remove_action(true)))
            .collect();
        let draft = self.write_draft(&table, SaveMode::Overwrite, &written, old);
        commit::commit(table, draft, guard).await?;
        Ok(written.rows)
    }

    /// The commit of a write: its files, after what it replaces.
    fn write_draft(
        &self,
        table: &DeltaTable,
        mode: SaveMode,
        written: &Written,
        mut actions: Vec<Action>,
    ) -> Draft {
        let removed = count(actions.len());
        actions.extend(written.files.iter().cloned().map(Action::Add));
        let partition_by =
            table.snapshot().map(|s| s.metadata().partition_columns().to_vec()).unwrap_or_default();
        let mut metrics = vec![
            ("numFiles", count(written.files.len())),
            ("numOutputRows", written.rows),
            ("numOutputBytes", written.bytes()),
        ];
        let append = mode == SaveMode::Append;
        if !append {
            metrics.push(("numRemovedFiles", removed));
        }
        Draft {
            name: "WRITE",
            parameters: vec![
                ("mode", Value::from(if append { "Append" } else { "Overwrite" })),
                ("partitionBy", Value::from(Value::from(partition_by.clone()).to_string())),
            ],
            operation: DeltaOperation::Write { mode, partition_by: Some(partition_by), predicate: None },
            metrics,
            actions,
            blind_append: append,
            user: self.user.clone(),
        }
    }

    async fn replace_where(
        &self,
        table: DeltaTable,
        plan: LogicalPlan,
        predicate: &ast::Expr,
        guard: OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let state = table.snapshot()?.snapshot().clone();
        let schema = DFSchema::try_from(state.arrow_schema().as_ref().clone())?;
        let predicate = query::plan_predicate(self, &schema, predicate, &self.parameters).await?;
        let predicate = match condition::settle(predicate, &table)? {
            Matching::None => lit(false),
            Matching::All => lit(true),
            Matching::Where(predicate) => predicate,
        };
        let write = WriteBuilder::new(table.log_store(), Some(state))
            .with_input_plan(plan)
            .with_session_state(self.state())
            .with_save_mode(SaveMode::Overwrite)
            .with_replace_where(predicate)
            .with_writer_properties(writer_properties(&table)?)
            .with_commit_properties(commit::properties_of(&self.user));
        commit::in_task(async move {
            let _only_writer = guard;
            let after = write.await.map_err(|error| replace_where_mismatch(error.into()))?;
            let rows = added_rows(&after).await?;
            commit::checkpoint(&after, after.version().unwrap_or(0)).await;
            Ok(rows)
        })
        .await
    }
}

/// A constraint that delta-rs finds broken is the condition of REPLACE WHERE: NOT NULL is checked before, and names
/// its column.
fn replace_where_mismatch(error: LocalError) -> LocalError {
    let of_column = error.message().starts_with("NOT NULL constraint violated for column");
    let broken = ["DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"];
    if !broken.contains(&error.class()) || of_column {
        return error;
    }
    let message = format!(
        "Written data does not conform to partial table overwrite condition or constraint: {}",
        error.message()
    );
    LocalError::new("DELTA_REPLACE_WHERE_MISMATCH", "44000", message)
}

/// The rows that the last commit of delta-rs' write builder added.
async fn added_rows(table: &DeltaTable) -> Result<u64> {
    use futures::TryStreamExt;
    let last = table.history(Some(1)).try_next().await?;
    let rows = last.and_then(|info| info.info.get("operationMetrics")?.get("num_added_rows")?.as_u64());
    Ok(rows.unwrap_or(0))
}

/// The query with the columns' defaults in the place of the word DEFAULT, where rows of VALUES say it.
fn with_defaults(insert: &Insert, table: &SchemaRef) -> Result<Query> {
    let mut query = insert.source.as_ref().clone();
    let SetExpr::Values(values) = query.body.as_mut() else { return Ok(query) };
    for row in &mut values.rows {
        for (position, value) in row.iter_mut().enumerate() {
            let ast::Expr::Identifier(word) = &*value else { continue };
            if word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("DEFAULT") {
                continue;
            }
            let column = match insert.columns.get(position) {
                Some(name) => projection::position(table, name)?,
                None => position,
            };
            if let Some(field) = table.fields().get(column).filter(|_| !insert.by_name) {
                *value = written_default(field)?;
            }
        }
    }
    Ok(query)
}

/// Which column of the query fills which column of the table.
fn matching(
    insert: &Insert,
    path: &ObjectPath,
    target: &Target,
    source: &LogicalPlan,
) -> Result<projection::Matching> {
    let given: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    if insert.by_name {
        let names = || target.schema.fields().iter().map(|field| field.name());
        return projection::by_name(&target.schema, &given, |name| {
            LocalError::column_not_found(name, names())
        });
    }
    projection::by_position(&target.schema, &insert.columns, given.len(), |wanted, given| {
        arity(path, wanted, given)
    })
}

/// `[INSERT_COLUMN_ARITY_MISMATCH]`.
fn arity(path: &ObjectPath, wanted: usize, given: usize) -> LocalError {
    let (kind, why) = if given < wanted {
        ("NOT_ENOUGH_DATA_COLUMNS", "not enough data columns")
    } else {
        ("TOO_MANY_DATA_COLUMNS", "too many data columns")
    };
    LocalError::new(
        &format!("INSERT_COLUMN_ARITY_MISMATCH.{kind}"),
        "21S01",
        format!(
            "Cannot write to {path}, the reason is {why}: the table takes {wanted} columns, the data has {given}."
        ),
    )
}
