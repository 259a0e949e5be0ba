//! The workspace as a tower service: which origin, the log, the faults, then the handlers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use databricks_transport::{Body, Error};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::faults::FaultLayer;
use crate::request_log::Origin;
use crate::route;
use crate::storage;
use crate::workspace::Shared;

/// The storage origin of a workspace in process. No such host exists.
const IN_PROCESS_STORAGE: &str = "https://simulated-storage.invalid";

/// A [`SimulatedWorkspace`](crate::SimulatedWorkspace) as a leaf for a client, made by its `service()`.
#[derive(Clone)]
pub struct WorkspaceService {
    shared: Arc<Shared>,
    door: Door,
    /// What the paths of links begin with, where several workspaces share a storage origin.
    prefix: String,
}

/// How requests come in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    /// In process: the host tells API from storage.
    InProcess,
    /// The API's port; storage listens at the address given.
    Api {
        /// Where storage listens.
        storage: SocketAddr,
    },
    /// The storage port.
    Storage,
}

impl WorkspaceService {
    pub(crate) fn in_process(shared: Arc<Shared>) -> Self {
        Self { shared, door: Door::InProcess, prefix: String::new() }
    }

    pub(crate) fn at(shared: Arc<Shared>, door: Door) -> Self {
        Self { shared, door, prefix: String::new() }
    }

    /// One of several workspaces behind a door.
    pub(crate) fn in_room(shared: Arc<Shared>, door: Door, prefix: String) -> Self {
        Self { shared, door, prefix }
    }
}

impl std::fmt::Debug for WorkspaceService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shared: _, door, prefix: _ } = self;
        f.debug_struct("WorkspaceService").field("door", door).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for WorkspaceService {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { shared, door, prefix } = self.clone();
        async move {
            let mut request = request;
            let origin = door.origin(&request);
            request.extensions_mut().insert(origin);
            let number = shared.log.arrived(request.method(), request.uri(), origin);
            let handlers = {
                let shared = shared.clone();
                service_fn(move |request: Request<Body>| {
                    let storage = format!("{}{prefix}", door.storage_base(&request));
                    handle(shared.clone(), storage, origin, request)
                })
            };
            let faults = FaultLayer::new(shared.faults.clone()).with_clock(shared.clock);
            let answer = faults.layer(handlers).oneshot(request).await;
            if let Ok(response) = &answer {
                shared.log.answered(number, response.status());
            }
            answer
        }
        .boxed()
    }
}

async fn handle(
    shared: Arc<Shared>,
    storage: String,
    origin: Origin,
    request: Request<Body>,
) -> Result<Response<Body>, Error> {
    let is_head = request.method() == Method::HEAD;
    let request_id = shared.ids.next();
    let mut response = match origin {
        Origin::Storage => storage::answer(&shared, request).await,
        Origin::Api => route::api(&shared, &storage, &request_id, request).await,
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    Ok(if is_head { response.map(|_| Body::empty()) } else { response })
}

/// Where a request goes: as a door has noted, else by its host.
pub(crate) fn origin_of(parts: &Parts) -> Origin {
    let by_host = || {
        let header = || parts.headers.get(HOST).and_then(|value| value.to_str().ok());
        let host = parts.uri.authority().map(|authority| authority.as_str()).or_else(header);
        if host.is_some_and(is_storage_host) { Origin::Storage } else { Origin::Api }
    };
    parts.extensions.get::<Origin>().copied().unwrap_or_else(by_host)
}

impl Door {
    pub(crate) fn origin<B>(self, request: &Request<B>) -> Origin {
        match self {
            Self::Storage => Origin::Storage,
            Self::Api { .. } => Origin::Api,
            Self::InProcess if is_storage_host(host(request)) => Origin::Storage,
            Self::InProcess => Origin::Api,
        }
    }

    /// The storage origin as this caller can reach it.
    fn storage_base<B>(self, request: &Request<B>) -> String {
        match self {
            // A server bound to every address is reached under the name the caller used for the API.
            Self::Api { storage } if storage.ip().is_unspecified() => {
                format!("http://{}:{}", without_port(host(request)), storage.port())
            }
            Self::Api { storage } => format!("http://{storage}"),
            Self::InProcess | Self::Storage => IN_PROCESS_STORAGE.to_owned(),
        }
    }
}

/// The host a request names, in its URI or its header.
fn host<B>(request: &Request<B>) -> &str {
    let header = || request.headers().get(HOST).and_then(|value| value.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or_else(header).unwrap_or("localhost")
}

fn is_storage_host(host: &str) -> bool {
    without_port(host).split('.').next().is_some_and(|label| label.ends_with("-storage"))
}

/// `host` of `host:port`; brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn request(uri: &str, host: Option<&str>) -> Request<()> {
        let mut builder = Request::get(uri);
        if let Some(host) = host {
            builder = builder.header(HOST, host);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn the_first_label_of_the_host_tells_storage_from_the_api() {
        let cases = [
            ("https://adb-1.azuredatabricks.net/x", None, Origin::Api),
            ("https://simulated-storage.invalid/x", None, Origin::Storage),
            ("/x", Some("my-storage.example.com:443"), Origin::Storage),
            ("/x", Some("127.0.0.1:80"), Origin::Api),
            ("/x", None, Origin::Api),
        ];
        for (uri, host, origin) in cases {
            assert_eq!(Door::InProcess.origin(&request(uri, host)), origin, "{uri} {host:?}");
        }
    }

    #[test]
    fn links_point_where_the_caller_can_reach_storage() {
        let door = |addr: &str| Door::Api { storage: addr.parse().unwrap() };
        let request = request("/x", Some("workspace.test:8080"));
        assert_eq!(door("127.0.0.1:9").storage_base(&request), "http://127.0.0.1:9");
        assert_eq!(door("0.0.0.0:9").storage_base(&request), "http://workspace.test:9");
        assert_eq!(door("[::1]:9").storage_base(&request), "http://[::1]:9");
    }
}
