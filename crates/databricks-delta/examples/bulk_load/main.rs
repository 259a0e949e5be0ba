//! Loads CSV, JSON and Parquet files into a table, all rows in one commit.
//!
//! ```sh
//! cargo run --release --example bulk_load -- ./days main.weather.days --key "days of 2026-01-01"
//! ```
//!
//! The workspace and the warehouse come from the environment or a profile, as for every client of this family. At the
//! end one line of JSON on the standard output says what was loaded: rows, files, bytes, seconds, the write's id. Exit
//! codes: 0 when the table has all rows, 1 when something failed, 2 when the arguments cannot be used.

mod app;

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

use databricks_transport::{Client, DatabricksConfig};

#[tokio::main]
async fn main() -> ExitCode {
    let (mut out, mut err) = (stdout(), stderr());
    let client = || DatabricksConfig::from_env().map(Client::builder);
    let watched = err.is_terminal();
    let run = app::run(std::env::args_os(), client, watched, &mut out, &mut err);
    tokio::select! {
        code = run => ExitCode::from(code),
        _ = tokio::signal::ctrl_c() => {
            eprintln!("error: interrupted. Run it again with the same --key: what was loaded is not loaded twice");
            ExitCode::FAILURE
        }
    }
}
