//! Merges: what is sent for which source, and what happens when it goes wrong.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use databricks_delta::{DeltaClient, DeltaError};
use databricks_testkit::{Fault, FaultRule};
use futures::stream;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::support::{STATEMENTS, World, days};

#[derive(Serialize)]
struct Change {
    id: i64,
    wind: f64,
    price: &'static str,
    deleted: bool,
}

const COUNTS: [(&str, i64); 4] =
    [("num_affected_rows", 3), ("num_updated_rows", 1), ("num_deleted_rows", 0), ("num_inserted_rows", 2)];

fn changes(count: i64) -> Vec<Change> {
    (0..count).map(|id| Change { id, wind: 2.5, price: "1.005", deleted: false }).collect()
}

#[tokio::test(start_paused = true)]
async fn a_few_rows_go_into_the_statement_with_the_targets_types() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    let changes = changes(2);
    let merge = world.delta.merge("days").using_values(&changes).on("target.id = source.id");
    let merge = merge
        .when_matched_update("target.wind = source.wind")
        .when_matched_delete_if("source.deleted = true");
    let merged = merge.when_not_matched_insert_all().execute().await.unwrap();
    assert_eq!((merged.num_affected_rows, merged.num_updated_rows, merged.num_inserted_rows), (3, 1, 2));
    let [sql] = world.engine.statements().try_into().unwrap();
    insta::assert_snapshot!(sql);
}

#[tokio::test(start_paused = true)]
async fn many_rows_are_staged_and_removed_afterwards() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    let changes = changes(301);
    let merge = world.delta.merge("days").using_values(&changes).on_keys(&["id"]).when_matched_update_all();
    let merged = merge.batch_size(100).execute().await.unwrap();
    assert_eq!(merged.staging_left, None);
    let [sql] = world.sent("MERGE").try_into().unwrap();
    assert!(sql.contains("CAST(`price` AS DECIMAL(10,2)) AS `price`, `deleted`\nFROM read_files('/Volumes/main/default/_staging/"), "{sql}");
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn nested_rows_are_staged_however_few() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    let rows = [serde_json::json!({"id": 1, "tags": ["a", "b"]})];
    let merge = world
        .delta
        .merge("days")
        .using_values(&rows)
        .on_keys(&["id"])
        .when_not_matched_insert("id", "source.id");
    merge.execute().await.unwrap();
    assert!(world.sent("MERGE")[0].contains("read_files("));
}

#[tokio::test(start_paused = true)]
async fn numbers_for_days_are_staged_however_few() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    // A file takes them for days since 1970, and a cast refuses them.
    let rows = [serde_json::json!({"id": 1, "day": -20_454})];
    let merge = world.delta.merge("days").using_values(&rows).on_keys(&["id"]);
    merge.when_matched_update("day = source.day").execute().await.unwrap();
    assert!(world.sent("MERGE")[0].contains("read_files("), "{:?}", world.sent("MERGE"));
}

#[tokio::test(start_paused = true)]
async fn batches_are_staged() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from_iter_values(0..10))]);
    let merge = world.delta.merge("days").using_batches(schema, stream::iter([batch])).on_keys(&["id"]);
    merge.when_matched_delete().execute().await.unwrap();
    assert!(world.sent("MERGE")[0].contains("read_files("));
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_rows_send_nothing_and_cannot_empty_the_table() {
    let world = World::new();
    let none = || world.delta.merge("days").using_values(&[] as &[Change]).on_keys(&["id"]);
    assert_eq!(none().when_matched_delete().execute().await.unwrap().num_affected_rows, 0);
    let error = none().when_not_matched_by_source_delete().execute().await.unwrap_err();
    assert!(matches!(&error, DeltaError::InvalidMerge { reason } if reason.contains("no rows")), "{error}");

    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let empty = stream::empty::<Result<RecordBatch, ArrowError>>();
    let merge = world.delta.merge("days").using_batches(schema, empty).on_keys(&["id"]);
    assert!(merge.when_not_matched_by_source_delete().execute().await.is_err());
    assert!(world.engine.statements().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_because_nothing_was_committed() {
    let world = World::new();
    world.engine.on_containing("MERGE").times(2).fail("DELTA_CONCURRENT_APPEND", "2D521", "Try again.");
    world.engine.on_containing("MERGE").counts(COUNTS);
    let merged = world
        .delta
        .merge("days")
        .using_source("s.changes")
        .on_keys(&["id"])
        .when_matched_delete()
        .execute()
        .await;
    assert_eq!(merged.unwrap().num_affected_rows, 3);
    assert_eq!(world.sent("MERGE").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_never_sent_again() {
    let world = World::new();
    world.engine.on_containing("MERGE").counts(COUNTS);
    world.fail(Method::POST, STATEMENTS, Fault::ResetAfter);
    let merge = world.delta.merge("days").using_query("SELECT 1 AS id").on_keys(&["id"]);
    let error = merge.when_matched_update("target.wind = target.wind + 1").execute().await.unwrap_err();
    assert!(matches!(error, DeltaError::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(world.sent("MERGE").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn staged_rows_are_kept_while_the_outcome_is_unknown_and_removed_when_it_failed() {
    let world = World::new();
    world.engine.on_containing("MERGE").times(1).fail(
        "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
        "21506",
        "Multiple source rows matched.",
    );
    world.engine.on_containing("MERGE").counts(COUNTS);
    let rows = days(301);
    let merge = || world.delta.merge("days").using_values(&rows).on_keys(&["id"]).when_matched_delete();
    let error = merge().execute().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Sql(sql) if sql.sql_state() == Some("21506")), "{error:?}");
    assert_eq!(world.left(), 0);

    world.fail(Method::POST, STATEMENTS, Fault::ResetAfter);
    let error = merge().execute().await.unwrap_err();
    assert!(error.is_ambiguous(), "{error:?}");
    assert!(world.left() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_merge_into_a_missing_table_stages_nothing() {
    let world = World::new();
    let rows = days(301);
    let merge = world.delta.merge("hours").using_values(&rows).on_keys(&["id"]).when_matched_delete();
    assert!(matches!(merge.execute().await, Err(DeltaError::TableNotFound { .. })));
    assert!(world.requests(Method::PUT, "/").is_empty());
}

#[test]
fn a_mock_client_builds_statements() {
    let client = DeltaClient::mock();
    let changes = changes(1);
    let merge = client.merge("days").using_values(&changes).on("target.id = source.id");
    let merge = merge.when_matched_update("value = source.wind").when_not_matched_insert_all();
    insta::assert_snapshot!(merge.build_sql().unwrap());
    let many = self::changes(400);
    let sql =
        client.merge("days").using_values(&many).on_keys(&["id"]).when_matched_delete().build_sql().unwrap();
    assert!(sql.contains("read_files('/Volumes/main/default/_staging/"), "{sql}");
}

#[test]
fn a_merge_without_a_source_or_with_a_bad_name_is_refused() {
    let client = DeltaClient::mock();
    let error = client.merge("days").on_keys(&["id"]).when_matched_delete().build_sql().unwrap_err();
    assert!(matches!(error, DeltaError::InvalidMerge { .. }), "{error}");
    let merge = client.merge("days").using_source("a..b").on_keys(&["id"]).when_matched_delete();
    assert!(matches!(merge.build_sql(), Err(DeltaError::InvalidName { name, .. }) if name == "a..b"));
}

#[tokio::test(start_paused = true)]
async fn a_merge_that_is_refused_before_it_runs_is_a_plain_error() {
    let world = World::new();
    world
        .workspace
        .faults()
        .add(FaultRule::on(Method::POST, STATEMENTS, Fault::status(StatusCode::FORBIDDEN)).always());
    let merge = world.delta.merge("days").using_source("changes").on_keys(&["id"]).when_matched_delete();
    let error = merge.execute().await.unwrap_err();
    assert!(matches!(error, DeltaError::Sql(_)) && !error.is_ambiguous(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn few_rows_are_refused_for_the_same_values_as_many() {
    let world = World::new();
    for count in [2, 301] {
        let mut rows: Vec<_> = (0..count).map(|id| serde_json::json!({"id": id, "wind": 1.5})).collect();
        rows[1]["id"] = serde_json::json!(1.5);
        let merge = world.delta.merge("days").using_values(&rows).on_keys(&["id"]).when_matched_delete();
        let error = merge.execute().await.unwrap_err();
        assert!(matches!(&error, DeltaError::Encode { message, .. } if message.contains("id")), "{error:?}");
    }
    assert_eq!(world.sent("MERGE"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_commit_is_not_taken_for_none() {
    let world = World::new();
    world.engine.on_containing("MERGE").fail("DELTA_POST_COMMIT_HOOK_FAILED", "2DKD0", "Committed, but.");
    let rows = days(301);
    let merge = world.delta.merge("days").using_values(&rows).on_keys(&["id"]).when_matched_delete();
    let error = merge.execute().await.unwrap_err();
    assert!(matches!(&error, DeltaError::OutcomeUnknown { operation: "merge", key: None, .. }), "{error:?}");
    assert!(error.to_string().contains("do not run the merge again before DESCRIBE HISTORY"), "{error}");
    assert_eq!(world.sent("MERGE").len(), 1);
    assert!(world.left() > 0);
}
