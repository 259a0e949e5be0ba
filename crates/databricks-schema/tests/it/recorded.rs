//! Every distinct result column type in the recordings of a real workspace.
//!
//! Source: the integration-test recordings of github.com/databricks/databricks-jdbc (Apache License 2.0), as
//! `(type_name, type_text, type_precision, type_scale)`.

use databricks_schema::DataType;

const COLUMNS: [(&str, &str, Option<u32>, Option<u32>); 17] = [
    ("LONG", "BIGINT", None, None),
    ("STRING", "STRING", None, None),
    ("INT", "INT", None, None),
    ("DECIMAL", "DECIMAL(7,2)", Some(7), Some(2)),
    ("DECIMAL", "DECIMAL(18,2)", Some(18), Some(2)),
    ("DECIMAL", "DECIMAL(10,2)", Some(10), Some(2)),
    ("DATE", "DATE", None, None),
    ("TIMESTAMP", "TIMESTAMP", None, None),
    ("BOOLEAN", "BOOLEAN", None, None),
    ("BINARY", "BINARY", None, None),
    ("NULL", "VOID", None, None),
    ("DOUBLE", "DOUBLE", None, None),
    ("VARIANT", "VARIANT", None, None),
    ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ", None, None),
    ("ARRAY", "ARRAY<INT>", None, None),
    ("MAP", "MAP<STRING, STRING>", None, None),
    ("STRUCT", "STRUCT<street: STRING, city: STRING, zip: INT>", None, None),
];

#[test]
fn recorded_types_are_read_and_printed_as_recorded() {
    for (type_name, type_text, precision, scale) in COLUMNS {
        let data_type = DataType::parse(type_text).unwrap();
        assert_eq!(data_type.to_string(), type_text);
        assert_eq!(data_type.type_name(), type_name);
        if !data_type.is_nested() {
            assert_eq!(DataType::from_type_name(type_name, precision, scale, None), Some(data_type));
        }
    }
}
