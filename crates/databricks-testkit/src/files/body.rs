//! Request bodies that a handler reads and that are read to their end in any case.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use databricks_transport::Body;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use crate::stores::ByteStream;

/// What is read of a body that nobody wants, at most: a client that goes on longer is answered all the same.
const DRAINED_BYTES: usize = 1024 * 1024;
/// How long that may take, by tokio's clock.
const DRAINED_FOR: Duration = Duration::from_secs(1);

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

    /// Reads what is left and forgets it, within the bounds of [`drain`].
    pub(crate) async fn drain(&self) {
        let read = async { read_off(&mut *self.source.lock().await).await };
        let _in_time = tokio::time::timeout(DRAINED_FOR, read).await.is_ok();
    }
}

/// Reads what is left of a body and forgets it, so that a client still sending gets the answer. It is given up past a
/// bound in bytes and in time: who never stops sending, or stops without an end, holds nothing up.
pub(crate) async fn drain(body: Body) {
    if http_body::Body::is_end_stream(&body) {
        return;
    }
    let mut rest = std::pin::pin!(body.into_stream());
    let _in_time = tokio::time::timeout(DRAINED_FOR, read_off(&mut rest)).await.is_ok();
}

async fn read_off<E>(rest: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let mut left = DRAINED_BYTES;
    while let Some(Ok(piece)) = rest.next().await {
        match left.checked_sub(piece.len()) {
            Some(still) => left = still,
            None => return,
        }
    }
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

    #[tokio::test]
    async fn a_body_without_an_end_is_given_up_past_a_bound() {
        let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let endless = || {
            let read = read.clone();
            Body::from_stream(stream::repeat_with(move || {
                read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok::<_, databricks_transport::Error>(Bytes::from_static(&[0; 64 * 1024]))
            }))
        };
        drain(endless()).await;
        Upload::new(endless()).drain().await;
        assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 2 * 17);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up_after_a_second() {
        let stalled = || Body::from_stream(stream::pending::<Result<Bytes, databricks_transport::Error>>());
        let started = tokio::time::Instant::now();
        drain(stalled()).await;
        Upload::new(stalled()).drain().await;
        assert_eq!(started.elapsed().as_secs(), 2);
    }
}
