//! What is done to whole tables, with each of its options, on real files.

use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError};
use databricks_delta_lake::schema::TableSchema;
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

type Row = (i64, String);

struct World {
    _folder: TempDir,
    delta: DeltaClient,
}

impl World {
    /// A table `days` of three versions after its creation, of one row each.
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path()).unwrap();
        let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
        let delta = DatabricksClient::from_transport(client).delta("main", "default").unwrap();
        let world = Self { _folder: folder, delta };
        world.create("days").await;
        for id in 1..=3 {
            world.write("days", id, "dry").await;
        }
        world
    }

    async fn create(&self, table: &str) {
        let columns = TableSchema::parse("id BIGINT, weather STRING").unwrap();
        self.delta.create_table(table, columns).send().await.unwrap();
    }

    async fn write(&self, table: &str, id: i64, weather: &str) {
        let rows = [Day { id, weather: weather.to_owned() }];
        self.delta.write_batch(table, &rows).send().await.unwrap();
    }

    async fn ids(&self, table: &str) -> Vec<i64> {
        let rows: Vec<Row> = self.delta.read_table(table).fetch_all().await.unwrap();
        let mut ids: Vec<i64> = rows.into_iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }
}

#[derive(Serialize)]
struct Day {
    id: i64,
    weather: String,
}

/// The class of an error that the workspace answered.
fn class(error: &DeltaError) -> &str {
    match error {
        DeltaError::Sql(error) => error.error_class().unwrap_or_default(),
        _ => "",
    }
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    #[serde(rename = "_commit_version")]
    version: i64,
    #[serde(rename = "_change_type")]
    kind: String,
    id: i64,
    weather: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_between_versions_are_read_once_the_table_keeps_them() {
    let World { _folder, delta } = &World::new().await;
    let unkept = delta.read_table("days").changes(1, None::<i64>).fetch_all::<Change>().await.unwrap_err();
    assert!(class(&unkept).starts_with("DELTA_"), "{unkept}");
    delta
        .set_properties("days", [("delta.enableChangeDataFeed", "true"), ("team", "it's \\ ours")])
        .await
        .unwrap();
    let properties = delta.detail("days").await.unwrap().properties;
    assert_eq!(properties.get("team").map(String::as_str), Some("it's \\ ours"));

    delta.update("days").set("weather", "'wet'").filter("id = 1").send().await.unwrap();
    delta.delete("days").filter("id = 2").send().await.unwrap();
    let changes = |from: i64, to: Option<i64>| async move {
        let mut changes: Vec<Change> = delta.read_table("days").changes(from, to).fetch_all().await.unwrap();
        changes.sort();
        changes
    };
    let change = |version, kind: &str, id, weather: &str| Change {
        version,
        kind: kind.to_owned(),
        id,
        weather: weather.to_owned(),
    };
    let all = [
        change(5, "update_postimage", 1, "wet"),
        change(5, "update_preimage", 1, "dry"),
        change(6, "delete", 2, "dry"),
    ];
    assert_eq!(changes(5, None).await, all);
    assert_eq!(changes(5, Some(5)).await, all[..2]);
    assert_eq!(changes(6, Some(6)).await, all[2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_are_tables_of_their_own_as_the_source_was() {
    let world = World::new().await;
    let delta = &world.delta;
    delta.clone_table("days", "now").send().await.unwrap();
    delta.clone_table("days", "then").version(1).send().await.unwrap();
    assert_eq!((world.ids("now").await, world.ids("then").await), (vec![1, 2, 3], vec![1]));
    world.write("now", 9, "dry").await;
    assert_eq!(world.ids("days").await, [1, 2, 3], "it is a copy");

    let again = || delta.clone_table("days", "now");
    assert_eq!(class(&again().send().await.unwrap_err()), "TABLE_OR_VIEW_ALREADY_EXISTS");
    again().if_not_exists().send().await.unwrap();
    assert_eq!(world.ids("now").await, [1, 2, 3, 9]);
    let at = delta.history("days").send().await.unwrap()[1].timestamp.unwrap();
    again().replace().timestamp(at).send().await.unwrap();
    assert_eq!(world.ids("now").await, [1, 2]);
    let shallow = delta.clone_table("days", "shallow").shallow().send().await.unwrap_err();
    assert!(
        class(&shallow).starts_with("UNSUPPORTED_FEATURE") && shallow.to_string().contains("SHALLOW CLONE")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_versions_are_restored_by_number_and_by_time() {
    let world = World::new().await;
    let restored = world.delta.restore("days").version(1).send().await.unwrap();
    assert_eq!((restored.num_removed_files, restored.num_restored_files), (2, 0));
    assert_eq!(restored.num_of_files_after_restore, 1);
    assert_eq!(world.ids("days").await, [1]);
    let commits = world.delta.history("days").limit(3).send().await.unwrap();
    let operations: Vec<_> =
        commits.iter().map(|commit| (commit.version, commit.operation.as_str())).collect();
    assert_eq!(operations, [(4, "RESTORE"), (3, "COPY INTO"), (2, "COPY INTO")]);
    let restored = world.delta.restore("days").timestamp(commits[1].timestamp.unwrap()).send().await.unwrap();
    assert_eq!(restored.num_restored_files, 2);
    assert_eq!(world.ids("days").await, [1, 2, 3]);
    let unknown = world.delta.restore("days").version(99).send().await.unwrap_err();
    assert!(class(&unknown).starts_with("DELTA_"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn optimize_compacts_orders_and_clusters() {
    let world = World::new().await;
    let delta = &world.delta;
    let optimized = delta.optimize("days").send().await.unwrap().metrics;
    assert_eq!((optimized.num_files_added, optimized.num_files_removed), (1, 3));
    assert!(optimized.bytes_added > 0 && optimized.bytes_removed > optimized.bytes_added);
    assert_eq!(delta.optimize("days").send().await.unwrap().metrics.num_files_added, 0);
    assert_eq!(delta.optimize("days").zorder_by(["id"]).send().await.unwrap().metrics.num_files_added, 1);
    assert_eq!(world.ids("days").await, [1, 2, 3]);
    assert_eq!(
        class(&delta.optimize("days").full().send().await.unwrap_err()),
        "DELTA_OPTIMIZE_FULL_NOT_SUPPORTED"
    );
    let some = delta.optimize("days").where_("id = 1").send().await.unwrap_err();
    assert_eq!(class(&some), "DELTA_NON_PARTITION_COLUMN_REFERENCE");

    let columns = TableSchema::parse("id BIGINT, weather STRING").unwrap();
    delta.create_table("clustered", columns).clustered_by(["id"]).send().await.unwrap();
    world.write("clustered", 1, "dry").await;
    let full = delta.optimize("clustered").full().send().await.unwrap().metrics;
    assert_eq!((full.num_files_added, full.num_files_removed), (1, 1));
    let detail = delta.detail("clustered").await.unwrap();
    assert_eq!((detail.clustering_columns, detail.num_files), (vec!["id".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_keeps_what_it_must_lists_what_it_would_and_removes_it() {
    let world = World::new().await;
    let delta = &world.delta;
    delta.optimize("days").send().await.unwrap();
    let short = delta.vacuum("days").retain_hours(1).send().await.unwrap_err();
    assert_eq!(class(&short), "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT");
    assert_eq!(delta.vacuum("days").dry_run().send().await.unwrap().paths, [""; 0], "all is young");
    delta.set_properties("days", [("delta.deletedFileRetentionDuration", "interval 0 hours")]).await.unwrap();
    let listed = delta.vacuum("days").retain_hours(0).dry_run().send().await.unwrap().paths;
    let exist = |paths: &[String]| paths.iter().filter(|path| std::path::Path::new(path).exists()).count();
    assert_eq!((listed.len(), exist(&listed)), (3, 3));
    assert_eq!(delta.vacuum("days").lite().retain_hours(0).send().await.unwrap().paths.len(), 1);
    assert_eq!(exist(&listed), 0);
    assert_eq!(world.ids("days").await, [1, 2, 3]);
}
