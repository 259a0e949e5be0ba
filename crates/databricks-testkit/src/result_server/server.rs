//! A result server that runs.

use super::builder::ResultServerBuilder;
use super::counters::{Counters, ResultServerStats};
use super::shape::ResultShape;
use crate::faults::Faults;
use crate::server::Server;
use crate::workspace::SimulatedWorkspace;

/// Serves one prepared result of ten mixed columns on loopback ports, to clients in any language.
///
/// Every statement gets it, but for `SELECT 1`. The protocol is that of [`SimulatedWorkspace`]: links expire, take no
/// `Authorization`, and are resolved again as often as asked for. End it with [`shutdown`](Self::shutdown).
///
/// ```
/// use std::time::Duration;
/// use databricks_testkit::ResultServer;
///
/// # async fn run() -> std::io::Result<()> {
/// let server = ResultServer::builder()
///     .rows(2_000_000)
///     .chunks(20)
///     .lz4(true)
///     .link_latency(Duration::from_millis(30))
///     .start()
///     .await?;
/// println!("{} {} {}", server.url(), server.token(), server.warehouse());
/// // .. a client reads ..
/// println!("{:?}", server.stats());
/// server.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ResultServer {
    server: Server,
    workspace: SimulatedWorkspace,
    shape: ResultShape,
    counters: Counters,
}

impl ResultServer {
    /// A statement that gets the result, as any other would.
    pub const STATEMENT: &'static str = "SELECT * FROM samples.parcels.deliveries";

    /// Begins to set up a server.
    pub fn builder() -> ResultServerBuilder {
        ResultServerBuilder::new()
    }

    pub(super) fn new(
        server: Server,
        workspace: SimulatedWorkspace,
        shape: ResultShape,
        counters: Counters,
    ) -> Self {
        Self { server, workspace, shape, counters }
    }

    /// The API's URL: what a client takes for its host.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The URL of the storage origin.
    pub fn storage_url(&self) -> String {
        self.server.storage_url()
    }

    /// The token that the API takes.
    pub fn token(&self) -> &'static str {
        SimulatedWorkspace::DEFAULT_TOKEN
    }

    /// The id of the warehouse.
    pub fn warehouse(&self) -> &'static str {
        SimulatedWorkspace::DEFAULT_WAREHOUSE
    }

    /// Rows and chunks of the result, and how each row reads.
    pub fn shape(&self) -> ResultShape {
        self.shape
    }

    /// The faults; rules may be added while it runs.
    pub fn faults(&self) -> &Faults {
        self.workspace.faults()
    }

    /// Makes storage refuse every link given out so far with 403. New links work.
    pub fn revoke_links(&self) {
        self.workspace.revoke_links();
    }

    /// What was asked and sent so far.
    pub fn stats(&self) -> ResultServerStats {
        self.with_failures(self.counters.read(false))
    }

    /// The same, and counting begins anew, but for [`failures`](ResultServerStats::failures): those are the faults' own.
    pub fn take_stats(&self) -> ResultServerStats {
        self.with_failures(self.counters.read(true))
    }

    fn with_failures(&self, stats: ResultServerStats) -> ResultServerStats {
        ResultServerStats { failures: self.workspace.faults().fired(), ..stats }
    }

    /// Stops accepting, lets open requests end (for 10 seconds at most), and frees both ports.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
