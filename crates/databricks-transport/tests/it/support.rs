//! Leaves that play a script, and a server that does so over TCP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use databricks_transport::{Body, Client, ClientBuilder, DatabricksConfig, Error, RateLimits, RetryConfig};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "dapi-0123456789abcdef";

pub(crate) fn config() -> DatabricksConfig {
    DatabricksConfig::new("https://h.example").unwrap().with_token(TOKEN.to_owned())
}

/// A request as a leaf saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: http::request::Parts,
}

/// What a script does for the attempt with this number, counted from 0.
pub(crate) type Step = BoxFuture<'static, Result<Response<Body>, Error>>;

/// A leaf that plays a script and remembers what it saw.
#[derive(Clone)]
pub(crate) struct Script {
    step: Arc<dyn Fn(usize) -> Step + Send + Sync>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    pub(crate) fn new(step: impl Fn(usize) -> Step + Send + Sync + 'static) -> Self {
        Self { step: Arc::new(step), seen: Arc::default() }
    }

    /// Answers with these, in order; the last one repeats.
    pub(crate) fn answers(answers: &'static [(u16, &'static str)]) -> Self {
        Self::new(move |number| {
            let (status, body) = answers[number.min(answers.len() - 1)];
            answer(Response::builder().status(status).body(Body::from(body)).unwrap())
        })
    }

    pub(crate) fn client(&self, config: DatabricksConfig) -> Client {
        self.builder(config).build().unwrap()
    }

    pub(crate) fn builder(&self, config: DatabricksConfig) -> ClientBuilder {
        let script = self.clone();
        Client::builder(config).leaf(tower::service_fn(move |request: Request<Body>| {
            let mut seen = script.seen.lock().unwrap();
            let number = seen.len();
            seen.push(Seen { head: request.into_parts().0 });
            drop(seen);
            (script.step)(number)
        }))
    }

    pub(crate) fn sent(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

pub(crate) fn answer(response: Response<Body>) -> Step {
    Box::pin(futures::future::ready(Ok(response)))
}

pub(crate) fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A configuration for a server on this machine: no waits between attempts, no limits.
pub(crate) fn local(url: &str) -> DatabricksConfig {
    DatabricksConfig::new(url)
        .unwrap()
        .with_token(TOKEN.to_owned())
        .with_rate_limits(RateLimits::unlimited())
        .with_retry(RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO))
}

/// A server that reads one request per connection, writes these bytes and closes. It ends with the test's runtime.
/// Returns its URL and the requests it got.
pub(crate) async fn raw_server(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    server(move |_, number| answers[number.min(answers.len() - 1)].to_owned()).await
}

/// The same, answering by the server's URL and the number of the request, counted from 0.
pub(crate) async fn server(
    answer: impl Fn(&str, usize) -> String + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own_url = url.clone();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let answer = {
                let mut log = log.lock().unwrap();
                log.push(String::from_utf8_lossy(&request).into_owned());
                answer(&own_url, log.len() - 1)
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, requests)
}

/// Head and, by its `Content-Length`, body have arrived.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}
