//! What nobody waits for any more is cancelled on the server.

use std::time::Duration;

use databricks_sql::{BatchStream, SqlError};
use futures::{FutureExt, StreamExt};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::leaf::{CANCEL, GET, Leaf, Reply, SUBMIT, external, numbers, state};

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
async fn statement_that_was_not_sent_in_time_is_not_sent_later() {
    let leaf = || {
        Leaf::new(|call, before| match (call.line.as_str(), before) {
            (SUBMIT, 0) => Reply::status(429).retry_after(60),
            (SUBMIT, _) => state("RUNNING"),
            _ => Reply::bytes("{}"),
        })
    };
    let (bounded, dropped) = (leaf(), leaf());
    let started = tokio::time::Instant::now();
    let limit = Duration::from_secs(10);
    let error = bounded.sql().execute_with_timeout("INSERT INTO t VALUES (1)", limit).await.unwrap_err();
    assert!(!error.is_ambiguous() && error.to_string().contains("called off"), "{error}");
    assert_eq!(started.elapsed(), limit);
    let sql = dropped.sql();
    tokio::time::timeout(limit, sql.execute("INSERT INTO t VALUES (1)")).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((bounded.lines(), dropped.lines(), tasks()), (vec![SUBMIT.into()], vec![SUBMIT.into()], 0));
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
async fn cancel_that_is_late_is_not_given_up_when_the_caller_is_told() {
    let leaf = Leaf::new(|call, before| match call.line.as_str() {
        CANCEL if before == 0 => Reply::bytes("{}").after(Duration::from_secs(3600)),
        CANCEL => Reply::bytes("{}"),
        _ => state("RUNNING"),
    });
    let (sql, started) = (leaf.sql(), tokio::time::Instant::now());
    let error = sql.execute_with_timeout("SELECT 1", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, SqlError::StatementTimeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(75), "{:?}", started.elapsed());
    assert_eq!(leaf.count(CANCEL), 1);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((leaf.count(CANCEL), tasks()), (2, 0));
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
async fn submission_dropped_before_it_gives_its_handle_cancels_once_the_id_is_known() {
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => state("RUNNING").after(Duration::from_secs(20)),
        _ => Reply::bytes("{}"),
    });
    let submit = leaf.sql().statement("SELECT 1").submit();
    tokio::time::timeout(Duration::from_secs(5), submit).await.unwrap_err();
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

/// Enough chunks that some are on their way, some wait for the reader, and most are not begun.
const MANY: &[u64] = &[10_000; 100];

/// How many bytes more streams hold, as the gauge tells, than when it was last looked at: that sets it to nothing.
fn more_held(bytes: &Snapshotter) -> f64 {
    let all = bytes.snapshot().into_vec().into_iter();
    let gauge = all.filter(|(key, ..)| key.key().name() == "databricks_sql_prefetched_bytes");
    gauge.map(|(.., value)| if let DebugValue::Gauge(bytes) = value { bytes.into_inner() } else { 0.0 }).sum()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn stream_dropped_after_a_chunk_leaves_no_task_no_bytes_and_no_statement() {
    let recorder = DebuggingRecorder::new();
    let bytes = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let leaf = external(MANY, |call, _| {
        Some(Reply::bytes(numbers(MANY, call.chunk())).after(Duration::from_millis(50 * call.chunk())))
    });
    let sql = leaf.sql();
    let tasks_before = tasks();
    let mut batches = sql.statement("SELECT n FROM t").batches().await.unwrap();
    assert_eq!(batches.next().await.unwrap().unwrap().num_rows(), 10_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(tasks() > tasks_before + 5, "{}", tasks());
    let held = more_held(&bytes);
    assert!(held > 80_000.0, "{held}");
    assert!(leaf.downloads().len() < MANY.len(), "all were begun");
    drop(batches);
    while leaf.count(CANCEL) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((tasks(), more_held(&bytes)), (tasks_before, -held));
    let calls = leaf.lines().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((leaf.lines().len(), leaf.count(CANCEL)), (calls, 1));
}

#[tokio::test(start_paused = true)]
async fn stream_that_failed_holds_nothing_although_it_is_held() {
    let recorder = DebuggingRecorder::new();
    let bytes = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let leaf = external(MANY, |call, _| {
        let late = Reply::bytes(numbers(MANY, call.chunk())).after(Duration::from_secs(20));
        match call.chunk() {
            1 => Some(Reply::bytes("<html>")),
            0..40 => None,
            _ => Some(late),
        }
    });
    let mut batches = leaf.sql().statement("SELECT n FROM t").batches().await.unwrap();
    batches.next().await.unwrap().unwrap();
    assert!(matches!(batches.next().await, Some(Err(SqlError::Decode { .. }))));
    let calls = leaf.lines().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((tasks(), more_held(&bytes), leaf.lines().len()), (0, 0.0, calls));
    assert!(batches.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn call_dropped_at_any_moment_leaves_one_cancel_and_no_task() {
    // The answer to the submission comes after 3 s, polls follow, the result after 8 s, its first file after 10 s.
    let slow = || {
        let done = external(MANY, |_, _| None);
        Leaf::new(move |call, before| match call.line.as_str() {
            SUBMIT => state("PENDING").after(Duration::from_secs(3)),
            GET if before == 0 => state("RUNNING").after(Duration::from_secs(2)),
            GET => done.reply(&SUBMIT.into(), 0).after(Duration::from_secs(2)),
            CANCEL => Reply::bytes("{}").after(Duration::from_millis(100)),
            line if line.starts_with("GET /file/") => done.reply(call, before).after(Duration::from_secs(3)),
            _ => done.reply(call, before),
        })
    };
    for millis in [0, 1_000, 2_999, 4_000, 6_500, 9_000] {
        let leaf = slow();
        let sql = leaf.sql();
        let tasks_before = tasks();
        let open = sql.statement("SELECT n FROM t").batches();
        tokio::time::timeout(Duration::from_millis(millis), open).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(10)).await;
        // Of what was not sent nothing is to be cancelled.
        let sent = usize::from(millis > 0);
        assert_eq!((leaf.count(SUBMIT), leaf.count(CANCEL)), (sent, sent), "dropped after {millis} ms");
        assert_eq!(tasks(), tasks_before, "dropped after {millis} ms");
        let calls = leaf.lines().len();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(leaf.lines().len(), calls, "dropped after {millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_polled_was_never_sent() {
    let leaf = never_ending();
    let sql = leaf.sql();
    drop(sql.execute("SELECT 1"));
    drop(sql.statement("SELECT 1").batches());
    drop(sql.execute_stream::<(i32,)>("SELECT 1"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((leaf.lines().len(), tasks()), (0, 0));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A stream on a runtime of its own that has given its first chunk.
fn begun(leaf: &Leaf) -> (Runtime, BatchStream) {
    let first = runtime();
    let batches = first.block_on(async {
        let mut batches = leaf.sql().statement("SELECT n FROM t").batches().await.unwrap();
        batches.next().await.unwrap().unwrap();
        batches
    });
    (first, batches)
}

#[test]
fn stream_that_outlives_its_runtime_fails_and_is_dropped_in_peace() {
    let leaf = external(MANY, |call, _| {
        (call.chunk() > 3).then(|| Reply::status(500).after(Duration::from_secs(60)))
    });
    let (first, mut batches) = begun(&leaf);
    drop(first);
    let error = runtime().block_on(async {
        loop {
            if let Err(error) = batches.next().await.expect("an error before the end") {
                return error;
            }
        }
    });
    assert!(error.to_string().contains("runtime shut down") || error.is_ambiguous(), "{error:?}");
    drop(batches);
    assert_eq!(leaf.count(CANCEL), 0);
}

#[test]
fn result_of_unknown_length_does_not_end_with_its_runtime() {
    let done = external(MANY, |_, _| None);
    let leaf = Leaf::new(move |call, before| {
        let reply = done.reply(call, before);
        if !call.is(SUBMIT) {
            return reply;
        }
        let mut answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        answer["manifest"]["total_row_count"].take();
        Reply::json(&answer)
    });
    let (first, mut batches) = begun(&leaf);
    drop(first);
    let last = runtime().block_on(async {
        let mut last = None;
        while let Some(batch) = batches.next().await {
            last = Some(batch.map(|batch| batch.num_rows()));
        }
        last
    });
    assert!(last.expect("an error").is_err(), "the stream ended as if it were whole");
}

#[test]
fn stream_dropped_as_its_runtime_ends_neither_hangs_nor_panics() {
    let leaf = external(MANY, |_, _| None);
    let (first, batches) = begun(&leaf);
    first.block_on(async { drop(batches) });
    drop(first);
    assert!(leaf.count(CANCEL) <= 1);
}

#[tokio::test(start_paused = true)]
async fn stream_dropped_while_nothing_is_ready_cancels() {
    let leaf = external(&[10, 10], |call, _| {
        (call.chunk() == 1).then(|| Reply::status(500).after(Duration::from_secs(3600)))
    });
    let mut batches = leaf.sql().statement("SELECT n FROM t").batches().await.unwrap();
    batches.next().await.unwrap().unwrap();
    assert!(batches.next().now_or_never().is_none());
    drop(batches);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((leaf.count(CANCEL), tasks()), (1, 0));
}
