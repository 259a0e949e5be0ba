//! The objects behind external links: a chunk of a result, as its format has it.

use bytes::Bytes;
use http::StatusCode;

use super::answer::blocking;
use super::encode::encode;
use super::links;
use super::registry::{Entry, Phase};
use super::request::{Delivery, Format};
use crate::api_error::respond;
use crate::engine::ResultChunk;
use crate::storage::{Refusal, StorageAnswer, no_such_key};
use crate::workspace::Shared;

const CONTENT_TYPE: &str = "binary/octet-stream";

/// Sends the chunk that a path names; its link is checked already.
pub(crate) async fn download(shared: &Shared, path: &str) -> StorageAnswer {
    let (statement_id, index) = links::target(path).ok_or_else(no_such_key)?;
    shared.statements.make_room(shared.clock.elapsed());
    let entry = shared.statements.get(statement_id).ok_or_else(no_such_key)?;
    let Phase::Succeeded(result) = entry.phase() else { return Err(no_such_key()) };
    let chunk = result.chunks.get(index).ok_or_else(no_such_key)?;
    if let Some(file) = stored(&entry, chunk.as_ref()) {
        return Ok(respond(StatusCode::OK, CONTENT_TYPE, file));
    }
    let written = encode(entry.delivery, &result.columns, index);
    let bytes = blocking(chunk, written).await.map_err(|failure| {
        // The object was promised and cannot be: from now on the API says why, and a client that asks for a fresh
        // link learns it there.
        let message = format!("The specified key could not be written: {}", failure.message);
        entry.fail(failure);
        Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey", message)
    })?;
    Ok(respond(StatusCode::OK, CONTENT_TYPE, bytes))
}

/// The file that was written in advance, where there is one of the format.
fn stored(entry: &Entry, chunk: &dyn ResultChunk) -> Option<Bytes> {
    let Delivery { format, lz4, .. } = entry.delivery;
    chunk.stored(lz4).filter(|_| format == Format::ArrowStream)
}
