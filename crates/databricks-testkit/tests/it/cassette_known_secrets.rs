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
            [b"\xff\x00", secret.as_bytes()].concat(),
        );
        player.layer().layer(echo()).oneshot(request).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let mut cassette = player.cassette().unwrap();
    for number in 1..=2 {
        for saved in [cassette.save(&path), cassette.clone().save_with(&path, &Sanitizers::none().secret_scan())]
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
