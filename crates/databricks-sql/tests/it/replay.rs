//! Recorded answers of a real workspace, replayed as cassettes and compared with what an independent reader decoded.
//!
//! Source of the files: the integration-test recordings of github.com/databricks/databricks-jdbc (Apache License 2.0).

use std::collections::BTreeSet;
use std::path::PathBuf;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::DataType;
use chrono::DateTime;
use databricks_sql::{Param, SqlClient, SqlError, Statement, StatementResult};
use databricks_testkit::{
    Cassette, CassetteBody, CassetteErrorKind, CassetteOptions, CassettePlayer, CassetteRequest, Interaction,
    Outcome,
};
use databricks_transport::{Body, Client, DatabricksConfig, Error};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

use crate::leaf::file;

const STATEMENTS: &str = "/api/2.0/sql/statements";
/// Fields of a statement that the recorded driver filled in its own way.
const OF_THE_DRIVER: [&str; 7] = [
    "format",
    "on_wait_timeout",
    "result_compression",
    "row_limit",
    "session_id",
    "wait_timeout",
    "warehouse_id",
];

/// Every recording whose files are all there, with the cells that its reader lists.
pub(crate) const RECORDINGS: [(&str, usize); 31] = [
    ("datatypesintegrationtests.testnullhandling.invocation1", 2),
    ("datatypesintegrationtests.testnullhandling.invocation2", 2),
    ("datatypesintegrationtests.testnullhandling.invocation3", 4),
    ("datatypesintegrationtests.testtimestamp", 14),
    ("datatypesintegrationtests.testvarianttypes", 8),
    ("errorhandlingintegrationtests.testaccessingclosedresultset", 5),
    ("errorhandlingintegrationtests.testcallingunsupportedsqlfeature", 0),
    ("errorhandlingintegrationtests.testquerysyntaxerror", 0),
    ("executionintegrationtests.testinsertstatement", 5),
    ("metadataintegrationtests.testcatalogandschemainformation", 315),
    ("preparedstatementintegrationtests.testgetmetadata_noresultset", 39),
    ("preparedstatementintegrationtests.testparameterbindinginpreparedstatement", 4),
    ("preparedstatementintegrationtests.testpreparedstatementcomplexqueryexecution", 5),
    ("preparedstatementintegrationtests.testpreparedstatementexecution", 5),
    ("preparedstatementintegrationtests.testpreparedstatementsetbytesvalidarray.invocation1", 4),
    ("preparedstatementintegrationtests.testpreparedstatementsetbytesvalidarray.invocation2", 4),
    ("preparedstatementintegrationtests.testsetobject.invocation1", 3),
    ("preparedstatementintegrationtests.testsetobject.invocation3", 3),
    ("preparedstatementintegrationtests.testsetobject.invocation7", 3),
    ("preparedstatementintegrationtests.testsetobject.invocation8", 3),
    ("resultsetintegrationtests.testhandlingnullvalues", 3),
    ("resultsetintegrationtests.testnavigationinsideresultset", 30),
    ("resultsetintegrationtests.testretrievalofcomplexdatatypes", 5),
    ("sqlexecapihybridresultsintegrationtests.testhybridsmallquery", 340),
    ("ucvolumeintegrationtests.testlistobjects_casesensitivity_specialcharacters.invocation2", 12),
    ("ucvolumeintegrationtests.testlistobjects_subfolders.invocation1", 48),
    ("ucvolumeintegrationtests.testlistobjects_subfolders.invocation2", 12),
    ("ucvolumeintegrationtests.testlistobjects_subfolders.invocation3", 12),
    ("ucvolumeintegrationtests.testlistobjects_volumereferencing.invocation2", 12),
    ("ucvolumeintegrationtests.testobjectexistsvolumereferencing.invocation2", 12),
    ("ucvolumeintegrationtests.testvolumeexists.invocation2", 10),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/recordings")
}

fn text(name: &str, extension: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.{extension}"))).unwrap()
}

/// The recording without the calls that only the recorded driver makes.
fn cassette(name: &str) -> Cassette {
    let mut cassette = Cassette::from_exchanges(&text(name, "jsonl")).unwrap();
    cassette.retain(|interaction| !is_of_the_driver(interaction));
    cassette
}

/// Its sessions, the closing of its statements, its look at how to log in.
fn is_of_the_driver(Interaction { request, .. }: &Interaction) -> bool {
    request.method == Method::DELETE
        || request.path.starts_with("/api/2.0/sql/sessions")
        || request.path.starts_with("/oidc/")
}

/// Statement text, parameters and disposition have to be as recorded.
fn options() -> CassetteOptions {
    OF_THE_DRIVER.into_iter().fold(CassetteOptions::new().with_match_on(as_we_ask), |options, field| {
        options.with_ignored_pointer_at(STATEMENTS, format!("/{field}"))
    })
}

fn as_we_ask(request: &mut CassetteRequest) {
    let CassetteBody::Json(Value::Object(statement)) = &mut request.body else { return };
    // Nothing stands for no parameters, and one recording asked for a mixture of both deliveries.
    statement
        .retain(|name, value| name != "parameters" || value.as_array().is_none_or(|all| !all.is_empty()));
    if let Some(disposition) = statement.get_mut("disposition").filter(|d| *d == "INLINE_OR_EXTERNAL_LINKS") {
        *disposition = "EXTERNAL_LINKS".into();
    }
}

pub(crate) fn player(name: &str) -> CassettePlayer {
    CassettePlayer::replaying(&cassette(name), options()).unwrap()
}

fn client<S>(leaf: S) -> SqlClient
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("dapi-test");
    SqlClient::new(&Client::builder(config).leaf(leaf).build().unwrap(), "w1")
}

/// What the reader has, in the order of the story: the file's own is the other way round.
pub(crate) fn expected(name: &str) -> Vec<Value> {
    let mut expected: Vec<Value> = serde_json::from_str(&text(name, "expected.json")).unwrap();
    expected.reverse();
    expected
}

fn statement(sql: &SqlClient, expectation: &Value) -> Statement {
    let mut statement = sql.statement(expectation["statement"].as_str().unwrap());
    for parameter in expectation["parameters"].as_array().unwrap() {
        let sql_type = parameter["type"].as_str().unwrap();
        let value = parameter["value"].as_str();
        statement = statement
            .positional(value.map_or_else(|| Param::null(sql_type), |value| Param::typed(sql_type, value)));
    }
    if expectation["disposition"] == "INLINE" { statement.inline() } else { statement.external() }
}

pub(crate) fn same_cell(ours: &Value, theirs: &Value, sql_type: &str) -> bool {
    let Some(text) = theirs.as_str() else { return ours.is_null() };
    let ours = match ours {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match sql_type {
        "TIMESTAMP" => {
            DateTime::parse_from_rfc3339(&ours).unwrap() == DateTime::parse_from_rfc3339(text).unwrap()
        }
        "DOUBLE" | "FLOAT" => ours.parse::<f64>() == text.parse::<f64>(),
        _ => ours.eq_ignore_ascii_case(text),
    }
}

/// Of all rows those that the reader lists: of a long result only the first and the last.
pub(crate) fn listed<'r, T>(rows: &'r [T], expectation: &Value) -> impl Iterator<Item = &'r T> {
    assert_eq!(json!(rows.len()), expectation["total_row_count"], "{}", expectation["statement"]);
    let listed = expectation["rows"].as_array().unwrap().len();
    let (first, last) = match expectation["rows_listed"].as_str().unwrap() {
        "all" => (listed, 0),
        "first and last 100" => (100, 100),
        other => panic!("{other}"),
    };
    assert_eq!(first + last, listed);
    rows[..first].iter().chain(&rows[rows.len() - last..])
}

/// Compares types and cells; the number of cells.
fn compare(result: &StatementResult, expectation: &Value) -> usize {
    let types: Vec<&str> = result.columns.iter().map(|column| column.sql_type()).collect();
    let columns = expectation["columns"].as_array().unwrap();
    assert_eq!(types, columns.iter().map(|column| column[1].as_str().unwrap()).collect::<Vec<_>>());
    let ours: Vec<Vec<Value>> = result.rows().unwrap();
    let theirs: Vec<Vec<Value>> = serde_json::from_value(expectation["rows"].clone()).unwrap();
    for (row, expected) in listed(&ours, expectation).zip(&theirs) {
        assert_eq!(row.len(), types.len());
        for ((cell, expected), sql_type) in row.iter().zip(expected).zip(&types) {
            assert!(same_cell(cell, expected, sql_type), "{cell} is not {expected} ({sql_type})");
        }
    }
    theirs.iter().map(Vec::len).sum()
}

/// Runs the story of a recording, all of which has to be asked for; the number of cells that were compared.
async fn replay(name: &str) -> usize {
    println!("{name}");
    let player = player(name);
    let sql = client(player.leaf());
    let mut compared = 0;
    for expectation in expected(name) {
        let outcome = statement(&sql, &expectation).execute().await;
        match expectation["state"].as_str().unwrap() {
            "FAILED" => assert!(matches!(outcome, Err(SqlError::StatementFailed(_))), "{outcome:?}"),
            "SUCCEEDED" => compared += compare(&outcome.unwrap(), &expectation),
            // The reader has the first answer alone; ours polls to the end.
            "PENDING" => assert_eq!(outcome.unwrap().rows::<Vec<Value>>().unwrap().len(), 0),
            other => panic!("{other}"),
        }
    }
    player.finish().unwrap();
    compared
}

#[tokio::test(start_paused = true)]
async fn recorded_results_decode_as_an_independent_reader_has_them() {
    for (name, cells) in RECORDINGS {
        assert_eq!(replay(name).await, cells, "{name}: cells that were compared");
    }
    let tested: BTreeSet<&str> = RECORDINGS.map(|(name, _)| name).into_iter().chain([TWO_CHUNKS]).collect();
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<String> =
        files.filter_map(|name| Some(name.to_str()?.strip_suffix(".jsonl")?.to_owned())).collect();
    assert!(files.iter().eq(&tested), "{files:?} are not {tested:?}");
}

#[tokio::test]
async fn recorded_syntax_error_is_parsed() {
    let player = player("errorhandlingintegrationtests.testquerysyntaxerror");
    let sql = "INSER INTO main.jdbc_test_schema.query_syntax_error_test_table (id, col1, col2) VALUES (1, 'value1', 'value2')";
    let error = client(player.leaf()).statement(sql).external().execute().await.unwrap_err();
    assert_eq!(error.error_class(), Some("PARSE_SYNTAX_ERROR"));
    assert_eq!(error.sql_state(), Some("42601"));
    let position = error.position().unwrap();
    assert_eq!((position.line, position.column), (1, 1));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn recorded_nested_columns_have_native_types() {
    let name = "preparedstatementintegrationtests.testgetmetadata_noresultset";
    let sql = "SELECT * FROM main.jdbc_test_schema.prepared_statement_all_data_types_test_table";
    let all = expected(name);
    let expectation = all.iter().find(|e| e["statement"].as_str().unwrap().starts_with(sql)).unwrap();
    let result = statement(&client(player(name).leaf()), expectation).execute().await.unwrap();
    let types: Vec<String> = result
        .schema
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect();
    insta::assert_snapshot!(types.join("\n"));
}

/// However often a statement was polled while it ran, the replay is polled once.
#[tokio::test(start_paused = true)]
async fn recorded_polls_are_as_many_as_tell_something_new() {
    let player = player("preparedstatementintegrationtests.testpreparedstatementcomplexqueryexecution");
    let sql = client(player.leaf());
    let created = "CREATE TABLE IF NOT EXISTS main.jdbc_test_schema.prepared_statement_complex_query_test_table (id INT PRIMARY KEY, col1 VARCHAR(255), col2 VARCHAR(255))";
    sql.statement(created).external().execute().await.unwrap();
    let asked: Vec<Method> = player.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(asked, [Method::POST, Method::GET, Method::GET]);
}

const TWO_CHUNKS: &str = "multichunkexecutionintegrationtests.testmultichunkselect";
/// The end of the path of its first file.
const MISSING: &str = "20e7d2a0-00c1-447c-a0cb-da72a2e40968";

/// A result whose first file the recording does not have: an error, never fewer rows.
#[tokio::test]
async fn file_that_is_missing_in_a_recording_is_named() {
    let player = player(TWO_CHUNKS);
    let sql = client(player.leaf());
    let error = statement(&sql, &expected(TWO_CHUNKS)[0]).execute().await.unwrap_err();
    let SqlError::Unsettled { source, .. } = &error else { panic!("{error:?}") };
    // The path is part of a link, which is never shown.
    let missing = "the recording does not have the body of GET ***";
    assert!(source.to_string().contains(missing), "{source}");
}

/// The second chunk is linked by an answer of its own. The file of the first is not recorded: here it is made up.
#[tokio::test]
async fn recorded_chunks_are_walked_from_link_to_link() {
    let mut cassette = cassette(TWO_CHUNKS);
    cassette.retain(|interaction| matches!(interaction.outcome, Outcome::Response(_)));
    let player = CassettePlayer::replaying(&cassette, options()).unwrap();
    let (recorded, made_up) = (player.leaf(), file(&nulls(122_880)));
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let (recorded, made_up) = (recorded.clone(), made_up.clone());
        async move {
            match request.uri().path().ends_with(MISSING) {
                true => Ok(Response::new(Body::from_bytes(made_up))),
                false => recorded.oneshot(request).await,
            }
        }
    });
    let mut result = statement(&client(leaf), &expected(TWO_CHUNKS)[0]).execute().await.unwrap();
    player.finish().unwrap();
    assert_eq!(result.num_rows(), 122_900);
    result.batches = vec![result.batches.pop().unwrap()];
    let rows: Vec<Vec<Value>> = result.rows().unwrap();
    assert_eq!(rows.len(), 20);
    let rows: Vec<String> = rows.into_iter().map(|row| Value::from(row).to_string()).collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// Rows of the recorded result's types, without values.
fn nulls(rows: usize) -> RecordBatch {
    let (decimal, text) = (DataType::Decimal128(18, 2), DataType::Utf8);
    let types = [
        vec![DataType::Int64; 3],
        vec![DataType::Int32],
        vec![decimal; 4],
        vec![text.clone(); 2],
        vec![DataType::Date32; 3],
        vec![text; 3],
    ];
    let columns = types.concat().into_iter().enumerate();
    RecordBatch::try_from_iter(columns.map(|(n, kind)| (format!("c{n}"), new_null_array(&kind, rows))))
        .unwrap()
}

/// A story with one statement changed.
#[tokio::test]
async fn changed_statement_fails_with_the_nearest_recorded_one() {
    let name = "executionintegrationtests.testinsertstatement";
    let player = player(name);
    let sql = client(player.leaf());
    let mut errors = Vec::new();
    for mut expectation in expected(name) {
        let changed = expectation["statement"].as_str().unwrap().replace("(1, 'value1'", "(2, 'value1'");
        expectation["statement"] = changed.into();
        errors.extend(statement(&sql, &expectation).execute().await.err());
    }
    let [error] = &errors[..] else { panic!("{errors:?}") };
    insta::assert_snapshot!("changed_statement", error);
    let finish = player.finish().unwrap_err();
    assert_eq!(finish.kind(), CassetteErrorKind::Unmatched);
    insta::assert_snapshot!("changed_statement_at_finish", finish);
}
