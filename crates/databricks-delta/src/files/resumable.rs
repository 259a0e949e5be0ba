//! An upload by one URL that takes the bytes in order.

use bytes::Bytes;
use databricks_transport::Operation;
use http::StatusCode;
use http::header::CONTENT_RANGE;

use super::multipart::PART;
use super::pieces::Pieces;
use super::session::{Session, unexpected};
use crate::error::{DeltaError, Result};

/// The same bytes at the same place twice are there once.
const UPLOAD_CHUNK: Operation = Operation::new("files.upload_chunk").idempotent();

/// Sends `first` and then the rest, chunk by chunk. The file is there with the last.
pub(super) async fn send(session: Session<'_>, first: Bytes, rest: Pieces) -> Result<()> {
    let sent = send_all(session, first, rest).await;
    if sent.is_err() {
        session.abort().await;
    }
    sent
}

/// A chunk is a multiple of 256 KiB, which the storage keeps whole. Should it keep less all the same, it refuses the next
/// one, which would leave a gap: a file that lacks bytes cannot come of it.
async fn send_all(session: Session<'_>, first: Bytes, mut rest: Pieces) -> Result<()> {
    let url = session.resumable_url().await?;
    let (mut chunk, mut start) = (first, 0u64);
    loop {
        let is_last = rest.is_at_end().await?;
        let end = start + chunk.len() as u64;
        let range = content_range(start, end, is_last);
        let signed = url.with_header(&CONTENT_RANGE, &range);
        let renew = || async { Ok(session.resumable_url().await?.with_header(&CONTENT_RANGE, &range)) };
        match session.put(UPLOAD_CHUNK, chunk, signed, renew).await {
            Ok(_) if is_last => return Ok(()),
            Ok(_) => return Err(unexpected("it ended before its last chunk")),
            Err(error) if is_incomplete(&error) && !is_last => {}
            Err(error) => return Err(error),
        }
        start = end;
        chunk = rest.next(PART).await?;
    }
}

fn content_range(start: u64, end: u64, is_last: bool) -> String {
    let total = if is_last { end.to_string() } else { "*".to_owned() };
    match end.checked_sub(1).filter(|last| *last >= start) {
        Some(last) => format!("bytes {start}-{last}/{total}"),
        None => format!("bytes */{total}"),
    }
}

/// Whether the storage says that it waits for more.
fn is_incomplete(error: &DeltaError) -> bool {
    let DeltaError::Transport(error) = error else { return false };
    error.api_error().is_some_and(|answer| answer.status == StatusCode::PERMANENT_REDIRECT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_says_where_it_belongs_and_the_last_how_many_there_are() {
        assert_eq!(content_range(0, 10, false), "bytes 0-9/*");
        assert_eq!(content_range(10, 15, true), "bytes 10-14/15");
        assert_eq!(content_range(0, 0, true), "bytes */0");
    }
}
