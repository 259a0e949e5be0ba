//! A workspace with a table, a client for it, and a look at what is left behind.

use std::sync::Arc;

use databricks_delta::DeltaClient;
use databricks_sql::SqlClient;
use databricks_testkit::{
    Column, Fault, FaultRule, MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine, ScriptedStatement,
    SimulatedWorkspace, UploadProtocol, VolumePath,
};
use databricks_transport::{Client, DatabricksConfig};
use http::Method;
use serde::Serialize;

/// The table's rows as a program has them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Day {
    pub(crate) id: i64,
    pub(crate) day: &'static str,
    pub(crate) wind: Option<f64>,
    pub(crate) price: &'static str,
}

pub(crate) fn days(count: i64) -> Vec<Day> {
    (0..count)
        .map(|id| Day { id, day: "2026-01-02", wind: (id % 2 == 0).then_some(0.5), price: "1.005" })
        .collect()
}

/// A simulated workspace with the table `main.default.days`, and no staging volume.
pub(crate) struct World {
    pub(crate) engine: ScriptedEngine,
    pub(crate) volumes: MemoryVolumeStore,
    catalog: MemoryCatalogStore,
    pub(crate) workspace: SimulatedWorkspace,
    pub(crate) delta: DeltaClient,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_quota(None)
    }

    pub(crate) fn with_quota(bytes: Option<u64>) -> Self {
        Self::with(bytes, UploadProtocol::default())
    }

    /// A workspace that takes large files this way.
    pub(crate) fn with(bytes: Option<u64>, protocol: UploadProtocol) -> Self {
        let columns = [("id", "BIGINT"), ("day", "DATE"), ("wind", "DOUBLE"), ("price", "DECIMAL(10,2)")];
        let columns = columns.map(|(name, data_type)| Column::new(name, data_type));
        let catalog = MemoryCatalogStore::new().with_table("main", "default", "days", &columns);
        let volumes = MemoryVolumeStore::new(catalog.clone());
        let volumes = match bytes {
            Some(bytes) => volumes.with_quota(bytes),
            None => volumes,
        };
        let engine = ScriptedEngine::new();
        let created = catalog.clone();
        let creates_volume = move |statement: &str| {
            let creates = statement == "CREATE VOLUME IF NOT EXISTS `main`.`default`.`_staging`";
            if creates {
                let _ = created.clone().with_volume("main", "default", "_staging");
            }
            creates
        };
        engine.on_matching(move |request| creates_volume(&request.statement)).empty();
        let catalog_of_world = catalog.clone();
        let workspace = SimulatedWorkspace::builder()
            .engine(Arc::new(engine.clone()))
            .catalog(Arc::new(catalog))
            .volumes(Arc::new(volumes.clone()))
            .upload_protocol(protocol)
            .build();
        let delta = delta(&workspace);
        Self { engine, volumes, workspace, delta, catalog: catalog_of_world }
    }

    /// Answers a statement that makes the table `days` have these columns.
    pub(crate) fn on_alter(&self, statement: &'static str, columns: &[(&str, &str)]) {
        let columns: Vec<Column> = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
        let catalog = self.catalog.clone();
        let alters = move |sent: &str| {
            let is_it = sent == statement;
            if is_it {
                let _ = catalog.clone().with_table("main", "default", "days", &columns);
            }
            is_it
        };
        self.engine.on_matching(move |request| alters(&request.statement)).empty();
    }

    /// Begins a script for the statements that begin so. When one comes, the catalog has a table of these columns.
    pub(crate) fn on_making(
        &self,
        beginning: &'static str,
        table: &'static str,
        columns: &[(&str, &str)],
    ) -> ScriptedStatement<'_> {
        let columns: Vec<Column> = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
        let catalog = self.catalog.clone();
        let makes = move |sent: &str| {
            let is_it = sent.starts_with(beginning);
            if is_it {
                let _ = catalog.clone().with_table("main", "default", table, &columns);
            }
            is_it
        };
        self.engine.on_matching(move |request| makes(&request.statement))
    }

    /// A volume with these files.
    pub(crate) async fn volume(&self, name: &str, files: &[(&str, Vec<u8>)]) {
        let _ = self.catalog.clone().with_volume("main", "default", name);
        for (file, content) in files {
            let path = format!("/Volumes/main/default/{name}/{file}");
            self.delta.files().unwrap().upload(path, content.clone()).send().await.unwrap();
        }
    }

    /// What lies at a path of a volume.
    pub(crate) fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.volumes.content(&VolumePath::parse(path).unwrap()).map(|bytes| bytes.to_vec())
    }

    /// Statements that were sent and begin with this word.
    pub(crate) fn sent(&self, word: &str) -> Vec<String> {
        self.engine.statements().into_iter().filter(|statement| statement.starts_with(word)).collect()
    }

    /// Requests of this method below this path.
    pub(crate) fn requests(&self, method: Method, path: &str) -> Vec<String> {
        let records = self.workspace.requests().into_iter();
        records
            .filter(|record| record.method == method && record.path.starts_with(path))
            .map(|record| record.path)
            .collect()
    }

    pub(crate) fn fail(&self, method: Method, path: &str, fault: Fault) {
        self.workspace.faults().add(FaultRule::on(method, path, fault));
    }

    /// Bytes in all volumes.
    pub(crate) fn left(&self) -> u64 {
        self.volumes.used_bytes()
    }
}

fn delta(workspace: &SimulatedWorkspace) -> DeltaClient {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST)
        .unwrap()
        .with_token(SimulatedWorkspace::DEFAULT_TOKEN);
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    let sql = SqlClient::new(&client, SimulatedWorkspace::DEFAULT_WAREHOUSE);
    DeltaClient::new(&client, sql, "main", "default").unwrap()
}

pub(crate) const STATEMENTS: &str = "/api/2.0/sql/statements";
pub(crate) const FILES: &str = "/api/2.0/fs/files/Volumes/main/default/_staging/";
