//! Writes on real tables: files that are there already, schemas that evolve, and dry runs that change nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError, SchemaMode, Write, WriteMode};
use databricks_delta_lake::transport::{Body, Client, Error};
use databricks_local::LocalWorkspace;
use futures::stream;
use http::{Method, Request};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower::ServiceExt;

struct World {
    folder: TempDir,
    workspace: LocalWorkspace,
    client: DatabricksClient,
    delta: DeltaClient,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path().join("workspace")).unwrap();
        let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
        let client = DatabricksClient::from_transport(client);
        let delta = client.delta("main", "default").unwrap();
        Self { folder, workspace, client, delta }
    }

    async fn execute(&self, sql: &str) {
        self.client.default_sql().unwrap().execute(sql).await.unwrap();
    }

    async fn ids(&self) -> Vec<i64> {
        let mut rows: Vec<(i64,)> = self.delta.read_table("t").columns(["id"]).fetch_all().await.unwrap();
        rows.sort_unstable();
        rows.into_iter().map(|(id,)| id).collect()
    }
}

fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("row {id}"))));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn write<'a>(delta: &DeltaClient, batch: &RecordBatch) -> Write<'a> {
    let batches = stream::iter([Ok::<_, ArrowError>(batch.clone())]);
    delta.write_batches("t", batch.schema(), batches)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_volume_make_fill_and_replace_a_table() {
    let world = World::new();
    world.execute("CREATE VOLUME main.default.raw").await;
    let files = world.delta.files().unwrap();
    for (name, range) in [("a", 0..3), ("b", 3..5), ("c", 5..9)] {
        let path = format!("/Volumes/main/default/raw/{name}.parquet");
        files.upload(path, parquet(&rows(range))).send().await.unwrap();
    }
    let of = |names: &[&str]| {
        let paths = names.iter().map(|name| format!("/Volumes/main/default/raw/{name}.parquet"));
        world.delta.write_files("t", paths.collect::<Vec<_>>())
    };
    of(&["a", "b"]).create_if_missing().send().await.unwrap();
    assert_eq!(world.ids().await, [0, 1, 2, 3, 4]);
    for expected in [4, 0] {
        assert_eq!(of(&["c"]).send().await.unwrap().rows_affected, expected);
    }
    assert_eq!(world.ids().await, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    of(&["a"]).mode(WriteMode::ReplaceWhere("id < 5".to_owned())).send().await.unwrap();
    assert_eq!(world.ids().await, [0, 1, 2, 5, 6, 7, 8]);
    of(&["b", "c"]).mode(WriteMode::Overwrite).idempotency_key("k").send().await.unwrap();
    assert_eq!(world.ids().await, [3, 4, 5, 6, 7, 8]);
    let history = world.delta.history("t").send().await.unwrap();
    assert_eq!(history.len(), 4, "one commit a write, and none for what was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_this_machine_go_into_the_table_in_one_commit() {
    let world = World::new();
    for (name, range) in [("a.parquet", 0..3), ("b.parquet", 3..5)] {
        std::fs::write(world.folder.path().join(name), parquet(&rows(range))).unwrap();
    }
    let paths = ["a.parquet", "b.parquet"].map(|name| world.folder.path().join(name).display().to_string());
    let write = || world.delta.write_files("t", paths.clone()).create_if_missing().idempotency_key("k");
    assert_eq!(write().send().await.unwrap().rows_affected, 5);
    assert!(write().send().await.unwrap().already_applied);
    assert_eq!(world.ids().await, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_is_widened_where_the_table_allows_it_and_nowhere_else() {
    let world = World::new();
    world.execute("CREATE TABLE main.default.t (id INT)").await;
    let large = rows(1 << 40..(1 << 40) + 1);
    let evolving = || write(&world.delta, &large).schema(SchemaMode::Evolve);
    let error = evolving().send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Sql(_)), "a value that does not fit: {error:?}");
    world.delta.set_properties("t", [("delta.enableTypeWidening", "true")]).await.unwrap();
    let dry = evolving().dry_run().await.unwrap();
    let alter = |statement: &&String| statement.contains("ALTER COLUMN `id` TYPE BIGINT");
    assert!(dry.would_write && dry.statements.iter().any(|sql| alter(&sql)), "{:?}", dry.statements);
    let strict = write(&world.delta, &large).dry_run().await.unwrap();
    let casts = strict.statements.last().unwrap();
    assert!(casts.contains("CAST(`id` AS INT)"), "without `Evolve` the type stays: {casts}");
    assert_eq!(evolving().send().await.unwrap().rows_affected, 1);
    assert_eq!(world.ids().await, [1 << 40]);
    let schema = world.delta.table_schema("t").await.unwrap();
    let columns: Vec<String> = schema.columns.iter().map(|column| column.data_type.to_string()).collect();
    assert_eq!(columns, ["BIGINT", "STRING"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_size_and_the_partitions_and_changes_nothing() {
    let world = World::new();
    world
        .execute("CREATE TABLE main.default.t (id BIGINT NOT NULL, name STRING) PARTITIONED BY (name)")
        .await;
    let before = world.delta.history("t").send().await.unwrap().len();
    let batch = rows(0..5_000);
    let dry = write(&world.delta, &batch).batch_size(500).dry_run().await.unwrap();
    assert_eq!((dry.would_write, dry.rows, dry.parts, dry.estimated_partitions), (true, 5_000, 10, 5_000));
    assert_eq!((dry.partition_values.len(), dry.partition_values[1].as_str()), (1_000, "name=row 1"));
    assert_eq!(world.delta.history("t").send().await.unwrap().len(), before);
    assert!(world.ids().await.is_empty());
    // What the table would refuse is known before.
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", nulls, true)]).unwrap();
    let dry = write(&world.delta, &batch).dry_run().await.unwrap();
    assert!(!dry.would_write && dry.warnings[0].contains("`id` is NOT NULL"), "{:?}", dry.warnings);
    assert!(write(&world.delta, &batch).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_data_lacks_has_its_default_in_every_mode() {
    let modes =
        [WriteMode::Append, WriteMode::Overwrite, WriteMode::ReplaceWhere("id IS NOT NULL".to_owned())];
    let using = WriteMode::ReplaceUsing(vec!["id".to_owned()]);
    let writes = modes.iter().flat_map(|mode| [(mode, None), (mode, Some("k"))]).chain([(&using, None)]);
    for (mode, key) in writes {
        let world = World::new();
        world
            .execute(
                "CREATE TABLE main.default.t (id BIGINT, name STRING, note STRING DEFAULT 'it''s new') \
                 TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
            )
            .await;
        let batch = rows(1..2);
        let write = write(&world.delta, &batch).mode(mode.clone());
        let write = key.into_iter().fold(write, |write, key| write.idempotency_key(key));
        assert_eq!(write.send().await.unwrap().rows_affected, 1);
        let notes: Vec<(Option<String>,)> =
            world.delta.read_table("t").columns(["note"]).fetch_all().await.unwrap();
        assert_eq!(notes, [(Some("it's new".to_owned()),)], "{mode:?} {key:?}");
    }
}

/// A client whose merges wait for their turn in the warehouse, and those that do.
fn waiting(workspace: &LocalWorkspace) -> (DeltaClient, UnboundedReceiver<Request<Body>>) {
    let (service, (queue, waiting)) = (workspace.service(), unbounded_channel());
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let (service, queue) = (service.clone(), queue.clone());
        async move {
            if request.method() != Method::POST {
                return service.oneshot(request).await;
            }
            let (head, body) = request.into_parts();
            let sent = body.collect(1 << 20).await?;
            let is_merge = String::from_utf8_lossy(&sent).contains("MERGE INTO");
            let request = Request::from_parts(head, Body::from_bytes(sent));
            if !is_merge {
                return service.oneshot(request).await;
            }
            queue.send(request).unwrap();
            std::future::pending::<Result<_, Error>>().await
        }
    });
    let client = Client::builder(workspace.config().unwrap()).leaf(leaf).build().unwrap();
    (DatabricksClient::from_transport(client).delta("main", "default").unwrap(), waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_a_killed_run_that_comes_after_that_of_another_changes_nothing() {
    let world = World::new();
    world.execute("CREATE TABLE main.default.t AS SELECT 1L AS id, 1L AS n").await;
    let rows = [json!({"id": 1, "n": 20})];
    let merge = |delta: &DeltaClient| {
        let merge = delta.merge("t").using_values(&rows).on_keys(&["id"]).idempotency_key("k");
        merge.when_matched_update("n = target.n + source.n").execute()
    };
    let (killed, mut waiting) = waiting(&world.workspace);
    let late = tokio::select! {
        ended = merge(&killed) => panic!("{ended:?}"),
        late = waiting.recv() => late.unwrap(),
    };
    assert_eq!(merge(&world.delta).await.unwrap().num_updated_rows, 1);
    let answer =
        world.workspace.service().oneshot(late).await.unwrap().into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains(r#""state":"FAILED""#), "{answer:?}");
    let numbers: Vec<(i64,)> = world.delta.read_table("t").columns(["n"]).fetch_all().await.unwrap();
    assert_eq!(numbers, [(21,)]);
}
