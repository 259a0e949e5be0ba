//! Sweeps over a client's operations on a simulated workspace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use databricks_testkit::{
    Fault, MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine, SimulatedWorkspace, Staleness, StallPoint,
    SweepCase, SweepOutcome, SweepRun, sweep,
};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, Error, ErrorKind, Operation};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

const READ: Operation = Operation::new("read").idempotent();
const SUBMIT: Operation = Operation::new("submit");

struct World {
    engine: ScriptedEngine,
    client: Client,
}

impl World {
    fn new(run: &SweepRun) -> Self {
        let engine = ScriptedEngine::new();
        engine.on("INSERT").affected(1);
        let workspace = builder(&engine).faults(run.faults()).seed(run.seed()).build();
        let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
        let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
        Self { engine, client }
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        self.client.call(READ, ApiRequest::get(path)).await
    }

    async fn insert(&self) -> Result<Value, Error> {
        let body = json!({ "statement": "INSERT", "warehouse_id": WAREHOUSE });
        self.client.call(SUBMIT, ApiRequest::post(STATEMENTS).json(&body)?).await
    }
}

fn every_fault() -> Vec<Fault> {
    let unavailable = Fault::status(StatusCode::SERVICE_UNAVAILABLE);
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(3));
    let stalls =
        [StallPoint::BeforeEffect, StallPoint::BeforeAnswer, StallPoint::InBody(4)].map(Fault::stall);
    [unavailable, limited, Fault::ResetBefore, Fault::ResetAfter, Fault::truncated(7)]
        .into_iter()
        .chain(stalls)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_read_survives_each_single_fault() {
    let report = sweep(|run| async move {
        let world = World::new(&run);
        world.get("/api/2.0/sql/warehouses").await?;
        world.get(&format!("/api/2.0/sql/warehouses/{WAREHOUSE}")).await?;
        world.get("/api/2.0/preview/scim/v2/Me").await
    })
    .faults(every_fault())
    .run()
    .await;
    report.law("reads survive", |case| case.outcome().is_ok() && case.requests() == 4).unwrap();
    report
        .check("the answer is the same", |case| match case.state() {
            Some(me) if me["active"] == true => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .unwrap();
    assert_eq!((report.baseline_requests(), report.cases().len()), (3, 24));
    assert!(report.nondeterminism().is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_idempotent_never_happens_twice() {
    let report = sweep(|run| async move {
        let world = World::new(&run);
        let result = world.insert().await.map(drop);
        (result, world.engine.requests().len())
    })
    .faults(every_fault())
    .run()
    .await;
    report
        .check("at most once, and once on success", |case| match (case.outcome().is_ok(), case.state()) {
            (true, Some(1)) | (false, Some(0 | 1)) => Ok(()),
            (_, effects) => Err(format!("{effects:?} effects")),
        })
        .unwrap();
    report.orderly().unwrap();
    let known = |fault: &Fault| report.cases().iter().find(|case| case.fault() == fault).unwrap();
    assert_eq!(known(&Fault::ResetAfter).state(), Some(&1));
    assert_eq!(known(&Fault::ResetBefore).state(), Some(&0));
    let shown = format!("{report:#}");
    insta::assert_snapshot!(shown);
}

#[tokio::test(start_paused = true)]
async fn a_broken_law_names_its_cases_and_one_can_be_run_alone() {
    // Retried blindly: the reset after the effect makes it happen twice.
    let twice = |run: SweepRun| async move {
        let world = World::new(&run);
        let mut result = world.insert().await;
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
            result = world.insert().await;
        }
        (result, world.engine.requests().len())
    };
    let faults = || [Fault::ResetBefore, Fault::ResetAfter];
    let report = sweep(twice).faults(faults()).run().await;
    let failure =
        report.law("never twice", |case| case.state().is_some_and(|effects| *effects < 2)).unwrap_err();
    assert_eq!(failure.broken().len(), 1);
    insta::assert_snapshot!(failure.to_string(), @r#"
    the law "never twice" is broken in 1 of 2 cases:
      case 2: reset after effect at request 1 POST /api/2.0/sql/statements: ok (2 requests, 0.0 s)
    run one alone: Sweep::only_case(number)
    "#);
    let alone = sweep(twice).faults(faults()).only_case(2).run().await;
    assert_eq!(alone.cases().len(), 1);
    assert_eq!((alone.cases()[0].number(), alone.cases()[0].fault()), (2, &Fault::ResetAfter));
    alone.law("never twice", |case| case.state().is_some_and(|effects| *effects < 2)).unwrap_err();
    let nothing = sweep(twice).only_case(99).run().await;
    assert!(nothing.law("all", |_| true).unwrap_err().to_string().contains("no case was run"));
}

#[tokio::test(start_paused = true)]
async fn hangs_panics_and_endless_loops_are_outcomes() {
    let report = sweep(|run| async move {
        let world = World::new(&run);
        let error = match world.get("/api/2.0/preview/scim/v2/Me").await {
            Ok(_) => return Ok::<_, Error>(()),
            Err(error) => error,
        };
        match error.status().map(|status| status.as_u16()) {
            Some(400) => panic!("a client's bug: {}", error.message()),
            Some(404) => std::future::pending().await,
            _ => loop {
                let _ = run.layer();
                world.insert().await?;
            },
        }
    })
    .faults([400, 404, 403].map(|status| Fault::status(StatusCode::from_u16(status).unwrap())))
    .time_limit(Duration::from_secs(7200))
    .request_limit(50)
    .run()
    .await;
    let outcomes: Vec<String> = report.cases().iter().map(|case| case.outcome().to_string()).collect();
    assert_eq!(
        outcomes,
        [
            "PANIC: a client's bug: Injected fault.",
            "HUNG: no end after 7200s",
            "ENDLESS: more than 50 requests"
        ]
    );
    assert_eq!(report.cases()[1].time(), Duration::from_secs(7200));
    assert_eq!(report.orderly().unwrap_err().broken().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_never_the_same_is_called_so() {
    let runs = Arc::new(AtomicUsize::new(0));
    let report = sweep(|run| {
        let count = 1 + runs.fetch_add(1, Ordering::Relaxed) % 2;
        async move {
            let world = World::new(&run);
            for _ in 0..count {
                world.get("/api/2.0/preview/scim/v2/Me").await?;
            }
            world.get("/api/2.0/sql/warehouses").await
        }
    })
    .faults([Fault::ResetBefore])
    .run()
    .await;
    insta::assert_snapshot!(report.nondeterminism().join("\n"), @r"
    the second run without a fault went another way: it made 3 requests, not 2; request 2 was GET /api/2.0/preview/scim/v2/Me, not GET /api/2.0/sql/warehouses
    case 2 went another way before its fault: request 2 was GET /api/2.0/preview/scim/v2/Me, not GET /api/2.0/sql/warehouses
    ");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_without_a_fault_is_not_swept() {
    let report = sweep(|run| async move { World::new(&run).get("/api/2.0/nowhere").await }).run().await;
    assert!(matches!(report.baseline(), SweepOutcome::Err(text) if text.contains("/api/2.0/nowhere")));
    assert!(report.cases().is_empty());
    assert!(report.law("all", |_| true).unwrap_err().to_string().contains("without a fault: error"));
}

#[tokio::test(start_paused = true)]
async fn any_future_can_be_swept_and_cases_can_be_chosen() {
    // No client: a leaf called by hand, behind the run's layer.
    let report = sweep(|run| async move {
        use tower::{Layer, ServiceExt};
        let workspace = SimulatedWorkspace::builder().token(TOKEN).build();
        let leaf = run.layer().layer(workspace.service());
        for path in ["/api/2.0/sql/warehouses", "/api/2.0/preview/scim/v2/Me"] {
            let request = http::Request::get(format!("https://h.invalid{path}"));
            let request = request.header("authorization", format!("Bearer {TOKEN}")).body(().into())?;
            leaf.clone().oneshot(request).await?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .faults([Fault::ResetBefore, Fault::ResetAfter])
    .filter(|_, path, fault| path.ends_with("/Me") && *fault == Fault::ResetAfter)
    .run()
    .await;
    let [case] = report.cases() else { panic!("{report}") };
    assert_eq!((case.request(), case.path(), case.requests()), (2, "/api/2.0/preview/scim/v2/Me", 2));
    assert!(!case.outcome().is_ok() && case.record().is_some_and(|record| record.number == 2));
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_stale_at_its_own_request_and_as_long_as_told() {
    let report = sweep(|run| async move {
        let world = World::new(&run);
        world.get("/api/2.0/preview/scim/v2/Me").await?;
        let answer = world.insert().await?;
        let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap_or_default());
        for _ in 0..3 {
            match world.get(&path).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                polled => return polled,
            }
        }
        world.get("/nowhere").await
    })
    .faults([2, 3].map(|reads| Fault::stale(Staleness::Reads(reads))))
    .run()
    .await;
    let cases: Vec<_> = report
        .cases()
        .iter()
        .map(|case| (case.request(), case.fired(), case.requests(), case.outcome().is_ok()))
        .collect();
    assert_eq!(cases, [(1, false, 3, true), (1, false, 3, true), (3, true, 5, true), (3, true, 6, false)]);
    assert!(report.nondeterminism().is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_law_fails_where_nothing_went_wrong() {
    let ok = |case: &SweepCase<Value>| case.outcome().is_ok();
    let read = |run: SweepRun| async move { World::new(&run).get("/api/2.0/sql/warehouses").await };
    // Nothing is flipped, and nobody wrote what could be stale.
    let nothing = Fault::flipped_bytes(0);
    let report = sweep(read).faults([nothing, Fault::ResetBefore]).run().await;
    insta::assert_snapshot!(report.law("ok", ok).unwrap_err().to_string(), @r#"
    the law "ok" is broken in 1 of 2 cases:
      case 1: 0 bytes flipped at request 1 GET /api/2.0/sql/warehouses: (no fault) ok (1 requests, 0.0 s); made 1 requests: its fault at request 1 never happened
    run one alone: Sweep::only_case(number)
    "#);
    let report = sweep(read).faults([Fault::stale(Staleness::Reads(1))]).run().await;
    insta::assert_snapshot!(report.orderly().unwrap_err().to_string(), @r#"
    the law "every run ends by itself" was not tested:
      no fault happened in any case
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_is_no_broken_law_and_no_fault() {
    let report = sweep(|run| async move {
        let catalog = MemoryCatalogStore::new().with_volume("main", "sales", "stage");
        let volumes = Arc::new(MemoryVolumeStore::new(catalog));
        let workspace = builder(&ScriptedEngine::new()).faults(run.faults()).volumes(volumes).build();
        let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
        let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
        let put = ApiRequest::put("/api/2.0/fs/directories/Volumes/main/sales/stage/d");
        client.send(READ, put).await?;
        client.call::<Value>(READ, ApiRequest::get("/api/2.0/sql/warehouses")).await
    })
    .faults([
        Fault::truncated(0),
        Fault::stall(StallPoint::InBody(0)),
        Fault::cut_body(0),
        Fault::flipped_bytes(1),
    ])
    .run()
    .await;
    let fired: Vec<_> = report.cases().iter().map(|case| (case.request(), case.fired())).collect();
    let expected = [1, 2].into_iter().flat_map(|request| [(request, request == 2); 4]);
    assert_eq!(fired, expected.collect::<Vec<_>>(), "{report}");
    report.orderly().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_varies_breaks_laws_unless_that_is_allowed() {
    let runs = Arc::new(AtomicUsize::new(0));
    let vary = |run: SweepRun| {
        let count = 1 + runs.fetch_add(1, Ordering::Relaxed) % 2;
        async move {
            let world = World::new(&run);
            for _ in 0..count {
                world.get("/api/2.0/preview/scim/v2/Me").await?;
            }
            world.get("/api/2.0/sql/warehouses").await
        }
    };
    let report = sweep(vary).faults([Fault::ResetBefore]).run().await;
    let failure = report.orderly().unwrap_err().to_string();
    assert!(failure.contains("was not tested:\n  not deterministic: the second run"), "{failure}");
    sweep(vary).faults([Fault::ResetBefore]).allow_nondeterminism().run().await.orderly().unwrap();
}

#[tokio::test]
async fn a_sweep_may_run_in_a_task() {
    let swept = tokio::spawn(async {
        let run = |run: SweepRun| async move { World::new(&run).get("/api/2.0/sql/warehouses").await };
        sweep(run).faults([Fault::ResetBefore]).run().await.cases().len()
    });
    assert_eq!(swept.await.unwrap(), 1);
}
