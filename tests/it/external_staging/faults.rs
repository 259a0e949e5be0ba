//! What a storage can do to a write, and what a crash leaves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use databricks_delta_lake::delta::{DeltaError, Resumed, WriteCompression, WriteResult};
use databricks_delta_lake::transport::ErrorKind;
use databricks_testkit::{ErrorBody, Fault, FaultRule, StallPoint};
use futures::{StreamExt, stream};
use http::{Method, StatusCode};

use super::world::{World, batches, large_rows, rows, stream_of};

const BUCKET: &str = "/s3/lake/";
const STATEMENTS: &str = "/api/2.0/sql/statements";
const CREDENTIALS: &str = "/api/2.1/unity-catalog/temporary-path-credentials";

/// A bucket, and a table with one row.
async fn world() -> World {
    let world = World::s3();
    batches(&world.delta, 0..1).create_if_missing().send().await.unwrap();
    world.workspace.simulated().clear_requests();
    world
}

fn fault(world: &World, rule: FaultRule) {
    world.workspace.simulated().faults().add(rule);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_asks_to_slow_down_gets_the_part_again() {
    let world = world().await;
    let slow = Fault::status(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::ZERO);
    fault(&world, FaultRule::on(Method::PUT, BUCKET, slow).times(2));
    let written = batches(&world.delta, 1..21).batch_size(10).send().await.unwrap();
    assert_eq!((written.rows_affected, world.workspace.simulated().faults().fired()), (20, 2));
    assert_eq!((world.ids().await.len(), world.left().len()), (21, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_refuses_leaves_nothing_and_its_error_holds_no_secret() {
    let world = world().await;
    fault(&world, FaultRule::on(Method::PUT, BUCKET, Fault::status(StatusCode::FORBIDDEN)).always());
    let error = batches(&world.delta, 1..21).concurrency(1).batch_size(10).send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::Upload { path, source }
            if path.starts_with("s3://lake/landing/staging/") && source.kind() == ErrorKind::PermissionDenied),
        "{error:?}"
    );
    let source = std::error::Error::source(&error).unwrap();
    let text = format!("{error} {error:?} {source}");
    assert!(!text.contains("simulated-") && !text.contains("Signature"), "{text}");
    assert_eq!((world.requests(CREDENTIALS), world.ids().await, world.left().len()), (2, vec![0], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_in_the_middle_of_a_write_are_asked_for_again() {
    let world = world().await;
    let workspace = world.workspace.simulated().clone();
    let parts = stream::iter([1..11, 11..21, 21..31]).map(move |range| {
        // What was given out for the parts before does not work for this one.
        workspace.end_credentials();
        Ok::<_, DeltaError>(rows(range))
    });
    let write = world.delta.write_batches("t", rows(0..0).schema(), parts);
    let written = write.batch_size(10).concurrency(1).send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (30, 3));
    assert!(world.requests(CREDENTIALS) >= 3, "{}", world.requests(CREDENTIALS));
    assert_eq!((world.ids().await.len(), world.left().len()), (31, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_up_that_fails_is_reported_and_the_rows_are_there() {
    let world = world().await;
    // Objects are deleted by a POST to the bucket.
    fault(&world, FaultRule::on(Method::POST, "/s3/lake", Fault::status(StatusCode::FORBIDDEN)).always());
    let written = batches(&world.delta, 1..3).send().await.unwrap();
    let left = format!("s3://lake/landing/staging/{}", written.write_id);
    assert_eq!((written.rows_affected, written.staging_left), (2, Some(left)));
    assert_eq!((world.ids().await, world.left().len()), (vec![0, 1, 2], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_is_swept_when_it_is_old_enough() {
    let world = world().await;
    let stall = Fault::stall(StallPoint::BeforeEffect).lasting(Duration::from_secs(600));
    fault(&world, FaultRule::on(Method::POST, STATEMENTS, stall).always());
    let crash = tokio::spawn(batches(&world.delta, 1..31).batch_size(10).send());
    while world.requests(STATEMENTS) == 0 {
        tokio::task::yield_now().await;
    }
    crash.abort();
    assert!(crash.await.unwrap_err().is_cancelled());
    world.workspace.simulated().faults().clear();
    let kept = world.delta.sweep_staging(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!((kept.removed.len(), kept.kept.len(), world.left().len()), (0, 1, 3));
    let swept = world.delta.sweep_staging(Duration::ZERO).await.unwrap();
    assert_eq!((swept.removed, swept.kept.len(), world.left().len()), (kept.kept, 0, 0));
    assert!(swept.bytes_removed > 0);
    assert_eq!(world.ids().await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_unknown_outcome_is_completed_from_the_bucket() {
    let world = world().await;
    fault(&world, FaultRule::on(Method::POST, STATEMENTS, Fault::ResetBefore).always());
    let batch = rows(1..4);
    let write = world.delta.write_batches("t", batch.schema(), stream_of(&batch));
    let error = write.send().await.unwrap_err();
    let DeltaError::OutcomeUnknown { write_id, .. } = error else { panic!("{error:?}") };
    let world = world.healed();
    assert_eq!(
        (world.ids().await, world.left().len()),
        (vec![0], 2),
        "a part, and the statement that loads it"
    );
    assert_eq!(world.delta.resume("t", write_id).await.unwrap(), Resumed::Applied);
    assert_eq!((world.ids().await, world.left().len()), (vec![0, 1, 2, 3], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_somebody_put_into_the_bucket_is_not_sent() {
    let world = world().await;
    fault(&world, FaultRule::on(Method::POST, STATEMENTS, Fault::ResetBefore).always());
    let error = batches(&world.delta, 1..4).send().await.unwrap_err();
    let DeltaError::OutcomeUnknown { write_id, .. } = error else { panic!("{error:?}") };
    let world = world.healed();
    let kept = world.bucket().join(format!("staging/{write_id}/_statement.sql"));
    assert!(std::fs::read_to_string(&kept).unwrap().starts_with("COPY INTO `main`.`default`.`t` ("));
    std::fs::write(&kept, "DROP TABLE `main`.`default`.`t`").unwrap();
    let error = world.delta.resume("t", write_id).await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::UnexpectedResult { message, .. } if message.contains("_statement.sql")),
        "{error:?}"
    );
    assert_eq!(
        (world.ids().await, world.left().len()),
        (vec![0], 2),
        "the table and what was staged are there"
    );
}

/// A write of one part that goes up in several requests.
async fn write_large(world: &World) -> WriteResult {
    let batch = large_rows(52);
    let write = world.delta.write_batches("large", batch.schema(), stream_of(&batch)).create_if_missing();
    write.compression(WriteCompression::Uncompressed).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_whose_last_answer_is_lost_is_known_to_be_there() {
    let world = World::s3();
    let is_last = |request: &http::request::Parts| {
        request.method == Method::POST && request.uri.query().is_some_and(|query| query.contains("uploadId="))
    };
    fault(&world, FaultRule::matching(is_last, Fault::ResetAfter).times(1));
    let written = write_large(&world).await;
    assert_eq!((written.rows_affected, written.staging_left), (52, None));
    assert_eq!(world.workspace.simulated().faults().fired(), 1);
    let asked_again = |query: &str| query.contains("uploadId=") && !query.contains("partNumber=");
    assert_eq!(world.log(|request| request.method == Method::POST && asked_again(&request.query)), 2);
    assert_eq!(world.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_whose_credentials_end_is_aborted_with_new_ones_and_begun_again() {
    let world = World::s3();
    let (workspace, ended) = (world.workspace.simulated().clone(), AtomicBool::new(false));
    let ends = move |request: &http::request::Parts| {
        let is_third = request.uri.query().is_some_and(|query| query.contains("partNumber=3"));
        if is_third && !ended.swap(true, Ordering::Relaxed) {
            workspace.end_credentials();
        }
        false
    };
    fault(&world, FaultRule::matching(ends, Fault::ResetBefore).always());
    let written = write_large(&world).await;
    assert_eq!((written.rows_affected, written.staging_left), (52, None));
    assert_eq!(world.log(|request| request.method == Method::POST && request.query.contains("uploads")), 2);
    assert_eq!(world.left(), [""; 0], "nothing is left of the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_something_in_between_is_no_empty_bucket() {
    let world = world().await;
    let page = Fault::status(StatusCode::OK).with_body(ErrorBody::Html);
    fault(&world, FaultRule::on(Method::GET, "/s3/lake", page).always());
    let written = batches(&world.delta, 1..3).send().await.unwrap();
    let left = format!("s3://lake/landing/staging/{}", written.write_id);
    assert_eq!((written.rows_affected, written.staging_left), (2, Some(left)));
    let error = world.delta.sweep_staging(Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error, DeltaError::Transport(error) if error.kind() == ErrorKind::Decode), "{error:?}");
    let world = world.healed();
    let swept = world.delta.sweep_staging(Duration::ZERO).await.unwrap();
    assert_eq!((swept.removed.len(), world.left().len(), world.ids().await), (1, 0, vec![0, 1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_removes_thousands_of_files_and_touches_nothing_but_writes() {
    let world = world().await;
    let written = batches(&world.delta, 1..3).send().await.unwrap();
    let stage = world.bucket().join("staging");
    let put = |path: String| {
        let path = world.bucket().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    };
    let id = written.write_id;
    (0..2_001).for_each(|number| put(format!("staging/{id}/part-{number:05}.parquet")));
    let others = [
        format!("staging2/{id}/part-00000.parquet"),
        format!("staging-{id}/part-00000.parquet"),
        "staging/of another/part-00000.parquet".to_owned(),
        format!("staging/{id}.parquet"),
        format!("{id}/part-00000.parquet"),
    ];
    others.iter().cloned().for_each(put);
    world.workspace.simulated().clear_requests();
    let swept = world.delta.sweep_staging(Duration::ZERO).await.unwrap();
    assert_eq!(swept.removed, [format!("s3://lake/landing/staging/{id}")]);
    assert_eq!((swept.bytes_removed, swept.kept.len()), (2_001, 0));
    assert_eq!(world.log(|request| request.query.contains("delete")), 3, "a thousand at a time");
    assert!(!stage.join(id.to_string()).join("part-00000.parquet").exists());
    let mut left: Vec<String> =
        others.iter().map(|path| world.bucket().join(path).display().to_string()).collect();
    let mut found = world.left();
    left.sort();
    found.sort();
    assert_eq!(found, left);
}
