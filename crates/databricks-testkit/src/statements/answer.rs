//! The JSON of statements and chunks, in the shapes a real workspace was recorded to send.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::encode::encode;
use super::links;
use super::registry::{Entry, Phase};
use super::request::{Disposition, Format};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::engine::{Column, EngineResult, ResultChunk, StatementFailure};
use crate::route::Call;

/// Larger results leave INLINE_OR_EXTERNAL_LINKS as links.
const ATTACHMENT_LIMIT: u64 = 5 * 1024 * 1024;
/// Links in one answer of INLINE_OR_EXTERNAL_LINKS. EXTERNAL_LINKS gives one, as recorded.
const LINKS: usize = 16;
/// A chunk in memory that is no larger is written without a thread of its own.
const SMALL: u64 = 64 * 1024;

/// The whole statement: id, state, and with a result its manifest and first chunk.
pub(super) async fn statement(call: &Call<'_>, entry: &Entry) -> Answer {
    let mut answer = Map::new();
    answer.insert("statement_id".to_owned(), json!(entry.id));
    // Rows that cannot be written are the statement's own failure, now and whenever it is asked for.
    let status = match entry.phase() {
        Phase::Pending => json!({ "state": "PENDING" }),
        Phase::Running => json!({ "state": "RUNNING" }),
        Phase::Canceled => json!({ "state": "CANCELED" }),
        Phase::Closed => json!({ "state": "CLOSED" }),
        Phase::Failed(failure) => failed(&failure),
        Phase::Succeeded(result) => match first_chunk(call, entry, &result).await {
            Ok(first) => {
                answer.insert("manifest".to_owned(), manifest(entry, &result));
                answer.insert("result".to_owned(), first);
                json!({ "state": "SUCCEEDED" })
            }
            Err(failure) => {
                entry.fail(failure.clone());
                failed(&failure)
            }
        },
    };
    answer.insert("status".to_owned(), status);
    json_response(&answer)
}

/// One chunk by index.
pub(super) async fn chunk(call: &Call<'_>, entry: &Entry, index: usize) -> Answer {
    let result = match entry.phase() {
        Phase::Succeeded(result) => result,
        Phase::Failed(failure) => {
            let message = format!("Statement {} failed: {}", entry.id, failure.message);
            return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message));
        }
        Phase::Closed => {
            return Err(ApiFailure::not_found(format!("The result of statement {} is closed.", entry.id)));
        }
        _ => {
            let message = format!("Statement {} has no result: it has not succeeded.", entry.id);
            return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message));
        }
    };
    if index >= result.chunks.len() {
        let count = result.chunks.len();
        return Err(ApiFailure::invalid(format!(
            "Chunk {index} does not exist: the result has {count} chunks."
        )));
    }
    check_row_offset(call, &result, index)?;
    let chunk = chunk_json(call, entry, &result, index).await;
    json_response(&chunk.map_err(|failure| unreadable(entry, failure))?)
}

/// Rows that cannot be written are the statement's own failure, from now on and whoever asks.
fn unreadable(entry: &Entry, failure: StatementFailure) -> ApiFailure {
    let message = format!("The result of statement {} could not be read: {}", entry.id, failure.message);
    entry.fail(failure);
    ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
}

/// `row_offset`, where a client sends it beside the index, names the chunk's first row.
fn check_row_offset(call: &Call<'_>, result: &EngineResult, index: usize) -> Result<(), ApiFailure> {
    let Some(sent) = call.query.number("row_offset")? else { return Ok(()) };
    let begins = row_offset(result, index);
    if sent as u64 == begins {
        return Ok(());
    }
    Err(ApiFailure::invalid(format!("Chunk {index} begins at row {begins}, not at row_offset {sent}.")))
}

fn failed(failure: &StatementFailure) -> Value {
    let StatementFailure { error_code, message, sql_state } = failure;
    let mut status = json!({ "state": "FAILED", "error": { "error_code": error_code, "message": message } });
    if let (Some(sql_state), Some(object)) = (sql_state, status.as_object_mut()) {
        object.insert("sql_state".to_owned(), json!(sql_state));
    }
    status
}

fn manifest(entry: &Entry, result: &EngineResult) -> Value {
    let format = match entry.delivery.format {
        Format::ArrowStream => "ARROW_STREAM",
        Format::JsonArray => "JSON_ARRAY",
        Format::Csv => "CSV",
    };
    // INLINE has no sizes, as recorded.
    let sized = entry.delivery.disposition != Disposition::Inline;
    let mut row_offset = 0u64;
    let chunks: Vec<Value> = result
        .chunks
        .iter()
        .enumerate()
        .map(|(index, chunk)| {
            let row_count = chunk.row_count();
            let mut info = json!({ "chunk_index": index, "row_count": row_count, "row_offset": row_offset });
            row_offset += row_count;
            insert_if(&mut info, sized, "byte_count", || json!(chunk.byte_count()));
            info
        })
        .collect();
    let mut manifest = json!({
        "format": format,
        "schema": schema(&result.columns),
        "total_chunk_count": chunks.len(),
        "total_row_count": row_offset,
        "truncated": result.truncated,
    });
    let bytes = || json!(result.chunks.iter().map(|chunk| chunk.byte_count()).sum::<u64>());
    insert_if(&mut manifest, sized, "total_byte_count", bytes);
    insert_if(&mut manifest, entry.delivery.lz4, "result_compression", || json!("LZ4_FRAME"));
    insert_if(&mut manifest, !chunks.is_empty(), "chunks", || json!(chunks));
    manifest
}

fn schema(columns: &[Column]) -> Value {
    let fields: Vec<Value> = columns
        .iter()
        .enumerate()
        .map(|(position, column)| {
            let Column { name, type_name, type_text, precision, scale, interval_type } = column;
            let mut field =
                json!({ "name": name, "position": position, "type_name": type_name, "type_text": type_text });
            insert_if(&mut field, precision.is_some(), "type_precision", || json!(precision));
            insert_if(&mut field, scale.is_some(), "type_scale", || json!(scale));
            insert_if(&mut field, interval_type.is_some(), "type_interval_type", || json!(interval_type));
            field
        })
        .collect();
    let mut schema = json!({ "column_count": columns.len() });
    insert_if(&mut schema, !fields.is_empty(), "columns", || json!(fields));
    schema
}

fn insert_if(object: &mut Value, condition: bool, name: &str, value: impl FnOnce() -> Value) {
    if let (true, Some(object)) = (condition, object.as_object_mut()) {
        object.insert(name.to_owned(), value());
    }
}

/// Rows in the chunks before `index`.
fn row_offset(result: &EngineResult, index: usize) -> u64 {
    result.chunks.iter().take(index).map(|chunk| chunk.row_count()).sum()
}

/// What the statement's own answer holds of the rows: nothing at all when there are none.
async fn first_chunk(
    call: &Call<'_>,
    entry: &Entry,
    result: &Arc<EngineResult>,
) -> Result<Value, StatementFailure> {
    if result.chunks.is_empty() {
        return Ok(json!({}));
    }
    chunk_json(call, entry, result, 0).await
}

async fn chunk_json(
    call: &Call<'_>,
    entry: &Entry,
    result: &Arc<EngineResult>,
    index: usize,
) -> Result<Value, StatementFailure> {
    let Some(chunk) = result.chunks.get(index) else { return Ok(json!({})) };
    match delivery_of(entry, result) {
        Form::Links(count) => Ok(json!({ "external_links": links_from(call, entry, result, index, count) })),
        Form::Rows => {
            let mut value = place(entry, result, index, chunk.as_ref());
            let rows = blocking(chunk, |chunk| chunk.json_rows()).await?;
            insert_if(&mut value, true, "data_array", || json!(rows));
            Ok(value)
        }
        Form::Attachment => {
            let mut value = place(entry, result, index, chunk.as_ref());
            let bytes = blocking(chunk, encode(entry.delivery, &result.columns, index)).await?;
            insert_if(&mut value, true, "byte_count", || json!(bytes.len()));
            insert_if(&mut value, true, "attachment", || json!(STANDARD.encode(&bytes)));
            Ok(value)
        }
    }
}

/// How a chunk is handed over.
enum Form {
    Rows,
    Attachment,
    /// At most so many links.
    Links(usize),
}

fn delivery_of(entry: &Entry, result: &EngineResult) -> Form {
    let small = || {
        result.chunks.len() == 1 && result.chunks.iter().all(|chunk| chunk.byte_count() <= ATTACHMENT_LIMIT)
    };
    match (entry.delivery.disposition, entry.delivery.format) {
        (Disposition::Inline, _) => Form::Rows,
        (Disposition::InlineOrExternalLinks, Format::JsonArray) if small() => Form::Rows,
        (Disposition::InlineOrExternalLinks, Format::ArrowStream) if small() => Form::Attachment,
        (Disposition::InlineOrExternalLinks, _) => Form::Links(LINKS),
        (Disposition::ExternalLinks, _) => Form::Links(1),
    }
}

/// Where a chunk stands: index, rows, and the way to the next.
fn place(entry: &Entry, result: &EngineResult, index: usize, chunk: &dyn ResultChunk) -> Value {
    let mut value = json!({
        "chunk_index": index,
        "row_count": chunk.row_count(),
        "row_offset": row_offset(result, index),
    });
    let next = index + 1;
    if next < result.chunks.len() {
        let internal_link = format!("/api/2.0/sql/statements/{}/result/chunks/{next}", entry.id);
        insert_if(&mut value, true, "next_chunk_index", || json!(next));
        insert_if(&mut value, true, "next_chunk_internal_link", || json!(internal_link));
    }
    value
}

/// Links to the chunks from `index` on.
fn links_from(
    call: &Call<'_>,
    entry: &Entry,
    result: &EngineResult,
    index: usize,
    count: usize,
) -> Vec<Value> {
    let chunks = result.chunks.iter().enumerate().skip(index).take(count);
    chunks.map(|(index, chunk)| link(call, entry, result, index, chunk.as_ref())).collect()
}

fn link(
    call: &Call<'_>,
    entry: &Entry,
    result: &EngineResult,
    index: usize,
    chunk: &dyn ResultChunk,
) -> Value {
    let signer = &call.shared.links;
    let issued = links::issue(signer, &entry.id, index, call.shared.clock.now());
    let mut value = place(entry, result, index, chunk);
    insert_if(&mut value, true, "byte_count", || json!(chunk.byte_count()));
    insert_if(&mut value, true, "external_link", || {
        json!(format!("{}{}", call.storage, issued.path_and_query))
    });
    insert_if(&mut value, true, "expiration", || json!(issued.expiration));
    let headers = links::headers(signer);
    insert_if(&mut value, headers.is_some(), "http_headers", || json!(headers));
    value
}

/// Runs a chunk's own work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    chunk: &Arc<dyn ResultChunk>,
    work: impl FnOnce(&dyn ResultChunk) -> Result<T, StatementFailure> + Send + 'static,
) -> Result<T, StatementFailure> {
    if chunk.is_in_memory() && chunk.byte_count() <= SMALL {
        return work(chunk.as_ref());
    }
    let chunk = chunk.clone();
    let done = tokio::task::spawn_blocking(move || work(chunk.as_ref())).await;
    done.map_err(|error| StatementFailure::internal(format!("The result could not be read: {error}")))?
}
