//! A workspace in a temporary folder, and short ways to ask it things.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use databricks_local::LocalWorkspace;
use databricks_testkit::{EngineRequest, EngineResult, Parameter, StatementFailure};
use deltalake::{DeltaTable, DeltaTableBuilder};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

pub(crate) struct Local {
    dir: Arc<TempDir>,
    workspace: LocalWorkspace,
}

/// A result as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    /// The cells of a row, NULL as `NULL`.
    pub(crate) fn texts(&self) -> Vec<Vec<&str>> {
        self.rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect())
            .collect()
    }

    /// A cell by column name.
    pub(crate) fn cell(&self, row: usize, column: &str) -> &str {
        let index = self
            .columns
            .iter()
            .position(|name| name == column)
            .unwrap_or_else(|| panic!("no column {column}"));
        self.rows[row][index].as_deref().unwrap_or("NULL")
    }
}

impl Local {
    pub(crate) fn new() -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let workspace = LocalWorkspace::open(dir.path()).unwrap();
        Self { dir, workspace }
    }

    /// Closes the workspace and opens the same folder again.
    pub(crate) fn restarted(self) -> Self {
        let Self { dir, workspace } = self;
        drop(workspace);
        let workspace = LocalWorkspace::open(dir.path()).unwrap();
        Self { dir, workspace }
    }

    pub(crate) fn workspace(&self) -> &LocalWorkspace {
        &self.workspace
    }

    pub(crate) async fn send(&self, request: EngineRequest) -> Result<EngineResult, StatementFailure> {
        self.workspace.engine().execute(request).await
    }

    pub(crate) async fn try_run(&self, sql: &str) -> Result<Answer, StatementFailure> {
        let request = EngineRequest {
            statement: sql.to_owned(),
            user: "ada@example.com".to_owned(),
            ..Default::default()
        };
        let result = self.send(request).await?;
        let rows = result.chunks.iter().flat_map(|chunk| chunk.json_rows().unwrap()).collect();
        Ok(Answer { columns: result.columns.into_iter().map(|column| column.name).collect(), rows })
    }

    pub(crate) async fn run(&self, sql: &str) -> Answer {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement that must fail: its error class and SQLSTATE.
    pub(crate) async fn fails(&self, sql: &str) -> (String, String) {
        let failure = self.try_run(sql).await.expect_err(sql);
        let class = failure.message.trim_start().strip_prefix('[').and_then(|text| text.split_once(']'));
        let class = class.map(|(class, _)| class.to_owned()).unwrap_or_else(|| panic!("{sql}: {failure}"));
        (class, failure.sql_state.unwrap_or_default())
    }

    /// Runs with one named parameter.
    pub(crate) async fn run_with(&self, sql: &str, name: &str, sql_type: &str, value: &str) -> Answer {
        self.run_with_parameter(sql, name, sql_type, Some(value)).await
    }

    /// Runs with one named parameter that is NULL.
    pub(crate) async fn run_with_null(&self, sql: &str, name: &str, sql_type: &str) -> Answer {
        self.run_with_parameter(sql, name, sql_type, None).await
    }

    async fn run_with_parameter(&self, sql: &str, name: &str, sql_type: &str, value: Option<&str>) -> Answer {
        let parameter = Parameter {
            name: Some(name.to_owned()),
            sql_type: Some(sql_type.to_owned()),
            value: value.map(str::to_owned),
            ordinal: None,
        };
        let request =
            EngineRequest { statement: sql.to_owned(), parameters: vec![parameter], ..Default::default() };
        let result = self.send(request).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let rows = result.chunks.iter().flat_map(|chunk| chunk.json_rows().unwrap()).collect();
        Answer { columns: result.columns.into_iter().map(|column| column.name).collect(), rows }
    }

    /// The folder of a table in main.default.
    pub(crate) fn table_dir(&self, name: &str) -> PathBuf {
        self.workspace.path().join("catalogs/main/default/tables").join(name)
    }

    /// The folder of a volume in main.default.
    pub(crate) fn volume_dir(&self, name: &str) -> PathBuf {
        self.workspace.path().join("catalogs/main/default/volumes").join(name)
    }

    /// The table, opened by delta-rs alone.
    pub(crate) async fn delta(&self, name: &str) -> DeltaTable {
        let url = url::Url::from_directory_path(self.table_dir(name)).unwrap();
        DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap()
    }

    /// The table's current version.
    pub(crate) async fn version(&self, name: &str) -> u64 {
        self.delta(name).await.version().unwrap()
    }
}

/// Writes a Parquet file.
pub(crate) fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
