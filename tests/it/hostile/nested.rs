//! Values within values: structs, arrays and maps, five deep, with NULL and emptiness at every level.

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use arrow::json::ReaderBuilder;
use databricks_delta_lake::schema::{DataType, arrow as convert};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{Data, World, round_trip, table};

/// A column of a type, its values as JSON.
fn column(name: &str, data_type: &str, values: &[Value]) -> (String, DataType, ArrayRef) {
    let data_type = DataType::parse(data_type).unwrap();
    let field = Field::new(name, convert::to_arrow(&data_type).unwrap(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let mut decoder = ReaderBuilder::new(schema).with_coerce_primitive(true).build_decoder().unwrap();
    let rows: Vec<Value> = values.iter().map(|value| json!({name: value})).collect();
    decoder.serialize(&rows).unwrap();
    (name.to_owned(), data_type, Arc::clone(decoder.flush().unwrap().unwrap().column(0)))
}

fn data() -> Data {
    let arrays = [
        json!([[[[[1, null], []], null], []], null]),
        json!([]),
        json!(null),
        json!([[[[[]]]]]),
        json!([null, [[null]]]),
    ];
    let structs = [
        json!({"a": {"b": {"c": {"d": {"select": "it's", "a`b": null}}}}, "n": 1}),
        json!({"a": {"b": {"c": null}}, "n": null}),
        json!(null),
        json!({"a": null}),
        json!({"a": {"b": {"c": {"d": {"select": "\u{0}\\", "a`b": "1.50"}}}}}),
    ];
    let maps = [
        json!({"": {"k'": {"\\": {"\n": {"x": "2026-01-02"}}}}}),
        json!({}),
        json!(null),
        json!({"a": {}, "b": null}),
        json!({"😀": {"😀": {"😀": {"😀": {"😀": null}}}}}),
    ];
    let mixed = [
        json!([{"m": {"k": [{"t": "2026-01-02T03:04:05.000006Z", "d": "-0.01"}]}}]),
        json!([{"m": {"k": []}}, {"m": {}}, {"m": null}, null]),
        json!(null),
        json!([]),
        json!([{"m": {"k": [null, {"t": null, "d": null}], "l": null}}]),
    ];
    Data::new(vec![
        column("arrays", "ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<BIGINT>>>>>", &arrays),
        column(
            "structs",
            "STRUCT<a: STRUCT<b: STRUCT<c: STRUCT<d: STRUCT<`select`: STRING, `a``b`: DECIMAL(5,2)>>>>, n: INT>",
            &structs,
        ),
        column("maps", "MAP<STRING, MAP<STRING, MAP<STRING, MAP<STRING, MAP<STRING, DATE>>>>>", &maps),
        column(
            "mixed",
            "ARRAY<STRUCT<m: MAP<STRING, ARRAY<STRUCT<t: TIMESTAMP, d: DECIMAL(38,2)>>>>>",
            &mixed,
        ),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_are_read_as_written() {
    let world = World::new();
    round_trip(&world, &table("t"), &data(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_are_read_as_written_under_column_mapping() {
    let world = World::new();
    round_trip(&world, &table("t"), &data(), &[("delta.columnMapping.mode", "name")]).await;
}
