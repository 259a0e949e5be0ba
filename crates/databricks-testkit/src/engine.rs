//! What answers SQL behind the simulated workspace: the seam between the HTTP face (this crate) and an engine.
//!
//! An engine knows nothing of HTTP, warehouses, polling, links or compression. It gets one statement with its
//! defaults and parameters and gives columns and chunks, or a failure in the words Databricks would use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::access::Grants;

/// Runs SQL statements for a [`SimulatedWorkspace`](crate::SimulatedWorkspace).
pub trait StatementEngine: Send + Sync + 'static {
    /// Runs one statement to its end.
    ///
    /// The future runs in a task of its own. Dropping it cancels the statement (best effort): a client's cancel,
    /// `on_wait_timeout = CANCEL` and a close of a running statement all end there.
    fn execute(&self, request: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>>;
}

/// One statement, with everything around it that can change its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineRequest {
    /// The SQL text as the client sent it.
    pub statement: String,
    /// The default catalog: the statement's, else its session's.
    pub catalog: Option<String>,
    /// The default schema: the statement's, else its session's.
    pub schema: Option<String>,
    /// The parameters in the order sent.
    pub parameters: Vec<Parameter>,
    /// The most rows to deliver; a result cut here must say [`EngineResult::truncated`].
    pub row_limit: Option<u64>,
    /// The user whose token sent the statement.
    pub user: String,
    /// Who may do what in the workspace, for an engine that refuses what its user may not do.
    pub grants: Grants,
    /// The query tags in the order sent: a key, and a value where there is one. At most 20, the last value of a key.
    pub query_tags: Vec<(String, Option<String>)>,
    /// The configuration of its session (`session_confs`), such as `timezone` and `ansi_mode`. An engine that does not
    /// know a setting may ignore it, as clients send settings of their own accord.
    pub session_confs: BTreeMap<String, String>,
}

/// One parameter of a statement: named (`:day`) or positional (`?`, by `ordinal`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The name without its colon.
    pub name: Option<String>,
    /// The position of a `?` marker, counted from 1.
    pub ordinal: Option<u32>,
    /// The SQL type text, such as `DECIMAL(18,2)`. `STRING` where the client sent none.
    pub sql_type: Option<String>,
    /// The value as text; `None` is NULL.
    pub value: Option<String>,
}

/// Why a statement failed, as the API reports it: HTTP 200 with state `FAILED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementFailure {
    /// The API's code, such as `BAD_REQUEST`.
    pub error_code: String,
    /// The text, with the error class in front and the SQLSTATE: `[CLASS] text SQLSTATE: 42P01`.
    pub message: String,
    /// The SQLSTATE alone, where there is one.
    pub sql_state: Option<String>,
}

impl StatementFailure {
    /// A failure of the SQL itself: code `BAD_REQUEST`, message `[class] text SQLSTATE: sql_state`.
    pub fn sql(class: &str, sql_state: &str, text: &str) -> Self {
        Self {
            error_code: "BAD_REQUEST".to_owned(),
            message: format!("[{class}] {text} SQLSTATE: {sql_state}"),
            sql_state: Some(sql_state.to_owned()),
        }
    }

    /// A failure of the engine rather than of the statement: code `INTERNAL_ERROR`, no SQLSTATE.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { error_code: "INTERNAL_ERROR".to_owned(), message: message.into(), sql_state: None }
    }
}

impl fmt::Display for StatementFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_code, self.message)
    }
}

impl std::error::Error for StatementFailure {}

/// One column of a result, in the API's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// The API's name of the type: `LONG`, `STRING`, `DECIMAL`, ...
    pub type_name: String,
    /// The exact SQL type: `BIGINT`, `DECIMAL(18,2)`, `ARRAY<INT>`, ...
    pub type_text: String,
    /// The precision of a DECIMAL.
    pub precision: Option<u32>,
    /// The scale of a DECIMAL.
    pub scale: Option<u32>,
    /// The qualifier of an INTERVAL, such as `DAY TO SECOND`.
    pub interval_type: Option<String>,
}

impl Column {
    /// A column by name and SQL type text; `type_name`, precision and scale follow from the text.
    ///
    /// ```
    /// use databricks_testkit::Column;
    /// let price = Column::new("price", "DECIMAL(18,2)");
    /// assert_eq!((price.type_name.as_str(), price.precision, price.scale), ("DECIMAL", Some(18), Some(2)));
    /// assert_eq!(Column::new("id", "BIGINT").type_name, "LONG");
    /// ```
    pub fn new(name: impl Into<String>, type_text: impl Into<String>) -> Self {
        let type_text = type_text.into();
        let upper = type_text.trim().to_ascii_uppercase();
        let head = upper.split(['(', '<', ' ']).next().unwrap_or_default();
        let (precision, scale) = if head == "DECIMAL" { decimal_arguments(&upper) } else { (None, None) };
        let interval_type =
            (head == "INTERVAL").then(|| upper.trim_start_matches("INTERVAL").trim().to_owned());
        Self {
            name: name.into(),
            type_name: api_type_name(head).to_owned(),
            type_text,
            precision,
            scale,
            interval_type,
        }
    }
}

/// The API's `type_name` for the first word of a SQL type.
fn api_type_name(head: &str) -> &str {
    match head {
        "TINYINT" => "BYTE",
        "SMALLINT" => "SHORT",
        "INTEGER" => "INT",
        "BIGINT" => "LONG",
        "REAL" => "FLOAT",
        "DEC" | "NUMERIC" => "DECIMAL",
        "VARCHAR" => "STRING",
        "VOID" => "NULL",
        other => other,
    }
}

/// Precision and scale of `DECIMAL(p,s)`; Databricks takes a bare DECIMAL as (10,0).
fn decimal_arguments(upper: &str) -> (Option<u32>, Option<u32>) {
    let inner = upper.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
    let mut numbers = inner.unwrap_or("10,0").split(',').map(|n| n.trim().parse().ok());
    let precision = numbers.next().flatten();
    (precision, numbers.next().flatten().or(Some(0)))
}

/// The outcome of a statement that ran.
#[derive(Clone, Default)]
pub struct EngineResult {
    /// The columns; empty for DDL.
    pub columns: Vec<Column>,
    /// The rows, in order, in pieces of the engine's choosing. Empty when there are no rows.
    pub chunks: Vec<Arc<dyn ResultChunk>>,
    /// Whether rows were left out because of the request's limit.
    pub truncated: bool,
}

impl fmt::Debug for EngineResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { columns, chunks, truncated } = self;
        f.debug_struct("EngineResult")
            .field("columns", columns)
            .field("chunks", &chunks.len())
            .field("truncated", truncated)
            .finish()
    }
}

/// A piece of a result that can be had as JSON cells or as an Arrow stream.
///
/// The counts are asked for often and must be at hand. The other methods may do real work (encode, read a file):
/// they are called in a blocking task, when a client asks.
pub trait ResultChunk: Send + Sync {
    /// Rows in this chunk.
    fn row_count(&self) -> u64;

    /// Size in bytes, decoded; what the manifest reports.
    fn byte_count(&self) -> u64;

    /// The rows as the JSON_ARRAY format has them: text or NULL.
    ///
    /// # Errors
    /// A failure when a value cannot be written as text.
    fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure>;

    /// The rows as one complete Arrow IPC stream (schema, batches, end), not compressed.
    ///
    /// # Errors
    /// A failure when the rows cannot be encoded.
    fn arrow_stream(&self) -> Result<Bytes, StatementFailure>;

    /// The chunk's ARROW_STREAM object as storage holds it, LZ4-compressed or not, where it was written in advance.
    /// Default: it is written each time a client asks.
    fn stored(&self, lz4: bool) -> Option<Bytes> {
        let _ = lz4;
        None
    }

    /// Whether the other methods only copy what is in memory, so that a small chunk needs no blocking task.
    /// Default: no.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// The first so many rows as a chunk, where the chunk can be cut. Default: it cannot, and a `byte_limit` inside
    /// it drops it whole.
    fn first_rows(&self, rows: u64) -> Option<Arc<dyn ResultChunk>> {
        let _ = rows;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_types_follow_from_the_sql_text() {
        let cases = [
            ("TINYINT", "BYTE", None, None),
            ("INT", "INT", None, None),
            ("decimal(7, 2)", "DECIMAL", Some(7), Some(2)),
            ("DECIMAL", "DECIMAL", Some(10), Some(0)),
            ("DECIMAL(5)", "DECIMAL", Some(5), Some(0)),
            ("ARRAY<DECIMAL(5,1)>", "ARRAY", None, None),
            ("VOID", "NULL", None, None),
            ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ", None, None),
        ];
        for (text, type_name, precision, scale) in cases {
            let column = Column::new("c", text);
            assert_eq!(
                (column.type_name.as_str(), column.precision, column.scale),
                (type_name, precision, scale),
                "{text}"
            );
            assert_eq!(column.type_text, text);
        }
    }

    #[test]
    fn an_interval_names_its_qualifier() {
        let column = Column::new("c", "INTERVAL DAY TO SECOND");
        assert_eq!(
            (column.type_name.as_str(), column.interval_type.as_deref()),
            ("INTERVAL", Some("DAY TO SECOND"))
        );
    }

    #[test]
    fn a_sql_failure_carries_class_and_state_in_its_text() {
        let failure = StatementFailure::sql("TABLE_OR_VIEW_NOT_FOUND", "42P01", "No such table.");
        assert_eq!(failure.message, "[TABLE_OR_VIEW_NOT_FOUND] No such table. SQLSTATE: 42P01");
    }
}
