//! One open connection to a host, over either version of HTTP: how requests are put on it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task::AbortHandle;

use crate::body::Body;
use crate::service::Outgoing;

/// What is read of a connection of HTTP/1 at a time, in bytes, and the most that the head of an answer may have. hyper would
/// go to three times as much, for each of many connections, and read no faster.
const READ_AT_ONCE: usize = 128 * 1024;
/// How often a connection of HTTP/2 is asked whether it lives, and how long it may be silent about that. One that died
/// without a word would else swallow every call that is put on it, each up to its timeout.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(15);
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What a peer may send of one answer before it is read, in bytes: hyper's own measure. Less makes a far server slow.
const STREAM_WINDOW: u32 = 2 << 20;
/// What it may send of all of them, over one connection. Answers that nobody reads at the moment hold their part of it;
/// only when it is more than all can hold does the next small answer still come through. So it covers 256 answers, far
/// more than share a connection (see `pool.rs`), which bound the memory: 90 unread answers hold 180 MB at most.
const CONNECTION_WINDOW: u32 = 256 * STREAM_WINDOW;

/// The requests that may be under way at a time before the peer has said how many: fewer than any that we know says. It is as
/// good as not said, too, where it is said.
const NOT_SAID: usize = 91;

/// What takes requests to a connection. The connection itself is driven by a task of its own, and closes when nothing can
/// take requests to it any more.
pub(super) enum Connection {
    Single(Single),
    Shared(Shared),
}

/// A connection of HTTP/1: one request at a time.
pub(super) struct Single {
    sender: http1::SendRequest<Body>,
    /// At its end is a proxy that reads the request and forwards it.
    is_forwarded: bool,
    home: Home,
    driver: AbortHandle,
}

/// A connection of HTTP/2. Whoever has a request on it has a clone, which is how many there are.
#[derive(Clone)]
pub(super) struct Shared(Arc<Sharing>);

struct Sharing {
    sender: http2::SendRequest<Body>,
    home: Home,
    /// The requests that the peer lets run at a time, or [`NOT_SAID`].
    most: Arc<AtomicUsize>,
}

/// The runtime of a connection, if it stands still whenever nobody blocks on it, as those of one thread do: a request from
/// elsewhere might wait on the connection for ever.
struct Home(Option<Id>);

/// How a request ends. One that the connection had not begun to write comes back.
pub(super) type Exchanged = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// Speaks HTTP/1 over what connects.
pub(super) async fn single<W>(wire: W, is_forwarded: bool) -> hyper::Result<Connection>
where
    W: Read + Write + Unpin + Send + 'static,
{
    let (sender, driver) = http1::Builder::new().max_buf_size(READ_AT_ONCE).handshake(wire).await?;
    let driver = drive(driver);
    Ok(Connection::Single(Single { sender, is_forwarded, home: Home::here(), driver }))
}

/// Speaks HTTP/2 over what connects.
pub(super) async fn shared<W>(wire: W) -> hyper::Result<Connection>
where
    W: Read + Write + Unpin + Send + 'static,
{
    let (sender, driver) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_max_send_streams(NOT_SAID)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(wire)
        .await?;
    let most = Arc::new(AtomicUsize::new(NOT_SAID));
    let said = Arc::clone(&most);
    drive(async move {
        let mut driver = pin!(driver);
        poll_fn(|cx| {
            let driven = driver.as_mut().poll(cx);
            said.store(driver.current_max_send_streams(), Ordering::Relaxed);
            driven
        })
        .await
    });
    Ok(Connection::Shared(Shared(Arc::new(Sharing { sender, home: Home::here(), most }))))
}

/// What it fails with, those learn who wait for an answer.
fn drive(driver: impl Future<Output = hyper::Result<()>> + Send + 'static) -> AbortHandle {
    tokio::spawn(async move { drop(driver.await) }).abort_handle()
}

impl Home {
    fn here() -> Self {
        let of_one_thread = |runtime: &Handle| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        Self(Handle::try_current().ok().filter(of_one_thread).map(|runtime| runtime.id()))
    }

    fn is_here(&self) -> bool {
        self.0.is_none_or(|home| Handle::try_current().is_ok_and(|here| here.id() == home))
    }
}

impl Connection {
    /// Sends a request with an absolute address. `host` is the header of that name.
    pub(super) async fn send(&mut self, mut request: Outgoing<'_>, host: &HeaderValue) -> Exchanged {
        match self {
            Self::Single(single) => {
                request.headers_mut().entry(HOST).or_insert_with(|| host.clone());
                if !single.is_forwarded {
                    leave_path(request.uri_mut());
                }
                single.sender.try_send_request(request.into_request()).await
            }
            Self::Shared(shared) => {
                let mut sender = http2::SendRequest::clone(&shared.0.sender);
                sender.try_send_request(request.into_request()).await
            }
        }
    }
}

impl Single {
    /// Whether it can take a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether who asks can use it.
    pub(super) fn is_here(&self) -> bool {
        self.home.is_here()
    }

    /// Waits until it can take a request. `false` when it closes instead.
    pub(super) async fn becomes_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }
}

/// One that is idle says goodbye. What has a request on it has nobody to hear of it any more, and would wait for ever to send
/// the rest of one that the server has answered and does not read.
impl Drop for Single {
    fn drop(&mut self) {
        if !self.is_ready() {
            self.driver.abort();
        }
    }
}

impl Shared {
    pub(super) fn is_closed(&self) -> bool {
        self.0.sender.is_closed()
    }

    /// Whether who asks can use it.
    pub(super) fn is_here(&self) -> bool {
        self.0.home.is_here()
    }

    /// The requests that the peer lets run on it at a time, if it has said so yet.
    pub(super) fn most_calls(&self) -> Option<usize> {
        let most = self.0.most.load(Ordering::Relaxed);
        (most != NOT_SAID).then_some(most)
    }

    /// How many requests are on it, when it is asked where the pool keeps it.
    pub(super) fn calls(&self) -> usize {
        Arc::strong_count(&self.0).saturating_sub(1)
    }
}

/// Of an address, what is said to the host itself.
fn leave_path(uri: &mut Uri) {
    // One without a path has `/`, which has to be written.
    let path = uri.path_and_query().filter(|path| path.as_str() != "/").cloned();
    *uri = path.map(Uri::from).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_host_is_told_path_and_query_of_an_address() {
        for (address, said) in [
            ("http://h.example", "/"),
            ("http://h.example/", "/"),
            ("https://h.example:8443/a%20b/c?d=e", "/a%20b/c?d=e"),
            ("http://h.example?d=e", "/?d=e"),
        ] {
            let mut uri: Uri = address.parse().unwrap();
            leave_path(&mut uri);
            assert_eq!(uri.to_string(), said, "{address}");
        }
    }
}
