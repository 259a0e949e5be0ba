//! An upload: in one request where it is small, else in parts.

use std::time::Duration;

use databricks_transport::{ApiRequest, Body, Client, Operation};
use http::Method;
use http_body::Body as _;

use super::multipart::{self, PART};
use super::path::file_url;
use super::pieces::Pieces;
use super::resumable;
use super::session::{self, Protocol, Session};
use crate::error::Result;

const UPLOAD: Operation = Operation::new("files.upload");

/// The largest content in memory that goes up in one request, in bytes.
pub(crate) const LARGEST_SINGLE: u64 = 50 << 20;
/// The slowest upload that is waited for, in bytes a second. One that stands still ends by its inactivity, long before.
const SLOWEST_UPLOAD: u64 = 256 << 10;
/// The time for an upload whose length is not known.
const STREAM_TIME: Duration = Duration::from_secs(12 * 60 * 60);

/// An upload being prepared.
#[must_use = "an upload is sent by `send`"]
#[derive(Debug)]
pub struct Upload {
    client: Client,
    path: String,
    content: Body,
    overwrite: bool,
}

impl Upload {
    pub(super) fn new(client: Client, path: String, content: Body) -> Self {
        Self { client, path, content, overwrite: false }
    }

    /// Replaces a file that is there. Without this, such a file is an error of kind `AlreadyExists`.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Sends the content. The more bytes a request has, the longer it may take: one second for each 256 KiB beyond the
    /// client's total timeout. Of a stream no more than four parts are in memory.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`](crate::DeltaError::InvalidName) for a path outside `/Volumes`;
    /// [`DeltaError::Transport`](crate::DeltaError::Transport) with the kind `NotFound` when there is no such volume,
    /// `AlreadyExists`, or `StorageFull`. An upload in parts that fails is aborted: nothing is left of it.
    pub async fn send(mut self) -> Result<()> {
        let url = file_url(&self.path)?;
        if self.content.as_bytes().is_some_and(|bytes| bytes.len() as u64 <= LARGEST_SINGLE) {
            let content = std::mem::replace(&mut self.content, Body::empty());
            return self.put(url, content).await;
        }
        let mut pieces = Pieces::of(std::mem::replace(&mut self.content, Body::empty()));
        let first = pieces.next(PART).await?;
        if pieces.is_at_end().await? {
            return self.put(url, Body::from_bytes(first)).await;
        }
        let protocol = session::begin(&self.client, &self.path, self.overwrite).await?;
        let session = |token| Session { client: &self.client, path: &self.path, token };
        match &protocol {
            Protocol::Multipart(token) => multipart::send(session(token), first, pieces).await,
            Protocol::Resumable(token) => resumable::send(session(token), first, pieces).await,
            Protocol::Single => self.put(url, pieces.back_to_body(first)).await,
        }
    }

    async fn put(&self, url: String, content: Body) -> Result<()> {
        let base = self.client.config().total_timeout();
        let time = match content.size_hint().exact() {
            Some(bytes) => time_for(bytes, base),
            None => base.max(STREAM_TIME),
        };
        // The server's default for `overwrite` has changed over time, so it is always said.
        let request = ApiRequest::new(Method::PUT, url).query("overwrite", self.overwrite).body(content);
        // The same bytes twice leave the same file; without `overwrite` the second attempt would meet the first's file.
        let operation = if self.overwrite { UPLOAD.idempotent() } else { UPLOAD };
        self.client.send(operation.with_total_timeout(time), request).await?;
        Ok(())
    }
}

/// How long a request with so many bytes may take in all, attempts and pauses included.
pub(crate) fn time_for(bytes: u64, base: Duration) -> Duration {
    base.saturating_add(Duration::from_secs(bytes / SLOWEST_UPLOAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_request_may_take_longer() {
        let base = Duration::from_secs(300);
        assert_eq!(time_for(3, base), base);
        assert_eq!(time_for(1 << 20, base), base + Duration::from_secs(4));
    }
}
