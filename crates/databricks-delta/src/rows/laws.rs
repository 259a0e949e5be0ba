//! Any literal that is printed is read back as its value by another parser: sqlparser, with its Databricks dialect.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::any::TypeId;

use chrono::{NaiveDate, NaiveDateTime};
use databricks_schema::{DataType, Literal, quote};
use proptest::prelude::*;
use serde::Serialize;
use serde::ser::Serializer;
use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator};
use sqlparser::dialect::{DatabricksDialect, Dialect};
use sqlparser::parser::Parser;

use super::literals::LiteralSerializer;

/// sqlparser's dialect with what it lacks of Databricks: the backslash escapes in strings.
#[derive(Debug)]
struct Databricks;

const BASE: DatabricksDialect = DatabricksDialect {};

impl Dialect for Databricks {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    fn supports_numeric_prefix(&self) -> bool {
        BASE.supports_numeric_prefix()
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
}

/// The value that a literal stands for.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Boolean(bool),
    /// A whole number, as its digits: it may have more of them than any type here.
    Whole(String),
    /// By its bits, of which a NaN has one kind.
    Double(u64),
    Float(u32),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Day(i32),
    Time(i64),
    LocalTime(i64),
    Call(String, Vec<Value>),
    /// What is cast and not worked out: the type as text.
    Cast(Box<Value>, String),
}

fn double(value: f64) -> Value {
    Value::Double(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
}

fn float(value: f32) -> Value {
    Value::Float(if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() })
}

/// The one expression in a text, which must be all of it.
fn parsed(sql: &str) -> Expr {
    // In the place of a column: nothing of it may be taken for more than a value.
    let statement = format!("SELECT {sql} AS x");
    let mut statements =
        Parser::parse_sql(&Databricks, &statement).unwrap_or_else(|error| panic!("{statement:?}: {error}"));
    assert_eq!(statements.len(), 1, "{statement:?}");
    let ast::Statement::Query(query) = statements.remove(0) else { panic!("{statement:?}") };
    let ast::SetExpr::Select(select) = *query.body else { panic!("{statement:?}") };
    match <[_; 1]>::try_from(select.projection) {
        Ok([ast::SelectItem::ExprWithAlias { expr, alias }]) if alias.value == "x" => expr,
        other => panic!("{statement:?}: {other:?}"),
    }
}

fn value(expr: &Expr) -> Value {
    match expr {
        Expr::Nested(inner) => value(inner),
        Expr::Value(literal) => plain(&literal.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match value(expr) {
            Value::Whole(digits) => Value::Whole(format!("-{digits}")),
            Value::Double(bits) => double(-f64::from_bits(bits)),
            other => panic!("-{other:?}"),
        },
        Expr::Cast { expr, data_type, .. } => cast(value(expr), &data_type.to_string()),
        Expr::TypedString(typed) => {
            let Value::Text(text) = plain(&typed.value.value) else { panic!("{typed:?}") };
            cast(Value::Text(text), &typed.data_type.to_string())
        }
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else { panic!("{function:?}") };
            let arguments = list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => value(expr),
                other => panic!("{other:?}"),
            });
            Value::Call(function.name.to_string(), arguments.collect())
        }
        other => panic!("{other:?}"),
    }
}

fn plain(literal: &ast::Value) -> Value {
    match literal {
        ast::Value::Null => Value::Null,
        ast::Value::Boolean(value) => Value::Boolean(*value),
        ast::Value::Number(text, false) if text.contains(['e', 'E']) => double(text.parse().unwrap()),
        ast::Value::Number(text, false) => Value::Whole(text.clone()),
        ast::Value::SingleQuotedString(text) => Value::Text(text.clone()),
        ast::Value::HexStringLiteral(digits) => {
            let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            Value::Bytes((0..digits.len()).step_by(2).map(pair).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// What a server makes of a literal in its type.
fn cast(inner: Value, data_type: &str) -> Value {
    match (inner, data_type) {
        (Value::Text(text), "DOUBLE") => double(number(&text).unwrap_or_else(|| text.parse().unwrap())),
        (Value::Text(text), "FLOAT") => {
            float(number(&text).map_or_else(|| text.parse().unwrap(), |special| special as f32))
        }
        (Value::Text(text), decimal) if decimal.starts_with("DECIMAL") => Value::Decimal(text),
        (Value::Whole(digits), "TINYINT" | "SMALLINT" | "BIGINT") => Value::Whole(digits),
        (Value::Text(text), "DATE") => Value::Day(day(&text)),
        (Value::Text(text), "TIMESTAMP") => Value::Time(time(text.strip_suffix('Z').unwrap())),
        (Value::Text(text), "TIMESTAMP_NTZ") => Value::LocalTime(time(&text)),
        (inner, data_type) => Value::Cast(Box::new(inner), data_type.to_owned()),
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn day(text: &str) -> i32 {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).unwrap()
}

fn time(text: &str) -> i64 {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.6f").unwrap().and_utc().timestamp_micros()
}

fn printed<T: Serialize>(row_value: T) -> Value {
    value(&parsed(&row_value.serialize(LiteralSerializer).unwrap()))
}

/// What a literal of the schema crate stands for, worked out without its text.
fn meaning(literal: &Literal) -> Value {
    let whole = |value: i64| Value::Whole(value.to_string());
    match literal {
        Literal::Boolean(value) => Value::Boolean(*value),
        Literal::TinyInt(value) => whole((*value).into()),
        Literal::SmallInt(value) => whole((*value).into()),
        Literal::Int(value) => whole((*value).into()),
        Literal::BigInt(value) => whole(*value),
        Literal::Float(value) => float(*value),
        Literal::Double(value) => double(*value),
        Literal::Decimal { unscaled, scale, .. } => {
            let scale = usize::try_from(*scale).unwrap();
            let digits = format!("{:0>1$}", unscaled.unsigned_abs(), scale + 1);
            let (whole, part) = digits.split_at(digits.len() - scale);
            let (sign, point) = (if *unscaled < 0 { "-" } else { "" }, if scale == 0 { "" } else { "." });
            Value::Decimal(format!("{sign}{whole}{point}{part}"))
        }
        Literal::String(text) => Value::Text(text.clone()),
        Literal::Binary(bytes) => Value::Bytes(bytes.clone()),
        Literal::Date(days) => Value::Day(*days),
        Literal::Timestamp(time) => Value::Time(*time),
        Literal::TimestampNtz(time) => Value::LocalTime(*time),
        Literal::Array(values) => Value::Call("array".into(), values.iter().map(meaning).collect()),
        Literal::Map(pairs) => {
            let parts = pairs.iter().flat_map(|(key, value)| [meaning(key), meaning(value)]);
            Value::Call("map".into(), parts.collect())
        }
        Literal::Struct(fields) => {
            let parts = fields.iter().flat_map(|(name, value)| [Value::Text(name.clone()), meaning(value)]);
            Value::Call("named_struct".into(), parts.collect())
        }
        _ => Value::Null,
    }
}

fn decimals() -> impl Strategy<Value = Literal> {
    (1_u8..=38).prop_flat_map(|precision| {
        let limit = 10_i128.pow(precision.into()) - 1;
        let scale = 0..=i8::try_from(precision).unwrap();
        (-limit..=limit, scale).prop_map(move |(unscaled, scale)| Literal::Decimal {
            unscaled,
            precision,
            scale,
        })
    })
}

fn literals() -> impl Strategy<Value = Literal> {
    let scalar = prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i8>().prop_map(Literal::TinyInt),
        any::<i16>().prop_map(Literal::SmallInt),
        any::<i32>().prop_map(Literal::Int),
        any::<i64>().prop_map(Literal::BigInt),
        any::<u32>().prop_map(|bits| Literal::Float(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Literal::Double(f64::from_bits(bits))),
        decimals(),
        any::<String>().prop_map(Literal::String),
        any::<Vec<u8>>().prop_map(Literal::Binary),
        (-719_162..=2_932_896_i32).prop_map(Literal::Date),
        (-62_135_596_800_000_000..=253_402_300_799_999_999_i64).prop_map(Literal::Timestamp),
        (-62_135_596_800_000_000..=253_402_300_799_999_999_i64).prop_map(Literal::TimestampNtz),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        let key = any::<String>().prop_map(Literal::String);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Literal::Array),
            prop::collection::vec((key, inner.clone()), 0..3).prop_map(Literal::Map),
            prop::collection::vec((any::<String>(), inner), 0..3).prop_map(Literal::Struct),
        ]
    })
}

/// Text of the characters that literals are closed, escaped and commented by.
fn nasty() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop::sample::select(vec![
            '\'', '"', '`', '\\', '-', '/', '*', '\n', '\r', '\0', ';', '%', '_', 'n', 'u', '0', 'r', '$',
        ]),
        0..12,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whole_numbers_are_read_as_printed(small in any::<i64>(), large in any::<u64>(), huge in any::<i128>()) {
        prop_assert_eq!(printed(small), Value::Whole(small.to_string()));
        prop_assert_eq!(printed(small as i8), Value::Whole((small as i8).to_string()));
        prop_assert_eq!(printed(large), Value::Whole(large.to_string()));
        prop_assert_eq!(printed(huge), Value::Whole(huge.to_string()));
    }

    #[test]
    fn fractions_are_read_as_printed_bit_by_bit(single in any::<u32>(), bits in any::<u64>()) {
        prop_assert_eq!(printed(f32::from_bits(single)), float(f32::from_bits(single)));
        prop_assert_eq!(printed(f64::from_bits(bits)), double(f64::from_bits(bits)));
    }

    #[test]
    fn text_is_read_as_printed(any in any::<String>(), nasty in nasty(), one in any::<char>()) {
        prop_assert_eq!(printed(&any), Value::Text(any));
        prop_assert_eq!(printed(&nasty), Value::Text(nasty));
        prop_assert_eq!(printed(one), Value::Text(one.to_string()));
    }

    #[test]
    fn bytes_truth_and_nothing_are_read_as_printed(bytes in any::<Vec<u8>>(), truth in any::<Option<bool>>()) {
        let sql = LiteralSerializer.serialize_bytes(&bytes).unwrap();
        prop_assert_eq!(value(&parsed(&sql)), Value::Bytes(bytes));
        prop_assert_eq!(printed(truth), truth.map_or(Value::Null, Value::Boolean));
    }

    #[test]
    fn literals_of_every_type_are_read_as_printed(literal in literals()) {
        let sql = literal.to_sql().unwrap();
        prop_assert_eq!(value(&parsed(&sql)), meaning(&literal), "{}", sql);
    }

    #[test]
    fn casts_keep_the_value_and_the_type(inner in any::<String>(), precision in 1_u8..=38) {
        let sql = Literal::String(inner.clone()).cast(DataType::String).to_sql().unwrap();
        let text = Box::new(Value::Text(inner));
        prop_assert_eq!(value(&parsed(&sql)), Value::Cast(text, "STRING".into()));
        let sql = Literal::Null.cast(DataType::decimal(precision, 0).unwrap()).to_sql().unwrap();
        let expected = Value::Cast(Box::new(Value::Null), format!("DECIMAL({precision},0)"));
        prop_assert_eq!(value(&parsed(&sql)), expected);
    }

    #[test]
    fn names_are_read_as_printed(any in any::<String>(), nasty in nasty()) {
        for name in [any, nasty].into_iter().filter(|name| !name.is_empty()) {
            let Expr::Identifier(read) = parsed(&quote::identifier(&name)) else { panic!("{name:?}") };
            prop_assert_eq!(read.value, name);
        }
    }
}

#[test]
fn the_ends_of_all_ranges_are_read_as_printed() {
    for value in
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN, f64::MAX, 5e-324, 1e16, 0.1]
    {
        assert_eq!(printed(value), double(value), "{value}");
        assert_eq!(printed(value as f32), float(value as f32), "{value}");
    }
    for value in [i128::MIN, i64::MIN.into(), -1, 0, i64::MAX.into(), u64::MAX.into(), i128::MAX] {
        assert_eq!(printed(value), Value::Whole(value.to_string()));
    }
}
