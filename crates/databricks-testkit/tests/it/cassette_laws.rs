//! What must hold for every story: a replay is the recording again; and what is odd, hostile or broken comes back as
//! it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use databricks_testkit::{
    Cassette, CassetteMode, CassetteOptions, CassettePlayer, MockDatabricksClient, Outcome,
    SimulatedWorkspace,
};
use databricks_transport::{Body, Client, DatabricksConfig, Error, ErrorKind};
use http::{Method, Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

/// What came of a request, in a form that can be compared.
type Seen = Result<(u16, Bytes), (ErrorKind, bool)>;

/// One step of a story: what is asked, and what the network answers.
#[derive(Clone, Debug)]
struct Step {
    method: Method,
    path: usize,
    ids: Vec<usize>,
    body: u8,
    answer: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let methods = prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE]);
    let step = (methods, 0_usize..3, prop::collection::vec(0_usize..4, 0..3), 0_u8..4, 0_u8..6);
    let step = step.prop_map(|(method, path, ids, body, answer)| Step { method, path, ids, body, answer });
    prop::collection::vec(step, 0..40).prop_map(|steps| written().chain(steps).collect())
}

/// Writes under each id: one that is only read is not made up, and has to be the same in the replay.
fn written() -> impl Iterator<Item = Step> {
    (0..4).map(|id| Step { method: Method::PUT, path: 0, ids: vec![id], body: 0, answer: 4 })
}

/// The ids of one run.
fn ids(run: u128) -> Vec<String> {
    let id = |n: u128| {
        let hex = format!("{:032x}", 0x9f3a_0000_0000_0000_0000_0000_0000_0000 + (run << 64) + n * 7919 + 1);
        let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        if n.is_multiple_of(2) { uuid } else { hex }
    };
    (0..4).map(id).collect()
}

fn request(step: &Step, ids: &[String]) -> Request<Body> {
    let path: String = step.ids.iter().map(|id| format!("/part-{}", ids[*id])).collect();
    let first = step.ids.first().map_or("none", |id| ids[*id].as_str());
    let (kind, body) = match step.body {
        0 => ("application/json", Body::empty()),
        1 => (
            "application/json",
            Body::from(json!({"statement": format!("COPY '{first}'"), "n": 1}).to_string()),
        ),
        2 => ("text/plain", Body::from(format!("{first} {{{{x}}}} \n"))),
        _ => ("application/octet-stream", Body::from(vec![0xff, 0, b'{', b'{'])),
    };
    let uri = format!("https://w.invalid/api/{}{path}?q={first}&a=%7B%7B", step.path);
    Request::builder().method(&step.method).uri(uri).header("content-type", kind).body(body).unwrap()
}

fn answer(kind: u8) -> Result<Response<Body>, Error> {
    let (status, kind, body) = match kind {
        0 => (200, "application/json", Body::from(r#"{"a": 1.0, "b": "{{x}}", "{{": [null]}"#)),
        1 => (404, "application/json", Body::from(r#"{"error_code":"NOT_FOUND","message":"no"}"#)),
        2 => (503, "text/html", Body::from("<html>{{'{{'}}</html>\r\n")),
        3 => (200, "application/vnd.apache.arrow.stream", Body::from(vec![0xff; 300])),
        4 => (204, "text/plain", Body::empty()),
        _ => return Err(Error::new(ErrorKind::Unavailable, "the connection broke").with_ambiguous(true)),
    };
    Ok(Response::builder().status(status).header("content-type", kind).body(body).unwrap())
}

async fn tell<S>(mut service: S, steps: &[Step], run: u128) -> Vec<Seen>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    let ids = ids(run);
    let mut seen = Vec::new();
    for step in steps {
        seen.push(match service.ready().await.unwrap().call(request(step, &ids)).await {
            Ok(response) => {
                let status = response.status().as_u16();
                Ok((status, response.into_body().collect(usize::MAX).await.unwrap()))
            }
            Err(error) => Err((error.kind(), error.is_ambiguous())),
        });
    }
    seen
}

/// JSON is compared by value: its white space is not kept.
fn by_value(seen: Vec<Seen>) -> Vec<Seen> {
    let settle = |bytes: Bytes| match serde_json::from_slice::<Value>(&bytes) {
        Ok(value) => value.to_string().into(),
        Err(_) => bytes,
    };
    seen.into_iter().map(|seen| seen.map(|(status, bytes)| (status, settle(bytes)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_replay_is_the_recording_again_with_ids_of_its_own(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let answers = Arc::new(Mutex::new(steps.clone().into_iter()));
            let leaf = tower::service_fn(move |_: Request<Body>| {
                let step = answers.lock().unwrap().next().unwrap();
                async move { answer(step.answer) }
            });
            let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
            let live = by_value(tell(recorder.layer().layer(leaf), &steps, 1).await);
            let cassette = recorder.cassette().unwrap();
            let again = Cassette::from_json(&cassette.to_json().unwrap()).unwrap();
            assert_eq!(again, cassette);
            let player = CassettePlayer::replaying(&again, CassetteOptions::new()).unwrap();
            assert_eq!(by_value(tell(player.leaf(), &steps, 2).await), live);
            player.finish().unwrap();
            assert_eq!(player.transcript(), recorder.transcript());
            recorder.finish().unwrap();
        });
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_recorded_as_the_failure_it_was() {
    let leaf = tower::service_fn(|_: Request<Body>| async {
        let broken = Error::new(ErrorKind::Unavailable, "the connection broke");
        let pieces = vec![Ok(Bytes::from_static(b"half")), Err(broken)];
        Ok::<_, Error>(Response::new(Body::from_stream(futures::stream::iter(pieces))))
    });
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let get = || Request::get("https://storage.invalid/results/1?sig=secret").body(Body::empty()).unwrap();
    let live = recorder.layer().layer(leaf).oneshot(get()).await.unwrap_err();
    let cassette = recorder.cassette().unwrap();
    assert!(matches!(cassette.interactions()[0].outcome, Outcome::Failure(_)));
    let player = CassettePlayer::replaying(&cassette, CassetteOptions::new()).unwrap();
    let replayed = player.leaf().oneshot(get()).await.unwrap_err();
    assert_eq!((replayed.kind(), replayed.message()), (live.kind(), live.message()));
    assert_eq!(live.kind(), ErrorKind::Unavailable);
    player.finish().unwrap();
    recorder.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_given_up_in_a_replay_leaves_the_others_alone() {
    let interaction = json!({
        "request": {"method": "POST", "origin": "api", "path": "/api/a"},
        "response": {"status": 200, "headers": {}}, "elapsed_ms": 5000});
    let text = json!({"format": "databricks-cassette/1", "variables": {}, "interactions": [interaction, interaction]});
    let cassette = Cassette::from_json(&text.to_string()).unwrap();
    let player = CassettePlayer::replaying(&cassette, CassetteOptions::new().with_timing(true)).unwrap();
    let post =
        || player.leaf().oneshot(Request::post("https://w.invalid/api/a").body(Body::empty()).unwrap());
    tokio::time::timeout(std::time::Duration::from_secs(1), post()).await.unwrap_err();
    assert_eq!(post().await.unwrap().status(), 200);
    assert_eq!(player.finish().unwrap().replayed, 2);
}

#[tokio::test]
async fn new_episodes_continue_a_story_under_its_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    let leaf = || tower::service_fn(|_: Request<Body>| async { answer(0) });
    let step = |path: usize, body: u8| Step { method: Method::POST, path, ids: vec![0], body, answer: 0 };
    let open = |mode| CassettePlayer::open(&path, CassetteOptions::new().with_mode(mode)).unwrap();

    let player = open(CassetteMode::Once);
    tell(player.layer().layer(leaf()), &[step(0, 1)], 1).await;
    player.finish().unwrap();
    let player = open(CassetteMode::NewEpisodes);
    tell(player.layer().layer(leaf()), &[step(0, 1), step(1, 2)], 2).await;
    let report = player.finish().unwrap();
    assert_eq!((report.replayed, report.recorded), (1, 1));

    let cassette = Cassette::load(&path).unwrap();
    let names: HashMap<String, Value> =
        cassette.variables().iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    assert_eq!(names, HashMap::from([("generated_1".to_owned(), json!(ids(1)[0]))]));
    let player = open(CassetteMode::None);
    tell(player.layer().layer(leaf()), &[step(0, 1), step(1, 2)], 3).await;
    assert_eq!(player.finish().unwrap().replayed, 2);
}

#[tokio::test]
async fn the_token_that_passed_through_is_not_saved() {
    const LEAKED: &str = "not-shaped-like-a-token";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leak.json");
    let player = CassettePlayer::open(&path, CassetteOptions::new()).unwrap();
    let leaf = tower::service_fn(|_: Request<Body>| async {
        let body = Body::from(json!({ "note": format!("you sent {LEAKED}") }).to_string());
        Ok::<_, Error>(Response::builder().header("content-type", "application/json").body(body).unwrap())
    });
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(LEAKED.to_owned());
    let mock = MockDatabricksClient::with_player(Client::builder(config).leaf(leaf), player).unwrap();
    let _: Value = mock.request(Method::GET, "/api/2.0/echo", None).await.unwrap();
    mock.finish().unwrap();
    let saved = std::fs::read_to_string(&path).unwrap();
    assert!(!saved.contains(LEAKED) && saved.contains("you sent REDACTED"), "{saved}");
}

#[tokio::test]
async fn an_attempt_at_a_workspace_that_is_not_there_is_a_failure_like_any_other() {
    let config = DatabricksConfig::new("http://127.0.0.1:9").unwrap().with_token("dapi-none".to_owned());
    let mock = MockDatabricksClient::recording(Client::builder(config)).unwrap();
    let request = async |mock: &MockDatabricksClient| {
        mock.request::<Value>(Method::GET, "/api/2.0/sql/warehouses", None).await.unwrap_err().kind()
    };
    assert_eq!(request(&mock).await, ErrorKind::Connect);
    let cassette = mock.cassette().unwrap();
    assert!(!cassette.to_json().unwrap().contains("127.0.0.1"), "{}", cassette.to_json().unwrap());
    let replay = MockDatabricksClient::replaying(&cassette).unwrap();
    assert_eq!(request(&replay).await, ErrorKind::Connect);
    replay.finish().unwrap();
    mock.finish().unwrap();
}
