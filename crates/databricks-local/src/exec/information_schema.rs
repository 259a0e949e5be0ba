//! `information_schema`: what there is, as tables that queries read. Of one catalog, or in `system` of all.

use std::sync::Arc;

use arrow::array::Int32Array;
use databricks_schema::DataType;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use super::browse::Line;
use super::definition::{Definition, PrimaryKey};
use super::describe::catalog_text;
use super::rows::Rows;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::{Entry, ObjectPath, SchemaPath};
use crate::parse::Browse;

/// The catalog whose `information_schema` is about all catalogs.
const ALL: &str = "system";

/// Whether a name is of a table of `information_schema`.
pub(super) fn is_meant(path: &ObjectPath) -> bool {
    path.parent.schema.as_str() == "information_schema"
}

impl Statement {
    /// A table of `information_schema`, as things are now.
    ///
    /// # Errors
    /// `[NO_SUCH_CATALOG_EXCEPTION]`, and a refusal naming a table of it that this build does not have.
    pub(super) async fn information_schema(&self, path: &ObjectPath) -> Result<Arc<dyn TableProvider>> {
        let catalog = path.parent.catalog.as_str();
        let browse = Browse { catalog: (catalog != ALL).then(|| catalog.to_owned()), ..Browse::default() };
        let schemas = self.schemas_of(browse.catalog.as_deref(), None)?;
        let rows = match path.name.as_str() {
            "catalogs" => self.catalog_rows(&schemas),
            "schemata" => self.schema_rows(&schemas),
            "tables" => self.table_rows(self.tables_of(&browse, None)?).await?,
            "columns" => column_rows(&self.all_columns(&browse).await?),
            "table_constraints" => constraint_rows(&self.keys(&browse).await?),
            "key_column_usage" => key_column_rows(&self.keys(&browse).await?),
            other => {
                return Err(LocalError::unsupported_feature(format_args!(
                    "information_schema.{other}: catalogs, schemata, tables, columns, table_constraints and key_column_usage are known"
                )));
            }
        };
        let batch = rows.batch()?;
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }

    fn catalog_rows(&self, schemas: &[SchemaPath]) -> Rows {
        let state = self.shared.metastore.state();
        let mut names: Vec<_> = schemas.iter().map(|path| path.catalog.clone()).collect();
        names.dedup();
        let entries: Vec<_> =
            names.iter().filter_map(|name| Some((name, &state.catalog(name).ok()?.entry))).collect();
        let rows = Rows::new()
            .text("catalog_name", entries.iter().map(|(name, _)| Some(name.as_str())))
            .text("catalog_owner", entries.iter().map(|(_, entry)| Some(&entry.owner)));
        about(rows, &entries.iter().map(|(_, entry)| (*entry, entry.comment.clone())).collect::<Vec<_>>())
    }

    fn schema_rows(&self, schemas: &[SchemaPath]) -> Rows {
        let state = self.shared.metastore.state();
        let entries: Vec<_> =
            schemas.iter().filter_map(|path| Some((path, &state.schema(path).ok()?.entry))).collect();
        let rows = Rows::new()
            .text("catalog_name", entries.iter().map(|(path, _)| Some(path.catalog.as_str())))
            .text("schema_name", entries.iter().map(|(path, _)| Some(path.schema.as_str())))
            .text("schema_owner", entries.iter().map(|(_, entry)| Some(&entry.owner)));
        about(rows, &entries.iter().map(|(_, entry)| (*entry, entry.comment.clone())).collect::<Vec<_>>())
    }

    async fn table_rows(&self, tables: Vec<ObjectPath>) -> Result<Rows> {
        let state = self.shared.metastore.state();
        let mut entries = Vec::with_capacity(tables.len());
        for path in &tables {
            // A table dropped since it was listed is no longer of the list.
            let Ok(entry) = state.table(path) else { continue };
            let comment = match self.open(path).await {
                Ok(table) => table.snapshot()?.metadata().description().map(str::to_owned),
                Err(_) if self.shared.metastore.state().table(path).is_err() => continue,
                Err(error) => return Err(error),
            };
            entries.push((path, entry, comment));
        }
        let place = |path: &ObjectPath| self.shared.metastore.table_dir(path).display().to_string();
        let same = |text: &'static str| entries.iter().map(move |_| Some(text));
        let rows = names(Rows::new(), entries.iter().map(|(path, _, _)| *path))
            .text("table_type", same("MANAGED"))
            .text("is_insertable_into", same("YES"))
            .text("commit_action", same("PRESERVE"))
            .text("table_owner", entries.iter().map(|(_, entry, _)| Some(&entry.owner)));
        let described: Vec<_> = entries.iter().map(|(_, entry, comment)| (*entry, comment.clone())).collect();
        Ok(about(rows, &described)
            .text("data_source_format", same("DELTA"))
            .text("storage_sub_directory", entries.iter().map(|_| None::<&str>))
            .text("storage_path", entries.iter().map(|(path, _, _)| Some(place(path)))))
    }

    /// The tables that have a primary key, and the key.
    async fn keys(&self, browse: &Browse) -> Result<Vec<(ObjectPath, PrimaryKey)>> {
        let mut keys = Vec::new();
        for path in self.tables_of(browse, None)? {
            match self.open(&path).await {
                Ok(table) => keys.extend(Definition::of(&table)?.primary_key().map(|key| (path, key))),
                // A table dropped since it was listed is no longer of the list.
                Err(_) if self.shared.metastore.state().table(&path).is_err() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    async fn all_columns(&self, browse: &Browse) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for path in self.tables_of(browse, None)? {
            lines.extend(self.columns_of(&path).await?);
        }
        Ok(lines)
    }
}

/// The names of a key's catalog and schema, its own, and those of its table.
fn key_names<'a>(keys: impl Iterator<Item = (&'a ObjectPath, &'a PrimaryKey)> + Clone) -> Rows {
    let rows = Rows::new()
        .text("constraint_catalog", keys.clone().map(|(table, _)| Some(table.parent.catalog.as_str())))
        .text("constraint_schema", keys.clone().map(|(table, _)| Some(table.parent.schema.as_str())))
        .text("constraint_name", keys.clone().map(|(_, key)| Some(key.name.as_str())));
    names(rows, keys.map(|(table, _)| table))
}

fn constraint_rows(keys: &[(ObjectPath, PrimaryKey)]) -> Rows {
    let same = |text: &'static str| keys.iter().map(move |_| Some(text));
    key_names(keys.iter().map(|(table, key)| (table, key)))
        .text("constraint_type", same("PRIMARY KEY"))
        .text("is_deferrable", same("YES"))
        .text("initially_deferred", same("YES"))
        .text("enforced", same("NO"))
        .text("comment", keys.iter().map(|_| None::<&str>))
}

fn key_column_rows(keys: &[(ObjectPath, PrimaryKey)]) -> Rows {
    let columns: Vec<_> = keys
        .iter()
        .flat_map(|(table, key)| {
            (1_i32..).zip(&key.columns).map(move |(position, column)| (table, key, column, position))
        })
        .collect();
    key_names(columns.iter().map(|(table, key, _, _)| (*table, *key)))
        .text("column_name", columns.iter().map(|(_, _, column, _)| Some(column.as_str())))
        .array(
            "ordinal_position",
            Arc::new(columns.iter().map(|(_, _, _, position)| Some(*position)).collect::<Int32Array>()),
        )
        .array(
            "position_in_unique_constraint",
            Arc::new(columns.iter().map(|_| None::<i32>).collect::<Int32Array>()),
        )
}

/// The names of a table's catalog and schema, and its own.
fn names<'a>(rows: Rows, tables: impl Iterator<Item = &'a ObjectPath> + Clone) -> Rows {
    rows.text("table_catalog", tables.clone().map(|path| Some(path.parent.catalog.as_str())))
        .text("table_schema", tables.clone().map(|path| Some(path.parent.schema.as_str())))
        .text("table_name", tables.map(|path| Some(path.name.as_str())))
}

/// What is said of every object.
fn about(rows: Rows, entries: &[(&Entry, Option<String>)]) -> Rows {
    let created = || entries.iter().map(|(entry, _)| Some(entry.created_at.timestamp_millis()));
    let by = || entries.iter().map(|(entry, _)| Some(&entry.owner));
    rows.text("comment", entries.iter().map(|(_, comment)| comment.as_ref()))
        .timestamp("created", created())
        .text("created_by", by())
        .timestamp("last_altered", created())
        .text("last_altered_by", by())
}

fn column_rows(lines: &[Line]) -> Rows {
    let number =
        |pick: &dyn Fn(&Line) -> Option<i32>| Arc::new(lines.iter().map(pick).collect::<Int32Array>());
    let same = |text: &'static str| lines.iter().map(move |_| Some(text));
    let none = || lines.iter().map(|_| None::<&str>);
    let yes_no = |yes: bool| if yes { "YES" } else { "NO" };
    names(Rows::new(), lines.iter().map(|line| &line.table))
        .text("column_name", lines.iter().map(|line| Some(&line.name)))
        .array("ordinal_position", number(&|line| Some(line.position)))
        .text("column_default", lines.iter().map(|line| line.default.as_ref()))
        .text("is_nullable", lines.iter().map(|line| Some(yes_no(line.nullable))))
        .text("full_data_type", lines.iter().map(|line| Some(catalog_text(&line.data_type))))
        .text("data_type", lines.iter().map(|line| Some(simple_name(&line.data_type))))
        .array("character_maximum_length", number(&|_| None))
        .array("character_octet_length", number(&|_| None))
        .array(
            "numeric_precision",
            number(&|line| numeric(&line.data_type).map(|(precision, _, _)| precision)),
        )
        .array("numeric_precision_radix", number(&|line| numeric(&line.data_type).map(|(_, radix, _)| radix)))
        .array("numeric_scale", number(&|line| numeric(&line.data_type).and_then(|(_, _, scale)| scale)))
        .array("datetime_precision", number(&|line| instant_digits(&line.data_type)))
        .text("interval_type", none())
        .array("interval_precision", number(&|_| None))
        .array("maximum_cardinality", number(&|_| None))
        .text("is_identity", same("NO"))
        .text("identity_generation", none())
        .text("identity_start", none())
        .text("identity_increment", none())
        .text("identity_maximum", none())
        .text("identity_minimum", none())
        .text("identity_cycle", none())
        .text("is_generated", same("NO"))
        .text("generation_expression", none())
        .text("is_system_time_period_start", same("NO"))
        .text("is_system_time_period_end", same("NO"))
        .text("system_time_period_timestamp_generation", none())
        .text("is_updatable", same("YES"))
        .array("partition_ordinal_position", number(&|line| line.partition))
        .text("comment", lines.iter().map(|line| line.comment.as_ref()))
}

/// A type without its parameters.
fn simple_name(data_type: &DataType) -> String {
    let text = data_type.to_string();
    text.split(['(', '<']).next().unwrap_or_default().to_owned()
}

/// Precision, the base it is counted in, and scale of a number.
fn numeric(data_type: &DataType) -> Option<(i32, i32, Option<i32>)> {
    match data_type {
        DataType::TinyInt => Some((8, 2, Some(0))),
        DataType::SmallInt => Some((16, 2, Some(0))),
        DataType::Int => Some((32, 2, Some(0))),
        DataType::BigInt => Some((64, 2, Some(0))),
        DataType::Float => Some((24, 2, None)),
        DataType::Double => Some((53, 2, None)),
        DataType::Decimal { precision, scale } => Some((i32::from(*precision), 10, Some(i32::from(*scale)))),
        _ => None,
    }
}

/// Digits of a second.
fn instant_digits(data_type: &DataType) -> Option<i32> {
    match data_type {
        DataType::Date => Some(0),
        DataType::Timestamp | DataType::TimestampNtz => Some(6),
        _ => None,
    }
}
