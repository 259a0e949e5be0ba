//! A leaf of one's own: where requests end, instead of the network.
//!
//! It is any tower service from requests to answers. The whole stack stays in front of it: signing, limits, retries and
//! deadlines work as they do against a workspace, so this is how to test them, or to send requests by other means (a unix
//! socket, a gateway's SDK).

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use databricks_transport::{ApiRequest, Body, Client, DatabricksConfig, Error, ErrorKind, Operation};
use http::{Request, Response, StatusCode};
use tower::Service;

const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();

/// Answers from a table, by method, path and query. Links of storage end here too.
#[derive(Clone)]
struct Table(Arc<HashMap<&'static str, &'static str>>);

impl Service<Request<Body>> for Table {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Ready<Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let key = format!("{} {target}", request.method());
        // Any status is an answer here. An error means that there was none.
        ready(Ok(match self.0.get(key.as_str()) {
            Some(body) => Response::new(Body::from(*body)),
            None => {
                let mut missing = Response::new(Body::from("NOT_FOUND: there is no such run"));
                *missing.status_mut() = StatusCode::NOT_FOUND;
                missing
            }
        }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let table = Table(Arc::new(HashMap::from([(
        "GET /api/2.2/jobs/runs/get?run_id=7",
        "{\"run_id\":7,\"state\":{\"life_cycle_state\":\"RUNNING\"}}",
    )])));
    let config = DatabricksConfig::new("https://h.example")?.with_token("dapi-example".to_owned());
    let client = Client::builder(config).leaf(table).build()?;
    let get = |id: u64| ApiRequest::get("/api/2.2/jobs/runs/get").query("run_id", id);

    let run: serde_json::Value = client.call(GET_RUN, get(7)).await?;
    println!("{run}");
    match client.call::<serde_json::Value>(GET_RUN, get(8)).await {
        Err(error) if error.kind() == ErrorKind::NotFound => println!("{error}"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
