//! Small results made by commands: a few columns of a few rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use databricks_testkit::EngineResult;

use super::statement::Statement;
use crate::error::Result;

/// Columns of a result being put together, in order.
#[derive(Default)]
pub(super) struct Rows {
    columns: Vec<(String, ArrayRef)>,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn array(mut self, name: &str, array: ArrayRef) -> Self {
        self.columns.push((name.to_owned(), array));
        self
    }

    pub(super) fn text<S: AsRef<str>>(self, name: &str, values: impl IntoIterator<Item = Option<S>>) -> Self {
        self.array(name, Arc::new(StringArray::from_iter(values)))
    }

    pub(super) fn big_int(self, name: &str, values: impl IntoIterator<Item = Option<i64>>) -> Self {
        self.array(name, Arc::new(Int64Array::from_iter(values)))
    }

    pub(super) fn boolean(self, name: &str, values: impl IntoIterator<Item = Option<bool>>) -> Self {
        self.array(name, Arc::new(values.into_iter().collect::<BooleanArray>()))
    }

    /// Milliseconds since the epoch.
    pub(super) fn timestamp(self, name: &str, values: impl IntoIterator<Item = Option<i64>>) -> Self {
        let micros = values.into_iter().map(|millis| millis.map(|millis| millis.saturating_mul(1_000)));
        self.array(name, Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC")))
    }

    /// Text to text.
    pub(super) fn map(self, name: &str, values: &[Option<Vec<(String, String)>>]) -> Result<Self> {
        let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
        let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
        for row in values {
            for (key, value) in row.iter().flatten() {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            }
            builder.append(row.is_some())?;
        }
        Ok(self.array(name, Arc::new(builder.finish())))
    }

    /// The rows, for a query to read.
    pub(super) fn batch(self) -> Result<RecordBatch> {
        let columns = self.columns.into_iter().map(|(name, array)| (name, array, true));
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }

    /// The result of the statement.
    pub(super) async fn finish(self, statement: &Statement) -> Result<EngineResult> {
        statement.shared.spool.one_batch(self.batch()?).await
    }
}

/// One row of BIGINT counts, as data statements answer.
pub(super) async fn counts<const N: usize>(
    statement: &Statement,
    counts: [(&str, u64); N],
) -> Result<EngineResult> {
    let rows =
        counts.into_iter().fold(Rows::new(), |rows, (name, count)| rows.big_int(name, [Some(clamp(count))]));
    rows.finish(statement).await
}

/// A count as a BIGINT.
pub(super) fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count of the engine as a `u64`.
pub(super) fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
