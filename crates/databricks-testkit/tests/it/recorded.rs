//! Answers beside those of a real workspace: the same fields with the same values, ids and links aside.
//!
//! The expected answers are from the integration-test recordings of github.com/databricks/databricks-jdbc (Apache
//! License 2.0); each test names the recording.

use databricks_testkit::{Column, ScriptedEngine, StatementFailure};
use serde_json::{Value, json};

use crate::support::Caller;

/// Puts fixed text where ids, times, links and sizes of the Arrow encoding differ from run to run.
fn settled(mut answer: Value) -> Value {
    fn settle(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match name.as_str() {
                "statement_id" | "external_link" | "expiration" | "attachment" => *value = json!("-"),
                "byte_count" | "total_byte_count" if value.as_u64() != Some(0) => *value = json!("-"),
                "next_chunk_internal_link" => *value = json!("-"),
                _ => settle(value),
            }),
            Value::Array(values) => values.iter_mut().for_each(settle),
            _ => {}
        }
    }
    settle(&mut answer);
    answer
}

fn driver(disposition: &str, format: &str, compression: &str) -> Value {
    json!({
        "disposition": disposition, "format": format, "result_compression": compression,
        "on_wait_timeout": "CONTINUE", "parameters": [], "wait_timeout": "10s",
    })
}

#[tokio::test]
async fn an_insert_inline_as_in_testparameterbindinginpreparedstatement() {
    let engine = ScriptedEngine::new();
    engine.on_containing("INSERT").affected(1);
    let answer =
        Caller::of(&engine).submit("INSERT INTO t VALUES (1)", driver("INLINE", "JSON_ARRAY", "NONE")).await;
    let recorded = json!({
        "manifest": {
            "chunks": [{"chunk_index": 0, "row_count": 1, "row_offset": 0}],
            "format": "JSON_ARRAY",
            "schema": {"column_count": 2, "columns": [
                {"name": "num_affected_rows", "position": 0, "type_name": "LONG", "type_text": "BIGINT"},
                {"name": "num_inserted_rows", "position": 1, "type_name": "LONG", "type_text": "BIGINT"}]},
            "total_chunk_count": 1, "total_row_count": 1, "truncated": false},
        "result": {"chunk_index": 0, "data_array": [["1", "1"]], "row_count": 1, "row_offset": 0},
        "statement_id": "-", "status": {"state": "SUCCEEDED"}});
    assert_eq!(settled(answer.json()), recorded);
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn ddl_as_in_testinsertstatement() {
    let engine = ScriptedEngine::new();
    engine.on_containing("DROP TABLE").empty();
    let answer = Caller::of(&engine)
        .submit("DROP TABLE IF EXISTS t", driver("EXTERNAL_LINKS", "ARROW_STREAM", "LZ4_FRAME"))
        .await;
    let recorded = json!({
        "manifest": {"format": "ARROW_STREAM", "result_compression": "LZ4_FRAME", "schema": {"column_count": 0},
            "total_byte_count": 0, "total_chunk_count": 0, "total_row_count": 0, "truncated": false},
        "result": {}, "statement_id": "-", "status": {"state": "SUCCEEDED"}});
    assert_eq!(settled(answer.json()), recorded);
}

#[tokio::test]
async fn a_link_as_in_testnullhandling() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT NULL").rows([Column::new("NULL", "VOID")], [[json!(null)]]);
    let answer = Caller::of(&engine)
        .submit("SELECT NULL", driver("EXTERNAL_LINKS", "ARROW_STREAM", "LZ4_FRAME"))
        .await;
    let recorded = json!({
        "manifest": {
            "chunks": [{"byte_count": "-", "chunk_index": 0, "row_count": 1, "row_offset": 0}],
            "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME",
            "schema": {"column_count": 1, "columns": [
                {"name": "NULL", "position": 0, "type_name": "NULL", "type_text": "VOID"}]},
            "total_byte_count": "-", "total_chunk_count": 1, "total_row_count": 1, "truncated": false},
        "result": {"external_links": [{"byte_count": "-", "chunk_index": 0, "expiration": "-", "external_link": "-",
            "row_count": 1, "row_offset": 0}]},
        "statement_id": "-", "status": {"state": "SUCCEEDED"}});
    assert_eq!(settled(answer.json()), recorded);
}

#[tokio::test]
async fn two_chunks_as_in_testmultichunkselect() {
    let engine = ScriptedEngine::new();
    let price = Column::new("l_tax", "DECIMAL(18,2)");
    engine.on("x").chunks([price], [vec![[json!("0.01")], [json!("0.02")]], vec![[json!("0.03")]]]);
    let caller = Caller::of(&engine);
    let answer = caller.submit("x", driver("EXTERNAL_LINKS", "ARROW_STREAM", "LZ4_FRAME")).await.json();
    let link = &settled(answer.clone())["result"]["external_links"][0];
    assert_eq!(
        *link,
        json!({"byte_count": "-", "chunk_index": 0, "expiration": "-", "external_link": "-",
        "next_chunk_index": 1, "next_chunk_internal_link": "-", "row_count": 2, "row_offset": 0})
    );
    assert_eq!(
        answer["manifest"]["schema"]["columns"][0],
        json!({"name": "l_tax", "position": 0,
        "type_name": "DECIMAL", "type_precision": 18, "type_scale": 2, "type_text": "DECIMAL(18,2)"})
    );
    let next = answer["result"]["external_links"][0]["next_chunk_internal_link"].as_str().unwrap();
    assert_eq!(
        next,
        format!("/api/2.0/sql/statements/{}/result/chunks/1", answer["statement_id"].as_str().unwrap())
    );
    let recorded = json!({"external_links": [{"byte_count": "-", "chunk_index": 1, "expiration": "-",
        "external_link": "-", "row_count": 1, "row_offset": 2}]});
    assert_eq!(settled(caller.get(next).await.json()), recorded);
}

#[tokio::test]
async fn an_attachment_as_in_testhybridsmallquery() {
    let engine = ScriptedEngine::new();
    engine.on("x").rows([Column::new("a", "INT")], [[json!(1)]]);
    let body = driver("INLINE_OR_EXTERNAL_LINKS", "ARROW_STREAM", "LZ4_FRAME");
    let answer = Caller::of(&engine).submit("x", body).await.json();
    let recorded =
        json!({"attachment": "-", "byte_count": "-", "chunk_index": 0, "row_count": 1, "row_offset": 0});
    assert_eq!(settled(answer)["result"], recorded);
}

#[tokio::test]
async fn a_failed_statement_as_in_testquerysyntaxerror() {
    let message = "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n";
    let engine = ScriptedEngine::new();
    let failure = StatementFailure {
        error_code: "BAD_REQUEST".to_owned(),
        message: message.to_owned(),
        sql_state: None,
    };
    engine.on_containing("INSER").failure(failure);
    let answer = Caller::of(&engine)
        .submit("INSER INTO t", driver("EXTERNAL_LINKS", "ARROW_STREAM", "LZ4_FRAME"))
        .await;
    let recorded = json!({"statement_id": "-",
        "status": {"error": {"error_code": "BAD_REQUEST", "message": message}, "state": "FAILED"}});
    assert_eq!((answer.status.as_u16(), settled(answer.json())), (200, recorded));
}

#[tokio::test]
async fn sessions_as_in_testsuccessfulconnection() {
    let engine = ScriptedEngine::new();
    engine.on("x").empty();
    let caller = Caller::of(&engine);
    let body = json!({"catalog": "SPARK", "schema": "default", "warehouse_id": crate::support::WAREHOUSE});
    let session = caller.post("/api/2.0/sql/sessions/", body).await.json();
    let id = session["session_id"].as_str().unwrap();
    caller.submit("x", json!({ "session_id": id, "schema": "mine" })).await;
    let request = &engine.requests()[0];
    assert_eq!((request.catalog.as_deref(), request.schema.as_deref()), (Some("SPARK"), Some("mine")));
    let path = format!("/api/2.0/sql/sessions/{id}?warehouse_id={}", crate::support::WAREHOUSE);
    assert_eq!(caller.delete(&path).await.json(), json!({}));
    assert_eq!(caller.submit("x", json!({ "session_id": id })).await.status.as_u16(), 404);
}
