//! Warehouses that start and stop, and the statements that need them.

use std::time::Duration;

use databricks_testkit::{Column, ScriptedEngine, WarehouseSpec};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Caller, STATEMENTS, TOKEN, WAREHOUSE, builder};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn engine() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    engine.on("long").delay(secs(1_000)).empty();
    engine
}

fn cold() -> WarehouseSpec {
    WarehouseSpec::new(WAREHOUSE).stopped().start_delay(secs(60)).stop_delay(secs(5)).auto_stop(secs(600))
}

fn caller(engine: &ScriptedEngine, spec: WarehouseSpec) -> Caller {
    Caller::new(builder(engine).warehouse_with(spec).created_warehouse_start_delay(secs(30)).build())
}

fn state(caller: &Caller) -> &'static str {
    caller.workspace.warehouse_state(WAREHOUSE).unwrap()
}

async fn poll(caller: &Caller, statement: &Value) -> Value {
    let path = format!("{STATEMENTS}/{}", statement["statement_id"].as_str().unwrap());
    caller.get(&path).await.json()
}

#[tokio::test(start_paused = true)]
async fn a_statement_on_a_stopped_warehouse_starts_it_and_is_pending_until_it_runs() {
    let engine = engine();
    let caller = caller(&engine, cold());
    assert_eq!(state(&caller), "STOPPED");
    let submitted = caller.submit("one", json!({})).await.json();
    assert_eq!((submitted["status"]["state"].as_str(), state(&caller)), (Some("PENDING"), "STARTING"));
    assert!(engine.requests().is_empty());
    tokio::time::sleep(secs(49)).await;
    assert_eq!(poll(&caller, &submitted).await["status"]["state"], "PENDING");
    tokio::time::sleep(secs(2)).await;
    let ended = poll(&caller, &submitted).await;
    assert_eq!(
        (&ended["status"]["state"], &ended["result"]["data_array"]),
        (&json!("SUCCEEDED"), &json!([["1"]]))
    );
    assert_eq!(state(&caller), "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_session_starts_its_warehouse_without_waiting_for_it() {
    let caller = caller(&engine(), cold());
    let opened = caller.post("/api/2.0/sql/sessions", json!({ "warehouse_id": WAREHOUSE })).await;
    assert_eq!((opened.status.as_u16(), state(&caller)), (200, "STARTING"));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(state(&caller), "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn extreme_times_neither_break_nor_spin() {
    let never = WarehouseSpec::new(WAREHOUSE).stopped().start_delay(Duration::MAX);
    let caller_of_never = caller(&engine(), never);
    let submitted = caller_of_never.submit("one", json!({ "on_wait_timeout": "CANCEL" })).await.json();
    assert_eq!(submitted["status"]["state"], "CANCELED");
    let restless = WarehouseSpec::new(WAREHOUSE).stopped().auto_stop(Duration::from_nanos(1));
    let caller = caller(&engine(), restless);
    assert_eq!(caller.submit("one", json!({})).await.json()["status"]["state"], "SUCCEEDED");
    tokio::time::advance(secs(1)).await;
    assert_eq!(state(&caller), "STOPPED");
}

#[tokio::test(start_paused = true)]
async fn an_idle_warehouse_stops_and_a_busy_one_does_not() {
    let caller = caller(&engine(), cold());
    let submitted = caller.submit("long", json!({ "wait_timeout": "0s" })).await.json();
    tokio::time::sleep(secs(60 + 999)).await;
    assert_eq!(poll(&caller, &submitted).await["status"]["state"], "RUNNING");
    assert_eq!(state(&caller), "RUNNING");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(poll(&caller, &submitted).await["status"]["state"], "SUCCEEDED");
    tokio::time::sleep(secs(598)).await;
    assert_eq!(state(&caller), "RUNNING");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(state(&caller), "STOPPING");
    tokio::time::sleep(secs(5)).await;
    assert_eq!(state(&caller), "STOPPED");
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_waiting_statement_lets_go_of_the_warehouse() {
    let caller = caller(&engine(), cold());
    let submitted = caller.submit("one", json!({ "wait_timeout": "0s" })).await.json();
    let path = format!("{STATEMENTS}/{}/cancel", submitted["statement_id"].as_str().unwrap());
    caller.post(&path, json!({})).await;
    assert_eq!(poll(&caller, &submitted).await["status"]["state"], "CANCELED");
    tokio::time::sleep(secs(60 + 601)).await;
    assert_eq!(state(&caller), "STOPPING");
}

#[tokio::test(start_paused = true)]
async fn stopping_and_deleting_end_what_runs_or_waits_there() {
    let mut seen = Vec::new();
    for (spec, statement) in [(cold(), "one"), (WarehouseSpec::new(WAREHOUSE), "long")] {
        for (method, tail) in [(Method::POST, "/stop"), (Method::DELETE, "")] {
            let caller = caller(&engine(), spec.clone());
            let submitted = caller.submit(statement, json!({ "wait_timeout": "0s" })).await.json();
            tokio::time::sleep(secs(1)).await;
            let path = format!("{WAREHOUSES}/{WAREHOUSE}{tail}");
            assert_eq!(caller.call(method, &path, "{}").await.json(), json!({}));
            tokio::time::sleep(secs(1)).await;
            seen.push(poll(&caller, &submitted).await["status"].clone());
        }
    }
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(seen) });
}

#[tokio::test(start_paused = true)]
async fn a_warehouse_is_made_edited_stopped_started_and_deleted() {
    let caller = caller(&engine(), WarehouseSpec::new(WAREHOUSE));
    let body = json!({ "name": "etl", "cluster_size": "Small", "max_num_clusters": 2, "auto_stop_mins": 10,
        "tags": { "custom_tags": [{ "key": "a", "value": "b" }] } });
    let id = caller.post(WAREHOUSES, body.clone()).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{WAREHOUSES}/{id}");
    let info = async || caller.get(&path).await.json();
    let made = info().await;
    insta::with_settings!({ sort_maps => true }, {
        insta::assert_json_snapshot!(made);
    });
    tokio::time::sleep(secs(30)).await;
    assert_eq!((&info().await["state"], &info().await["num_clusters"]), (&json!("RUNNING"), &json!(1)));
    let again = caller.post(WAREHOUSES, body).await;
    assert_eq!(again.json()["message"], "SQL warehouse with name `etl` already exists");
    caller.post(&format!("{path}/edit"), json!({ "id": id, "name": "etl-2", "auto_stop_mins": 0 })).await;
    let edited = info().await;
    assert_eq!(
        (&edited["name"], &edited["auto_stop_mins"], &edited["cluster_size"]),
        (&json!("etl-2"), &json!(0), &json!("Small"))
    );
    caller.post(&format!("{path}/stop"), json!({})).await;
    assert_eq!(info().await["state"], "STOPPED");
    caller.post(&format!("{path}/start"), json!({})).await;
    assert_eq!(info().await["state"], "STARTING");
    assert_eq!(caller.delete(&path).await.json(), json!({}));
    assert_eq!(caller.get(&path).await.status, 404);
    assert_eq!(caller.post(STATEMENTS, json!({ "statement": "one", "warehouse_id": id })).await.status, 404);
}

#[tokio::test]
async fn bad_settings_name_the_field_and_the_remedy() {
    let caller = caller(&engine(), WarehouseSpec::new(WAREHOUSE));
    let bad = [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(100) }),
        json!({ "name": 7 }),
        json!({ "name": "a", "auto_stop_mins": 5 }),
        json!({ "name": "a", "auto_stop_mins": "soon" }),
        json!({ "name": "a", "cluster_size": "Huge" }),
        json!({ "name": "a", "min_num_clusters": 0 }),
        json!({ "name": "a", "min_num_clusters": 3, "max_num_clusters": 2 }),
        json!({ "name": "a", "warp_drive": true }),
        json!({ "name": format!("Simulated warehouse {WAREHOUSE}") }),
    ];
    let mut seen = Vec::new();
    for body in bad {
        let answer = caller.post(WAREHOUSES, body).await;
        seen.push(format!("{} {}", answer.status.as_u16(), answer.json()["message"].as_str().unwrap()));
    }
    insta::assert_snapshot!(seen.join("\n"));
    assert_eq!(caller.get(WAREHOUSES).await.json()["warehouses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn warehouses_come_in_pages() {
    let other = builder(&engine()).warehouse("00000000000000b2").warehouse("00000000000000c3").build();
    let caller = Caller::new(other);
    let mut ids = Vec::new();
    let mut path = format!("{WAREHOUSES}?page_size=2");
    loop {
        let page = caller.get(&path).await.json();
        ids.extend(
            page["warehouses"].as_array().unwrap().iter().map(|w| w["id"].as_str().unwrap().to_owned()),
        );
        let Some(token) = page["next_page_token"].as_str() else { break };
        path = format!("{WAREHOUSES}?page_size=2&page_token={token}");
    }
    assert_eq!(ids, [WAREHOUSE, "00000000000000b2", "00000000000000c3"]);
    assert_eq!(caller.get(&format!("{WAREHOUSES}?page_token=*")).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn many_statements_wait_for_one_start_and_run_together() {
    let engine = engine();
    let caller = caller(&engine, cold());
    let waiting = (0..200).map(|_| {
        let caller = caller.clone();
        async move { caller.submit("one", json!({ "wait_timeout": "0s" })).await.json() }
    });
    let submitted = futures::future::join_all(waiting).await;
    tokio::time::sleep(secs(61)).await;
    for statement in &submitted {
        assert_eq!(poll(&caller, statement).await["status"]["state"], "SUCCEEDED");
    }
    let info = caller.call_as(TOKEN, Method::GET, &format!("{WAREHOUSES}/{WAREHOUSE}"), ()).await.json();
    assert_eq!((engine.requests().len(), &info["num_active_sessions"]), (200, &json!(0)));
}

#[tokio::test]
async fn pages_go_on_after_a_warehouse_that_was_deleted_between_them() {
    let ids = ["00000000000000b2", "00000000000000c3", "00000000000000d4"];
    let other = ids.iter().fold(builder(&engine()), |builder, id| builder.warehouse(*id)).build();
    let caller = Caller::new(other);
    let page = caller.get(&format!("{WAREHOUSES}?page_size=2")).await.json();
    assert_eq!(page["warehouses"][1]["id"], ids[0]);
    for id in [WAREHOUSE, ids[0], ids[2]] {
        assert_eq!(caller.delete(&format!("{WAREHOUSES}/{id}")).await.status, 200);
    }
    let made = caller.post(WAREHOUSES, json!({ "name": "new" })).await.json();
    let token = page["next_page_token"].as_str().unwrap();
    let rest = caller.get(&format!("{WAREHOUSES}?page_size=2&page_token={token}")).await.json();
    let rest: Vec<&Value> = rest["warehouses"].as_array().unwrap().iter().map(|w| &w["id"]).collect();
    assert_eq!(rest, [&json!(ids[1]), &made["id"]]);
}

#[tokio::test]
async fn a_session_belongs_to_its_warehouse_and_ends_with_it() {
    let engine = ScriptedEngine::new();
    engine.on("S").empty();
    let other = "aaaaaaaaaaaaaaa1";
    let caller = Caller::new(builder(&engine).warehouse(other).build());
    let opened = caller.post("/api/2.0/sql/sessions", json!({ "warehouse_id": WAREHOUSE })).await.json();
    let on = |warehouse: &str| json!({ "session_id": opened["session_id"], "warehouse_id": warehouse });
    assert_eq!(caller.submit("S", on(WAREHOUSE)).await.status, 200);
    let refused = caller.submit("S", on(other)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error_code"]),
        (400, &json!("INVALID_PARAMETER_VALUE"))
    );
    caller.delete(&format!("/api/2.0/sql/warehouses/{WAREHOUSE}")).await;
    assert_eq!(caller.submit("S", on(WAREHOUSE)).await.status, 404);
    assert_eq!(caller.submit("S", on(other)).await.status, 400);
    assert_eq!(engine.requests().len(), 1);
}
