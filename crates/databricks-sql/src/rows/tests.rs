//! Rows of every SQL type into Rust types, and the errors of those that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::read;
use crate::decode::Layout;
use crate::wire::Schema;
use crate::{Result, SqlError};

fn rows<T: DeserializeOwned>(columns: &[(&str, &str)], cells: &[&[Option<&str>]]) -> Vec<Result<T>> {
    let columns: Vec<_> =
        columns.iter().map(|(name, kind)| serde_json::json!({"name": name, "type_text": kind})).collect();
    let schema: Schema = serde_json::from_value(serde_json::json!({ "columns": columns })).unwrap();
    let layout = Layout::new(&schema);
    let cells: Vec<Vec<Option<String>>> =
        cells.iter().map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect()).collect();
    let batch = layout.decode_json(&cells).unwrap();
    read(&batch, layout.columns(), 0..batch.num_rows(), 1000).collect()
}

fn one<T: DeserializeOwned>(kind: &str, cell: Option<&str>) -> Result<T> {
    rows(&[("c", kind)], &[&[cell]]).remove(0)
}

#[derive(Debug, PartialEq, Deserialize)]
struct Address {
    street: String,
    zip: Option<i32>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Low,
    High,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Everything {
    id: u64,
    small: i8,
    price: String,
    day: NaiveDate,
    at: DateTime<Utc>,
    local: NaiveDateTime,
    data: Vec<u8>,
    level: Level,
    scores: Vec<Option<i32>>,
    tags: BTreeMap<String, i64>,
    address: Address,
    missing: Option<f64>,
}

#[test]
fn row_of_every_type_fills_a_struct() {
    let columns = [
        ("id", "BIGINT"),
        ("small", "TINYINT"),
        ("price", "DECIMAL(10,2)"),
        ("day", "DATE"),
        ("at", "TIMESTAMP"),
        ("local", "TIMESTAMP_NTZ"),
        ("data", "BINARY"),
        ("level", "STRING"),
        ("scores", "ARRAY<INT>"),
        ("tags", "MAP<STRING, BIGINT>"),
        ("address", "STRUCT<street: STRING, zip: INT>"),
        ("missing", "DOUBLE"),
    ];
    let cells = [
        Some("7"),
        Some("-1"),
        Some("12.50"),
        Some("2024-02-29"),
        Some("2021-01-01T10:00:00.000001-08:00"),
        Some("2021-01-01T10:00:00.5"),
        Some("00ff01"),
        Some("high"),
        Some("[1,null,3]"),
        Some(r#"{"b":2,"a":1}"#),
        Some(r#"{"street":"Main"}"#),
        None,
    ];
    let got: Everything = rows(&columns, &[&cells]).remove(0).unwrap();
    let expected = Everything {
        id: 7,
        small: -1,
        price: "12.50".into(),
        day: NaiveDate::from_ymd_opt(2024, 2, 29).unwrap(),
        at: "2021-01-01T18:00:00.000001Z".parse().unwrap(),
        local: "2021-01-01T10:00:00.5".parse().unwrap(),
        data: vec![0, 255, 1],
        level: Level::High,
        scores: vec![Some(1), None, Some(3)],
        tags: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
        address: Address { street: "Main".into(), zip: None },
        missing: None,
    };
    assert_eq!(got, expected);
}

#[test]
fn rows_are_also_tuples_maps_and_single_values() {
    let columns = [("a", "INT"), ("b", "STRING")];
    let cells: [&[Option<&str>]; 1] = [&[Some("1"), Some("x")]];
    assert_eq!(rows::<(i32, String)>(&columns, &cells).remove(0).unwrap(), (1, "x".to_owned()));
    let map = rows::<serde_json::Value>(&columns, &cells).remove(0).unwrap();
    assert_eq!(map, serde_json::json!({"a": 1, "b": "x"}));
    assert_eq!(one::<i64>("BIGINT", Some("9")).unwrap(), 9);
    assert_eq!(one::<Option<String>>("STRING", None).unwrap(), None);
    let message = rows::<i32>(&columns, &cells).remove(0).unwrap_err().to_string();
    assert!(message.contains("2 columns"), "{message}");
}

#[test]
fn numbers_are_what_the_field_asks_for() {
    assert_eq!(one::<f64>("DECIMAL(5,2)", Some("1.25")).unwrap(), 1.25);
    assert_eq!(one::<i64>("DECIMAL(20,0)", Some("1234567890123456789")).unwrap(), 1_234_567_890_123_456_789);
    assert_eq!(
        one::<i128>("DECIMAL(38,0)", Some("-99999999999999999999")).unwrap(),
        -99_999_999_999_999_999_999
    );
    assert_eq!(one::<i64>("TIMESTAMP", Some("1970-01-01T00:00:01Z")).unwrap(), 1_000_000);
    assert_eq!(one::<f64>("INT", Some("3")).unwrap(), 3.0);
    assert_eq!(one::<f32>("FLOAT", Some("NaN")).unwrap().to_string(), "NaN");
    assert_eq!(one::<i64>("INTERVAL HOUR", Some("2")).unwrap(), 7_200_000_000);
}

#[test]
fn intervals_are_text_to_a_string() {
    for (kind, cell, text) in [
        ("INTERVAL YEAR TO MONTH", "INTERVAL '-1-2' YEAR TO MONTH", "-1-2"),
        ("INTERVAL DAY TO SECOND", "-1 02:03:04.000005", "-1 02:03:04.000005"),
        ("DECIMAL(3,3)", "-0.001", "-0.001"),
    ] {
        assert_eq!(one::<String>(kind, Some(cell)).unwrap(), text);
    }
}

#[test]
fn cell_that_does_not_fit_is_named() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Narrow {
        id: i64,
        count: u8,
    }
    let columns = [("id", "BIGINT"), ("count", "INT")];
    let got: Vec<Result<Narrow>> =
        rows(&columns, &[&[Some("1"), Some("2")], &[Some("1"), Some("300")], &[None, Some("2")]]);
    assert!(got[0].is_ok());
    insta::assert_snapshot!(got[1].as_ref().unwrap_err(), @"row 1001, column `count` (INT): invalid value: integer `300`, expected u8");
    insta::assert_snapshot!(got[2].as_ref().unwrap_err(), @"row 1002, column `id` (BIGINT): it is NULL, expected i64; read it into an Option");
    let Err(SqlError::Row(error)) = &got[1] else { panic!("{:?}", got[1]) };
    assert_eq!((error.row, error.column.as_str(), error.sql_type.as_str()), (1001, "count", "INT"));
}

#[test]
fn column_that_is_missing_is_named() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Two {
        a: i32,
        b: i32,
    }
    let error = rows::<Two>(&[("a", "INT")], &[&[Some("1")]]).remove(0).unwrap_err();
    insta::assert_snapshot!(error, @"row 1000: missing field `b`");
}
