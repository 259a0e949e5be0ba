//! Every SQL type: the same Arrow whether it came as JSON text or as an Arrow file.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMicrosecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    IntervalYearMonthArray, ListArray, MapBuilder, NullArray, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, TimestampMicrosecondType};
use databricks_sql::StatementResult;
use serde_json::{Value, json};

use crate::leaf::{Leaf, Reply, SUBMIT, file};

/// A SQL type, its cells as `JSON_ARRAY` text, and the column as a warehouse writes it to Arrow.
struct Case {
    sql: &'static str,
    cells: Value,
    arrow: ArrayRef,
}

fn case(sql: &'static str, cells: Value, arrow: impl Array + 'static) -> Case {
    Case { sql, cells, arrow: Arc::new(arrow) }
}

fn map() -> impl Array {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("b");
    map.values().append_value("1");
    map.keys().append_value("a");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.finish()
}

fn address() -> StructArray {
    let street: ArrayRef = Arc::new(StringArray::from(vec![Some("Main"), None]));
    let amount: ArrayRef = Arc::new(
        Decimal128Array::from(vec![Some(1_234_567_890_123_456_789_012), None])
            .with_precision_and_scale(30, 2)
            .unwrap(),
    );
    StructArray::try_new(
        vec![
            Field::new("street", DataType::Utf8, true),
            Field::new("amount", amount.data_type().clone(), true),
        ]
        .into(),
        vec![street, amount],
        Some(vec![true, false].into()),
    )
    .unwrap()
}

fn cases() -> Vec<Case> {
    let micros = vec![Some(1_609_524_000_000_001), None];
    vec![
        case("TINYINT", json!(["-128", null]), Int8Array::from(vec![Some(-128), None])),
        case("SMALLINT", json!(["32767", null]), Int16Array::from(vec![Some(32767), None])),
        case("INT", json!(["-7", null]), Int32Array::from(vec![Some(-7), None])),
        case("BIGINT", json!(["9223372036854775807", null]), Int64Array::from(vec![Some(i64::MAX), None])),
        case("FLOAT", json!(["1.1", "-Infinity"]), Float32Array::from(vec![1.1, f32::NEG_INFINITY])),
        case("DOUBLE", json!(["1.0E-10", null]), Float64Array::from(vec![Some(1e-10), None])),
        case(
            "DECIMAL(38,2)",
            json!(["123456789012345678901234567890123456.78", null]),
            Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_123_456_789_012_345_678), None])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        ),
        case("BOOLEAN", json!(["true", null]), BooleanArray::from(vec![Some(true), None])),
        case("STRING", json!(["", "é\u{0}\n"]), StringArray::from(vec!["", "é\u{0}\n"])),
        case("VARCHAR(10)", json!(["a", null]), StringArray::from(vec![Some("a"), None])),
        case("CHAR(2)", json!(["a ", null]), StringArray::from(vec![Some("a "), None])),
        case("DATE", json!(["1969-12-31", null]), Date32Array::from(vec![Some(-1), None])),
        case(
            "TIMESTAMP",
            json!(["2021-01-01T10:00:00.000001-08:00", null]),
            TimestampMicrosecondArray::from(micros.clone()).with_timezone("Etc/UTC"),
        ),
        case(
            "TIMESTAMP_NTZ",
            json!(["2021-01-01T18:00:00.000001", null]),
            TimestampMicrosecondArray::from(micros),
        ),
        case(
            "INTERVAL YEAR TO MONTH",
            json!(["INTERVAL '1-2' YEAR TO MONTH", null]),
            IntervalYearMonthArray::from(vec![Some(14), None]),
        ),
        case(
            "INTERVAL DAY TO SECOND",
            json!(["1 02:03:04.000005", null]),
            DurationMicrosecondArray::from(vec![Some(93_784_000_005), None]),
        ),
        case("BINARY", json!(["AP8=", null]), BinaryArray::from(vec![Some(&[0_u8, 255][..]), None])),
        case(
            "ARRAY<INT>",
            json!(["[1,null]", null]),
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]),
        ),
        case("MAP<STRING, STRING>", json!([r#"{"b":"1","a":null}"#, null]), map()),
        case(
            "STRUCT<street: STRING, amount: DECIMAL(30,2)>",
            json!([r#"{"amount":12345678901234567890.12,"street":"Main"}"#, null]),
            address(),
        ),
        case("ARRAY<INT>", json!(["[1]", null]), StringArray::from(vec![Some("[1]"), None])),
        case("VARIANT", json!([r#"{"a":1}"#, null]), StringArray::from(vec![Some(r#"{"a":1}"#), None])),
        case("VOID", json!([null, null]), NullArray::new(2)),
        case("TYPE_OF_TOMORROW", json!(["x", null]), StringArray::from(vec![Some("x"), None])),
    ]
}

fn answer(sql_type: &str, page: &Value) -> Value {
    json!({
        "statement_id": "s1", "status": {"state": "SUCCEEDED"},
        "manifest": {
            "schema": {"columns": [{"name": "c", "type_text": sql_type}]},
            "total_row_count": 2, "result_compression": "LZ4_FRAME",
        },
        "result": page,
    })
}

async fn both_ways(case: &Case) -> (StatementResult, StatementResult) {
    let rows: Vec<Value> = case.cells.as_array().unwrap().iter().map(|cell| json!([cell])).collect();
    let json_page = answer(case.sql, &json!({"data_array": rows}));
    let link = json!({"external_links": [{"external_link": "https://storage.invalid/file", "row_count": 2}]});
    let link_page = answer(case.sql, &link);
    let file =
        file(&RecordBatch::try_from_iter_with_nullable([("c", Arc::clone(&case.arrow), true)]).unwrap());
    let leaf = Leaf::new(move |call, _| match (call.line.as_str(), call.body["format"].as_str()) {
        (SUBMIT, Some("JSON_ARRAY")) => Reply::json(&json_page),
        (SUBMIT, _) => Reply::json(&link_page),
        _ => Reply::bytes(file.clone()),
    });
    let inline = leaf.sql().statement("SELECT c FROM t").execute().await.unwrap();
    let external = leaf.sql().statement("SELECT c FROM t").external().execute().await.unwrap();
    (inline, external)
}

#[tokio::test]
async fn text_and_file_become_the_same_column() {
    for case in cases() {
        let (inline, external) = both_ways(&case).await;
        assert_eq!(inline.schema, external.schema, "{}", case.sql);
        assert_eq!(inline.batches, external.batches, "{}", case.sql);
        assert_eq!(inline.num_rows(), 2, "{}", case.sql);
    }
}

#[tokio::test]
async fn named_zone_of_the_session_is_kept_with_the_same_instants() {
    let case = case(
        "TIMESTAMP",
        json!(["2021-01-01T10:00:00.000-08:00", null]),
        TimestampMicrosecondArray::from(vec![Some(1_609_524_000_000_000), None])
            .with_timezone("America/Los_Angeles"),
    );
    let (inline, external) = both_ways(&case).await;
    let zone = |result: &StatementResult| match result.schema.field(0).data_type() {
        DataType::Timestamp(_, zone) => zone.as_deref().map(str::to_owned),
        other => panic!("{other}"),
    };
    assert_eq!(zone(&external).as_deref(), Some("America/Los_Angeles"));
    assert_eq!(zone(&inline).as_deref(), Some("Etc/UTC"));
    let instants = |result: &StatementResult| {
        result.batches[0].column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec()
    };
    assert_eq!(instants(&inline), instants(&external));
}

#[tokio::test]
async fn cell_of_another_type_is_an_error_naming_its_column() {
    let page = answer("DECIMAL(3,1)", &json!({"data_array": [["1.5"], ["1.55"]]}));
    let leaf = Leaf::new(move |_, _| Reply::json(&page));
    let error = leaf.sql().execute("SELECT c FROM t").await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot read the result: column `c` (DECIMAL(3,1)): `1.55` is not a DECIMAL(3,1)");
}
