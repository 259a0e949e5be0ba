//! How fast large results are read, beside the floor: a bare HTTP client that does nothing but fetch and decode.
//!
//! ```text
//! cargo bench -p databricks-sql --bench results -- [--pairs 15] [--only TEXT] [--floor-streams 8] [--no-quota]
//! ```
//!
//! `--only` keeps the settings whose name contains a text; `--no-quota` takes our client's own rate limits away, which
//! shows what the download itself costs.
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
}

fn bench(flags: &Flags) -> Outcome<()> {
    let options = Options {
        pairs: flags.value("--pairs")?.unwrap_or(15),
        streams: flags.value("--floor-streams")?.unwrap_or(8),
        no_quota: flags.has("--no-quota"),
    };
    let only: String = flags.value("--only")?.unwrap_or_default();
    report::print_head();
    for setting in setting::all().iter().filter(|setting| setting.name.contains(&only)) {
        let server = child::Served::start(setting)?;
        child::run(&server.target(Reader::Ours, &options, true))?;
        report::print(setting, &measure(&server, setting, &options)?);
        server.stop()?;
    }
    round_trips::print()
}

/// Readings of the floor, where it can read at all, and of ours, in turns; who begins changes.
fn measure(server: &child::Served, setting: &Setting, options: &Options) -> Outcome<report::Measured> {
    let mut measured = report::Measured::default();
    for pair in 0..options.pairs.min(setting.most_pairs) {
        let mut order = [Reader::Floor, Reader::Ours];
        order.rotate_left(pair % 2);
        for reader in order {
            if reader == Reader::Floor && setting.fail > 0.0 {
                continue;
            }
            server.take_stats()?;
            let reading = child::run(&server.target(reader, options, false))?;
            measured.push(reader, reading, server.take_stats()?);
        }
    }
    Ok(measured)
}
