//! Every fault at every request of every kind of write, on real tables: afterwards the table is as it was before or as
//! it is after, a rerun of the same key completes it exactly once, and nothing is left in staging.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError, Staging, WriteMode};
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use databricks_testkit::{Fault, SimulatedWorkspace, StallPoint, SweepCase, SweepRun, sweep};
use futures::{TryStreamExt, stream};
use http::{Method, StatusCode};
use parquet::arrow::ArrowWriter;
use serde::Serialize;
use tempfile::TempDir;

/// A row of the table `days`.
type Row = (i64, Option<i64>);
/// The rows of the table in order; none when there is no table.
type Rows = Option<Vec<Row>>;

const KEY: &str = "the same";
/// A file of a volume that is loaded where it lies.
const RAW: &str = "/Volumes/main/default/raw/days.parquet";
/// After this time the process of an operation that has stalled is killed: before its client gives up and tries again.
const KILLED_AFTER: Duration = Duration::from_secs(5);
/// The stack that the plans of the engine need in a debug build.
const STACK: usize = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Append,
    FilesHere,
    FilesInVolume,
    Overwrite,
    ReplaceWhere,
    MergeValues,
    MergeStaged,
    /// A merge of rows that lie in no file.
    MergeQuery,
    Create,
}

/// Where parts are staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Volume,
    /// A bucket of S3, with credentials of Unity Catalog.
    Bucket,
}

impl Operation {
    fn before(self) -> Rows {
        (self != Self::Create).then(|| vec![(1, Some(1)), (2, Some(2)), (3, None)])
    }

    fn after(self) -> Rows {
        let rows: &[Row] = match self {
            Self::Append | Self::FilesHere | Self::FilesInVolume => {
                &[(1, Some(1)), (2, Some(2)), (2, Some(20)), (3, None), (4, Some(40))]
            }
            Self::Overwrite | Self::Create => &[(2, Some(20)), (4, Some(40))],
            Self::ReplaceWhere => &[(1, Some(1)), (2, Some(20)), (4, Some(40))],
            // A merge that ran twice would show: 42.
            Self::MergeValues | Self::MergeStaged | Self::MergeQuery => {
                &[(1, Some(1)), (2, Some(22)), (3, None), (4, Some(40))]
            }
        };
        Some(rows.to_vec())
    }

    /// Runs the operation as one run of its key.
    async fn run(self, delta: &DeltaClient) -> Result<(), DeltaError> {
        let days = [Day { id: 2, n: 20 }, Day { id: 4, n: 40 }];
        let merge = || delta.merge("days").on_keys(&["id"]).idempotency_key(KEY);
        let write = |mode| delta.write_batch("days", &days).mode(mode).idempotency_key(KEY).send();
        match self {
            Self::Append => write(WriteMode::Append).await.map(drop),
            Self::FilesHere => {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), parquet(&days)).unwrap();
                let path = file.path().to_str().unwrap();
                delta.write_files("days", [path]).idempotency_key(KEY).send().await.map(drop)
            }
            Self::FilesInVolume => {
                delta.write_files("days", [RAW]).idempotency_key(KEY).send().await.map(drop)
            }
            Self::Overwrite => write(WriteMode::Overwrite).await.map(drop),
            Self::ReplaceWhere => write(WriteMode::ReplaceWhere("id >= 2".to_owned())).await.map(drop),
            Self::Create => write(WriteMode::ErrorIfExists).await.map(drop),
            Self::MergeValues => {
                let merge = merge().using_values(&days).when_matched_update("n = target.n + source.n");
                merge.when_not_matched_insert_all().execute().await.map(drop)
            }
            Self::MergeQuery => {
                let merge = merge().using_query("SELECT * FROM VALUES (2L, 20L), (4L, 40L) AS v(id, n)");
                let merge = merge.when_matched_update("n = target.n + source.n");
                merge.when_not_matched_insert_all().execute().await.map(drop)
            }
            Self::MergeStaged => {
                let (schema, batch) = batch(&days);
                let batches = stream::iter([Ok::<_, ArrowError>(batch)]);
                let merge = merge().using_batches(schema, batches);
                let merge = merge.when_matched_update("n = target.n + source.n");
                merge.when_not_matched_insert_all().execute().await.map(drop)
            }
        }
    }
}

#[derive(Serialize)]
struct Day {
    id: i64,
    n: i64,
}

fn batch(days: &[Day]) -> (Arc<Schema>, RecordBatch) {
    let column = |value: fn(&Day) -> i64| Arc::new(Int64Array::from_iter_values(days.iter().map(value))) as _;
    let field = |name| Field::new(name, DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![field("id"), field("n")]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column(|day| day.id), column(|day| day.n)]);
    (schema, batch.unwrap())
}

/// The days as a Parquet file.
fn parquet(days: &[Day]) -> Vec<u8> {
    let (schema, batch) = batch(days);
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A workspace with the table as it is before.
struct World {
    folder: TempDir,
    workspace: LocalWorkspace,
    place: Place,
}

impl World {
    async fn new(operation: Operation, place: Place) -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::builder(folder.path().join("workspace"));
        let workspace = workspace.external_location("s3://lake/landing", folder.path().join("bucket"));
        let world = Self { workspace: workspace.open().unwrap(), folder, place };
        // Appending finds no volume, and makes it.
        if operation != Operation::Append && place == Place::Volume {
            world.execute("CREATE VOLUME main.default._staging").await;
        }
        if operation == Operation::FilesInVolume {
            world.execute("CREATE VOLUME main.default.raw").await;
            let days = [Day { id: 2, n: 20 }, Day { id: 4, n: 40 }];
            let delta = world.delta(None);
            delta.files().unwrap().upload(RAW, parquet(&days)).send().await.unwrap();
        }
        if operation != Operation::Create {
            let rows = "VALUES (1L, 1L), (2L, 2L), (3L, CAST(NULL AS BIGINT)) AS v(id, n)";
            world.execute(&format!("CREATE TABLE main.default.days AS SELECT * FROM {rows}")).await;
        }
        world
    }

    /// A client of a process of its own, around whose leaf faults may happen.
    fn client(&self, run: Option<&SweepRun>) -> DatabricksClient {
        let builder = Client::builder(self.workspace.config().unwrap()).leaf(self.workspace.service());
        let builder = match run {
            Some(run) => builder.leaf_layer(run.layer()),
            None => builder,
        };
        DatabricksClient::from_transport(builder.build().unwrap())
    }

    fn delta(&self, run: Option<&SweepRun>) -> DeltaClient {
        let delta = self.client(run).delta("main", "default").unwrap();
        match self.place {
            Place::Volume => delta,
            Place::Bucket => {
                let staging = Staging::external("s3://lake/landing/staging").region("eu-west-1");
                delta.with_staging(staging.endpoint(SimulatedWorkspace::S3_ENDPOINT))
            }
        }
    }

    async fn execute(&self, sql: &str) {
        self.client(None).default_sql().unwrap().execute(sql).await.unwrap();
    }

    async fn rows(&self) -> Rows {
        let rows = self.delta(None).read_table("days").fetch_all::<Row>().await;
        let mut rows = rows.ok()?;
        rows.sort_unstable();
        Some(rows)
    }

    /// Files and directories where parts are staged.
    async fn staged(&self) -> Vec<String> {
        if self.place == Place::Bucket {
            return files_below(&self.folder.path().join("bucket"));
        }
        let delta = self.delta(None);
        let entries = delta.files().unwrap().list_directory("/Volumes/main/default/_staging");
        let entries: Vec<_> = entries.try_collect().await.unwrap_or_default();
        entries.into_iter().map(|entry| entry.path).collect()
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.flat_map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files_below(&entry.path()),
        false => vec![entry.path().display().to_string()],
    });
    files.collect()
}

/// How the first run ended, as its caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Failed,
    Unknown,
    Killed,
}

/// What a case left behind.
#[derive(Clone, Debug)]
struct Left {
    told: Told,
    rows: Rows,
    staged: Vec<String>,
    rerun: Result<(), String>,
    rows_after_rerun: Rows,
    staged_after_rerun: Vec<String>,
}

async fn case(operation: Operation, place: Place, run: SweepRun, kills: bool) -> (Result<(), String>, Left) {
    let world = World::new(operation, place).await;
    let delta = world.delta(Some(&run));
    let limit = if kills { KILLED_AFTER } else { Duration::from_secs(3_000) };
    let (told, error) = match tokio::time::timeout(limit, operation.run(&delta)).await {
        Ok(Ok(())) => (Told::Done, None),
        Ok(Err(error)) if error.is_ambiguous() => (Told::Unknown, Some(error.to_string())),
        Ok(Err(error)) => (Told::Failed, Some(error.to_string())),
        Err(_) => (Told::Killed, Some("killed".to_owned())),
    };
    // What a killed process had sent still runs to its end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (rows, staged) = (world.rows().await, world.staged().await);
    let rerun = operation.run(&world.delta(None)).await.map_err(|error| format!("{error:?}"));
    let (rows_after_rerun, staged_after_rerun) = (world.rows().await, world.staged().await);
    let left = Left { told, rows, staged, rerun, rows_after_rerun, staged_after_rerun };
    (error.map_or(Ok(()), Err), left)
}

/// What is wrong with a case, if anything.
fn judge(operation: Operation, case: &SweepCase<Left>) -> Result<(), String> {
    let left = case.state().ok_or("it left nothing to look at")?;
    let (before, after) = (operation.before(), operation.after());
    let expected: &[&Rows] = match left.told {
        Told::Done => &[&after],
        Told::Failed => &[&before],
        Told::Unknown | Told::Killed => &[&before, &after],
    };
    let wrong = |what: &str, value: &dyn fmt::Debug| Err(format!("{what} ({:?}): {value:?}", left.told));
    if !expected.contains(&&left.rows) {
        return wrong("the table holds", &left.rows);
    }
    if matches!(left.told, Told::Done | Told::Failed) && !left.staged.is_empty() {
        return wrong("staging holds", &left.staged);
    }
    if left.rerun.is_err() {
        return wrong("the rerun failed", &left.rerun);
    }
    if left.rows_after_rerun != after {
        return wrong("after the rerun the table holds", &left.rows_after_rerun);
    }
    if !left.staged_after_rerun.is_empty() {
        return wrong("after the rerun staging holds", &left.staged_after_rerun);
    }
    Ok(())
}

fn faults() -> Vec<Fault> {
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(2));
    let stall = Fault::stall(StallPoint::BeforeAnswer);
    vec![
        limited,
        Fault::status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::ResetBefore,
        Fault::ResetAfter,
        stall,
    ]
}

/// A process that is killed while a request has not arrived, or its answer has not.
fn kills() -> Vec<Fault> {
    vec![Fault::stall(StallPoint::BeforeEffect), Fault::stall(StallPoint::BeforeAnswer)]
}

/// Whether a case is run without `EXHAUSTIVE_FAULTS`: all that goes wrong with statements, and of the rest, which may be sent
/// again at any time, what leaves most behind.
fn is_of_the_sample(method: &Method, fault: &Fault, kills: bool) -> bool {
    let answer_lost = if kills { Fault::stall(StallPoint::BeforeAnswer) } else { Fault::ResetAfter };
    method == Method::POST || *fault == answer_lost
}

async fn sweep_all(operation: Operation, place: Place) {
    let is_exhaustive = std::env::var_os("EXHAUSTIVE_FAULTS").is_some();
    for (faults, kills) in [(faults(), false), (kills(), true)] {
        let report = sweep(|run| case(operation, place, run, kills))
            .faults(faults)
            .filter(move |method, _, fault| is_exhaustive || is_of_the_sample(method, fault, kills))
            // The name of the file by which an append shows its presence is random; that every fault happens is checked below.
            .allow_nondeterminism()
            .run()
            .await;
        report.law("every fault happens", SweepCase::fired).unwrap();
        report.check("before or after, and after in the end", |case| judge(operation, case)).unwrap();
        let (requests, cases) = (report.baseline_requests(), report.cases().len());
        println!("{operation:?} by {place:?}: {requests} requests, {cases} cases, 0 violations");
    }
}

/// Runs the sweep where the engine has the stack that its plans need, on one thread and a paused clock.
fn check(operation: Operation, place: Place) {
    let sweeping = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .thread_stack_size(STACK)
            .build();
        runtime.unwrap().block_on(sweep_all(operation, place));
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(sweeping).unwrap();
    thread.join().unwrap();
}

#[test]
fn an_append_happens_once_or_not_at_all() {
    check(Operation::Append, Place::Volume);
}

#[test]
fn files_of_this_machine_are_appended_once_or_not_at_all() {
    check(Operation::FilesHere, Place::Volume);
}

#[test]
fn files_of_a_volume_are_appended_once_or_not_at_all() {
    check(Operation::FilesInVolume, Place::Volume);
}

#[test]
fn an_overwrite_happens_once_or_not_at_all() {
    check(Operation::Overwrite, Place::Volume);
}

#[test]
fn a_replacement_happens_once_or_not_at_all() {
    check(Operation::ReplaceWhere, Place::Volume);
}

#[test]
fn a_merge_of_values_happens_once_or_not_at_all() {
    check(Operation::MergeValues, Place::Volume);
}

#[test]
fn a_merge_of_a_query_happens_once_or_not_at_all() {
    check(Operation::MergeQuery, Place::Volume);
}

#[test]
fn a_merge_of_staged_rows_happens_once_or_not_at_all() {
    check(Operation::MergeStaged, Place::Volume);
}

#[test]
fn a_table_is_created_with_its_rows_or_not_at_all() {
    check(Operation::Create, Place::Volume);
}

#[test]
fn an_append_by_a_bucket_happens_once_or_not_at_all() {
    check(Operation::Append, Place::Bucket);
}

#[test]
fn files_of_this_machine_are_appended_by_a_bucket_once_or_not_at_all() {
    check(Operation::FilesHere, Place::Bucket);
}

#[test]
fn a_replacement_by_a_bucket_happens_once_or_not_at_all() {
    check(Operation::ReplaceWhere, Place::Bucket);
}

#[test]
fn a_merge_of_rows_staged_in_a_bucket_happens_once_or_not_at_all() {
    check(Operation::MergeStaged, Place::Bucket);
}
