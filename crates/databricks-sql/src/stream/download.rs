//! One chunk behind a presigned link: fetched, retried with a fresh link, asked for once more when it is late, decoded.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use databricks_transport::Body;
use futures::future::{Either, select};
use futures::{FutureExt, TryStreamExt};
use http::Response;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument;

use super::attempt::{Attempt, Failure, fetch_failure, resolve_failure, short_body};
use super::budget::Reservation;
use super::chunk::Chunk;
use super::pace::{Begun, Step};
use super::plan::Plan;
use super::streams::Place;
use super::task::Task;
use crate::cancel::task_ended;
use crate::decode::ArrowFile;
use crate::wire::Link;
use crate::{Result, SqlError, StatementId};

/// Attempts at one chunk, the first included.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// The most bytes that are reserved only because a storage host announces them.
const LIKELY: u64 = 32 * 1024 * 1024;
/// A download is well under way when this part of it is there: a quarter.
const WELL_UNDER_WAY: u64 = 4;
/// A chunk of no more bytes is decoded sooner than a thread is found for it: about a millisecond.
const SMALL: u64 = 1536 * 1024;
/// A link this close to its end is resolved again before it is used.
const EXPIRY_MARGIN: TimeDelta = TimeDelta::seconds(60);

/// One chunk to fetch, with the bytes it may hold.
pub(super) struct Download {
    pub(super) plan: Arc<Plan>,
    pub(super) begun: Begun,
    pub(super) index: u64,
    /// As announced, by the manifest until the link says it.
    pub(super) row_count: Option<u64>,
    pub(super) source: Source,
    /// The chunk's size once decoded, as announced.
    pub(super) decoded: u64,
    /// For the file, and for the batches where they take its place.
    pub(super) reservation: Reservation,
    /// Where the batches of a compressed file get room, once it is this chunk's turn.
    pub(super) room: Option<oneshot::Receiver<Reservation>>,
    /// That room.
    pub(super) rows: Option<Reservation>,
}

/// Where the link to a chunk comes from.
pub(super) enum Source {
    Held(Link),
    Coming(Task<Link>),
    /// From the server, when it is needed.
    Server,
}

impl Source {
    pub(super) fn held(&self) -> Option<&Link> {
        match self {
            Self::Held(link) => Some(link),
            Self::Coming(_) | Self::Server => None,
        }
    }
}

impl Download {
    pub(super) async fn run(self) -> Result<Chunk> {
        let span = fetch_span(&self.plan.id, self.index, self.row_count);
        self.fetch().instrument(span).await
    }

    async fn fetch(mut self) -> Result<Chunk> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.attempt().await {
                Ok(batches) => return Ok(Chunk::new(batches, self.rows.unwrap_or(self.reservation))),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Passing(error)) => (error, pause),
                Err(Failure::LinkRefused(error)) => (error, Duration::ZERO),
            };
            // A store may close a connection on which nobody reads, which says nothing of the next one.
            if self.reservation.take_waited() {
                tracing::debug!(%error, "chunk not fetched, after it had waited for room; trying again");
                self.reservation.cover_all().await;
                self.reservation.take_waited();
                continue;
            }
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(attempt, %error, "chunk not fetched; trying again with a fresh link");
            tokio::time::sleep(wait).await;
            (attempt, pause) = (attempt + 1, (pause * 2).min(MAX_PAUSE));
        }
    }

    async fn attempt(&mut self) -> Attempt<Vec<RecordBatch>> {
        let link = self.link().await.map_err(resolve_failure)?;
        self.row_count = link.row_count.or(self.row_count);
        if self.row_count == Some(0) {
            return Ok(Vec::new());
        }
        let file = self.file(link).await?;
        let bytes = file.bytes();
        self.make_room(bytes).await;
        let batches = self.decode(file).await?;
        self.check_rows(&batches)?;
        self.plan.meter.received(bytes);
        Ok(batches)
    }

    /// The link that is there, if it is good for a while yet, else a fresh one; every later attempt gets a fresh one.
    async fn link(&mut self) -> Result<Link> {
        let source = std::mem::replace(&mut self.source, Source::Server);
        let (plan, index) = (&self.plan, self.index);
        let given = async {
            let found = match source {
                Source::Held(link) => link,
                Source::Coming(task) => task.await?,
                Source::Server => return plan.fresh_link(index).await,
            };
            if !expires_soon(&found, Utc::now()) {
                return Ok(found);
            }
            // The clock that says so may be wrong: where there is no fresh one, the storage decides.
            plan.fresh_link(index).await.or(Ok(found))
        };
        sooner(given, self.begun.late(Step::Link, Instant::now()), plan.fresh_link(index)).await
    }

    /// The file behind a link; or, when the reader waits for it and it is late, behind another link to the same.
    async fn file(&mut self, link: Link) -> Attempt<ArrowFile> {
        let (plan, begun, index) = (&*self.plan, &self.begun, self.index);
        let place = plan.streams.enter(index).await;
        let began = Instant::now();
        let late = async {
            begun.late(Step::File, began).await;
            tracing::debug!(chunk_index = index, "chunk is late; asking for it once more");
        };
        let (decoded, mut beside) = (self.decoded, plan.files.nothing(index));
        let once_more = async {
            let link = plan.fresh_link(index).await.map_err(resolve_failure)?;
            plan.get(&link, decoded, plan.streams.extra(), begun, &mut beside).await
        };
        let first = plan.get(&link, decoded, place, begun, &mut self.reservation);
        let file = sooner(first, late, once_more).await?;
        if !self.reservation.waited() {
            plan.pace.took(Step::File, began.elapsed());
        }
        Ok(file)
    }

    /// The budget holds what the file really takes, and what its batches take besides.
    async fn make_room(&mut self, file: u64) {
        self.reservation.set(file);
        if let Some(room) = self.room.take() {
            // When nobody gives room the stream is gone, and so is this task, soon.
            self.rows = room.await.ok();
        }
    }

    /// Decodes: what is large on a thread where it blocks nobody.
    async fn decode(&self, file: ArrowFile) -> Attempt<Vec<RecordBatch>> {
        let (plan, row_count, bytes) = (Arc::clone(&self.plan), self.row_count, file.bytes());
        let work = move || {
            let mut scratch = plan.scratches.take();
            // A file that cannot be read may have been damaged on the way; one of other types is what it is.
            let batches = file.batches(row_count, &plan.pool, &mut scratch).map_err(Failure::Passing)?;
            plan.scratches.put(scratch);
            let conformed = batches.into_iter().map(|batch| plan.layout.conform(batch));
            conformed.collect::<Result<Vec<_>>>().map_err(Failure::Fatal)
        };
        if self.decoded.max(bytes) <= SMALL {
            return work();
        }
        // Never closed, so there always is one in the end.
        let decoder = Arc::clone(&self.plan.decoders).acquire_owned().await.ok();
        let work = move || {
            let _decoder = decoder;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Fatal(task_ended()))?
    }

    fn check_rows(&self, batches: &[RecordBatch]) -> Attempt<()> {
        let actual = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        match self.row_count {
            Some(expected) if actual != expected => {
                Err(Failure::Passing(SqlError::RowCountMismatch { expected, actual }))
            }
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// Follows a link to its end.
    async fn get(
        &self,
        link: &Link,
        decoded: u64,
        place: Place,
        begun: &Begun,
        reservation: &mut Reservation,
    ) -> Attempt<ArrowFile> {
        let response = self.api.fetch(link).await.map_err(fetch_failure)?;
        let announced = content_length(&response);
        if let Some(file) = announced {
            self.note_file(file, decoded);
        }
        // Now the file's size is known, so that the budget holds what it really takes.
        // More than looks likely counts when it comes, so that a wrong length costs nothing.
        let likely = announced.unwrap_or(self.file_bytes(decoded)).min(decoded.max(LIKELY));
        reservation.expect(likely);
        let mut file = ArrowFile::new(self.compressed, &self.pool);
        let mut under_way = Some(announced.map_or(u64::MAX, |announced| announced / WELL_UNDER_WAY));
        let mut body = pin!(response.into_body().into_stream());
        while let Some(part) = body.try_next().await.map_err(|error| Failure::Passing(error.into()))? {
            let mut part: &[u8] = &part;
            while !part.is_empty() {
                let needed = file.memory_to_come().min(likely.max(file.bytes() + part.len() as u64));
                if reservation.lacks(needed) {
                    let mut room = pin!(reservation.cover(needed));
                    if (&mut room).now_or_never().is_none() {
                        begun.waiting(place.without(room)).await;
                    }
                }
                let taken = file.push(part);
                part = part.get(taken..).unwrap_or_default();
            }
            if under_way.take_if(|bytes| file.bytes() >= *bytes).is_some() {
                place.under_way();
            }
        }
        match announced {
            Some(announced) if announced != file.bytes() => {
                Err(Failure::Passing(short_body(announced, file.bytes())))
            }
            _ => {
                if under_way.is_some() {
                    place.under_way();
                }
                place.brought(file.bytes());
                Ok(file)
            }
        }
    }
}

/// What `first` brings; once it is `late`, what comes sooner of it and `second`. Only if both fail, so does this.
async fn sooner<T, E>(
    first: impl Future<Output = std::result::Result<T, E>>,
    late: impl Future<Output = ()>,
    second: impl Future<Output = std::result::Result<T, E>>,
) -> std::result::Result<T, E> {
    let (mut first, second) = (pin!(first), pin!(second));
    tokio::select! {
        biased;
        done = &mut first => return done,
        () = late => {}
    }
    match select(first, second).await {
        Either::Left((Err(_), second)) => second.await,
        Either::Right((Err(_), first)) => first.await,
        Either::Left((done, _)) | Either::Right((done, _)) => done,
    }
}

pub(super) fn fetch_span(id: &StatementId, chunk_index: u64, row_count: Option<u64>) -> tracing::Span {
    tracing::info_span!("databricks.sql.fetch", statement_id = %id, chunk_index, row_count)
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn expires_soon(link: &Link, now: DateTime<Utc>) -> bool {
    let end = link.expiration.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    end.is_some_and(|end| end.to_utc() - now < EXPIRY_MARGIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn link_is_renewed_when_less_than_a_minute_is_left() {
        let now = DateTime::parse_from_rfc3339("2025-04-01T12:00:00Z").unwrap().to_utc();
        for (expiration, expected) in [
            (Some("2025-04-01T12:15:00.000Z"), false),
            (Some("2025-04-01T12:00:30.5Z"), true),
            (Some("2025-04-01T11:59:00Z"), true),
            (Some("no date"), false),
            (None, false),
        ] {
            let json = serde_json::json!({"external_link": "x", "expiration": expiration});
            let link: Link = serde_json::from_value(json).unwrap();
            assert_eq!(expires_soon(&link, now), expected, "{expiration:?}");
        }
    }
}
