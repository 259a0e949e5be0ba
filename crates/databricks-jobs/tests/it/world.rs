//! A simulated workspace and a client on it.

use databricks_jobs::JobsClient;
use databricks_testkit::{JobsScript, SimulatedWorkspace, SimulatedWorkspaceBuilder, SweepRun};
use databricks_transport::{Client, DatabricksConfig};

pub(crate) struct World {
    pub(crate) workspace: SimulatedWorkspace,
    pub(crate) script: JobsScript,
    pub(crate) client: Client,
    pub(crate) jobs: JobsClient,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(|builder| builder)
    }

    pub(crate) fn of(settings: impl FnOnce(SimulatedWorkspaceBuilder) -> SimulatedWorkspaceBuilder) -> Self {
        let script = JobsScript::new();
        script.unscripted_tasks_succeed().idle_triggers();
        let workspace = settings(SimulatedWorkspace::builder().jobs(script.clone()).seed(7)).build();
        let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap();
        let config = config.with_token(SimulatedWorkspace::DEFAULT_TOKEN.to_owned());
        let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
        Self { jobs: JobsClient::new(&client), client, workspace, script }
    }

    /// The world of one case of a sweep.
    pub(crate) fn swept(run: &SweepRun) -> Self {
        Self::of(|builder| builder.faults(run.faults()).seed(run.seed()))
    }

    /// How many requests to a path there were.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.workspace.requests().iter().filter(|request| request.path == path).count()
    }
}
