//! Statements that run for long: others go on beside them, and a cancel ends them.

use std::sync::Arc;
use std::time::Duration;

use databricks_local::LocalWorkspace;
use databricks_testkit::EngineRequest;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Joins of ten digits each, into rows that no machine counts within a test.
const LONG: [&str; 2] = [
    "WITH d AS (SELECT * FROM VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9) AS t(n))
     SELECT sum(a.n * b.n + c.n * e.n + f.n * g.n + h.n * i.n + j.n * k.n)
     FROM d a, d b, d c, d e, d f, d g, d h, d i, d j, d k, d l, d m",
    "WITH d AS (SELECT * FROM VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9) AS t(n)),
          many AS (SELECT a.n AS n FROM d a, d b, d c, d e, d f)
     SELECT count(*) FROM many x JOIN many y ON x.n <= y.n JOIN many z ON y.n = z.n",
];

fn request(statement: &str) -> EngineRequest {
    EngineRequest { statement: statement.to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_queries_leave_room_for_others_and_end_when_they_are_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = LocalWorkspace::open(dir.path()).unwrap();
    let mut running = JoinSet::new();
    // More of them than there are threads.
    for number in 0..8 {
        running.spawn(workspace.engine().execute(request(LONG[number % LONG.len()])));
    }
    for _ in 0..3 {
        let quick = timeout(Duration::from_secs(60), workspace.engine().execute(request("SELECT 1")));
        assert!(quick.await.expect("a short statement is not kept waiting").is_ok());
    }
    assert!(running.try_join_next().is_none(), "they still run");

    running.shutdown().await;
    drop(workspace);
    // The folder is free only when nothing of the statements is left.
    let end = Instant::now() + Duration::from_secs(60);
    while let Err(error) = LocalWorkspace::open(dir.path()) {
        assert!(Instant::now() < end, "a cancelled statement still holds the workspace: {error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_run_away_from_a_statement() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = LocalWorkspace::open(dir.path()).unwrap();
    let engine = Arc::clone(&workspace.engine());
    let run = engine.execute(request("SELECT count(*) FROM VALUES (1), (2) AS t(n)"));
    assert!(timeout(Duration::from_secs(5), run).await.expect("no time passes while it runs").is_ok());
}
