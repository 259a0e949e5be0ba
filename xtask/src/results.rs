//! `cargo xtask results`: the bench of large results, with databricks-sql-connector reading beside.
//!
//! Not part of `cargo xtask ci`: it takes minutes, needs Python and fetches packages.

use crate::clients;
use crate::shell::{Outcome, cargo};

/// Runs the bench with the arguments it is given, such as `--pairs 5 --only "40 chunks"`.
pub(crate) fn run(args: &[&str]) -> Outcome {
    let (sea, kernel) = (clients::interpreter("sea")?, clients::interpreter("kernel")?);
    let (sea, kernel) = (sea.to_string_lossy().into_owned(), kernel.to_string_lossy().into_owned());
    let bench = ["bench", "--package", "databricks-sql", "--bench", "results", "--"];
    cargo(&[&bench[..], &["--sea", sea.as_str(), "--kernel", kernel.as_str()], args].concat())
}
