//! What nobody waits for any more is cancelled on the server.

use std::time::Duration;

use databricks_sql::SqlError;
use futures::StreamExt;

use crate::leaf::{CANCEL, Leaf, Reply, SUBMIT, external, state};

fn never_ending() -> Leaf {
    Leaf::new(|call, _| if call.is(CANCEL) { Reply::bytes("{}") } else { state("RUNNING") })
}

#[tokio::test(start_paused = true)]
async fn statement_out_of_time_is_cancelled() {
    let leaf = never_ending();
    let timeout = Duration::from_secs(90);
    let error = leaf.sql().execute_with_timeout("SELECT 1", timeout).await.unwrap_err();
    assert!(matches!(&error, SqlError::StatementTimeout { timeout: t, .. } if *t == timeout), "{error}");
    assert_eq!(error.statement_id().unwrap().as_str(), "s1");
    assert_eq!(leaf.lines().last().unwrap(), CANCEL);
    assert_eq!(leaf.count(CANCEL), 1);
}

#[tokio::test(start_paused = true)]
async fn short_timeout_is_kept_by_not_letting_the_server_hold_the_answer() {
    let leaf = never_ending();
    let started = tokio::time::Instant::now();
    leaf.sql().execute_with_timeout("SELECT 1", Duration::from_secs(2)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(leaf.calls()[0].body["wait_timeout"], "0s");
}

#[tokio::test(start_paused = true)]
async fn submission_without_an_answer_does_not_outlast_its_timeout() {
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => state("RUNNING").after(Duration::from_secs(25)),
        _ => Reply::bytes("{}"),
    });
    let started = tokio::time::Instant::now();
    let error = leaf.sql().execute_with_timeout("SELECT 1", Duration::from_secs(10)).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(leaf.count(CANCEL), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_wait_cancels() {
    let leaf = never_ending();
    let sql = leaf.sql();
    let wait = sql.execute("SELECT 1");
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(leaf.count(CANCEL), 1);
}

#[tokio::test(start_paused = true)]
async fn call_dropped_before_its_answer_cancels_once_the_id_is_known() {
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => state("RUNNING").after(Duration::from_secs(20)),
        _ => Reply::bytes("{}"),
    });
    let sql = leaf.sql();
    let wait = sql.execute("SELECT 1");
    tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap_err();
    assert_eq!(leaf.lines(), [SUBMIT]);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(leaf.lines(), [SUBMIT, CANCEL]);
}

#[tokio::test(start_paused = true)]
async fn stream_dropped_before_its_end_cancels_and_stops_downloading() {
    let leaf = external(&[10; 50], |_, _| Some(Reply::status(500).after(Duration::from_secs(3600))));
    let open = leaf.sql().statement("SELECT n FROM t").batches();
    tokio::time::timeout(Duration::from_secs(5), open).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(leaf.count(CANCEL), 1);
    let calls = leaf.lines().len();
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(leaf.lines().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn stream_dropped_between_rows_cancels() {
    let leaf = external(&[10, 10], |_, _| None);
    let mut rows = leaf.sql().statement("SELECT n FROM t").rows::<i64>().await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap(), 0);
    drop(rows);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(leaf.count(CANCEL), 1);
}

#[tokio::test(start_paused = true)]
async fn finished_stream_cancels_nothing() {
    let leaf = external(&[10, 10], |_, _| None);
    assert_eq!(leaf.sql().statement("SELECT n FROM t").fetch_all::<i64>().await.unwrap().len(), 20);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(leaf.count(CANCEL), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_handle_leaves_its_statement_alone() {
    let leaf = never_ending();
    let handle = leaf.sql().statement("SELECT 1").submit().await.unwrap();
    handle.poll().await.unwrap();
    drop(handle);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(leaf.count(CANCEL), 0);
}
