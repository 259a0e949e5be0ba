//! Values at the limits of their types, written as batches, as files of serde rows and as literals.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use databricks_delta_lake::delta::WriteMode;
use databricks_delta_lake::schema::{DataType, TableSchema};
use serde::{Deserialize, Serialize, Serializer};

use super::{Data, ID, World, round_trip, table, write};

/// A BINARY.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// A row as a program has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    id: i64,
    text: Option<String>,
    float: Option<f32>,
    double: Option<f64>,
    digit: Option<String>,
    whole: Option<String>,
    part: Option<String>,
    money: Option<String>,
    day: Option<String>,
    at: Option<String>,
    local: Option<String>,
    bytes: Option<Bytes>,
    yes: Option<bool>,
    tiny: Option<i8>,
    small: Option<i16>,
    int: Option<i32>,
    big: Option<i64>,
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> =
        (0..0x20).chain([0x7f, 0x85, 0xa0]).filter_map(char::from_u32).map(String::from).collect();
    let all: String = texts.concat();
    let more = [
        "",
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "\\\\",
        "\\'",
        "'\\",
        "\\n",
        "\\0",
        "\\u0041",
        "\\%",
        "%",
        "_",
        "\\_",
        "100%_",
        "--",
        "/* */",
        ";",
        "'; DROP TABLE t; --",
        ":marker",
        "?",
        "${x}",
        "{{x}}",
        "NULL",
        "null",
        "NaN",
        "true",
        " ",
        " padded ",
        "\r\n",
        "line\nbreak\\",
        "🦀",
        "e\u{301}",
        "é",
        "\u{feff}",
        "\u{202e}rtl",
        "\u{fffd}",
        "\u{10ffff}",
        "日本語",
        "İ",
        "ß",
        "\u{2028}\u{2029}",
        "r'raw'",
        "X'00'",
        "{\"a\": [1, \"it's\"]}",
        "__HIVE_DEFAULT_PARTITION__",
    ];
    texts.extend(more.map(str::to_owned));
    texts.push(all.clone());
    texts.push(format!("{}'{}", "\\'\"`".repeat(2_000), all));
    texts
}

const FLOATS: [f32; 13] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    -0.0,
    0.0,
    f32::MIN,
    f32::MAX,
    f32::MIN_POSITIVE,
    1e-45,
    0.1,
    16_777_217.0,
    3.402_823_3e38,
    -1.5,
];
const DOUBLES: [f64; 13] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -0.0,
    0.0,
    f64::MIN,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    0.1,
    9_007_199_254_740_993.0,
    1e300,
    -123_456_789.012_345_67,
];
const NINES: i128 = 10_i128.pow(38) - 1;
const WHOLES: [i128; 5] = [0, 1, -1, NINES, -NINES];
const DIGITS: [i128; 4] = [0, 9, -9, 1];
const MONEY: [i128; 6] = [0, 1, -1, 9_999_999_999, -9_999_999_999, -5];
/// 0001-01-01 to 9999-12-31, with a leap day and the days before and after 1970.
const DAYS: [i32; 8] = [-719_162, 2_932_896, -1, 0, 1, 11_016, -141_427, -719_161];
const MICROS_A_DAY: i64 = 86_400_000_000;
const TIMES: [i64; 8] = [
    -719_162 * MICROS_A_DAY,
    2_932_897 * MICROS_A_DAY - 1,
    -1,
    0,
    1,
    951_782_400_000_000,
    -MICROS_A_DAY,
    1_767_225_600_123_456,
];

fn bytes() -> Vec<Vec<u8>> {
    vec![vec![], vec![0], vec![0xff], (0..=255).collect(), b"'\\".to_vec(), vec![0; 1_000]]
}

/// The value of a row: each in turn, then NULL, and so on.
fn nth<T: Clone>(values: &[T], row: usize) -> Option<T> {
    values.get(row % (values.len() + 1)).cloned()
}

fn decimal(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// As an array of text says it, by the engine's own calendar.
fn calendar(array: ArrayRef) -> String {
    let text = arrow::compute::cast(&array, &arrow::datatypes::DataType::Utf8).unwrap();
    arrow::array::AsArray::as_string::<i32>(&text).value(0).to_owned()
}

fn day(days: i32) -> String {
    calendar(Arc::new(Date32Array::from(vec![days])))
}

fn time(micros: i64) -> String {
    calendar(Arc::new(TimestampMicrosecondArray::from(vec![micros])))
}

/// The rows, as columns and as values.
fn rows() -> (Data, Vec<Row>) {
    let texts = texts();
    let count = texts.len() + 1;
    fn column<T: Clone>(count: usize, values: &[T]) -> Vec<Option<T>> {
        (0..count).map(|row| nth(values, row)).collect()
    }
    let (tiny, small) = ([i8::MIN, i8::MAX, 0, -1], [i16::MIN, i16::MAX, 0, -1]);
    let (int, big) = ([i32::MIN, i32::MAX, 0, -1], [i64::MIN, i64::MAX, 0, -1, 9_007_199_254_740_993]);
    let decimals = |values: &[i128], precision, scale| -> (DataType, ArrayRef) {
        let array = Decimal128Array::from(column(count, values)).with_precision_and_scale(precision, scale);
        (DataType::decimal(precision, scale).unwrap(), Arc::new(array.unwrap()))
    };
    let times = TimestampMicrosecondArray::from(column(count, &TIMES));
    let bytes = bytes();
    let binary: Vec<Option<Vec<u8>>> = column(count, &bytes);
    let binary: BinaryArray = binary.iter().map(|value| value.as_deref()).collect();
    let columns: Vec<(&str, (DataType, ArrayRef))> = vec![
        ("text", (DataType::String, Arc::new(StringArray::from(column(count, &texts))))),
        ("float", (DataType::Float, Arc::new(Float32Array::from(column(count, &FLOATS))))),
        ("double", (DataType::Double, Arc::new(Float64Array::from(column(count, &DOUBLES))))),
        ("digit", decimals(&DIGITS, 1, 0)),
        ("whole", decimals(&WHOLES, 38, 0)),
        ("part", decimals(&WHOLES, 38, 38)),
        ("money", decimals(&MONEY, 10, 2)),
        ("day", (DataType::Date, Arc::new(Date32Array::from(column(count, &DAYS))))),
        ("at", (DataType::Timestamp, Arc::new(times.clone().with_timezone("UTC")))),
        ("local", (DataType::TimestampNtz, Arc::new(times))),
        ("bytes", (DataType::Binary, Arc::new(binary))),
        ("yes", (DataType::Boolean, Arc::new(BooleanArray::from(column(count, &[true, false]))))),
        ("tiny", (DataType::TinyInt, Arc::new(Int8Array::from(column(count, &tiny))))),
        ("small", (DataType::SmallInt, Arc::new(Int16Array::from(column(count, &small))))),
        ("int", (DataType::Int, Arc::new(Int32Array::from(column(count, &int))))),
        ("big", (DataType::BigInt, Arc::new(Int64Array::from(column(count, &big))))),
    ];
    let columns = columns.into_iter().map(|(name, (data_type, array))| (name.to_owned(), data_type, array));
    let row = |row: usize| Row {
        id: row as i64,
        text: nth(&texts, row),
        float: nth(&FLOATS, row),
        double: nth(&DOUBLES, row),
        digit: nth(&DIGITS, row).map(|value| decimal(value, 0)),
        whole: nth(&WHOLES, row).map(|value| decimal(value, 0)),
        part: nth(&WHOLES, row).map(|value| decimal(value, 38)),
        money: nth(&MONEY, row).map(|value| decimal(value, 2)),
        day: nth(&DAYS, row).map(day),
        at: nth(&TIMES, row).map(|micros| format!("{}Z", time(micros))),
        local: nth(&TIMES, row).map(time),
        bytes: nth(&bytes, row).map(Bytes),
        yes: nth(&[true, false], row),
        tiny: nth(&tiny, row),
        small: nth(&small, row),
        int: nth(&int, row),
        big: nth(&big, row),
    };
    (Data::new(columns.collect()), (0..count).map(row).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_as_written() {
    let world = World::new();
    round_trip(&world, &table("t"), &rows().0, &[]).await;
}

/// What is said of a file of one or two rows is nearly the rows themselves.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_as_written_from_files_of_their_own() {
    let world = World::new();
    let data = rows().0;
    let data = Data { batch: data.batch.slice(0, 15), ..data };
    for size in [1, 2] {
        let table = table(&format!("t{size}"));
        world.delta.create_table(&table, data.schema.clone()).send().await.unwrap();
        for start in (0..data.batch.num_rows()).step_by(size) {
            let some = data.batch.slice(start, size.min(data.batch.num_rows() - start));
            write(&world, &table, &some, WriteMode::Append).await.unwrap();
        }
        data.check(&world.read(&table).await, &format!("{size} a file"));
        let read = world.delta.read_table(&table).select("max(double), min(double), count(double)");
        let [(max, min, count)]: [(f64, f64, i64); 1] = read.fetch_all().await.unwrap().try_into().unwrap();
        assert!(max.is_nan() && min == f64::NEG_INFINITY && count == 14, "{max} {min} {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_rows_are_read_as_written() {
    let world = World::new();
    let (data, rows) = rows();
    world.delta.create_table("t", data.schema.clone()).send().await.unwrap();
    world.delta.write_batch("t", &rows).batch_size(7).send().await.unwrap();
    data.check(&world.read(&table("t")).await, "appended");

    // A created table has the types that the rows have: text where they hold text.
    world.delta.write_batch("made", &rows).create_if_missing().send().await.unwrap();
    let mut read: Vec<Row> = world.delta.read_table("made").fetch_all().await.unwrap();
    read.sort_unstable_by_key(|row| row.id);
    for (read, written) in read.iter().zip(&rows) {
        let bits = |row: &Row| (row.float.map(f32::to_bits), row.double.map(f64::to_bits));
        assert_eq!(bits(read), bits(written));
        let without = |row: &Row| Row { float: None, double: None, ..row.clone() };
        assert_eq!(without(read), without(written));
    }
    assert_eq!(read.len(), rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_literals_are_read_as_written() {
    let world = World::new();
    let (data, rows) = rows();
    world.delta.create_table("t", data.schema.clone()).send().await.unwrap();
    for how in ["inserted", "updated"] {
        let merge = world.delta.merge("t").using_values(&rows).on_keys(&[ID]);
        let merge = merge.when_matched_update_all().when_not_matched_insert_all();
        assert!(merge.build_sql().unwrap().contains("FROM VALUES"));
        let merged = merge.execute().await.unwrap();
        let expected = rows.len() as u64;
        assert_eq!(
            if how == "inserted" { merged.num_inserted_rows } else { merged.num_updated_rows },
            expected
        );
        data.check(&world.read(&table("t")).await, how);
    }
    assert_eq!(world.staged(&table("t")).await, [""; 0]);
}

/// A value pairs rows with itself and nothing else, whatever it is; NULL with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_keys() {
    let world = World::new();
    let (data, rows) = rows();
    world.delta.create_table("t", data.schema.clone()).send().await.unwrap();
    world.delta.write_batch("t", &rows).send().await.unwrap();
    let texts: Vec<Row> = rows.iter().filter(|row| row.text.is_some()).cloned().collect();
    let merge = world.delta.merge("t").using_values(&rows).on_keys(&["text"]).when_matched_delete();
    assert_eq!(merge.execute().await.unwrap().num_deleted_rows, texts.len() as u64);
    let left: Vec<Row> = world.delta.read_table("t").select("*").fetch_all().await.unwrap();
    assert_eq!(left.iter().map(|row| &row.text).collect::<Vec<_>>(), [&None]);
}

/// An unsigned number beyond BIGINT has its column too, when that is a DECIMAL.
#[tokio::test(flavor = "multi_thread")]
async fn unsigned_numbers_are_read_as_written() {
    #[derive(Serialize)]
    struct Count {
        id: i64,
        n: u64,
    }
    let world = World::new();
    let columns = TableSchema::parse("id BIGINT, n DECIMAL(20,0)").unwrap();
    world.delta.create_table("t", columns).send().await.unwrap();
    let rows = [Count { id: 1, n: u64::MAX }, Count { id: 2, n: 0 }];
    world.delta.write_batch("t", &rows).send().await.unwrap();
    let rows = [Count { id: 3, n: u64::MAX }];
    let merge = world.delta.merge("t").using_values(&rows).on_keys(&[ID]).when_not_matched_insert_all();
    merge.execute().await.unwrap();
    let mut read: Vec<(i64, String)> = world.delta.read_table("t").fetch_all().await.unwrap();
    read.sort_unstable();
    let most = u64::MAX.to_string();
    assert_eq!(read, [(1, most.clone()), (2, "0".to_owned()), (3, most)]);
}

/// Parameters take any text too.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_parameters() {
    let world = World::new();
    let (data, rows) = rows();
    world.delta.create_table("t", data.schema.clone()).send().await.unwrap();
    world.delta.write_batch("t", &rows).send().await.unwrap();
    for row in &rows {
        let Some(text) = row.text.clone() else { continue };
        let read = world.delta.read_table("t").columns([ID]).filter("text = :text").param("text", text);
        let found: Vec<(i64,)> = read.fetch_all().await.unwrap();
        assert_eq!(found, [(row.id,)], "{:?}", row.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_its_type_cannot_hold_is_refused_and_nothing_is_written() {
    let world = World::new();
    let (data, _) = rows();
    world.delta.create_table("t", data.schema.clone()).send().await.unwrap();
    let refused = [
        serde_json::json!({ID: 1, "tiny": 128}),
        serde_json::json!({ID: 1, "big": 9_223_372_036_854_775_808_u64}),
        serde_json::json!({ID: 1, "digit": "10"}),
        serde_json::json!({ID: 1, "whole": decimal(NINES, 0) + "0"}),
        serde_json::json!({ID: 1, "part": "1"}),
        serde_json::json!({ID: 1, "day": "2026-02-30"}),
        serde_json::json!({ID: 1, "day": "10000-01-01"}),
        serde_json::json!({ID: 1, "day": "0000-12-31"}),
        serde_json::json!({ID: 1, "at": "yesterday"}),
        serde_json::json!({ID: 1, "yes": "perhaps"}),
    ];
    for row in refused {
        let rows = [row];
        let write = world.delta.write_batch("t", &rows).send().await;
        assert!(write.is_err(), "{rows:?}");
        let merge = world.delta.merge("t").using_values(&rows).on_keys(&[ID]).when_not_matched_insert_all();
        assert!(merge.execute().await.is_err(), "{rows:?}");
    }
    assert_eq!(world.read(&table("t")).await.num_rows(), 0);
    assert_eq!(world.staged(&table("t")).await, [""; 0]);
}
