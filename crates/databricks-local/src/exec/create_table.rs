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
use tokio::sync::OwnedMutexGuard;

use super::alter::{check_clustering, check_name, check_properties, set_default, set_properties};
use super::commit::{self, Draft};
use super::definition::{Definition, Shown, mapping};
use super::open;
use super::projection;
use super::rows::{count, counts};
use super::statement::Statement;
use super::write::{Target, Written, delete_files};
use crate::error::{LocalError, Result};
use crate::metastore::{Entry, ObjectPath, table_exists};
use crate::parse::{ColumnDefinition, CreateTable};

/// A table to be made: its shape, and the rows it begins with.
pub(super) struct Plan {
    pub(super) definition: Definition,
    pub(super) rows: Option<LogicalPlan>,
    /// Databricks' name of the operation.
    pub(super) operation: &'static str,
    /// Parameters of the operation beside the definition's own.
    pub(super) parameters: Vec<(&'static str, String)>,
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
        let plan = self.table_plan(&path, create, exists).await?;
        let written = self.make_table(&path, exists, plan, guard).await?;
        self.created(answer, written.rows).await
    }

    /// Makes the table, or puts it in the place of the one that is there.
    pub(super) async fn make_table(
        &self,
        path: &ObjectPath,
        exists: bool,
        plan: Plan,
        guard: OwnedMutexGuard<()>,
    ) -> Result<Written> {
        if exists {
            let table = self.open(path).await?;
            let before = Definition::of(&table)?;
            return self.commit_table(table, Some(&before), plan, guard).await;
        }
        let written = self.create_in_staging(path, plan).await?;
        drop(guard);
        Ok(written)
    }

    /// CTAS answers its counts, as INSERT does; CREATE TABLE answers nothing.
    async fn created(&self, with_rows: bool, rows: u64) -> Result<EngineResult> {
        if !with_rows {
            return Ok(EngineResult::default());
        }
        counts(self, [("num_affected_rows", rows), ("num_inserted_rows", rows)]).await
    }

    /// Checks everything that can be checked before anything is written.
    async fn table_plan(&self, path: &ObjectPath, create: CreateTable, replaces: bool) -> Result<Plan> {
        check_properties(&create.properties)?;
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
            rows = Some(projection::project(source, &schema, &matching, &[])?);
        } else if create.columns.is_empty() {
            let message = "A table without columns holds nothing: name its columns, or give a query with AS.";
            return Err(LocalError::new("DELTA_TARGET_TABLE_FINAL_SCHEMA_EMPTY", "428GU", message));
        }
        let mut definition = self.definition(&create, &schema).await?;
        if !create.primary_key.columns.is_empty() {
            definition.declare_key(path, &create.primary_key)?;
        }
        let operation = operation_name(replaces, rows.is_some());
        Ok(Plan { definition, rows, operation, parameters: Vec::new() })
    }

    async fn definition(&self, create: &CreateTable, schema: &SchemaRef) -> Result<Definition> {
        check_duplicates(schema)?;
        let partitions = partition_columns(schema, &create.partitioned_by)?;
        let fields: StructType = schema.as_ref().try_into_kernel().map_err(LocalError::from)?;
        let mut definition = Definition::new(fields.fields().cloned().collect(), partitions);
        let mapped = create.properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(mapping::MODE));
        if mapped.is_some_and(|(_, mode)| mode.eq_ignore_ascii_case("name")) {
            definition.configuration.insert(mapping::MODE.to_owned(), "name".to_owned());
            mapping::assign(&mut definition, mapping::Naming::Unique)?;
        }
        set_properties(&mut definition, &create.properties)?;
        for field in schema.fields() {
            check_name(&definition, field.name())?;
        }
        if !create.cluster_by.is_empty() && !create.partitioned_by.is_empty() {
            let message = "Clustering and partitioning cannot both be specified. Please remove PARTITIONED BY or CLUSTER BY.";
            return Err(LocalError::new(
                "SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
                "42908",
                message,
            ));
        }
        definition.cluster_by(&check_clustering(&definition, &create.cluster_by)?);
        for column in &create.columns {
            let Some(default) = &column.default else { continue };
            let path = vec![column.name.clone()];
            set_default(&mut definition, &path, Some(&default.text))?;
            self.check_default(&definition, &path, default).await?;
        }
        if create.comment.is_some() {
            definition.description.clone_from(&create.comment);
        }
        Ok(definition)
    }

    /// Builds the table in a staging folder, then publishes it.
    async fn create_in_staging(&self, path: &ObjectPath, plan: Plan) -> Result<Written> {
        let staged = self.blocking(|shared| shared.metastore.new_staging()).await?;
        let outcome = self.create_in(&staged, path, plan).await;
        self.blocking(move |shared| shared.metastore.discard(&staged)).await?;
        outcome
    }

    async fn create_in(&self, staged: &Path, path: &ObjectPath, plan: Plan) -> Result<Written> {
        let table = open::builder(staged)?.build()?;
        let entry = Entry::new(&self.user, plan.definition.description.clone());
        let written = self.commit_table(table, None, plan, ()).await?;
        let (staged, path) = (staged.to_owned(), path.clone());
        self.blocking(move |shared| shared.metastore.publish_table(&path, &staged, entry)).await?;
        Ok(written)
    }

    /// Writes the rows, then commits shape and rows as one version: the first, or one in the place of `before`.
    async fn commit_table(
        &self,
        table: DeltaTable,
        before: Option<&Definition>,
        plan: Plan,
        held: impl Send + 'static,
    ) -> Result<Written> {
        let Plan { definition, rows, operation, parameters } = plan;
        let target = Target::defined(&table, &definition)?;
        let written = match rows {
            Some(rows) => self.write(rows, &target).await?,
            None => Written::default(),
        };
        let mut draft = self.create_draft(operation, &written, &definition);
        draft.parameters.extend(parameters.into_iter().map(|(key, value)| (key, Value::from(value))));
        draft.actions = match before {
            None => definition.actions(None)?,
            Some(before) => {
                let old = table.snapshot()?.log_data();
                let removed = old.iter().map(|file| Action::Remove(file.remove_action(true)));
                before.replaced_by(definition).actions(Some(before))?.into_iter().chain(removed).collect()
            }
        };
        draft.actions.extend(written.files.iter().cloned().map(Action::Add));
        let outcome = commit::commit(table, draft, held).await;
        if outcome.is_err() {
            delete_files(&target, &written.files).await;
        }
        outcome.map(|()| written)
    }

    fn create_draft(&self, name: &'static str, written: &Written, definition: &Definition) -> Draft {
        let list = |columns: &[String]| Value::from(Value::from(columns.to_vec()).to_string());
        let clustering: Vec<String> = definition.clustering().iter().map(|path| path.join(".")).collect();
        let properties: serde_json::Map<String, Value> = Shown::of(definition)
            .properties
            .into_iter()
            .map(|(key, value)| (key, Value::from(value)))
            .collect();
        Draft {
            name,
            parameters: vec![
                ("partitionBy", list(&definition.partition_columns)),
                ("clusterBy", list(&clustering)),
                ("description", definition.description.clone().map_or(Value::Null, Value::from)),
                ("isManaged", Value::from("true")),
                ("properties", Value::from(Value::Object(properties).to_string())),
            ],
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

fn operation_name(replaces: bool, as_select: bool) -> &'static str {
    match (replaces, as_select) {
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

/// Names that Delta takes without column mapping.
pub(super) fn check_column_name(name: &str) -> Result<()> {
    if name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
        let message = format!(
            "Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the column name `{name}`. Use another name, or set the table property 'delta.columnMapping.mode' to 'name'."
        );
        return Err(LocalError::new("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05", message));
    }
    Ok(())
}

/// Each name once, whatever the case.
fn check_duplicates(schema: &SchemaRef) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name().to_lowercase())) {
        None => Ok(()),
        Some(field) => {
            let message = format!(
                "Found duplicate column(s) in the table definition: `{}`. Name each column once.",
                field.name()
            );
            Err(LocalError::new("DELTA_DUPLICATE_COLUMNS_FOUND", "42711", message))
        }
    }
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
