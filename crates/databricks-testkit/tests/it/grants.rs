//! Grants that deny: over REST, on files, on warehouses, and in an engine.

use std::sync::Arc;

use databricks_testkit::{Column, Grants, MemoryCatalogStore, Privilege, ScriptedEngine, Securable};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, STATEMENTS, WAREHOUSE, builder};

const UNITY: &str = "/api/2.1/unity-catalog";
const ADA: &str = "dapi-ada";
const EVE: &str = "dapi-eve";

/// Ada may read `main.sales`; the user of the caller's own token owns the metastore and the warehouse; Eve has nothing.
fn caller(engine: &ScriptedEngine) -> Caller {
    let catalog = MemoryCatalogStore::new()
        .with_table("main", "sales", "orders", &[Column::new("id", "INT")])
        .with_table("main", "hr", "people", &[Column::new("id", "INT")])
        .with_volume("main", "sales", "stage");
    let grants = Grants::enforced()
        .with_owner(Securable::metastore(), "user@simulated.invalid")
        .with_owner(Securable::warehouse(WAREHOUSE), "user@simulated.invalid")
        .with_group("analysts", ["ada"])
        .with_grant("analysts", Securable::catalog("main"), [Privilege::UseCatalog])
        .with_grant(
            "ada",
            Securable::schema("main", "sales"),
            [Privilege::UseSchema, Privilege::Select, Privilege::ReadVolume],
        );
    let volumes = databricks_testkit::MemoryVolumeStore::new(catalog.clone());
    let workspace = builder(engine)
        .token_of("ada", ADA)
        .token_of("eve", EVE)
        .catalog(Arc::new(catalog))
        .volumes(Arc::new(volumes))
        .grants(grants)
        .build();
    Caller::new(workspace)
}

async fn names(caller: &Caller, token: &str, path: &str, kind: &str) -> Vec<String> {
    let answer = caller.call_as(token, Method::GET, &format!("{UNITY}/{path}"), ()).await.json();
    let rows = answer[kind].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["full_name"].as_str().unwrap().to_owned()).collect()
}

fn summary(answer: &Answer) -> String {
    let body: Value = answer.json();
    format!("{} {} {}", answer.status.as_u16(), body["error_code"], body["message"])
}

#[tokio::test]
async fn lists_leave_out_what_the_caller_may_not_see() {
    let caller = caller(&ScriptedEngine::new());
    assert_eq!(names(&caller, ADA, "catalogs", "catalogs").await, ["main"]);
    assert_eq!(names(&caller, ADA, "schemas?catalog_name=main", "schemas").await, ["main.sales"]);
    let tables = "tables?catalog_name=main&schema_name=sales";
    assert_eq!(names(&caller, ADA, tables, "tables").await, ["main.sales.orders"]);
    assert_eq!(
        names(&caller, ADA, "table-summaries?catalog_name=main", "tables").await,
        ["main.sales.orders"]
    );
    assert!(names(&caller, EVE, "catalogs", "catalogs").await.is_empty());
    assert!(names(&caller, EVE, tables, "tables").await.is_empty());
    let all = names(&caller, crate::support::TOKEN, "table-summaries?catalog_name=main", "tables").await;
    assert_eq!(all, ["main.hr.people", "main.sales.orders"]);
}

#[tokio::test]
async fn refusals_name_what_is_missing_in_the_services_words() {
    let caller = caller(&ScriptedEngine::new());
    let get = |token, path| (token, Method::GET, path, json!(null));
    let cases = [
        get(EVE, "tables/main.sales.orders"),
        get(ADA, "tables/main.hr.people"),
        get(ADA, "volumes/main.hr.none"),
        get(EVE, "tables/main.sales.orders/exists"),
        get(ADA, "permissions/schema/main.sales"),
        (ADA, Method::PATCH, "permissions/schema/main.sales", json!({ "changes": [] })),
        (ADA, Method::DELETE, "tables/main.sales.orders", json!(null)),
        (ADA, Method::PATCH, "schemas/main.sales", json!({ "comment": "mine" })),
        (ADA, Method::POST, "catalogs", json!({ "name": "own" })),
        (ADA, Method::POST, "schemas", json!({ "catalog_name": "main", "name": "own" })),
        (
            ADA,
            Method::POST,
            "volumes",
            json!({ "catalog_name": "main", "schema_name": "sales", "name": "v", "volume_type": "MANAGED" }),
        ),
    ];
    let mut seen = Vec::new();
    for (token, method, path, body) in cases {
        let answer =
            caller.call_as(token, method.clone(), &format!("{UNITY}/{path}"), body.to_string()).await;
        seen.push(format!("{method} {path}: {}", summary(&answer)));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn a_refusal_carries_its_reason_for_machines() {
    let answer = caller(&ScriptedEngine::new())
        .call_as(ADA, Method::GET, &format!("{UNITY}/schemas/main.hr"), ())
        .await
        .json();
    assert_eq!(answer["details"][0]["reason"], "PERMISSION_DENIED");
    let metadata = json!({
        "principalName": "User", "msg": "USE SCHEMA", "resourceType": "Schema", "resourceName": "main.hr",
    });
    assert_eq!(answer["details"][0]["metadata"], metadata);
    assert_eq!(answer["details"][1]["@type"], "type.googleapis.com/google.rpc.RequestInfo");
}

#[tokio::test]
async fn files_need_their_volumes_privileges_whatever_the_path_looks_like() {
    let caller = caller(&ScriptedEngine::new());
    let file = "/api/2.0/fs/files/Volumes/main/sales/stage/a.txt";
    let encoded = "/api/2.0/fs/files/%2FVolumes%2FMAIN%2Fsales%2Fstage%2Fa.txt".replace("%2FV", "V");
    assert_eq!(caller.call_as(ADA, Method::PUT, file, "x").await.status, 403);
    caller.workspace.grants().grant(
        "ada",
        &Securable::volume("main", "sales", "stage"),
        [Privilege::WriteVolume],
    );
    assert_eq!(caller.call_as(ADA, Method::PUT, file, "x").await.status, 204);
    for path in [file, &encoded] {
        assert_eq!(caller.call_as(ADA, Method::GET, path, ()).await.bytes, "x", "{path}");
        assert_eq!(caller.call_as(EVE, Method::GET, path, ()).await.status, 403, "{path}");
        assert_eq!(caller.call_as(EVE, Method::HEAD, path, ()).await.status, 403, "{path}");
        assert_eq!(caller.call_as(EVE, Method::DELETE, path, ()).await.status, 403, "{path}");
    }
    let directory = "/api/2.0/fs/directories/Volumes/main/sales/stage/d/";
    assert_eq!(caller.call_as(EVE, Method::PUT, directory, ()).await.status, 403);
    assert_eq!(caller.call_as(ADA, Method::PUT, directory, ()).await.status, 204);
    caller.workspace.grants().revoke("ada", &Securable::schema("main", "sales"), [Privilege::ReadVolume]);
    let refused = caller.call_as(ADA, Method::GET, file, ()).await;
    insta::assert_snapshot!(summary(&refused), @r#"403 "PERMISSION_DENIED" "User does not have READ VOLUME on Volume 'main.sales.stage'.""#);
}

#[tokio::test]
async fn a_warehouse_that_may_not_be_used_runs_nothing() {
    let engine = ScriptedEngine::new();
    engine.on("x").empty();
    let caller = caller(&engine);
    let body = json!({ "statement": "x", "warehouse_id": WAREHOUSE }).to_string();
    let refused = caller.call_as(ADA, Method::POST, STATEMENTS, body.clone()).await;
    insta::assert_snapshot!(summary(&refused), @r#"403 "PERMISSION_DENIED" "ada is not authorized to use or monitor this SQL Endpoint.""#);
    let session = json!({ "warehouse_id": WAREHOUSE }).to_string();
    assert_eq!(caller.call_as(ADA, Method::POST, "/api/2.0/sql/sessions", session).await.status, 403);
    let list = caller.call_as(ADA, Method::GET, "/api/2.0/sql/warehouses", ()).await.json();
    assert_eq!(list, json!({ "warehouses": [] }));
    assert!(engine.requests().is_empty());
    caller.workspace.grants().grant("ada", &Securable::warehouse(WAREHOUSE), [Privilege::CanUse]);
    assert_eq!(caller.call_as(ADA, Method::POST, STATEMENTS, body).await.status, 200);
    let stop = format!("/api/2.0/sql/warehouses/{WAREHOUSE}/stop");
    assert_eq!(caller.call_as(ADA, Method::POST, &stop, "{}").await.status, 403);
    assert_eq!(caller.post(&stop, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_engine_refuses_what_its_user_may_not_do() {
    let engine = ScriptedEngine::new();
    let orders = Securable::table("main", "sales", "orders");
    engine
        .on("SELECT")
        .requires(Privilege::Select, orders.clone())
        .rows([Column::new("id", "INT")], [[json!(1)]]);
    engine.on("WHO").by_user("ada").rows([Column::new("who", "STRING")], [[json!("ada")]]);
    engine.on("WHO").fail("OTHER", "42000", "Somebody else.");
    let caller = caller(&engine);
    for token in ["ada", "eve"] {
        caller.workspace.grants().grant(token, &Securable::warehouse(WAREHOUSE), [Privilege::CanUse]);
    }
    let run = async |token: &str, statement: &str| {
        let body = json!({ "statement": statement, "warehouse_id": WAREHOUSE }).to_string();
        caller.call_as(token, Method::POST, STATEMENTS, body).await.json()
    };
    assert_eq!(run(ADA, "SELECT").await["result"]["data_array"], json!([["1"]]));
    let denied = run(EVE, "SELECT").await["status"].clone();
    assert_eq!((&denied["state"], &denied["sql_state"]), (&json!("FAILED"), &json!("42501")));
    insta::assert_snapshot!(denied["error"]["message"].as_str().unwrap(), @r"
    [INSUFFICIENT_PERMISSIONS] Insufficient privileges:
    User does not have USE CATALOG on Catalog 'main'. SQLSTATE: 42501
    ");
    caller.workspace.grants().revoke("ada", &Securable::schema("main", "sales"), [Privilege::Select]);
    let message = run(ADA, "SELECT").await["status"]["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("SELECT on Table 'main.sales.orders'"), "{message}");
    assert_eq!(run(ADA, "WHO").await["result"]["data_array"], json!([["ada"]]));
    assert_eq!(run(EVE, "WHO").await["status"]["state"], "FAILED");
}

#[tokio::test]
async fn what_a_script_requires_is_asked_of_those_it_is_about() {
    let engine = ScriptedEngine::new();
    let orders = Securable::table("main", "sales", "orders");
    let one = [Column::new("id", "INT")];
    engine
        .on("S")
        .requires(Privilege::Select, orders.clone())
        .requires(Privilege::Modify, orders)
        .by_user("ada")
        .times(1)
        .rows(one.clone(), [[json!(1)]]);
    engine.on("S").rows(one, [[json!(2)]]);
    let caller = caller(&engine);
    let grants = caller.workspace.grants();
    for user in ["ada", "eve"] {
        grants.grant(user, &Securable::warehouse(WAREHOUSE), [Privilege::CanUse]);
    }
    let run = async |token: &str| {
        let body = json!({ "statement": "S", "warehouse_id": WAREHOUSE }).to_string();
        caller.call_as(token, Method::POST, STATEMENTS, body).await.json()
    };
    assert_eq!(run(EVE).await["result"]["data_array"], json!([["2"]]), "the first script is not about her");
    let message = run(ADA).await["status"]["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("does not have MODIFY on Table 'main.sales.orders'"), "{message}");
    // What is left to do is the one script: a refusal takes no turn of it.
    let unused: Vec<_> = engine.unused().into_iter().map(|turns| (turns.name, turns.left)).collect();
    assert_eq!(unused, [("S".to_owned(), Some(1))]);
    grants.grant("ada", &Securable::schema("main", "sales"), [Privilege::Modify]);
    assert_eq!(run(ADA).await["result"]["data_array"], json!([["1"]]));
    assert_eq!(engine.unused(), []);
}

#[tokio::test]
async fn permissions_are_changed_and_read_over_rest() {
    let caller = caller(&ScriptedEngine::new());
    let path = format!("{UNITY}/permissions/TABLE/main.sales.orders");
    let changes = json!({ "changes": [
        { "principal": "eve", "add": ["SELECT", "MODIFY"] },
        { "principal": "zoe", "add": ["ALL_PRIVILEGES"] },
        { "principal": "zoe", "remove": ["ALL_PRIVILEGES"] },
    ]});
    let answer = caller.call(Method::PATCH, &path, changes.to_string()).await.json();
    let eve =
        json!({ "privilege_assignments": [{ "principal": "eve", "privileges": ["MODIFY", "SELECT"] }] });
    assert_eq!(answer, eve);
    assert_eq!(caller.get(&path).await.json(), eve);
    let own = caller.call_as(EVE, Method::GET, &format!("{path}?principal=eve"), ()).await;
    assert_eq!(own.json(), eve);
    let effective = caller.get(&path.replace("permissions", "effective-permissions")).await.json();
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(effective) });
    let bad = [
        json!({ "changes": [{ "principal": "eve", "add": ["SELECT"] }, { "principal": "eve", "add": ["FLY"] }] }),
        json!({ "changes": [{ "principal": "eve", "add": ["READ_VOLUME"] }] }),
        json!({ "changes": [{ "add": ["SELECT"] }] }),
    ];
    let before = caller.get(&path).await.json();
    let mut seen = Vec::new();
    for body in bad {
        seen.push(summary(&caller.call(Method::PATCH, &path, body.to_string()).await));
    }
    for path in ["permissions/catalog/none", "permissions/schema/main", "permissions/share/x"] {
        seen.push(summary(&caller.get(&format!("{UNITY}/{path}")).await));
    }
    insta::assert_snapshot!(seen.join("\n"));
    assert_eq!(caller.get(&path).await.json(), before);
}

#[tokio::test]
async fn who_makes_an_object_owns_it_until_it_is_given_away() {
    let caller = caller(&ScriptedEngine::new());
    caller.workspace.grants().grant("ada", &Securable::catalog("main"), [Privilege::CreateSchema]);
    let body = json!({ "catalog_name": "main", "name": "lab" }).to_string();
    let made = caller.call_as(ADA, Method::POST, &format!("{UNITY}/schemas"), body).await.json();
    assert_eq!(made["owner"], "ada");
    let path = format!("{UNITY}/schemas/main.lab");
    let given = caller.call_as(ADA, Method::PATCH, &path, json!({ "owner": "eve" }).to_string()).await;
    assert_eq!(given.json()["owner"], "eve");
    assert_eq!(caller.call_as(ADA, Method::DELETE, &path, ()).await.status, 403);
    let refused = caller.call_as(EVE, Method::DELETE, &path, ()).await;
    assert_eq!(refused.status, 403, "an owner reaches nothing without USE CATALOG");
    caller.workspace.grants().grant("eve", &Securable::catalog("main"), [Privilege::UseCatalog]);
    assert_eq!(caller.call_as(EVE, Method::DELETE, &path, ()).await.status, 200);
    assert_eq!(caller.workspace.grants().owner(&Securable::schema("main", "lab")), None);
}

#[tokio::test]
async fn no_route_to_a_volume_leads_around_its_privileges() {
    let caller = caller(&ScriptedEngine::new());
    let (path, fs) = ("/Volumes/MAIN/sales/stage/a.txt", "/api/2.0/fs");
    let body = json!({ "path": path, "session_token": "x", "parts": [] });
    let mut routes = Vec::new();
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        routes.push((method.clone(), format!("{fs}/files{path}")));
        routes.push((method, format!("{fs}/directories{path}")));
    }
    routes.push((Method::GET, format!("{fs}/list?path={path}")));
    for query in ["action=initiate-upload", "action=complete-upload&session_token=x"] {
        routes.push((Method::POST, format!("{fs}/files{path}?{query}")));
    }
    for call in ["upload-part-urls", "resumable-upload-url", "abort-upload-url", "download-url", "upload-url"]
    {
        routes.push((Method::POST, format!("{fs}/create-{call}")));
        routes.push((Method::POST, format!("{fs}/create-{call}?path={path}")));
    }
    for (method, route) in routes {
        let answer = caller.call_as(EVE, method.clone(), &route, body.to_string()).await;
        assert_eq!(answer.status, 403, "{method} {route}: {}", answer.text());
        assert!(method == Method::HEAD || answer.json()["error_code"] == "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn a_presigned_url_is_given_only_for_what_its_user_may_do_now() {
    let caller = caller(&ScriptedEngine::new());
    let (fs, path) = ("/api/2.0/fs", "/Volumes/main/sales/stage/a.txt");
    let volume = Securable::volume("main", "sales", "stage");
    let call = async |method: Method, route: &str, body: Value| {
        caller.call_as(ADA, method, &format!("{fs}/{route}"), body.to_string()).await
    };
    caller.workspace.grants().grant("ada", &volume, [Privilege::WriteVolume]);
    assert_eq!(call(Method::PUT, &format!("files{path}"), json!("x")).await.status, 204);
    let initiate = format!("files{path}?action=initiate-upload&overwrite=true");
    let begun = call(Method::POST, &initiate, json!(null)).await.json();
    let token = begun["multipart_upload"]["session_token"].clone();
    let upload = json!({ "path": path, "session_token": token });
    let file = json!({ "path": path });
    let statuses = async || {
        let mut seen = Vec::new();
        for (route, body) in [
            ("create-download-url", &file),
            ("create-upload-url", &file),
            ("create-upload-part-urls", &upload),
            ("create-abort-upload-url", &upload),
        ] {
            seen.push(call(Method::POST, route, body.clone()).await.status.as_u16());
        }
        let list = call(Method::GET, "list?path=/Volumes/main/sales/stage", json!(null)).await;
        seen.push(list.status.as_u16());
        seen
    };
    assert_eq!(statuses().await, [200, 200, 200, 200, 200]);
    caller.workspace.grants().revoke("ada", &volume, [Privilege::WriteVolume]);
    assert_eq!(statuses().await, [200, 403, 403, 403, 200]);
    caller.workspace.grants().revoke("ada", &Securable::schema("main", "sales"), [Privilege::ReadVolume]);
    assert_eq!(statuses().await, [403, 403, 403, 403, 403]);
}
