//! hyper's pools of connections, and how long the pieces of connecting and idling may take.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tower::{Service, ServiceExt};

use super::dial::Dial;
use super::wire::{PlainWire, TlsWire, Wire};
use crate::body::Body;
use crate::config::{Proxies, ProxyScheme};
use crate::service::BoxError;

/// How long connecting may take: looking the name up, the proxy's part and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed before load balancers do it.
const IDLE: Duration = Duration::from_secs(50);
/// How many idle connections of HTTP/1 are kept for a host: what a burst of calls leaves behind does not pile up.
const MOST_IDLE: usize = 128;
/// What is read of a connection of HTTP/1 at a time, in bytes, and the most that the head of an answer may have. hyper would
/// go to three times as much, for each of many connections, and read no faster.
const READ_AT_ONCE: usize = 128 * 1024;
/// How often a connection of HTTP/2 is asked whether it lives, and how long it may be silent about that. One that died
/// without a word would else swallow every call that is put on it, each up to its timeout.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What a peer may send of one answer before it is read, in bytes: hyper's own measure. Less makes a far server slow.
const STREAM_WINDOW: u32 = 2 << 20;
/// What it may send of all of them, over one connection. Answers that nobody reads at the moment hold their part of it;
/// only when it is more than all can hold does the next small answer still come through. So it covers 256 answers, far
/// more than share a connection (see `lanes.rs`), which bound the memory: 90 unread answers hold 180 MB at most.
const CONNECTION_WINDOW: u32 = 256 * STREAM_WINDOW;

/// Makes connections of a kind. hyper clones it for each request, which costs a counter.
pub(super) struct Connector<W>(Arc<dyn Fn(Uri) -> Connecting<W> + Send + Sync>);

type Connecting<W> = BoxFuture<'static, Result<W, BoxError>>;

/// A client with connections of a kind.
pub(super) type Pool<W> = HyperClient<Connector<W>, Body>;

impl<W> Clone for Connector<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> Service<Uri> for Connector<W> {
    type Response = W;
    type Error = BoxError;
    type Future = Connecting<W>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        (self.0)(uri)
    }
}

/// What a connection that is closed under a request does to it is hyper's to know: it takes back what it had not begun
/// to write to a connection that had idled, and sends it over another.
pub(super) fn pool<C: Connect + Clone>(connector: C) -> HyperClient<C, Body> {
    HyperClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .retry_canceled_requests(true)
        .http1_max_buf_size(READ_AT_ONCE)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .build(connector)
}

fn tcp() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_keepalive(Some(IDLE));
    http
}

/// Connections for http: what stands before a proxy that forwards is marked, for hyper to name whole URLs there.
pub(super) fn connect_plain(proxies: Arc<Proxies>, trust: Option<Arc<ClientConfig>>) -> Connector<PlainWire> {
    let dial = Dial::new(tcp(), Arc::clone(&proxies), trust);
    let known = Arc::clone(&proxies);
    let connect = tower::service_fn(move |uri: Uri| {
        let proxy = known.on_the_way_to(&uri);
        let is_forwarded = proxy.is_some_and(|proxy| proxy.scheme != ProxyScheme::Socks5);
        let dial = dial.clone();
        async move { Ok(TokioIo::new(Wire::new(dial.oneshot(uri).await?, is_forwarded))) }
    });
    bounded(connect, proxies)
}

/// Connections for https.
pub(super) fn connect_tls(proxies: Arc<Proxies>, trust: Arc<ClientConfig>) -> Connector<TlsWire> {
    let dial = Dial::new(tcp(), Arc::clone(&proxies), Some(Arc::clone(&trust)));
    let mut https = HttpsConnector::from((dial, trust));
    https.enforce_https();
    bounded(https, proxies)
}

/// A connector with a limit for everything it takes to connect.
fn bounded<C, W>(connector: C, proxies: Arc<Proxies>) -> Connector<W>
where
    C: Service<Uri, Response = W, Error = BoxError> + Clone + Send + Sync + 'static,
    C::Future: Send,
    W: 'static,
{
    Connector(Arc::new(move |uri| {
        let way = proxies.on_the_way_to(&uri).map(|proxy| format!(" by way of the proxy {proxy}"));
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, connector.clone().oneshot(uri));
        Box::pin(async move { connecting.await.map_err(|_| too_slow(way.unwrap_or_default()))? })
    }))
}

fn too_slow(way: String) -> BoxError {
    let text = format!("connecting{way} took longer than {} s", CONNECT_TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::Request;
    use hyper::rt::{Read, ReadBufCursor, Write};
    use hyper_util::client::legacy::connect::{Connected, Connection};
    use std::pin::Pin;
    use tokio::io::DuplexStream;
    use tokio::time::Instant;

    /// A connection on which HTTP/2 is agreed.
    struct Http2(TokioIo<DuplexStream>);

    impl Connection for Http2 {
        fn connected(&self) -> Connected {
            Connected::new().negotiated_h2()
        }
    }

    impl Read for Http2 {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl Write for Http2 {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, data)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_http2_that_died_without_a_word_is_noticed() {
        let (ours, _silent) = tokio::io::duplex(1 << 20);
        let ours = Arc::new(std::sync::Mutex::new(Some(ours)));
        let connector = tower::service_fn(move |_: Uri| {
            let ours = ours.lock().unwrap().take();
            futures::future::ready(
                ours.map(|ours| Http2(TokioIo::new(ours))).ok_or(io::Error::other("connected twice")),
            )
        });
        let start = Instant::now();
        let request = Request::get("http://h.invalid/x").body(Body::empty()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(600), pool(connector).request(request));
        answer.await.expect("the call hangs").unwrap_err();
        assert!(start.elapsed() <= PING_INTERVAL + PING_TIMEOUT + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_comes_about_is_given_up() {
        let start = Instant::now();
        let never = tower::service_fn(|_: Uri| futures::future::pending::<Result<PlainWire, BoxError>>());
        let request = Request::get("http://h.invalid/x").body(Body::empty()).unwrap();
        let error = pool(bounded(never, Arc::default())).request(request).await.unwrap_err();
        assert!(error.is_connect());
        assert_eq!(start.elapsed(), CONNECT_TIMEOUT);
    }
}
