//! The client against a local workspace in the same process.

use std::time::Duration;

use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::DeltaClient;
use databricks_delta_lake::schema::TableSchema;
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use futures::stream;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Setting, cores, data, timed};

fn world(runtime: &Runtime) -> (TempDir, LocalWorkspace, DeltaClient) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = LocalWorkspace::open(folder.path()).unwrap();
    let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
    let delta = DatabricksClient::from_transport(client).delta("main", "default").unwrap();
    let columns = TableSchema::parse(data::COLUMNS).unwrap();
    runtime.block_on(delta.create_table("sales", columns).send()).unwrap();
    (folder, workspace, delta)
}

pub(crate) fn write(setting: Setting) -> Duration {
    let runtime = Runtime::new().unwrap();
    let (_folder, _workspace, delta) = world(&runtime);
    let pool = data::pool();
    let schema = pool[0].schema();
    let (took, written) = timed(|| {
        let batches = stream::iter(data::batches(&pool, setting.rows).map(Ok::<_, ArrowError>));
        let write = delta.write_batches("sales", schema, batches);
        runtime.block_on(write.batch_size(setting.batch_size).concurrency(cores() + 1).send())
    });
    assert_eq!(written.unwrap().rows_affected, setting.rows as u64);
    took
}

pub(crate) fn write_values(setting: Setting) -> Duration {
    let runtime = Runtime::new().unwrap();
    let (_folder, _workspace, delta) = world(&runtime);
    let values = data::values(setting.rows);
    let (took, written) = timed(|| {
        let write = delta.write_batch("sales", &values);
        runtime.block_on(write.batch_size(setting.batch_size).concurrency(cores() + 1).send())
    });
    assert_eq!(written.unwrap().rows_affected, setting.rows as u64);
    took
}
