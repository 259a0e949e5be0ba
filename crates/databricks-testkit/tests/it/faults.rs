//! Faults in a running workspace.

use std::time::Duration;

use databricks_testkit::{Fault, FaultRule, ScriptedEngine};
use databricks_transport::{Body, ErrorKind};
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::{Caller, STATEMENTS, TOKEN, WAREHOUSE};

fn submit() -> Request<Body> {
    Request::post(format!("https://h.invalid{STATEMENTS}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Body::from(json!({ "statement": "x", "warehouse_id": WAREHOUSE }).to_string()))
        .unwrap()
}

fn scripted() -> (ScriptedEngine, Caller) {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(1);
    let caller = Caller::of(&engine);
    (engine, caller)
}

#[tokio::test]
async fn the_nth_request_is_answered_with_the_fault_and_has_no_effect() {
    let (engine, caller) = scripted();
    let fault = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(7));
    caller.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, fault).nth(2));
    assert_eq!(caller.send(submit()).await.unwrap().status, 200);
    let limited = caller.send(submit()).await.unwrap();
    assert_eq!((limited.status.as_u16(), limited.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(limited.json()["error_code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(caller.send(submit()).await.unwrap().status, 200);
    assert_eq!((engine.requests().len(), caller.workspace.faults().fired()), (2, 1));
}

#[tokio::test]
async fn a_reset_comes_before_the_effect_or_after_it() {
    for (fault, effects) in [(Fault::ResetBefore, 0), (Fault::ResetAfter, 1)] {
        let (engine, caller) = scripted();
        caller.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, fault));
        let error = caller.send(submit()).await.unwrap_err();
        assert_eq!((error.kind(), engine.requests().len()), (ErrorKind::Unavailable, effects));
        assert_eq!(caller.workspace.requests()[0].status, None);
    }
}
