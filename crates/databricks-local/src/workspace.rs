//! The local workspace as a value: a folder opened, and the doors into it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use databricks_schema::TableName;
use databricks_testkit::{
    Server, SimulatedWorkspace, SimulatedWorkspaceBuilder, StatementEngine, TestWorkspace, WorkspaceService,
};
use databricks_transport::{Client, DatabricksConfig, RateLimits};

use crate::error::{LocalError, Result};
use crate::exec::LocalEngine;
use crate::metastore::{Location, Metastore, ObjectPath};
use crate::stores::{FolderCatalog, FolderVolumes};

/// Decoded bytes of results kept for clients that have not read them yet. They lie on disk, not in memory.
const RESULT_BYTES: u64 = 64 << 30;

/// A Databricks workspace in a folder of this machine. Clones share it.
///
/// The folder is owned by one workspace at a time: a second one is refused until the last clone, every
/// [`WorkspaceService`] and every [`Server`] of the first is gone.
#[derive(Clone)]
pub struct LocalWorkspace {
    metastore: Arc<Metastore>,
    engine: LocalEngine,
    simulated: SimulatedWorkspace,
    token: String,
}

impl LocalWorkspace {
    /// The id of the one SQL warehouse.
    pub const WAREHOUSE: &'static str = "10ca110ca110ca11";

    /// The token when none is set.
    pub const DEFAULT_TOKEN: &'static str = "dapi-local";

    /// Opens the workspace in a folder, making it where there is none. It has a catalog `main` with a schema `default`.
    ///
    /// # Errors
    /// `[WORKSPACE_LOCKED]` when another process has the folder, `[IO_ERROR]` when it cannot be read or written, and
    /// `[METASTORE_CORRUPT]` when what is in it cannot be understood.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::builder(dir).open()
    }

    /// Settings for a workspace in this folder.
    pub fn builder(dir: impl AsRef<Path>) -> LocalWorkspaceBuilder {
        LocalWorkspaceBuilder {
            dir: dir.as_ref().to_owned(),
            token: Self::DEFAULT_TOKEN.to_owned(),
            disk_quota: None,
            locations: Vec::new(),
        }
    }

    /// The workspace behind its HTTP face, for faults and the log of requests.
    pub fn simulated(&self) -> &SimulatedWorkspace {
        &self.simulated
    }

    /// What runs the SQL, without HTTP around it. Needs a tokio runtime with several threads to be fast.
    pub fn engine(&self) -> Arc<dyn StatementEngine> {
        Arc::new(self.engine.clone())
    }

    /// The workspace as a tower service, in process: the leaf of a client that never opens a socket.
    pub fn service(&self) -> WorkspaceService {
        self.simulated.service()
    }

    /// The configuration of a client that uses [`service`](Self::service) as its leaf: host, token and warehouse, and
    /// no rate limits, which protect a shared service.
    ///
    /// # Errors
    /// None in practice: the values are this crate's own.
    pub fn config(&self) -> Result<DatabricksConfig> {
        self.config_at(SimulatedWorkspace::HOST)
    }

    /// As [`config`](Self::config), for a client that reaches the workspace over a [`Server`]'s port.
    ///
    /// # Errors
    /// None in practice: the values are this crate's own.
    pub fn config_for(&self, server: &Server) -> Result<DatabricksConfig> {
        self.config_at(&server.url())
    }

    /// This workspace as the place of a test's schema: see
    /// [`DatabricksTestFixture::on`](databricks_testkit::DatabricksTestFixture::on). The fixture's client keeps it open.
    ///
    /// # Errors
    /// None in practice: the values are this crate's own.
    pub fn test_workspace(&self) -> Result<TestWorkspace> {
        let client = Client::builder(self.config()?).leaf(self.service()).build();
        let client = client.map_err(LocalError::internal)?;
        Ok(TestWorkspace::new(&client, Self::WAREHOUSE, "main"))
    }

    fn config_at(&self, host: &str) -> Result<DatabricksConfig> {
        let config = DatabricksConfig::new(host).map_err(LocalError::internal)?;
        let config = config.with_token(self.token.clone()).with_warehouse(Self::WAREHOUSE);
        Ok(config.with_rate_limits(RateLimits::unlimited()))
    }

    /// Listens on `addr` (port 0: the system chooses) for any client.
    ///
    /// # Errors
    /// `[ADDRESS_NOT_AVAILABLE]` when the address cannot be had.
    pub async fn serve(&self, addr: SocketAddr) -> Result<Server> {
        self.simulated.serve(addr).await.map_err(|error| {
            let message =
                format!("Cannot listen on {addr}: {error}. Choose another port, or stop what uses it.");
            LocalError::new("ADDRESS_NOT_AVAILABLE", "08001", message)
        })
    }

    /// The folder of the workspace, absolute.
    pub fn path(&self) -> &Path {
        self.metastore.root()
    }

    /// The folder of a table: a Delta table that any reader opens, once it is created.
    ///
    /// # Errors
    /// `[INVALID_PARAMETER_VALUE.INVALID_NAME]` for a name that no table can have here.
    pub fn table_path(&self, table: &TableName) -> Result<PathBuf> {
        let path = ObjectPath::parse(table.catalog(), table.schema(), table.table())?;
        Ok(self.metastore.table_dir(&path))
    }

    /// The id of the workspace's SQL warehouse.
    pub fn warehouse_id(&self) -> &str {
        Self::WAREHOUSE
    }

    /// The token that the workspace takes.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for LocalWorkspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metastore, engine: _, simulated: _, token: _ } = self;
        f.debug_struct("LocalWorkspace").field("path", &metastore.root()).finish_non_exhaustive()
    }
}

/// Settings of a [`LocalWorkspace`].
#[must_use]
#[derive(Clone)]
pub struct LocalWorkspaceBuilder {
    dir: PathBuf,
    token: String,
    disk_quota: Option<u64>,
    /// URLs and folders.
    locations: Vec<(String, PathBuf)>,
}

impl LocalWorkspaceBuilder {
    /// The token clients must send. Default [`LocalWorkspace::DEFAULT_TOKEN`].
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// Bounds the bytes that all volumes may hold together: past it the Files API answers 507. Default: the disk.
    pub fn disk_quota(mut self, bytes: u64) -> Self {
        self.disk_quota = Some(bytes);
        self
    }

    /// Lets a folder of this machine stand for a path in a cloud's storage: SQL reads `s3://bucket/path/..` there (COPY INTO,
    /// `read_files`), and so for the URLs of other clouds. The folder is made when there is none, and is no part of the
    /// workspace's own.
    ///
    /// What lies below a path of S3 is served as S3 would, to clients with temporary credentials from this workspace's Unity
    /// Catalog: at [`SimulatedWorkspace::S3_ENDPOINT`] to a client in process, at [`Server::s3_url`] over a port.
    pub fn external_location(mut self, url: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.locations.push((url.into(), folder.into()));
        self
    }

    /// Opens the workspace.
    ///
    /// # Errors
    /// As [`LocalWorkspace::open`].
    pub fn open(self) -> Result<LocalWorkspace> {
        self.open_with(|face| face)
    }

    /// Opens the workspace with settings of its HTTP face: OAuth, jobs and what their tasks do, rate limits, a
    /// warehouse that takes time to start, a seed. What runs SQL and keeps files stays the folder's.
    ///
    /// Grants that are enforced are for the REST API; SQL is refused under them, since the engine does not look at them.
    ///
    /// ```no_run
    /// # fn open() -> Result<(), databricks_local::LocalError> {
    /// let workspace = databricks_local::LocalWorkspace::builder("./workspace")
    ///     .open_with(|face| face.service_principal("my-app", "my-secret"))?;
    /// # let _ = workspace;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`LocalWorkspace::open`].
    pub fn open_with(
        self,
        face: impl FnOnce(SimulatedWorkspaceBuilder) -> SimulatedWorkspaceBuilder,
    ) -> Result<LocalWorkspace> {
        let locations: Vec<Location> = self
            .locations
            .iter()
            .map(|(url, folder)| {
                std::fs::create_dir_all(folder)
                    .map_err(|error| LocalError::io("Cannot make", folder, &error))?;
                Location::new(url, folder)
            })
            .collect::<Result<_>>()?;
        let simulated = SimulatedWorkspace::builder()
            .token(self.token.clone())
            .warehouse(LocalWorkspace::WAREHOUSE)
            .result_memory(RESULT_BYTES);
        let simulated = locations.iter().fold(simulated, |simulated, location| {
            simulated.external_location(location.url(), location.folder())
        });
        let metastore = Arc::new(Metastore::open(&self.dir)?.with_locations(locations));
        let engine = LocalEngine::new(Arc::clone(&metastore));
        let simulated = face(simulated)
            .engine(Arc::new(engine.clone()))
            .volumes(Arc::new(FolderVolumes::new(Arc::clone(&metastore), self.disk_quota)))
            .catalog(Arc::new(FolderCatalog::new(Arc::clone(&metastore), engine.clone())))
            .build();
        Ok(LocalWorkspace { metastore, engine, simulated, token: self.token })
    }
}

impl fmt::Debug for LocalWorkspaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, token: _, disk_quota, locations } = self;
        let mut out = f.debug_struct("LocalWorkspaceBuilder");
        out.field("dir", dir).field("token", &"[censored]").field("disk_quota", disk_quota);
        out.field("locations", locations).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_token_is_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let builder = LocalWorkspace::builder(dir.path()).token("dapi-secret-1");
        assert!(!format!("{builder:?}").contains("secret-1"));
        assert!(!format!("{:?}", builder.open().unwrap()).contains("secret-1"));
    }

    #[test]
    fn a_table_lies_where_the_documentation_says() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = LocalWorkspace::open(dir.path()).unwrap();
        let name = TableName::new("main", "default", "Trips").unwrap();
        let expected = workspace.path().join("catalogs/main/default/tables/trips");
        assert_eq!(workspace.table_path(&name).unwrap(), expected);
    }
}
