//! The command line.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use databricks_schema::TableSchema;

/// Loads CSV, JSON and Parquet files into a Delta table, all rows in one commit.
#[derive(Debug, Parser)]
#[command(name = "bulk_load", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// A file, or a folder of files. In folders, files whose names begin with `.` or `_` are passed over.
    pub(crate) path: PathBuf,

    /// The table: `t`, `schema.t` or `catalog.schema.t`. It is created if it is missing.
    pub(crate) table: String,

    /// What is done with the rows that are in the table; `append` when it is not said.
    #[arg(long, value_enum, conflicts_with_all = ["replace_where", "replace_using", "merge_on"])]
    pub(crate) mode: Option<Mode>,

    /// Replaces the rows for which this SQL condition holds. All rows of the files must fulfil it.
    #[arg(long, value_name = "CONDITION", conflicts_with_all = ["replace_using", "merge_on"])]
    pub(crate) replace_where: Option<String>,

    /// Replaces the rows that agree with a row of the files in these columns.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with_all = ["merge_on", "key"])]
    pub(crate) replace_using: Vec<String>,

    /// Updates the rows that agree with a row of the files in these columns, and inserts the others.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "partition_by")]
    pub(crate) merge_on: Vec<String>,

    /// The name of this load. A second run with the same key changes nothing, however the first one ended.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// Reads and checks everything, writes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Partitions a table that is created by these columns.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) partition_by: Vec<String>,

    /// What is done with columns that not all files have, or that the table lacks.
    #[arg(long, value_enum, default_value_t = Schema::Strict)]
    pub(crate) schema: Schema,

    /// The types of columns, as in CREATE TABLE; without a header line their names, too. The table's types are taken for
    /// the others, and what the values look like where there is no table.
    #[arg(long, value_name = "`NAME TYPE, ..`", value_parser = TableSchema::parse)]
    pub(crate) columns: Option<TableSchema>,

    /// How files are read; by their names unless it is said.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// What stands between the fields of a CSV file: one character, or `tab`.
    #[arg(long, value_name = "CHARACTER", value_parser = parse_delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// CSV files begin with a row, not with names: columns are those of --columns, else `_c0`, `_c1` and so on.
    #[arg(long)]
    pub(crate) no_header: bool,

    /// CSV fields of this text are NULL. Empty ones always are.
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Option<String>,

    /// Rows of each file that decide on types and names. All values are checked when they are read.
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub(crate) sample: u64,

    /// Rows of a staged Parquet file. Runs of one key must agree on it.
    #[arg(long, value_name = "ROWS", default_value_t = 100_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) part_rows: usize,
}

const AFTER_HELP: &str = "\
The workspace, the credential, the warehouse, the catalog and the schema come from the environment (DATABRICKS_HOST,
DATABRICKS_TOKEN, DATABRICKS_WAREHOUSE_ID and so on) or from a profile. Names that end in .csv, .tsv, .json, .jsonl,
.ndjson and .parquet are known, .gz may follow. JSON files hold objects one after the other, or in an array. One line of
JSON on the standard output ends the run.

Exit codes: 0 the table has all rows, 1 something failed, 2 the arguments cannot be used.";

/// What is done with the rows that are in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// They stay.
    Append,
    /// They go.
    Overwrite,
    /// There must be no such table.
    ErrorIfExists,
}

/// What is done with columns that not all files have, or that the table lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    /// They are an error.
    Strict,
    /// Files are united by the names of their columns, and the table gets what it lacks.
    Evolve,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Fields between delimiters.
    Csv,
    /// Objects, one after the other or in an array.
    Json,
    /// Apache Parquet.
    Parquet,
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [b'"' | b'\r' | b'\n'] => Err("quotes and line ends have another meaning in CSV".to_owned()),
        [delimiter] if delimiter.is_ascii() => Ok(*delimiter),
        _ => Err("it is one ASCII character, or `tab`".to_owned()),
    }
}
