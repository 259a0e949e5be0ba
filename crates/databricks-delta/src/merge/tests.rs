//! Laws of the statements that the builder makes.

#![allow(clippy::unwrap_used)]

use databricks_schema::TableSchema;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::written_out;
use crate::client::DeltaClient;
use crate::rows::Slice;

fn is_written_out<T: Serialize + Sync>(rows: &[T]) -> bool {
    let columns = "at TIMESTAMP, day DATE, name STRING, price DECIMAL(20,1), wind DOUBLE, n BIGINT";
    written_out(&Slice(rows), &TableSchema::parse(columns).unwrap()).unwrap().is_some()
}

#[test]
fn values_are_written_out_when_literals_say_the_same() {
    assert!(is_written_out(&[json!({"at": "2026-01-01T00:00:00Z", "day": "2026-01-01", "name": "1"})]));
    assert!(is_written_out(&[json!({"price": "1.5", "n": 1}), json!({"price": null, "n": -2})]));
    assert!(is_written_out(&[json!({"wind": -1}), json!({"wind": 1.5})]));
}

#[test]
fn values_whose_literals_would_say_something_else_are_staged() {
    #[derive(Serialize)]
    struct Row {
        at: i64,
    }
    // Microseconds in a file, and seconds in a cast.
    assert!(!is_written_out(&[Row { at: 1_000_000 }]));
    assert!(!is_written_out(&[json!({"name": 0.5})]), "another text");
    let (large, small) = (json!({"price": 9_007_199_254_740_993_i64}), json!({"price": 0.5}));
    assert!(is_written_out(std::slice::from_ref(&large)));
    assert!(!is_written_out(&[large, small]), "as a DOUBLE it would lose its last digit");
    assert!(!is_written_out(&[json!({"name": "00123"}), json!({"name": 5})]));
}

proptest! {
    #[test]
    fn merge_builder_valid_sql(
        target in "[a-z_]+",
        source in "[a-z_]+",
        condition in "[a-z_]+ = [a-z_]+",
    ) {
        let client = DeltaClient::mock();
        let sql = client.merge(&target)
            .using_source(&source)
            .on(&condition)
            .when_matched_update("col = source.col")
            .when_not_matched_insert_all()
            .build_sql()
            .unwrap();
        let expected = format!(
            "MERGE INTO `main`.`default`.`{target}` AS target\nUSING `main`.`default`.`{source}` AS source\nON {condition}\n\
             WHEN MATCHED THEN UPDATE SET col = source.col\nWHEN NOT MATCHED THEN INSERT *"
        );
        prop_assert_eq!(sql, expected);
    }
}
