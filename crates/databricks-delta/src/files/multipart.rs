//! An upload in numbered parts, a few at a time.

use bytes::Bytes;
use databricks_transport::Operation;
use futures::stream::{self, TryStreamExt};
use http::header::ETAG;

use super::pieces::Pieces;
use super::session::{Part, Session, unexpected};
use crate::error::Result;

const UPLOAD_PART: Operation = Operation::new("files.upload_part").idempotent();

/// Bytes of a part.
pub(crate) const PART: usize = 10 << 20;
/// Parts of one upload under way at once: so many are in memory.
const PARTS_AT_ONCE: usize = 3;
/// After so many parts they double in size, so that a stream of any length has few enough: 10,000 may be listed.
const PARTS_OF_ONE_SIZE: u32 = 2_000;
/// How often they double at most.
const DOUBLINGS: u32 = 4;

/// Bytes of the part of this number. With these a file can have 620 GiB.
fn part_size(number: u32) -> usize {
    PART << (number.saturating_sub(1) / PARTS_OF_ONE_SIZE).min(DOUBLINGS)
}

/// Sends `first` and then the rest, in parts, and makes the file of them.
pub(super) async fn send(session: Session<'_>, first: Bytes, rest: Pieces) -> Result<()> {
    let parts = stream::try_unfold((1, Some(first), rest), |(number, first, mut rest)| async move {
        let piece = match first {
            Some(first) => first,
            None => rest.next(part_size(number)).await?,
        };
        let next = (number + 1, None, rest);
        Ok((!piece.is_empty()).then_some(((number, piece), next)))
    });
    let sent = parts
        .map_ok(|(number, piece)| send_part(session, number, piece))
        .try_buffer_unordered(PARTS_AT_ONCE)
        .try_collect::<Vec<Part>>()
        .await;
    let completed = match sent {
        Ok(mut parts) => {
            parts.sort_unstable_by_key(|part| part.part_number);
            session.complete(&parts).await
        }
        Err(error) => Err(error),
    };
    if completed.is_err() {
        session.abort().await;
    }
    completed
}

async fn send_part(session: Session<'_>, number: u32, piece: Bytes) -> Result<Part> {
    let url = session.part_url(number).await?;
    let answer = session.put(UPLOAD_PART, piece, url, || session.part_url(number)).await?;
    let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.ok_or_else(|| unexpected("a part that was stored has no ETag"))?.to_owned();
    Ok(Part { part_number: number, etag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_so_that_ten_thousand_hold_a_large_file() {
        assert_eq!((part_size(1), part_size(2_000), part_size(2_001)), (PART, PART, 2 * PART));
        let all: u64 = (1..=10_000).map(|number| part_size(number) as u64).sum();
        assert!(all >= 600 << 30, "{all}");
        assert_eq!(part_size(u32::MAX), PART << DOUBLINGS);
    }
}
