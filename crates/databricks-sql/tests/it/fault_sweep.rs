//! Results of twenty chunks, read while each of their requests fails once in each way: exactly the right rows, or an
//! error of a type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use databricks_sql::{SqlClient, SqlError, Statement};
use databricks_testkit::{
    Cloud, Column, Fault, ScriptedEngine, SimulatedWorkspace, StallPoint, SweepCase, SweepReport, SweepRun,
    sweep,
};
use databricks_transport::{Body, Client, DatabricksConfig};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tower::{Service, ServiceExt};

const CHUNKS: i64 = 20;
const ROWS_OF_CHUNK: i64 = 3;
const QUERY: &str = "SELECT n, word FROM t";
/// Where bodies break off: past the head of every one, before the end of every one.
const MIDDLE: usize = 60;

fn row(n: i64) -> (i64, String) {
    (n, format!("word {n}"))
}

/// The same rows, however many chunks they come in.
fn engine(chunks: i64) -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    let columns = [Column::new("n", "BIGINT"), Column::new("word", "STRING")];
    let rows = CHUNKS * ROWS_OF_CHUNK / chunks;
    let chunk = |at: i64| -> Vec<[Value; 2]> {
        let rows = (at * rows..(at + 1) * rows).map(row);
        rows.map(|(n, word)| [json!(n), json!(word)]).collect()
    };
    engine.on(QUERY).chunks(columns, (0..chunks).map(chunk));
    engine
}

/// How a result is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Files,
    /// Few of them, for more kinds of faults.
    FewFiles,
    Text,
    /// The rows in the answer as an Arrow stream, which a client of drivers' disposition gets.
    Attachment,
}

/// Asks for either delivery, whatever the client asks for.
async fn ask_for_either(request: Request<Body>) -> Request<Body> {
    if request.method() != Method::POST {
        return request;
    }
    let (head, body) = request.into_parts();
    let mut asked: Value = serde_json::from_slice(&body.collect(1 << 20).await.unwrap()).unwrap();
    asked["disposition"] = json!("INLINE_OR_EXTERNAL_LINKS");
    let mut request = Request::from_parts(head, Body::from_bytes(asked.to_string()));
    request.headers_mut().remove("content-length");
    request
}

impl Form {
    fn chunks(self) -> i64 {
        match self {
            Self::Files | Self::Text => CHUNKS,
            Self::FewFiles => 3,
            Self::Attachment => 1,
        }
    }
}

fn client(run: &SweepRun, form: Form) -> SqlClient {
    let workspace = SimulatedWorkspace::builder()
        .engine(Arc::new(engine(form.chunks())))
        .faults(run.faults())
        .seed(run.seed())
        .build();
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST)
        .unwrap()
        .with_token(SimulatedWorkspace::DEFAULT_TOKEN);
    let builder = Client::builder(config);
    let builder = match form {
        Form::Attachment => {
            let service = workspace.service();
            builder.leaf(tower::service_fn(move |request| {
                let mut service = service.clone();
                async move { service.ready().await?.call(ask_for_either(request).await).await }
            }))
        }
        _ => builder.leaf(workspace.service()),
    };
    SqlClient::new(&builder.build().unwrap(), SimulatedWorkspace::DEFAULT_WAREHOUSE)
}

fn statement(sql: &SqlClient, form: Form) -> Statement {
    let statement = sql.statement(QUERY);
    if form == Form::Text { statement.inline() } else { statement.external() }
}

/// The error, and in two or three words what came of the reading.
async fn read(run: SweepRun, form: Form) -> (Result<(), SqlError>, String) {
    let sql = client(&run, form);
    match statement(&sql, form).fetch_all::<(i64, String)>().await {
        Ok(rows) if rows.iter().cloned().eq((0..CHUNKS * ROWS_OF_CHUNK).map(row)) => {
            (Ok(()), "all rows".to_owned())
        }
        Ok(rows) => (Ok(()), format!("WRONG: {} rows", rows.len())),
        Err(error) => {
            let kind = kind(&error);
            (Err(error), kind)
        }
    }
}

fn kind(error: &SqlError) -> String {
    match error {
        SqlError::Unsettled { source, .. } => format!("Unsettled, {:?}", source.kind()),
        SqlError::Transport(source) => format!("Transport, {:?}", source.kind()),
        other => {
            let name = format!("{other:?}");
            name.split([' ', '{', '(']).next().unwrap().to_owned()
        }
    }
}

/// What one request is about.
fn request_kind(case: &SweepCase<String>) -> &'static str {
    let path = case.record().map_or(case.path(), |record| record.path.as_str());
    match path {
        path if path.contains("/result/chunks/") => "chunk call",
        path if path.starts_with("/results/") => "download",
        _ => "submission",
    }
}

fn faults(form: Form) -> Vec<Fault> {
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(1));
    let mut faults = vec![
        limited,
        Fault::status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::truncated(MIDDLE as u64),
        Fault::cut_body(MIDDLE),
        Fault::stall(StallPoint::InBody(MIDDLE as u64)),
        Fault::miscounted_rows(1),
        Fault::miscounted_rows(-1),
        // Of downloads alone: a refused link, and files that are not what they should be, outside and inside.
        Fault::status(StatusCode::FORBIDDEN),
        Fault::expired_link(Cloud::Aws),
        Fault::overwritten(0..4),
        Fault::overwritten(0..4).inside_lz4(),
    ];
    if form == Form::FewFiles {
        faults.extend([
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::stall(StallPoint::BeforeAnswer),
            Fault::expired_link(Cloud::Azure),
            Fault::expired_link(Cloud::Gcp),
            Fault::overwritten(7..11),
            Fault::overwritten(8..40).inside_lz4(),
        ]);
    }
    faults
}

fn is_of_downloads(fault: &Fault) -> bool {
    let of_links = matches!(fault, Fault::ExpiredLink(_)) || *fault == Fault::status(StatusCode::FORBIDDEN);
    of_links || fault.to_string().starts_with("overwritten")
}

/// Runs every case, holds the law, and gives the table: what came of each fault at each kind of request.
async fn swept(form: Form, hits: fn(is_download: bool) -> bool) -> String {
    let report = sweep(move |run| read(run, form))
        .faults(faults(form))
        .filter(move |_, path, fault| {
            let is_download = path.starts_with("/results/");
            hits(is_download) && (is_download || !is_of_downloads(fault))
        })
        // Downloads run at once: a case says itself which request it hit.
        .allow_nondeterminism()
        .run()
        .await;
    report.orderly().unwrap();
    report
        .check("the right rows, or an error of a type", |case| {
            let state = case.state().map_or("nothing", String::as_str);
            let is_right =
                if case.outcome().is_ok() { state == "all rows" } else { !state.contains("WRONG") };
            if is_right { Ok(()) } else { Err(state.to_owned()) }
        })
        .unwrap();
    assert_covered(&report, form.chunks() as usize);
    let shown = table(&report, &faults(form));
    println!("{form:?}: {} cases\n{shown}", report.cases().len());
    shown
}

/// Every fault happened at (nearly) every request of its kind.
fn assert_covered(report: &SweepReport<String>, chunks: usize) {
    let mut hit: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for case in report.cases() {
        let Some(record) = case.record() else { continue };
        hit.entry((request_kind(case), case.fault().to_string())).or_default().insert(record.path.as_str());
    }
    for ((kind, fault), paths) in &hit {
        let all = match *kind {
            "submission" => 1,
            "chunk call" => chunks - 1,
            _ => chunks,
        };
        assert!(paths.len() + 2 >= all, "{fault} happened at {} of {all} requests: {kind}", paths.len());
    }
}

fn table(report: &SweepReport<String>, faults: &[Fault]) -> String {
    let mut outcomes: BTreeMap<(&str, usize), BTreeSet<&str>> = BTreeMap::new();
    for case in report.cases().iter().filter(|case| case.fired()) {
        let fault = faults.iter().position(|fault| fault == case.fault()).unwrap();
        let outcome = case.state().map_or("nothing", String::as_str);
        outcomes.entry((request_kind(case), fault)).or_default().insert(outcome);
    }
    let lines = outcomes.into_iter().map(|((kind, fault), outcomes)| {
        let outcomes: Vec<&str> = outcomes.into_iter().collect();
        format!("{kind:<10} | {:<32} | {}", faults[fault].to_string(), outcomes.join("; "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn files_behind_links_come_whole_whatever_their_downloads_do() {
    insta::assert_snapshot!(swept(Form::Files, |is_download| is_download).await);
}

#[tokio::test(start_paused = true)]
async fn files_behind_links_come_whole_or_fail_by_type_whatever_their_calls_do() {
    insta::assert_snapshot!(swept(Form::Files, |is_download| !is_download).await);
}

#[tokio::test(start_paused = true)]
async fn files_come_whole_or_fail_by_type_whatever_else_goes_wrong() {
    insta::assert_snapshot!(swept(Form::FewFiles, |_| true).await);
}

#[tokio::test(start_paused = true)]
async fn text_in_many_chunks_comes_whole_or_fails_by_type() {
    insta::assert_snapshot!(swept(Form::Text, |_| true).await);
}

#[tokio::test(start_paused = true)]
async fn attached_rows_come_whole_or_fail_by_type() {
    insta::assert_snapshot!(swept(Form::Attachment, |_| true).await);
}
