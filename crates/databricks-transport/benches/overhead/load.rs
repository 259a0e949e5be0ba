//! The load: calls one after another, calls side by side, a download; and the processor time they take.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::clients::{Caller, Run};
use crate::server::LARGE;

/// A runtime of one thread: the client's work is then one thread's time, and the scheduler's choices are not measured.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The runtime that a program has by default: a worker for each core, and here the server beside them.
pub(crate) fn default_runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().unwrap()
}

/// The time of each call.
pub(crate) fn sequential<C: Caller>(runtime: &Runtime, caller: &C, calls: usize) -> Vec<Duration> {
    runtime.block_on(async {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            let run = caller.get_run().await;
            times.push(start.elapsed());
            check(&run);
        }
        times
    })
}

/// The time of all calls together, so many of them at once.
pub(crate) fn concurrent<C: Caller>(
    runtime: &Runtime,
    caller: &C,
    calls: usize,
    concurrency: usize,
) -> Duration {
    runtime.block_on(async {
        let mut workers = JoinSet::new();
        let start = Instant::now();
        for _ in 0..concurrency {
            let caller = caller.clone();
            workers.spawn(async move {
                for _ in 0..calls / concurrency {
                    check(&caller.get_run().await);
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended.unwrap();
        }
        start.elapsed()
    })
}

/// The time of one large answer.
pub(crate) fn download<C: Caller>(runtime: &Runtime, caller: &C) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        assert_eq!(caller.download().await, LARGE);
        start.elapsed()
    })
}

fn check(run: &Run) {
    assert_eq!((run.run_id, run.state.life_cycle_state.as_str()), (455_644_833, "RUNNING"));
    black_box(run);
}

/// The processor time that this thread has used, where the system tells (Linux).
pub(crate) fn thread_time() -> Option<Duration> {
    time_of(Path::new("/proc/thread-self"))
}

/// That of all threads, the server's among them.
pub(crate) fn process_time() -> Option<Duration> {
    fs::read_dir("/proc/self/task").ok()?.map(|thread| time_of(&thread.ok()?.path())).sum()
}

fn time_of(thread: &Path) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The client whose calls alone are wanted, if the command line says `calls` and its name.
pub(crate) fn profiled(arguments: impl Iterator<Item = String>) -> Option<String> {
    let words: Vec<_> = arguments.filter(|argument| !argument.starts_with("--")).collect();
    match words.as_slice() {
        [mode, client] if mode == "calls" => Some(client.clone()),
        _ => None,
    }
}
