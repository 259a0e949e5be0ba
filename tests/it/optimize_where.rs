//! OPTIMIZE of chosen partitions of a real table, whose files an independent reader lists.

use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError, OptimizeMetrics};
use databricks_delta_lake::schema::TableName;
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use tempfile::TempDir;

use crate::reader;

struct World {
    _folder: TempDir,
    workspace: LocalWorkspace,
    delta: DeltaClient,
}

impl World {
    /// A table `t` of five partitions; two commits have written to the first three of them.
    async fn new(properties: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path()).unwrap();
        let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
        let client = DatabricksClient::from_transport(client);
        let sql = client.default_sql().unwrap();
        sql.execute(&format!(
            "CREATE TABLE main.default.t (id BIGINT, day DATE, place STRING) PARTITIONED BY (day, place) {properties}"
        ))
        .await
        .unwrap();
        for rows in [
            "(1, DATE'2026-01-01', 'a'), (2, DATE'2026-01-02', 'a'), (3, NULL, 'a'), (4, DATE'2026-01-02', 'it''s')",
            "(5, DATE'2026-01-01', 'a'), (6, DATE'2026-01-02', 'a'), (7, NULL, 'a'), (8, DATE'2026-01-01', 'b')",
        ] {
            sql.execute(&format!("INSERT INTO main.default.t VALUES {}", rows.replace("''", "\\'")))
                .await
                .unwrap();
        }
        Self { _folder: folder, workspace, delta: client.delta("main", "default").unwrap() }
    }

    async fn files(&self) -> Vec<String> {
        let table = TableName::new("main", "default", "t").unwrap();
        reader::files(&self.workspace.table_path(&table).unwrap()).await
    }

    async fn ids(&self) -> Vec<i64> {
        let mut rows: Vec<(i64,)> = self.delta.read_table("t").columns(["id"]).fetch_all().await.unwrap();
        rows.sort_unstable();
        rows.into_iter().map(|(id,)| id).collect()
    }

    async fn optimize(&self, condition: &str) -> Result<OptimizeMetrics, DeltaError> {
        Ok(self.delta.optimize("t").where_(condition).send().await?.metrics)
    }
}

fn counts(metrics: &OptimizeMetrics) -> (u64, u64, u64) {
    (metrics.num_files_removed, metrics.num_files_added, metrics.partitions_optimized)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_of_the_partitions_that_are_meant_change() {
    let world = World::new("").await;
    let before = world.files().await;
    assert_eq!(before.len(), 8);
    let metrics = world.optimize("day >= '2026-01-02' AND place = 'a'").await.unwrap();
    assert_eq!(counts(&metrics), (2, 1, 1));
    let after = world.files().await;
    let gone: Vec<_> = before.iter().filter(|file| !after.contains(file)).collect();
    let new: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
    assert_eq!((gone.len(), new.len()), (2, 1));
    assert!(gone.iter().chain(&new).all(|file| file.contains("day=2026-01-02/place=a/")), "{gone:?} {new:?}");
    assert_eq!(world.ids().await, [1, 2, 3, 4, 5, 6, 7, 8]);
    let metrics = world.optimize("day IS NULL OR day = '2026-01-01'").await.unwrap();
    assert_eq!(counts(&metrics), (4, 2, 2), "a partition of one file is left as it is");
    assert_eq!((world.ids().await.len(), world.files().await.len()), (8, 5));
    let history = world.delta.history("t").send().await.unwrap();
    let operations: Vec<&str> = history.iter().map(|commit| commit.operation.as_str()).collect();
    assert_eq!(operations[..3], ["OPTIMIZE", "OPTIMIZE", "WRITE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_holds_nowhere_makes_no_version() {
    let world = World::new("").await;
    let versions = world.delta.history("t").send().await.unwrap().len();
    // Where it is NULL it does not hold.
    for condition in [
        "day = NULL",
        "place = 'nowhere'",
        "day < '2026-01-01' OR place = 'b'",
        "NOT (day > '2026-01-01') AND place = 'b'",
    ] {
        assert_eq!(counts(&world.optimize(condition).await.unwrap()), (0, 0, 0), "{condition}");
    }
    assert_eq!(
        (world.delta.history("t").send().await.unwrap().len(), world.files().await.len()),
        (versions, 8)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_column_mapping_is_compacted_by_its_columns_names() {
    let world = World::new("TBLPROPERTIES ('delta.columnMapping.mode' = 'name')").await;
    assert_eq!(counts(&world.optimize("day = '2026-01-01'").await.unwrap()), (2, 1, 1));
    assert_eq!((world.ids().await, world.files().await.len()), (vec![1, 2, 3, 4, 5, 6, 7, 8], 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_another_column_is_refused_as_databricks_does() {
    let world = World::new("").await;
    for condition in ["id = 1", "day = '2026-01-01' AND id > 3", "length(place) = id"] {
        let DeltaError::Sql(error) = world.optimize(condition).await.unwrap_err() else {
            panic!("{condition}")
        };
        assert_eq!(
            (error.error_class(), error.sql_state()),
            (Some("DELTA_NON_PARTITION_COLUMN_REFERENCE"), Some("42P10"))
        );
        let expected =
            "non-partition column 'id'. Only the partition columns may be referenced: [day, place]";
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(world.files().await.len(), 8);
}
