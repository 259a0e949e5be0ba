//! What a player knows of secrets: nothing it saves, prints or shows holds one.

use bytes::Bytes;
use databricks_testkit::{Cassette, CassetteErrorKind, CassetteOptions, CassettePlayer, Sanitizers};
use databricks_transport::{Body, Error};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

const BEARER: &str = "correct-horse-bearer";
const TOLD: &str = "correct-horse-battery";

/// A leaf that answers each request with the body it came with.
fn echo() -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Error,
    Future = impl Future<Output = Result<Response<Body>, Error>> + Send,
> + Clone
+ Send
+ 'static {
    tower::service_fn(|request: Request<Body>| async {
        let kind = request.headers().get("content-type").cloned();
        let bytes = request.into_body().collect(usize::MAX).await?;
        let mut response = Response::new(Body::from_bytes(bytes));
        response.headers_mut().extend(kind.map(|kind| (http::header::CONTENT_TYPE, kind)));
        Ok::<_, Error>(response)
    })
}

fn post(headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let request = Request::post("https://w.cloud.databricks.com/api/2.0/x");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from_bytes(body.into())).unwrap()
}

#[tokio::test]
async fn the_recording_of_a_mock_is_searched_for_its_secrets_wherever_it_is_saved() {
    // A binary body is kept as it is, so only the check stands between it and the file.
    let player = CassettePlayer::recording(CassetteOptions::new().with_secret(TOLD)).unwrap();
    for (kind, secret) in [("application/octet-stream", TOLD), ("application/octet-stream", BEARER)] {
        let request = post(
            &[("content-type", kind), ("authorization", &format!("Bearer {BEARER}"))],
            [b"\xff\x00".as_slice(), secret.as_bytes()].concat(),
        );
        player.layer().layer(echo()).oneshot(request).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let mut cassette = player.cassette().unwrap();
    for number in 1..=2 {
        for saved in
            [cassette.save(&path), cassette.clone().save_with(&path, &Sanitizers::none().secret_scan())]
        {
            let error = saved.unwrap_err();
            assert_eq!(error.kind(), CassetteErrorKind::Secret, "{number}: {error}");
            assert!(error.message().contains("request/body"), "{error}");
        }
        let mut first = true;
        cassette.retain(|_| !std::mem::take(&mut first));
    }
    assert!(!path.exists());
    cassette.save(&path).unwrap();
    assert_eq!(Cassette::load(&path).unwrap(), cassette, "the check is no part of the value");
}

/// Everything that a player shows of what it saw.
fn shown(player: &CassettePlayer) -> String {
    let requests = player.requests();
    format!(
        "{player:?} {requests:?} {} {}",
        player.transcript(),
        player.cassette().unwrap().to_json().unwrap()
    )
}

#[tokio::test]
async fn no_text_of_a_player_shows_a_secret_that_it_knows() {
    const BASIC: &str = "dXNlcjpodW50ZXItYmFzaWM=";
    let secrets = [TOLD, BEARER, "hunter-basic", BASIC, "hunter-form", "hunter-management", "hunter-answer"];
    let all = serde_json::json!({"notes": secrets, "note": format!("x{}x", secrets.join("x"))}).to_string();
    let bearer = format!("Bearer {BEARER}");
    let story = || {
        [
            // Shown before it is known to be a secret.
            post(
                &[("content-type", "application/json")],
                format!(r#"{{"early": "{BEARER} hunter-answer"}}"#),
            ),
            post(&[("authorization", &format!("Basic {BASIC}"))], "client_secret=hunter-form"),
            post(&[("content-type", "application/json")], r#"{"access_token": "hunter-answer"}"#),
            post(
                &[
                    ("content-type", "application/json"),
                    ("authorization", &bearer),
                    ("x-databricks-azure-sp-management-token", "hunter-management"),
                ],
                all.clone(),
            ),
        ]
    };
    let options = || CassetteOptions::new().with_secret(TOLD);
    let recorder = CassettePlayer::recording(options()).unwrap();
    for request in story() {
        recorder.layer().layer(echo()).oneshot(request).await.unwrap();
    }
    let cassette = recorder.cassette().unwrap();
    let empty = CassettePlayer::replaying(&Cassette::new(), options()).unwrap();
    let mut errors = String::new();
    for request in story().into_iter().skip(1) {
        errors += &empty.leaf().oneshot(request).await.unwrap_err().to_string();
    }
    errors += &empty.finish().unwrap_err().to_string();
    let recorded = cassette.to_json().unwrap() + &recorder.transcript() + &format!("{recorder:?}");
    for secret in secrets {
        assert!(!recorded.contains(secret), "{secret} is in {recorded}");
        assert!(!errors.contains(secret), "{secret} is in {errors}");
        assert!(!shown(&empty).contains(secret), "{secret} is shown");
    }
}

#[tokio::test]
async fn a_replay_with_another_token_finds_what_was_recorded() {
    let ask = |token: &str, sql: &str| {
        let body = serde_json::json!({ "statement": sql }).to_string();
        post(&[("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))], body)
    };
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    recorder.layer().layer(echo()).oneshot(ask(BEARER, "SELECT replayed FROM t")).await.unwrap();
    let cassette = recorder.cassette().unwrap();
    // The token of this run is a word of the statement.
    let player = CassettePlayer::replaying(&cassette, CassetteOptions::new()).unwrap();
    player.leaf().oneshot(ask("replayed", "SELECT replayed FROM t")).await.unwrap();
    assert_eq!(player.finish().unwrap().replayed, 1);
}

#[test]
fn a_secret_that_is_too_short_is_refused_when_the_player_is_made() {
    let options = || CassetteOptions::new().with_secret("abc");
    let folder = tempfile::tempdir().unwrap();
    let opened = CassettePlayer::open(folder.path().join("c.json"), options());
    let made = [
        opened,
        CassettePlayer::recording(options()),
        CassettePlayer::replaying(&Cassette::new(), options()),
    ];
    for refused in made {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), CassetteErrorKind::Sanitizer);
        assert!(!error.to_string().contains("abc"), "{error}");
    }
}
