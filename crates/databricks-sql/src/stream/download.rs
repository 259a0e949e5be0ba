//! One chunk behind a presigned link: fetched, retried with a fresh link, decoded.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use databricks_transport::{Body, Error, ErrorKind};
use futures::{StreamExt, TryStreamExt};
use http::Response;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::budget::Reservation;
use super::chunks::{Chunk, Plan, fetch_span};
use super::task::Task;
use crate::cancel::task_ended;
use crate::wire::Link;
use crate::{Result, SqlError, decode};

/// Attempts at one chunk, the first included.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// The most bytes that are set aside because a storage host announces them.
const PREALLOCATED: u64 = 32 * 1024 * 1024;
/// A link this close to its end is resolved again before it is used.
const EXPIRY_MARGIN: TimeDelta = TimeDelta::seconds(60);

/// One chunk to fetch, with the bytes it may hold.
pub(crate) struct Download {
    pub(crate) plan: Arc<Plan>,
    pub(crate) index: u64,
    /// As announced, by the manifest until the link says it.
    pub(crate) row_count: Option<u64>,
    pub(crate) source: Source,
    /// The chunk's size once decoded, as announced.
    pub(crate) decoded: u64,
    pub(crate) reservation: Reservation,
    /// Held until the file is here.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Where the link to a chunk comes from.
pub(crate) enum Source {
    Held(Link),
    Coming(Task<Link>),
    /// From the server, when it is needed.
    Server,
}

impl Source {
    pub(crate) fn held(&self) -> Option<&Link> {
        match self {
            Self::Held(link) => Some(link),
            Self::Coming(_) | Self::Server => None,
        }
    }
}

/// Why an attempt failed, and whether another, with a fresh link, may do better.
enum Failure {
    Fatal(SqlError),
    Passing(SqlError),
    /// The storage refused the link, which it may do before the link's announced end.
    LinkRefused(SqlError),
}

impl Download {
    pub(crate) async fn run(mut self) -> Result<Chunk> {
        let span = fetch_span(&self.plan.id, self.index, self.row_count);
        let batches = self.fetch().instrument(span).await?;
        Ok(Chunk::new(batches, self.reservation))
    }

    async fn fetch(&mut self) -> Result<Vec<RecordBatch>> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.attempt().await {
                Ok(batches) => return Ok(batches),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Passing(error)) => (error, pause),
                Err(Failure::LinkRefused(error)) => (error, Duration::ZERO),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(attempt, %error, "chunk not fetched; trying again with a fresh link");
            tokio::time::sleep(wait).await;
            (attempt, pause) = (attempt + 1, (pause * 2).min(MAX_PAUSE));
        }
    }

    async fn attempt(&mut self) -> std::result::Result<Vec<RecordBatch>, Failure> {
        let link = self.link().await.map_err(resolve_failure)?;
        if self.row_count == Some(0) {
            return Ok(Vec::new());
        }
        let response = self.plan.api.fetch(&link).await.map_err(fetch_failure)?;
        let file = self.receive(response).await?;
        let bytes = file.len() as u64;
        self.permit = None;
        let batches = self.decode(file).await?;
        self.check_rows(&batches)?;
        self.plan.meter.received(bytes);
        Ok(batches)
    }

    /// The link that is there, if it is good for a while yet, else a fresh one; every later attempt gets a fresh one.
    async fn link(&mut self) -> Result<Link> {
        let found = match std::mem::replace(&mut self.source, Source::Server) {
            Source::Held(link) => Some(link),
            Source::Coming(task) => Some(task.await?),
            Source::Server => None,
        };
        let link = match found.filter(|link| !expires_soon(link, Utc::now())) {
            Some(link) => link,
            None => self.plan.link(self.index).await?,
        };
        self.row_count = link.row_count.or(self.row_count);
        Ok(link)
    }

    async fn receive(&mut self, response: Response<Body>) -> std::result::Result<Bytes, Failure> {
        let announced = content_length(&response);
        // Now the file's size is known, so that the budget holds what it really takes.
        // More than looks likely counts when it comes, so that a wrong length costs nothing.
        let likely = announced.unwrap_or(self.decoded).min(self.decoded.max(PREALLOCATED));
        let beside = if self.plan.compressed { self.decoded } else { 0 };
        self.reservation.set(beside.saturating_add(likely));
        if let (Some(file), true) = (announced, self.plan.compressed) {
            self.plan.note_file(file, self.decoded);
        }
        let capacity = announced.unwrap_or_default().min(PREALLOCATED);
        let mut file = BytesMut::with_capacity(usize::try_from(capacity).unwrap_or_default());
        let mut body = response.into_body().into_stream().boxed();
        while let Some(part) = body.try_next().await.map_err(|error| Failure::Passing(error.into()))? {
            file.extend_from_slice(&part);
            let held = beside.saturating_add(file.len() as u64);
            if held > self.reservation.bytes() {
                self.reservation.set(held);
            }
        }
        match announced {
            Some(announced) if announced != file.len() as u64 => {
                Err(Failure::Passing(short_body(announced, &file)))
            }
            _ => Ok(file.freeze()),
        }
    }

    /// Decodes on a thread where it blocks nobody.
    async fn decode(&self, file: Bytes) -> std::result::Result<Vec<RecordBatch>, Failure> {
        let (plan, row_count) = (Arc::clone(&self.plan), self.row_count);
        let work = move || {
            // A file that cannot be read may have been damaged on the way; one of other types is what it is.
            let batches = decode::arrow_file(file, plan.compressed, row_count).map_err(Failure::Passing)?;
            let conformed = batches.into_iter().map(|batch| plan.layout.conform(batch));
            conformed.collect::<Result<Vec<_>>>().map_err(Failure::Fatal)
        };
        // Never closed, so there always is one in the end.
        let decoder = Arc::clone(&self.plan.decoders).acquire_owned().await.ok();
        let work = move || {
            let _decoder = decoder;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Fatal(task_ended()))?
    }

    fn check_rows(&self, batches: &[RecordBatch]) -> std::result::Result<(), Failure> {
        let actual = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        match self.row_count {
            Some(expected) if actual != expected => {
                Err(Failure::Passing(SqlError::RowCountMismatch { expected, actual }))
            }
            _ => Ok(()),
        }
    }
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn short_body(announced: u64, file: &BytesMut) -> SqlError {
    let message = format!("the file of a chunk ended after {} of {announced} bytes", file.len());
    SqlError::Transport(Error::new(ErrorKind::Io, message))
}

/// The transport has retried the call already: only a passing fault is worth more.
fn resolve_failure(error: SqlError) -> Failure {
    match &error {
        SqlError::Transport(transport) if transport.is_retryable() => Failure::Passing(error),
        _ => Failure::Fatal(error),
    }
}

fn fetch_failure(error: SqlError) -> Failure {
    let SqlError::Transport(transport) = &error else { return Failure::Fatal(error) };
    match (transport.status().map(|status| status.as_u16()), transport.kind()) {
        // Storage services answer an expired link with one of these.
        (Some(400 | 401 | 403 | 404 | 410), _) => Failure::LinkRefused(error),
        (_, ErrorKind::Config | ErrorKind::Auth | ErrorKind::Invalid) => Failure::Fatal(error),
        _ => Failure::Passing(error),
    }
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
