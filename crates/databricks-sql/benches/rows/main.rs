//! What reading rows into structs costs, beside a hand-written loop over the same Arrow arrays.
//!
//! ```text
//! cargo bench -p databricks-sql --bench rows -- [--rows 1000000] [--rounds 9]
//! ```
//!
//! One thread, ten columns of ten types, batches in memory. The readers take turns, and who begins changes; a row of the
//! table is the median of a reader's rounds. Allocations are counted in a round of their own. The stream is the whole
//! client: `.rows()` of a statement whose files are answered in the process, and decoded on a thread of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod leaf;
mod readers;

use std::time::{Duration, Instant};

use readers::{READERS, Reader, Source};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        Some(words.get(at + 1)?.parse::<u64>().expect("a number"))
    };
    let (rows, rounds) = (value("--rows").unwrap_or(1_000_000), value("--rounds").unwrap_or(9) as usize);
    let source = Source::new(rows);
    let mut times = vec![Vec::new(); READERS.len()];
    for round in 0..rounds {
        for step in 0..READERS.len() {
            let at = (step + round) % READERS.len();
            let begun = Instant::now();
            let read = (READERS[at].read)(&source);
            times[at].push(begun.elapsed());
            assert_eq!(read, (rows, source.checksum), "{}", READERS[at].name);
        }
    }
    print(&source, rows, times);
}

fn print(source: &Source, rows: u64, times: Vec<Vec<Duration>>) {
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    println!("{rows} rows of 10 columns, one thread");
    println!("| reader | ns a row | million rows/s | x by hand | allocations a row |");
    println!("|---|---|---|---|---|");
    for (Reader { name, read, beside, counted }, median) in READERS.iter().zip(&medians) {
        let ns = median.as_nanos() as f64 / rows as f64;
        let by_hand = medians[*beside].as_nanos() as f64 / rows as f64;
        let allocations = match counted {
            true => {
                let counted = allocation_counter::measure(|| {
                    read(source);
                });
                format!("{:.2}", counted.count_total as f64 / rows as f64)
            }
            false => "-".to_owned(),
        };
        println!("| {name} | {ns:.0} | {:.2} | {:.2} | {allocations} |", 1e3 / ns, ns / by_hand);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
