//! Thirteen programs at one table: eight append, four merge on keys that overlap, one optimizes. Another engine
//! rewrites rows of it behind the workspace's back, so that commits conflict, and answers get lost on the way. Afterwards the table
//! holds what the calls imply whose success was told, and nothing else.
//!
//! `EXHAUSTIVE_FAULTS=1` lets them work for a minute.

mod model;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError, Resumed};
use databricks_delta_lake::schema::{TableName, TableSchema};
use databricks_delta_lake::transport::{Body, Client, Error};
use databricks_local::LocalWorkspace;
use databricks_testkit::{Fault, FaultLayer, FaultRule, Faults};
use deltalake::kernel::transaction::CommitProperties;
use futures::future::join_all;
use futures::{TryStreamExt, stream};
use http::{Method, Response, StatusCode};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tower::util::AndThenLayer;

use self::model::{Call, End, Row, violations};
use crate::reader;

const APPENDERS: usize = 8;
const MERGERS: usize = 4;
/// How often a call of unknown end is run again under its key.
const RERUNS: usize = 20;
/// Bytes of an answer that is looked through for conflicts.
const ANSWER: usize = 64 << 20;
const STACK: usize = 32 << 20;

/// How long the programs work.
#[derive(Clone, Copy, Debug)]
enum Effort {
    Rounds(i64),
    Lasting(Duration),
}

impl Effort {
    /// The short form, or a minute.
    fn new(rounds: i64) -> Self {
        match std::env::var_os("EXHAUSTIVE_FAULTS") {
            Some(_) => Self::Lasting(Duration::from_secs(60)),
            None => Self::Rounds(rounds),
        }
    }

    fn goes_on(self, round: i64, begun: Instant) -> bool {
        match self {
            Self::Rounds(rounds) => round < rounds,
            Self::Lasting(time) => begun.elapsed() < time,
        }
    }
}

/// A workspace with the table, its network, and the conflicts that were seen on it.
#[derive(Clone)]
struct World {
    workspace: LocalWorkspace,
    faults: Faults,
    conflicts: Arc<AtomicU64>,
    /// Calls that have ended.
    calls: Arc<AtomicU64>,
    /// Held by who optimizes. Of two engines that do so at once, delta-rs lets both put their new files beside each
    /// other's.
    optimizing: Arc<Mutex<()>>,
}

impl World {
    async fn new(folder: &Path, faults: Faults) -> Self {
        let workspace = LocalWorkspace::open(folder).unwrap();
        let (conflicts, calls, optimizing) = Default::default();
        let world = Self { workspace, faults, conflicts, calls, optimizing };
        let columns = TableSchema::parse("writer STRING, number BIGINT, n BIGINT").unwrap();
        world.delta(false).create_table("ledger", columns).send().await.unwrap();
        world
    }

    /// A client as a program of its own has it.
    fn delta(&self, with_faults: bool) -> DeltaClient {
        let conflicts = Arc::clone(&self.conflicts);
        let count = AndThenLayer::new(move |answer| counted(answer, Arc::clone(&conflicts)));
        let builder = Client::builder(self.workspace.config().unwrap()).leaf(self.workspace.service());
        let builder = builder.leaf_layer(count);
        let builder = match with_faults {
            true => builder.leaf_layer(FaultLayer::new(self.faults.clone())),
            false => builder,
        };
        DatabricksClient::from_transport(builder.build().unwrap()).delta("main", "default").unwrap()
    }

    /// Waits until another call has ended, or there are no others any more.
    async fn progress(&self, others: &AtomicU64) {
        let before = self.calls.load(Ordering::Relaxed);
        while self.calls.load(Ordering::Relaxed) == before && others.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn table_path(&self) -> std::path::PathBuf {
        self.workspace.table_path(&TableName::new("main", "default", "ledger").unwrap()).unwrap()
    }
}

/// Passes an answer on, and counts it when it tells of a conflict.
async fn counted(answer: Response<Body>, conflicts: Arc<AtomicU64>) -> Result<Response<Body>, Error> {
    let (head, body) = answer.into_parts();
    let body = body.collect(ANSWER).await?;
    if body.windows(CONFLICT.len()).any(|part| part == CONFLICT) {
        conflicts.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

const CONFLICT: &[u8] = b"[DELTA_CONCURRENT_";

#[derive(Serialize)]
struct Entry {
    writer: String,
    number: i64,
    n: i64,
}

fn entries(call: &Call) -> Vec<Entry> {
    call.rows().into_iter().map(|(writer, number, n)| Entry { writer, number, n }).collect()
}

fn batch(call: &Call) -> RecordBatch {
    let rows = call.rows();
    let number = |value: fn(&Row) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(value)))
    };
    let writers: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0)));
    RecordBatch::try_from_iter([
        ("writer", writers),
        ("number", number(|row| row.1)),
        ("n", number(|row| row.2)),
    ])
    .unwrap()
}

/// A program that changes rows, with a key for each call or without.
struct Program {
    delta: DeltaClient,
    ended: Arc<AtomicU64>,
    name: String,
    keyed: bool,
    staged: bool,
}

impl Program {
    async fn work(self, effort: Effort, begun: Instant, call: fn(String, i64) -> Call) -> Vec<(Call, End)> {
        let mut calls = Vec::new();
        for round in 0.. {
            if !effort.goes_on(round, begun) {
                break;
            }
            let call = call(self.name.clone(), round);
            let end = self.run(&call, round).await;
            calls.push((call, end));
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        calls
    }

    /// Runs a call until its end is known, as far as its kind lets know it.
    async fn run(&self, call: &Call, round: i64) -> End {
        let key = self.keyed.then(|| format!("{} {round}", self.name));
        let mut was_unknown = false;
        for _ in 0..RERUNS {
            let error = match self.once(call, key.clone()).await {
                Ok(()) => return End::Done,
                Err(error) => error,
            };
            was_unknown |= error.is_ambiguous();
            match (&error, &key) {
                _ if !was_unknown => return End::Failed,
                (_, Some(_)) => {}
                (DeltaError::OutcomeUnknown { write_id, .. }, None) => {
                    return match self.delta.resume("ledger", *write_id).await {
                        Ok(Resumed::Applied) => End::Done,
                        _ => End::Unknown,
                    };
                }
                _ => return End::Unknown,
            }
        }
        panic!("{call:?} has no end")
    }

    async fn once(&self, call: &Call, key: Option<String>) -> Result<(), DeltaError> {
        let rows = entries(call);
        if let Call::Append { .. } = call {
            let write = self.delta.write_batch("ledger", &rows).batch_size(rows.len() / 2);
            let write = key.into_iter().fold(write, |write, key| write.idempotency_key(key));
            return write.send().await.map(drop);
        }
        let batch = batch(call);
        let merge = self.delta.merge("ledger").on_keys(&["writer", "number"]);
        let merge = match self.staged {
            false => merge.using_values(&rows),
            true => merge.using_batches(batch.schema(), stream::iter([Ok::<_, ArrowError>(batch)])),
        };
        let merge = key.into_iter().fold(merge, |merge, key| merge.idempotency_key(key));
        let merge = merge.when_matched_update("n = target.n + source.n").when_not_matched_insert_all();
        merge.execute().await.map(drop)
    }
}

/// Optimizes until the others are done; says how often it did.
async fn optimize(world: World, others: Arc<AtomicU64>) -> u64 {
    let (delta, mut done) = (world.delta(true), 0);
    while others.load(Ordering::Relaxed) > 0 {
        let one_at_a_time = world.optimizing.lock().await;
        match delta.optimize("ledger").send().await {
            Ok(_) => done += 1,
            Err(error) => assert!(error.is_ambiguous() || error.is_retryable(), "OPTIMIZE: {error}"),
        }
        drop(one_at_a_time);
        world.progress(&others).await;
    }
    done
}

/// Another engine, which waits for nobody: in turns it compacts the files of the folder, and writes the counters again as
/// they are, until the others are done. It commits on top of the version that it has read, or not at all.
async fn meddle(world: World, others: Arc<AtomicU64>) -> u64 {
    let (folder, mut done) = (reader::url(&world.table_path()), 0);
    let properties = || CommitProperties::default().with_max_retries(0);
    for turn in 0_u64.. {
        if others.load(Ordering::Relaxed) == 0 {
            break;
        }
        if turn.is_multiple_of(2) {
            let _one_at_a_time = world.optimizing.lock().await;
            let table = deltalake::open_table(folder.clone()).await.unwrap();
            done += u64::from(table.optimize().await.is_ok());
        } else {
            let table = deltalake::open_table(folder.clone()).await.unwrap();
            let update = table.update().with_predicate("writer = 'counter'").with_update("n", "n");
            done += u64::from(update.with_commit_properties(properties()).await.is_ok());
        }
        world.progress(&others).await;
    }
    done
}

/// Lets all of them work at once, and judges what they leave.
async fn crowd(effort: Effort, faults: Faults) {
    let folder = TempDir::new().unwrap();
    let world = World::new(folder.path(), faults).await;
    let program = |n: usize, kind: &str| Program {
        delta: world.delta(true),
        ended: Arc::clone(&world.calls),
        name: format!("{kind} {n}"),
        keyed: n.is_multiple_of(2),
        staged: n >= MERGERS / 2,
    };
    let begun = Instant::now();
    let appends = (0..APPENDERS).map(|n| {
        let work = program(n, "append").work(effort, begun, |writer, number| Call::Append { writer, number });
        tokio::spawn(work)
    });
    let merges = (0..MERGERS).map(|n| {
        let work = program(n, "merge").work(effort, begun, |writer, number| Call::Merge { writer, number });
        tokio::spawn(work)
    });
    let programs: Vec<_> = appends.chain(merges).collect();
    let working = Arc::new(AtomicU64::new(1));
    let optimizes = tokio::spawn(optimize(world.clone(), Arc::clone(&working)));
    let meddles = tokio::spawn(meddle(world.clone(), Arc::clone(&working)));
    let calls: Vec<(Call, End)> =
        join_all(programs).await.into_iter().flat_map(|calls| calls.unwrap()).collect();
    let elapsed = begun.elapsed();
    working.store(0, Ordering::Relaxed);
    let (optimizes, meddles) = (optimizes.await.unwrap(), meddles.await.unwrap());

    let wrong = violations(&rows(&world.table_path()).await, &calls);
    let count = |wanted: End| calls.iter().filter(|(_, end)| *end == wanted).count();
    let [done, failed, unknown] = [End::Done, End::Failed, End::Unknown].map(count);
    println!(
        "{done} calls done, {failed} failed, {unknown} unknown, {optimizes} OPTIMIZE, {meddles} commits of another engine in \
         {elapsed:.1?}: {:.1} calls/s, {} conflicts, {} faults, {} violations",
        done as f64 / elapsed.as_secs_f64(),
        world.conflicts.load(Ordering::Relaxed),
        world.faults.fired(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{:#?}", wrong.iter().take(10).collect::<Vec<_>>());
    assert!(done > 0 && optimizes > 0);
    let left = staged(&world).await;
    assert!(left.len() <= unknown + failed, "{unknown} ends are unknown, staging holds {left:?}");
}

/// The rows, as a reader sees them that knows nothing of the workspace.
async fn rows(table: &Path) -> Vec<Row> {
    let seen = reader::read(table).await.rows;
    let number = |name| seen.column_by_name(name).unwrap().as_primitive::<Int64Type>().values();
    let writers =
        arrow::compute::cast(seen.column_by_name("writer").unwrap(), &arrow::datatypes::DataType::Utf8);
    let writers = writers.unwrap();
    let writers = writers.as_string::<i32>().iter().map(|writer| writer.unwrap().to_owned());
    writers
        .zip(number("number"))
        .zip(number("n"))
        .map(|((writer, number), n)| (writer, *number, *n))
        .collect()
}

/// What is left in the staging volume.
async fn staged(world: &World) -> Vec<String> {
    let delta = world.delta(false);
    let entries = delta.files().unwrap().list_directory("/Volumes/main/default/_staging");
    let entries: Vec<_> = entries.try_collect().await.unwrap();
    entries.into_iter().map(|entry| entry.path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn thirteen_programs_at_one_table_lose_nothing_and_double_nothing() {
    crowd(Effort::new(3), Faults::new()).await;
}

/// Answers that are lost, requests that are, and a service that is away, now and then.
fn bad_network() -> Faults {
    let statements = |fault, share, seed| {
        let rule = FaultRule::on(Method::POST, "/api/2.0/sql/statements", fault);
        rule.rate(share, seed).unwrap()
    };
    let faults = Faults::new()
        .with(statements(Fault::ResetAfter, 0.05, 1))
        .with(statements(Fault::ResetBefore, 0.02, 2))
        .with(statements(Fault::status(StatusCode::SERVICE_UNAVAILABLE), 0.05, 3));
    faults.with(FaultRule::any(Fault::ResetAfter).rate(0.01, 4).unwrap())
}

#[test]
fn thirteen_programs_lose_nothing_and_double_nothing_when_answers_are_lost() {
    // Waits for lost answers are long: without the minute to spend, the clock is paused, and on one thread.
    let (effort, mut runtime) = match Effort::new(4) {
        Effort::Lasting(time) => (Effort::Lasting(time), tokio::runtime::Builder::new_multi_thread()),
        rounds @ Effort::Rounds(_) => (rounds, tokio::runtime::Builder::new_current_thread()),
    };
    runtime.enable_all().thread_stack_size(STACK);
    if let Effort::Rounds(_) = effort {
        runtime.start_paused(true);
    }
    let run = move || runtime.build().unwrap().block_on(crowd(effort, bad_network()));
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}
