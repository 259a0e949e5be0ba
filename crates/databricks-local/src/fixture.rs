//! A place for a test: the real workspace that the environment names, else a local one that lives as long as the test.

use databricks_testkit::{DatabricksTestFixture, FixtureError, TestWorkspace};
use tempfile::TempDir;

use crate::error::{LocalError, Result};
use crate::workspace::LocalWorkspace;

/// A schema of its own for a test, on the real workspace that the environment names (`DATABRICKS_HOST`,
/// `DATABRICKS_TOKEN`, `DATABRICKS_WAREHOUSE_ID`), else on a local workspace in a temporary folder, which goes with
/// the fixture.
///
/// ```no_run
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let fixture = databricks_local::fixture().await?;
/// let table = fixture.create_test_table("readings", "id BIGINT, value DOUBLE").await?;
/// fixture.execute(&format!("INSERT INTO {table} VALUES (1, 2.5)")).await?;
/// fixture.teardown().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`DatabricksTestFixture::from_env_or`]; [`FixtureError::Workspace`] when no temporary folder can be made.
pub async fn fixture() -> std::result::Result<DatabricksTestFixture, FixtureError> {
    DatabricksTestFixture::from_env_or(|| async { temporary() }).await
}

/// A workspace in a temporary folder, which is removed after it.
fn temporary() -> Result<TestWorkspace> {
    let folder = TempDir::with_prefix("databricks-local-").map_err(|error| {
        let message =
            format!("Cannot make a temporary folder: {error}. Set TMPDIR to a folder that can be written.");
        LocalError::new("IO_ERROR", "58030", message)
    })?;
    let place = LocalWorkspace::open(folder.path())?.test_workspace()?;
    Ok(place.with_guard(folder))
}
