//! Statements from submission to their end.

use std::time::Duration;

use databricks_sql::{SqlError, StatementState};
use databricks_transport::ErrorKind;
use serde_json::{Value, json};

use crate::leaf::{GET, Leaf, Reply, SUBMIT, chunk_line, result, state};

fn inserted() -> Value {
    let column = |name: &str| json!({"name": name, "type_name": "LONG", "type_text": "BIGINT"});
    json!({
        "statement_id": "s1", "status": {"state": "SUCCEEDED"},
        "manifest": {
            "schema": {"columns": [column("num_affected_rows"), column("num_inserted_rows")]},
            "total_row_count": 1,
        },
        "result": {"chunk_index": 0, "row_count": 1, "data_array": [["3", "3"]]},
    })
}

#[tokio::test(start_paused = true)]
async fn fast_statement_is_one_round_trip() {
    let leaf = Leaf::new(|_, _| Reply::json(&inserted()));
    let answer = leaf.sql().statement("INSERT INTO t VALUES (:a)").param("a", 1_i32).send().await.unwrap();
    assert_eq!(
        (answer.affected_rows(), answer.inserted_rows(), answer.deleted_rows()),
        (Some(3), Some(3), None)
    );
    assert_eq!(leaf.lines(), [SUBMIT]);
    insta::assert_json_snapshot!(leaf.calls()[0].body);
}

#[tokio::test(start_paused = true)]
async fn slow_statement_of_a_client_in_a_hurry_is_still_waited_for() {
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => {
            let held = call.body["wait_timeout"].as_str().unwrap().trim_end_matches('s');
            state("RUNNING").after(Duration::from_secs(held.parse().unwrap()))
        }
        _ => Reply::json(&inserted()),
    });
    for total in [8, 20, 40] {
        let sql = leaf.sql_with(|config| config.with_total_timeout(Duration::from_secs(total)));
        assert_eq!(sql.execute("INSERT INTO t VALUES (1)").await.unwrap().affected_rows(), Some(3));
    }
    let calls = leaf.calls().into_iter().filter(|call| call.is(SUBMIT));
    assert_eq!(calls.map(|call| call.body["wait_timeout"].clone()).collect::<Vec<_>>(), ["0s", "10s", "20s"]);
}

#[tokio::test(start_paused = true)]
async fn slow_statement_is_polled_with_growing_pauses_until_it_ends() {
    let leaf = Leaf::new(|call, before| match (call.line.as_str(), before) {
        (SUBMIT, _) => state("PENDING"),
        (_, 0..6) => state("RUNNING"),
        _ => Reply::json(&inserted()),
    });
    let started = tokio::time::Instant::now();
    let answer = leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(answer.affected_rows(), Some(3));
    assert_eq!(leaf.count(GET), 7);
    // 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 5 + 5
    assert!(started.elapsed() >= Duration::from_millis(16_200), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn statement_that_queues_for_hours_is_waited_for() {
    let hours = Duration::from_secs(3 * 3600);
    let submitted = tokio::time::Instant::now();
    let leaf = Leaf::new(move |_, _| match submitted.elapsed() < hours {
        true => state("PENDING"),
        false => Reply::json(&inserted()),
    });
    assert_eq!(leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap().affected_rows(), Some(3));
    assert!(submitted.elapsed() >= hours);
    assert!((2_000..2_300).contains(&leaf.count(GET)), "{}", leaf.count(GET));
}

#[tokio::test(start_paused = true)]
async fn failing_polls_do_not_end_the_wait() {
    let leaf = Leaf::new(|call, before| match (call.line.as_str(), before) {
        (SUBMIT, _) => state("RUNNING"),
        (_, 0..7) => Reply::status(503),
        _ => Reply::json(&inserted()),
    });
    assert_eq!(leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap().affected_rows(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_api_does_not_end_a_healthy_statement() {
    let started = tokio::time::Instant::now();
    let leaf = Leaf::new(move |call, _| match call.line.as_str() {
        SUBMIT => state("RUNNING"),
        // Two outages, which are not counted together.
        _ => match started.elapsed().as_secs() {
            0..240 | 300..540 => Reply::status(503),
            240..300 => state("RUNNING"),
            _ => Reply::json(&inserted()),
        },
    });
    assert_eq!(leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap().affected_rows(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn outage_without_end_leaves_the_statement_unsettled_under_its_id() {
    let leaf = Leaf::new(|call, _| if call.is(SUBMIT) { state("RUNNING") } else { Reply::status(503) });
    let started = tokio::time::Instant::now();
    let error = leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap_err();
    // Whether the last poll was sent or the host was left alone at that moment, the server's answer is told.
    let SqlError::Unsettled { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source.kind(), ErrorKind::Unavailable | ErrorKind::CircuitOpen), "{source}");
    assert!(source.to_string().contains("503 Service Unavailable"), "{source}");
    assert_eq!(error.statement_id().unwrap().as_str(), "s1");
    assert!(error.is_ambiguous() && !error.is_retryable());
    assert!((300..360).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn refused_poll_is_asked_a_few_times_more() {
    for status in [401, 403, 404] {
        let passing = Leaf::new(move |call, before| match (call.line.as_str(), before) {
            (SUBMIT, _) => state("RUNNING"),
            (_, 0..2) => Reply::status(status),
            _ => Reply::json(&inserted()),
        });
        passing.sql().execute("INSERT INTO t VALUES (1)").await.unwrap();
        let lasting =
            Leaf::new(move |call, _| if call.is(SUBMIT) { state("RUNNING") } else { Reply::status(status) });
        let error = lasting.sql().execute("INSERT INTO t VALUES (1)").await.unwrap_err();
        assert!(matches!(&error, SqlError::Unsettled { .. }) && error.is_ambiguous(), "{error:?}");
        assert!((2..=8).contains(&lasting.count(GET)), "{}", lasting.count(GET));
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_answer_to_a_submission_is_ambiguous() {
    for body in ["<html>proxy</html>", "{}", r#"{"statement_id":"s1"}"#] {
        let leaf = Leaf::new(move |_, _| Reply::bytes(body));
        let error = leaf.sql().execute("INSERT INTO t VALUES (1)").await.unwrap_err();
        assert!(error.is_ambiguous() && !error.is_retryable(), "{error:?}");
        assert_eq!(leaf.count(SUBMIT), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_statement_is_an_error_with_its_class() {
    let leaf = Leaf::new(|_, _| {
        Reply::json(&json!({"statement_id": "s1", "status": {"state": "FAILED", "error": {
            "error_code": "BAD_REQUEST",
            "message": "[DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES] Files were added. SQLSTATE: 2D521",
        }}}))
    });
    let error = leaf.sql().execute("UPDATE t SET a = 1").await.unwrap_err();
    assert_eq!(error.error_class(), Some("DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES"));
    assert_eq!(error.sql_state(), Some("2D521"));
    assert!(error.is_retryable() && !error.is_ambiguous());
    assert_eq!(leaf.lines(), [SUBMIT]);
}

#[tokio::test(start_paused = true)]
async fn statement_is_sent_again_only_when_the_caller_vouches_for_it() {
    let leaf =
        || Leaf::new(|_, before| if before == 0 { Reply::status(503) } else { Reply::json(&inserted()) });
    let once = leaf();
    let error = once.sql().execute("INSERT INTO t VALUES (1)").await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(once.count(SUBMIT), 1);
    let twice = leaf();
    twice.sql().statement("INSERT OVERWRITE t VALUES (1)").idempotent().execute().await.unwrap();
    assert_eq!(twice.count(SUBMIT), 2);
}

#[tokio::test(start_paused = true)]
async fn refused_call_keeps_its_kind() {
    let leaf = Leaf::new(|_, _| Reply::status(404));
    let error = leaf.sql().execute("SELECT 1").await.unwrap_err();
    let SqlError::Transport(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn inline_result_of_several_chunks_is_read_to_its_end() {
    let leaf = Leaf::new(|call, _| {
        let page = |index: u64, rows: Value, next: Value| json!({"chunk_index": index, "data_array": rows, "next_chunk_index": next});
        Reply::json(&match call.line.as_str() {
            SUBMIT => result(&[2, 0, 1], &page(0, json!([["0"], ["1"]]), json!(1))),
            line if line == chunk_line(1) => page(1, json!([]), json!(2)),
            _ => page(2, json!([["2"]]), Value::Null),
        })
    });
    let answer = leaf.sql().execute("SELECT n FROM t").await.unwrap();
    assert_eq!(answer.rows::<i64>().unwrap(), [0, 1, 2]);
    assert_eq!(leaf.lines(), [SUBMIT.to_owned(), chunk_line(1), chunk_line(2)]);
}

#[tokio::test(start_paused = true)]
async fn chunks_that_name_each_other_are_an_error() {
    let leaf = Leaf::new(|call, _| {
        let page = json!({"chunk_index": 1, "data_array": [["1"]], "next_chunk_index": 1});
        Reply::json(&if call.is(SUBMIT) { result(&[1, 1], &page) } else { page })
    });
    assert!(matches!(leaf.sql().execute("SELECT n FROM t").await, Err(SqlError::Decode { .. })));
}

#[tokio::test(start_paused = true)]
async fn cut_result_is_an_error_unless_a_limit_was_set() {
    let leaf = Leaf::new(|_, _| {
        let mut answer = result(&[1], &json!({"data_array": [["0"]]}));
        answer["manifest"]["truncated"] = json!(true);
        Reply::json(&answer)
    });
    let error = leaf.sql().execute("SELECT n FROM t").await.unwrap_err();
    assert!(matches!(error, SqlError::Truncated { rows: 1, .. }), "{error}");
    let limited = leaf.sql().statement("SELECT n FROM t").row_limit(1).fetch_all::<i64>().await.unwrap();
    assert_eq!(limited, [0]);
    // The server cut below the caller's limit, for a reason of its own.
    let short = leaf.sql().statement("SELECT n FROM t").row_limit(2).execute().await.unwrap_err();
    assert!(matches!(short, SqlError::Truncated { rows: 1, .. }), "{short}");
    assert_eq!(leaf.calls()[1].body["row_limit"], 1);
}

#[tokio::test(start_paused = true)]
async fn short_result_is_an_error() {
    let leaf = Leaf::new(|_, _| Reply::json(&result(&[3], &json!({"data_array": [["0"], ["1"]]}))));
    let error = leaf.sql().execute("SELECT n FROM t").await.unwrap_err();
    assert!(matches!(error, SqlError::RowCountMismatch { expected: 3, actual: 2 }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn submitted_statement_is_found_again_by_its_id() {
    let leaf = Leaf::new(|call, before| match (call.line.as_str(), before) {
        (SUBMIT, _) => state("PENDING"),
        (_, 0) => state("RUNNING"),
        _ => Reply::json(&inserted()),
    });
    let sql = leaf.sql();
    let id = sql.statement("INSERT INTO t VALUES (1)").submit().await.unwrap().id().clone();
    assert_eq!(leaf.calls()[0].body["wait_timeout"], "0s");
    let handle = sql.attach(&id);
    assert_eq!(handle.poll().await.unwrap(), StatementState::Running);
    assert_eq!(handle.wait().await.unwrap().affected_rows(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn statement_that_breaks_a_limit_is_not_sent() {
    let leaf = Leaf::new(|_, _| Reply::json(&inserted()));
    let statement = (0..257).fold(leaf.sql().statement("SELECT 1"), |s, n| s.param(format!("p{n}"), n));
    assert!(matches!(statement.execute().await, Err(SqlError::InvalidStatement { .. })));
    assert!(leaf.lines().is_empty());
}

#[test]
fn call_outside_a_runtime_is_an_error() {
    let leaf = Leaf::new(|_, _| Reply::json(&inserted()));
    let outcome = futures::executor::block_on(leaf.sql().execute("SELECT 1"));
    assert!(outcome.unwrap_err().to_string().contains("tokio runtime"));
}

#[tokio::test(start_paused = true)]
async fn schema_management_runs_through_the_client() {
    use databricks_schema::{DataType, StatementParameter, StatementRunner};
    let leaf = Leaf::new(|_, _| Reply::json(&inserted()));
    let parameters = [StatementParameter::new("a", DataType::Int, None)];
    let rows = leaf.sql().run("INSERT INTO t VALUES (:a)", &parameters).await.unwrap();
    assert_eq!(rows.get(0, "num_affected_rows"), Some("3"));
    assert_eq!(rows.columns[0].data_type, DataType::BigInt);
    assert_eq!(leaf.calls()[0].body["parameters"], json!([{"name": "a", "type": "INT"}]));
}
