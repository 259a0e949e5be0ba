//! The command line.

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use databricks_sql::Param;

/// Runs one SQL statement and writes its rows to the standard output.
#[derive(Debug, Parser)]
#[command(name = "sql", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The statement: one, without a closing semicolon.
    #[arg(allow_hyphen_values = true)]
    pub(crate) statement: String,

    /// A parameter: `day=DATE:2026-01-01` for `:day`, `?=INT:7` for the next `?`, `day=DATE` for NULL. May be repeated.
    #[arg(long = "param", value_name = "NAME=TYPE:VALUE", value_parser = parse_param)]
    pub(crate) params: Vec<Bound>,

    /// How rows are written.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,

    /// The most memory that chunks of the result take before their turn, in MiB; 64 when it is not said.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub(crate) budget_mib: Option<u64>,

    /// Let the rows come inside the answer instead of behind links: faster for small results, at most 25 MiB.
    #[arg(long)]
    pub(crate) inline: bool,
}

const AFTER_HELP: &str = "\
The workspace, the credential and the warehouse come from the environment (DATABRICKS_HOST, DATABRICKS_TOKEN,
DATABRICKS_WAREHOUSE_ID and so on) or from a profile. One line of JSON on the standard error ends the run.

Exit codes: 0 all rows were written, 1 something failed, 2 the arguments cannot be used.";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One object a line; decimals, dates, timestamps and intervals as text, bytes as base64.
    Json,
    /// Comma-separated with a header; NULL is empty.
    Csv,
    /// For eyes.
    Table,
    /// An Arrow IPC stream.
    Arrow,
    /// Read and not written.
    None,
}

/// A value and the marker that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) marker: Marker,
    pub(crate) param: Param,
}

/// What a value stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// `:name`
    Name(String),
    /// The next `?`.
    Next,
}

fn parse_param(text: &str) -> Result<Bound, String> {
    let example = "write name=TYPE:value, such as day=DATE:2026-01-01, or name=TYPE for NULL";
    let (name, typed) = text.split_once('=').ok_or_else(|| format!("it has no `=`; {example}"))?;
    if name.is_empty() {
        return Err(format!("it has no name; {example}"));
    }
    let (sql_type, value) = match typed.split_once(':') {
        Some((sql_type, value)) => (sql_type, Some(value)),
        None => (typed, None),
    };
    if sql_type.trim().is_empty() {
        return Err(format!("it has no type; {example}"));
    }
    let param = value.map_or_else(|| Param::null(sql_type), |value| Param::typed(sql_type, value));
    let marker = if name == "?" { Marker::Next } else { Marker::Name(name.to_owned()) };
    Ok(Bound { marker, param })
}
