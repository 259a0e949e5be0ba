//! Settings of a result server, and its start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};

use super::counters::Counters;
use super::engine::PreparedEngine;
use super::file::Writing;
use super::road::Road;
use super::server::ResultServer;
use super::shape::ResultShape;
use crate::faults::{Fault, FaultRule, Faults, InvalidRate};
use crate::request_log::Origin;
use crate::server::Server;
use crate::service::{Door, WorkspaceService};
use crate::workspace::SimulatedWorkspace;

/// Settings of a [`ResultServer`]. Without any it serves 100,000 rows in 10 chunks, plain, as fast as it goes.
#[derive(Clone, Debug)]
#[must_use = "nothing is served before `start`"]
pub struct ResultServerBuilder {
    rows: u64,
    chunks: u64,
    distinct_chunks: Option<u64>,
    batch_rows: u64,
    lz4: bool,
    way: Way,
    link_ttl: Duration,
    faults: Faults,
    addr: SocketAddr,
}

/// What the way to a client is like.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    api_latency: Duration,
    link_latency: Duration,
    bandwidth: Option<u64>,
}

impl Way {
    fn to(self, door: Door, service: WorkspaceService, counters: Counters) -> Road<WorkspaceService> {
        let (origin, latency) = match door {
            Door::Storage => (Origin::Storage, self.link_latency),
            Door::Api { .. } | Door::InProcess => (Origin::Api, self.api_latency),
        };
        Road { inner: service, origin, latency, bandwidth: self.bandwidth, counters }
    }
}

impl ResultServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            rows: 100_000,
            chunks: 10,
            distinct_chunks: None,
            batch_rows: 20_000,
            lz4: false,
            way: Way::default(),
            link_ttl: Duration::from_secs(15 * 60),
            faults: Faults::new(),
            addr: ([127, 0, 0, 1], 0).into(),
        }
    }

    /// The rows of the result.
    pub fn rows(mut self, rows: u64) -> Self {
        self.rows = rows;
        self
    }

    /// The chunks of the result, at least one.
    pub fn chunks(mut self, chunks: u64) -> Self {
        self.chunks = chunks;
        self
    }

    /// Serves only so many different files, again and again under the chunks' numbers: a result much larger than the
    /// server's memory. [`ResultShape`] says which rows come then.
    pub fn distinct_chunks(mut self, chunks: u64) -> Self {
        self.distinct_chunks = Some(chunks);
        self
    }

    /// The rows of one record batch within a chunk. Default 20,000.
    pub fn batch_rows(mut self, rows: u64) -> Self {
        self.batch_rows = rows;
        self
    }

    /// Stores files as LZ4 frames for clients that ask for them. Without it they are plain, whatever a client asks for.
    pub fn lz4(mut self, compressed: bool) -> Self {
        self.lz4 = compressed;
        self
    }

    /// Time before each answer of the API.
    pub fn api_latency(mut self, latency: Duration) -> Self {
        self.way.api_latency = latency;
        self
    }

    /// Time before the first byte of each answer of storage.
    pub fn link_latency(mut self, latency: Duration) -> Self {
        self.way.link_latency = latency;
        self
    }

    /// Bytes a second of each download: two at once get twice as much. Default: as fast as it goes.
    pub fn bandwidth_per_link(mut self, bytes_per_second: u64) -> Self {
        self.way.bandwidth = Some(bytes_per_second);
        self
    }

    /// How long links work. Default 15 minutes.
    pub fn link_ttl(mut self, ttl: Duration) -> Self {
        self.link_ttl = ttl;
        self
    }

    /// Answers 503 with `Retry-After` to a share of all `GET` requests, to the API and to storage, drawn from a seed.
    /// Submissions are left alone: a client may not send them again on its own account.
    ///
    /// # Errors
    /// When `share` is not between 0 and 1.
    pub fn fail(self, share: f64, seed: u64, retry_after: Duration) -> Result<Self, InvalidRate> {
        let busy = Fault::status(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(retry_after);
        let rule = FaultRule::when(|method, _| *method == Method::GET, busy).rate(share, seed)?;
        self.faults.add(rule);
        Ok(self)
    }

    /// Breaks the connection of a share of all downloads after so many bytes of the body, drawn from a seed.
    ///
    /// # Errors
    /// When `share` is not between 0 and 1.
    pub fn break_links(self, share: f64, seed: u64, after: u64) -> Result<Self, InvalidRate> {
        let rule = FaultRule::on(Method::GET, "/results/", Fault::truncated(after)).rate(share, seed)?;
        self.faults.add(rule);
        Ok(self)
    }

    /// Shares a set of faults. It replaces those set so far.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Where the API listens; storage gets a port of the same address. Default: a free port of loopback.
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Writes the files, on a thread of their own, and begins to listen. Takes about a second for a million rows.
    ///
    /// # Errors
    /// When the files cannot be written or an address cannot be bound.
    pub async fn start(self) -> io::Result<ResultServer> {
        let Self { rows, chunks, distinct_chunks, batch_rows, lz4, way, link_ttl, faults, addr } = self;
        let shape = ResultShape::new(rows, chunks);
        let shape = distinct_chunks.map_or(shape, |distinct| shape.repeating(distinct));
        let writing = Writing { shape, batch_rows, lz4 };
        let engine = tokio::task::spawn_blocking(move || PreparedEngine::write(writing)).await;
        let engine = engine.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let workspace = SimulatedWorkspace::builder()
            .engine(Arc::new(engine))
            .faults(faults)
            .link_ttl(link_ttl)
            .compression(lz4)
            // The files are shared, so keeping results costs nothing.
            .result_memory(u64::MAX)
            .build();
        let counters = Counters::default();
        let service_at = |door| {
            let service = WorkspaceService::at(workspace.shared.clone(), door);
            way.to(door, service, counters.clone())
        };
        let server = Server::start(addr, service_at).await?;
        Ok(ResultServer::new(server, workspace, shape, counters))
    }
}
