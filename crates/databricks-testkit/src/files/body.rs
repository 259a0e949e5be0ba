//! Request bodies that a handler reads and that are read to their end in any case.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use databricks_transport::Body;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use crate::stores::ByteStream;

type Source = BoxStream<'static, Result<Bytes, Box<dyn StdError + Send + Sync>>>;

/// A body that two may read, one after the other: a handler, and what reads the rest after a refusal.
#[derive(Clone)]
pub(crate) struct Upload {
    source: Arc<Mutex<Source>>,
    /// The length, where it is known before the end.
    length: Option<u64>,
}

impl Upload {
    pub(crate) fn new(body: Body) -> Self {
        let length = http_body::Body::size_hint(&body).exact();
        // The second reader may find the body at its end, hence the fuse.
        let source = body.into_stream().map_err(Into::into).fuse().boxed();
        Self { source: Arc::new(Mutex::new(source)), length }
    }

    /// The length, where the client said it beforehand.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// What has not been read yet. Once the stream is dropped another may read on.
    pub(crate) fn stream(&self) -> ByteStream {
        stream::unfold(self.source.clone(), |source| async move {
            let item = source.lock().await.next().await?;
            Some((item, source))
        })
        .boxed()
    }

    /// Reads what is left and forgets it.
    pub(crate) async fn drain(&self) {
        let mut rest = self.source.lock().await;
        while let Some(Ok(_)) = rest.next().await {}
    }
}

/// Reads what is left of a body and forgets it, so that a client still sending gets the answer.
pub(crate) async fn drain(body: Body) {
    let mut rest = std::pin::pin!(body.into_stream());
    while let Some(Ok(_)) = rest.next().await {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_reader_that_fails_at_the_end_of_an_upload_leaves_nothing_to_drain() {
        let body = Upload::new(Body::from("all of it"));
        assert_eq!(body.length(), Some(9));
        let read: Vec<_> = body.stream().try_collect().await.unwrap();
        assert_eq!(read.concat(), b"all of it");
        body.drain().await;
    }
}
