//! A leaf of the transport's stack that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use databricks_jobs::JobsClient;
use databricks_transport::{Body, Client, DatabricksConfig, Error, ErrorKind, Operation, RetryConfig};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::Service;

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// A good answer of something that is no service: a page of a proxy.
    Page,
    /// The connection broke.
    Reset,
    /// Nothing, ever.
    Silence,
}

/// A request that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Seconds since the script began.
    pub(crate) at: f64,
    pub(crate) line: String,
    pub(crate) body: Value,
    pub(crate) idempotent: bool,
}

/// Answers in order; the last answer is given again when `repeat` says so.
#[derive(Clone)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    repeat: bool,
    started: Instant,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, seen: Arc::default(), repeat: false, started: Instant::now() }
    }

    /// Gives the last answer again and again.
    pub(crate) fn repeating(mut self) -> Self {
        self.repeat = true;
        self
    }

    /// A client whose calls are sent at most `attempts` times.
    pub(crate) fn jobs(&self, attempts: u32) -> JobsClient {
        let retry = RetryConfig::default().with_max_attempts(attempts);
        let config = DatabricksConfig::new("https://h.example").unwrap();
        let config = config.with_token("t".to_owned()).with_retry(retry);
        JobsClient::new(&Client::builder(config).leaf(self.clone()).build().unwrap())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    fn next(&self) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        if self.repeat && answers.len() == 1 {
            answers[0].clone()
        } else {
            answers.pop_front().expect("no answer left")
        }
    }
}

impl Service<Request<Body>> for Script {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let script = self.clone();
        async move {
            let idempotent = Operation::of(&request).is_idempotent();
            let (head, body) = request.into_parts();
            let body = body.collect(10_000).await?;
            script.seen.lock().unwrap().push(Seen {
                at: script.started.elapsed().as_secs_f64(),
                line: format!("{} {}", head.method, head.uri.path_and_query().unwrap()),
                body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
                idempotent,
            });
            match script.next() {
                Answer::Json(status, value) => {
                    Ok(Response::builder().status(status).body(Body::from(value.to_string())).unwrap())
                }
                Answer::Page => Ok(Response::new(Body::from("<html>We will be back soon</html>"))),
                Answer::Reset => Err(Error::new(ErrorKind::Unavailable, "connection reset")),
                Answer::Silence => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// A run that is in this state.
pub(crate) fn going(state: &str) -> Answer {
    Answer::Json(200, json!({"run_id": 7, "job_id": 42, "run_type": "JOB_RUN", "status": {"state": state}}))
}

/// A run that ended with this code.
pub(crate) fn over(code: &str, kind: &str, message: &str) -> Answer {
    Answer::Json(
        200,
        json!({"run_id": 7, "job_id": 42, "run_type": "JOB_RUN", "status": {"state": "TERMINATED",
            "termination_details": {"code": code, "type": kind, "message": message}}}),
    )
}
