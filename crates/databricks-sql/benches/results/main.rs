//! How fast large results are read, beside the floor: a bare HTTP client that does nothing but fetch and decode.
//!
//! ```text
//! cargo bench -p databricks-sql --bench results -- [--pairs 15] [--only TEXT] [--floor-streams 8] [--no-quota]
//!     [--sea PYTHON] [--kernel PYTHON]
//! ```
//!
//! `--only` keeps the settings whose name contains a text; `--no-quota` takes our client's own rate limits away, which
//! shows what the download itself costs. `--sea` and `--kernel` name interpreters that have databricks-sql-connector,
//! over the Statement Execution API and over its kernel: they read beside the others. `cargo xtask results` makes them.
//!
//! For each setting a server runs in a process of its own, and each reading in another, so that the peak of resident
//! memory is the reader's alone. Readings of the two kinds take turns. Every row is checked once per setting before
//! anything is timed; timed readings check the number of rows and the sum of their ids.
//!
//! Then the round trips of small statements are counted.
//!
//! `read` and `serve` as the first argument are the processes that the bench starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod child;
mod flags;
mod floor;
mod ours;
mod reading;
mod report;
mod round_trips;
mod setting;

use flags::{Flags, Outcome};
use reading::Reader;
use setting::Setting;

fn main() -> Outcome<()> {
    // Cargo passes `--bench` of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("serve") => child::serve(&Setting::of_flags(&Flags::new(&words[1..]))?),
        Some("read") => child::read(&Flags::new(&words[1..])),
        _ => bench(&Flags::new(&words)),
    }
}

/// What the command line sets.
struct Options {
    pairs: usize,
    /// Of the floor.
    streams: usize,
    no_quota: bool,
    /// The interpreters that databricks-sql-connector is installed in.
    sea: Option<String>,
    kernel: Option<String>,
}

impl Options {
    fn python(&self, reader: Reader) -> Option<&str> {
        match reader {
            Reader::Floor | Reader::Ours => None,
            Reader::Sea => self.sea.as_deref(),
            Reader::Kernel => self.kernel.as_deref(),
        }
    }

    /// Who reads a setting. The floor repeats nothing, so that it reads nothing where requests fail.
    fn readers(&self, setting: &Setting) -> Vec<Reader> {
        let takes_part = |reader: &Reader| match reader {
            Reader::Floor => setting.fail == 0.0,
            Reader::Ours => true,
            Reader::Sea | Reader::Kernel => self.python(*reader).is_some(),
        };
        Reader::ALL.into_iter().filter(takes_part).collect()
    }
}

fn bench(flags: &Flags) -> Outcome<()> {
    let options = Options {
        pairs: flags.value("--pairs")?.unwrap_or(15),
        streams: flags.value("--floor-streams")?.unwrap_or(8),
        no_quota: flags.has("--no-quota"),
        sea: flags.value("--sea")?,
        kernel: flags.value("--kernel")?,
    };
    let only: String = flags.value("--only")?.unwrap_or_default();
    report::print_head();
    for setting in setting::all().iter().filter(|setting| setting.name.contains(&only)) {
        let server = child::Served::start(setting)?;
        child::run(&server.target(Reader::Ours, &options, true), &options)?;
        report::print(setting, &measure(&server, setting, &options)?);
        server.stop()?;
    }
    round_trips::print()
}

/// Readings in turns; who begins changes.
fn measure(server: &child::Served, setting: &Setting, options: &Options) -> Outcome<report::Measured> {
    let mut measured = report::Measured::default();
    for round in 0..options.pairs.min(setting.most_pairs) {
        let mut order = options.readers(setting);
        let first = round % order.len().max(1);
        order.rotate_left(first);
        for reader in order {
            server.take_stats()?;
            let reading = child::run(&server.target(reader, options, false), options)?;
            measured.push(reader, reading, server.take_stats()?);
        }
    }
    Ok(measured)
}
