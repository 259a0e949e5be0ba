//! The network: hyper over TCP and TLS, directly or through a proxy. Connections and certificates are only touched by the
//! first request.

mod connect;
mod connection;
mod departure;
mod dial;
mod failure;
mod gzip;
mod pool;
mod tls;
mod tunnel;

use std::sync::Arc;

use http::header::PROXY_AUTHORIZATION;
use http::{StatusCode, Uri};
use rustls::ClientConfig;
use tokio::sync::OnceCell;

use self::connect::{connect_plain, connect_tls};
use self::departure::Departure;
use self::pool::Pool;
use crate::config::{Network, Proxies, Proxy, ProxyScheme};
use crate::error::Error;
use crate::place::{is_https, remove_user, target};
use crate::service::{Answered, Exchange, Outgoing};

/// In a request's extensions: it goes to a service of this machine at a link-local address, where nothing is encrypted
/// and nothing leaves the machine. Only token calls carry it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnThisMachine;

/// Sends requests over the network. The bodies of answers that are read whole are plain: what gzip does, it does here.
pub(crate) struct HyperLeaf {
    settings: Network,
    proxies: Arc<Proxies>,
    trust: OnceCell<Arc<ClientConfig>>,
    /// For services of this machine: never through a proxy.
    local: OnceCell<Pool>,
    plain: OnceCell<Pool>,
    tls: OnceCell<Pool>,
}

impl HyperLeaf {
    pub(crate) fn new(settings: Network) -> Self {
        let proxies = Arc::new(settings.proxies.clone());
        Self {
            settings,
            proxies,
            trust: OnceCell::new(),
            local: OnceCell::new(),
            plain: OnceCell::new(),
            tls: OnceCell::new(),
        }
    }
}

impl Exchange for HyperLeaf {
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let call = request.call;
        remove_user(request.uri_mut());
        let asked = gzip::ask(&mut request, call.read_whole().is_some());
        let answer = self.request(request, &mut Departure::of(call)).await?;
        Ok(gzip::decoded(answer, asked))
    }
}

impl HyperLeaf {
    async fn request(&self, request: Outgoing<'_>, departure: &mut Departure<'_>) -> Answered {
        // The target's text is for errors; a clone of the URI copies nothing.
        let uri = request.uri().clone();
        let has_body = !http_body::Body::is_end_stream(request.body());
        let pool = if is_https(&uri) {
            self.tls().await?
        } else if request.extensions().get::<OnThisMachine>().is_some() {
            self.local().await
        } else {
            return self.send_plain(request, &uri, has_body, departure).await;
        };
        let answer = pool.request(request, &uri, departure).await;
        answer.map_err(|failure| failure::of(failure, &target(&uri), has_body))
    }

    /// Over plain http: to this machine, to others when that is allowed, and by way of a proxy, which then reads along.
    async fn send_plain(
        &self,
        mut request: Outgoing<'_>,
        uri: &Uri,
        has_body: bool,
        departure: &mut Departure<'_>,
    ) -> Answered {
        let reads_along = |proxy: &&Proxy| proxy.scheme != ProxyScheme::Socks5;
        let proxy = self.proxies.on_the_way_to(uri).filter(reads_along);
        if let Some(basic) = proxy.and_then(Proxy::basic) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, basic);
        }
        let answer = self.plain().await?.request(request, uri, departure).await;
        let answer = answer.map_err(|failure| failure::of(failure, &target(uri), has_body))?;
        match proxy {
            Some(proxy) if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                let target = target(uri);
                Err(failure::not_connected(&target, &tunnel::refusal(proxy, &target, answer.status())))
            }
            _ => Ok(answer),
        }
    }

    async fn tls(&self) -> Result<&Pool, Error> {
        let make = || async {
            let trust = self.trust().await?;
            Ok(Pool::new(connect_tls(Arc::clone(&self.proxies), trust)))
        };
        made_once(&self.tls, make).await
    }

    async fn plain(&self) -> Result<&Pool, Error> {
        let make = || async {
            let trust = if self.proxies.need_tls() { Some(self.trust().await?) } else { None };
            let may_leave = self.settings.plain_http;
            Ok(Pool::new(connect_plain(Arc::clone(&self.proxies), trust, may_leave)))
        };
        made_once(&self.plain, make).await
    }

    async fn local(&self) -> &Pool {
        self.local.get_or_init(|| async { Pool::new(connect_plain(Arc::default(), None, true)) }).await
    }

    /// Whom to trust, read once for all connections.
    async fn trust(&self) -> Result<Arc<ClientConfig>, Error> {
        let read = || tls::config(self.settings.ca_file.clone());
        self.trust.get_or_try_init(read).await.cloned()
    }
}

/// What is made by the first request that needs it. The others do not carry the work of making it along.
async fn made_once<T, F>(cell: &OnceCell<T>, make: impl FnOnce() -> F) -> Result<&T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    match cell.get() {
        Some(made) => Ok(made),
        None => Box::pin(cell.get_or_try_init(make)).await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::body::Body;
    use crate::error::ErrorKind;
    use crate::service::enter;
    use http::Request;

    #[tokio::test]
    async fn plain_http_stays_on_this_machine_unless_allowed() {
        let request = Request::get("http://h.invalid/x").body(Body::empty()).unwrap();
        let error = enter(&HyperLeaf::new(Network::default()), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("http://h.invalid is not encrypted"), "{error}");
    }
}
