//! Unity Catalog's REST API.

use std::sync::Arc;

use databricks_testkit::{Column, MemoryCatalogStore, ScriptedEngine};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Caller, builder};

const UNITY: &str = "/api/2.1/unity-catalog";

fn caller() -> Caller {
    let days = [Column::new("day", "DATE"), Column::new("rain", "DECIMAL(5,1)")];
    let catalog = MemoryCatalogStore::new()
        .with_table("main", "default", "Days", &days)
        .with_table("main", "default", "hours", &days)
        .with_schema("other", "empty");
    Caller::new(builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).build())
}

fn names(answer: &Value, kind: &str) -> Vec<String> {
    answer[kind]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lists_hold_what_is_there_and_an_empty_list_holds_nothing() {
    let caller = caller();
    assert_eq!(names(&caller.get(&format!("{UNITY}/catalogs")).await.json(), "catalogs"), ["main", "other"]);
    let schemas = caller.get(&format!("{UNITY}/schemas?catalog_name=MAIN")).await.json();
    assert_eq!(names(&schemas, "schemas"), ["default"]);
    let tables = caller.get(&format!("{UNITY}/tables?catalog_name=other&schema_name=empty")).await.json();
    assert_eq!(tables, json!({}));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let caller = caller();
    let path =
        format!("{UNITY}/tables?catalog_name=main&schema_name=default&max_results=1&omit_columns=true");
    let first = caller.get(&path).await.json();
    assert_eq!(names(&first, "tables"), ["days"]);
    assert!(first["tables"][0].get("columns").is_none());
    let second =
        caller.get(&format!("{path}&page_token={}", first["next_page_token"].as_str().unwrap())).await.json();
    assert_eq!(names(&second, "tables"), ["hours"]);
    assert!(second.get("next_page_token").is_none());
}

#[tokio::test]
async fn a_table_has_its_columns() {
    let table = caller().get(&format!("{UNITY}/tables/main.default.days")).await.json();
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(table) });
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_reason() {
    let caller = caller();
    for (path, status, code) in [
        ("catalogs/none", 404, "CATALOG_DOES_NOT_EXIST"),
        ("schemas/main.none", 404, "SCHEMA_DOES_NOT_EXIST"),
        ("tables/main.default.none", 404, "TABLE_DOES_NOT_EXIST"),
        ("tables/none.default.days", 404, "CATALOG_DOES_NOT_EXIST"),
        ("volumes/main.default.none", 404, "VOLUME_DOES_NOT_EXIST"),
        ("tables/days", 400, "INVALID_PARAMETER_VALUE"),
        ("tables?catalog_name=main", 400, "INVALID_PARAMETER_VALUE"),
        ("catalogs?page_token=*", 400, "INVALID_PARAMETER_VALUE"),
    ] {
        let answer = caller.get(&format!("{UNITY}/{path}")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error_code"]), (status, &json!(code)), "{path}");
    }
    let exists = |name: &str| format!("{UNITY}/tables/{name}/exists");
    assert_eq!(caller.get(&exists("main.default.days")).await.json(), json!({ "table_exists": true }));
    assert_eq!(caller.get(&exists("main.default.none")).await.json(), json!({ "table_exists": false }));
}

#[tokio::test]
async fn a_volume_is_made_used_and_dropped() {
    let caller = Caller::of(&ScriptedEngine::new());
    let body = json!({ "catalog_name": "main", "schema_name": "default", "name": "Stage", "volume_type": "MANAGED" });
    let made = caller.post(&format!("{UNITY}/volumes"), body.clone()).await.json();
    assert_eq!(
        (&made["full_name"], &made["owner"]),
        (&json!("main.default.stage"), &json!("user@simulated.invalid"))
    );
    assert_eq!(caller.get(&format!("{UNITY}/volumes/main.default.stage")).await.json(), made);
    let again = caller.post(&format!("{UNITY}/volumes"), body).await;
    assert_eq!(
        (again.status, &again.json()["error_code"]),
        (StatusCode::BAD_REQUEST, &json!("VOLUME_ALREADY_EXISTS"))
    );
    let file = "/api/2.0/fs/files/Volumes/main/default/stage/f";
    assert_eq!(caller.call(http::Method::PUT, file, "x").await.status, 204);
    assert_eq!(caller.delete(&format!("{UNITY}/volumes/main.default.stage")).await.status, 200);
    assert_eq!(caller.get(file).await.status, 404);
    let external =
        json!({ "catalog_name": "main", "schema_name": "default", "name": "x", "volume_type": "EXTERNAL" });
    assert_eq!(caller.post(&format!("{UNITY}/volumes"), external).await.status, 400);
}

#[tokio::test]
async fn empty_pages_come_between_when_they_are_asked_for() {
    let tables = ["a", "b", "c"].into_iter();
    let catalog = tables
        .fold(MemoryCatalogStore::new(), |catalog, name| catalog.with_table("main", "default", name, &[]));
    let builder = builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).empty_pages(2);
    let caller = Caller::new(builder.build());
    let path = format!("{UNITY}/tables?catalog_name=main&schema_name=default&max_results=2");
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{path}{token}")).await.json();
        found.push(page.get("tables").map_or(0, |tables| tables.as_array().unwrap().len()));
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(found, [2, 0, 0, 1]);
}

#[tokio::test]
async fn functions_are_made_listed_and_dropped() {
    let caller = caller();
    let functions = format!("{UNITY}/functions");
    let body = json!({ "function_info": { "catalog_name": "main", "schema_name": "default", "name": "Double",
        "routine_body": "SQL", "routine_definition": "2 * x" } });
    let made = caller.post(&functions, body.clone()).await.json();
    assert_eq!(
        (&made["full_name"], &made["routine_definition"]),
        (&json!("main.default.double"), &json!("2 * x"))
    );
    assert_eq!(caller.post(&functions, body).await.json()["error_code"], "FUNCTION_ALREADY_EXISTS");
    let list = format!("{functions}?catalog_name=main&schema_name=default");
    assert_eq!(names(&caller.get(&list).await.json(), "functions"), ["double"]);
    let one = format!("{functions}/main.default.double");
    assert_eq!(caller.get(&one).await.json(), made);
    assert_eq!(caller.delete(&one).await.status, 200);
    assert_eq!(caller.get(&one).await.json()["error_code"], "FUNCTION_DOES_NOT_EXIST");
    let missing = caller.post(&functions, json!({ "function_info": { "name": "f" } })).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn credentials_are_given_for_tables_and_paths_that_can_be() {
    let caller = caller();
    let table = caller.get(&format!("{UNITY}/tables/main.default.days")).await.json();
    let ask = async |kind: &str, body: Value| {
        caller.post(&format!("{UNITY}/temporary-{kind}-credentials"), body).await
    };
    let of_table = json!({ "table_id": table["table_id"], "operation": "READ" });
    let given = ask("table", of_table).await.json();
    assert_eq!(given["url"], table["storage_location"]);
    assert!(given["aws_temp_credentials"]["session_token"].is_string(), "{given}");
    let path = json!({ "url": "s3://bucket/x", "operation": "PATH_READ_WRITE" });
    assert_eq!(ask("path", path).await.json()["url"], "s3://bucket/x");
    for (kind, body, status) in [
        ("table", json!({ "table_id": "none", "operation": "READ" }), 404),
        ("table", json!({ "table_id": table["table_id"], "operation": "WRITE" }), 400),
        ("path", json!({ "url": "bucket", "operation": "PATH_READ" }), 400),
        ("path", json!({ "url": "s3://b", "operation": "READ" }), 400),
    ] {
        assert_eq!(ask(kind, body.clone()).await.status.as_u16(), status, "{body}");
    }
}
