//! Layers of a program's own: one around each call, one around each attempt.
//!
//! Around a call is where a cache belongs: what it answers is neither signed, nor counted against a limit, nor retried.
//! Around an attempt is where one sees what is really sent, signature, repetitions and all. It runs without a workspace: a
//! service in the place of the network is busy at first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use databricks_transport::{
    ApiRequest, Body, Client, DatabricksConfig, Error, HttpService, Operation, RetryConfig,
};
use http::{HeaderValue, Method, Request, Response};
use tower::ServiceExt;

const ME: Operation = Operation::new("scim.me").idempotent();

/// Keeps the answers of reads, by their URI.
#[derive(Clone, Default)]
struct Cache {
    answers: Arc<Mutex<HashMap<String, Bytes>>>,
}

impl Cache {
    fn layer(self, inner: HttpService) -> HttpService {
        HttpService::new(tower::service_fn(move |request| self.clone().answer(inner.clone(), request)))
    }

    async fn answer(self, inner: HttpService, request: Request<Body>) -> Result<Response<Body>, Error> {
        let key = request.uri().to_string();
        let is_read = request.method() == Method::GET;
        let known = self.answers.lock().ok().and_then(|answers| answers.get(&key).cloned());
        if let Some(body) = known.filter(|_| is_read) {
            return Ok(Response::new(Body::from(body)));
        }
        let answer = inner.oneshot(request).await?;
        if !is_read || !answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().collect(1024 * 1024).await?;
        if let Ok(mut answers) = self.answers.lock() {
            answers.insert(key, body.clone());
        }
        Ok(Response::new(Body::from(body)))
    }
}

/// Counts what is sent, and numbers it for whoever reads the server's log.
fn numbered(count: Arc<AtomicUsize>, inner: HttpService) -> HttpService {
    HttpService::new(tower::service_fn(move |mut request: Request<Body>| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        request.headers_mut().insert("x-attempt", HeaderValue::from(number));
        inner.clone().oneshot(request)
    }))
}

/// What stands in for the network: the first request finds it busy.
async fn network(request: Request<Body>) -> Result<Response<Body>, Error> {
    let number = request.headers().get("x-attempt").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut answer = Response::new(Body::from(format!("{{\"answered_attempt\":{number}}}")));
    if number == "1" {
        *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let sent = Arc::new(AtomicUsize::new(0));
    let (cache, count) = (Cache::default(), Arc::clone(&sent));
    let config = DatabricksConfig::new("https://h.example")?
        .with_token("dapi-example".to_owned())
        .with_retry(RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO));
    let client = Client::builder(config)
        .per_call(tower::layer::layer_fn(move |inner| cache.clone().layer(inner)))
        .per_attempt(tower::layer::layer_fn(move |inner| numbered(Arc::clone(&count), inner)))
        .leaf(tower::service_fn(network))
        .build()?;

    for _ in 0..3 {
        let me: serde_json::Value = client.call(ME, ApiRequest::get("/api/2.0/preview/scim/v2/Me")).await?;
        println!("{me}, {} attempts sent", sent.load(Ordering::Relaxed));
    }
    assert_eq!(sent.load(Ordering::Relaxed), 2, "one repetition, then the cache");
    Ok(())
}
