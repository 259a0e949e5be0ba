//! One URL that takes a file's bytes in order, says how many it has, and is done with the last.

use std::path::PathBuf;

use databricks_transport::Body;
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use tokio::sync::Mutex;

use super::spool::{Spool, SpoolError};
use super::{Kind, Session, no_such_upload, not_spooled};
use crate::api_error::empty_response;
use crate::files::body::Upload;
use crate::files::presigned::not_stored;
use crate::storage::{Refusal, StorageAnswer};
use crate::stores::ByteStream;
use crate::workspace::Shared;

/// A chunk that is not the last is kept in multiples of this; the rest is to be sent again.
const GRANULE: u64 = 256 * 1024;

/// The bytes of one upload so far.
#[derive(Debug)]
pub(super) struct Resumable {
    /// Held by the request that sends bytes.
    content: Mutex<Spool>,
    /// Whether the file is written. Held while it is being written, or the upload aborted.
    pub(super) complete: Mutex<bool>,
}

/// What a request's `Content-Range` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// `bytes */..`: how much is there?
    Query { total: Option<u64> },
    /// `bytes first-last/..`.
    Bytes { first: u64, last: u64, total: Option<u64> },
}

impl Resumable {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { content: Mutex::new(Spool::new(directory)), complete: Mutex::new(false) }
    }

    /// Whether the last byte has come. One that is being written is not complete.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.try_lock().is_ok_and(|complete| *complete)
    }
}

/// `PUT` of a chunk, or of a question.
pub(super) async fn put(shared: &Shared, session: &Session, request: &Parts, body: &Upload) -> StorageAnswer {
    let Kind::Resumable(resumable) = &session.kind else { return Err(no_such_upload()) };
    let chunk = chunk(&request.headers, body.length())?;
    let mut content = resumable.content.lock().await;
    if *resumable.complete.lock().await {
        return Ok(empty_response(StatusCode::OK));
    }
    if !is_query(chunk) {
        receive(&mut content, chunk, body).await?;
    }
    let (Chunk::Query { total } | Chunk::Bytes { total, .. }) = chunk;
    let mut complete = resumable.complete.lock().await;
    // The upload may have been aborted while bytes came in.
    shared.uploads.get(&session.token, shared.clock.elapsed()).ok_or_else(no_such_upload)?;
    if total != Some(content.size()) {
        let whole = content.size() / GRANULE * GRANULE;
        content.truncate(whole);
        return Ok(incomplete(whole));
    }
    let put = shared.volumes.put(session.path.clone(), content.stream(), session.overwrite);
    put.await.map_err(not_stored)?;
    *complete = true;
    *content = Spool::new(PathBuf::new());
    Ok(empty_response(StatusCode::OK))
}

fn is_query(chunk: Chunk) -> bool {
    matches!(chunk, Chunk::Query { .. })
}

/// Appends what is new of a chunk. A body that breaks off leaves what came, for the next request to go on from.
async fn receive(content: &mut Spool, chunk: Chunk, body: &Upload) -> Result<(), Refusal> {
    let Chunk::Bytes { first, last, .. } = chunk else { return Ok(()) };
    let have = content.size();
    if first > have {
        let message = format!("The chunk begins at byte {first}; the upload goes on at byte {have}.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidRange", message));
    }
    let length = last - first + 1;
    if body.length().is_some_and(|sent| sent != length) {
        let message = format!("Content-Range names {length} bytes, and the body has another length.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidRange", message));
    }
    match content.append(part(body.stream(), have - first, length), |_| ()).await {
        Ok(()) => Ok(()),
        Err(SpoolError::Interrupted(detail)) => {
            content.truncate(content.size() / GRANULE * GRANULE);
            Err(not_spooled(SpoolError::Interrupted(detail)))
        }
        Err(error) => Err(not_spooled(error)),
    }
}

/// The bytes of a chunk past the first `skip` of its `length`.
fn part(content: ByteStream, skip: u64, length: u64) -> ByteStream {
    let mut at = 0u64;
    let new = content.map_ok(move |mut piece| {
        let begins = at;
        at = at.saturating_add(piece.len() as u64);
        let within = |position: u64| {
            usize::try_from(position.saturating_sub(begins)).unwrap_or(usize::MAX).min(piece.len())
        };
        let (from, to) = (within(skip), within(length));
        piece.truncate(to);
        piece.split_off(from.min(to))
    });
    new.boxed()
}

/// 308 with what is kept so far.
fn incomplete(have: u64) -> Response<Body> {
    let mut response = empty_response(StatusCode::PERMANENT_REDIRECT);
    if let (Some(last), true) = (have.checked_sub(1), have > 0)
        && let Ok(value) = HeaderValue::from_str(&format!("bytes=0-{last}"))
    {
        response.headers_mut().insert(RANGE, value);
    }
    response
}

/// Without a `Content-Range` the body is the whole file.
fn chunk(headers: &HeaderMap, length: Option<u64>) -> Result<Chunk, Refusal> {
    let invalid = |value: &str| {
        let message = format!(
            "Content-Range '{value}' is not valid: it is 'bytes FIRST-LAST/TOTAL', TOTAL may be *, or 'bytes */*'."
        );
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    };
    match (headers.get(CONTENT_RANGE), length) {
        (Some(value), _) => {
            let text = value.to_str().map_err(|_| invalid("?"))?;
            parse(text).ok_or_else(|| invalid(text))
        }
        (None, Some(0)) => Ok(Chunk::Query { total: Some(0) }),
        (None, Some(length)) => Ok(Chunk::Bytes { first: 0, last: length - 1, total: Some(length) }),
        (None, None) => {
            let message = "You must provide the Content-Length HTTP header.";
            Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message))
        }
    }
}

fn parse(text: &str) -> Option<Chunk> {
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let total = match total {
        "*" => None,
        number => Some(number.parse::<u64>().ok()?),
    };
    if range == "*" {
        return Some(Chunk::Query { total });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let fits = first <= last && last < total.unwrap_or(u64::MAX);
    fits.then_some(Chunk::Bytes { first, last, total })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;
    use futures::stream;

    #[test]
    fn content_ranges_are_read_or_refused() {
        let cases = [
            ("bytes 0-9/10", Some(Chunk::Bytes { first: 0, last: 9, total: Some(10) })),
            ("bytes 0-9/*", Some(Chunk::Bytes { first: 0, last: 9, total: None })),
            ("bytes */*", Some(Chunk::Query { total: None })),
            ("bytes */10", Some(Chunk::Query { total: Some(10) })),
            ("bytes 9-0/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 0-9", None),
            ("0-9/10", None),
            ("bytes x-y/z", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn only_the_new_bytes_of_a_chunk_are_taken() {
        for (skip, length, expected) in
            [(0, 6, "abcdef"), (2, 6, "cdef"), (3, 5, "de"), (6, 6, ""), (9, 6, "")]
        {
            let pieces = ["abc", "def", "gh"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            let new: Vec<Bytes> =
                part(stream::iter(pieces).boxed(), skip, length).try_collect().await.unwrap();
            assert_eq!(new.concat(), expected.as_bytes(), "{skip} {length}");
        }
    }
}
