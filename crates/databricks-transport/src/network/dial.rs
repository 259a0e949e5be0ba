//! Getting a connection on which the host can be spoken to: directly, or by way of a proxy.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt};

use super::failure::{NoWay, deepest};
use super::tunnel;
use crate::config::{Proxies, Proxy, ProxyScheme};
use crate::place::{is_https, port};
use crate::service::BoxError;

/// What leads to the host or to a proxy; with TLS only to a proxy that wants it.
pub(super) type Hop = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to hosts.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    /// To proxies that are spoken to inside TLS.
    secure: Option<HttpsConnector<HttpConnector>>,
    proxies: Arc<Proxies>,
}

impl Dial {
    pub(super) fn new(tcp: HttpConnector, proxies: Arc<Proxies>, trust: Option<Arc<ClientConfig>>) -> Self {
        let secure = trust.map(|trust| {
            // CONNECT is spoken in HTTP/1.1 here, whatever the host itself speaks.
            let mut config = ClientConfig::clone(&trust);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            HttpsConnector::from((tcp.clone(), config))
        });
        Self { tcp, secure, proxies }
    }
}

impl Service<Uri> for Dial {
    type Response = Hop;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Hop, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { tcp, secure, proxies } = self.clone();
        match proxies.on_the_way_to(&uri).cloned() {
            Some(proxy) => Box::pin(through(proxy, uri, tcp, secure)),
            None => Box::pin(async move { Ok(Hop::Http(tcp.oneshot(uri).await?)) }),
        }
    }
}

async fn through(
    proxy: Proxy,
    uri: Uri,
    tcp: HttpConnector,
    secure: Option<HttpsConnector<HttpConnector>>,
) -> Result<Hop, BoxError> {
    let host = format!("{}:{}", uri.host().unwrap_or_default(), port(&uri));
    if proxy.scheme == ProxyScheme::Socks5 {
        return by_socks(&proxy, &host, tcp).await;
    }
    let hop = reach(&proxy, tcp, secure).await?;
    if !is_https(&uri) {
        return Ok(hop);
    }
    let mut stream = TokioIo::new(hop);
    tunnel::open(&mut stream, &proxy, &host).await?;
    Ok(stream.into_inner())
}

/// Connects to the proxy itself.
async fn reach(
    proxy: &Proxy,
    tcp: HttpConnector,
    secure: Option<HttpsConnector<HttpConnector>>,
) -> Result<Hop, BoxError> {
    let uri = proxy.uri().map_err(|()| NoWay::new(format!("the proxy {proxy} is no address")))?;
    let reached = match secure.filter(|_| proxy.scheme == ProxyScheme::Https) {
        Some(secure) => secure.oneshot(uri).await,
        None => tcp.oneshot(uri).await.map(Hop::Http).map_err(BoxError::from),
    };
    reached.map_err(|error| {
        let cause = deepest(error.as_ref());
        let what = format!("the proxy {proxy} cannot be reached: {cause}; check {}", proxy.origin);
        NoWay::new(what).because(error).into()
    })
}

async fn by_socks(proxy: &Proxy, host: &str, tcp: HttpConnector) -> Result<Hop, BoxError> {
    let uri = proxy.uri().map_err(|()| NoWay::new(format!("the proxy {proxy} is no address")))?;
    let destination =
        Uri::builder().scheme("https").authority(host).path_and_query("/").build().map_err(BoxError::from)?;
    let mut socks = SocksV5::new(uri, tcp);
    if let Some((name, password)) = proxy.name_and_password() {
        socks = socks.with_auth(name, password);
    }
    let connected = socks.oneshot(destination).await;
    connected.map(Hop::Http).map_err(|error| {
        // Its text names what SOCKS says and, of a connection that failed, only that it did.
        let what =
            format!("the proxy {proxy} gives no connection to {host}: {error}; check {}", proxy.origin);
        NoWay::new(what).into()
    })
}
