//! Exchanges of a real workspace, converted to cassettes.
//!
//! They are from the integration-test recordings of github.com/databricks/databricks-jdbc (Apache License 2.0), kept
//! with the tests of databricks-sql; each test names the recording.

use std::path::PathBuf;

use databricks_testkit::{
    Cassette, CassetteBody, CassetteErrorKind, CassetteOptions, CassettePlayer, Interaction, Origin, Outcome,
    SecretScan, SimulatedWorkspace,
};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, ErrorKind, Operation};
use http::Method;
use serde_json::{Value, json};

use crate::support::{STATEMENTS, TOKEN};

const POST: Operation = Operation::new("test.post");

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../databricks-sql/tests/it/recordings")
}

fn converted(name: &str) -> Cassette {
    let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
    Cassette::from_exchanges(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn outline(cassette: &Cassette) -> Vec<String> {
    let line = |interaction: &databricks_testkit::Interaction| {
        let request = &interaction.request;
        let statement =
            request.body.as_json().and_then(|body| Some(body.get("statement")?.as_str()?.to_owned()));
        let statement =
            statement.map(|sql| format!(" {}", sql.chars().take(40).collect::<String>())).unwrap_or_default();
        let outcome = match &interaction.outcome {
            Outcome::Response(response) => format!("{} {:?}", response.status.as_u16(), response.body),
            other => format!("{other:?}"),
        };
        format!("{} {:?} {}{statement} -> {outcome}", request.method, request.origin, request.path)
    };
    cassette.interactions().iter().map(line).collect()
}

#[test]
fn an_insert_and_its_rows_stand_in_the_order_of_the_story() {
    insta::assert_snapshot!(outline(&converted("executionintegrationtests.testinsertstatement")).join("\n"));
}

#[test]
fn every_recording_converts_comes_back_and_holds_no_secret() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let cassette = converted(name);
            SecretScan::new().check(&cassette).unwrap_or_else(|error| panic!("{name}: {error}"));
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            let exchanges: u32 = cassette.interactions().iter().map(|interaction| interaction.repeats).sum();
            assert_eq!(exchanges as usize, lines, "{name}");
            let text = cassette.to_json().unwrap();
            assert_eq!(Cassette::from_json(&text).unwrap(), cassette, "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 32);
}

/// In every recording a statement's answer comes before what asks for it, a link before its download.
#[test]
fn what_is_asked_for_has_been_answered_before() {
    for name in ["executionintegrationtests.testinsertstatement", "datatypesintegrationtests.testtimestamp"] {
        let cassette = converted(name);
        let mut answered = String::new();
        let mut downloads = 0;
        for interaction in cassette.interactions() {
            let path = &interaction.request.path;
            if interaction.request.origin == Origin::Storage {
                let object = path.rsplit('_').next().unwrap();
                assert!(answered.contains(object), "{name}: {path} before its link");
                downloads += 1;
            } else if let Some(id) = path.split('/').nth(5) {
                assert!(answered.contains(id), "{name}: {path} before the answer with its id");
            }
            if let Some(CassetteBody::Json(body)) = interaction.response().map(|response| &response.body) {
                answered += &body.to_string();
            }
        }
        assert!(downloads > 0, "{name}");
    }
}

#[test]
fn bodies_are_the_recorded_bytes() {
    let name = "executionintegrationtests.testinsertstatement";
    let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).unwrap();
    let encoded: Vec<String> = text
        .lines()
        .filter_map(|line| {
            Some(serde_json::from_str::<serde_json::Value>(line).unwrap()["body_base64"].as_str()?.to_owned())
        })
        .collect();
    let kept = converted(name).to_json().unwrap();
    assert_eq!(encoded.len(), 2);
    assert!(encoded.iter().all(|body| kept.contains(body)));
}

#[test]
fn a_body_that_is_missing_says_so_when_it_is_asked_for() {
    let line = json!({"kind": "storage", "method": "GET", "path": "/object", "query": "", "request": null,
        "status": 200, "headers": {"Content-Type": "binary/octet-stream"}, "body_missing": true});
    let cassette = Cassette::from_exchanges(&format!("\n{line}\n\n")).unwrap();
    let Outcome::Failure(failure) = &cassette.interactions()[0].outcome else { panic!() };
    assert!(failure.message.contains("GET /object"), "{failure:?}");
    assert_eq!(failure.kind, ErrorKind::Config);
}

#[test]
fn states_order_answers_to_one_request() {
    let line = |state: &str, required: &str, after: Option<&str>, insertion: u64| {
        json!({"kind": "api", "method": "GET", "path": "/api/2.0/sql/statements/x/", "status": 200, "insertion": insertion,
            "body": {"state": state}, "scenario": ["s", required, after]})
        .to_string()
    };
    let lines = [
        line("SUCCEEDED", "3", None, 9),
        line("RUNNING", "2", Some("3"), 5),
        line("PENDING", "Started", Some("2"), 1),
    ];
    let cassette = Cassette::from_exchanges(&lines.join("\n")).unwrap();
    let states: Vec<_> = cassette
        .interactions()
        .iter()
        .map(|interaction| interaction.response().unwrap().body.as_json().unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["PENDING", "RUNNING", "SUCCEEDED"]);
    assert_eq!(cassette.interactions()[0].request.path, "/api/2.0/sql/statements/x");
    let circle = [line("a", "1", Some("2"), 1), line("b", "2", Some("1"), 2)].join("\n");
    assert_eq!(Cassette::from_exchanges(&circle).unwrap().interactions().len(), 2);
}

#[test]
fn equal_answers_to_polls_are_one() {
    let name = "preparedstatementintegrationtests.testpreparedstatementcomplexqueryexecution";
    let cassette = converted(name);
    let polls: Vec<(u32, &Value)> = cassette
        .interactions()
        .iter()
        .filter(|interaction| {
            interaction.request.method == Method::GET && interaction.request.origin == Origin::Api
        })
        .map(|poll| (poll.repeats, &poll.response().unwrap().body.as_json().unwrap()["status"]["state"]))
        .collect();
    assert_eq!(polls, [(18, &json!("RUNNING")), (1, &json!("SUCCEEDED"))]);
}

/// Another client's sessions are dropped; all the rest has to be asked for, in whatever words do not count.
#[tokio::test]
async fn what_is_not_kept_is_neither_answered_nor_missed() {
    let mut cassette = converted("sqlexecapihybridresultsintegrationtests.testhybridsmallquery");
    let statement = |interaction: &Interaction| interaction.request.path == STATEMENTS;
    cassette.retain(statement);
    assert_eq!(Cassette::from_json(&cassette.to_json().unwrap()).unwrap(), cassette);
    let others = ["session_id", "warehouse_id", "wait_timeout", "on_wait_timeout", "row_limit", "parameters"];
    let options = others.into_iter().fold(CassetteOptions::new(), |options, field| {
        options.with_ignored_pointer_at(STATEMENTS, format!("/{field}"))
    });
    let player = CassettePlayer::replaying(&cassette, options.clone()).unwrap();
    let unused = CassettePlayer::replaying(&cassette, options).unwrap().finish().unwrap_err();
    assert_eq!(unused.kind(), CassetteErrorKind::Unused);
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
    let client = Client::builder(config).leaf(player.leaf()).build().unwrap();
    let body = json!({"statement": "SELECT * FROM main.tpcds_sf100_delta.catalog_sales limit 10",
        "disposition": "INLINE_OR_EXTERNAL_LINKS", "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME"});
    let answer: Value = client.call(POST, ApiRequest::post(STATEMENTS).json(&body).unwrap()).await.unwrap();
    assert_eq!(answer["status"]["state"], "SUCCEEDED");
    player.finish().unwrap();
    let sessions = ApiRequest::post("/api/2.0/sql/sessions").json(&json!({})).unwrap();
    client.call::<Value>(POST, sessions).await.unwrap_err();
    assert_eq!(player.finish().unwrap_err().kind(), CassetteErrorKind::Unmatched);
}

#[test]
fn a_line_that_is_no_exchange_is_refused_by_its_number() {
    let good = json!({"kind": "api", "method": "GET", "path": "/", "status": 200}).to_string();
    let bad = [
        "{".to_owned(),
        "[]".to_owned(),
        good.replace("api", "ftp"),
        good.replace("200", "1000"),
        good.replace("GET", "G T"),
        good.replace("\"/\"", "\"no path\""),
        good.replace('}', ", \"later\": 1}"),
        good.replace('}', ", \"body\": 1e400}"),
        good.replace('}', ", \"body\": 0.1000000000000000055511}"),
        good.replace('}', ", \"body\": 1, \"body_base64\": \"AA==\"}"),
        good.replace('}', ", \"body_base64\": \"?\"}"),
        good.replace('}', ", \"headers\": {\"a b\": \"c\"}}"),
    ];
    for line in bad {
        let error = Cassette::from_exchanges(&format!("{good}\n{line}\n")).unwrap_err();
        assert_eq!(error.kind(), CassetteErrorKind::Format, "{line}");
        assert!(error.to_string().starts_with("line 2: "), "{line}: {error}");
    }
    assert!(Cassette::from_exchanges("").unwrap().interactions().is_empty());
}
