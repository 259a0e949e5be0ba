//! Sending requests to a workspace, and reading its answers.

use std::sync::Arc;

use bytes::Bytes;
use databricks_testkit::{ScriptedEngine, SimulatedWorkspace, SimulatedWorkspaceBuilder, WorkspaceService};
use databricks_transport::{Body, Error};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const TOKEN: &str = "dapi-test";
pub(crate) const WAREHOUSE: &str = "dd43ee29fedd958d";
pub(crate) const STATEMENTS: &str = "/api/2.0/sql/statements";

/// A caller with a token, in process.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) workspace: SimulatedWorkspace,
    service: WorkspaceService,
}

/// An answer read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {:?}", self.bytes))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}

pub(crate) fn builder(engine: &ScriptedEngine) -> SimulatedWorkspaceBuilder {
    SimulatedWorkspace::builder().token(TOKEN).warehouse(WAREHOUSE).engine(Arc::new(engine.clone())).seed(1)
}

impl Caller {
    pub(crate) fn new(workspace: SimulatedWorkspace) -> Self {
        let service = workspace.service();
        Self { workspace, service }
    }

    pub(crate) fn of(engine: &ScriptedEngine) -> Self {
        Self::new(builder(engine).build())
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Answer, Error> {
        let response = self.service.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect(usize::MAX).await?;
        Ok(Answer { status: parts.status, headers: parts.headers, bytes })
    }

    /// Calls the API with the token.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.call_as(TOKEN, method, path, body).await
    }

    /// Calls the API with another token.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", SimulatedWorkspace::HOST))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(body.into())
            .unwrap();
        self.send(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, ()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, ()).await
    }

    /// Submits a statement with more fields on top of text and warehouse.
    pub(crate) async fn submit(&self, statement: &str, more: Value) -> Answer {
        let mut body = json!({ "statement": statement, "warehouse_id": WAREHOUSE });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post(STATEMENTS, body).await
    }

    /// Follows a link as a client must: without a token.
    pub(crate) async fn download(&self, link: &Value) -> Answer {
        let request = Request::get(link["external_link"].as_str().unwrap()).body(Body::empty()).unwrap();
        self.send(request).await.unwrap()
    }
}

/// Frame after frame, as the service compresses.
#[cfg(feature = "arrow")]
pub(crate) fn lz4(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        std::io::Read::read_to_end(&mut lz4_flex::frame::FrameDecoder::new(&mut bytes), &mut out).unwrap();
    }
    out
}
