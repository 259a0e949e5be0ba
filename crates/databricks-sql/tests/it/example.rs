//! The example program `sql`, run against a simulated workspace that listens on loopback ports.

#[path = "../../examples/sql/app/mod.rs"]
pub(crate) mod app;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arrow::ipc::reader::StreamReader;
use databricks_testkit::{Column, Fault, FaultRule, Origin, ScriptedEngine, Server, SimulatedWorkspace};
use databricks_transport::{Client, DatabricksConfig, RetryConfig};
use serde_json::{Value, json};

const WAREHOUSE: &str = "1234567890abcdef";

/// What a run of the program left behind.
struct Ran {
    code: u8,
    out: Vec<u8>,
    err: String,
}

impl Ran {
    fn out(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    fn rows(&self) -> Vec<Value> {
        self.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last line of the error output.
    fn report(&self) -> Value {
        serde_json::from_str(self.err.lines().last().unwrap()).unwrap()
    }
}

struct World {
    workspace: SimulatedWorkspace,
    server: Server,
}

impl World {
    async fn new(engine: ScriptedEngine) -> Self {
        let builder = SimulatedWorkspace::builder().token("dapi-test").warehouse(WAREHOUSE);
        let workspace = builder.engine(Arc::new(engine)).build();
        let server = workspace.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        Self { workspace, server }
    }

    async fn run(&self, args: &[&str]) -> Ran {
        let retry = RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO);
        let config = || {
            let config = DatabricksConfig::new(&self.server.url())?.with_token("dapi-test");
            Ok(Client::builder(config.with_warehouse(WAREHOUSE).with_retry(retry)))
        };
        let args = ["sql"].iter().chain(args).map(OsString::from);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = app::run(args, config, false, &mut out, &mut err).await;
        Ran { code, out, err: String::from_utf8(err).unwrap() }
    }
}

fn days() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    let columns = [
        Column::new("station", "STRING"),
        Column::new("n", "BIGINT"),
        Column::new("price", "DECIMAL(38,2)"),
        Column::new("high", "DOUBLE"),
        Column::new("at", "TIMESTAMP"),
        Column::new("day", "DATE"),
        Column::new("n", "INT"),
    ];
    let first = [
        json!("S \"1\", é"),
        json!(9_007_199_254_740_993_i64),
        json!("123456789012345678901234567890123456.78"),
        json!(0.1),
        json!("2024-02-29T01:02:03.000004Z"),
        json!("2024-02-29"),
        json!(1),
    ];
    let chunks = [vec![first], vec![std::array::from_fn(|_| Value::Null)]];
    engine.on_containing("FROM days").times(20).chunks(columns, chunks);
    engine
}

#[tokio::test]
async fn rows_come_as_objects_and_a_report_at_the_end() {
    let world = World::new(days()).await;
    for args in [&["SELECT * FROM days"][..], &["SELECT * FROM days", "--inline", "--budget-mib", "1"]] {
        let ran = world.run(args).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        insta::allow_duplicates!(insta::assert_snapshot!(ran.out()));
        let report = ran.report();
        assert_eq!(
            (&report["rows"], &report["retries"], &report["error"]),
            (&json!(2), &json!(0), &Value::Null)
        );
        for field in ["batches", "bytes_compressed", "bytes_decoded", "requests"] {
            assert!(report[field].as_u64().unwrap() > 0, "{field} of {report}");
        }
        assert!(report["seconds"].as_f64().unwrap() > 0.0 && report["statement_id"].is_string(), "{report}");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[tokio::test]
async fn rows_come_in_every_format() {
    let world = World::new(days()).await;
    for format in ["csv", "table"] {
        let ran = world.run(&["SELECT * FROM days", "--format", format]).await;
        insta::assert_snapshot!(format, ran.out());
        assert_eq!(ran.code, 0);
    }
    let arrow = world.run(&["--format", "arrow", "SELECT * FROM days"]).await;
    let batches: Vec<_> =
        StreamReader::try_new(arrow.out.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
    let none = world.run(&["SELECT * FROM days", "--format=none"]).await;
    assert_eq!((none.out.len(), &none.report()["rows"]), (0, &json!(2)));
}

#[tokio::test]
async fn parameters_are_bound_with_their_types() {
    let engine = ScriptedEngine::new();
    let column = || [Column::new("x", "INT")];
    engine
        .on("SELECT :day, :gone")
        .with_parameter("day", "2026-01-01")
        .with_parameter("gone", None)
        .rows(column(), [[json!(1)]]);
    engine.on("SELECT ?").with_positional(1, "a:b=c").rows(column(), [[json!(2)]]);
    let world = World::new(engine.clone()).await;
    let named = world
        .run(&["SELECT :day, :gone", "--param", "day=DATE:2026-01-01", "--param=gone=DECIMAL(5,2)"])
        .await;
    assert_eq!(named.rows(), [json!({"x": 1})], "{}", named.err);
    let positional = world.run(&["SELECT ?", "--param", "?=STRING:a:b=c"]).await;
    assert_eq!(positional.rows(), [json!({"x": 2})], "{}", positional.err);
}

/// Every type that the API takes, with a value and as NULL: sent as it was written, whatever is in it.
#[tokio::test]
async fn parameters_of_every_type_travel_as_they_were_written() {
    let types = [
        ("BOOLEAN", "true"),
        ("TINYINT", "-128"),
        ("SMALLINT", "7"),
        ("INT", "7"),
        ("BIGINT", "9223372036854775807"),
        ("FLOAT", "-Infinity"),
        ("DOUBLE", "1e-300"),
        ("DECIMAL(38,2)", "123456789012345678901234567890123456.78"),
        ("STRING", "a:b=c 'd' \"e\" é :x ?\n--"),
        ("STRING", ""),
        ("DATE", "0001-01-01"),
        ("TIMESTAMP", "9999-12-31T23:59:59.999999+05:30"),
        ("TIMESTAMP_NTZ", "2024-02-29 01:02:03"),
        ("INTERVAL DAY TO SECOND", "1 02:03:04.5"),
        ("INTERVAL YEAR", "-3"),
    ];
    let engine = ScriptedEngine::new();
    engine.on_containing("SELECT :v, :n").times(99).rows([Column::new("x", "INT")], [[json!(1)]]);
    let world = World::new(engine.clone()).await;
    for (kind, value) in types {
        let (with_value, null) = (format!("v={kind}:{value}"), format!("--param=n={kind}"));
        let ran = world.run(&["SELECT :v, :n", "--param", &with_value, &null]).await;
        assert_eq!(ran.code, 0, "{kind}: {}", ran.err);
        let sent = engine.requests().pop().unwrap().parameters;
        let sent: Vec<_> = sent.iter().map(|p| (p.sql_type.as_deref(), p.value.as_deref())).collect();
        assert_eq!(sent, [(Some(kind), Some(value)), (Some(kind), None)]);
    }
}

#[tokio::test]
async fn values_from_both_ends_of_what_sql_holds_are_written_whole() {
    let engine = ScriptedEngine::new();
    let columns = [
        Column::new("bytes", "BINARY"),
        Column::new("first", "TIMESTAMP"),
        Column::new("last", "TIMESTAMP"),
        Column::new("local", "TIMESTAMP_NTZ"),
        Column::new("day", "DATE"),
        Column::new("least", "DECIMAL(38,38)"),
        Column::new("long", "BIGINT"),
        Column::new("span", "INTERVAL DAY TO SECOND"),
        Column::new("years", "INTERVAL YEAR TO MONTH"),
        Column::new("place", "GEOMETRY(4326)"),
        Column::new("any", "VARIANT"),
        Column::new("none", "VOID"),
    ];
    let row = [
        json!("AP8="),
        json!("0001-01-01T00:00:00.000001Z"),
        json!("9999-12-31T23:59:59.999999-00:00"),
        json!("1969-12-31T23:59:59.999999"),
        json!("0001-01-01"),
        json!("-0.00000000000000000000000000000000000001"),
        json!(i64::MIN),
        json!("-106751991 04:00:54.775808"),
        json!("-178956970-8"),
        json!("SRID=4326;POINT(1 2)"),
        json!("{\"a\":1}"),
        json!(null),
    ];
    engine.on("SELECT ends").times(9).rows(columns, [row]);
    let world = World::new(engine).await;
    let ran = world.run(&["SELECT ends", "--inline"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out());
}

/// A pipe that was closed: the rows are not there, so the run did not succeed, in any format that writes some.
#[tokio::test]
async fn closed_pipe_fails_the_run_in_every_format() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let world = World::new(days()).await;
    for (format, expected) in [("json", 1), ("csv", 1), ("table", 1), ("arrow", 1), ("none", 0)] {
        let client = || {
            let config = DatabricksConfig::new(&world.server.url())?.with_token("dapi-test");
            Ok(Client::builder(config.with_warehouse(WAREHOUSE)))
        };
        let args = ["sql", "SELECT * FROM days", "--format", format].map(OsString::from);
        let mut err = Vec::new();
        assert_eq!(app::run(args, client, false, &mut Closed, &mut err).await, expected, "{format}");
        let err = String::from_utf8(err).unwrap();
        let report: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert!(report["statement_id"].is_string(), "{format}: {err}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn arguments_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let client = || Ok(Client::builder(DatabricksConfig::new("https://workspace.invalid")?.with_token("t")));
    for args in [
        vec![OsString::from_vec(b"SELECT \xff".to_vec())],
        vec!["SELECT :a".into(), "--param".into(), OsString::from_vec(b"a=STRING:\xff".to_vec())],
    ] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = std::iter::once(OsString::from("sql")).chain(args);
        assert_eq!(app::run(args, client, false, &mut out, &mut err).await, 2);
        assert!(out.is_empty() && !err.is_empty());
    }
}

#[tokio::test]
async fn nested_values_intervals_and_what_json_has_no_number_for() {
    let engine = ScriptedEngine::new();
    let columns = [
        Column::new("l", "ARRAY<INT>"),
        Column::new("m", "MAP<STRING, DOUBLE>"),
        Column::new("s", "STRUCT<a: DECIMAL(5,2), b: ARRAY<STRING>>"),
        Column::new("f", "DOUBLE"),
        Column::new("i", "INTERVAL DAY TO SECOND"),
    ];
    let row = [
        json!([1, null, 3]),
        json!({"k": 1.5}),
        json!({"a": "1.50", "b": []}),
        json!("NaN"),
        json!("1 02:03:04.000005"),
    ];
    engine.on("SELECT nested").times(2).rows(columns, [row]);
    let world = World::new(engine).await;
    let ran = world.run(&["SELECT nested", "--inline"]).await;
    insta::assert_snapshot!(ran.out());
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[tokio::test]
async fn failed_statement_is_exit_code_one_and_told_in_words_and_in_the_report() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT 1/0").fail("DIVIDE_BY_ZERO", "22012", "Division by zero.");
    let world = World::new(engine).await;
    let ran = world.run(&["SELECT 1/0"]).await;
    assert_eq!((ran.code, ran.out.len()), (1, 0));
    assert!(ran.err.starts_with("error: statement "), "{}", ran.err);
    let report = ran.report();
    assert_eq!(
        (&report["error"]["error_class"], &report["error"]["sql_state"]),
        (&json!("DIVIDE_BY_ZERO"), &json!("22012"))
    );
    assert!(report["statement_id"].is_string(), "{report}");
}

#[tokio::test]
async fn bad_arguments_are_exit_code_two_with_the_usage() {
    let world = World::new(ScriptedEngine::new()).await;
    for args in [
        &[][..],
        &["SELECT 1", "--format", "xml"],
        &["SELECT 1", "--param", "day"],
        &["SELECT 1", "--param", "=INT:1"],
        &["SELECT 1", "--param", "day="],
        &["SELECT 1", "--budget-mib", "0"],
        &["SELECT 1", "--budget-mib", "many"],
        &["SELECT 1", "SELECT 2"],
        &[""],
        &["SELECT :a", "--param", "a=INT:1", "--param", "a=INT:2"],
    ] {
        let ran = world.run(args).await;
        assert_eq!((ran.code, ran.out.len()), (2, 0), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("Usage: sql"), "{args:?}: {}", ran.err);
    }
    assert!(world.workspace.requests().is_empty());
    let help = world.run(&["--help"]).await;
    assert_eq!(help.code, 0);
    assert!(help.out().contains("Exit codes"), "{}", help.out());
}

#[tokio::test]
async fn requests_that_are_tried_again_are_counted() {
    let world = World::new(days()).await;
    world.workspace.faults().add(
        FaultRule::on_origin(Origin::Storage, Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)).times(1),
    );
    let ran = world.run(&["SELECT * FROM days"]).await;
    assert_eq!((ran.code, &ran.report()["retries"]), (0, &json!(1)), "{}", ran.err);
}

#[tokio::test]
async fn reader_that_goes_away_fails_the_run_and_cancels_the_statement() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let world = World::new(days()).await;
    let config = || {
        let config = DatabricksConfig::new(&world.server.url())?.with_token("dapi-test");
        Ok(Client::builder(config.with_warehouse(WAREHOUSE)))
    };
    let args = ["sql", "SELECT * FROM days"].map(OsString::from);
    let mut err = Vec::new();
    let code = app::run(args, config, false, &mut Closed, &mut err).await;
    assert_eq!(code, 1);
    assert!(world.workspace.requests().iter().any(|request| format!("{request:?}").contains("/cancel")));
}

#[tokio::test]
async fn missing_warehouse_is_told_with_the_remedy() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let config = || Ok(Client::builder(DatabricksConfig::new("https://workspace.invalid")?.with_token("t")));
    let args = ["sql", "SELECT 1"].map(OsString::from);
    assert_eq!(app::run(args, config, false, &mut out, &mut err).await, 1);
    let err = String::from_utf8(err).unwrap();
    assert!(err.contains("DATABRICKS_WAREHOUSE_ID") && err.contains("\"requests\":0"), "{err}");
}
