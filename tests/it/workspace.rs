//! Local workspaces for the stories.

use std::path::Path;

use databricks_delta_lake::DatabricksClient;
use databricks_local::LocalWorkspace;
use databricks_testkit::Server;
use tempfile::TempDir;

/// A local workspace on a loopback port. Its folder goes when this is dropped.
pub(crate) struct Served {
    folder: TempDir,
    workspace: LocalWorkspace,
    server: Server,
}

impl Served {
    /// Starts a workspace in a folder of its own.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::builder(folder.path()).token("right").open().unwrap();
        let server = workspace.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        Self { folder, workspace, server }
    }

    /// A client that knows the address and the token.
    pub(crate) fn client(&self) -> DatabricksClient {
        DatabricksClient::new(self.workspace.config_for(&self.server).unwrap()).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url().to_string()
    }

    pub(crate) fn token(&self) -> &'static str {
        "right"
    }

    pub(crate) fn warehouse(&self) -> &'static str {
        LocalWorkspace::WAREHOUSE
    }
}
