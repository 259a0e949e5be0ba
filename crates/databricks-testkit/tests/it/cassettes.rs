//! Recording a workspace and playing it back: the whole way through a client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use databricks_testkit::{
    Cassette, CassetteErrorKind, CassetteMode, CassetteOptions, CassettePlayer, Column, Fault, FaultRule,
    MemoryCatalogStore, MemoryVolumeStore, Origin, ScriptedEngine, SimulatedWorkspace,
};
use databricks_transport::{
    ApiRequest, Body, Client, DatabricksConfig, Error, ErrorKind, Operation, RateLimits, RetryConfig,
};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

const WRITE: Operation = Operation::new("test.write");
const AGAIN: Operation = Operation::new("test.write_again").idempotent();
const READ: Operation = Operation::new("test.read").idempotent();
const STAGE: &str = "/Volumes/main/default/stage";

/// A workspace in which every task's statements are known.
fn workspace() -> (ScriptedEngine, SimulatedWorkspace) {
    let engine = ScriptedEngine::new();
    for task in 0..16 {
        engine
            .on_containing(format!("COPY INTO t{task} "))
            .delay(Duration::from_millis(task % 3))
            .affected(task as i64);
        engine.on(format!("SELECT * FROM t{task}")).delay(Duration::from_millis(task % 5)).rows(
            [Column::new("n", "INT"), Column::new("s", "STRING")],
            (0..=task).map(|n| [json!(n), json!(format!("row {n}"))]),
        );
    }
    let catalog = MemoryCatalogStore::new().with_volume("main", "default", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone());
    let workspace = builder(&engine).catalog(Arc::new(catalog)).volumes(Arc::new(volumes)).build();
    (engine, workspace)
}

fn config(host: &str) -> DatabricksConfig {
    let retry = RetryConfig::default().with_delays(Duration::from_millis(1), Duration::from_millis(2));
    DatabricksConfig::new(host)
        .unwrap()
        .with_token(TOKEN)
        .with_rate_limits(RateLimits::unlimited())
        .with_retry(retry)
}

fn recording(workspace: &SimulatedWorkspace) -> (CassettePlayer, Client) {
    let player = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    (player.clone(), around(workspace, &player))
}

fn around(workspace: &SimulatedWorkspace, player: &CassettePlayer) -> Client {
    let builder = Client::builder(config(SimulatedWorkspace::HOST));
    builder.leaf(workspace.service()).leaf_layer(player.layer()).build().unwrap()
}

fn replaying(cassette: &Cassette) -> (CassettePlayer, Client) {
    replaying_with(cassette, CassetteOptions::new())
}

fn replaying_with(cassette: &Cassette, options: CassetteOptions) -> (CassettePlayer, Client) {
    let player = CassettePlayer::replaying(cassette, options).unwrap();
    let client = Client::builder(config("https://another.example")).leaf(player.leaf()).build().unwrap();
    (player, client)
}

fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

async fn statement(client: &Client, text: &str, more: Value) -> Result<Value, Error> {
    let mut body = json!({ "statement": text, "warehouse_id": WAREHOUSE });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call(WRITE, ApiRequest::post(STATEMENTS).json(&body)?).await
}

async fn ended(client: &Client, mut answer: Value) -> Result<Value, Error> {
    while matches!(answer["status"]["state"].as_str(), Some("PENDING" | "RUNNING")) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap());
        answer = client.call(READ, ApiRequest::get(path)).await?;
    }
    Ok(answer)
}

async fn download(client: &Client, answer: &Value) -> Result<Bytes, Error> {
    let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap();
    let request = Request::builder().method(Method::GET).uri(link).body(Body::empty()).unwrap();
    client.fetch_link(READ, request).await?.into_body().collect(usize::MAX).await
}

async fn upload(client: &Client, path: &str, body: Vec<u8>) -> Result<(), Error> {
    client
        .send(AGAIN, ApiRequest::put(format!("/api/2.0/fs/files{path}?overwrite=true")).body(body))
        .await
        .map(drop)
}

/// Uploads a part under an id of its own, loads it, and reads the table back.
async fn task(client: Client, number: usize, body: Vec<u8>) -> Result<(Value, Bytes), Error> {
    let folder = format!("{STAGE}/{}", random_id());
    upload(&client, &format!("{folder}/part-0.bin"), body).await?;
    let copied = statement(&client, &format!("COPY INTO t{number} FROM '{folder}'"), json!({})).await?;
    let how = json!({ "disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM", "wait_timeout": "0s" });
    let selected = statement(&client, &format!("SELECT * FROM t{number}"), how).await?;
    let selected = ended(&client, selected).await?;
    let rows = download(&client, &selected).await?;
    Ok((json!([copied["result"], selected["manifest"]["schema"], number]), rows))
}

async fn sixteen(client: &Client, body: impl Fn(usize) -> Vec<u8>) -> Vec<(Value, Bytes)> {
    let tasks: Vec<_> = (0..16).map(|n| tokio::spawn(task(client.clone(), n, body(n)))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap().unwrap());
    }
    results
}

/// A process of its own, for the environment belongs to all tests of this one.
#[test]
fn options_that_set_no_mode_take_that_of_the_environment() {
    const CHILD: &str = "TEST_OF_THE_CASSETTE_MODE";
    if let Ok(expected) = std::env::var(CHILD) {
        let folder = tempfile::tempdir().unwrap();
        let opened = CassettePlayer::open(folder.path().join("missing.json"), CassetteOptions::new());
        match expected.as_str() {
            "Io" => assert_eq!(opened.unwrap_err().kind(), CassetteErrorKind::Io),
            "Config" => assert_eq!(opened.unwrap_err().kind(), CassetteErrorKind::Config),
            _ => assert!(!opened.unwrap().is_recording()),
        }
        return;
    }
    let name = "cassettes::options_that_set_no_mode_take_that_of_the_environment";
    for (mode, expected) in [("none", "Io"), ("replay", "Config"), ("passthrough", "neither")] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", name]).env("DATABRICKS_CASSETTE_MODE", mode).env(CHILD, expected);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{mode}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_replay_to_the_same_results_every_time() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    let live = sixteen(&client, |n| vec![n as u8, 0xff]).await;
    let cassette = recorder.cassette().unwrap();
    recorder.finish().unwrap();
    for run in 0..100 {
        let (player, client) = replaying(&cassette);
        let replayed = sixteen(&client, |n| vec![n as u8, 0xff]).await;
        assert_eq!(replayed, live, "run {run}");
        let report = player.finish().unwrap();
        assert_eq!((report.unused, report.recorded), (0, 0), "run {run}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_upload_the_same_bytes_are_told_apart_by_what_they_do_next() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    let live = sixteen(&client, |_| vec![0xff; 100]).await;
    let cassette = recorder.cassette().unwrap();
    recorder.finish().unwrap();
    for run in 0..25 {
        let (player, client) = replaying(&cassette);
        assert_eq!(sixteen(&client, |_| vec![0xff; 100]).await, live, "run {run}");
        player.finish().unwrap();
    }
}

/// Records sixteen uploads that are all under way before the first is answered.
async fn uploads_at_once() -> String {
    let (_engine, workspace) = workspace();
    let (service, barrier) = (workspace.service(), Arc::new(tokio::sync::Barrier::new(16)));
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let (service, barrier) = (service.clone(), barrier.clone());
        async move {
            barrier.wait().await;
            service.oneshot(request).await
        }
    });
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let builder = Client::builder(config(SimulatedWorkspace::HOST)).leaf(leaf);
    let client = builder.leaf_layer(recorder.layer()).build().unwrap();
    let uploads = (0..16_u8).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { upload(&client, &format!("{STAGE}/{n}.bin"), vec![n, 0xff]).await })
    });
    for upload in uploads.collect::<Vec<_>>() {
        upload.await.unwrap().unwrap();
    }
    recorder.finish().unwrap();
    let cassette = recorder.cassette().unwrap();
    let paths = cassette.interactions().iter().map(|interaction| interaction.request.path.clone());
    paths.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_under_way_at_the_same_time_is_recorded_in_the_same_order() {
    let first = uploads_at_once().await;
    assert_eq!(first.lines().count(), 16);
    for _ in 0..5 {
        assert_eq!(uploads_at_once().await, first);
    }
}

/// A story with each kind of trouble a client retries.
async fn troubled(client: &Client) -> Vec<Result<Value, String>> {
    let mut seen = Vec::new();
    for (path, operation) in
        [("/api/2.0/sql/warehouses", READ), ("/api/2.0/preview/scim/v2/Me", READ), ("/api/2.0/none", READ)]
    {
        let answer: Result<Value, Error> = client.call(operation, ApiRequest::get(path)).await;
        // Names of users are not recorded.
        let answer = answer.map(|answer| json!([answer["warehouses"][0]["id"], answer["id"]]));
        seen.push(
            answer.map_err(|error| format!("{:?} {} {}", error.kind(), error.attempts(), error.message())),
        );
    }
    let sent = upload(client, &format!("{STAGE}/a.bin"), vec![0xff]).await;
    seen.push(sent.map(|()| Value::Null).map_err(|error| error.to_string()));
    let refused = statement(client, "COPY INTO t3 x", json!({})).await;
    seen.push(
        refused
            .map(|answer| answer["result"].clone())
            .map_err(|error| format!("{:?} {}", error.kind(), error.is_ambiguous())),
    );
    seen
}

#[tokio::test(start_paused = true)]
async fn a_story_recorded_through_retries_replays_through_the_same_retries() {
    let (_engine, workspace) = workspace();
    let unavailable = || Fault::status(StatusCode::SERVICE_UNAVAILABLE);
    let throttled = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(30));
    let faults = workspace.faults();
    faults.add(FaultRule::on(Method::GET, "/api/2.0/sql/warehouses", unavailable()).times(2));
    faults.add(FaultRule::on(Method::GET, "/api/2.0/preview", throttled).times(2));
    faults.add(FaultRule::on(Method::PUT, "/api/2.0/fs/files", Fault::ResetAfter));
    faults.add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter));
    let (recorder, client) = recording(&workspace);
    let live = troubled(&client).await;
    assert!(live[4].as_ref().is_err_and(|text| text == "Unavailable true"), "{live:?}");
    let attempts = recorder.requests().len();

    let start = tokio::time::Instant::now();
    let (player, client) = replaying(&recorder.cassette().unwrap());
    assert_eq!(troubled(&client).await, live);
    assert_eq!(player.requests().len(), attempts);
    assert!(start.elapsed() < Duration::from_secs(1), "a replay waits for nobody: {:?}", start.elapsed());
    assert_eq!(player.transcript(), recorder.transcript());
    player.finish().unwrap();
    recorder.finish().unwrap();
}

#[tokio::test]
async fn a_changed_statement_fails_with_the_nearest_one_and_the_difference() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    let folder = format!("{STAGE}/{}", random_id());
    for text in [format!("COPY INTO t7 FROM '{folder}' FILEFORMAT = PARQUET"), "SELECT * FROM t3".to_owned()]
    {
        statement(&client, &text, json!({})).await.unwrap();
    }
    let (player, client) = replaying(&recorder.cassette().unwrap());
    let folder = format!("{STAGE}/6f1c0b6e-9a55-4b0e-8a53-0f1e2d3c4b5a");
    let changed = format!("COPY INTO t7 FROM '{folder}' FILEFORMAT = CSV");
    let error = statement(&client, &changed, json!({})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable(), error.is_ambiguous(), error.attempts()),
        (ErrorKind::Config, false, false, 1)
    );
    insta::assert_snapshot!("changed_statement", error.message());
    insta::assert_snapshot!("changed_statement_on_one_line", error);
    statement(&client, "SELECT * FROM t3", json!({})).await.unwrap();
    let error = player.finish().unwrap_err();
    assert_eq!(error.kind(), CassetteErrorKind::Unmatched);
    assert!(error.to_string().contains("FILEFORMAT = [CSV]"), "{error}");
    recorder.finish().unwrap();
}

#[tokio::test]
async fn what_nobody_asked_for_fails_the_end() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    for task in 0..5 {
        statement(&client, &format!("SELECT * FROM t{task}"), json!({})).await.unwrap();
    }
    let cassette = recorder.cassette().unwrap();
    let (player, client) = replaying(&cassette);
    statement(&client, "SELECT * FROM t1", json!({})).await.unwrap();
    insta::assert_snapshot!("unused", player.finish().unwrap_err());
    let (player, _client) = replaying_with(&cassette, CassetteOptions::new().with_unused_allowed(true));
    assert_eq!(player.finish().unwrap().unused, 5);
    recorder.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn polls_replay_as_fast_as_they_are_asked() {
    let (engine, workspace) = workspace();
    engine.on("slow").delay(Duration::from_secs(40)).affected(1);
    let (recorder, client) = recording(&workspace);
    let how = json!({ "wait_timeout": "0s" });
    let mut answer = statement(&client, "slow", how.clone()).await.unwrap();
    let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap());
    while answer["status"]["state"] != "SUCCEEDED" {
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer = client.call(READ, ApiRequest::get(path.clone())).await.unwrap();
    }
    assert!(recorder.requests().len() > 30);
    let cassette = recorder.cassette().unwrap();
    assert!(cassette.interactions().len() <= 4, "{}", recorder.transcript());

    let (player, client) = replaying(&cassette);
    let first = statement(&client, "slow", how).await.unwrap();
    let replayed = ended(&client, first).await.unwrap();
    assert_eq!(replayed, answer);
    assert!(player.requests().len() <= 4);
    let again: Value = client.call(READ, ApiRequest::get(path)).await.unwrap();
    assert_eq!(again, answer, "the last answer of a read repeats");
    player.finish().unwrap();
    recorder.finish().unwrap();
}

#[tokio::test]
async fn a_write_is_answered_as_often_as_it_was_recorded() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    statement(&client, "SELECT * FROM t3", json!({})).await.unwrap();
    let (player, client) = replaying(&recorder.cassette().unwrap());
    statement(&client, "SELECT * FROM t3", json!({})).await.unwrap();
    let error = statement(&client, "SELECT * FROM t3", json!({})).await.unwrap_err();
    assert!(error.message().contains("every answer recorded for it has been given"), "{error}");
    player.finish().unwrap_err();
    recorder.finish().unwrap();
}

fn open(path: &Path, mode: CassetteMode) -> CassettePlayer {
    CassettePlayer::open(path, CassetteOptions::new().with_mode(mode)).unwrap()
}

#[tokio::test]
async fn each_mode_records_and_replays_what_it_says() {
    let (engine, workspace) = workspace();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    let run = async |mode: CassetteMode, texts: &[&str]| {
        let player = open(&path, mode);
        let client = around(&workspace, &player);
        let before = engine.requests().len();
        let mut failed = 0;
        for text in texts {
            failed += usize::from(statement(&client, text, json!({})).await.is_err());
        }
        (
            player.finish().map(|report| (report.replayed, report.recorded, report.saved.is_some())).ok(),
            engine.requests().len() - before,
            failed,
        )
    };
    let (one, two) = ("SELECT * FROM t1", "SELECT * FROM t2");
    let missing =
        CassettePlayer::open(&path, CassetteOptions::new().with_mode(CassetteMode::None)).unwrap_err();
    assert_eq!((missing.kind(), missing.file()), (CassetteErrorKind::Io, Some(&*path)));
    assert_eq!(run(CassetteMode::Passthrough, &[one]).await, (Some((0, 0, false)), 1, 0));
    assert!(!path.exists());
    assert_eq!(run(CassetteMode::Once, &[one]).await, (Some((0, 1, true)), 1, 0));
    assert_eq!(run(CassetteMode::Once, &[one]).await, (Some((1, 0, false)), 0, 0));
    assert_eq!(run(CassetteMode::Once, &[two]).await, (None, 0, 1));
    assert_eq!(run(CassetteMode::NewEpisodes, &[one, two]).await, (Some((1, 1, true)), 1, 0));
    assert_eq!(run(CassetteMode::None, &[one, two]).await, (Some((2, 0, false)), 0, 0));
    let saved = std::fs::read_to_string(&path).unwrap();
    assert_eq!(run(CassetteMode::NewEpisodes, &[two]).await, (Some((1, 0, false)), 0, 0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), saved);
    assert_eq!(run(CassetteMode::All, &[two]).await, (Some((0, 1, true)), 1, 0));
    assert_eq!(run(CassetteMode::None, &[one]).await, (None, 0, 1));
}

/// The second one to finish says so, instead of replacing what the first one recorded.
#[tokio::test]
async fn two_players_of_one_file_do_not_lose_each_others_recordings() {
    let (_engine, workspace) = workspace();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    for mode in [CassetteMode::Once, CassetteMode::NewEpisodes, CassetteMode::All] {
        let players = [open(&path, mode), open(&path, mode)];
        for (player, task) in players.iter().zip([1, 2]) {
            let text = format!("SELECT * FROM t{task} WHERE '{mode}' = ''");
            let _ = statement(&around(&workspace, player), &text, json!({})).await;
        }
        players[0].finish().unwrap();
        let saved = std::fs::read_to_string(&path).unwrap();
        let error = players[1].finish().unwrap_err();
        assert_eq!((error.kind(), error.file()), (CassetteErrorKind::Changed, Some(&*path)), "{mode}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), saved);
        // What it recorded is still there to be saved elsewhere, and the first one may go on.
        players[1].cassette().unwrap().save(folder.path().join("other.json")).unwrap();
        let _ = statement(&around(&workspace, &players[0]), "SELECT * FROM t3", json!({})).await;
        players[0].finish().unwrap();
        std::fs::remove_file(&path).unwrap_or_default();
    }
}

#[tokio::test]
async fn a_run_without_requests_leaves_the_file_as_it_is() {
    let (_engine, workspace) = workspace();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    assert_eq!(open(&path, CassetteMode::Once).finish().unwrap().saved, None);
    assert!(!path.exists());
    let player = open(&path, CassetteMode::All);
    let _ = statement(&around(&workspace, &player), "SELECT * FROM t3", json!({})).await;
    player.finish().unwrap();
    let saved = std::fs::read_to_string(&path).unwrap();
    assert_eq!(open(&path, CassetteMode::All).finish().unwrap().saved, None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), saved);
}

#[tokio::test]
async fn a_declared_value_may_be_another_in_the_replay() {
    let (engine, workspace) = workspace();
    engine
        .on_containing("CREATE TABLE main.default.t_")
        .rows([Column::new("name", "STRING")], [[json!("main.default.t_first")]]);
    let options = |id: &str| CassetteOptions::new().with_variable("test_id", id).unwrap();
    let player = CassettePlayer::recording(options("first")).unwrap();
    statement(&around(&workspace, &player), "CREATE TABLE main.default.t_first", json!({})).await.unwrap();
    let cassette = player.cassette().unwrap();
    player.finish().unwrap();
    let (player, client) = replaying_with(&cassette, options("another"));
    let answer = statement(&client, "CREATE TABLE main.default.t_another", json!({})).await.unwrap();
    assert_eq!(answer["result"]["data_array"], json!([["main.default.t_another"]]));
    player.finish().unwrap();
}

#[tokio::test]
async fn ignored_places_and_a_key_of_ones_own_decide_what_is_the_same() {
    let (_engine, workspace) = workspace();
    let (recorder, client) = recording(&workspace);
    statement(&client, "SELECT * FROM t3", json!({"wait_timeout": "10s"})).await.unwrap();
    let cassette = recorder.cassette().unwrap();
    recorder.finish().unwrap();
    let ignoring =
        CassetteOptions::new().with_ignored_pointer_at(STATEMENTS, "/wait_timeout").with_ignored_query("o");
    let (player, client) = replaying_with(&cassette, ignoring);
    statement(&client, "SELECT * FROM t3", json!({"wait_timeout": "30s"})).await.unwrap();
    player.finish().unwrap();
    let lower = CassetteOptions::new().with_match_on(|request| {
        if let databricks_testkit::CassetteBody::Json(body) = &mut request.body {
            let text = body["statement"].as_str().unwrap_or_default().to_lowercase();
            *body = json!(text);
        }
    });
    let (player, client) = replaying_with(&cassette, lower);
    statement(&client, "select * from T3", json!({})).await.unwrap();
    player.finish().unwrap();
}

#[tokio::test]
async fn over_sockets_it_is_the_same_and_links_are_found_again() {
    let (_engine, workspace) = workspace();
    let server = workspace.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sockets.json");
    let player = open(&path, CassetteMode::Once);
    let client = Client::builder(config(&server.url())).leaf_layer(player.layer()).build().unwrap();
    let live = task(client, 9, vec![0xff; 70_000]).await.unwrap();
    assert!(player.requests().iter().any(|request| request.origin == Origin::Storage));
    player.finish().unwrap();
    server.shutdown().await;
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [TOKEN, "127.0.0.1", "signature"] {
        assert!(!text.to_lowercase().contains(secret), "{secret} in {text}");
    }
    let player = open(&path, CassetteMode::Once);
    let client = Client::builder(config("https://w.example")).leaf_layer(player.layer()).build().unwrap();
    assert_eq!(task(client, 9, vec![0xff; 70_000]).await.unwrap(), live);
    player.finish().unwrap();
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_that_names_it() {
    let (_engine, workspace) = workspace();
    let player = CassettePlayer::recording(CassetteOptions::new().with_body_limit(1000)).unwrap();
    let client = around(&workspace, &player);
    let error = upload(&client, &format!("{STAGE}/big"), vec![0; 1001]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("more than the 1000 bytes") && error.message().contains("with_body_limit"),
        "{error}"
    );
    let pieces = (0..10).map(|_| Ok(Bytes::from(vec![0; 200])));
    let body = Body::from_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    let request = ApiRequest::put(format!("/api/2.0/fs/files{STAGE}/big")).body(body);
    assert_eq!(client.send(WRITE, request).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(player.finish().unwrap_err().kind(), CassetteErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_request_given_up_before_its_answer_is_recorded_as_such() {
    let (engine, workspace) = workspace();
    engine.on("never").never();
    let (recorder, client) = recording(&workspace);
    let given_up = statement(&client, "never", json!({"wait_timeout": "50s"}));
    tokio::time::timeout(Duration::from_secs(1), given_up).await.unwrap_err();
    statement(&client, "SELECT * FROM t3", json!({})).await.unwrap();
    assert_eq!(recorder.requests().len(), 2);
    let outcomes: Vec<bool> =
        recorder.cassette().unwrap().interactions().iter().map(|i| i.response().is_some()).collect();
    assert_eq!(outcomes, [false, true]);
    recorder.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_take_their_time_when_asked_to() {
    let (engine, workspace) = workspace();
    engine.on("slow").delay(Duration::from_secs(7)).affected(1);
    let (recorder, client) = recording(&workspace);
    statement(&client, "slow", json!({"wait_timeout": "30s"})).await.unwrap();
    let cassette = recorder.cassette().unwrap();
    recorder.finish().unwrap();
    for (timing, seconds) in [(false, 0), (true, 7)] {
        let (player, client) = replaying_with(&cassette, CassetteOptions::new().with_timing(timing));
        let start = tokio::time::Instant::now();
        statement(&client, "slow", json!({"wait_timeout": "30s"})).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds);
        player.finish().unwrap();
    }
}

#[tokio::test]
async fn a_leaf_without_a_network_records_nothing_and_says_so() {
    let player = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let client = Client::builder(config("https://w.example")).leaf(player.leaf()).build().unwrap();
    let error = statement(&client, "SELECT 1", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("leaf_layer(player.layer())"), "{error}");
    player.finish().unwrap();
}

#[tokio::test]
async fn ten_thousand_interactions_replay_in_any_order() {
    let mut interactions = Vec::new();
    for n in 0..10_000 {
        interactions.push(json!({
            "request": {"method": "POST", "origin": "api", "path": STATEMENTS, "headers": {"content-type": "application/json"},
                "body": {"json": {"statement": format!("SELECT {n}"), "warehouse_id": WAREHOUSE}}},
            "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": {"json": {"n": n}}}
        }));
    }
    let text =
        json!({"format": "databricks-cassette/1", "variables": {}, "interactions": interactions}).to_string();
    let cassette = Cassette::from_json(&text).unwrap();
    let (player, client) = replaying(&cassette);
    for n in (0..10_000).rev() {
        let answer = statement(&client, &format!("SELECT {n}"), json!({})).await.unwrap();
        assert_eq!(answer["n"], n);
    }
    player.finish().unwrap();
}
