//! Parameters, conditions and assignments: what the rest of the crate asks for.

use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use datafusion::prelude::{Expr, SessionContext};

use super::{Command, DataType, Field, Parameter, Parameters, Result, Tables, parse, run, types};
use crate::query::{TableVersion, assign, plan_expr, plan_predicate, time_travel};

fn parameter(name: Option<&str>, sql_type: Option<&str>, value: Option<&str>) -> Parameter {
    Parameter {
        name: name.map(str::to_owned),
        ordinal: None,
        sql_type: sql_type.map(str::to_owned),
        value: value.map(str::to_owned),
    }
}

#[tokio::test]
async fn parameters_are_bound_by_name_and_by_position() {
    let named = Parameters::from_request(&[
        parameter(Some("day"), Some("DATE"), Some("2024-02-29")),
        parameter(Some("n"), Some("INT"), Some("1")),
        parameter(Some("none"), None, None),
    ])
    .unwrap();
    let (_, rows) =
        run("SELECT id, :none FROM t WHERE day = :DAY AND id = :n LIMIT :n", &named).await.unwrap();
    assert_eq!(rows, "INT,STRING: 1,NULL");
    let (_, rows) = run(
        "SELECT count(*) FROM t VERSION AS OF :zero",
        &Parameters::from_request(&[parameter(Some("zero"), Some("INT"), Some("0"))]).unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(rows, "BIGINT: 1");
    let positional = Parameters::from_request(&[
        parameter(None, Some("INT"), Some("7")),
        parameter(None, None, Some("b")),
    ])
    .unwrap();
    let (_, rows) = run("SELECT ?, ?", &positional).await.unwrap();
    assert_eq!(rows, "INT,STRING: 7,b");
    let error = run("SELECT ?, ?, ?", &positional).await.unwrap_err();
    assert_eq!((error.class(), error.sql_state()), ("UNBOUND_SQL_PARAMETER", "42P02"));
}

/// `target(id INT, Note STRING)` beside `source(id BIGINT)`.
fn both() -> DFSchema {
    let target = arrow::datatypes::Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("Note", DataType::Utf8, true),
    ]);
    let source = arrow::datatypes::Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    let target = DFSchema::try_from_qualified_schema("target", &target).unwrap();
    target.join(&DFSchema::try_from_qualified_schema("source", &source).unwrap()).unwrap()
}

fn expression(text: &str) -> sqlparser::ast::Expr {
    let Ok(Command::Delete(delete)) = parse(&format!("DELETE FROM t WHERE {text}")) else { panic!("{text}") };
    delete.predicate.unwrap()
}

#[tokio::test]
async fn merge_conditions_reach_both_sides() {
    let none = Parameters::default();
    let on = plan_predicate(&Tables, &both(), &expression("TARGET.id = source.ID"), &none).await.unwrap();
    assert_eq!(on.to_string(), "CAST(target.id AS Int64) = source.id");
    let note = plan_expr(&Tables, &both(), &expression("note"), &none).await.unwrap();
    assert_eq!(note.to_string(), "target.Note");
    assert_eq!(note.get_type(&both()).unwrap(), DataType::Utf8);
    let error = plan_predicate(&Tables, &both(), &expression("id = 1"), &none).await.unwrap_err();
    assert_eq!(error.class(), "AMBIGUOUS_REFERENCE");
    let error = plan_predicate(&Tables, &both(), &expression("source.id"), &none).await.unwrap_err();
    assert_eq!(error.class(), "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN");
}

async fn stored(text: &str, from: &str, to: &str) -> Result<String> {
    let (from, to) = (types::parse(from)?, types::parse(to)?);
    let value = datafusion::common::ScalarValue::Utf8(Some(text.to_owned())).cast_to(&from)?;
    let frame = SessionContext::new().read_empty()?;
    let expr = assign(Expr::Literal(value, None), &from, &to, "col")?;
    let batches = frame.select(vec![expr.alias("x")])?.collect().await?;
    let column = batches.first().map(|b| b.column(0).clone()).unwrap();
    assert_eq!(column.data_type(), &to);
    Ok(arrow::util::display::array_value_to_string(&column, 0)?)
}

#[tokio::test]
async fn store_assignment_is_ansi() {
    for (text, from, to, expected) in [
        ("5", "BIGINT", "INT", "5"),
        ("5", "STRING", "INT", "5"),
        ("1.255", "DECIMAL(4,3)", "DECIMAL(10,2)", "1.26"),
        ("1.5", "DOUBLE", "STRING", "1.5"),
        ("2021-01-01 00:00:00", "STRING", "TIMESTAMP", "2021-01-01T00:00:00Z"),
        ("2021-01-01", "STRING", "DATE", "2021-01-01"),
        ("123.45", "DECIMAL(5,2)", "DECIMAL(10,2)", "123.45"),
    ] {
        assert_eq!(stored(text, from, to).await.unwrap(), expected, "{from} to {to}");
    }
    for (text, from, to, class) in [
        ("3000000000", "BIGINT", "INT", "CAST_OVERFLOW_IN_TABLE_INSERT"),
        ("x", "STRING", "INT", "CAST_INVALID_INPUT"),
        ("true", "BOOLEAN", "INT", "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST"),
        ("1", "INT", "TIMESTAMP", "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST"),
        ("1", "INT", "DATE", "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST"),
    ] {
        assert_eq!(stored(text, from, to).await.unwrap_err().class(), class, "{from} to {to}");
    }
}

#[test]
fn restore_names_a_version_or_an_instant() {
    let none = Parameters::default();
    let at = |sql: &str| match parse(sql) {
        Ok(Command::Restore { to, .. }) => time_travel(&to, &none),
        other => panic!("{other:?}"),
    };
    assert_eq!(at("RESTORE TABLE t TO VERSION AS OF 3").unwrap(), TableVersion::Version(3));
    let TableVersion::Timestamp(instant) = at("RESTORE t TO TIMESTAMP AS OF '2024-01-01'").unwrap() else {
        panic!()
    };
    assert_eq!(instant.timestamp(), 1_704_067_200);
    assert_eq!(at("RESTORE t TO VERSION AS OF 'x'").unwrap_err().class(), "CAST_INVALID_INPUT");
}
