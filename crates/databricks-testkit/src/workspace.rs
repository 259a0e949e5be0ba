//! The simulated workspace as a value: what it is made of, and the doors into it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue};

use crate::access::Access;
use crate::buckets::{Buckets, Location};
use crate::clock::Clock;
use crate::engine::StatementEngine;
use crate::faults::Faults;
use crate::files::{UploadProtocol, Uploads};
use crate::ids::Ids;
use crate::jobs::{Jobs, JobsScript, SqlTasks};
use crate::presign::Presigner;
use crate::request_log::{RequestLog, RequestRecord};
use crate::scripted::ScriptedEngine;
use crate::server::Server;
use crate::service::WorkspaceService;
use crate::statements::{Limits, Sessions, Statements};
use crate::stores::{CatalogStore, MemoryCatalogStore, MemoryVolumeStore, VolumeStore};
use crate::warehouses::{WarehouseSettings, Warehouses};
use crate::workspace_files::WorkspaceFiles;

/// A Databricks workspace that lives in this process. Clones share one workspace.
#[derive(Clone)]
pub struct SimulatedWorkspace {
    pub(crate) shared: Arc<Shared>,
}

/// Everything the handlers work on.
pub(crate) struct Shared {
    pub(crate) access: Access,
    pub(crate) warehouses: Warehouses,
    pub(crate) engine: Arc<dyn StatementEngine>,
    pub(crate) volumes: Arc<dyn VolumeStore>,
    pub(crate) catalog: Arc<dyn CatalogStore>,
    pub(crate) statements: Statements,
    pub(crate) sessions: Sessions,
    pub(crate) links: Presigner,
    pub(crate) uploads: Uploads,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) jobs: Jobs,
    /// Empty pages between two pages of a list of Unity Catalog.
    pub(crate) empty_pages: usize,
    pub(crate) workspace_files: WorkspaceFiles,
    pub(crate) buckets: Buckets,
}

impl SimulatedWorkspace {
    /// The token a workspace takes when its builder is given none.
    pub const DEFAULT_TOKEN: &'static str = "dapi-simulated";
    /// The warehouse a workspace has when its builder is given none.
    pub const DEFAULT_WAREHOUSE: &'static str = "5134e1a7ed000001";
    /// A host for clients of [`service`](Self::service): any host does, but a client needs one.
    pub const HOST: &'static str = "https://simulated.invalid";
    /// Where the buckets of external locations answer to a client of [`service`](Self::service), as S3 does. Over sockets
    /// it is [`Server::s3_url`].
    pub const S3_ENDPOINT: &'static str = "https://simulated-storage.invalid/s3";

    /// Starts a workspace.
    pub fn builder() -> SimulatedWorkspaceBuilder {
        SimulatedWorkspaceBuilder::default()
    }

    /// The workspace as a tower service: the leaf of a client that never opens a socket.
    ///
    /// Requests whose host's first label ends in `-storage` go to the storage origin, all others to the API.
    /// Statements run as tokio tasks, so calls need a tokio runtime around them.
    pub fn service(&self) -> WorkspaceService {
        WorkspaceService::in_process(self.shared.clone())
    }

    /// Listens on `addr` for the API and, on the same address and a port of the system's choosing, for storage.
    ///
    /// Port 0 lets the system choose the API's port too. Needs a tokio runtime.
    ///
    /// # Errors
    /// When one of the two addresses cannot be bound.
    pub async fn serve(&self, addr: SocketAddr) -> io::Result<Server> {
        let shared = self.shared.clone();
        Server::start(addr, move |door| WorkspaceService::at(shared.clone(), door)).await
    }

    /// The requests seen so far, oldest first; the last 10,000 are kept.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.log.snapshot()
    }

    /// Forgets the requests seen so far.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// The faults this workspace answers with; rules may be added while it runs.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Makes storage refuse every link given out so far with 403, as it may before they expire. New links work.
    pub fn revoke_links(&self) {
        self.shared.links.revoke();
    }

    /// Ends the temporary credentials that Unity Catalog has given out so far: buckets answer `ExpiredToken`, as they may
    /// before the time that was said. New ones work.
    pub fn end_credentials(&self) {
        self.shared.buckets.keys.end(self.shared.clock.now());
    }

    /// What the tasks of jobs do; scripts may be added while the workspace runs.
    pub fn jobs(&self) -> &JobsScript {
        self.shared.jobs.script()
    }

    /// Decoded bytes of statement results held now.
    pub fn retained_result_bytes(&self) -> u64 {
        self.shared.statements.retained_bytes()
    }
}

impl fmt::Debug for SimulatedWorkspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared } = self;
        f.debug_struct("SimulatedWorkspace")
            .field("warehouses", &shared.warehouses.ids())
            .field("access", &shared.access)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`SimulatedWorkspace`]. What is not set has a default that works.
#[must_use]
pub struct SimulatedWorkspaceBuilder {
    pub(crate) access: Access,
    pub(crate) warehouses: WarehouseSettings,
    engine: Option<Arc<dyn StatementEngine>>,
    volumes: Option<Arc<dyn VolumeStore>>,
    catalog: Option<Arc<dyn CatalogStore>>,
    limits: Limits,
    link_ttl: Duration,
    link_header: Option<(HeaderName, HeaderValue)>,
    faults: Faults,
    seed: Option<u64>,
    start: Option<DateTime<Utc>>,
    upload_protocol: UploadProtocol,
    jobs: JobsScript,
    empty_pages: usize,
    locations: Vec<Location>,
}

impl Default for SimulatedWorkspaceBuilder {
    fn default() -> Self {
        Self {
            access: Access::default(),
            warehouses: WarehouseSettings::default(),
            engine: None,
            volumes: None,
            catalog: None,
            limits: Limits::default(),
            link_ttl: Duration::from_secs(15 * 60),
            link_header: None,
            faults: Faults::new(),
            seed: None,
            start: None,
            upload_protocol: UploadProtocol::default(),
            jobs: JobsScript::new(),
            empty_pages: 0,
            locations: Vec::new(),
        }
    }
}

impl fmt::Debug for SimulatedWorkspaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access,
            warehouses,
            limits,
            link_ttl,
            seed,
            start,
            jobs,
            engine: _,
            volumes: _,
            catalog: _,
            link_header: _,
            faults: _,
            upload_protocol,
            empty_pages,
            locations,
        } = self;
        f.debug_struct("SimulatedWorkspaceBuilder")
            .field("access", access)
            .field("warehouses", warehouses)
            .field("limits", limits)
            .field("link_ttl", link_ttl)
            .field("seed", seed)
            .field("start", start)
            .field("upload_protocol", upload_protocol)
            .field("jobs", jobs)
            .field("empty_pages", empty_pages)
            .field("locations", locations)
            .finish_non_exhaustive()
    }
}

impl SimulatedWorkspaceBuilder {
    /// Sets what runs SQL. Default: a [`ScriptedEngine`] without scripts, which fails every statement by name.
    pub fn engine(mut self, engine: Arc<dyn StatementEngine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Sets where files are kept. Default: a [`MemoryVolumeStore`].
    ///
    /// The default knows the volumes of the default catalog store; when you set one store, set both.
    pub fn volumes(mut self, volumes: Arc<dyn VolumeStore>) -> Self {
        self.volumes = Some(volumes);
        self
    }

    /// Sets where Unity Catalog's objects are kept. Default: a [`MemoryCatalogStore`] with `main.default`.
    pub fn catalog(mut self, catalog: Arc<dyn CatalogStore>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// How long links to storage work: those to result chunks, and those to files and uploads for which the client
    /// asks no time of its own. Default 15 minutes.
    pub fn link_ttl(mut self, ttl: Duration) -> Self {
        self.link_ttl = ttl;
        self
    }

    /// Makes every link name this header in `http_headers`, and storage refuse a download without it.
    pub fn link_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.link_header = Some((name, value));
        self
    }

    /// How long the result of a finished statement is kept. Default 1 hour, as documented; asking for it makes it live
    /// no longer. After that the statement is `CLOSED`, and 12 hours after its end it is unknown.
    ///
    /// No timer runs for this: what is too old is dropped when the next request about a statement arrives.
    pub fn result_ttl(mut self, ttl: Duration) -> Self {
        self.limits.result_ttl = ttl;
        self
    }

    /// Decoded bytes of results to keep. Past it the results longest unused are closed; the newest always stays.
    /// Default 512 MiB.
    pub fn result_memory(mut self, bytes: u64) -> Self {
        self.limits.result_memory = bytes;
        self
    }

    /// The largest INLINE result in bytes; a larger one fails its statement. Default 25 MiB, as documented.
    pub fn inline_limit(mut self, bytes: u64) -> Self {
        self.limits.inline_bytes = bytes;
        self
    }

    /// Whether clients that ask for compressed results (`result_compression`) get them. Default: yes. Without it results
    /// come plain, and their manifests say nothing of compression.
    pub fn compression(mut self, offered: bool) -> Self {
        self.limits.compression = offered;
        self
    }

    /// How large files are taken: in parts (the default), or in one stream that can be taken up again.
    pub fn upload_protocol(mut self, protocol: UploadProtocol) -> Self {
        self.upload_protocol = protocol;
        self
    }

    /// Shares a set of faults; without it the workspace has an empty one of its own.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets what the tasks of jobs do. Default: a [`JobsScript`] without scripts, in which
    /// tasks that would run code fail.
    pub fn jobs(mut self, script: JobsScript) -> Self {
        self.jobs = script;
        self
    }

    /// Lets that many empty pages, each with a token, come between two pages of a list of Unity Catalog. Default: none.
    /// The service is free to answer them, and clients must go on.
    pub fn empty_pages(mut self, pages: usize) -> Self {
        self.empty_pages = pages;
        self
    }

    /// Serves what lies below a path of S3 (`s3://bucket/path`) from a folder: its objects are the folder's files. Requests
    /// come with temporary credentials of Unity Catalog for the path (`temporary-path-credentials`); objects are put (in
    /// parts too), read, listed and deleted. URLs of other clouds are not served.
    ///
    /// Keys, tokens and their ends are checked, signatures are not computed anew.
    pub fn external_location(mut self, url: &str, folder: impl Into<PathBuf>) -> Self {
        self.locations.extend(Location::parse(url, folder.into()));
        self
    }

    /// Makes ids (statements, sessions, requests, runs, OAuth tokens) and link signatures the same in every run, and
    /// starts the calendar at 2025-01-01T00:00:00Z (unless [`starting_at`](Self::starting_at) names another moment).
    ///
    /// Under tokio's paused time the same requests in the same order then get the same answers, byte for byte.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What time it is in the workspace when it is built; from then on its time is tokio's. Default: the system's
    /// calendar, or a fixed moment with a [`seed`](Self::seed).
    pub fn starting_at(mut self, start: DateTime<Utc>) -> Self {
        self.start = Some(start);
        self
    }

    /// Builds the workspace.
    pub fn build(self) -> SimulatedWorkspace {
        let Self {
            access,
            warehouses,
            engine,
            volumes,
            catalog,
            limits,
            link_ttl,
            link_header,
            faults,
            seed,
            start,
            upload_protocol,
            jobs,
            empty_pages,
            locations,
        } = self;
        let memory = MemoryCatalogStore::new();
        let ids = Ids::new(seed);
        let clock = Clock::of_workspace(start, seed);
        let access = access.or_default();
        let warehouses = warehouses.build(clock);
        let engine = engine.unwrap_or_else(|| Arc::new(ScriptedEngine::new()));
        let files = WorkspaceFiles::default();
        let sql = SqlTasks::new(engine.clone(), warehouses.clone(), access.grants.clone(), files.clone());
        let shared = Shared {
            jobs: Jobs::new(jobs, sql, clock, seed),
            access,
            warehouses,
            engine,
            volumes: volumes
                .unwrap_or_else(|| Arc::new(MemoryVolumeStore::new(memory.clone()).with_clock(clock))),
            catalog: catalog.unwrap_or_else(|| Arc::new(memory)),
            statements: Statements::new(limits),
            sessions: Sessions::default(),
            links: Presigner::new(ids.key(), link_ttl, link_header),
            uploads: Uploads::new(upload_protocol),
            clock,
            ids,
            faults,
            log: RequestLog::default(),
            empty_pages,
            workspace_files: files,
            buckets: Buckets::new(locations),
        };
        SimulatedWorkspace { shared: Arc::new(shared) }
    }
}
