//! What answers SQL: the prepared result, and `SELECT 1` for round trips that carry next to nothing.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use serde_json::json;

use super::cells;
use super::file::{Chunk, File, Writing};
use crate::engine::{Column, EngineRequest, EngineResult, ResultChunk, StatementEngine, StatementFailure};
use crate::scripted::ScriptedEngine;

/// The statement with one small row.
const SMALL: &str = "SELECT 1";

/// Gives every statement the same result; `SELECT 1` is what it says.
pub(super) struct PreparedEngine {
    columns: Vec<Column>,
    chunks: Vec<Arc<dyn ResultChunk>>,
    small: ScriptedEngine,
}

impl PreparedEngine {
    /// Writes all files: work of seconds for millions of rows.
    pub(super) fn write(writing: Writing) -> Result<Self, StatementFailure> {
        let small = ScriptedEngine::new();
        small.on(SMALL).rows([Column::new("1", "INT")], [[json!(1)]]);
        Ok(Self { columns: cells::columns(), chunks: chunks(writing)?, small })
    }

    fn result(&self, row_limit: Option<u64>) -> EngineResult {
        let mut left = row_limit.unwrap_or(u64::MAX);
        let mut result = EngineResult { columns: self.columns.clone(), ..EngineResult::default() };
        for chunk in &self.chunks {
            let rows = chunk.row_count();
            if rows > left {
                result.truncated = true;
                result.chunks.extend(chunk.first_rows(left).filter(|_| left > 0));
                break;
            }
            left -= rows;
            result.chunks.push(Arc::clone(chunk));
        }
        result
    }
}

/// The chunks; those that repeat share one file.
fn chunks(writing: Writing) -> Result<Vec<Arc<dyn ResultChunk>>, StatementFailure> {
    let shape = writing.shape;
    let mut written: HashMap<(u64, u64), File> = HashMap::new();
    let mut chunks: Vec<Arc<dyn ResultChunk>> = Vec::new();
    for index in 0..shape.chunks() {
        let rows = shape.chunk(index);
        let key = (shape.source_row(rows.start), rows.end - rows.start);
        let file = match written.get(&key) {
            Some(file) => file.clone(),
            None => writing.file(rows.clone())?,
        };
        written.insert(key, file.clone());
        chunks.push(Arc::new(Chunk { writing, rows, file: Some(file) }));
    }
    Ok(chunks)
}

impl StatementEngine for PreparedEngine {
    fn execute(&self, request: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        if request.statement.trim().eq_ignore_ascii_case(SMALL) {
            return self.small.execute(EngineRequest { statement: SMALL.to_owned(), ..request });
        }
        ready(Ok(self.result(request.row_limit))).boxed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::shape::ResultShape;
    use super::*;

    fn engine(shape: ResultShape) -> PreparedEngine {
        PreparedEngine::write(Writing { shape, batch_rows: 100, lz4: false }).unwrap()
    }

    #[test]
    fn repeated_chunks_share_their_memory() {
        let engine = engine(ResultShape::new(95, 10).repeating(3));
        let address = |index: usize| engine.chunks[index].stored(false).unwrap().as_ptr();
        assert_eq!((address(0), address(4)), (address(3), address(7)));
        assert_ne!(address(0), address(1));
        // The last one is shorter, so it has a file of its own.
        assert_ne!(address(9), address(0));
        assert_eq!(engine.chunks[9].row_count(), 5);
    }

    #[test]
    fn a_row_limit_cuts_and_says_so() {
        let engine = engine(ResultShape::new(30, 3));
        for (limit, chunks, truncated) in [
            (None, 3, false),
            (Some(30), 3, false),
            (Some(29), 3, true),
            (Some(10), 1, true),
            (Some(0), 0, true),
        ] {
            let result = engine.result(limit);
            let rows: u64 = result.chunks.iter().map(|chunk| chunk.row_count()).sum();
            assert_eq!((result.chunks.len(), result.truncated), (chunks, truncated), "{limit:?}");
            assert_eq!(rows, limit.unwrap_or(30), "{limit:?}");
        }
    }
}
