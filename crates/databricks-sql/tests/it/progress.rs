//! Progress from the submission to the last row.

use std::time::Duration;

use databricks_sql::{Progress, StatementState};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::leaf::{Leaf, Reply, SUBMIT, external, link_page, numbers, result, state};

const CHUNKS: &[u64] = &[10, 0, 5];

#[tokio::test(start_paused = true)]
async fn progress_follows_the_statement_and_ends_with_its_stream() {
    let leaf = Leaf::new(|call, before| match (call.line.as_str(), before) {
        (SUBMIT, _) => state("PENDING"),
        ("GET /api/2.0/sql/statements/s1", 0) => state("RUNNING"),
        ("GET /api/2.0/sql/statements/s1", _) => Reply::json(&result(CHUNKS, &link_page(CHUNKS, 0))),
        (line, _) if line.starts_with("GET /file/") => Reply::bytes(numbers(CHUNKS, call.chunk())),
        _ => Reply::json(&link_page(CHUNKS, call.chunk())),
    });
    let mut statement = leaf.sql().statement("SELECT n FROM t");
    let progress = statement.progress();
    let also = statement.progress();
    let seen = tokio::spawn(progress.collect::<Vec<Progress>>());
    let rows: Vec<i64> = statement.fetch_all().await.unwrap();
    assert_eq!(rows.len(), 15);
    let seen = seen.await.unwrap();
    let mut states: Vec<_> = seen.iter().map(|progress| progress.state.clone()).collect();
    states.dedup();
    assert_eq!(states, [StatementState::Pending, StatementState::Running, StatementState::Succeeded]);
    assert!(seen.windows(2).all(|pair| pair[0].rows <= pair[1].rows));
    let last = seen.last().unwrap();
    assert_eq!(&also.latest(), last);
    assert_eq!((last.rows, last.total_rows, last.fraction()), (15, Some(15), Some(1.0)));
    assert_eq!((last.batches, last.chunks, last.total_chunks), (2, 2, Some(3)));
    let bytes = (numbers(CHUNKS, 0).len() + numbers(CHUNKS, 2).len()) as u64;
    assert_eq!(last.bytes_compressed, bytes);
    assert!(last.bytes_decoded >= 15 * 8, "{}", last.bytes_decoded);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_a_broken_download_do_not_count() {
    let leaf = external(&[100], |_, before| (before == 0).then(|| Reply::bytes("<html>")));
    let mut statement = leaf.sql().statement("SELECT n FROM t");
    let progress = statement.progress();
    statement.fetch_all::<i64>().await.unwrap();
    assert_eq!(progress.latest().bytes_compressed, numbers(&[100], 0).len() as u64);
}

#[tokio::test(start_paused = true)]
async fn inline_rows_count_too() {
    let leaf = Leaf::new(|_, _| Reply::json(&result(&[2], &json!({"data_array": [["10"], ["7"]]}))));
    let mut statement = leaf.sql().statement("SELECT n FROM t").inline();
    let progress = statement.progress();
    statement.execute().await.unwrap();
    let last = progress.latest();
    assert_eq!((last.rows, last.chunks, last.bytes_compressed), (2, 1, 3));
    assert!(last.bytes_decoded >= 16);
}

#[tokio::test(start_paused = true)]
async fn handle_of_a_submitted_statement_can_be_watched() {
    let leaf = Leaf::new(|_, before| match before {
        0 => state("RUNNING"),
        _ => Reply::json(&result(&[2], &json!({"data_array": [["10"], ["7"]]}))),
    });
    let mut handle = leaf.sql().attach("s1");
    let progress = handle.progress();
    let seen = tokio::spawn(progress.collect::<Vec<Progress>>());
    handle.wait().await.unwrap();
    drop(handle);
    let seen = seen.await.unwrap();
    assert!(seen.iter().any(|progress| progress.state == StatementState::Running));
    assert_eq!(seen.last().unwrap().rows, 2);
}

#[tokio::test(start_paused = true)]
async fn result_that_was_read_ends_its_progress_although_its_stream_is_held() {
    let leaf = external(&[10, 10], |_, _| None);
    let mut statement = leaf.sql().statement("SELECT n FROM t");
    let progress = statement.progress();
    let mut rows = statement.rows::<i64>().await.unwrap();
    while rows.try_next().await.unwrap().is_some() {}
    let seen = tokio::time::timeout(Duration::from_secs(60), progress.collect::<Vec<Progress>>()).await;
    assert_eq!(seen.expect("an end").last().unwrap().rows, 20);
    drop(rows);
}

#[tokio::test(start_paused = true)]
async fn given_up_stream_ends_its_progress() {
    let leaf = external(&[10, 10], |_, _| None);
    let mut statement = leaf.sql().statement("SELECT n FROM t");
    let progress = statement.progress();
    let mut batches = statement.batches().await.unwrap();
    batches.try_next().await.unwrap().unwrap();
    drop(batches);
    let seen: Vec<Progress> = progress.collect().await;
    assert!(seen.last().unwrap().rows < 20);
}
