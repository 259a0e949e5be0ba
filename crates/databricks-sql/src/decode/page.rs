//! The rows that come inside an answer: JSON text, or an Arrow stream in base64.

use arrow::array::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Layout, arrow_file};
use crate::wire::ResultPage;
use crate::{Result, SqlError};

/// The page's rows as batches; `compressed` is said of attached streams.
pub(crate) fn page(layout: &Layout, compressed: bool, page: ResultPage) -> Result<Vec<RecordBatch>> {
    let Some(attachment) = page.attachment else {
        return Ok(vec![layout.decode_json(&page.data_array.unwrap_or_default())?]);
    };
    let bytes = STANDARD
        .decode(attachment)
        .map_err(|error| SqlError::decode(format!("the attached result is not base64: {error}")))?;
    let batches = arrow_file(Bytes::from(bytes), compressed, page.row_count)?;
    batches.into_iter().map(|batch| layout.conform(batch)).collect()
}
