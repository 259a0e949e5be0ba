//! The program: arguments in, rows and a report out. Everything it touches is passed to it, so that tests can run it.

mod args;
mod bar;
mod cell;
mod count;
mod output;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use databricks_sql::{BatchStream, ProgressStream, SqlClient, SqlError, Statement, StatementId};
use databricks_transport::{ClientBuilder, Error};
use futures::TryStreamExt;
use serde::Serialize;

use args::{Args, Marker};
use bar::Bar;
use count::Counts;

/// What telling the server that nobody reads on may take.
const CANCEL_TIME: Duration = Duration::from_secs(5);

/// Why there are not all rows.
#[derive(Debug)]
enum Failure {
    Sql(SqlError),
    Transport(Error),
    NoWarehouse,
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(error) => write_with_sources(f, error),
            Self::Transport(error) => write_with_sources(f, error),
            Self::NoWarehouse => f.write_str(
                "no warehouse is configured: set DATABRICKS_WAREHOUSE_ID, or `warehouse_id` in the profile",
            ),
            Self::Output(error) => write!(f, "cannot write the rows: {error}"),
        }
    }
}

fn write_with_sources(f: &mut fmt::Formatter<'_>, error: &dyn std::error::Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The line at the end.
#[derive(Debug, Default, Serialize)]
struct Report {
    rows: u64,
    batches: u64,
    bytes_compressed: u64,
    bytes_decoded: u64,
    seconds: f64,
    statement_id: Option<String>,
    requests: u64,
    retries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Explained>,
}

/// A failure in the report.
#[derive(Debug, Serialize)]
struct Explained {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
}

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
    let (counts, started) = (Counts::default(), Instant::now());
    let mut report = Report::default();
    let outcome = match connect(client, &counts) {
        Ok(sql) => read(&sql, &args, watched, out, &mut report).await,
        Err(failure) => Err(failure),
    };
    report.seconds = started.elapsed().as_secs_f64();
    (report.requests, report.retries) = (counts.requests(), counts.retries());
    let code = match outcome {
        Ok(()) => 0,
        Err(failure) => tell(&failure, &mut report, err),
    };
    // Nobody may be left to read it, which changes nothing.
    let _ = serde_json::to_string(&report).map(|line| writeln!(err, "{line}"));
    code
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

/// Explains a failure; the exit code.
fn tell(failure: &Failure, report: &mut Report, err: &mut dyn Write) -> u8 {
    let _ = writeln!(err, "error: {failure}");
    let mut explained = Explained {
        message: failure.to_string(),
        error_class: None,
        sql_state: None,
        line: None,
        column: None,
    };
    let mut code = 1;
    if let Failure::Sql(error) = failure {
        explained.error_class = error.error_class().map(str::to_owned);
        explained.sql_state = error.sql_state().map(str::to_owned);
        explained.line = error.position().map(|position| position.line);
        explained.column = error.position().map(|position| position.column);
        report.statement_id = report.statement_id.take().or(error.statement_id().map(StatementId::to_string));
        if matches!(error, SqlError::InvalidStatement { .. }) {
            code = 2;
            let _ = writeln!(err, "\n{}", Args::command().render_usage());
        }
    }
    report.error = Some(explained);
    code
}

fn connect(
    client: impl FnOnce() -> Result<ClientBuilder, Error>,
    counts: &Counts,
) -> Result<SqlClient, Failure> {
    let client = counts.count(client().map_err(Failure::Transport)?).build().map_err(Failure::Transport)?;
    let warehouse = client.config().warehouse_id().map(str::to_owned).ok_or(Failure::NoWarehouse)?;
    Ok(SqlClient::new(&client, warehouse))
}

fn statement(sql: &SqlClient, args: &Args) -> Statement {
    let statement = sql.statement(args.statement.as_str());
    let statement = args.params.iter().fold(statement, |statement, bound| match &bound.marker {
        Marker::Name(name) => statement.param(name.as_str(), bound.param.clone()),
        Marker::Next => statement.positional(bound.param.clone()),
    });
    let statement = match args.budget_mib {
        Some(mebibytes) => statement.prefetch_bytes(mebibytes.saturating_mul(1024 * 1024)),
        None => statement,
    };
    if args.inline { statement.inline() } else { statement }
}

/// Runs the statement and writes its rows; the report gets what was read, whatever the end.
async fn read(
    sql: &SqlClient,
    args: &Args,
    watched: bool,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut statement = statement(sql, args);
    let progress = statement.progress();
    let bar = Bar::new(statement.progress(), watched);
    let outcome = match statement.batches().await {
        Ok(batches) => {
            report.statement_id = Some(batches.statement_id().to_string());
            let id = batches.statement_id().clone();
            let outcome = write_rows(batches, args, &bar, out).await;
            if let Err(Failure::Output(_)) = outcome {
                let _ = tokio::time::timeout(CANCEL_TIME, sql.cancel(&id)).await;
            }
            outcome
        }
        Err(error) => Err(error.into()),
    };
    bar.finish();
    note(&progress, report);
    outcome
}

fn note(progress: &ProgressStream, report: &mut Report) {
    let last = progress.latest();
    (report.rows, report.batches) = (last.rows, last.batches);
    (report.bytes_compressed, report.bytes_decoded) = (last.bytes_compressed, last.bytes_decoded);
}

async fn write_rows(
    mut batches: BatchStream,
    args: &Args,
    bar: &Bar,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut output = output::open(args.format, &batches.schema(), out)?;
    while let Some(batch) = batches.try_next().await? {
        bar.above(|| output.batch(&batch))?;
    }
    bar.above(|| output.end())?;
    Ok(())
}
