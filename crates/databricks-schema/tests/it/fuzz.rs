//! The parser of types and column lists against any text: a body that a fuzzer can drive, over texts made to hurt.

use databricks_schema::{DataType, SchemaError, TableSchema};
use proptest::prelude::*;

/// No panic and no overflow, and what is read prints to what reads the same.
fn body(text: &str) {
    if let Ok(read) = DataType::parse(text) {
        assert_eq!(DataType::parse(&read.to_string()).unwrap(), read, "{text}");
        assert!(DataType::from_delta_json(&read.to_delta_json()).is_ok(), "{text}");
    }
    if let Ok(read) = TableSchema::parse(text) {
        assert_eq!(TableSchema::parse(&read.to_string()).unwrap(), read, "{text}");
        assert_eq!(
            TableSchema::from_delta_json(&read.to_delta_json()).unwrap().columns.len(),
            read.columns.len()
        );
    }
    let _ = TableSchema::from_delta_json(text);
}

/// Words of the grammar in any order, cut anywhere.
fn shuffled() -> impl Strategy<Value = String> {
    let words = [
        "ARRAY<",
        "MAP<",
        "STRUCT<",
        ">",
        ",",
        ":",
        "(",
        ")",
        " ",
        "a",
        "`b c`",
        "INT",
        "DECIMAL(10,2)",
        "DECIMAL(",
        "VARCHAR(3)",
        "INTERVAL DAY TO SECOND",
        "INTERVAL",
        "NOT NULL",
        "COMMENT 'x'",
        "COMMENT",
        "DEFAULT",
        "1 + (2)",
        "GENERATED ALWAYS AS",
        "IDENTITY",
        "MASK f",
        "GEOGRAPHY(ANY)",
        "'",
        "`",
        "--",
        "/*",
        "*/",
        "\\",
        "\n",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..24)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        body(&text);
    }

    #[test]
    fn any_order_of_the_grammars_words_is_read_or_refused(text in shuffled()) {
        body(&text);
    }
}

#[test]
fn ten_thousand_levels_are_refused_and_not_followed() {
    for (open, close) in [("ARRAY<", ">"), ("MAP<INT,", ">"), ("STRUCT<a:", ">")] {
        let deep = format!("{}INT{}", open.repeat(10_000), close.repeat(10_000));
        assert!(matches!(DataType::parse(&deep), Err(SchemaError::TypeTooDeep { .. })), "{open}");
        assert!(DataType::parse(&open.repeat(10_000)).is_err());
    }
    let json = format!("{}1{}", r#"{"type":"array","elementType":"#.repeat(10_000), "}".repeat(10_000));
    assert!(TableSchema::from_delta_json(&json).is_err());
    let default = format!("a INT DEFAULT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(TableSchema::parse(&default).unwrap().columns.len(), 1);
}

/// A parser that goes back over its text would need hours for these.
#[test]
fn long_texts_of_every_shape_are_read_in_one_pass() {
    const PARTS: usize = 100_000;
    let fields = (0..PARTS / 4).map(|n| format!("f{n}: INT")).collect::<Vec<_>>().join(",");
    for text in [
        format!("STRUCT<{fields}>"),
        format!("STRUCT<a: INT COMMENT '{}'>", "\\'".repeat(PARTS)),
        format!("STRUCT<`{}`: INT>", "``".repeat(PARTS)),
        format!("INT /* {} */", "* /".repeat(PARTS)),
        format!("INT {}", "-- x\n".repeat(PARTS)),
    ] {
        DataType::parse(&text).unwrap();
    }
    for text in
        ["ARRAY<".repeat(PARTS), "'".repeat(PARTS), "`".repeat(PARTS), "(".repeat(PARTS), "/*".repeat(PARTS)]
    {
        DataType::parse(&text).unwrap_err();
        TableSchema::parse(&text).unwrap_err();
        let _ = TableSchema::parse(&format!("a INT DEFAULT {text}"));
    }
    let columns =
        (0..PARTS / 4).map(|n| format!("c{n} INT DEFAULT {n} COMMENT 'x'")).collect::<Vec<_>>().join(",");
    assert_eq!(TableSchema::parse(&columns).unwrap().columns.len(), PARTS / 4);
}
