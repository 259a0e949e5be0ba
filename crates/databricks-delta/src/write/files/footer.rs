//! What the end of a Parquet file says: its columns and how many rows it has.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::{DeltaError, Result};

/// Bytes that are read first: most footers fit.
pub(super) const FIRST_READ: u64 = 64 << 10;
/// The length of what follows a footer: its own length, and the magic bytes.
const TAIL: usize = 8;
/// The largest footer that is read.
const LARGEST: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Footer {
    pub(super) schema: SchemaRef,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// A column of times in nanoseconds, if there is one.
    pub(super) nanoseconds: Option<String>,
}

/// How many of the file's last bytes are needed, as its very last ones say.
pub(super) fn needed(name: &str, end: &[u8]) -> Result<u64> {
    let tail = end.len().checked_sub(TAIL).and_then(|start| end.get(start..));
    let length = match tail {
        Some(&[a, b, c, d, b'P', b'A', b'R', b'1']) => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => return Err(no_parquet(name, "it does not end as one")),
    };
    match length + TAIL as u64 {
        needed if needed <= LARGEST => Ok(needed),
        needed => Err(no_parquet(name, &format!("its footer claims {needed} bytes"))),
    }
}

impl Footer {
    /// Reads the footer from the end of a file of this length.
    pub(super) fn read(name: &str, bytes: u64, end: &Bytes) -> Result<Self> {
        let length = usize::try_from(needed(name, end)?).unwrap_or(usize::MAX);
        let start = end.len().checked_sub(length).ok_or_else(|| no_parquet(name, "it is cut off"))?;
        let footer = end.slice(start..end.len() - TAIL);
        let broken = |error: parquet::errors::ParquetError| no_parquet(name, &error.to_string());
        let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(broken)?;
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        let nanoseconds = nanoseconds(&metadata);
        // The types of the columns themselves, which are what Spark sees: not those that an Arrow writer noted.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let read = ArrowReaderMetadata::try_new(metadata.into(), options).map_err(broken)?;
        Ok(Self { schema: read.schema().clone(), rows, bytes, nanoseconds })
    }
}

/// Spark reads the old INT96, and no INT64 of nanoseconds.
fn nanoseconds(metadata: &ParquetMetaData) -> Option<String> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let column = columns.iter().find(|column| {
        matches!(column.logical_type_ref(), Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS)
    });
    column.map(|column| column.path().string())
}

fn no_parquet(name: &str, reason: &str) -> DeltaError {
    DeltaError::Input(format!("{name} is no Parquet file: {reason}").into())
}
