//! The table: each client's figures by rounds, and how they compare within a round.

use std::time::Duration;

use tokio::runtime::Runtime;

use crate::clients::{Bare, Caller, Stack};
use crate::load;
use crate::server::{LARGE, Server};
use crate::{BATCH, CONCURRENCY};

const ROUNDS: usize = 21;
/// Calls that open connections and warm caches; not measured.
const WARM_UP: usize = 500;

/// Whether the command line asks for it: in a real run, and with no filter that names something else.
pub(crate) fn is_wanted(arguments: impl Iterator<Item = String>) -> bool {
    let (flags, filters): (Vec<_>, Vec<_>) = arguments.partition(|argument| argument.starts_with("--"));
    flags == ["--bench"] && filters.iter().all(|filter| filter == "table")
}

/// What one client did in one round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    p50: f64,
    p99: f64,
    /// Processor time for a call: one after another, and many at once.
    cpu_alone: f64,
    cpu_loaded: f64,
    calls_per_second: f64,
    bytes_per_second: f64,
}

/// Measures and prints, on one thread and on tokio's default runtime.
pub(crate) fn print() {
    print_on("the client on one thread, cpu of that thread", &load::runtime(), load::thread_time);
    print_on("the client on the default runtime, cpu of all", &load::default_runtime(), load::process_time);
}

/// How much processor time has been used so far, by those that are counted.
type Cpu = fn() -> Option<Duration>;

fn print_on(place: &str, runtime: &Runtime, cpu: Cpu) {
    let server = Server::start();
    let (bare, unlimited, limited) = (Bare::new(&server), Stack::unlimited(&server), Stack::limited(&server));
    warm_up(runtime, &bare);
    warm_up(runtime, &unlimited);
    warm_up(runtime, &limited);
    let rounds: Vec<[Sample; 3]> = (0..ROUNDS)
        .map(|_| {
            let bare = sample(runtime, cpu, &bare);
            [bare, sample(runtime, cpu, &unlimited), sample(runtime, cpu, &limited)]
        })
        .collect();
    show(place, &rounds, [bare.name(), unlimited.name(), limited.name()]);
}

fn warm_up<C: Caller>(runtime: &Runtime, caller: &C) {
    load::sequential(runtime, caller, WARM_UP);
    load::concurrent(runtime, caller, BATCH, CONCURRENCY);
}

fn sample<C: Caller>(runtime: &Runtime, cpu: Cpu, caller: &C) -> Sample {
    let (mut times, cpu_alone) = timed(cpu, || load::sequential(runtime, caller, BATCH));
    times.sort_unstable();
    let (together, cpu_loaded) = timed(cpu, || load::concurrent(runtime, caller, BATCH, CONCURRENCY));
    let calls = BATCH / CONCURRENCY * CONCURRENCY;
    Sample {
        p50: micros(times[times.len() / 2]),
        p99: micros(times[times.len() * 99 / 100]),
        cpu_alone: cpu_alone / BATCH as f64,
        cpu_loaded: cpu_loaded / calls as f64,
        calls_per_second: calls as f64 / together.as_secs_f64(),
        bytes_per_second: LARGE as f64 / load::download(runtime, caller).as_secs_f64(),
    }
}

/// The result, and the processor time it took in microseconds; NaN where the system does not tell.
fn timed<T>(cpu: Cpu, work: impl FnOnce() -> T) -> (T, f64) {
    let before = cpu();
    let result = work();
    let spent = cpu().zip(before).map(|(after, before)| after - before);
    (result, spent.map_or(f64::NAN, micros))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

type Column = (&'static str, fn(&Sample) -> f64);

const COLUMNS: [Column; 6] = [
    ("p50 us", |sample| sample.p50),
    ("p99 us", |sample| sample.p99),
    ("cpu us/call", |sample| sample.cpu_alone),
    ("cpu us/call x64", |sample| sample.cpu_loaded),
    ("calls/s x64", |sample| sample.calls_per_second),
    ("MB/s", |sample| sample.bytes_per_second / 1e6),
];

/// Absolute figures as medians over the rounds; differences and ratios to the first client as medians of those within
/// each round.
fn show(place: &str, rounds: &[[Sample; 3]], names: [&str; 3]) {
    println!(
        "\n{place}: {ROUNDS} rounds of {BATCH} calls alone, {BATCH} calls {CONCURRENCY} at a time, one download"
    );
    row("", COLUMNS.map(|(name, _)| name.to_owned()));
    for (number, name) in names.into_iter().enumerate() {
        row(name, COLUMNS.map(|(_, of)| format!("{:.1}", median(rounds.iter().map(|all| of(&all[number]))))));
    }
    for (number, name) in names.into_iter().enumerate().skip(1) {
        let compared = |compare: fn(f64, f64) -> f64| {
            COLUMNS.map(|(_, of)| median(rounds.iter().map(|all| compare(of(&all[number]), of(&all[0])))))
        };
        row(&format!("{name}: more"), compared(|ours, bare| ours - bare).map(|value| format!("{value:+.1}")));
        row(&format!("{name}: ratio"), compared(|ours, bare| ours / bare).map(|value| format!("{value:.3}")));
    }
}

fn row(name: &str, cells: [String; COLUMNS.len()]) {
    let cells: String = cells.iter().map(|cell| format!("{cell:>17}")).collect();
    println!("{name:<24}{cells}");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
