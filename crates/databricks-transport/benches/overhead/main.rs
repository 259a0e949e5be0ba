//! What a call through the whole stack costs beside the same call through hyper-util alone: one server, one thread for
//! the client, the same bytes on the wire, the same answer decoded.
//!
//! `cargo bench -p databricks-transport --bench overhead` runs three criterion groups and prints a table; with
//! `-- table` it prints the table alone, which is what to quote: its rounds alternate between the clients and its
//! ratios are taken within a round, so a busy machine slows all of them down alike. `-- calls hyper-util` and
//! `-- calls stack` make calls through one client and print nothing: for a profiler that counts, such as
//! `valgrind --tool=callgrind --separate-threads=yes`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod load;
mod server;
mod table;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, measurement::WallTime};
use tokio::runtime::Runtime;

use clients::{Bare, Caller, Stack};
use server::Server;

/// Calls in a batch, and how many of them are under way together.
const BATCH: usize = 2_000;
const CONCURRENCY: usize = 64;
/// Batches for a profiler.
const PROFILED: usize = 5;

fn main() {
    if let Some(client) = load::profiled(std::env::args().skip(1)) {
        return make_calls(&client);
    }
    overhead();
    Criterion::default().configure_from_args().final_summary();
    if table::is_wanted(std::env::args().skip(1)) {
        table::print();
    }
}

/// Calls through one client only, many at once.
fn make_calls(client: &str) {
    let (runtime, server) = (load::runtime(), Server::start());
    match client {
        "hyper-util" => make_batches(&runtime, &Bare::new(&server)),
        "stack" => make_batches(&runtime, &Stack::limited(&server)),
        other => eprintln!("no client is called `{other}`: hyper-util or stack"),
    }
}

fn make_batches<C: Caller>(runtime: &Runtime, caller: &C) {
    for _ in 0..PROFILED {
        black_box(load::concurrent(runtime, caller, BATCH, CONCURRENCY));
    }
}

criterion_group! {
    name = overhead;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).without_plots();
    targets = latency, throughput, download
}

/// One call after another.
fn latency(criterion: &mut Criterion) {
    let (runtime, server) = (load::runtime(), Server::start());
    let mut group = criterion.benchmark_group("latency");
    one_by_one(&mut group, &runtime, &Bare::new(&server));
    one_by_one(&mut group, &runtime, &Stack::unlimited(&server));
    one_by_one(&mut group, &runtime, &Stack::limited(&server));
    group.finish();
}

fn one_by_one<C: Caller>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, caller: &C) {
    group.bench_function(caller.name(), |bencher| {
        bencher.iter_custom(|calls| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..calls {
                    black_box(caller.get_run().await);
                }
                start.elapsed()
            })
        });
    });
}

/// Batches of calls, 64 at a time.
fn throughput(criterion: &mut Criterion) {
    let (runtime, server) = (load::runtime(), Server::start());
    let mut group = criterion.benchmark_group("throughput");
    group.throughput(Throughput::Elements(BATCH as u64));
    many_at_once(&mut group, &runtime, &Bare::new(&server));
    many_at_once(&mut group, &runtime, &Stack::unlimited(&server));
    many_at_once(&mut group, &runtime, &Stack::limited(&server));
    group.finish();
}

fn many_at_once<C: Caller>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, caller: &C) {
    group.bench_function(caller.name(), |bencher| {
        bencher.iter_custom(|batches| {
            (0..batches).map(|_| load::concurrent(runtime, caller, BATCH, CONCURRENCY)).sum()
        });
    });
}

/// A large body, streamed: the stack of storage links.
fn download(criterion: &mut Criterion) {
    let (runtime, server) = (load::runtime(), Server::start());
    let mut group = criterion.benchmark_group("download");
    group.throughput(Throughput::Bytes(server::LARGE as u64));
    streamed(&mut group, &runtime, &Bare::new(&server));
    streamed(&mut group, &runtime, &Stack::unlimited(&server));
    group.finish();
}

fn streamed<C: Caller>(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, caller: &C) {
    group.bench_function(caller.name(), |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| load::download(runtime, caller)).sum());
    });
}
