//! What a turn costs when nobody waits for one: the limiter's share of every attempt, beside governor's bare check.
//!
//! `cargo bench -p databricks-transport --bench limiter`. Rates are the fastest there are, and the burst is more than a
//! run takes, so nothing ever waits.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use databricks_transport::{Rate, RateLimiter};
use governor::{Quota, RateLimiter as Governor};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant as Deadline;

const FASTEST: u32 = 1_000_000;

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = uncontended
}
criterion_main!(benches);

fn uncontended(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let limiter = RateLimiter::new(Rate::per_second(f64::from(FASTEST)).with_burst(u32::MAX));
    let deadline = runtime.block_on(async { Deadline::now() + Duration::from_secs(3600) });
    let mut group = criterion.benchmark_group("limiter");
    group.bench_function("acquire", |bencher| {
        bencher.iter_custom(|turns| turns_one_by_one(&runtime, &limiter, None, turns));
    });
    group.bench_function("acquire by a deadline", |bencher| {
        bencher.iter_custom(|turns| turns_one_by_one(&runtime, &limiter, Some(deadline), turns));
    });
    group.bench_function("acquire and served", |bencher| {
        bencher.iter_custom(|turns| calls_one_by_one(&runtime, &limiter, turns));
    });
    let governor = Governor::direct(fastest_quota());
    group.bench_function("governor's check", |bencher| bencher.iter(|| black_box(governor.check()).unwrap()));
    group.finish();
}

fn fastest_quota() -> Quota {
    Quota::per_second(NonZeroU32::new(FASTEST).unwrap()).allow_burst(NonZeroU32::MAX)
}

fn turns_one_by_one(
    runtime: &Runtime,
    limiter: &RateLimiter,
    deadline: Option<Deadline>,
    turns: u64,
) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..turns {
            drop(black_box(limiter.acquire(deadline).await.unwrap()));
        }
        start.elapsed()
    })
}

/// With the word to the limiter about the answer: what a call that is not throttled spends on it.
fn calls_one_by_one(runtime: &Runtime, limiter: &RateLimiter, calls: u64) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..calls {
            limiter.acquire(None).await.unwrap().served();
        }
        start.elapsed()
    })
}
