//! The network: hyper over TCP and TLS. Connections and certificates are only touched by the first request.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client as HyperClient, Error as HyperError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower::{Service, ServiceExt};

use crate::body::Body;
use crate::config::is_loopback;
use crate::error::{Error, ErrorKind, innermost};
use crate::service::{BoxError, HttpFuture};

/// How long connecting may take, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed before load balancers do it.
const IDLE: Duration = Duration::from_secs(50);
/// How often a connection of HTTP/2 is asked whether it lives, and how long it may be silent about that. One that died
/// without a word would else swallow every call that is put on it, each up to its timeout.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connector = tower::util::BoxCloneSyncService<Uri, Connection, BoxError>;
type Network = HyperClient<Connector, Body>;

/// In a request's extensions: it goes to a service of this machine at a link-local address, where nothing is encrypted
/// and nothing leaves the machine. Only token calls carry it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnThisMachine;

/// Sends requests over the network.
#[derive(Clone, Debug)]
pub(crate) struct HyperLeaf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    plain_http: bool,
    plain: OnceCell<Network>,
    tls: OnceCell<Network>,
}

impl HyperLeaf {
    /// `plain_http` allows `http://` to other machines than this one.
    pub(crate) fn new(plain_http: bool) -> Self {
        Self { inner: Arc::new(Inner { plain_http, plain: OnceCell::new(), tls: OnceCell::new() }) }
    }
}

impl Service<Request<Body>> for HyperLeaf {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            // Its text is for errors; a clone of the URI copies nothing.
            let uri = request.uri().clone();
            let is_local = request.extensions().get::<OnThisMachine>().is_some();
            let network = inner.network(request.uri(), is_local).await?;
            let answer = network.request(request).await.map_err(|error| failed(error, &target(&uri)))?;
            Ok(answer.map(Body::wrap))
        })
    }
}

impl Inner {
    async fn network(&self, uri: &Uri, is_local: bool) -> Result<&Network, Error> {
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return self.tls.get_or_try_init(|| async { tls().await.map(network) }).await;
        }
        if !self.plain_http && !is_local && !is_loopback(uri.host()) {
            let target = target(uri);
            return Err(Error::new(
                ErrorKind::Config,
                format!("{target} is not encrypted: use https, or allow it with with_plain_http(true)"),
            ));
        }
        Ok(self.plain.get_or_init(|| async { network(plain()) }).await)
    }
}

/// Scheme and host: what an error may repeat. Paths and queries of storage links are secrets.
fn target(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{}", host.rsplit('@').next().unwrap_or_default())
}

fn network<C: Connect + Clone>(connector: C) -> HyperClient<C, Body> {
    HyperClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
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

fn plain() -> Connector {
    let http = tcp();
    bounded(tower::service_fn(move |uri| {
        let http = http.clone();
        async move { Ok(MaybeHttpsStream::Http(http.oneshot(uri).await?)) }
    }))
}

/// TLS with this machine's certificates. They are read off the runtime's threads, once.
async fn tls() -> Result<Connector, Error> {
    let unusable = |error: BoxError| {
        Error::new(
            ErrorKind::Config,
            format!("TLS cannot be used: {error}; install the system's CA certificates or set SSL_CERT_FILE"),
        )
        .with_source(error)
    };
    // Named, because with two providers in one program rustls refuses to choose.
    let provider = rustls::crypto::ring::default_provider();
    let builder =
        tokio::task::spawn_blocking(|| HttpsConnectorBuilder::new().with_provider_and_native_roots(provider));
    let builder =
        builder.await.map_err(|error| unusable(error.into()))?.map_err(|error| unusable(error.into()))?;
    let https: HttpsConnector<HttpConnector> =
        builder.https_only().enable_all_versions().wrap_connector(tcp());
    Ok(bounded(https))
}

/// A connector with a limit for everything it takes to connect.
fn bounded<C>(connector: C) -> Connector
where
    C: Service<Uri, Response = Connection, Error = BoxError> + Clone + Send + Sync + 'static,
    C::Future: Send,
{
    Connector::new(tower::service_fn(move |uri: Uri| {
        let connecting = connector.clone().oneshot(uri);
        async move {
            let slow = |_| BoxError::from(io::Error::new(io::ErrorKind::TimedOut, "connecting timed out"));
            tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(slow)?
        }
    }))
}

/// What hyper reports, in our terms: our own error of a request's body, no connection, or a connection that broke.
fn failed(error: HyperError, target: &str) -> Error {
    if error.is_connect() {
        let cause = innermost(&error).to_string();
        return Error::new(ErrorKind::Connect, format!("could not connect to {target}: {cause}"))
            .with_source(error);
    }
    if let Some(own) = body_error(&error) {
        return Error::new(own.0, own.1).with_source(error);
    }
    let cause = innermost(&error).to_string();
    Error::new(ErrorKind::Unavailable, format!("the connection to {target} broke: {cause}"))
        .with_source(error)
}

/// The error of a request's body that ended the request, if one did.
fn body_error(error: &HyperError) -> Option<(ErrorKind, String)> {
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some((own.kind(), format!("the request's body failed: {}", own.message())));
        }
        current = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
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
        let answer = tokio::time::timeout(Duration::from_secs(600), network(connector).request(request));
        answer.await.expect("the call hangs").unwrap_err();
        assert!(start.elapsed() <= PING_INTERVAL + PING_TIMEOUT + Duration::from_secs(1));
    }

    #[test]
    fn the_target_of_a_message_has_no_path_query_or_password() {
        let uri = Uri::from_static("https://user:pw@h.example:8443/secret?sig=x");
        assert_eq!(target(&uri), "https://h.example:8443");
    }

    #[tokio::test]
    async fn plain_http_stays_on_this_machine_unless_allowed() {
        let request = Request::get("http://h.invalid/x").body(Body::empty()).unwrap();
        let error = HyperLeaf::new(false).oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("http://h.invalid is not encrypted"), "{error}");
    }
}
