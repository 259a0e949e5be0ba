//! Values that name folders.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use databricks_delta_lake::delta::WriteMode;
use databricks_delta_lake::schema::DataType;

use super::{Data, ID, World, table, write};

/// No empty text: in a partition column Delta makes it NULL.
const TEXTS: [&str; 24] = [
    "it's",
    "\"",
    "\\",
    "a/b",
    "..",
    ".",
    " ",
    "a=b",
    "a%2Fb",
    "%",
    "100%",
    "?",
    "#",
    ":",
    "*",
    "<>|",
    "\n",
    "\u{1}",
    "\u{7f}",
    "é",
    "e\u{301}",
    "🦀",
    "__HIVE_DEFAULT_PARTITION__x",
    "null",
];

fn data() -> Data {
    let rows = TEXTS.len() + 1;
    let pick = |row: usize, of: usize| row % (of + 1);
    fn column<T: Copy>(rows: usize, values: &[T], pick: impl Fn(usize, usize) -> usize) -> Vec<Option<T>> {
        (0..rows).map(|row| values.get(pick(row, values.len())).copied()).collect()
    }
    let texts: ArrayRef = Arc::new(StringArray::from(column(rows, &TEXTS, pick)));
    let days: ArrayRef = Arc::new(Date32Array::from(column(rows, &[-719_162, 2_932_896, 0, -1], pick)));
    let times = [-62_135_596_800_000_000, 253_402_300_799_999_999, 0, -1, 1_767_225_600_123_456];
    let times: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(column(rows, &times, pick)).with_timezone("UTC"));
    let doubles = [f64::INFINITY, -1.5, 1e300, f64::MIN_POSITIVE, 0.1];
    let doubles: ArrayRef = Arc::new(Float64Array::from(column(rows, &doubles, pick)));
    let nines = 10_i128.pow(38) - 1;
    let decimals = Decimal128Array::from(column(rows, &[nines, -nines, 0], pick));
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, 10).unwrap());
    let named = |name: &str, data_type, array| (name.to_owned(), data_type, array);
    Data::new(vec![
        named("p q", DataType::String, Arc::clone(&texts)),
        named("day", DataType::Date, days),
        named("at", DataType::Timestamp, times),
        named("x", DataType::Double, doubles),
        named("d", DataType::decimal(38, 10).unwrap(), decimals),
        named("same", DataType::String, texts),
    ])
}

async fn check(partitions: &[&str]) {
    let (world, data) = (World::new(), data());
    let create = world.delta.create_table("t", data.schema.clone());
    let create = create.property("delta.columnMapping.mode", "name").partitioned_by(partitions.to_vec());
    create.send().await.unwrap();
    write(&world, &table("t"), &data.batch, WriteMode::Append).await.unwrap();
    data.check(&world.read(&table("t")).await, "appended");
    // Each value is found by itself.
    for text in TEXTS {
        let read = world.delta.read_table("t").select("same").filter("`p q` = :p").param("p", text);
        let found: Vec<(String,)> = read.fetch_all().await.unwrap();
        assert_eq!(found, [(text.to_owned(),)], "{partitions:?}");
    }
    write(
        &world,
        &table("t"),
        &data.batch,
        WriteMode::ReplaceWhere("`p q` IS NULL OR day IS NOT NULL OR true".to_owned()),
    )
    .await
    .unwrap();
    data.check(&world.read(&table("t")).await, "replaced");
    let partitions = partitions.iter().map(|&name| name.to_owned()).collect();
    let some: RecordBatch = data.batch.slice(0, 3);
    write(&world, &table("t"), &some, WriteMode::ReplaceUsing(partitions)).await.unwrap();
    data.check(&world.read(&table("t")).await, "replaced using");
    let merged = stream_merge(&world, &data.batch).await;
    assert_eq!(merged, data.batch.num_rows() as u64);
    data.check(&world.read(&table("t")).await, "merged");
}

async fn stream_merge(world: &World, batch: &RecordBatch) -> u64 {
    let batches = futures::stream::iter([Ok::<_, arrow::error::ArrowError>(batch.clone())]);
    let merge = world.delta.merge("t").using_batches(batch.schema(), batches).on_keys(&[ID]);
    let merge = merge.when_matched_update_all().idempotency_key("m").execute().await.unwrap();
    merge.num_updated_rows
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_is_a_partition() {
    check(&["p q"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_other_types_are_partitions() {
    check(&["day", "at", "x", "d"]).await;
}
