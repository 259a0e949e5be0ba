//! Scripted rows: cells as text, and as Arrow where the feature is on.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

use crate::engine::{Column, EngineResult, ResultChunk, StatementFailure};

/// One row: a text or NULL per column.
pub(super) type Row = Vec<Option<String>>;

/// A chunk of rows held as text.
#[derive(Debug)]
pub(super) struct RowsChunk {
    columns: Arc<[Column]>,
    rows: Vec<Row>,
    /// Encoded once: every download of a chunk is the same bytes.
    arrow: OnceLock<Result<Bytes, StatementFailure>>,
}

impl RowsChunk {
    /// A result of such chunks.
    pub(super) fn result(columns: Vec<Column>, chunks: Vec<Vec<Row>>) -> EngineResult {
        let shared: Arc<[Column]> = columns.clone().into();
        let chunk = |rows| -> Arc<dyn ResultChunk> {
            Arc::new(Self { columns: shared.clone(), rows, arrow: OnceLock::new() })
        };
        let only_empty = chunks.iter().all(Vec::is_empty);
        let chunks = if only_empty { Vec::new() } else { chunks.into_iter().map(chunk).collect() };
        EngineResult { columns, chunks, truncated: false }
    }

    fn text_bytes(&self) -> u64 {
        let cells = self.rows.iter().flatten();
        cells.map(|cell| cell.as_ref().map_or(4, |text| text.len() as u64 + 2)).sum()
    }
}

impl ResultChunk for RowsChunk {
    fn row_count(&self) -> u64 {
        self.rows.len() as u64
    }

    fn byte_count(&self) -> u64 {
        self.arrow_stream().map_or_else(|_| self.text_bytes(), |bytes| bytes.len() as u64)
    }

    fn json_rows(&self) -> Result<Vec<Row>, StatementFailure> {
        Ok(self.rows.clone())
    }

    fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
        self.arrow.get_or_init(|| encode(&self.columns, &self.rows)).clone()
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn first_rows(&self, rows: u64) -> Option<Arc<dyn ResultChunk>> {
        let rows = self.rows.get(..usize::try_from(rows).ok()?)?.to_vec();
        Some(Arc::new(Self { columns: self.columns.clone(), rows, arrow: OnceLock::new() }))
    }
}

#[cfg(feature = "arrow")]
fn encode(columns: &[Column], rows: &[Row]) -> Result<Bytes, StatementFailure> {
    super::arrow_rows::encode(columns, rows)
}

#[cfg(not(feature = "arrow"))]
fn encode(_: &[Column], _: &[Row]) -> Result<Bytes, StatementFailure> {
    let message = "Scripted rows as ARROW_STREAM need the feature `arrow` of databricks-testkit.";
    Err(StatementFailure::internal(message))
}

/// A JSON cell as JSON_ARRAY has it.
pub(super) fn cell_text(cell: Value) -> Option<String> {
    match cell {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Every row has a cell for every column.
pub(super) fn check_widths(columns: &[Column], chunks: &[Vec<Row>]) -> Result<(), StatementFailure> {
    for (chunk, rows) in chunks.iter().enumerate() {
        if let Some(index) = rows.iter().position(|row| row.len() != columns.len()) {
            let cells = rows.get(index).map_or(0, Vec::len);
            let message = format!(
                "The script is wrong: row {} of chunk {chunk} has {cells} cells for {} columns.",
                index + 1,
                columns.len()
            );
            return Err(StatementFailure::internal(message));
        }
    }
    Ok(())
}

/// Cuts a result to a row limit. Chunks that are not rows of a script can only be dropped whole or rewritten as text.
pub(super) fn limit(result: EngineResult, row_limit: Option<u64>) -> EngineResult {
    let total: u64 = result.chunks.iter().map(|chunk| chunk.row_count()).sum();
    let Some(limit) = row_limit.filter(|&limit| limit < total) else { return result };
    let EngineResult { columns, chunks, .. } = result;
    let mut left = limit;
    let mut kept: Vec<Arc<dyn ResultChunk>> = Vec::new();
    for chunk in chunks {
        let take = chunk.row_count().min(left);
        left -= take;
        if take == chunk.row_count() {
            kept.push(chunk);
        } else if let (true, Some(head)) = (take > 0, chunk.first_rows(take)) {
            kept.push(head);
        } else if let (true, Ok(mut rows)) = (take > 0, chunk.json_rows()) {
            rows.truncate(usize::try_from(take).unwrap_or(usize::MAX));
            kept.extend(RowsChunk::result(columns.clone(), vec![rows]).chunks);
        }
        if left == 0 {
            break;
        }
    }
    EngineResult { columns, chunks: kept, truncated: true }
}
