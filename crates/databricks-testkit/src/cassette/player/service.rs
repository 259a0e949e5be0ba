//! The player as a tower layer around a leaf, and as a leaf of its own.

use std::task::{Context, Poll};
use std::time::Duration;

use chrono::Utc;
use databricks_transport::{Body, Error, ErrorKind};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::CassettePlayer;
use super::nearest::Unmatched;
use super::replay::{Given, freshen};
use super::state::{Arrival, head_of, to_send};
use crate::cassette::interaction::{CassetteFailure, CassetteResponse, Outcome};

/// How long a request that was given up in the recording waits for being given up again.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Puts a [`CassettePlayer`] around a leaf; made by [`CassettePlayer::layer`].
#[derive(Clone, Debug)]
pub struct CassetteLayer {
    player: CassettePlayer,
}

/// A leaf with a player around it; made by [`CassetteLayer`].
#[derive(Clone, Debug)]
pub struct CassetteService<S> {
    player: CassettePlayer,
    inner: S,
}

/// A leaf that has nothing but the cassette; made by [`CassettePlayer::leaf`].
#[derive(Clone, Debug)]
pub struct CassetteLeaf {
    service: CassetteService<NoNetwork>,
}

/// What a leaf of its own would record: nothing.
#[derive(Clone, Debug)]
struct NoNetwork;

impl CassetteLayer {
    pub(super) fn new(player: CassettePlayer) -> Self {
        Self { player }
    }
}

impl CassetteLeaf {
    pub(super) fn new(player: CassettePlayer) -> Self {
        Self { service: CassetteService { player, inner: NoNetwork } }
    }
}

impl<S> Layer<S> for CassetteLayer {
    type Service = CassetteService<S>;

    fn layer(&self, inner: S) -> CassetteService<S> {
        CassetteService { player: self.player.clone(), inner }
    }
}

impl<S> Service<Request<Body>> for CassetteService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A replay needs nothing from the inside, which may never be ready without a network.
        if self.player.shared.records || self.player.shared.passes_through() {
            return self.inner.poll_ready(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone is not the one that was polled ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        if self.player.shared.passes_through() {
            let mut inner = inner;
            return inner.call(request).boxed();
        }
        exchange(self.player.clone(), inner, request).boxed()
    }
}

impl Service<Request<Body>> for CassetteLeaf {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.service.call(request)
    }
}

impl Service<Request<Body>> for NoNetwork {
    type Response = Response<Body>;
    type Error = Error;
    type Future = future::Ready<Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        future::ready(Err(Error::new(
            ErrorKind::Config,
            format!(
                "{} {} would have to be recorded, and this leaf has no network: put the player around the \
                 client's own leaf with ClientBuilder::leaf_layer(player.layer())",
                request.method(),
                request.uri().path()
            ),
        )))
    }
}

/// Answers from the cassette, or asks the inside and keeps what came of it.
async fn exchange<S>(
    player: CassettePlayer,
    inner: S,
    request: Request<Body>,
) -> Result<Response<Body>, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    let shared = &player.shared;
    let (parts, body) = request.into_parts();
    let head = head_of(&parts);
    let limit = shared.options.body_limit;
    if body.as_bytes().is_some_and(|bytes| bytes.len() > limit) {
        return Err(shared.too_large("the request's body", &title(&head)));
    }
    let body = match limited(body, limit).await {
        Collected::All(bytes) => bytes,
        Collected::TooLarge => return Err(shared.too_large("the request's body", &title(&head))),
        Collected::Failed(error) => return Err(error),
    };
    let arrival = shared.arrived(&head, body.clone());
    match shared.play(&arrival) {
        Some(Ok(given)) => replayed(&player, arrival, given).await,
        Some(Err(unmatched)) => Err(no_answer(&unmatched)),
        None => recorded(&player, inner, arrival, &head, to_send(parts, body)).await,
    }
}

async fn replayed(player: &CassettePlayer, arrival: Arrival, given: Given) -> Result<Response<Body>, Error> {
    let Given { outcome, elapsed } = given;
    let timing = player.shared.options.timing;
    if timing && elapsed > Duration::ZERO {
        tokio::time::sleep(elapsed).await;
    }
    if let Outcome::Failure(failure) = &outcome
        && failure.given_up
    {
        let _unanswered = Unanswered::new(player, arrival, false);
        tokio::time::sleep(PATIENCE).await;
        return Err(failure.to_error());
    }
    player.shared.keep(arrival, outcome.clone(), elapsed, false);
    match outcome {
        Outcome::Response(mut response) => {
            freshen(&mut response, Utc::now(), timing);
            Ok(to_http(&response))
        }
        Outcome::Failure(failure) => Err(failure.to_error()),
    }
}

async fn recorded<S>(
    player: &CassettePlayer,
    mut inner: S,
    arrival: Arrival,
    head: &Request<()>,
    request: Request<Body>,
) -> Result<Response<Body>, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    let shared = &player.shared;
    let started = Instant::now();
    let changes = !head.method().is_safe();
    let unanswered = Unanswered::new(player, arrival, true);
    let answer = match inner.call(request).await {
        Ok(response) => whole(response, shared.options.body_limit).await,
        Err(error) => Answer::Failed(error),
    };
    let elapsed = started.elapsed();
    let Some(arrival) = unanswered.answered() else {
        return Err(Error::new(ErrorKind::Other, "a request was answered that had ended"));
    };
    match answer {
        Answer::Whole(parts, bytes) => {
            let mut response = CassetteResponse::from_http(parts.status, &parts.headers, bytes.clone());
            shared.clean(&arrival, &mut response);
            shared.keep(arrival, Outcome::Response(response), elapsed, true);
            Ok(Response::from_parts(parts, Body::from_bytes(bytes)))
        }
        Answer::TooLarge => Err(shared.too_large("the answer", &title(head)).with_ambiguous(changes)),
        Answer::Failed(error) => {
            let mut failure = CassetteFailure::from_error(&error);
            failure.message = arrival.sanitizers.text(&failure.message);
            shared.keep(arrival, Outcome::Failure(failure), elapsed, true);
            Err(error)
        }
    }
}

/// A request that waits for its answer. One that is dropped was given up by the client, and is kept as such.
struct Unanswered<'a> {
    player: &'a CassettePlayer,
    arrival: Option<Arrival>,
    started: Instant,
    from_network: bool,
}

impl<'a> Unanswered<'a> {
    fn new(player: &'a CassettePlayer, arrival: Arrival, from_network: bool) -> Self {
        Self { player, arrival: Some(arrival), started: Instant::now(), from_network }
    }

    /// It is not given up any more.
    fn answered(mut self) -> Option<Arrival> {
        self.arrival.take()
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some(arrival) = self.arrival.take() else { return };
        let failure = CassetteFailure::given_up(!arrival.request.method.is_safe());
        let elapsed = self.started.elapsed();
        self.player.shared.keep(arrival, Outcome::Failure(failure), elapsed, self.from_network);
    }
}

enum Answer {
    Whole(http::response::Parts, bytes::Bytes),
    TooLarge,
    Failed(Error),
}

async fn whole(response: Response<Body>, limit: usize) -> Answer {
    let (parts, body) = response.into_parts();
    match limited(body, limit).await {
        Collected::All(bytes) => Answer::Whole(parts, bytes),
        Collected::TooLarge => Answer::TooLarge,
        Collected::Failed(error) => Answer::Failed(error),
    }
}

enum Collected {
    All(bytes::Bytes),
    TooLarge,
    Failed(Error),
}

/// All of a body, unless it is too large or breaks off.
async fn limited(body: Body, limit: usize) -> Collected {
    use futures::StreamExt;

    // In memory already: no copy.
    if let Some(length) = body.as_bytes().map(<[u8]>::len) {
        return match body.collect(length).await {
            Ok(bytes) if bytes.len() <= limit => Collected::All(bytes),
            Ok(_) => Collected::TooLarge,
            Err(error) => Collected::Failed(error),
        };
    }
    let mut stream = std::pin::pin!(body.into_stream());
    let mut bytes = bytes::BytesMut::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Err(error) => return Collected::Failed(error),
            Ok(piece) if bytes.len().saturating_add(piece.len()) > limit => return Collected::TooLarge,
            Ok(piece) => bytes.extend_from_slice(&piece),
        }
    }
    Collected::All(bytes.freeze())
}

/// Method and path: what a message may show. The query of a link is a secret.
fn title(head: &Request<()>) -> String {
    format!("{} {}", head.method(), head.uri().path())
}

fn to_http(recorded: &CassetteResponse) -> Response<Body> {
    let body = recorded.body.to_bytes();
    let mut headers = headers(recorded);
    // An answer without a body says itself how long it would be: the one to HEAD.
    if !body.is_empty() {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut response = Response::new(Body::from_bytes(body));
    *response.status_mut() = recorded.status;
    *response.headers_mut() = headers;
    response
}

fn headers(recorded: &CassetteResponse) -> HeaderMap {
    let pair = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    recorded.headers.iter().filter_map(pair).collect()
}

/// The error of a request that the cassette does not know. Its kind says that nothing was sent and that another attempt
/// is of no use: a client that tries again in other words would hide what was asked first.
fn no_answer(unmatched: &Unmatched) -> Error {
    Error::new(ErrorKind::Config, unmatched.to_string()).with_hint(
        "Record it: DATABRICKS_CASSETTE_MODE=new_episodes adds what is missing, all records everything anew",
    )
}
