//! Many columns, and no rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow::error::ArrowError;
use databricks_delta_lake::delta::WriteMode;
use databricks_delta_lake::schema::DataType;
use futures::stream;
use serde_json::json;

use super::{Data, ID, World, ids, table, write};

const COLUMNS: i32 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_columns_are_read_as_written() {
    let column = |number: i32| {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(number), None, Some(-number)]));
        (format!("column_{number}"), DataType::Int, values)
    };
    let data = Data::new((1..COLUMNS).map(column).collect());
    let (world, name) = (World::new(), table("t"));
    world.delta.create_table(&name, data.schema.clone()).send().await.unwrap();
    write(&world, &name, &data.emptied(), WriteMode::Append).await.unwrap();
    let batches = stream::iter([Ok::<_, ArrowError>(data.batch.clone())]);
    let merge = world.delta.merge(&name).using_batches(data.batch.schema(), batches).on_keys(&[ID]);
    let merged = merge.when_matched_update_all().when_not_matched_insert_all().execute().await.unwrap();
    assert_eq!((merged.num_updated_rows, merged.num_inserted_rows), (2, 1));
    data.check(&world.read(&name).await, "merged");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_change_nothing() {
    let world = World::new();
    world.delta.write_batch("t", &[json!({ID: 1, "n": 1})]).create_if_missing().send().await.unwrap();
    let empty: RecordBatch = world.read(&table("t")).await.slice(0, 0);
    let modes = [
        WriteMode::Append,
        WriteMode::Overwrite,
        WriteMode::ReplaceWhere("n = 1".to_owned()),
        WriteMode::ReplaceUsing(vec![ID.to_owned()]),
    ];
    for mode in modes {
        write(&world, &table("t"), &empty, mode).await.unwrap();
    }
    let none: [serde_json::Value; 0] = [];
    world.delta.write_batch("missing", &none).create_if_missing().send().await.unwrap();
    let merge = world.delta.merge("t").using_values(&none).on_keys(&[ID]).when_matched_delete();
    assert_eq!(merge.execute().await.unwrap().num_affected_rows, 0);
    let merge = world.delta.merge("t").using_values(&none).on_keys(&[ID]);
    assert!(merge.when_not_matched_by_source_delete().execute().await.is_err(), "all rows would go");
    assert_eq!(ids(&world.read(&table("t")).await), [1]);
    assert_eq!(world.commits(&table("t")).await, 1);
    assert!(world.delta.table_schema("missing").await.is_err());
    assert_eq!(world.staged(&table("t")).await, [""; 0]);
    // A table without rows is read as one.
    world.execute("CREATE TABLE main.default.empty (id BIGINT, s STRING)").await;
    assert_eq!(world.read(&table("empty")).await.num_rows(), 0);
}
