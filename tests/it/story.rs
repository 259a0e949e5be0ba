//! One story over every crate, told by sixteen tasks at once: what is recorded replays to the same results.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::ipc::writer::StreamWriter;
use databricks_delta_lake::testkit::{Cassette, MockDatabricksClient};
use databricks_delta_lake::transport::Client;
use databricks_delta_lake::{
    DatabricksClient, DatabricksError,
    delta::DeltaClient,
    jobs::{Language, RunOutcome, Task, WaitConfig},
    schema::{ColumnSchema, DataType, TableName, TableSchema},
};
use databricks_local::LocalWorkspace;
use futures::TryStreamExt;
use serde::Serialize;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Tasks that run the story at the same time, each on a table of its own.
const TASKS: usize = 16;

/// Replays of the recording: enough for an order of tasks that goes wrong to show.
const RUNS: usize = 100;

#[derive(Serialize)]
struct Reading {
    station: i64,
    celsius: f64,
    note: Option<String>,
}

/// The rows of a task: some are the same in every task, so that requests of different tasks look alike.
fn readings(task: usize) -> Vec<Reading> {
    let reading = |n: i64| Reading {
        station: n,
        celsius: n as f64 / 3.0 + if n % 2 == 0 { task as f64 } else { 0.0 },
        note: (n % 3 == 0).then(|| format!("héllo {n} {{{{not a variable}}}}")),
    };
    (0..120).map(reading).collect()
}

/// What one task sees: counts as text, rows as an Arrow stream.
type Seen = Vec<Vec<u8>>;

async fn tell(client: &DatabricksClient, task: usize) -> Result<Seen, DatabricksError> {
    let delta = client.delta("main", "default")?;
    let table = TableName::new("main", "default", &format!("readings_{task}"))?;
    let columns = [("station", DataType::BigInt), ("celsius", DataType::Double), ("note", DataType::String)];
    let columns = columns.map(|(name, data_type)| ColumnSchema::new(name, data_type));
    delta.create_table(&table, TableSchema::new(columns)).send().await?;

    let rows = readings(task);
    let (first, rest) = rows.split_at(90);
    // Every other task names its write; the others' ids are random, and differ in each run.
    let mut write = delta.write_batch(&table, first).batch_size(30).concurrency(3);
    if task.is_multiple_of(2) {
        write = write.idempotency_key("story");
    }
    let written = write.send().await?;
    let merged = delta
        .merge(&table)
        .using_values(rest)
        .on_keys(&["station"])
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
        .await?;
    delta.add_columns(&table, [ColumnSchema::new("source", DataType::String)]).send().await?;
    let sql = client.default_sql()?;
    let updated = sql.statement(format!("UPDATE {table} SET source = :name WHERE station < 10"));
    let updated = updated.param("name", format!("task {task}")).execute().await?;
    let counts = format!(
        "{} {} {} {:?} {:?}",
        written.rows_affected,
        written.partitions_written,
        written.already_applied,
        merged,
        updated.affected_rows()
    );
    let ended = run_job(client, &table, task).await?;
    Ok(vec![counts.into_bytes(), ended, stream_of(&delta, &table).await?, versions(&delta, &table).await?])
}

/// Runs a file of SQL as a job of one task, and waits for it; gives how its tasks ended.
async fn run_job(
    client: &DatabricksClient,
    table: &TableName,
    task: usize,
) -> Result<Vec<u8>, DatabricksError> {
    // The waits of a client share a pace that suits a service, not sixteen tasks beside a local workspace.
    let jobs = client.jobs().with_looks_per_second(10_000.0);
    let path = format!("/Shared/story_{task}/tidy.sql");
    let sql = format!(
        "DELETE FROM {table} WHERE station = 3; -- and what is warm;\nDELETE FROM {table} WHERE celsius > 50"
    );
    jobs.upload_source(&path, Language::Sql, sql).plain_file().overwrite().send().await?;
    let warehouse = client.config().warehouse_id().unwrap_or_default();
    let run_id = jobs
        .submit_run([Task::sql_file("tidy", warehouse, &path)])
        .run_name(format!("tidy {task}"))
        .send()
        .await?;
    let mut config = WaitConfig::default();
    config.initial_interval = Duration::from_millis(20);
    config.max_interval = Duration::from_millis(100);
    let run = jobs.wait_for_completion_adaptive(run_id, config).await?;
    assert_eq!(run.state().outcome(), Some(&RunOutcome::Success));
    let ended =
        run.tasks.iter().map(|task| format!("{} {} {}", task.task_key, task.attempt_number, task.state()));
    Ok(ended.collect::<Vec<_>>().join("\n").into_bytes())
}

/// Every row, read as a stream, in the bytes of an Arrow stream.
async fn stream_of(delta: &DeltaClient, table: &TableName) -> Result<Vec<u8>, DatabricksError> {
    let batches: Vec<RecordBatch> = delta.read_table(table).batches().await?.try_collect().await?;
    let mut bytes = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| bytes.write(batch).unwrap());
    Ok(bytes.into_inner().unwrap())
}

/// The history, without the names of users: a cassette holds none.
async fn versions(delta: &DeltaClient, table: &TableName) -> Result<Vec<u8>, DatabricksError> {
    let commits = delta.history(table).send().await?;
    let lines = commits.iter().map(|commit| {
        format!(
            "{} {:?} {} {:?}",
            commit.version, commit.timestamp, commit.operation, commit.operation_metrics
        )
    });
    Ok(lines.collect::<Vec<_>>().join("\n").into_bytes())
}

async fn tell_all(client: DatabricksClient) -> Result<Vec<Seen>, DatabricksError> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let client = client.clone();
        tasks.spawn(async move { (task, tell(&client, task).await) });
    }
    let mut seen = tasks.join_all().await;
    seen.sort_by_key(|(task, _)| *task);
    let mut all = Vec::new();
    for (_, seen) in seen {
        all.push(seen?);
    }
    Ok(all)
}

/// The story told on a local workspace, and what was recorded of it.
async fn recorded() -> (Vec<Seen>, Cassette) {
    let folder = TempDir::new().unwrap();
    let workspace = LocalWorkspace::open(folder.path()).unwrap();
    let builder = Client::builder(workspace.config().unwrap()).leaf(workspace.service());
    let mock = MockDatabricksClient::recording(builder).unwrap();
    let seen = tell_all(DatabricksClient::from_transport(mock.client().clone())).await.unwrap();
    mock.finish().unwrap();
    (seen, mock.cassette().unwrap())
}

/// A cassette as its file gives it back.
fn through_a_file(cassette: &Cassette) -> Cassette {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("story.json");
    cassette.save(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(LocalWorkspace::DEFAULT_TOKEN), "the token is in the file");
    Cassette::load(&file).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_recorded_once_replay_the_same_every_time() {
    let (seen, cassette) = recorded().await;
    let cassette = through_a_file(&cassette);
    for run in 0..RUNS {
        let mock = MockDatabricksClient::replaying(&cassette).unwrap();
        let client = DatabricksClient::from_transport(mock.client().clone());
        let replayed = tell_all(client).await.unwrap_or_else(|error| panic!("run {run}: {error}"));
        assert!(replayed == seen, "run {run} saw something else");
        mock.finish().unwrap_or_else(|error| panic!("run {run}: {error}"));
    }
}
