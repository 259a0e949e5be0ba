//! DESCRIBE HISTORY: the log's commits in Databricks' words.
//!
//! delta-rs names some operations and most metrics in its own way; the translation is here, when history is read, so
//! the log itself stays as its writer left it.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field};
use databricks_testkit::EngineResult;
use serde_json::{Map, Value};

use super::commit::STATEMENT;
use super::log::{self, Commit};
use super::rows::{Rows, clamp};
use super::statement::Statement;
use crate::error::Result;
use crate::parse::Name;

impl Statement {
    pub(super) async fn describe_history(&self, name: &Name, limit: Option<u64>) -> Result<EngineResult> {
        let path = self.object(name)?;
        self.shared.metastore.state().table(&path)?;
        let dir = self.shared.metastore.table_dir(&path);
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let commits = self.blocking(move |_| log::commits(&dir, limit)).await?;
        let text = |key: &'static str| commits.iter().map(move |commit| string(&commit.info, key));
        let parameters: Vec<_> =
            commits.iter().map(|commit| Some(pairs(said(&commit.info, "operationParameters")))).collect();
        let metrics: Vec<_> = commits.iter().map(|commit| Some(metrics(commit))).collect();
        let rows = Rows::new()
            .big_int("version", commits.iter().map(|commit| Some(clamp(commit.version))))
            .timestamp("timestamp", commits.iter().map(|commit| Some(commit.timestamp)))
            .text("userId", text("userId"))
            .text("userName", text("userName"))
            .text("operation", commits.iter().map(|commit| operation(&commit.info)))
            .map("operationParameters", &parameters)?
            .array(
                "job",
                nothing(
                    &["jobId", "jobName", "jobRunId", "runId", "jobOwnerId", "triggerType"],
                    commits.len(),
                ),
            )
            .array("notebook", nothing(&["notebookId"], commits.len()))
            .text("clusterId", text("clusterId"))
            .big_int(
                "readVersion",
                commits.iter().map(|commit| commit.info.get("readVersion").and_then(Value::as_i64)),
            )
            .text("isolationLevel", text("isolationLevel"))
            .boolean(
                "isBlindAppend",
                commits.iter().map(|commit| commit.info.get("isBlindAppend").and_then(Value::as_bool)),
            )
            .map("operationMetrics", &metrics)?
            .text("userMetadata", text("userMetadata"))
            .text("engineInfo", commits.iter().map(|commit| engine(&commit.info)));
        rows.finish(self).await
    }
}

/// A struct column without values: there are no jobs and notebooks here.
fn nothing(fields: &[&str], rows: usize) -> ArrayRef {
    let fields = fields.iter().map(|name| Arc::new(Field::new(*name, DataType::Utf8, true))).collect();
    new_null_array(&DataType::Struct(fields), rows)
}

fn string(info: &Map<String, Value>, key: &str) -> Option<String> {
    info.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn engine(info: &Map<String, Value>) -> Option<String> {
    string(info, "engineInfo").or_else(|| string(info, "clientVersion"))
}

/// What the commit says of its statement: in this crate's words, where it wrote some.
fn said<'a>(info: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    info.get(STATEMENT).and_then(|statement| statement.get(key)).or_else(|| info.get(key))
}

/// The operation as Databricks names it.
fn operation(info: &Map<String, Value>) -> Option<String> {
    let name = said(info, "operation").and_then(Value::as_str)?.to_owned();
    Some(match name.as_str() {
        "ADD COLUMN" => "ADD COLUMNS".to_owned(),
        "ADD FEATURE" => "UPGRADE PROTOCOL".to_owned(),
        _ => name,
    })
}

/// A JSON object as text pairs, sorted by key.
fn pairs(object: Option<&Value>) -> Vec<(String, String)> {
    let object = object.and_then(Value::as_object);
    object.into_iter().flatten().map(|(key, value)| (key.clone(), plain(value))).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The metrics of a commit as Databricks names them.
fn metrics(commit: &Commit) -> Vec<(String, String)> {
    let operation = said(&commit.info, "operation").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = Vec::new();
    for (key, value) in commit.info.get("operationMetrics").and_then(Value::as_object).into_iter().flatten() {
        match (operation.as_str(), key.as_str()) {
            ("OPTIMIZE", "filesAdded") => out.extend(sizes(value, "Added")),
            ("OPTIMIZE", "filesRemoved") => out.extend(sizes(value, "Removed")),
            (operation, key) => out.extend(metric_name(operation, key).map(|name| (name, plain(value)))),
        }
    }
    out.sort();
    out
}

/// Databricks' name of a metric; none for what Databricks does not report.
fn metric_name(operation: &str, key: &str) -> Option<String> {
    let name = match (operation, key) {
        (_, "num_retries" | "num_partitions") => return None,
        (
            "OPTIMIZE",
            "numBatches"
            | "totalConsideredFiles"
            | "totalFilesSkipped"
            | "preserveInsertionOrder"
            | "plannerStrategy"
            | "preservedStableOrder"
            | "maxBinSpanFiles"
            | "partitionsOptimized",
        ) => return None,
        ("DELETE", "num_target_rows_deleted") => "numDeletedRows",
        ("UPDATE", "num_target_rows_updated") => "numUpdatedRows",
        ("WRITE", "num_target_rows_inserted") => "numOutputRows",
        ("WRITE", "num_target_files_added") => "numFiles",
        ("DELETE" | "UPDATE", "num_target_files_added") => "numAddedFiles",
        ("DELETE" | "UPDATE" | "WRITE", "num_target_files_removed") => "numRemovedFiles",
        ("DELETE" | "UPDATE" | "WRITE", key)
            if key.starts_with("num_target_") || key == "num_source_rows" =>
        {
            return None;
        }
        ("WRITE", "num_added_files") => "numFiles",
        ("WRITE", "num_added_rows") => "numOutputRows",
        ("OPTIMIZE", "numFilesAdded") => "numAddedFiles",
        ("OPTIMIZE", "numFilesRemoved") => "numRemovedFiles",
        ("RESTORE", "numRemovedFile") => "numRemovedFiles",
        ("RESTORE", "numRestoredFile") => "numRestoredFiles",
        (_, key) => return Some(camel_case(key)),
    };
    Some(name.to_owned())
}

/// OPTIMIZE's file details, which delta-rs keeps as JSON in a text.
fn sizes(details: &Value, what: &str) -> Vec<(String, String)> {
    let parsed: Option<Value> = details.as_str().and_then(|text| serde_json::from_str(text).ok());
    let details = parsed.as_ref().unwrap_or(details);
    let get = |key: &str| details.get(key).map(plain);
    let mut out: Vec<(String, String)> =
        get("totalSize").map(|bytes| (format!("num{what}Bytes"), bytes)).into_iter().collect();
    if what == "Added" && details.get("totalFiles").and_then(Value::as_u64) != Some(0) {
        out.extend(get("min").map(|size| ("minFileSize".to_owned(), size)));
        out.extend(get("max").map(|size| ("maxFileSize".to_owned(), size)));
    }
    out
}

fn camel_case(key: &str) -> String {
    let mut parts = key.split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn commit(operation: &str, metrics: Value) -> Commit {
        let info = json!({"operation": operation, "operationMetrics": metrics});
        Commit { version: 1, timestamp: 0, info: info.as_object().unwrap().clone() }
    }

    #[test]
    fn metrics_get_databricks_names() {
        let merge =
            commit("MERGE", json!({"num_target_rows_updated": 2, "num_output_rows": 3, "scan_time_ms": 1}));
        let update = commit("UPDATE", json!({"num_updated_rows": 2, "num_retries": 0}));
        let restore = commit("RESTORE", json!({"numRemovedFile": 1, "numRestoredFile": 4}));
        let own = commit("COPY INTO", json!({"numOutputRows": "7"}));
        let cases = [
            (merge, vec![("numOutputRows", "3"), ("numTargetRowsUpdated", "2"), ("scanTimeMs", "1")]),
            (update, vec![("numUpdatedRows", "2")]),
            (restore, vec![("numRemovedFiles", "1"), ("numRestoredFiles", "4")]),
            (own, vec![("numOutputRows", "7")]),
        ];
        for (commit, expected) in cases {
            let found = metrics(&commit);
            let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn optimize_reports_bytes() {
        let details = json!({"avg": 5.0, "max": 7, "min": 3, "totalFiles": 2, "totalSize": 10}).to_string();
        let optimize =
            commit("OPTIMIZE", json!({"numFilesAdded": 2, "filesAdded": details, "numBatches": 1}));
        let found = metrics(&optimize);
        let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            found,
            [("maxFileSize", "7"), ("minFileSize", "3"), ("numAddedBytes", "10"), ("numAddedFiles", "2")]
        );
    }
}
