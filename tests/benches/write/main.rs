//! How fast rows get into a table, beside the floor: bare Parquet writers on the same cores and one delta-rs commit.
//!
//! ```text
//! cargo bench -p databricks-tests --bench write -- [--rows 2000000] [--pairs 5] [--batch-size 250000]
//! ```
//!
//! "ours" goes the whole way: parts are encoded, uploaded to the staging volume of a local workspace and committed there
//! by its COPY INTO. "floor" writes as many files by `parquet::ArrowWriter` into a folder, one thread a core, and commits
//! them. Both compress by Snappy. Each run is a process of its own, so that the peak of resident memory is its alone; the
//! two take turns. Then ten times the rows, for the peak alone, and the same rows as values of a serde type.
//!
//! `ours`, `serde` and `floor` as the first argument are the processes that the bench starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod data;
mod floor;
mod ours;

use std::process::Command;
use std::time::Duration;

/// What one process does.
#[derive(Clone, Copy, Debug)]
struct Setting {
    rows: usize,
    batch_size: usize,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
struct Reading {
    seconds: f64,
    /// The peak of resident memory.
    mebibytes: f64,
}

fn main() {
    // Cargo passes `--bench` of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let value = |name: &str, default: usize| {
        let at = words.iter().position(|word| word == name);
        at.map_or(default, |at| words[at + 1].parse().expect("a number"))
    };
    let setting = Setting { rows: value("--rows", 2_000_000), batch_size: value("--batch-size", 250_000) };
    let took = match words.first().map(String::as_str) {
        Some("ours") => ours::write(setting),
        Some("serde") => ours::write_values(setting),
        Some("floor") => floor::write(setting),
        _ => return bench(setting, value("--pairs", 5)),
    };
    println!("{} {}", took.as_secs_f64(), peak());
}

fn bench(setting: Setting, pairs: usize) {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        floor.push(run("floor", setting));
        ours.push(run("ours", setting));
    }
    let rate = |reading: Reading| setting.rows as f64 / reading.seconds / 1e6;
    let (ours, floor) = (median(ours), median(floor));
    println!("{} rows, parts of {}; medians of {pairs}", setting.rows, setting.batch_size);
    println!("floor  {:5.2} s  {:5.2} M rows/s  {:6.0} MiB", floor.seconds, rate(floor), floor.mebibytes);
    println!("ours   {:5.2} s  {:5.2} M rows/s  {:6.0} MiB", ours.seconds, rate(ours), ours.mebibytes);
    println!("speed of ours to the floor's: {:.2}", floor.seconds / ours.seconds);
    let serde = run("serde", setting);
    println!("serde  {:5.2} s  {:5.2} M rows/s  {:6.0} MiB", serde.seconds, rate(serde), serde.mebibytes);
    let more = Setting { rows: setting.rows * 10, ..setting };
    let tenfold = run("ours", more);
    println!("ten times the rows: {:5.2} s  {:6.0} MiB", tenfold.seconds, tenfold.mebibytes);
}

fn run(what: &str, setting: Setting) -> Reading {
    let Setting { rows, batch_size } = setting;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([what, "--rows", &rows.to_string(), "--batch-size", &batch_size.to_string()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    Reading { seconds: numbers[0], mebibytes: numbers[1] }
}

fn median(mut readings: Vec<Reading>) -> Reading {
    readings.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    readings[readings.len() / 2]
}

/// The peak of this process' resident memory, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) / 1024.0
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = std::time::Instant::now();
    let done = work();
    (begun.elapsed(), done)
}
