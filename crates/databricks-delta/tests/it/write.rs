//! Writes: one commit or none, safe to run again, nothing left behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use databricks_delta::{DeltaError, WriteEvent};
use databricks_testkit::{Fault, FaultRule, VolumePath, VolumeStore};
use futures::stream;
use http::{Method, StatusCode};

use crate::support::{FILES, STATEMENTS, World, days};

#[tokio::test(start_paused = true)]
async fn rows_are_staged_in_parts_and_loaded_by_one_statement() {
    let world = World::new();
    let volumes = world.volumes.clone();
    let staged = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&staged);
    let copies = move |statement: &str| {
        *seen.lock().unwrap() = volumes.used_bytes();
        statement.starts_with("COPY INTO")
    };
    world.engine.on_matching(move |request| copies(&request.statement)).affected(25);
    let written =
        world.delta.write_batch("days", &days(25)).batch_size(10).idempotency_key("k").send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (25, 3));
    assert!(!written.already_applied && written.staging_left.is_none());
    assert_eq!(*staged.lock().unwrap(), written.bytes_staged);
    assert_eq!(world.sent("COPY INTO").len(), 1);
    assert_eq!(world.left(), 0);
    insta::assert_snapshot!(world.engine.statements().join("\n;\n"));
}

#[tokio::test(start_paused = true)]
async fn the_missing_volume_is_made_once() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(40);
    world.delta.write_batch("days", &days(40)).batch_size(10).concurrency(4).send().await.unwrap();
    assert_eq!(world.sent("CREATE VOLUME").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_cannot_be_made_ends_the_write() {
    let world = World::new();
    world.fail(Method::POST, STATEMENTS, Fault::status(StatusCode::FORBIDDEN));
    let error = world.delta.write_batch("days", &days(45)).send().await.unwrap_err();
    assert!(matches!(error, DeltaError::Sql(_)), "{error}");
    assert_eq!(world.sent("COPY INTO").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn batches_of_any_size_become_parts_of_one_size() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    let schema = Arc::new(Schema::new(vec![Field::new("ID", DataType::Int64, false)]));
    let batch = |range: std::ops::Range<i64>| {
        let ids = Arc::new(Int64Array::from_iter_values(range)) as _;
        RecordBatch::try_new(Arc::clone(&schema), vec![ids])
    };
    let batches = stream::iter([batch(0..3), batch(3..3), batch(3..24), batch(24..25)]);
    let written =
        world.delta.write_batches("days", Arc::clone(&schema), batches).batch_size(10).send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (25, 3));
    let [copy] = world.sent("COPY INTO").try_into().unwrap();
    assert!(copy.contains("(`id`)\nFROM (SELECT CAST(`ID` AS BIGINT) AS `id` FROM"), "{copy}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_commits_nothing() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let none = stream::empty::<Result<RecordBatch, ArrowError>>();
    let written = world.delta.write_batches("days", schema, none).send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (0, 0));
    assert_eq!(world.engine.statements(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn progress_counts_up_to_the_commit() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let rows = days(25);
    let write = world
        .delta
        .write_batch("days", &rows)
        .batch_size(10)
        .progress(move |step| teller.lock().unwrap().push(step));
    let written = write.send().await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 7);
    assert!(told.is_sorted_by_key(|step| (step.rows_encoded, step.rows_uploaded)));
    let last = told.last().unwrap();
    assert_eq!((last.event, last.rows_committed, last.rows_uploaded), (WriteEvent::Committed, 25, 25));
    assert_eq!(
        (last.parts_uploaded, last.bytes_uploaded, last.total_rows),
        (3, written.bytes_staged, Some(25))
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_volume_names_the_file_and_commits_nothing() {
    let world = World::with_quota(Some(4_000));
    let error = world.delta.write_batch("days", &days(100)).batch_size(10).send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::StorageFull { path, .. } if path.starts_with("/Volumes/main/default/_staging/")),
        "{error:?}"
    );
    assert!(error.to_string().contains("no space is left"), "{error}");
    assert_eq!(world.sent("COPY INTO").len(), 0);
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_cannot_be_uploaded_ends_the_write_and_begins_no_more() {
    let world = World::new();
    let refused = Fault::status(StatusCode::FORBIDDEN).with_error("PERMISSION_DENIED", "No WRITE VOLUME.");
    world.workspace.faults().add(FaultRule::on(Method::PUT, FILES, refused).always());
    let error =
        world.delta.write_batch("days", &days(1_000)).batch_size(10).concurrency(2).send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Upload { path, .. } if path.contains("part-0000")), "{error:?}");
    assert!(world.requests(Method::PUT, FILES).len() <= 2);
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_ends_the_write_and_cleans_up() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let good = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from_iter_values(0..10))]);
    let broken = Err(ArrowError::CsvError("line 12: expected 4 fields, found 3".to_owned()));
    let write = world.delta.write_batches("days", schema, stream::iter([good, broken])).batch_size(10);
    let error = write.send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::Input(source) if source.to_string().contains("line 12")),
        "{error:?}"
    );
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_column_is_refused_before_anything_is_staged() {
    let world = World::new();
    let rows = [serde_json::json!({"id": 1, "rain": 2.5})];
    let error = world.delta.write_batch("days", &rows).send().await.unwrap_err();
    insta::assert_snapshot!(error);
    assert!(world.requests(Method::PUT, "/").is_empty() && world.engine.statements().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_is_named() {
    let world = World::new();
    let error = world.delta.write_batch("hours", &days(1)).send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::TableNotFound { table } if table == "main.default.hours"),
        "{error}"
    );
    assert!(world.requests(Method::PUT, "/").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_does_not_fit_is_refused_and_cleaned_up() {
    let world = World::new();
    let mut rows = days(30);
    rows[25].day = "yesterday";
    let error = world.delta.write_batch("days", &rows).batch_size(10).send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Encode { message, .. } if message.contains("day")), "{error}");
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rerun_with_its_key_names_the_same_files_and_adds_nothing() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(1).affected(25);
    world.engine.on_containing("COPY INTO").affected(0);
    let rows = days(25);
    let run = || world.delta.write_batch("days", &rows).batch_size(10).idempotency_key("load 7").send();
    let (first, second) = (run().await.unwrap(), run().await.unwrap());
    assert!(!first.already_applied && second.already_applied);
    assert_eq!((first.rows_affected, second.rows_affected, second.write_id), (25, 0, first.write_id));
    let parts = world.requests(Method::PUT, FILES).into_iter().filter(|path| path.ends_with(".parquet"));
    let puts: Vec<_> = parts.collect();
    let (mut one, mut two) = (puts[..puts.len() - 3].to_vec(), puts[puts.len() - 3..].to_vec());
    one.sort();
    one.dedup();
    two.sort();
    assert_eq!(one, two);
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn parts_of_an_earlier_longer_attempt_are_not_loaded() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(1).never();
    let longer = days(45);
    let attempt = world.delta.write_batch("days", &longer).batch_size(10).idempotency_key("k").send();
    // The attempt is given up between staging and commit, as when its process is killed.
    assert!(tokio::time::timeout(Duration::from_secs(3), attempt).await.is_err());
    assert!(world.left() > 0);

    let volumes = world.volumes.clone();
    let at_copy = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&at_copy);
    let copies = move |statement: &str| {
        *seen.lock().unwrap() = volumes.used_bytes();
        statement.starts_with("COPY INTO")
    };
    world.engine.on_matching(move |request| copies(&request.statement)).affected(15);
    let written =
        world.delta.write_batch("days", &days(15)).batch_size(10).idempotency_key("k").send().await.unwrap();
    assert_eq!(*at_copy.lock().unwrap(), written.bytes_staged);
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_used_for_other_data_is_reported() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(5);
    let error = world
        .delta
        .write_batch("days", &days(25))
        .batch_size(10)
        .idempotency_key("k")
        .send()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DeltaError::IdempotencyKeyReused { key, loaded: 5, expected: 25, .. } if key == "k"),
        "{error:?}"
    );
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_asked_for_again_and_settles_the_write() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(1).affected(25);
    world.engine.on_containing("COPY INTO").affected(0);
    // The POST that makes the volume is the first, the COPY INTO the second.
    world.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter).nth(2));
    let written = world.delta.write_batch("days", &days(25)).send().await.unwrap();
    assert_eq!((written.rows_affected, written.already_applied), (25, false));
    assert_eq!(world.sent("COPY INTO").len(), 2);
    assert_eq!(world.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_keeps_the_staged_files() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    world
        .workspace
        .faults()
        .add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter).nth(2).times(1_000));
    let error = world.delta.write_batch("days", &days(25)).idempotency_key("k").send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::OutcomeUnknown { table, .. } if table == "main.default.days"),
        "{error:?}"
    );
    assert!(error.is_ambiguous() && !error.is_retryable());
    assert!(world.left() > 0);

    world.workspace.faults().clear();
    // So many answers were lost that the client leaves the host alone for a minute.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let settled = world.delta.write_batch("days", &days(25)).idempotency_key("k").send().await.unwrap();
    assert_eq!((settled.rows_affected, world.left()), (25, 0));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_polls_fail_is_not_taken_for_failed() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").never();
    world
        .workspace
        .faults()
        .add(FaultRule::on(Method::GET, STATEMENTS, Fault::status(StatusCode::FORBIDDEN)).always());
    let error = world.delta.write_batch("days", &days(25)).send().await.unwrap_err();
    assert!(matches!(error, DeltaError::OutcomeUnknown { .. }), "{error:?}");
    assert!(world.left() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_fails_commits_nothing_and_cleans_up() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").fail(
        "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
        "23502",
        "NOT NULL constraint violated.",
    );
    let error = world.delta.write_batch("days", &days(25)).send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Sql(sql) if sql.sql_state() == Some("23502")), "{error:?}");
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_another_commit_is_tried_again() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(2).fail("DELTA_CONCURRENT_APPEND", "2D521", "Try again.");
    world.engine.on_containing("COPY INTO").affected(25);
    let written = world.delta.write_batch("days", &days(25)).send().await.unwrap();
    assert_eq!((written.rows_affected, world.sent("COPY INTO").len()), (25, 3));
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_removed_are_reported_and_no_error() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    world
        .workspace
        .faults()
        .add(FaultRule::on(Method::DELETE, FILES, Fault::status(StatusCode::FORBIDDEN)).always());
    let written = world.delta.write_batch("days", &days(25)).send().await.unwrap();
    let expected = format!("/Volumes/main/default/_staging/{}", written.write_id);
    assert_eq!(written.staging_left, Some(expected));
}

/// Futures of writes and merges can be spawned.
#[tokio::test(start_paused = true)]
async fn operations_run_in_tasks_of_their_own() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    world.engine.on_containing("MERGE").affected(1);
    let delta = world.delta.clone();
    let task = tokio::spawn(async move {
        let rows = days(25);
        delta.write_batch("days", &rows).send().await?;
        delta.merge("days").using_values(&rows).on_keys(&["id"]).when_matched_delete().execute().await
    });
    assert_eq!(task.await.unwrap().unwrap().num_affected_rows, 1);
}

#[tokio::test(start_paused = true)]
async fn text_batches_are_cast_to_the_tables_types() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(1);
    let schema = Arc::new(Schema::new(vec![
        Field::new("price", DataType::Utf8, true),
        Field::new("day", DataType::Utf8, true),
    ]));
    let columns = vec![
        Arc::new(StringArray::from(vec!["1.005"])) as _,
        Arc::new(StringArray::from(vec!["2026-01-02"])) as _,
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
    world.delta.write_batches("days", schema, stream::iter([batch])).send().await.unwrap();
    let [copy] = world.sent("COPY INTO").try_into().unwrap();
    assert!(
        copy.contains("CAST(`price` AS DECIMAL(10,2)) AS `price`, CAST(`day` AS DATE) AS `day`"),
        "{copy}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_loaded_is_no_success_of_a_new_write() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(0);
    let error = world.delta.write_batch("days", &days(25)).send().await.unwrap_err();
    assert!(matches!(error, DeltaError::RowCountMismatch { expected: 25, actual: 0, .. }), "{error:?}");
    assert_eq!(world.sent("COPY INTO").len(), 1);
    assert!(world.left() > 0, "what was staged is kept");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_another_run_of_the_key_removes_ends_the_write() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(25);
    let rows = days(25);
    let write = || world.delta.write_batch("days", &rows).batch_size(10).idempotency_key("k");
    let write_id = write().send().await.unwrap().write_id;
    let part = format!("/Volumes/main/default/_staging/{write_id}/part-00000.parquet");
    let (volumes, gone) = (world.volumes.clone(), VolumePath::parse(&part).unwrap());
    let error = write()
        .progress(move |step| {
            if step.parts_uploaded == 3 && step.rows_committed == 0 {
                futures::executor::block_on(volumes.delete(gone.clone())).unwrap();
            }
        })
        .send()
        .await
        .unwrap_err();
    assert!(matches!(&error, DeltaError::StagingChanged { path } if *path == part), "{error:?}");
    assert!(error.is_retryable() && !error.is_ambiguous());
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_server_does_not_explain_is_settled_by_sending_it_again() {
    let world = World::new();
    world.engine.on_containing("COPY INTO").times(1).fail(
        "DELTA_POST_COMMIT_HOOK_FAILED",
        "2DKD0",
        "Committed, but.",
    );
    world.engine.on_containing("COPY INTO").affected(0);
    let written = world.delta.write_batch("days", &days(25)).send().await.unwrap();
    assert_eq!((written.rows_affected, written.already_applied), (25, false));
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_another_type_than_its_schema_says_is_refused() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let texts = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["x"])) as _)]);
    let error = world.delta.write_batches("days", schema, stream::iter([texts])).send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::InvalidData { message } if message.contains("`id`")), "{error:?}");
    assert_eq!((world.sent("COPY INTO").len(), world.left()), (0, 0));
}
