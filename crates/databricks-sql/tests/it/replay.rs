//! Recorded answers of a real workspace, compared with what an independent reader decoded from them.
//!
//! Source of the files: the integration-test recordings of github.com/databricks/databricks-jdbc (Apache License 2.0).

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use databricks_sql::{SqlError, StatementResult};
use serde_json::Value;

use crate::leaf::{Call, Leaf, Reply};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/recordings").join(name)
}

fn exchanges(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path(&format!("{name}.jsonl"))).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn expected(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(path(&format!("{name}.expected.json"))).unwrap()).unwrap()
}

/// Answers each call as recorded. Links were good for minutes then; now they are good for ever.
fn replaying(name: &str) -> Leaf {
    let exchanges = exchanges(name);
    Leaf::new(move |call, _| {
        let hit = exchanges.iter().find(|exchange| matches(exchange, call));
        let Some(exchange) = hit else { panic!("not recorded: {} {}", call.line, call.body) };
        if let Some(file) = exchange["body_base64"].as_str() {
            return Reply::bytes(STANDARD.decode(file).unwrap());
        }
        let mut body = exchange["body"].clone();
        if let Some(links) = body["result"]["external_links"].as_array_mut() {
            links.iter_mut().for_each(|link| link["expiration"] = "2999-01-01T00:00:00Z".into());
        }
        Reply::json(&body)
    })
}

fn matches(exchange: &Value, call: &Call) -> bool {
    let path = exchange["path"].as_str().unwrap().trim_end_matches('/');
    call.line == format!("{} {path}", exchange["method"].as_str().unwrap())
        && (exchange["request"]["statement"] == call.body["statement"])
        && (call.body["statement"].is_null() || exchange["request"]["parameters"] == parameters(call))
        && (call.body["disposition"].is_null() || same_delivery(exchange, call))
}

fn parameters(call: &Call) -> Value {
    let given = call.body["parameters"].clone();
    if given.is_null() { Value::Array(Vec::new()) } else { given }
}

/// One recording asked for a mixture of both deliveries; it stands for the external one.
fn same_delivery(exchange: &Value, call: &Call) -> bool {
    let recorded = exchange["request"]["disposition"].as_str().unwrap();
    recorded.ends_with(call.body["disposition"].as_str().unwrap())
}

async fn run(leaf: &Leaf, expectation: &Value) -> Result<StatementResult, SqlError> {
    let mut statement = leaf.sql().statement(expectation["statement"].as_str().unwrap());
    for parameter in expectation["parameters"].as_array().unwrap() {
        let sql_type = parameter["type"].as_str().unwrap();
        statement = statement
            .positional(databricks_sql::Param::typed(sql_type, parameter["value"].as_str().unwrap()));
    }
    if expectation["disposition"] == "INLINE" { statement.inline() } else { statement.external() }
        .execute()
        .await
}

/// The cells as the expectation writes them.
fn cells(result: &StatementResult) -> Vec<Vec<Value>> {
    result.rows::<Vec<Value>>().unwrap()
}

fn same_cell(ours: &Value, theirs: &Value, sql_type: &str) -> bool {
    let Some(text) = theirs.as_str() else { return ours.is_null() };
    let ours = match ours {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match sql_type {
        "TIMESTAMP" => {
            DateTime::parse_from_rfc3339(&ours).unwrap() == DateTime::parse_from_rfc3339(text).unwrap()
        }
        "DOUBLE" | "FLOAT" => ours.parse::<f64>() == text.parse::<f64>(),
        _ => ours.eq_ignore_ascii_case(text),
    }
}

async fn check(name: &str) -> usize {
    let leaf = replaying(name);
    let mut compared = 0;
    for expectation in expected(name) {
        if expectation["state"] != "SUCCEEDED" {
            continue;
        }
        let result = run(&leaf, &expectation).await.unwrap();
        let columns = expectation["columns"].as_array().unwrap();
        let types: Vec<&str> = columns.iter().map(|column| column[1].as_str().unwrap()).collect();
        let ours: Vec<&str> = result.columns.iter().map(|column| column.sql_type()).collect();
        assert_eq!(ours, types, "{name}");
        let theirs = expectation["rows"].as_array().unwrap();
        let ours = cells(&result);
        assert_eq!(ours.len(), theirs.len(), "{name}: {}", expectation["statement"]);
        for (row, expected) in ours.iter().zip(theirs) {
            for ((cell, expected), sql_type) in row.iter().zip(expected.as_array().unwrap()).zip(&types) {
                assert!(same_cell(cell, expected, sql_type), "{name}: {cell} is not {expected} ({sql_type})");
                compared += 1;
            }
        }
    }
    compared
}

#[tokio::test]
async fn recorded_results_decode_as_an_independent_reader_has_them() {
    for (name, cells) in [
        ("datatypesintegrationtests.testnullhandling.invocation1", 1),
        ("datatypesintegrationtests.testnullhandling.invocation2", 1),
        ("datatypesintegrationtests.testnullhandling.invocation3", 1),
        ("datatypesintegrationtests.testtimestamp", 12),
        ("datatypesintegrationtests.testvarianttypes", 6),
        ("executionintegrationtests.testinsertstatement", 3),
        ("preparedstatementintegrationtests.testgetmetadata_noresultset", 3),
        ("preparedstatementintegrationtests.testparameterbindinginpreparedstatement", 1),
        ("preparedstatementintegrationtests.testpreparedstatementsetbytesvalidarray.invocation1", 1),
        ("resultsetintegrationtests.testhandlingnullvalues", 1),
        ("resultsetintegrationtests.testretrievalofcomplexdatatypes", 3),
        ("sqlexecapihybridresultsintegrationtests.testhybridsmallquery", 340),
    ] {
        let compared = check(name).await;
        assert!(compared >= cells, "{name}: only {compared} cells were compared");
    }
}

#[tokio::test]
async fn recorded_syntax_error_is_parsed() {
    let leaf = replaying("errorhandlingintegrationtests.testquerysyntaxerror");
    let sql = "INSER INTO main.jdbc_test_schema.query_syntax_error_test_table (id, col1, col2) VALUES (1, 'value1', 'value2')";
    let error = leaf.sql().statement(sql).external().execute().await.unwrap_err();
    assert_eq!(error.error_class(), Some("PARSE_SYNTAX_ERROR"));
    assert_eq!(error.sql_state(), Some("42601"));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn recorded_nested_columns_have_native_types() {
    let name = "preparedstatementintegrationtests.testgetmetadata_noresultset";
    let leaf = replaying(name);
    let sql = "SELECT * FROM main.jdbc_test_schema.prepared_statement_all_data_types_test_table";
    let all = expected(name);
    let expectation = all.iter().find(|e| e["statement"].as_str().unwrap().starts_with(sql)).unwrap();
    let result = run(&leaf, expectation).await.unwrap();
    let types: Vec<String> = result
        .schema
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect();
    insta::assert_snapshot!(types.join("\n"));
}
