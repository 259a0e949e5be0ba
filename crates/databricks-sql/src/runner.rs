//! The SQL client behind schema management's seam: statements and parameters in, rows of text out.

use std::fmt;

use databricks_schema::{
    ColumnSchema, DataType, Rows, RunFuture, StatementError, StatementParameter, StatementRunner,
};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::{Param, Result, SqlClient, SqlError, StatementResult};

impl StatementRunner for SqlClient {
    fn run<'a>(&'a self, statement: &'a str, parameters: &'a [StatementParameter]) -> RunFuture<'a> {
        Box::pin(async move {
            let bound = parameters.iter().fold(self.statement(statement), |statement, parameter| {
                statement.param(parameter.name.as_str(), to_param(parameter))
            });
            let result = bound.execute().await.map_err(to_statement_error)?;
            to_rows(&result).map_err(to_statement_error)
        })
    }
}

fn to_param(parameter: &StatementParameter) -> Param {
    let sql_type = parameter.data_type.to_string();
    match &parameter.value {
        Some(value) => Param::typed(sql_type, value.as_str()),
        None => Param::null(sql_type),
    }
}

fn to_rows(result: &StatementResult) -> Result<Rows> {
    // A type that the schema crate does not know travels as text here anyway.
    let columns = result.columns.iter().map(|column| {
        let kind = DataType::parse(column.sql_type()).unwrap_or(DataType::String);
        ColumnSchema::new(column.name(), kind)
    });
    let rows: Vec<Vec<Text>> = result.rows()?;
    let rows = rows.into_iter().map(|row| row.into_iter().map(|cell| cell.0).collect());
    Ok(Rows::new(columns.collect(), rows.collect()))
}

fn to_statement_error(error: SqlError) -> StatementError {
    let mut out = StatementError::new(error.to_string()).with_unsettled(error.is_ambiguous());
    if let Some(class) = error.error_class() {
        out = out.with_error_class(class);
    }
    if let Some(state) = error.sql_state() {
        out = out.with_sql_state(state);
    }
    out.with_source(error)
}

/// A cell in the form of `JSON_ARRAY` results: text, or `None` for NULL.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

fn shown<E>(value: impl fmt::Display) -> std::result::Result<Text, E> {
    Ok(Text(Some(value.to_string())))
}

fn float_shown<E>(value: f64, text: String) -> std::result::Result<Text, E> {
    match value {
        v if v == f64::INFINITY => shown("Infinity"),
        v if v == f64::NEG_INFINITY => shown("-Infinity"),
        _ => shown(text),
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E>(self) -> std::result::Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Text, E> {
        shown(value)
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Text, E> {
        shown(value)
    }

    fn visit_f32<E>(self, value: f32) -> std::result::Result<Text, E> {
        float_shown(f64::from(value), value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Text, E> {
        float_shown(value, value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Text, E> {
        shown(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> std::result::Result<Text, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).and_then(|value| json(&value))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> std::result::Result<Text, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(entries)).and_then(|value| json(&value))
    }
}

fn json<E: serde::de::Error>(value: &Value) -> std::result::Result<Text, E> {
    serde_json::to_string(value).map(|text| Text(Some(text))).map_err(E::custom)
}
