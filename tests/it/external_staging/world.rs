//! A local workspace with a bucket, and ways to look into both.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, ExternalStaging, Staging, Write};
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use databricks_testkit::{RequestRecord, SimulatedWorkspace};
use futures::Stream;
use tempfile::TempDir;

pub(super) const ENDPOINT: &str = SimulatedWorkspace::S3_ENDPOINT;

pub(super) struct World {
    folder: TempDir,
    pub(super) workspace: LocalWorkspace,
    staging: ExternalStaging,
    pub(super) delta: DeltaClient,
}

impl World {
    /// A bucket `lake` of S3, of which Unity Catalog knows the path `landing`.
    pub(super) fn s3() -> Self {
        Self::new("s3://lake/landing", |_| {
            Staging::external("s3://lake/landing/staging").region("eu-west-1").endpoint(ENDPOINT)
        })
    }

    /// With a folder for the path `location`.
    pub(super) fn new(location: &str, staging: impl FnOnce(&Path) -> ExternalStaging) -> Self {
        let folder = TempDir::new().unwrap();
        let bucket = folder.path().join("bucket");
        let workspace = LocalWorkspace::builder(folder.path().join("workspace"));
        let workspace = workspace.external_location(location, &bucket).open().unwrap();
        let staging = staging(&bucket);
        let delta = client(&workspace, &staging);
        Self { folder, workspace, staging, delta }
    }

    /// The workspace without faults, and a client of it that has met none.
    pub(super) fn healed(self) -> Self {
        self.workspace.simulated().faults().clear();
        let delta = client(&self.workspace, &self.staging);
        Self { delta, ..self }
    }

    pub(super) async fn ids(&self) -> Vec<i64> {
        let mut rows: Vec<(i64,)> = self.delta.read_table("t").columns(["id"]).fetch_all().await.unwrap();
        rows.sort_unstable();
        rows.into_iter().map(|(id,)| id).collect()
    }

    /// The folder of the location.
    pub(super) fn bucket(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    /// What lies in the bucket, unfinished uploads included.
    pub(super) fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = vec![self.bucket()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push(entry.path().display().to_string()),
                }
            }
        }
        found
    }

    /// How many requests there were to paths that begin so.
    pub(super) fn requests(&self, path: &str) -> usize {
        self.log(|request| request.path.starts_with(path))
    }

    pub(super) fn log(&self, is_meant: impl Fn(&RequestRecord) -> bool) -> usize {
        self.workspace.simulated().requests().iter().filter(|request| is_meant(request)).count()
    }
}

fn client(workspace: &LocalWorkspace, staging: &ExternalStaging) -> DeltaClient {
    let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
    let client = DatabricksClient::from_transport(client);
    client.delta("main", "default").unwrap().with_staging(staging.clone())
}

pub(super) fn rows(ids: Range<i64>) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("row {id}"))));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

pub(super) fn stream_of(
    batch: &RecordBatch,
) -> impl Stream<Item = Result<RecordBatch, ArrowError>> + Send + 'static {
    futures::stream::iter([Ok(batch.clone())])
}

/// So many texts of a mebibyte, none like another.
pub(super) fn large_rows(count: i64) -> RecordBatch {
    let mut seed = 7_u64;
    let mut text = || -> String {
        let letter = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((seed >> 33) % 90).unwrap())
        };
        (0..1 << 20).map(letter).collect()
    };
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|_| text())));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    RecordBatch::try_from_iter([("id", ids), ("name", texts)]).unwrap()
}

/// A write of these rows.
pub(super) fn batches(delta: &DeltaClient, ids: Range<i64>) -> Write<'static> {
    let batch = rows(ids);
    delta.write_batches("t", batch.schema(), stream_of(&batch))
}
