//! The program: arguments in, a table's rows and a line of figures out. Everything it touches is passed to it, so that
//! tests can run it.

mod args;
mod bar;
mod failure;
mod load;
mod report;
pub(crate) mod sources;

use std::ffi::OsString;
use std::io::Write;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use databricks_delta::DeltaClient;
use databricks_sql::SqlClient;
use databricks_transport::{ClientBuilder, Error};

use args::Args;
use bar::Bar;
use failure::Failure;
use report::Report;

/// Runs the program; its exit code. `watched` says that somebody looks at the error output.
pub(crate) async fn run(
    args: impl IntoIterator<Item = OsString>,
    client: impl FnOnce() -> Result<ClientBuilder, Error>,
    watched: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(refusal) => return refuse(&refusal, out, err),
    };
    let (started, bar) = (Instant::now(), Bar::new(watched));
    let mut report = Report { dry_run: args.dry_run, ..Report::default() };
    let outcome = match connect(client) {
        Ok(delta) => load::run(&delta, &args, &bar, &mut report).await,
        Err(failure) => Err(failure),
    };
    bar.finish();
    report.took(started.elapsed());
    if let Err(failure) = &outcome {
        let _ = writeln!(err, "error: {failure}");
        report.failed(failure);
    }
    // Nobody may be left to read it, which changes nothing.
    let _ = serde_json::to_string(&report).map(|line| writeln!(out, "{line}"));
    outcome.map_or_else(|failure| failure.exit_code(), |()| 0)
}

/// Help goes to the output and is no failure; what cannot be used goes to the error with the usage.
fn refuse(refusal: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = refusal.render().to_string();
    let _ = match refusal.use_stderr() {
        true if text.contains("Usage:") => write!(err, "{text}"),
        true => write!(err, "{text}\n{}\n", Args::command().render_usage()),
        false => write!(out, "{text}").and_then(|()| out.flush()),
    };
    u8::try_from(refusal.exit_code()).unwrap_or(2)
}

/// The tables of the configuration's catalog and schema, else of `main.default`.
fn connect(client: impl FnOnce() -> Result<ClientBuilder, Error>) -> Result<DeltaClient, Failure> {
    let client = client()?.build()?;
    let config = client.config();
    let warehouse = config.warehouse_id().map(str::to_owned).ok_or(Failure::NoWarehouse)?;
    let (catalog, schema) = (config.catalog().unwrap_or("main"), config.schema().unwrap_or("default"));
    Ok(DeltaClient::new(&client, SqlClient::new(&client, warehouse), catalog, schema)?)
}
