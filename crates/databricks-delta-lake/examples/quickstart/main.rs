//! The main job, end to end: a table is created, loaded in parallel, merged into, widened by a column, optimized,
//! read now and as it was, and its history shown. Runs on a workspace on this machine, or on a real one.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

mod args;
mod dataset;
mod input;
mod place;
mod show;
mod steps;

use std::{error::Error, fmt, process::ExitCode, time::Instant};

use clap::Parser;

use crate::{args::Args, dataset::Dataset, place::Place, steps::Job};

/// Why the program stopped: one message that says what and where.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure with a message of its own.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any error, with the chain of its causes: an error's own text does not repeat its source.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            let text = source.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = source.source();
        }
        Self(message)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    let (name, rows) = input::read(args.input.as_deref())?;
    let mut dataset = Dataset::new(name, rows, args.key.as_deref())?;
    if let Some(rows) = args.rows {
        dataset = dataset.with_rows(rows)?;
    }
    let place = Place::find(&args.data).await?;
    let run_key = args.run_key();
    let outcome = Job::new(&place, &dataset, &args.table_name(&run_key), &run_key)?.run().await;
    place.close().await;
    outcome?;
    println!("\nDone in {}.", show::duration(started.elapsed()));
    Ok(())
}
