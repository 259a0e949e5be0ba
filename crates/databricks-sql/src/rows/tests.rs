//! Rows of every SQL type into Rust types, and the errors of those that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::read;
use crate::decode::Layout;
use crate::wire::Schema;
use crate::{Result, SqlError};

fn batch(columns: &[(&str, &str)], cells: &[&[Option<&str>]]) -> (RecordBatch, Layout) {
    let columns: Vec<_> =
        columns.iter().map(|(name, kind)| serde_json::json!({"name": name, "type_text": kind})).collect();
    let schema: Schema = serde_json::from_value(serde_json::json!({ "columns": columns })).unwrap();
    let layout = Layout::new(&schema);
    let cells: Vec<Vec<Option<String>>> =
        cells.iter().map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect()).collect();
    (layout.decode_json(&cells).unwrap(), layout)
}

fn rows<T: DeserializeOwned>(columns: &[(&str, &str)], cells: &[&[Option<&str>]]) -> Vec<Result<T>> {
    let (batch, layout) = batch(columns, cells);
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
    insta::assert_snapshot!(got[1].as_ref().unwrap_err(), @"row 1001, column `count` (INT) as u8: invalid value: integer `300`, expected u8");
    insta::assert_snapshot!(got[2].as_ref().unwrap_err(), @"row 1002, column `id` (BIGINT) as i64: it is NULL, expected i64; read it into an Option");
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
    insta::assert_snapshot!(error, @"row 1000 as Two: missing field `b`; the result has the columns `a`");
}

#[test]
fn rows_that_borrow_are_lent_the_batch() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Lent<'r> {
        name: &'r str,
        data: &'r [u8],
        #[serde(borrow)]
        tags: BTreeMap<&'r str, Option<&'r str>>,
    }
    let columns = [("name", "STRING"), ("data", "BINARY"), ("tags", "MAP<STRING, STRING>")];
    let (batch, layout) = batch(&columns, &[&[Some("Höhe"), Some("AP8="), Some(r#"{"k":"v","n":null}"#)]]);
    let rows: Vec<Lent<'_>> = read(&batch, layout.columns(), 0..1, 0).collect::<Result<_>>().unwrap();
    let tags = [("k", Some("v")), ("n", None)].into();
    assert_eq!(rows, [Lent { name: "Höhe", data: &[0, 255], tags }]);
    let held = batch.column(0).to_data().buffers()[1].as_slice().as_ptr_range();
    assert!(held.contains(&rows[0].name.as_ptr()));
}

#[test]
fn parts_that_a_type_has_no_place_for_are_not_dropped() {
    let address = Some(r#"{"street":"Main","zip":1}"#);
    let kind = "STRUCT<street: STRING, zip: INT>";
    assert_eq!(one::<([u8; 3],)>("BINARY", Some("00ff01")).unwrap().0, [0, 255, 1]);
    assert_eq!(one::<((i32, Option<i32>),)>("ARRAY<INT>", Some("[1,null]")).unwrap().0, (1, None));
    assert!(one::<([i32; 0],)>("ARRAY<INT>", Some("[]")).unwrap().0.is_empty());
    assert_eq!(one::<((String, i32),)>(kind, address).unwrap().0, ("Main".to_owned(), 1));
    for error in [
        one::<([u8; 2],)>("BINARY", Some("00ff01")).unwrap_err(),
        one::<([i32; 2],)>("ARRAY<INT>", Some("[1,2,3,4]")).unwrap_err(),
        one::<(Vec<(i32, i32)>,)>("ARRAY<ARRAY<INT>>", Some("[[1,2],[1,2,3]]")).unwrap_err(),
        one::<((String,),)>(kind, address).unwrap_err(),
    ] {
        assert!(error.to_string().contains("more than that takes"), "{error}");
    }
}

#[test]
fn integers_keep_all_their_digits() {
    assert_eq!(one::<u64>("DECIMAL(20,0)", Some("18446744073709551615")).unwrap(), u64::MAX);
    assert_eq!(
        one::<u128>("DECIMAL(38,0)", Some("99999999999999999999999999999999999999")).unwrap(),
        10_u128.pow(38) - 1
    );
    assert_eq!(
        one::<String>("DECIMAL(38,38)", Some("-0.00000000000000000000000000000000000001")).unwrap(),
        "-0.00000000000000000000000000000000000001"
    );
    assert!(one::<u64>("BIGINT", Some("-1")).is_err());
    let error = one::<i128>("DECIMAL(5,2)", Some("1.25")).unwrap_err();
    insta::assert_snapshot!(error, @"row 1000, column `c` (DECIMAL(5,2)) as i128: `1.25` has places behind its point; read it into text, a decimal type or a float");
}

#[test]
fn fields_may_be_flattened_renamed_and_left_out() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: i64,
        b: Option<String>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        #[serde(rename = "n", alias = "number")]
        count: i32,
        #[serde(flatten)]
        inner: Inner,
        #[serde(default)]
        absent: Option<f64>,
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }
    let columns = [("a", "BIGINT"), ("number", "INT"), ("b", "STRING"), ("day", "DATE"), ("gone", "VOID")];
    let got: Outer =
        rows(&columns, &[&[Some("7"), Some("1"), None, Some("2024-02-29"), None]]).remove(0).unwrap();
    let rest = [("day".to_owned(), "2024-02-29".into()), ("gone".to_owned(), serde_json::Value::Null)].into();
    assert_eq!(got, Outer { count: 1, inner: Inner { a: 7, b: None }, absent: None, rest });
}

#[test]
fn columns_that_no_field_asks_for_are_passed_over_or_refused_by_name() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    #[serde(deny_unknown_fields)]
    struct Exact {
        a: i32,
    }
    let (columns, cells) = ([("a", "INT"), ("b", "STRING")], [Some("1"), Some("x")]);
    let error = rows::<Exact>(&columns, &[&cells]).remove(0).unwrap_err();
    insta::assert_snapshot!(error, @"row 1000, column `b` (STRING) as Exact: unknown field `b`, expected `a`");
    #[derive(Debug, PartialEq, Deserialize)]
    struct Partly {
        b: String,
    }
    assert_eq!(rows::<Partly>(&columns, &[&cells]).remove(0).unwrap(), Partly { b: "x".into() });
}

#[test]
fn part_of_a_nested_cell_that_does_not_fit_is_named() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Row {
        all: Vec<Address>,
    }
    let columns = [("all", "ARRAY<STRUCT<street: STRING, zip: INT>>")];
    let cell = r#"[{"street":"Main","zip":1},{"street":null,"zip":2}]"#;
    let error = rows::<Row>(&columns, &[&[Some(cell)]]).remove(0).unwrap_err();
    insta::assert_snapshot!(error, @"row 1000, column `all` (ARRAY<STRUCT<street: STRING, zip: INT>>) as Vec<Address>: at `[1].street`: it is NULL, expected a string; read it into an Option");
}

#[test]
fn text_that_a_type_refuses_is_told_with_the_type() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Row {
        day: Option<NaiveDate>,
    }
    let error = rows::<Row>(&[("day", "STRING")], &[&[Some("yesterday")]]).remove(0).unwrap_err();
    insta::assert_snapshot!(error, @"row 1000, column `day` (STRING) as Option<NaiveDate>: input contains invalid characters");
}

#[test]
fn rows_of_every_calendar_end_read_into_chrono() {
    for (text, expected) in [
        ("0001-01-01T00:00:00.000000Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("1883-11-18T12:03:57.999999-07:52:58", "1883-11-18T19:56:55.999999Z"),
    ] {
        let expected: DateTime<Utc> = expected.parse().unwrap();
        assert_eq!(one::<DateTime<Utc>>("TIMESTAMP", Some(text)).unwrap(), expected);
    }
    assert_eq!(
        one::<NaiveDate>("DATE", Some("0001-01-01")).unwrap(),
        NaiveDate::from_ymd_opt(1, 1, 1).unwrap()
    );
}
