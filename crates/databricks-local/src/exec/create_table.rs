//! CREATE TABLE, with or without a query.
//!
//! A new table is built in a staging folder and moved into place whole: a table that is there has its log, and its
//! rows if a query gave them. Replacing a table is a commit on top of its history.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use databricks_schema::DataType;
use databricks_testkit::EngineResult;
use datafusion::logical_expr::LogicalPlan;
use deltalake::DeltaTable;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{Action, StructType};
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::Value;

use super::commit::{self, Draft};
use super::open;
use super::projection;
use super::properties;
use super::rows::{count, counts};
use super::statement::Statement;
use super::write::{Target, Written};
use crate::error::{LocalError, Result};
use crate::metastore::{Entry, ObjectPath, table_exists};
use crate::parse::{ColumnDefinition, CreateTable};

/// A table to be made: its shape, and the rows it begins with.
struct Plan {
    schema: SchemaRef,
    partitions: Vec<String>,
    properties: Vec<(String, String)>,
    comment: Option<String>,
    rows: Option<LogicalPlan>,
}

impl Statement {
    pub(super) async fn create_table(&self, create: CreateTable) -> Result<EngineResult> {
        let path = self.object(&create.name)?;
        let guard = self.lock(&path).await;
        let state = self.shared.metastore.state();
        state.schema(&path.parent)?;
        let exists = state.table(&path).is_ok();
        let answer = create.as_query.is_some();
        if exists && create.if_not_exists {
            return self.created(answer, 0).await;
        }
        if exists && !create.or_replace {
            return Err(table_exists(&path));
        }
        let plan = self.table_plan(create).await?;
        let rows = if exists {
            self.replace_table(&path, plan, guard).await?
        } else {
            let staged = self.blocking(|shared| shared.metastore.new_staging()).await?;
            let outcome = self.create_in(&staged, &path, plan).await;
            let leftovers = staged.clone();
            self.blocking(move |shared| shared.metastore.discard(&leftovers)).await?;
            drop(guard);
            outcome?
        };
        self.created(answer, rows).await
    }

    /// CTAS answers its counts, as INSERT does; CREATE TABLE answers nothing.
    async fn created(&self, with_rows: bool, rows: u64) -> Result<EngineResult> {
        if !with_rows {
            return Ok(EngineResult::default());
        }
        counts(self, [("num_affected_rows", rows), ("num_inserted_rows", rows)]).await
    }

    /// Checks everything that can be checked before anything is written.
    async fn table_plan(&self, create: CreateTable) -> Result<Plan> {
        properties::check(&create.properties)?;
        if !create.cluster_by.is_empty() {
            return Err(LocalError::unsupported_feature("CLUSTER BY (liquid clustering)"));
        }
        let mut schema = declared_schema(&create.columns)?;
        let mut rows = None;
        if let Some(query) = &create.as_query {
            let source = self.plan(query).await?;
            if create.columns.is_empty() {
                schema = query_schema(&source)?;
            }
            let given = source.schema().fields().len();
            let matching = projection::by_position(&schema, &[], given, |wanted, given| {
                let message = format!(
                    "Cannot create the table: it declares {wanted} columns, the query gives {given}."
                );
                LocalError::new("CREATE_VIEW_COLUMN_ARITY_MISMATCH", "21S01", message)
            })?;
            rows = Some(projection::project(source, &schema, &matching)?);
        } else if create.columns.is_empty() {
            let message = "A table without columns holds nothing: name its columns, or give a query with AS.";
            return Err(LocalError::new("DELTA_TARGET_TABLE_FINAL_SCHEMA_EMPTY", "428GU", message));
        }
        check_column_names(&schema)?;
        let partitions = partition_columns(&schema, &create.partitioned_by)?;
        Ok(Plan { schema, partitions, properties: create.properties, comment: create.comment, rows })
    }

    /// Builds the table in a staging folder, then publishes it.
    async fn create_in(&self, staged: &Path, path: &ObjectPath, plan: Plan) -> Result<u64> {
        let table = open::builder(staged)?.build()?;
        let comment = plan.comment.clone();
        let rows = self.commit_table(table, plan, SaveMode::ErrorIfExists).await?;
        let (staged, path, entry) = (staged.to_owned(), path.clone(), Entry::new(&self.user, comment));
        self.blocking(move |shared| shared.metastore.publish_table(&path, &staged, entry)).await?;
        Ok(rows)
    }

    /// A new version of the table with another shape and other rows.
    async fn replace_table(
        &self,
        path: &ObjectPath,
        plan: Plan,
        guard: tokio::sync::OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let table = self.open(path).await?;
        let rows = self.commit_table(table, plan, SaveMode::Overwrite).await?;
        drop(guard);
        Ok(rows)
    }

    /// Writes the rows, then commits shape and rows as one version.
    async fn commit_table(&self, table: DeltaTable, plan: Plan, mode: SaveMode) -> Result<u64> {
        let Plan { schema, partitions, properties, comment, rows } = plan;
        let as_select = rows.is_some();
        let written = match rows {
            Some(rows) => {
                let target = Target::new(&table, Arc::clone(&schema), &partitions, &properties);
                self.write(rows, &target).await?
            }
            None => Written::default(),
        };
        let mut actions: Vec<Action> = written.files.iter().cloned().map(Action::Add).collect();
        let name = operation_name(mode, as_select);
        actions
            .push(Action::CommitInfo(self.create_draft(name, &written, &partitions).info(table.version())));
        let fields: StructType = schema.as_ref().try_into_kernel().map_err(LocalError::from)?;
        let mut builder = table
            .create()
            .with_columns(fields.fields().cloned())
            .with_partition_columns(partitions)
            .with_configuration(properties.into_iter().map(|(key, value)| (key, Some(value))))
            .with_raise_if_key_not_exists(false)
            .with_save_mode(mode)
            .with_actions(actions)
            .with_commit_properties(commit::properties());
        if let Some(comment) = comment {
            builder = builder.with_comment(comment);
        }
        let rows = written.rows;
        commit::in_task(async move {
            let after = builder.await?;
            commit::checkpoint(&after, after.version().unwrap_or(0)).await;
            Ok(rows)
        })
        .await
    }

    fn create_draft(&self, name: &'static str, written: &Written, partitions: &[String]) -> Draft {
        let partition_by = Value::from(partitions.to_vec()).to_string();
        Draft {
            name,
            parameters: vec![("partitionBy", Value::from(partition_by)), ("isManaged", Value::from("true"))],
            operation: DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None },
            metrics: vec![
                ("numFiles", count(written.files.len())),
                ("numOutputRows", written.rows),
                ("numOutputBytes", written.bytes()),
            ],
            actions: Vec::new(),
            blind_append: true,
            user: self.user.clone(),
        }
    }
}

fn operation_name(mode: SaveMode, as_select: bool) -> &'static str {
    match (mode == SaveMode::Overwrite, as_select) {
        (true, true) => "CREATE OR REPLACE TABLE AS SELECT",
        (true, false) => "CREATE OR REPLACE TABLE",
        (false, true) => "CREATE TABLE AS SELECT",
        (false, false) => "CREATE TABLE",
    }
}

fn declared_schema(columns: &[ColumnDefinition]) -> Result<SchemaRef> {
    let fields = columns
        .iter()
        .map(|column| storable(&column.name, &column.data_type, column.nullable, column.comment.as_deref()));
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<Field>>>()?)))
}

/// A column as Delta stores it.
///
/// # Errors
/// A named refusal for types whose rules this build does not keep.
pub(super) fn storable(
    name: &str,
    data_type: &DataType,
    nullable: bool,
    comment: Option<&str>,
) -> Result<Field> {
    check_type(name, data_type)?;
    let arrow = databricks_schema::arrow::to_arrow(data_type).map_err(|error| {
        LocalError::unsupported_feature(format_args!("the type of the column `{name}`: {error}"))
    })?;
    let metadata = comment.map(|comment| ("comment".to_owned(), comment.to_owned()));
    Ok(Field::new(name, arrow, nullable).with_metadata(metadata.into_iter().collect::<HashMap<_, _>>()))
}

fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Array(element) => check_type(name, element),
        DataType::Map(key, value) => check_type(name, key).and_then(|()| check_type(name, value)),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_type(name, &field.data_type)),
        DataType::Char(_) | DataType::Varchar(_) => Err(LocalError::unsupported_feature(format_args!(
            "the type {data_type} of the column `{name}`: its length would not be enforced; use STRING"
        ))),
        DataType::Interval(_)
        | DataType::Variant
        | DataType::Void
        | DataType::Geography(_)
        | DataType::Geometry(_) => {
            Err(LocalError::unsupported_feature(format_args!("the type {data_type} of the column `{name}`")))
        }
        _ => Ok(()),
    }
}

/// The columns of a query, as a table declares them. A bare NULL has no type to store.
fn query_schema(source: &LogicalPlan) -> Result<SchemaRef> {
    let fields = source.schema().fields().iter().map(|field| {
        let data_type = databricks_schema::arrow::from_arrow(field.data_type()).map_err(|error| {
            LocalError::unsupported_feature(format_args!(
                "the type of the column `{}`: {error}",
                field.name()
            ))
        })?;
        storable(field.name(), &data_type, true, None)
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<Field>>>()?)))
}

/// Names that Delta takes without column mapping, each once.
pub(super) fn check_column_names(schema: &SchemaRef) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for field in schema.fields() {
        let name = field.name();
        if name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
            let message = format!(
                "Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the column name `{name}`. Use another name."
            );
            return Err(LocalError::new("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05", message));
        }
        if !seen.insert(name.to_lowercase()) {
            let message = format!(
                "Found duplicate column(s) in the table definition: `{name}`. Name each column once."
            );
            return Err(LocalError::new("DELTA_DUPLICATE_COLUMNS_FOUND", "42711", message));
        }
    }
    Ok(())
}

/// The partition columns, spelled as the table spells them.
fn partition_columns(schema: &SchemaRef, names: &[String]) -> Result<Vec<String>> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let field = schema.field(projection::position(schema, name)?);
        if field.data_type().is_nested() {
            let message =
                format!("Cannot use `{name}` of the type {} for partition column.", field.data_type());
            return Err(LocalError::new("INVALID_PARTITION_COLUMN_DATA_TYPE", "0A000", message));
        }
        columns.push(field.name().clone());
    }
    if columns.len() == schema.fields().len() {
        let message = "Cannot use all columns for partition columns.";
        return Err(LocalError::new("ALL_PARTITION_COLUMNS_NOT_ALLOWED", "KD005", message));
    }
    Ok(columns)
}
