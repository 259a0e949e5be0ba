//! Connecting: what it takes to get to a host and to agree on a version of HTTP, and how long it may take.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use rustls::ClientConfig;
use tower::ServiceExt;

use super::connection::{Connection, shared, single};
use super::dial::Dial;
use super::failure::Failure;
use super::pool::{Connect, IDLE};
use crate::config::{Proxies, ProxyScheme};
use crate::error::{Error, ErrorKind};
use crate::place::{is_loopback, target};

/// How long connecting may take: looking the name up, the proxy's part and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

fn tcp() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_keepalive(Some(IDLE));
    http
}

/// Connections for http; to another machine only if they `may_leave` this one. To a proxy that forwards, requests name
/// whole URLs.
pub(super) fn connect_plain(
    proxies: Arc<Proxies>,
    trust: Option<Arc<ClientConfig>>,
    may_leave: bool,
) -> Connect {
    let dial = Dial::new(tcp(), Arc::clone(&proxies), trust);
    let known = Arc::clone(&proxies);
    bounded(proxies, move |uri| {
        let proxy = known.on_the_way_to(&uri);
        let is_forwarded = proxy.is_some_and(|proxy| proxy.scheme != ProxyScheme::Socks5);
        let dial = dial.clone();
        async move {
            if !may_leave && !is_loopback(uri.host().unwrap_or_default()) {
                return Err(not_encrypted(&uri));
            }
            let hop = dial.oneshot(uri).await.map_err(Failure::NotConnected)?;
            single(hop, is_forwarded).await.map_err(not_begun)
        }
    })
}

/// Connections for https.
pub(super) fn connect_tls(proxies: Arc<Proxies>, trust: Arc<ClientConfig>) -> Connect {
    let dial = Dial::new(tcp(), Arc::clone(&proxies), Some(Arc::clone(&trust)));
    let mut https = HttpsConnector::from((dial, trust));
    https.enforce_https();
    bounded(proxies, move |uri| {
        let https = https.clone();
        async move {
            let wire = https.oneshot(uri).await.map_err(Failure::NotConnected)?;
            let connection = match wire.connected().is_negotiated_h2() {
                true => shared(wire).await,
                false => single(wire, false).await,
            };
            connection.map_err(not_begun)
        }
    })
}

/// With a limit for everything it takes to connect.
fn bounded<C, F>(proxies: Arc<Proxies>, connect: C) -> Connect
where
    C: Fn(Uri) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Connection, Failure>> + Send + 'static,
{
    Box::new(move |uri| {
        let way = proxies.on_the_way_to(&uri).map(|proxy| format!(" by way of the proxy {proxy}"));
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, connect(uri));
        Box::pin(async move { connecting.await.map_err(|_| too_slow(&way.unwrap_or_default()))? })
    })
}

/// It broke before any request.
fn not_begun(error: hyper::Error) -> Failure {
    Failure::NotConnected(error.into())
}

fn not_encrypted(uri: &Uri) -> Failure {
    let target = target(uri);
    let what = format!("{target} is not encrypted: use https, or allow it with with_plain_http(true)");
    Failure::Refused(Error::new(ErrorKind::Config, what))
}

fn too_slow(way: &str) -> Failure {
    let text = format!("connecting{way} took longer than {} s", CONNECT_TIMEOUT.as_secs());
    Failure::NotConnected(io::Error::new(io::ErrorKind::TimedOut, text).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_comes_about_is_given_up() {
        let start = Instant::now();
        let connect = bounded(Arc::default(), |_| std::future::pending());
        let Err(Failure::NotConnected(error)) = connect("http://h.invalid/".parse().unwrap()).await else {
            panic!("it is connected");
        };
        assert!(error.to_string().contains("longer than 10 s"), "{error}");
        assert_eq!(start.elapsed(), CONNECT_TIMEOUT);
    }
}
