//! Runs one SQL statement and writes its rows to the standard output.
//!
//! ```sh
//! cargo run --release --example sql -- "SELECT * FROM main.weather.days WHERE day > :day" --param day=DATE:2026-01-01
//! ```
//!
//! The workspace and the warehouse come from the environment or a profile, as for every client of this family. At the
//! end one line of JSON on the standard error says what was read: rows, batches, bytes, seconds, requests. Exit codes:
//! 0 when all rows were written, 1 when something failed, 2 when the arguments cannot be used.

mod app;

use std::io::{BufWriter, IsTerminal, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use databricks_transport::{Client, DatabricksConfig};

/// What an interrupted statement's cancellation may take.
const CANCEL_TIME: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let mut out = BufWriter::with_capacity(1 << 16, stdout());
    let mut err = stderr();
    let client = || DatabricksConfig::from_env().map(Client::builder);
    let watched = err.is_terminal();
    let run = app::run(std::env::args_os(), client, watched, &mut out, &mut err);
    tokio::select! {
        code = run => ExitCode::from(code),
        _ = tokio::signal::ctrl_c() => {
            // The run was given up, which cancels its statement: let that be sent.
            tokio::time::sleep(CANCEL_TIME).await;
            ExitCode::FAILURE
        }
    }
}
