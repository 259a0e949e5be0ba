//! What a stale read says of a thing that is not there yet: the same as of one that never was.

use std::sync::Arc;

use databricks_testkit::{
    Fault, FaultRule, MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine, Staleness,
};
use http::Method;
use serde_json::{Value, json};

use crate::jobs_support::{JOBS, Jobs};
use crate::support::{Answer, Caller, STATEMENTS, builder};

fn lag(caller: &Caller) {
    caller.workspace.faults().add(FaultRule::any(Fault::stale(Staleness::Reads(1))));
}

/// An error without the ids of requests.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(details) = body["details"].as_array_mut() {
        for detail in details.iter_mut().filter(|detail| detail.get("request_id").is_some()) {
            detail["request_id"] = json!("any");
        }
    }
    (answer.status.as_u16(), body)
}

fn with_volume() -> Caller {
    let catalog = MemoryCatalogStore::new().with_volume("main", "sales", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone());
    Caller::new(builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).volumes(Arc::new(volumes)).build())
}

#[tokio::test(start_paused = true)]
async fn a_run_and_a_job_are_missing_as_bad_requests_that_name_them() {
    let jobs = Jobs::new();
    let caller = &jobs.caller;
    let (real_run, real_job) = (
        told(&caller.get(&format!("{JOBS}/runs/get?run_id=5")).await),
        told(&caller.get(&format!("{JOBS}/get?job_id=5")).await),
    );
    lag(caller);
    let notebook = json!([{ "task_key": "t", "notebook_task": { "notebook_path": "/x" } }]);
    let run = jobs.submit(notebook.clone()).await;
    let job = jobs.create(json!({ "name": "j", "tasks": notebook })).await;
    let expected = |(status, body): (u16, Value), id: i64| {
        let text = body.to_string().replace(" 5 ", &format!(" {id} "));
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let stale = told(&caller.get(&format!("{JOBS}/runs/get?run_id={run}")).await);
    assert_eq!(stale, expected(real_run, run));
    assert_eq!((stale.0, &stale.1["error_code"]), (400, &json!("INVALID_PARAMETER_VALUE")));
    assert_eq!(told(&caller.get(&format!("{JOBS}/get?job_id={job}")).await), expected(real_job, job));
    assert_eq!(caller.workspace.faults().fired(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_missing_in_the_words_of_its_api() {
    let engine = ScriptedEngine::new();
    engine.on("S").empty();
    let caller = Caller::of(&engine);
    lag(&caller);
    let id = caller.submit("S", json!({})).await.json()["statement_id"].as_str().unwrap().to_owned();
    let path = format!("{STATEMENTS}/{id}");
    let stale = told(&caller.get(&path).await);
    assert_eq!(caller.get(&path).await.status, 200);
    let text = told(&caller.get(&format!("{STATEMENTS}/none")).await).1.to_string();
    assert_eq!(stale, (404, serde_json::from_str(&text.replace("none", &id)).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn files_and_directories_are_missing_in_the_words_of_their_api() {
    for kind in ["files", "directories"] {
        let caller = with_volume();
        let path = format!("/api/2.0/fs/{kind}/Volumes/main/sales/stage/a%20b");
        let real = caller.get(&path).await;
        lag(&caller);
        assert_eq!(caller.call(Method::PUT, &path, ()).await.status, 204);
        let stale = caller.get(&path).await;
        assert_eq!(told(&stale), told(&real), "{kind}");
        assert_eq!(stale.headers["content-type"], real.headers["content-type"]);
        assert!(stale.headers.contains_key("x-request-id"));
        assert_eq!(caller.get(&path).await.status, 200);
        assert_eq!(caller.workspace.faults().fired(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_schema_is_missing_in_the_words_of_unity_catalog() {
    let caller = with_volume();
    let schemas = "/api/2.1/unity-catalog/schemas";
    let real = told(&caller.get(&format!("{schemas}/main.new")).await);
    lag(&caller);
    let made = caller.post(schemas, json!({ "name": "new", "catalog_name": "main" })).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(told(&caller.get(&format!("{schemas}/main.new")).await), real);
    assert_eq!(caller.get(&format!("{schemas}/main.new")).await.status, 200);
}
