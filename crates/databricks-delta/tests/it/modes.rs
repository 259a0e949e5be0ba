//! Writes that do more than append: what is sent, and how a lost answer is settled without sending it twice.

use databricks_delta::{DeltaError, Resumed, SchemaMode, WriteMode};
use databricks_testkit::{Column, Fault, FaultRule};
use http::Method;
use serde::Serialize;
use serde_json::json;

use crate::support::{FILES, STATEMENTS, World, days};

const MARK: &str = "<> 'write ";

#[derive(Serialize)]
struct Hour {
    id: i64,
    name: &'static str,
    at: Vec<f64>,
}

#[derive(Serialize)]
struct Rain {
    id: i64,
    rain: f64,
    #[serde(rename = "Tags")]
    tags: Vec<&'static str>,
}

/// After so many looks at it the table's history shows a commit whose condition bears the mark of `write_id`.
fn history(world: &World, empty_looks: u64, write_id: &str, metrics: serde_json::Value) {
    let columns = || {
        [
            Column::new("version", "BIGINT"),
            Column::new("operation", "STRING"),
            Column::new("operationParameters", "MAP<STRING, STRING>"),
            Column::new("operationMetrics", "MAP<STRING, STRING>"),
        ]
    };
    let parameters =
        json!({"predicate": format!("(coalesce(cast(id as string), '') <> 'write {write_id}')")});
    let other = [json!("3"), json!("WRITE"), json!(r#"{"predicate":"(day = '2026-01-02')"}"#), json!("{}")];
    let ours = [json!("4"), json!("WRITE"), json!(parameters.to_string()), json!(metrics.to_string())];
    if empty_looks > 0 {
        let looks = world.engine.on_containing("DESCRIBE HISTORY").times(empty_looks);
        looks.rows(columns(), [other.clone()]);
    }
    world.engine.on_containing("DESCRIBE HISTORY").rows(columns(), [ours, other]);
}

fn no_history(world: &World) {
    let columns = [Column::new("version", "BIGINT"), Column::new("operation", "STRING")];
    world.engine.on_containing("DESCRIBE HISTORY").rows(columns, [[json!("0"), json!("CREATE TABLE")]]);
}

/// The id of the writes of key `k` to `main.default.days`.
async fn write_id_of_key() -> String {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(1);
    let written = world.delta.write_batch("days", &days(1)).idempotency_key("k").send().await.unwrap();
    written.write_id.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_overwrite_is_one_statement_over_all_parts() {
    let world = World::new();
    world.engine.on_containing("INSERT").affected(25);
    let rows = days(25);
    let write = world.delta.write_batch("days", &rows).batch_size(10).mode(WriteMode::Overwrite);
    let written = write.send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (25, 3));
    assert_eq!(world.left(), 0);
    let id = written.write_id.to_string();
    let [insert] = world.sent("INSERT").try_into().unwrap();
    insta::assert_snapshot!(insert.replace(&id, "WRITE_ID"));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_takes_parameters_and_fills_columns_that_the_data_lacks() {
    let world = World::new();
    world.engine.on_containing("INSERT").with_parameter("day", "2026-01-02").affected(1);
    let rows = [json!({"id": 1})];
    let mode = WriteMode::ReplaceWhere("day = :day".to_owned());
    let written = world.delta.write_batch("days", &rows).mode(mode).param("day", "2026-01-02").send().await;
    let id = written.unwrap().write_id.to_string();
    let [insert] = world.sent("INSERT").try_into().unwrap();
    insta::assert_snapshot!(insert.replace(&id, "WRITE_ID"));
}

#[tokio::test(start_paused = true)]
async fn rows_are_not_replaced_by_a_column_that_the_data_lacks() {
    let world = World::new();
    world.engine.on_containing("INSERT").affected(1);
    let rows = [json!({"id": 1})];
    let write = |column: &str| {
        world.delta.write_batch("days", &rows).mode(WriteMode::ReplaceUsing(vec![column.to_owned()]))
    };
    for answer in [write("DAY").send().await.map(drop), write("DAY").dry_run().await.map(drop)] {
        let error = answer.unwrap_err();
        assert!(matches!(&error, DeltaError::InvalidOption { option: "replace_using", .. }), "{error:?}");
    }
    assert_eq!((world.sent("INSERT").len(), world.left()), (0, 0));
    assert_eq!(write("ID").send().await.unwrap().rows_affected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_mark_the_table_shows_sends_nothing() {
    let id = write_id_of_key().await;
    for mode in [WriteMode::Overwrite, WriteMode::ReplaceWhere("id > 0".to_owned())] {
        let world = World::new();
        history(&world, 0, &id, json!({}));
        let rows = days(25);
        let written =
            world.delta.write_batch("days", &rows).mode(mode).idempotency_key("k").send().await.unwrap();
        assert_eq!((written.rows_affected, written.already_applied), (0, true));
        assert!(world.requests(Method::PUT, FILES).is_empty() && world.sent("INSERT").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_in_the_tables_history() {
    let id = write_id_of_key().await;
    let world = World::new();
    world.engine.on_containing("INSERT").affected(25);
    // Two looks before it is sent, two after.
    history(&world, 3, &id, json!({}));
    let lost = FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter);
    // Before it come the looks at the history and the making of the volume.
    world.workspace.faults().add(lost.nth(4));
    let rows = days(25);
    let write = world.delta.write_batch("days", &rows).mode(WriteMode::Overwrite).idempotency_key("k");
    let written = write.send().await.unwrap();
    assert_eq!((written.rows_affected, written.already_applied), (25, false));
    let [insert] = world.sent("INSERT").try_into().unwrap();
    assert!(insert.contains(MARK) && insert.contains(&id), "{insert}");
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_history_does_not_show_is_never_sent_again_by_itself() {
    let world = World::new();
    world.engine.on_containing("INSERT").affected(25);
    no_history(&world);
    world.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetBefore).nth(4));
    let rows = days(25);
    let write = || world.delta.write_batch("days", &rows).mode(WriteMode::Overwrite).idempotency_key("k");
    let error = write().send().await.unwrap_err();
    let DeltaError::OutcomeUnknown { write_id, .. } = error else { panic!("{error:?}") };
    assert_eq!((world.sent("INSERT").len(), world.left() > 0), (0, true));

    assert_eq!(world.delta.resume("days", write_id).await.unwrap(), Resumed::NotShown);
    assert_eq!(world.left(), 0);
    assert_eq!(write().send().await.unwrap().rows_affected, 25);
    assert_eq!((world.sent("INSERT").len(), world.left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_another_run_of_the_key_is_not_a_reason_to_overwrite_it() {
    let id = write_id_of_key().await;
    let world = World::new();
    world.engine.on_containing("INSERT").fail("DELTA_CONCURRENT_DELETE_READ", "2D521", "Try again.");
    history(&world, 2, &id, json!({}));
    let rows = days(25);
    let write = world.delta.write_batch("days", &rows).mode(WriteMode::Overwrite).idempotency_key("k");
    let written = write.send().await.unwrap();
    assert_eq!((written.rows_affected, written.already_applied), (0, true), "it was the other run");
    assert_eq!((world.sent("INSERT").len(), world.left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_another_run_of_the_key_did_while_the_rows_were_staged_is_not_sent() {
    let id = write_id_of_key().await;
    let rows = days(4);
    let world = || {
        let world = World::new();
        history(&world, 1, &id, json!({}));
        world.engine.on_containing("INSERT").affected(4);
        world.engine.on_containing("MERGE").affected(4);
        world
    };
    let (replaced, merged) = (world(), world());
    let write = replaced.delta.write_batch("days", &rows).mode(WriteMode::Overwrite).idempotency_key("k");
    assert!(write.send().await.unwrap().already_applied);
    let merge = merged.delta.merge("days").using_values(&rows).on_keys(&["id"]).idempotency_key("k");
    let result = merge.when_matched_update("wind = target.wind + 1").execute().await.unwrap();
    assert_eq!((result.num_affected_rows, result.already_applied), (0, true));
    for world in [replaced, merged] {
        assert!(world.sent("INSERT").is_empty() && world.sent("MERGE").is_empty());
        assert!(!world.requests(Method::PUT, FILES).is_empty(), "they were staged");
        assert_eq!(world.left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_merge_that_another_run_of_its_key_did_first_counts_nothing() {
    let id = write_id_of_key().await;
    let world = World::new();
    world.engine.on_containing("MERGE").fail("DELTA_CONCURRENT_APPEND", "2D521", "Try again.");
    history(&world, 2, &id, json!({"numTargetRowsUpdated": "2", "numTargetRowsInserted": "1"}));
    let rows = days(3);
    let merge = world.delta.merge("days").using_values(&rows).on_keys(&["id"]).idempotency_key("k");
    let merged = merge.when_matched_update("wind = target.wind + 1").execute().await.unwrap();
    assert_eq!((merged.num_affected_rows, merged.already_applied), (0, true));
    assert_eq!(world.sent("MERGE").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mark_is_found_however_many_commits_came_after_it() {
    let id = write_id_of_key().await;
    let world = World::new();
    let columns = [
        Column::new("version", "BIGINT"),
        Column::new("operation", "STRING"),
        Column::new("operationParameters", "MAP<STRING, STRING>"),
    ];
    let newer = (0..5_000).map(|age| [json!((9_000 - age).to_string()), json!("WRITE"), json!("{}")]);
    world.engine.on_containing("LIMIT 5000").rows(columns, newer);
    history(&world, 0, &id, json!({}));
    let rows = days(3);
    let write = world.delta.write_batch("days", &rows).mode(WriteMode::Overwrite).idempotency_key("k");
    let written = write.send().await.unwrap();
    assert_eq!((written.rows_affected, written.already_applied), (0, true));
    assert!(world.sent("INSERT").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replacement_adds_no_rows_to_a_table_that_another_made_meanwhile() {
    let rows = [Hour { id: 1, name: "a", at: Vec::new() }];
    let columns = [("id", "BIGINT"), ("name", "STRING"), ("at", "ARRAY<DOUBLE>")];
    let modes = [
        WriteMode::Overwrite,
        WriteMode::ReplaceWhere("id > 0".to_owned()),
        WriteMode::ReplaceUsing(vec!["id".to_owned()]),
    ];
    for mode in modes {
        let world = World::new();
        let making = world.on_making("CREATE TABLE", "hours", &columns);
        making.fail("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", "It exists.");
        world.engine.on_containing("COPY INTO").affected(1);
        let write = world.delta.write_batch("hours", &rows).mode(mode).create_if_missing();
        let error = write.send().await.unwrap_err();
        assert!(
            matches!(&error, DeltaError::TableExists { table } if table == "main.default.hours"),
            "{error:?}"
        );
        assert_eq!((world.sent("COPY INTO").len(), world.left()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_merge_is_found_with_its_counts() {
    let id = write_id_of_key().await;
    let world = World::new();
    world.engine.on_containing("MERGE").affected(7);
    history(&world, 2, &id, json!({"numTargetRowsUpdated": "2", "numTargetRowsInserted": "1"}));
    world.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter).nth(4));
    let rows = days(3);
    let merge = world.delta.merge("days").using_values(&rows).on_keys(&["id"]).idempotency_key("k");
    let merged = merge.when_matched_update("wind = target.wind + 1").execute().await.unwrap();
    assert_eq!((merged.num_affected_rows, merged.num_updated_rows, merged.num_inserted_rows), (3, 2, 1));
    let [merge] = world.sent("MERGE").try_into().unwrap();
    assert!(
        merge.contains(&format!(
            "ON target.`id` = source.`id` AND coalesce(CAST(target.`id` AS STRING), '') {MARK}{id}'"
        )),
        "{merge}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_is_created_with_its_rows_by_one_statement() {
    let world = World::new();
    world.engine.on_containing("CREATE TABLE").affected(2);
    let hour = |id, name, at: &[f64]| Hour { id, name, at: at.to_vec() };
    let rows = [hour(1, "a", &[1.5]), hour(2, "b", &[])];
    for mode in [WriteMode::ErrorIfExists, WriteMode::Append] {
        let write = world.delta.write_batch("hours", &rows).mode(mode).create_if_missing();
        let written = write.partitioned_by(["name"]).send().await.unwrap();
        assert_eq!((written.rows_affected, world.left()), (2, 0));
        let id = written.write_id.to_string();
        let create = world.sent("CREATE TABLE").pop().unwrap();
        insta::assert_snapshot!("a_missing_table_is_created", create.replace(&id, "WRITE_ID"));
    }
    let exists = world.delta.write_batch("days", &days(1)).mode(WriteMode::ErrorIfExists).send().await;
    assert!(matches!(exists, Err(DeltaError::TableExists { table }) if table == "main.default.days"));
}

#[tokio::test(start_paused = true)]
async fn columns_that_are_new_are_added_when_that_was_said() {
    let world = World::new();
    let columns = [
        ("id", "BIGINT"),
        ("day", "DATE"),
        ("wind", "DOUBLE"),
        ("price", "DECIMAL(10,2)"),
        ("rain", "DOUBLE"),
        ("Tags", "ARRAY<STRING>"),
    ];
    world.on_alter(
        "ALTER TABLE `main`.`default`.`days` ADD COLUMNS (`rain` DOUBLE, `Tags` ARRAY<STRING>)",
        &columns,
    );
    world.engine.on_containing("COPY INTO").affected(1);
    let rows = [Rain { id: 1, rain: 2.5, tags: vec!["a"] }];
    let refused = world.delta.write_batch("days", &rows).send().await;
    assert!(matches!(refused, Err(DeltaError::UnknownColumn { .. })));
    world.delta.write_batch("days", &rows).schema(SchemaMode::Evolve).send().await.unwrap();
    let [alter] = world.sent("ALTER TABLE").try_into().unwrap();
    assert_eq!(
        alter,
        "ALTER TABLE `main`.`default`.`days` ADD COLUMNS (`rain` DOUBLE, `Tags` ARRAY<STRING>)"
    );
    let [copy] = world.sent("COPY INTO").try_into().unwrap();
    assert!(copy.contains("CAST(`rain` AS DOUBLE) AS `rain`"), "{copy}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_leaves_the_parts_of_another_run_of_its_key() {
    let world = World::new();
    // The first run stands still at its commit; the second, of the same key, fails while it reads its data.
    world.engine.on_containing("COPY INTO").times(1).never();
    world.engine.on_containing("COPY INTO").affected(25);
    let rows = days(25);
    let delta = world.delta.clone();
    let first = tokio::spawn(async move {
        let rows = days(25);
        delta.write_batch("days", &rows).batch_size(10).idempotency_key("k").send().await
    });
    while world.sent("COPY INTO").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let staged = world.left();
    let mut broken = rows.clone();
    broken[24].day = "yesterday";
    let second = world.delta.write_batch("days", &broken).batch_size(10).idempotency_key("k").send().await;
    assert!(matches!(second, Err(DeltaError::Encode { .. })));
    assert_eq!(world.left(), staged);
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn an_append_of_unknown_outcome_is_completed_by_resuming_it() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    no_history(&world);
    let lost = FaultRule::on(Method::POST, STATEMENTS, Fault::ResetBefore).nth(2).times(1_000);
    world.workspace.faults().add(lost);
    let rows = days(25);
    let error = world.delta.write_batch("days", &rows).batch_size(10).send().await.unwrap_err();
    let DeltaError::OutcomeUnknown { write_id, .. } = error else { panic!("{error:?}") };
    world.workspace.faults().clear();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(world.sent("COPY INTO").is_empty());
    assert_eq!(world.delta.resume("days", write_id).await.unwrap(), Resumed::Applied);
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_what_is_old_and_no_more() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(1).never();
    let rows = days(25);
    let attempt = world.delta.write_batch("days", &rows).idempotency_key("k").send();
    assert!(tokio::time::timeout(std::time::Duration::from_secs(3), attempt).await.is_err());
    let left = world.left();
    let swept = world.delta.sweep_staging(std::time::Duration::from_secs(3_600)).await.unwrap();
    assert_eq!((swept.removed.len(), swept.kept.len(), world.left()), (0, 1, left));
    let swept = world.delta.sweep_staging(std::time::Duration::ZERO).await.unwrap();
    assert_eq!((swept.removed.len(), swept.bytes_removed, world.left()), (1, left, 0));
    assert!(swept.removed[0].starts_with("/Volumes/main/default/_staging/"));
}
