//! The clients that are compared: hyper-util's own, and ours with its default layers.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use databricks_transport::{ApiRequest, Body, Client, DatabricksConfig, Operation, Rate, RateLimits};
use futures::StreamExt;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use crate::server::{CHUNK, RUN, Server};

const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();
const DOWNLOAD: Operation = Operation::new("sql.download").idempotent();
const TOKEN: &str = "dapi-0123456789abcdef";
/// More than any machine sends, so that the limiters are asked and never wait.
const UNREACHABLE: f64 = 1_000_000.0;

/// The part of the answer that is decoded.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) run_id: u64,
    pub(crate) state: RunState,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RunState {
    pub(crate) life_cycle_state: String,
}

/// A client that is measured.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Asks for the small answer and decodes it.
    fn get_run(&self) -> impl Future<Output = Run> + Send;

    /// Streams the large answer and counts its bytes.
    fn download(&self) -> impl Future<Output = usize> + Send;
}

/// hyper-util's pooled client, with the settings that ours gives it and a request made ready beforehand.
#[derive(Clone)]
pub(crate) struct Bare {
    client: HyperClient<HttpConnector, Empty<Bytes>>,
    run: Uri,
    chunk: Uri,
    headers: HeaderMap,
}

impl Bare {
    pub(crate) fn new(server: &Server) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(50)));
        let client = HyperClient::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(50))
            .build(connector);
        let uri = |path: &str| Uri::try_from(format!("{}{path}", server.url())).unwrap();
        Self { client, run: uri(&format!("{RUN}?run_id=455644833")), chunk: uri(CHUNK), headers: headers() }
    }

    fn request(&self, uri: &Uri) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// The headers that our client sends.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(USER_AGENT, HeaderValue::from_static("databricks-delta-lake-rs/0.1.0 os/linux auth/pat"));
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {TOKEN}")).unwrap());
    headers
}

impl Caller for Bare {
    fn name(&self) -> &'static str {
        "hyper-util"
    }

    async fn get_run(&self) -> Run {
        let answer = self.client.request(self.request(&self.run)).await.unwrap();
        assert!(answer.status().is_success());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    async fn download(&self) -> usize {
        let answer = self.client.request(self.request(&self.chunk)).await.unwrap();
        let pieces = answer.into_body().into_data_stream();
        pieces.fold(0, |bytes, piece| async move { bytes + piece.unwrap().len() }).await
    }
}

/// Our client.
#[derive(Clone)]
pub(crate) struct Stack {
    client: Client,
    chunk: Uri,
    name: &'static str,
}

impl Stack {
    /// With limiters that are asked before every attempt and never wait.
    pub(crate) fn limited(server: &Server) -> Self {
        let rate = Rate::per_second(UNREACHABLE);
        let limits = RateLimits::default().with_client(rate).with_others(rate);
        Self::new(server, limits.with_class("/jobs/runs/get", rate), "stack")
    }

    /// Without limits.
    pub(crate) fn unlimited(server: &Server) -> Self {
        Self::new(server, RateLimits::unlimited(), "stack, unlimited")
    }

    fn new(server: &Server, limits: RateLimits, name: &'static str) -> Self {
        let config = DatabricksConfig::new(&server.url()).unwrap();
        let config = config.with_token(TOKEN.to_owned()).with_rate_limits(limits);
        let chunk = Uri::try_from(format!("{}{CHUNK}", server.url())).unwrap();
        Self { client: Client::new(config).unwrap(), chunk, name }
    }
}

impl Caller for Stack {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn get_run(&self) -> Run {
        let request = ApiRequest::get(RUN).query("run_id", 455_644_833);
        self.client.call(GET_RUN, request).await.unwrap()
    }

    async fn download(&self) -> usize {
        let request = Request::get(self.chunk.clone()).body(Body::empty()).unwrap();
        let pieces = self.client.fetch_link(DOWNLOAD, request).await.unwrap().into_body().into_stream();
        pieces.fold(0, |bytes, piece| async move { bytes + piece.unwrap().len() }).await
    }
}
