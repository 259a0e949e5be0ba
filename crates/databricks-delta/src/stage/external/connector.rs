//! The way of a store's requests: that of all requests of the client, without the workspace's credential.

use std::fmt;

use async_trait::async_trait;
use databricks_transport::{Body, Client, Operation};
use http::{Method, Request};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use super::{answer, failure};
use crate::files::time_for;

/// The largest answer that is read: a list of files, or the statement that is kept with them.
const LARGEST_ANSWER: usize = 64 << 20;

// Staging puts whole objects, lists, and deletes: each of these may happen twice.
const GET: Operation = Operation::new("storage.get").idempotent();
const PUT: Operation = Operation::new("storage.put").idempotent();
const POST: Operation = Operation::new("storage.post").idempotent();
const DELETE: Operation = Operation::new("storage.delete").idempotent();
const OTHER: Operation = Operation::new("storage.call");

/// Sends a store's requests through a client, so that its proxies, certificates, retries and deadlines hold for them
/// too.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Client);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let time = time_for(body.len() as u64, self.0.config().total_timeout());
        let operation = operation(&head.method).with_total_timeout(time);
        let expected = answer::expected(&head.method, &head.uri);
        let request = Request::from_parts(head, Body::from_bytes(body));
        let sent = self.0.send_to_storage(operation, request, LARGEST_ANSWER).await;
        match sent.map_err(answer::explained).and_then(|answer| answer::checked(answer, expected)) {
            Ok(answer) => Ok(answer.map(HttpResponseBody::from)),
            Err(error) => Err(failure::carry(error)),
        }
    }
}

fn operation(method: &Method) -> Operation {
    match *method {
        Method::GET | Method::HEAD => GET,
        Method::PUT => PUT,
        Method::POST => POST,
        Method::DELETE => DELETE,
        _ => OTHER,
    }
}
