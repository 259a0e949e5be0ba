//! DESCRIBE TABLE, DESCRIBE DETAIL, DESCRIBE QUERY, SHOW COLUMNS and SHOW TBLPROPERTIES.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::Schema;
use databricks_schema::DataType;
use databricks_testkit::EngineResult;
use deltalake::DeltaTable;
use serde_json::Value;
use sqlparser::ast::Query;

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
        let partitions = snapshot.metadata().partition_columns().to_vec();
        if !partitions.is_empty() {
            let of_partition: Vec<Line> =
                lines.iter().filter(|(name, _, _)| partitions.contains(name)).cloned().collect();
            lines.push(line("# Partition Information", ""));
            lines.push(("# col_name".to_owned(), "data_type".to_owned(), Some("comment".to_owned())));
            lines.extend(of_partition);
        }
        if extended {
            lines.extend(self.details(&path, &table)?);
        }
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

    fn details(&self, path: &ObjectPath, table: &DeltaTable) -> Result<Vec<Line>> {
        let state = self.shared.metastore.state();
        let entry = state.table(path)?;
        let metadata = table.snapshot()?.metadata();
        let mut properties: Vec<String> =
            metadata.configuration().iter().map(|(k, v)| format!("{k}={v}")).collect();
        properties.sort();
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
        if let Some(comment) = metadata.description() {
            lines.push(line("Comment", comment));
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
        let protocol = serde_json::to_value(snapshot.protocol()).map_err(LocalError::internal)?;
        let sizes: Vec<u64> =
            snapshot.log_data().iter().map(|file| u64::try_from(file.size()).unwrap_or(0)).collect();
        let mut properties: Vec<(String, String)> =
            metadata.configuration().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        properties.sort();
        let version = |key: &str| -> ArrayRef {
            let number = protocol.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
            Arc::new(Int32Array::from(vec![number]))
        };
        Rows::new()
            .text("format", [Some("delta")])
            .text("id", [Some(metadata.id())])
            .text("name", [Some(path.full_name())])
            .text("description", [metadata.description()])
            .text("location", [Some(dir.display().to_string())])
            .timestamp("createdAt", [metadata.created_time()])
            .timestamp("lastModified", last.first().map(|commit| Some(commit.timestamp)))
            .array("partitionColumns", text_list(metadata.partition_columns()))
            .array("clusteringColumns", text_list::<&str>(&[]))
            .big_int("numFiles", [Some(clamp(count(sizes.len())))])
            .big_int("sizeInBytes", [Some(clamp(sizes.iter().sum()))])
            .map("properties", &[Some(properties)])?
            .array("minReaderVersion", version("minReaderVersion"))
            .array("minWriterVersion", version("minWriterVersion"))
            .array("tableFeatures", text_list(&table_features(&protocol)))
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
        let all = table.snapshot()?.metadata().configuration();
        let mut pairs: Vec<(String, String)> = match key {
            None => all.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            Some(key) => {
                let missing = || format!("Table {} does not have property: {key}", path.full_name());
                vec![(key.to_owned(), all.get(key).cloned().unwrap_or_else(missing))]
            }
        };
        pairs.sort();
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

/// The features of a protocol; the old versions imply theirs.
fn table_features(protocol: &Value) -> Vec<String> {
    let listed = |key: &str| -> Vec<String> {
        let names = protocol.get(key).and_then(Value::as_array);
        names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut features = listed("writerFeatures");
    features.extend(listed("readerFeatures"));
    let writer = protocol.get("minWriterVersion").and_then(Value::as_i64).unwrap_or(0);
    let implied: &[(i64, &str)] = &[
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, "generatedColumns"),
    ];
    if writer < 7 {
        features
            .extend(implied.iter().filter(|(since, _)| writer >= *since).map(|(_, name)| (*name).to_owned()));
    }
    features.sort();
    features.dedup();
    features
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_lower_case_but_field_names_are_not() {
        let data_type =
            DataType::parse("STRUCT<Day: DATE, xs: ARRAY<DECIMAL(10,2)>, m: MAP<STRING, BIGINT>>").unwrap();
        assert_eq!(catalog_text(&data_type), "struct<Day:date,xs:array<decimal(10,2)>,m:map<string,bigint>>");
    }

    #[test]
    fn an_old_protocol_implies_features() {
        assert_eq!(table_features(&json!({"minWriterVersion": 2})), ["appendOnly", "invariants"]);
        let named = json!({"minWriterVersion": 7, "writerFeatures": ["timestampNtz"], "readerFeatures": ["timestampNtz"]});
        assert_eq!(table_features(&named), ["timestampNtz"]);
    }
}
