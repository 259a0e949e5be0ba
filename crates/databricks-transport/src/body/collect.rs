//! Reading a body into memory.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body::{Body as HttpBody, Frame};

use super::{Body, Inner};
use crate::error::{Error, ErrorKind};

impl Body {
    /// Reads everything into memory.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there are more than `limit` bytes; otherwise what the stream failed with.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, Error> {
        match self.0 {
            Inner::Empty => return Ok(Bytes::new()),
            Inner::Bytes(bytes) => return within(limit, bytes.len()).map(|()| bytes),
            Inner::Stream(_) => {}
        }
        // What announces that it is too long is not even begun.
        within(limit, usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX))?;
        let mut collected = Collected::default();
        while let Some(data) = self.next_data().await {
            let data = data?;
            within(limit, collected.len().saturating_add(data.len()))?;
            collected.push(data);
        }
        Ok(collected.finish())
    }

    /// Reads up to `limit` bytes for no longer than `time`, and forgets the rest, failures included: what there is of an
    /// error's text.
    pub(crate) async fn collect_prefix(self, limit: usize, time: Duration) -> Bytes {
        let mut end = pin!(tokio::time::sleep(time));
        let mut stream = pin!(self.into_stream());
        let mut bytes = BytesMut::new();
        while bytes.len() < limit {
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                () = &mut end => break,
            };
            let Some(Ok(data)) = next else { break };
            let room = limit.saturating_sub(bytes.len()).min(data.len());
            bytes.extend_from_slice(&data.slice(..room));
        }
        bytes.freeze()
    }

    /// The next piece of data; trailers are skipped.
    pub(super) async fn next_data(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => return Some(Ok(data)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What has been read of a stream. Small answers arrive as one piece, which is not copied.
#[derive(Default)]
struct Collected {
    first: Bytes,
    /// The first piece and those after it, once there is a second.
    rest: BytesMut,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len().max(self.rest.len())
    }

    fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

fn within(limit: usize, length: usize) -> Result<(), Error> {
    if length <= limit {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "the body has at least {length} bytes, more than the {limit} that are read into memory; stream it instead"
        ),
    ))
}
