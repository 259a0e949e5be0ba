//! Reads, history, detail and maintenance: answers read by column name.

use databricks_delta::DeltaError;
use databricks_schema::{ColumnSchema, DataType, TableSchema};
use databricks_testkit::Column;
use serde::Deserialize;
use serde_json::json;

use crate::support::World;

#[derive(Debug, Deserialize, PartialEq)]
struct Row {
    id: i64,
    wind: Option<f64>,
}

#[tokio::test]
async fn rows_of_a_version_are_read_with_parameters() {
    let world = World::new();
    let sql = "SELECT `id`, `wind` FROM `main`.`default`.`days` VERSION AS OF 2\nWHERE wind > :wind\nLIMIT 5";
    let columns = [Column::new("id", "BIGINT"), Column::new("wind", "DOUBLE")];
    world.engine.on(sql).rows(columns, [[json!("1"), json!("0.5")], [json!("2"), json!(null)]]);
    let read = world
        .delta
        .read_table("days")
        .columns(["id", "wind"])
        .version(2)
        .filter("wind > :wind")
        .param("wind", 0.25);
    let rows: Vec<Row> = read.limit(5).fetch_all().await.unwrap();
    assert_eq!(rows, [Row { id: 1, wind: Some(0.5) }, Row { id: 2, wind: None }]);
    let [request] = world.engine.requests().try_into().unwrap();
    assert_eq!(request.parameters[0].value.as_deref(), Some("0.25"));
}

#[tokio::test]
async fn a_history_passes_over_columns_it_does_not_know() {
    let world = World::new();
    let columns = [
        Column::new("version", "BIGINT"),
        Column::new("timestamp", "TIMESTAMP"),
        Column::new("novelty", "STRING"),
        Column::new("userName", "STRING"),
        Column::new("operation", "STRING"),
        Column::new("operationParameters", "MAP<STRING, STRING>"),
        Column::new("operationMetrics", "MAP<STRING, STRING>"),
        Column::new("isBlindAppend", "BOOLEAN"),
        Column::new("readVersion", "BIGINT"),
    ];
    let row = [
        json!("7"),
        json!("2026-01-02T03:04:05.000Z"),
        json!("new"),
        json!("ann"),
        json!("MERGE"),
        json!(r#"{"predicate":"[]"}"#),
        json!(r#"{"numTargetRowsUpdated":"3"}"#),
        json!("false"),
        json!("6"),
    ];
    world.engine.on("DESCRIBE HISTORY `main`.`default`.`days` LIMIT 1").rows(columns, [row]);
    let [commit] = world.delta.history("days").limit(1).send().await.unwrap().try_into().unwrap();
    insta::assert_debug_snapshot!(commit);
}

#[tokio::test]
async fn a_detail_has_the_tables_size_and_layout() {
    let world = World::new();
    let columns = [
        Column::new("name", "STRING"),
        Column::new("location", "STRING"),
        Column::new("partitionColumns", "ARRAY<STRING>"),
        Column::new("numFiles", "BIGINT"),
        Column::new("sizeInBytes", "BIGINT"),
        Column::new("properties", "MAP<STRING, STRING>"),
        Column::new("minReaderVersion", "INT"),
    ];
    let row = [
        json!("main.default.days"),
        json!("s3://b/t"),
        json!(r#"["day"]"#),
        json!("12"),
        json!("34567"),
        json!(r#"{"delta.enableTypeWidening":"true"}"#),
        json!("3"),
    ];
    world.engine.on("DESCRIBE DETAIL `main`.`default`.`days`").rows(columns, [row]);
    insta::assert_debug_snapshot!(world.delta.detail("days").await.unwrap());
}

#[tokio::test]
async fn optimize_reads_its_metrics_by_name() {
    let world = World::new();
    let metrics = "STRUCT<numFilesAdded: BIGINT, numFilesRemoved: BIGINT, filesAdded: STRUCT<totalSize: BIGINT>, novelty: STRING>";
    let columns = [Column::new("path", "STRING"), Column::new("metrics", metrics)];
    let cell = r#"{"numFilesAdded":1,"numFilesRemoved":9,"filesAdded":{"totalSize":1234},"novelty":"x"}"#;
    world.engine.on_containing("OPTIMIZE").rows(columns, [[json!("s3://b/t"), json!(cell)]]);
    let result = world.delta.optimize("days").zorder_by(["day"]).send().await.unwrap();
    assert_eq!(
        (result.metrics.num_files_added, result.metrics.num_files_removed, result.metrics.bytes_added),
        (1, 9, 1234)
    );
    assert_eq!(result.path.as_deref(), Some("s3://b/t"));
}

#[tokio::test]
async fn vacuum_and_restore_answer_what_they_did() {
    let world = World::new();
    let files = [[json!("s3://b/t/1.parquet")], [json!("s3://b/t/2.parquet")]];
    world
        .engine
        .on("VACUUM `main`.`default`.`days` RETAIN 200 HOURS DRY RUN")
        .rows([Column::new("path", "STRING")], files);
    let vacuumed = world.delta.vacuum("days").retain_hours(200).dry_run().send().await.unwrap();
    assert_eq!(vacuumed.paths.len(), 2);
    world.engine.on_containing("RESTORE").counts([("num_removed_files", 4), ("num_restored_files", 2)]);
    let restored = world.delta.restore("days").version(3).send().await.unwrap();
    assert_eq!((restored.num_removed_files, restored.num_restored_files), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn a_restore_is_not_sent_again_over_what_others_commit() {
    let world = World::new();
    world.engine.on_containing("RESTORE").fail("DELTA_CONCURRENT_APPEND", "2D521", "Try again.");
    let error = world.delta.restore("days").version(3).send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Sql(_)) && !error.is_ambiguous(), "{error:?}");
    assert_eq!(world.sent("RESTORE").len(), 1);
}

#[tokio::test]
async fn a_table_is_created_looked_up_and_extended() {
    let world = World::new();
    world.engine.on_containing("CREATE TABLE").empty();
    world.engine.on("ALTER TABLE `main`.`default`.`days` ADD COLUMNS (`rain` DOUBLE, `note` STRING)").empty();
    let schema = TableSchema::parse("id BIGINT NOT NULL, day DATE").unwrap();
    world.delta.create_table("days", schema).if_not_exists().send().await.unwrap();
    let columns = [ColumnSchema::new("rain", DataType::Double), ColumnSchema::new("note", DataType::String)];
    world.delta.add_columns("days", columns).send().await.unwrap();
    assert_eq!(world.engine.statements().len(), 2);
    let found = world.delta.table_schema("days").await.unwrap();
    assert_eq!(found.to_string(), "`id` BIGINT, `day` DATE, `wind` DOUBLE, `price` DECIMAL(10,2)");
}
