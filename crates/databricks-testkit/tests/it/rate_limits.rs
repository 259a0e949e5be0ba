//! Rate limits per endpoint.

use std::time::Duration;

use databricks_testkit::ScriptedEngine;
use http::{Method, StatusCode};

use crate::support::{Caller, builder};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const ME: &str = "/api/2.0/preview/scim/v2/Me";

#[tokio::test(start_paused = true)]
async fn past_the_burst_a_call_is_refused_until_the_time_it_was_told() {
    let limited =
        builder(&ScriptedEngine::new()).rate_limit(format!("GET {WAREHOUSES}"), 2, Duration::from_secs(10));
    let caller = Caller::new(limited.build());
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    let refused = caller.get(WAREHOUSES).await;
    assert_eq!(
        (refused.status, &refused.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"5".parse().unwrap())
    );
    insta::assert_snapshot!(refused.text());
    assert_eq!(caller.get(ME).await.status, 200);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    assert_eq!(caller.get(WAREHOUSES).await.status, 429);
    let seen: Vec<u16> = caller.workspace.requests().iter().map(|r| r.status.unwrap().as_u16()).collect();
    assert_eq!(seen, [200, 200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn who_cannot_come_in_uses_nothing_up() {
    let caller = Caller::new(builder(&ScriptedEngine::new()).build());
    caller.workspace.limit_rate("/", 1, Duration::from_secs(3600));
    assert_eq!(caller.call_as("stolen", Method::GET, ME, ()).await.status, 403);
    assert_eq!(caller.get(ME).await.status, 200);
    assert_eq!(caller.get(ME).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn the_client_of_this_family_waits_and_gets_through() {
    use databricks_testkit::SimulatedWorkspace;
    use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
    let workspace = builder(&ScriptedEngine::new()).rate_limit(ME, 1, Duration::from_secs(30)).build();
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(crate::support::TOKEN);
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..2 {
        client.send(Operation::new("me").idempotent(), ApiRequest::get(ME)).await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_secs(30));
}
