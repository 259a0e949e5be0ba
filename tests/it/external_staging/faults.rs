//! What a storage can do to a write, and what a crash leaves.

use std::time::Duration;

use databricks_delta_lake::delta::{DeltaError, Resumed};
use databricks_delta_lake::transport::ErrorKind;
use databricks_testkit::{Fault, FaultRule, StallPoint};
use futures::{StreamExt, stream};
use http::{Method, StatusCode};

use super::world::{World, batches, rows, stream_of};

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
