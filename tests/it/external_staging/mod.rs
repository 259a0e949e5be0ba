//! Writes that are staged in a cloud's storage: through the client of S3, with temporary credentials of the workspace's
//! Unity Catalog, and through a store of the program's own.

mod faults;
mod world;

use std::sync::Arc;

use arrow::array::StringArray;
use databricks_delta_lake::delta::{DeltaError, Staging, WriteCompression, WriteMode};
use object_store::local::LocalFileSystem;
use world::{World, batches, rows};

/// Every way by which staged rows come into a table, and what is left of the staging.
async fn every_way(world: &World) {
    let delta = &world.delta;
    #[derive(serde::Serialize)]
    struct Row {
        id: i64,
        name: &'static str,
    }
    let some = [Row { id: 0, name: "zero" }, Row { id: 1, name: "one" }];
    let written = delta.write_batch("t", &some).create_if_missing().send().await.unwrap();
    assert_eq!((written.rows_affected, written.staging_left), (2, None));
    for already in [false, true] {
        let append = batches(delta, 2..30).batch_size(10).idempotency_key("append").send().await.unwrap();
        assert_eq!(
            (append.already_applied, append.partitions_written, append.staging_left),
            (already, 3, None)
        );
    }
    assert_eq!(world.ids().await, (0..30).collect::<Vec<_>>());
    for already in [false, true] {
        let overwrite = batches(delta, 5..9).mode(WriteMode::Overwrite).idempotency_key("overwrite");
        assert_eq!(overwrite.send().await.unwrap().already_applied, already);
    }
    assert_eq!(world.ids().await, [5, 6, 7, 8]);
    let replace = WriteMode::ReplaceWhere("id < 7".to_owned());
    batches(delta, 1..4).mode(replace).send().await.unwrap();
    assert_eq!(world.ids().await, [1, 2, 3, 7, 8]);
    for already in [false, true] {
        let merge = delta.merge("t").using_batches(rows(3..12).schema(), world::stream_of(&rows(3..12)));
        let merge = merge.on_keys(&["id"]).when_matched_update_all().when_not_matched_insert_all();
        let merged = merge.batch_size(4).idempotency_key("merge").execute().await.unwrap();
        let expected = if already { (true, 0, None) } else { (false, 6, None) };
        assert_eq!((merged.already_applied, merged.num_inserted_rows, merged.staging_left), expected);
    }
    assert_eq!(world.ids().await, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(delta.history("t").send().await.unwrap().len(), 5, "one commit a write, none for a rerun");
    assert_eq!(world.left(), [""; 0]);
    assert_eq!(world.requests("/api/2.0/fs/"), 0, "no volume was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_through_s3_with_credentials_of_unity_catalog() {
    let world = World::s3();
    every_way(&world).await;
    assert!(world.requests("/s3/lake/landing/staging/") > 10);
    let asked = world.requests("/api/2.1/unity-catalog/temporary-path-credentials");
    assert_eq!(asked, 8, "once for each write and merge");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_through_a_store_of_the_program_s_own() {
    let world = World::new("abfss://c@acc.dfs.core.windows.net", |folder| {
        let store = LocalFileSystem::new_with_prefix(folder).unwrap().with_automatic_cleanup(true);
        Staging::external("abfss://c@acc.dfs.core.windows.net/landing/staging").with_store(Arc::new(store))
    });
    every_way(&world).await;
    assert_eq!(world.requests("/api/2.1/unity-catalog/temporary-path-credentials"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_may_have_any_sign_that_is_no_pattern() {
    let staging = "s3://lake/landing/o'b %20+é&=,;:@(x)~$!/_staging";
    let world = World::new("s3://lake/landing", |_| {
        Staging::external(staging).region("eu-west-1").endpoint(world::ENDPOINT)
    });
    every_way(&world).await;
    let dry = batches(&world.delta, 0..3).dry_run().await.unwrap();
    assert!(dry.statements[0].contains(&staging.replace('\'', "\\'")), "{dry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_part_goes_up_in_several_requests() {
    let world = World::s3();
    let batch = world::large_rows(55);
    let write = world.delta.write_batches("t", batch.schema(), world::stream_of(&batch)).create_if_missing();
    let written = write.compression(WriteCompression::Uncompressed).send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written), (55, 1));
    assert!(written.bytes_staged > 50 << 20, "{}", written.bytes_staged);
    let parts = world.log(|request| request.query.contains("partNumber="));
    assert_eq!(parts, usize::try_from(written.bytes_staged.div_ceil(10 << 20)).unwrap());
    let found: Vec<(i64, String)> =
        world.delta.read_table("t").columns(["id", "name"]).filter("id = 54").fetch_all().await.unwrap();
    let expected = batch.column(1).as_any().downcast_ref::<StringArray>().unwrap().value(54);
    assert!(found.len() == 1 && found[0].1 == expected, "what was put together is what was written");
    assert_eq!(world.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_the_workspace_does_not_know_is_refused_by_name() {
    let world = World::s3();
    let staging = Staging::external("s3://lake/elsewhere").region("eu-west-1").endpoint(world::ENDPOINT);
    let error = batches(&world.delta, 0..3).create_if_missing().staging(staging).send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::Upload { path, .. } if path.starts_with("s3://lake/elsewhere/")),
        "{error:?}"
    );
    let error =
        batches(&world.delta, 0..3).staging(Staging::external("lake")).create_if_missing().send().await;
    assert!(matches!(error, Err(DeltaError::InvalidOption { option: "staging", .. })), "{error:?}");
    let dry = batches(&world.delta, 0..3).create_if_missing().dry_run().await.unwrap();
    assert!(
        dry.statements.len() == 1 && dry.statements[0].contains("'s3://lake/landing/staging/"),
        "{dry:?}"
    );
}
