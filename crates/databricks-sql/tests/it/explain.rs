//! Plans as text, and the plans that are errors.

use databricks_sql::{Explain, SqlError};
use serde_json::{Value, json};

use crate::leaf::{Leaf, Reply};

fn plan(rows: Value) -> Leaf {
    Leaf::new(move |_, _| {
        let count = rows.as_array().unwrap().len();
        Reply::json(&json!({
            "statement_id": "s1", "status": {"state": "SUCCEEDED"},
            "manifest": {"schema": {"columns": [{"name": "plan", "type_text": "STRING"}]}, "total_row_count": count},
            "result": {"data_array": rows},
        }))
    })
}

#[tokio::test(start_paused = true)]
async fn plan_is_the_text_of_its_rows() {
    let leaf = plan(json!([
        ["== Physical Plan =="],
        ["*(1) Project [1 AS 1#0]"],
        [null],
        ["+- *(1) Scan OneRowRelation[]\n"]
    ]));
    let text = leaf.sql().explain("SELECT 1").await.unwrap();
    assert_eq!(text, "== Physical Plan ==\n*(1) Project [1 AS 1#0]\n+- *(1) Scan OneRowRelation[]\n");
    assert_eq!(leaf.calls()[0].body["statement"], "EXPLAIN SELECT 1");
}

#[tokio::test(start_paused = true)]
async fn explained_statement_keeps_its_parameters() {
    for (explain, prefix) in [
        (Explain::Physical, "EXPLAIN"),
        (Explain::Extended, "EXPLAIN EXTENDED"),
        (Explain::Formatted, "EXPLAIN FORMATTED"),
        (Explain::Cost, "EXPLAIN COST"),
    ] {
        let leaf = plan(json!([["== Physical Plan =="]]));
        leaf.sql().statement("SELECT :a").param("a", 1_i32).explain(explain).await.unwrap();
        let body = &leaf.calls()[0].body;
        assert_eq!(body["statement"], format!("{prefix} SELECT :a"));
        assert_eq!(body["parameters"], json!([{"name": "a", "type": "INT", "value": "1"}]));
    }
}

#[tokio::test(start_paused = true)]
async fn failed_plan_is_a_failed_statement_with_its_place_in_the_callers_text() {
    let text = "== Physical Plan ==\norg.apache.spark.sql.catalyst.ExtendedAnalysisException: [TABLE_OR_VIEW_NOT_FOUND] No `a`. SQLSTATE: 42P01; line 1 pos 22;\n'Project [*]";
    let error = plan(json!([[text]])).sql().explain("SELECT * FROM a").await.unwrap_err();
    let SqlError::StatementFailed(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.error_class.as_deref(), Some("TABLE_OR_VIEW_NOT_FOUND"));
    assert_eq!(failure.sql_state.as_deref(), Some("42P01"));
    let position = failure.position.unwrap();
    assert_eq!((position.line, position.column), (1, 15));
    assert!(!error.is_ambiguous() && !error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn nothing_to_explain_is_not_sent() {
    let leaf = plan(json!([]));
    assert!(matches!(leaf.sql().explain(" ").await, Err(SqlError::InvalidStatement { .. })));
    assert!(leaf.calls().is_empty());
}
