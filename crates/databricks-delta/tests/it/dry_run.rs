//! What a write would do, with nothing written.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use databricks_delta::{DeltaError, DryRunResult, SchemaMode, WriteMode};
use databricks_schema::SchemaCompatibility;
use futures::stream;
use http::Method;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use crate::support::{World, days};

#[derive(Serialize)]
struct Visit {
    id: i64,
    day: String,
    eu: bool,
}

/// Asks what a write would do, and holds it to writing nothing.
async fn asked(world: &World, write: databricks_delta::Write<'_>) -> Result<DryRunResult, DeltaError> {
    let answer = write.dry_run().await;
    for method in [Method::PUT, Method::DELETE] {
        assert_eq!(world.requests(method, "/api/2.0/fs/"), [""; 0]);
    }
    assert!(world.engine.statements().iter().all(|sent| sent.starts_with("DESCRIBE")));
    answer
}

#[tokio::test]
async fn the_statement_of_a_write_is_the_one_that_a_dry_run_shows() {
    let world = World::new();
    let rows = days(25);
    let write = || world.delta.write_batch("days", &rows).batch_size(10).idempotency_key("k");
    let dry = asked(&world, write()).await.unwrap();
    assert!(dry.would_write && dry.schema_compatibility.is_identical());
    assert_eq!((dry.rows, dry.parts, dry.estimated_partitions, dry.mode), (25, 3, 0, WriteMode::Append));
    world.engine.on_containing("COPY INTO").affected(25);
    let written = write().send().await.unwrap();
    assert_eq!(dry.statements, world.engine.statements());
    assert_eq!(dry.estimated_size_bytes, written.bytes_staged);
    assert_eq!(dry.statements.len(), 2, "the volume is missing, so it would be made");
}

#[tokio::test]
async fn what_stands_against_a_write_is_said() {
    let world = World::new();
    let none: [serde_json::Value; 0] = [];
    let dry = world.delta.write_dry_run("days", &none, WriteMode::Append).await.unwrap();
    assert!(!dry.would_write && dry.statements.is_empty());
    assert!(dry.warnings[0].contains("no rows"), "{:?}", dry.warnings);

    let rows = [json!({"id": 1, "rain": 2.5})];
    let dry = asked(&world, world.delta.write_batch("days", &rows)).await;
    // Without `Evolve` the write itself is refused.
    let dry = dry.unwrap();
    assert!(!dry.would_write && dry.warnings[0].contains("lacks `rain`"), "{:?}", dry.warnings);
    assert!(matches!(dry.schema_compatibility, SchemaCompatibility::Evolution { .. }));

    let write = world.delta.write_batch("days", &rows).schema(SchemaMode::Evolve);
    let dry = asked(&world, write).await.unwrap();
    assert!(dry.would_write);
    assert_eq!(dry.statements[1], "ALTER TABLE `main`.`default`.`days` ADD COLUMNS (`rain` DOUBLE)");

    let texts: ArrayRef = Arc::new(StringArray::from(vec!["7"]));
    let batch = RecordBatch::try_from_iter([("id", texts)]).unwrap();
    let batches = stream::iter([Ok::<_, ArrowError>(batch.clone())]);
    let dry = asked(&world, world.delta.write_batches("days", batch.schema(), batches)).await.unwrap();
    assert!(
        dry.would_write && dry.warnings[0].contains("`id` is text and is cast to BIGINT"),
        "{:?}",
        dry.warnings
    );

    let missing = world.delta.write_batch("hours", &rows).dry_run().await;
    assert!(matches!(missing, Err(DeltaError::TableNotFound { .. })));
}

#[tokio::test]
async fn partitions_that_the_rows_go_to_are_counted_and_named() {
    let world = World::new();
    let visit = |id: i64| Visit { id, day: format!("2026-01-{:02}", id % 3 + 1), eu: id % 2 == 0 };
    let rows: Vec<Visit> = (0..500).map(visit).collect();
    let write = world.delta.write_batch("new", &rows).create_if_missing().partitioned_by(["day", "EU"]);
    let dry = asked(&world, write).await.unwrap();
    assert_eq!(dry.estimated_partitions, 6);
    assert_eq!(dry.partition_values[0], "day=2026-01-01/EU=false");
    assert!(dry.statements.last().unwrap().contains("PARTITIONED BY (`day`, `EU`)"), "{:?}", dry.statements);
    let many = world.delta.write_batch("new", &rows).create_if_missing().partitioned_by(["id"]);
    let dry = asked(&world, many).await.unwrap();
    assert!(dry.warnings.iter().any(|text| text.contains("500 partitions")), "{:?}", dry.warnings);
}

/// A column of some shape: sorted, repeated, random or sparse.
fn column(shape: u8, rows: usize, seed: u64) -> ArrayRef {
    let random = move |row: usize| (row as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
    match shape {
        0 => Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64))),
        1 => Arc::new(Int64Array::from_iter_values((0..rows).map(|row| random(row) as i64))),
        2 => {
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("city {}", random(row) % 40))))
        }
        3 => Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{:032x}", random(row))))),
        4 => {
            Arc::new(Float64Array::from_iter((0..rows).map(|row| (row % 7 == 0).then(|| random(row) as f64))))
        }
        5 => Arc::new(StringArray::from_iter_values((0..rows).map(|row| "x".repeat(row % 60)))),
        _ => Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(random(row) % 5 == 0)))),
    }
}

/// Holds the estimate of a write of these rows to what is then staged.
async fn holds(batch: &RecordBatch, batch_size: usize, what: &str) {
    let world = World::new();
    world.engine.on_containing("CREATE TABLE").affected(batch.num_rows() as i64);
    let write = || {
        let batches = stream::iter([Ok::<_, ArrowError>(batch.clone())]);
        world.delta.write_batches("new", batch.schema(), batches).create_if_missing().batch_size(batch_size)
    };
    let dry = asked(&world, write()).await.unwrap();
    let written = write().send().await.unwrap();
    let (guess, real) = (dry.estimated_size_bytes as f64, written.bytes_staged as f64);
    assert!((guess - real).abs() <= real * 0.25, "{what}: {guess} for {real}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_estimated_size_is_within_a_quarter_of_what_is_staged(
        shapes in proptest::collection::vec(0u8..7, 1..6),
        rows in 1usize..60_000,
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let columns: Vec<(String, ArrayRef)> =
            shapes.iter().enumerate().map(|(at, shape)| (format!("c{at}"), column(*shape, rows, seed))).collect();
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        runtime.block_on(holds(&batch, 2_000, &format!("{shapes:?}")));
    }
}

/// Seattle's weather of four years, as its file types it.
fn weather() -> RecordBatch {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../databricks-delta-lake/examples/data/seattle-weather.csv");
    let format = arrow_csv::reader::Format::default().with_header(true);
    let schema = format.infer_schema(File::open(&path).unwrap(), None).unwrap().0;
    let reader = arrow_csv::ReaderBuilder::new(schema.into()).with_format(format).with_batch_size(10_000);
    reader.build(File::open(path).unwrap()).unwrap().next().unwrap().unwrap()
}

/// Each line of this crate's sources: where it stands, and its text.
fn sources() -> RecordBatch {
    let (mut files, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            match std::fs::read_to_string(entry.path()) {
                Ok(text) => {
                    for (at, line) in text.lines().enumerate() {
                        files.push(entry.path().display().to_string());
                        numbers.push(at as i64);
                        texts.push(line.to_owned());
                    }
                }
                Err(_) => folders.push(entry.path()),
            }
        }
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("file", Arc::new(StringArray::from(files))),
        ("line", Arc::new(Int64Array::from(numbers))),
        ("text", Arc::new(StringArray::from(texts))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test]
async fn the_estimated_size_of_real_data_is_within_a_quarter_of_what_is_staged() {
    let (weather, sources) = (weather(), sources());
    assert!(weather.num_rows() == 1_461 && sources.num_rows() > 10_000);
    for (name, batch) in [("weather", weather), ("sources", sources)] {
        for parts in [1, 2, 7, 40] {
            let batch_size = batch.num_rows().div_ceil(parts);
            holds(&batch, batch_size, &format!("{name} in {parts} parts")).await;
        }
    }
}
