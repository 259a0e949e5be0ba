//! A workspace of a few lines: discovery, a token endpoint and an API, scripted by each test, over no network.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use databricks_transport::{AuthConfig, Body, Client, DatabricksConfig, Error, RateLimits, RetryConfig};
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "dose-hunter2-hunter2";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn is_token_call(&self) -> bool {
        self.line.starts_with("POST ") && self.line.ends_with("/token")
    }
}

type Answer = BoxFuture<'static, Result<Response<Body>, Error>>;
type AnswerFn = dyn Fn(&Call, usize) -> Option<Answer> + Send + Sync;

/// What answers instead of the network.
#[derive(Clone)]
pub(crate) struct Workspace {
    answer: Arc<AnswerFn>,
    calls: Arc<Mutex<Vec<Call>>>,
    minted: Arc<AtomicUsize>,
    lifetime: u64,
    mint_takes: Duration,
}

impl Workspace {
    /// Tokens `t1`, `t2`, ... that live so many seconds; every API call succeeds.
    pub(crate) fn new(lifetime: u64) -> Self {
        Self {
            answer: Arc::new(|_, _| None),
            calls: Arc::default(),
            minted: Arc::default(),
            lifetime,
            mint_takes: Duration::ZERO,
        }
    }

    /// Answers some calls in another way. The number counts the calls of the same line before it.
    pub(crate) fn answering(
        mut self,
        answer: impl Fn(&Call, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    pub(crate) fn mint_takes(mut self, seconds: u64) -> Self {
        self.mint_takes = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn client(&self, config: DatabricksConfig) -> Client {
        let workspace = self.clone();
        let leaf = tower::service_fn(move |request: Request<Body>| workspace.clone().serve(request));
        Client::builder(config).leaf(leaf).build().unwrap()
    }

    async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect(1 << 20).await?;
        let call = Call {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        let before = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call.clone());
            calls.iter().filter(|other| other.line == call.line).count() - 1
        };
        if let Some(answer) = (self.answer)(&call, before) {
            return answer.await;
        }
        if call.line.contains("/.well-known/") {
            // The fields that matter of the answer recorded in m2mauthintegrationtests.testsuccessfulm2mconnection.jsonl
            // of databricks-jdbc.
            let host = head.uri.host().unwrap();
            return Ok(json_answer(200, &json!({"token_endpoint": format!("https://{host}/oidc/v1/token")})));
        }
        if !call.line.ends_with("/token") && !call.line.contains("/oauth2/token?") {
            return Ok(json_answer(200, &json!({})));
        }
        tokio::time::sleep(self.mint_takes).await;
        let number = self.minted.fetch_add(1, Ordering::Relaxed) + 1;
        let token = json!({"access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": self.lifetime});
        Ok(json_answer(200, &token))
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many tokens were issued.
    pub(crate) fn minted(&self) -> usize {
        self.minted.load(Ordering::Relaxed)
    }

    /// The signatures of the API calls, in order.
    pub(crate) fn signatures(&self) -> Vec<String> {
        let calls = self.calls();
        let api = calls.iter().filter(|call| call.line.contains("/api/"));
        api.map(|call| call.header("authorization").trim_start_matches("Bearer ").to_owned()).collect()
    }
}

pub(crate) fn json_answer(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// The answer with this status and body.
pub(crate) fn with(status: u16, body: Value) -> Option<Answer> {
    Some(Box::pin(futures::future::ready(Ok(json_answer(status, &body)))))
}

pub(crate) fn never() -> Option<Answer> {
    Some(Box::pin(futures::future::pending()))
}

/// No limits, no waits between attempts.
pub(crate) fn config(host: &str, auth: AuthConfig) -> DatabricksConfig {
    DatabricksConfig::new(host)
        .unwrap()
        .with_auth(auth)
        .with_rate_limits(RateLimits::unlimited())
        .with_retry(RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO))
}

pub(crate) fn m2m() -> DatabricksConfig {
    let auth = AuthConfig::oauth("client-1", SECRET).with_scopes(["all-apis"]);
    config("https://h.example", auth)
}
