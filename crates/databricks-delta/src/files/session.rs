//! A large upload as the API knows it: begun, given signed URLs, completed or aborted.

use std::future::Future;

use bytes::Bytes;
use databricks_transport::{ApiRequest, Body, Client, ErrorKind, Operation};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::path::file_url;
use super::upload::time_for;
use crate::error::{DeltaError, Result};

const INITIATE: Operation = Operation::new("files.initiate_upload").idempotent();
const CREATE_URL: Operation = Operation::new("files.create_upload_url").idempotent();
const COMPLETE: Operation = Operation::new("files.complete_upload").idempotent();
const ABORT: Operation = Operation::new("files.abort_upload").idempotent();

/// How often a signed URL is asked for anew when the storage says that it holds no longer.
const NEW_URLS: u32 = 3;

/// An upload in several requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    pub(super) path: &'a str,
    pub(super) token: &'a str,
}

/// How the workspace takes a large file. It decides, by its cloud.
#[derive(Debug)]
pub(super) enum Protocol {
    /// In numbered parts, each to a URL of its own.
    Multipart(String),
    /// By one URL that takes the bytes in order.
    Resumable(String),
    /// In one request: it signs no URLs.
    Single,
}

#[derive(Debug, Deserialize)]
struct Initiated {
    multipart_upload: Option<Token>,
    resumable_upload: Option<Token>,
}

#[derive(Debug, Deserialize)]
struct Token {
    session_token: String,
}

/// A URL to send bytes to. What it is signed with is a secret for as long as it holds.
#[derive(Deserialize)]
pub(super) struct SignedUrl {
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// A part in the list that completes an upload.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) part_number: u32,
    pub(super) etag: String,
}

/// Begins an upload: nothing is to be seen in the volume before it is complete.
pub(super) async fn begin(client: &Client, path: &str, overwrite: bool) -> Result<Protocol> {
    let request =
        ApiRequest::post(file_url(path)?).query("action", "initiate-upload").query("overwrite", overwrite);
    let initiated: Initiated = match client.call(INITIATE, request).await {
        Ok(initiated) => initiated,
        // Signed URLs can be turned off. Who may not write here at all is told so by the one request.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Protocol::Single),
        Err(error) => return Err(error.into()),
    };
    match (initiated.multipart_upload, initiated.resumable_upload) {
        (Some(Token { session_token }), _) => Ok(Protocol::Multipart(session_token)),
        (None, Some(Token { session_token })) => Ok(Protocol::Resumable(session_token)),
        (None, None) => Err(unexpected("an upload that was begun has no token")),
    }
}

impl Session<'_> {
    /// A URL for a part.
    pub(super) async fn part_url(&self, number: u32) -> Result<SignedUrl> {
        let mut fields = self.fields();
        fields["start_part_number"] = json!(number);
        fields["count"] = json!(1);
        #[derive(Deserialize)]
        struct Urls {
            upload_part_urls: Vec<SignedUrl>,
        }
        let urls: Urls = self.post("create-upload-part-urls", &fields).await?;
        urls.upload_part_urls.into_iter().next().ok_or_else(|| unexpected("no URL for a part"))
    }

    /// The URL that takes all bytes in order.
    pub(super) async fn resumable_url(&self) -> Result<SignedUrl> {
        #[derive(Deserialize)]
        struct Url {
            resumable_upload_url: SignedUrl,
        }
        Ok(self.post::<Url>("create-resumable-upload-url", &self.fields()).await?.resumable_upload_url)
    }

    /// Makes the file of its parts. The same list twice makes one file.
    pub(super) async fn complete(&self, parts: &[Part]) -> Result<()> {
        let request = ApiRequest::post(file_url(self.path)?)
            .query("action", "complete-upload")
            .query("upload_type", "multipart")
            .query("session_token", self.token)
            .json(&json!({ "parts": parts }))?;
        self.client.send(COMPLETE, request).await?;
        Ok(())
    }

    /// Gives the upload up. What cannot be given up is forgotten by the workspace after a while.
    pub(super) async fn abort(&self) {
        if let Err(error) = self.try_abort().await {
            tracing::warn!(path = self.path, %error, "an unfinished upload could not be aborted");
        }
    }

    async fn try_abort(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Url {
            abort_upload_url: SignedUrl,
        }
        let url = self.post::<Url>("create-abort-upload-url", &self.fields()).await?.abort_upload_url;
        self.client.fetch_link(ABORT, url.request(Method::DELETE, Body::empty())?).await?;
        Ok(())
    }

    /// Sends bytes to a signed URL, and to a new one when the storage says that it holds no longer.
    pub(super) async fn put<F>(
        &self,
        operation: Operation,
        bytes: Bytes,
        mut url: SignedUrl,
        renew: impl Fn() -> F,
    ) -> Result<Response<Body>>
    where
        F: Future<Output = Result<SignedUrl>>,
    {
        let time = time_for(bytes.len() as u64, self.client.config().total_timeout());
        let operation = operation.with_total_timeout(time);
        let mut renewed = 0;
        loop {
            let body = Body::from_bytes(bytes.clone());
            match self.client.fetch_link(operation, url.request(Method::PUT, body)?).await {
                Err(error) if error.kind() == ErrorKind::PermissionDenied && renewed < NEW_URLS => {
                    renewed += 1;
                    url = renew().await?;
                }
                answer => return Ok(answer?),
            }
        }
    }

    fn fields(&self) -> Value {
        json!({ "path": self.path, "session_token": self.token })
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, call: &str, fields: &Value) -> Result<T> {
        let request = ApiRequest::post(format!("/api/2.0/fs/{call}")).json(fields)?;
        Ok(self.client.call(CREATE_URL, request).await?)
    }
}

impl SignedUrl {
    fn request(&self, method: Method, body: Body) -> Result<Request<Body>> {
        let unreadable = |_: http::Error| unexpected("a signed URL or its headers cannot be sent");
        let mut request = Request::builder().method(method).uri(&self.url);
        for Header { name, value } in &self.headers {
            let name = HeaderName::try_from(name).map_err(|error| unreadable(error.into()))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| unreadable(error.into()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        request.body(body).map_err(unreadable)
    }

    /// The same URL for a request with one more header.
    pub(super) fn with_header(&self, name: &HeaderName, value: &str) -> Self {
        let kept = self.headers.iter().map(|Header { name, value }| (name.as_str(), value.as_str()));
        let all = kept.chain([(name.as_str(), value)]);
        let headers =
            all.map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() }).collect();
        Self { url: self.url.clone(), headers }
    }
}

pub(super) fn unexpected(message: &str) -> DeltaError {
    DeltaError::UnexpectedResult { statement: "an upload", message: message.to_owned() }
}
