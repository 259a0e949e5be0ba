//! What holds for every type, name and string.

use databricks_schema::{
    ColumnSchema, DataType, IntervalKind, Srid, StructField, TableName, TableSchema, quote,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Names with everything that quoting must survive.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,8}", "[ -~é`'\"\\\\\n]{1,8}", "\\PC{1,6}"]
}

fn comment() -> impl Strategy<Value = Option<String>> {
    option::of("[ -~é\\\\'\n]{0,10}")
}

fn scalar() -> impl Strategy<Value = DataType> {
    let decimal = (1_u8..=38).prop_flat_map(|precision| {
        (0..=precision).prop_map(move |scale| DataType::decimal(precision, scale as i8).unwrap())
    });
    let plain = [
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Int,
        DataType::BigInt,
        DataType::Float,
        DataType::Double,
        DataType::Boolean,
        DataType::String,
        DataType::Binary,
        DataType::Date,
        DataType::Timestamp,
        DataType::TimestampNtz,
        DataType::Variant,
        DataType::Void,
        DataType::Geography(Srid::Any),
    ];
    prop_oneof![
        select(plain.to_vec()),
        select(IntervalKind::ALL.to_vec()).prop_map(DataType::Interval),
        decimal,
        (1_u32..=i32::MAX as u32).prop_map(DataType::Char),
        (1_u32..=i32::MAX as u32).prop_map(DataType::Varchar),
        (0..=i32::MAX).prop_map(|id| DataType::Geometry(Srid::Id(id))),
    ]
}

/// Types nested up to six levels.
fn data_type() -> impl Strategy<Value = DataType> {
    scalar().prop_recursive(6, 40, 4, |inner| {
        let field =
            (name(), inner.clone(), any::<bool>(), comment()).prop_map(|(name, t, nullable, comment)| {
                let field = StructField::new(name, t).with_nullable(nullable);
                match comment {
                    Some(comment) => field.with_comment(comment),
                    None => field,
                }
            });
        prop_oneof![
            inner.clone().prop_map(DataType::array),
            (inner.clone(), inner).prop_map(|(key, value)| DataType::map(key, value)),
            vec(field, 0..4).prop_map(DataType::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn a_type_reads_as_it_prints(t in data_type()) {
        prop_assert_eq!(DataType::parse(&t.to_string()).unwrap(), t);
    }

    #[test]
    fn a_type_reads_in_any_case(t in scalar()) {
        prop_assert_eq!(DataType::parse(&t.to_string().to_lowercase()).unwrap(), t);
    }

    #[test]
    fn a_column_reads_as_it_prints(name in name(), t in scalar(), nullable in any::<bool>(), comment in comment()) {
        let mut column = ColumnSchema::new(name, t).with_nullable(nullable);
        column.comment = comment;
        let schema = TableSchema::new([column]);
        prop_assert_eq!(TableSchema::parse(&schema.to_string()).unwrap(), schema);
    }

    #[test]
    fn reading_any_text_never_panics(text in "[a-zA-Z<>(),:`'\"0-9 /*\\\\-]{0,60}|\\PC{0,30}") {
        let _ = DataType::parse(&text);
        let _ = TableSchema::parse(&text);
        let _ = TableName::parse(&text);
    }

    #[test]
    fn quoted_names_split_back(parts in vec(name(), 1..5)) {
        prop_assert_eq!(quote::split_name(&quote::column_path(&parts)).unwrap(), parts);
    }

    #[test]
    fn a_quoted_string_ends_where_it_should(text in "[ -~é'\\\\\n\0]{0,20}") {
        let quoted = quote::string(&text);
        let inner = &quoted[1..quoted.len() - 1];
        // Read as the documentation of the STRING type says: a backslash takes the next character as it is.
        let mut read = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            prop_assert_ne!(c, '\'');
            read.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        prop_assert_eq!(read, text);
    }

    #[cfg(feature = "arrow")]
    #[test]
    fn arrow_keeps_every_type(t in data_type()) {
        let field = StructField::new("a", t);
        let arrow = databricks_schema::arrow::to_arrow_field(&field).unwrap();
        prop_assert_eq!(databricks_schema::arrow::from_arrow_field(&arrow).unwrap(), field);
    }
}
