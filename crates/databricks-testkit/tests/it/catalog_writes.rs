//! Unity Catalog written to: catalogs, schemas, tables and volumes.

use std::sync::Arc;

use chrono::DateTime;
use databricks_testkit::{Column, MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Caller, builder};

const UNITY: &str = "/api/2.1/unity-catalog";

fn caller() -> Caller {
    let catalog = MemoryCatalogStore::new()
        .with_table("main", "sales", "orders", &[Column::new("id", "INT")])
        .with_table("main", "default", "days", &[Column::new("id", "INT")])
        .with_volume("main", "sales", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone());
    let workspace = builder(&ScriptedEngine::new())
        .catalog(Arc::new(catalog))
        .volumes(Arc::new(volumes))
        .starting_at(DateTime::from_timestamp(1_700_000_000, 0).unwrap())
        .build();
    Caller::new(workspace)
}

async fn send(caller: &Caller, method: Method, path: &str, body: Value) -> (u16, Value) {
    let answer = caller.call(method, &format!("{UNITY}/{path}"), body.to_string()).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test(start_paused = true)]
async fn a_catalog_is_made_with_a_default_schema_changed_and_dropped() {
    let caller = caller();
    let body = json!({ "name": "Lab", "comment": "c", "properties": { "k": "v" }, "storage_root": null });
    let (status, made) = send(&caller, Method::POST, "catalogs", body.clone()).await;
    assert_eq!(status, 200);
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(made) });
    assert_eq!(send(&caller, Method::GET, "catalogs/lab", json!(null)).await.1, made);
    assert_eq!(send(&caller, Method::GET, "schemas/lab.default", json!(null)).await.0, 200);
    let (status, again) = send(&caller, Method::POST, "catalogs", body).await;
    assert_eq!((status, &again["error_code"]), (400, &json!("CATALOG_ALREADY_EXISTS")));
    let update = json!({ "comment": "d", "owner": "eve", "properties": {} });
    let (_, changed) = send(&caller, Method::PATCH, "catalogs/lab", update).await;
    assert_eq!(
        (&changed["comment"], &changed["owner"], &changed["properties"]),
        (&json!("d"), &json!("eve"), &json!({}))
    );
    let (status, refused) = send(&caller, Method::DELETE, "catalogs/lab", json!(null)).await;
    assert_eq!((status, &refused["error_code"]), (400, &json!("CATALOG_NOT_EMPTY")));
    assert_eq!(send(&caller, Method::DELETE, "catalogs/lab?force=true", json!(null)).await, (200, json!({})));
    assert_eq!(
        send(&caller, Method::GET, "schemas/lab.default", json!(null)).await.1["error_code"],
        "CATALOG_DOES_NOT_EXIST"
    );
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_holds_something_is_dropped_by_force_only_with_all_in_it() {
    let caller = caller();
    let file = "/api/2.0/fs/files/Volumes/main/sales/stage/f";
    assert_eq!(caller.call(Method::PUT, file, "x").await.status, 204);
    let (status, refused) = send(&caller, Method::DELETE, "schemas/main.sales", json!(null)).await;
    assert_eq!(status, 400);
    assert_eq!(
        refused["message"],
        "Schema 'main.sales' is not empty. The schema has 1 tables(s), 0 functions(s), 1 volumes(s)"
    );
    assert_eq!(
        send(&caller, Method::DELETE, "schemas/main.SALES?force=true", json!(null)).await,
        (200, json!({}))
    );
    assert_eq!(caller.get(file).await.status, 404);
    let body = json!({ "catalog_name": "main", "name": "sales", "comment": "again" });
    let (_, made) = send(&caller, Method::POST, "schemas", body).await;
    assert_eq!(
        (&made["full_name"], &made["created_at"]),
        (&json!("main.sales"), &json!(1_700_000_000_000_u64))
    );
    let listed = send(&caller, Method::GET, "tables?catalog_name=main&schema_name=sales", json!(null)).await;
    assert_eq!(listed, (200, json!({})));
}

#[tokio::test]
async fn tables_and_volumes_change_owner_and_are_dropped() {
    let caller = caller();
    for name in ["tables/main.sales.orders", "volumes/main.sales.stage"] {
        let (_, changed) = send(&caller, Method::PATCH, name, json!({ "owner": "eve" })).await;
        assert_eq!(
            (&changed["owner"], &changed["updated_by"]),
            (&json!("eve"), &json!("user@simulated.invalid"))
        );
        assert_eq!(send(&caller, Method::GET, name, json!(null)).await.1["owner"], "eve");
        assert_eq!(send(&caller, Method::DELETE, name, json!(null)).await, (200, json!({})));
        assert_eq!(send(&caller, Method::DELETE, name, json!(null)).await.0, 404);
    }
    assert_eq!(send(&caller, Method::DELETE, "schemas/main.sales", json!(null)).await, (200, json!({})));
}

#[tokio::test]
async fn what_is_not_simulated_or_makes_no_sense_is_named() {
    let caller = caller();
    let cases = [
        (Method::POST, "catalogs", json!({ "name": "x", "connection_name": "mysql" })),
        (Method::POST, "catalogs", json!({ "name": "a.b" })),
        (Method::POST, "catalogs", json!({ "name": "" })),
        (Method::POST, "catalogs", json!({ "comment": "nameless" })),
        (Method::POST, "catalogs", json!({ "name": "x", "properties": { "k": 1 } })),
        (Method::POST, "schemas", json!({ "catalog_name": "none", "name": "x" })),
        (Method::POST, "schemas", json!({ "catalog_name": "main", "name": "Default" })),
        (Method::POST, "tables", json!({ "name": "x" })),
        (Method::PATCH, "catalogs/main", json!({ "new_name": "other" })),
        (Method::PATCH, "tables/main.sales.orders", json!({ "comment": "x" })),
        (Method::PATCH, "schemas/main", json!({})),
        (Method::PATCH, "schemas/main.sales", json!({ "owner": "" })),
        (Method::PATCH, "volumes/main.sales.none", json!({ "comment": "x" })),
        (Method::DELETE, "schemas/main.sales?force=perhaps", json!(null)),
        (Method::DELETE, "schemas/main.none", json!(null)),
        (Method::DELETE, "functions/main.default.f", json!(null)),
    ];
    let mut seen = Vec::new();
    for (method, path, body) in cases {
        let (status, answer) = send(&caller, method.clone(), path, body).await;
        seen.push(format!("{method} {path}: {status} {} {}", answer["error_code"], answer["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn summaries_span_schemas_and_follow_patterns_and_pages() {
    let caller = caller();
    let ask = async |query: &str| {
        send(&caller, Method::GET, &format!("table-summaries?catalog_name=main{query}"), json!(null)).await.1
    };
    let both = json!([
        { "full_name": "main.default.days", "table_type": "MANAGED" },
        { "full_name": "main.sales.orders", "table_type": "MANAGED" },
    ]);
    assert_eq!(ask("").await["tables"], both);
    assert_eq!(ask("&schema_name_pattern=S%25&table_name_pattern=%25d%25").await["tables"], json!([both[1]]));
    assert_eq!(ask("&table_name_pattern=x").await, json!({}));
    let first = ask("&max_results=1").await;
    assert_eq!(first["tables"], json!([both[0]]));
    let second =
        ask(&format!("&max_results=1&page_token={}", first["next_page_token"].as_str().unwrap())).await;
    assert_eq!(second, json!({ "tables": [both[1]] }));
}

#[tokio::test]
async fn a_new_volume_says_when_and_by_whom_and_takes_no_field_that_is_not_simulated() {
    let catalog = MemoryCatalogStore::new().with_schema("main", "default");
    let caller = Caller::new(builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).seed(1).build());
    let body = |more: Value| {
        let mut body =
            json!({"catalog_name": "main", "schema_name": "default", "name": "v", "volume_type": "MANAGED"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let path = "/api/2.1/unity-catalog/volumes";
    let refused = caller.post(path, body(json!({"storage_location": "s3://mine/here"}))).await;
    assert_eq!(refused.status.as_u16(), 501);
    assert!(refused.text().contains("'storage_location'"), "{}", refused.text());
    let made = caller.post(path, body(json!({"storage_location": null}))).await.json();
    assert_eq!((&made["created_at"], &made["created_by"]), (&json!(1_735_689_600_000_i64), &made["owner"]));
}
