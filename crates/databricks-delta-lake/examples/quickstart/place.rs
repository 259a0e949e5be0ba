//! Where the program runs: a real workspace when the environment names one, else one on this machine.

use std::path::{Path, PathBuf};

use databricks_delta_lake::{DatabricksClient, transport::DatabricksConfig};
use databricks_local::LocalWorkspace;
use databricks_testkit::Server;

use crate::Failure;

/// A workspace to talk to. A local one stops when this is dropped.
pub(crate) struct Place {
    /// The client, configured for the workspace.
    pub(crate) client: DatabricksClient,
    /// What to call the workspace.
    pub(crate) title: String,
    local: Option<Local>,
}

struct Local {
    workspace: LocalWorkspace,
    server: Server,
}

impl Place {
    /// Uses the workspace of `DATABRICKS_HOST`, or opens the local one in `folder`.
    pub(crate) async fn find(folder: &Path) -> Result<Self, Failure> {
        if std::env::var_os("DATABRICKS_HOST").is_some() {
            Self::real(DatabricksConfig::from_env()?)
        } else {
            Self::local(folder).await
        }
    }

    fn real(config: DatabricksConfig) -> Result<Self, Failure> {
        let title = config.host().to_string();
        Ok(Self { client: DatabricksClient::new(config)?, title, local: None })
    }

    async fn local(folder: &Path) -> Result<Self, Failure> {
        let workspace = LocalWorkspace::open(folder)?;
        let server = workspace.serve(([127, 0, 0, 1], 0).into()).await?;
        let client = DatabricksClient::new(workspace.config_for(&server)?)?;
        let title = format!("a workspace on this machine, {}", server.url());
        Ok(Self { client, title, local: Some(Local { workspace, server }) })
    }

    /// The folder of a table's files, if they are on this machine.
    pub(crate) fn folder_of(&self, table: &databricks_delta_lake::schema::TableName) -> Option<PathBuf> {
        self.local.as_ref().and_then(|local| local.workspace.table_path(table).ok())
    }

    /// Stops a local workspace after its last request.
    pub(crate) async fn close(self) {
        if let Some(local) = self.local {
            local.server.shutdown().await;
        }
    }
}
