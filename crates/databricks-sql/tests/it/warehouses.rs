//! Warehouses of the simulated workspace: seen, started, stopped, waited for.

use std::time::Duration;

use databricks_sql::{SqlClient, SqlError, WarehouseState, WarehousesClient};
use databricks_testkit::{SimulatedWorkspace, WarehouseSpec};
use databricks_transport::{Client, DatabricksConfig, ErrorKind};
use serde_json::json;

use crate::leaf::{Leaf, Reply};

const COLD: &str = "5134e1a7ed00c01d";
const WARM: &str = "5134e1a7ed000001";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn cold(start_delay: Duration) -> SimulatedWorkspace {
    let cold = WarehouseSpec::new(COLD).name("Cold").stopped().start_delay(start_delay).stop_delay(secs(30));
    SimulatedWorkspace::builder().token("dapi-test").warehouse(WARM).warehouse_with(cold).build()
}

fn warehouses(workspace: &SimulatedWorkspace) -> WarehousesClient {
    let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("dapi-test");
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    SqlClient::new(&client, WARM).warehouses()
}

/// A warehouse that answers with these states, the last of them forever.
fn scripted(states: &'static [&'static str]) -> (Leaf, WarehousesClient) {
    let leaf = Leaf::new(move |_, before| {
        let state = states.get(before).or(states.last()).unwrap();
        let health = json!({"status": "FAILED", "summary": "no machines", "details": ""});
        Reply::json(&json!({"id": "w1", "name": "n", "state": state, "health": health}))
    });
    let warehouses = leaf.sql().warehouses();
    (leaf, warehouses)
}

#[tokio::test(start_paused = true)]
async fn warehouses_are_listed_with_their_states() {
    let workspace = cold(secs(60));
    let all = warehouses(&workspace).list().await.unwrap();
    let seen: Vec<_> = all.iter().map(|found| (found.id.as_str(), found.state.clone())).collect();
    assert_eq!(seen, [(WARM, WarehouseState::Running), (COLD, WarehouseState::Stopped)]);
    assert_eq!((all[1].name.as_str(), all[1].cluster_size.as_deref()), ("Cold", Some("2X-Small")));
    assert!(all[1].extra.contains_key("jdbc_url"));
}

#[tokio::test(start_paused = true)]
async fn list_is_followed_over_its_pages() {
    let leaf = Leaf::new(|_, before| {
        Reply::json(&match before {
            0 => json!({"warehouses": [{"id": "a", "state": "RUNNING"}], "next_page_token": "t1"}),
            1 => json!({"next_page_token": "t2"}),
            _ => json!({"warehouses": [{"id": "b"}], "next_page_token": ""}),
        })
    });
    let all = leaf.sql().warehouses().list().await.unwrap();
    assert_eq!(all.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(leaf.calls().len(), 3);
    let endless = Leaf::new(|_, _| Reply::json(&json!({"next_page_token": "t1"})));
    let error = endless.sql().warehouses().list().await.unwrap_err().to_string();
    assert!(error.contains("page token `t1`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn started_warehouse_is_waited_for_until_it_runs() {
    let workspace = cold(secs(90));
    let warehouses = warehouses(&workspace);
    let started = tokio::time::Instant::now();
    warehouses.start(COLD).await.unwrap();
    assert_eq!(warehouses.get(COLD).await.unwrap().state, WarehouseState::Starting);
    let running = warehouses.wait_until_running(COLD).send().await.unwrap();
    assert_eq!(running.state, WarehouseState::Running);
    assert!((90..=100).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    // 1, 2, 4, 8, then every 10 s.
    let looks = workspace.requests().iter().filter(|request| format!("{request:?}").contains(COLD)).count();
    assert!((10..20).contains(&looks), "{looks}");
    warehouses.stop(COLD).await.unwrap();
    assert_eq!(warehouses.get(COLD).await.unwrap().state, WarehouseState::Stopping);
}

#[tokio::test(start_paused = true)]
async fn warehouse_that_nobody_starts_is_given_up_soon() {
    let workspace = cold(secs(90));
    let started = tokio::time::Instant::now();
    let error = warehouses(&workspace).wait_until_running(COLD).send().await.unwrap_err();
    let SqlError::WarehouseNotRunning(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.state, WarehouseState::Stopped);
    assert!(error.to_string().ends_with("start it with `start`"), "{error}");
    assert!(started.elapsed() < secs(30) && !error.is_ambiguous(), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn start_that_does_not_show_yet_is_waited_out() {
    let (_, warehouses) = scripted(&["STOPPED", "STOPPED", "STARTING", "RUNNING"]);
    assert_eq!(warehouses.wait_until_running("w1").send().await.unwrap().state, WarehouseState::Running);
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_its_deadline_and_names_state_and_health() {
    let (_, warehouses) = scripted(&["STARTING"]);
    let started = tokio::time::Instant::now();
    let error = warehouses.wait_until_running("w1").timeout(secs(25)).send().await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 25);
    insta::assert_snapshot!(error, @"warehouse w1 is STARTING after 25.0 s (FAILED: no machines); allow more with `timeout`");
}

#[tokio::test(start_paused = true)]
async fn warehouse_that_comes_up_at_the_deadline_counts() {
    let workspace = cold(secs(25));
    let warehouses = warehouses(&workspace);
    warehouses.start(COLD).await.unwrap();
    warehouses.wait_until_running(COLD).timeout(secs(25)).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn deleted_and_unknown_warehouses_are_errors_at_once() {
    let (leaf, warehouses) = scripted(&["DELETED"]);
    let error = warehouses.wait_until_running("w1").send().await.unwrap_err();
    assert!(
        error.to_string().contains("DELETED after 0.0 s (FAILED: no machines); use another warehouse"),
        "{error}"
    );
    assert_eq!(leaf.calls().len(), 1);
    let missing = Leaf::new(|_, _| Reply::status(404));
    let error = missing.sql().warehouses().wait_until_running("w1").send().await.unwrap_err();
    assert!(matches!(&error, SqlError::Transport(error) if error.kind() == ErrorKind::NotFound), "{error:?}");
    let error = missing.sql().warehouses().get("").await.unwrap_err();
    assert!(error.to_string().contains("id is empty"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn looks_that_fail_for_a_passing_reason_do_not_end_the_wait() {
    let leaf = Leaf::new(|_, before| match before {
        0..9 => Reply::status(503),
        _ => Reply::json(&json!({"id": "a/b", "state": "RUNNING"})),
    });
    let running = leaf.sql().warehouses().wait_until_running("a/b").send().await.unwrap();
    assert_eq!(running.id.as_str(), "a/b");
    assert_eq!(leaf.lines().last().unwrap(), "GET /api/2.0/sql/warehouses/a%2Fb");
}
