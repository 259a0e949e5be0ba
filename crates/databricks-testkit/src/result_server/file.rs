//! A chunk of the result with its file, written once and handed out as often as asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;

use super::shape::ResultShape;
use crate::engine::{ResultChunk, StatementFailure};
use crate::statements::lz4_frames;

/// How the files of a result are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    pub(super) shape: ResultShape,
    /// Rows of one record batch.
    pub(super) batch_rows: u64,
    pub(super) lz4: bool,
}

/// A file as storage holds it.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    pub(super) decoded: u64,
    lz4: bool,
}

impl Writing {
    /// The file of these rows.
    pub(super) fn file(&self, rows: Range<u64>) -> Result<File, StatementFailure> {
        let plain = self.stream(rows)?;
        let decoded = plain.len() as u64;
        let bytes = if self.lz4 { lz4_frames(&plain)? } else { plain };
        Ok(File { bytes, decoded, lz4: self.lz4 })
    }

    fn stream(&self, rows: Range<u64>) -> Result<Bytes, StatementFailure> {
        let failed = |error: ArrowError| StatementFailure::internal(format!("Arrow: {error}"));
        let mut writer = StreamWriter::try_new(Vec::new(), &self.shape.schema()).map_err(failed)?;
        let step = self.batch_rows.max(1);
        let mut start = rows.start;
        while start < rows.end {
            let end = start.saturating_add(step).min(rows.end);
            let batch = self.shape.expected(start..end).map_err(StatementFailure::internal)?;
            writer.write(&batch).map_err(failed)?;
            start = end;
        }
        writer.finish().map_err(failed)?;
        Ok(writer.into_inner().map_err(failed)?.into())
    }
}

/// Rows of the result, and their file where it was written in advance.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) writing: Writing,
    pub(super) rows: Range<u64>,
    pub(super) file: Option<File>,
}

impl ResultChunk for Chunk {
    fn row_count(&self) -> u64 {
        self.rows.end.saturating_sub(self.rows.start)
    }

    fn byte_count(&self) -> u64 {
        // A cut chunk has no file yet; 120 bytes a row are about right.
        self.file.as_ref().map_or(self.row_count().saturating_mul(120), |file| file.decoded)
    }

    fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
        Ok(self.writing.shape.texts(self.rows.clone()))
    }

    fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
        match &self.file {
            Some(file) if !file.lz4 => Ok(file.bytes.clone()),
            _ => self.writing.stream(self.rows.clone()),
        }
    }

    fn stored(&self, lz4: bool) -> Option<Bytes> {
        self.file.as_ref().filter(|file| file.lz4 == lz4).map(|file| file.bytes.clone())
    }

    fn first_rows(&self, rows: u64) -> Option<Arc<dyn ResultChunk>> {
        let end = self.rows.start.saturating_add(rows).min(self.rows.end);
        Some(Arc::new(Self { writing: self.writing, rows: self.rows.start..end, file: None }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::RecordBatch;
    use arrow::compute::concat_batches;
    use arrow::ipc::reader::StreamReader;

    fn read(bytes: &Bytes) -> Vec<RecordBatch> {
        StreamReader::try_new(bytes.as_ref(), None).unwrap().map(Result::unwrap).collect()
    }

    fn chunk(lz4: bool) -> Chunk {
        let writing = Writing { shape: ResultShape::new(1_000, 2), batch_rows: 200, lz4 };
        let file = writing.file(500..1_000).unwrap();
        Chunk { writing, rows: 500..1_000, file: Some(file) }
    }

    #[test]
    fn a_file_holds_its_rows_in_several_batches() {
        let chunk = chunk(false);
        let file = chunk.stored(false).unwrap();
        assert_eq!(chunk.byte_count(), file.len() as u64);
        let batches = read(&file);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [200, 200, 100]);
        let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(whole, chunk.writing.shape.expected(500..1_000).unwrap());
    }

    #[test]
    fn a_compressed_file_can_still_be_had_plain() {
        let (packed, plain) = (chunk(true), chunk(false));
        assert!(packed.stored(true).unwrap().len() < plain.stored(false).unwrap().len());
        assert_eq!((packed.stored(false), plain.stored(true)), (None, None));
        assert_eq!(packed.arrow_stream().unwrap(), plain.arrow_stream().unwrap());
        assert_eq!(packed.byte_count(), plain.byte_count());
    }

    #[test]
    fn a_chunk_can_be_cut() {
        let cut = chunk(true).first_rows(7).unwrap();
        assert_eq!((cut.row_count(), cut.stored(true)), (7, None));
        assert_eq!(read(&cut.arrow_stream().unwrap())[0].num_rows(), 7);
        assert_eq!(cut.json_rows().unwrap()[6][0].as_deref(), Some("506"));
    }
}
