//! DESCRIBE TABLE, DESCRIBE DETAIL, DESCRIBE QUERY, SHOW COLUMNS and SHOW TBLPROPERTIES.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::Schema;
use databricks_schema::DataType;
use databricks_testkit::EngineResult;
use sqlparser::ast::Query;

use super::alter::CURRENT_DEFAULT;
use super::definition::{Definition, Shown};
use super::log;
use super::rows::{Rows, clamp, count};
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::Name;

/// A row of DESCRIBE TABLE: name, type, comment.
type Line = (String, String, Option<String>);

impl Statement {
    pub(super) async fn describe_table(&self, name: &Name, extended: bool) -> Result<EngineResult> {
        let path = self.object(name)?;
        let table = self.open(&path).await?;
        let snapshot = table.snapshot()?.snapshot();
        let schema = snapshot.arrow_schema();
        let mut lines = column_lines(&schema)?;
        let definition = Definition::of(&table)?;
        let clustering: Vec<String> = definition.clustering().iter().map(|path| path.join(".")).collect();
        let chosen = [
            ("# Partition Information", definition.partition_columns.clone()),
            ("# Clustering Information", clustering),
        ];
        for (title, columns) in chosen.into_iter().filter(|(_, columns)| !columns.is_empty()) {
            let of_columns: Vec<Line> =
                lines.iter().filter(|(name, _, _)| columns.contains(name)).cloned().collect();
            lines.push(line(title, ""));
            lines.push(("# col_name".to_owned(), "data_type".to_owned(), Some("comment".to_owned())));
            lines.extend(of_columns);
        }
        if extended {
            lines.extend(self.details(&path, &definition)?);
        }
        lines.extend(default_lines(&schema)?);
        self.lines(lines).await
    }

    pub(super) async fn describe_query(&self, query: &Query) -> Result<EngineResult> {
        let plan = self.plan(query).await?;
        let lines = column_lines(plan.schema().as_arrow())?;
        self.lines(lines).await
    }

    async fn lines(&self, lines: Vec<Line>) -> Result<EngineResult> {
        Rows::new()
            .text("col_name", lines.iter().map(|(name, _, _)| Some(name)))
            .text("data_type", lines.iter().map(|(_, data_type, _)| Some(data_type)))
            .text("comment", lines.iter().map(|(_, _, comment)| comment.as_ref()))
            .finish(self)
            .await
    }

    fn details(&self, path: &ObjectPath, definition: &Definition) -> Result<Vec<Line>> {
        let state = self.shared.metastore.state();
        let entry = state.table(path)?;
        let properties: Vec<String> =
            Shown::listed(definition).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut lines = vec![
            line("", ""),
            line("# Detailed Table Information", ""),
            line("Catalog", path.parent.catalog.as_str()),
            line("Database", path.parent.schema.as_str()),
            line("Table", path.name.as_str()),
            line("Created Time", &entry.created_at.format("%a %b %d %T UTC %Y").to_string()),
            line("Type", "MANAGED"),
            line("Location", &self.shared.metastore.table_dir(path).display().to_string()),
            line("Provider", "delta"),
            line("Owner", &entry.owner),
            line("Table Properties", &format!("[{}]", properties.join(","))),
        ];
        if let Some(comment) = &definition.description {
            lines.push(line("Comment", comment));
        }
        if let Some(key) = definition.primary_key() {
            lines.extend([line("", ""), line("# Constraints", ""), line(&key.name, &key.to_sql())]);
        }
        Ok(lines)
    }

    pub(super) async fn describe_detail(&self, name: &Name) -> Result<EngineResult> {
        let path = self.object(name)?;
        let table = self.open(&path).await?;
        let dir = self.shared.metastore.table_dir(&path);
        let log_dir = dir.clone();
        let last = self.blocking(move |_| log::commits(&log_dir, Some(1))).await?;
        let snapshot = table.snapshot()?;
        let metadata = snapshot.metadata();
        let definition = Definition::of(&table)?;
        let Shown { properties, features } = Shown::of(&definition);
        let clustering: Vec<String> = definition.clustering().iter().map(|path| path.join(".")).collect();
        let sizes: Vec<u64> =
            snapshot.log_data().iter().map(|file| u64::try_from(file.size()).unwrap_or(0)).collect();
        let version = |version: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![version])) };
        Rows::new()
            .text("format", [Some("delta")])
            .text("id", [Some(metadata.id())])
            .text("name", [Some(path.full_name())])
            .text("description", [metadata.description()])
            .text("location", [Some(dir.display().to_string())])
            .timestamp("createdAt", [metadata.created_time()])
            .timestamp("lastModified", last.first().map(|commit| Some(commit.timestamp)))
            .array("partitionColumns", text_list(metadata.partition_columns()))
            .array("clusteringColumns", text_list(&clustering))
            .big_int("numFiles", [Some(clamp(count(sizes.len())))])
            .big_int("sizeInBytes", [Some(clamp(sizes.iter().sum()))])
            .map("properties", &[Some(properties.into_iter().collect())])?
            .array("minReaderVersion", version(definition.protocol.min_reader_version()))
            .array("minWriterVersion", version(definition.protocol.min_writer_version()))
            .array("tableFeatures", text_list(&features.into_iter().collect::<Vec<_>>()))
            .finish(self)
            .await
    }

    pub(super) async fn show_columns(&self, name: &Name) -> Result<EngineResult> {
        let table = self.open(&self.object(name)?).await?;
        let schema = table.snapshot()?.snapshot().arrow_schema();
        Rows::new()
            .text("col_name", schema.fields().iter().map(|field| Some(field.name())))
            .finish(self)
            .await
    }

    pub(super) async fn show_properties(&self, name: &Name, key: Option<&str>) -> Result<EngineResult> {
        let path = self.object(name)?;
        let table = self.open(&path).await?;
        let all = Shown::listed(&Definition::of(&table)?);
        let pairs: Vec<(String, String)> = match key {
            None => all.into_iter().collect(),
            Some(key) => {
                let missing = || format!("Table {} does not have property: {key}", path.full_name());
                vec![(key.to_owned(), all.get(key).cloned().unwrap_or_else(missing))]
            }
        };
        Rows::new()
            .text("key", pairs.iter().map(|(key, _)| Some(key)))
            .text("value", pairs.iter().map(|(_, value)| Some(value)))
            .finish(self)
            .await
    }
}

fn line(name: &str, value: &str) -> Line {
    (name.to_owned(), value.to_owned(), Some(String::new()))
}

fn column_lines(schema: &Schema) -> Result<Vec<Line>> {
    let lines = schema.fields().iter().map(|field| {
        let data_type = databricks_schema::arrow::from_arrow(field.data_type()).map_err(|error| {
            LocalError::internal(format_args!("the type of the column `{}`: {error}", field.name()))
        })?;
        Ok((field.name().clone(), catalog_text(&data_type), field.metadata().get("comment").cloned()))
    });
    lines.collect()
}

/// The columns that have a default, and what it is.
fn default_lines(schema: &Schema) -> Result<Vec<Line>> {
    let with_default = |field: &&arrow::datatypes::FieldRef| field.metadata().contains_key(CURRENT_DEFAULT);
    let fields: Vec<_> = schema.fields().iter().filter(with_default).cloned().collect();
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let values = fields.iter().map(|field| field.metadata().get(CURRENT_DEFAULT).cloned());
    let columns = column_lines(&Schema::new(fields.clone()))?;
    let mut lines = vec![line("", ""), line("# Column Default Values", "")];
    lines.extend(
        columns.into_iter().zip(values).map(|((name, data_type, _), value)| (name, data_type, value)),
    );
    Ok(lines)
}

/// A type in the lower-case spelling that DESCRIBE and Unity Catalog use: `struct<a:int,b:array<string>>`.
pub(crate) fn catalog_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Array(element) => format!("array<{}>", catalog_text(element)),
        DataType::Map(key, value) => format!("map<{},{}>", catalog_text(key), catalog_text(value)),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{}:{}", field.name, catalog_text(&field.data_type)))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        other => other.to_string().to_lowercase(),
    }
}

/// A column of one list of texts.
fn text_list<S: AsRef<str>>(items: &[S]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for item in items {
        builder.values().append_value(item.as_ref());
    }
    builder.append(true);
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn types_are_lower_case_but_field_names_are_not() {
        let data_type =
            DataType::parse("STRUCT<Day: DATE, xs: ARRAY<DECIMAL(10,2)>, m: MAP<STRING, BIGINT>>").unwrap();
        assert_eq!(catalog_text(&data_type), "struct<Day:date,xs:array<decimal(10,2)>,m:map<string,bigint>>");
    }
}
