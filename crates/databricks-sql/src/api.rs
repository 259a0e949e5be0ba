//! The calls of the Statement Execution API: requests are built purely, only [`Api`] sends them.

use std::time::Duration;

use databricks_transport::{ApiRequest, Body, CallOff, Client, Operation, encode_segment};
use http::{Method, Request, Response};

use crate::wire::{Link, ResultPage, StatementRequest, StatementResponse};
use crate::{Result, SqlError, StatementId};

const STATEMENTS: &str = "/api/2.0/sql/statements";
/// What a held answer may take on top of the time that the server holds it.
const ANSWER_MARGIN: Duration = Duration::from_secs(30);

const SUBMIT: Operation = Operation::new("sql.execute");
const GET: Operation = Operation::new("sql.get").idempotent();
const CHUNK: Operation = Operation::new("sql.chunk").idempotent();
const CANCEL: Operation = Operation::new("sql.cancel").idempotent();
const FETCH: Operation = Operation::new("sql.fetch").idempotent();

/// The API through one client.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
}

impl Api {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// What a call may take, waits and repetitions included.
    pub(crate) fn total_timeout(&self) -> Duration {
        self.client.config().total_timeout()
    }

    /// Sends a statement. `idempotent` is the caller's word that it may run twice.
    pub(crate) async fn submit(
        &self,
        request: &StatementRequest,
        idempotent: bool,
        call_off: &CallOff,
    ) -> Result<StatementResponse> {
        let operation = SUBMIT.with_attempt_timeout(request.wait_timeout + ANSWER_MARGIN);
        let operation = if idempotent { operation.idempotent() } else { operation };
        let call = ApiRequest::post(STATEMENTS).json(request)?.unless(call_off);
        Ok(self.client.call(operation, call).await?)
    }

    pub(crate) async fn get(&self, id: &StatementId) -> Result<StatementResponse> {
        Ok(self.client.call(GET, ApiRequest::get(statement_path(id))).await?)
    }

    pub(crate) async fn chunk(&self, id: &StatementId, index: u64) -> Result<ResultPage> {
        let path = format!("{}/result/chunks/{index}", statement_path(id));
        Ok(self.client.call(CHUNK, ApiRequest::get(path)).await?)
    }

    pub(crate) async fn cancel(&self, id: &StatementId) -> Result<()> {
        let call = ApiRequest::post(format!("{}/cancel", statement_path(id))).json(&serde_json::json!({}))?;
        self.client.send(CANCEL, call).await?;
        Ok(())
    }

    /// Opens a presigned link, with its own headers and none of ours.
    pub(crate) async fn fetch(&self, link: &Link) -> Result<Response<Body>> {
        Ok(self.client.fetch_link(FETCH, link_request(link)?).await?)
    }
}

fn statement_path(id: &StatementId) -> String {
    format!("{STATEMENTS}/{}", encode_segment(id.as_str()))
}

// The errors name the chunk and never the address, which is a credential.
fn link_request(link: &Link) -> Result<Request<Body>> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(&link.external_link)
        .header(http::header::ACCEPT_ENCODING, "identity");
    for (name, value) in link.http_headers.iter().flatten() {
        request = request.header(name, value);
    }
    request.body(Body::empty()).map_err(|_| {
        SqlError::decode(format!("the link of chunk {} is not a valid address", link.chunk_index))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn link(address: &str) -> Link {
        serde_json::from_value(serde_json::json!({
            "external_link": address, "chunk_index": 2, "http_headers": {"x-ms-key": "k"},
        }))
        .unwrap()
    }

    #[test]
    fn link_is_asked_for_with_its_own_headers_only() {
        let request = link_request(&link("https://storage.invalid/a?sig=1")).unwrap();
        assert_eq!(request.uri(), "https://storage.invalid/a?sig=1");
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["accept-encoding", "x-ms-key"]);
    }

    #[test]
    fn bad_link_is_refused_without_showing_it() {
        let message = link_request(&link("http://bad host/secret")).unwrap_err().to_string();
        assert!(message.contains("chunk 2") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn statement_ids_are_encoded_into_one_segment() {
        assert_eq!(statement_path(&StatementId::new("a/b")), "/api/2.0/sql/statements/a%2Fb");
    }
}
