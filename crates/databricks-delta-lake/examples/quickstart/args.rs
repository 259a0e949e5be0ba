//! What the user may say on the command line.

use std::path::PathBuf;

use clap::Parser;
use uuid::Uuid;

/// Runs the main job end to end: create, write, merge, add a column, optimize, read, travel in time.
///
/// Without settings it starts a workspace on this machine, whose SQL really runs on real Delta tables.
/// With DATABRICKS_HOST, DATABRICKS_TOKEN and DATABRICKS_WAREHOUSE_ID set it runs on that workspace.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub(crate) struct Args {
    /// A CSV (with a header line) or Parquet file to load instead of Seattle's weather. It is read into memory.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// The column that identifies a row; by default the first DATE column, else the first column.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) key: Option<String>,

    /// Grow the data to this many rows by repeating it under new dates.
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<usize>,

    /// The folder of the local workspace.
    #[arg(long, value_name = "DIR", default_value = "quickstart-workspace")]
    pub(crate) data: PathBuf,

    /// Makes a repeated run safe: the same key names the same table and the same writes, so a run that was
    /// killed is completed by the next and nothing is written twice.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// The table to create; by default one of its own for each run or idempotency key.
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
}

impl Args {
    /// The key that makes this run's writes repeatable: the user's, or a random one.
    pub(crate) fn run_key(&self) -> String {
        self.idempotency_key.clone().unwrap_or_else(|| Uuid::new_v4().simple().to_string())
    }

    /// The table's name: a function of the run's key unless the user chose one.
    pub(crate) fn table_name(&self, run_key: &str) -> String {
        let suffix = || Uuid::new_v5(&Uuid::NAMESPACE_OID, run_key.as_bytes()).simple().to_string();
        self.table.clone().unwrap_or_else(|| format!("quickstart_{}", &suffix()[..8]))
    }
}
