//! The workspace on real sockets: the API on one port, storage on another.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use databricks_transport::{Body, Error};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::service::Door;

/// How long open requests may take after [`Server::shutdown`] before their connections are cut.
const GRACE: Duration = Duration::from_secs(10);

/// A simulated workspace that listens. Made by [`SimulatedWorkspace::serve`](crate::SimulatedWorkspace::serve).
///
/// End it with [`shutdown`](Self::shutdown). A server that is merely dropped stops listening as soon as its runtime
/// gets to it, and nothing waits for its open requests.
#[derive(Debug)]
pub struct Server {
    api: SocketAddr,
    storage: SocketAddr,
    stop: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds both ports and begins to accept.
    pub(crate) async fn start<S: Answering>(
        addr: SocketAddr,
        service_at: impl Fn(Door) -> S,
    ) -> io::Result<Self> {
        let api_listener = TcpListener::bind(addr).await?;
        let storage_listener = TcpListener::bind(SocketAddr::new(addr.ip(), 0)).await?;
        let (api, storage) = (api_listener.local_addr()?, storage_listener.local_addr()?);
        let stop = CancellationToken::new();
        let listen =
            |listener, door| tokio::spawn(accept_until_stopped(listener, service_at(door), stop.clone()));
        let listeners =
            vec![listen(api_listener, Door::Api { storage }), listen(storage_listener, Door::Storage)];
        Ok(Self { api, storage, stop, listeners })
    }

    /// Where the API listens.
    pub fn addr(&self) -> SocketAddr {
        self.api
    }

    /// The API's URL, such as `http://127.0.0.1:40123`: what a client takes for its host.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The URL of the storage origin.
    pub fn storage_url(&self) -> String {
        format!("http://{}", self.storage)
    }

    /// Where the buckets of external locations answer, as S3 does.
    pub fn s3_url(&self) -> String {
        format!("http://{}/s3", self.storage)
    }

    /// Stops accepting, lets open requests end (for 10 seconds at most), and frees both ports.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for listener in self.listeners.drain(..) {
            if let Err(error) = listener.await {
                tracing::warn!(%error, "a listener of the simulated workspace failed");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::warn!(api = %self.api, "a simulated workspace's server was dropped without shutdown()");
            self.stop.cancel();
        }
    }
}

/// A service that can be behind a port.
pub(crate) trait Answering:
    Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send> + Clone + Send + 'static
{
}

impl<S> Answering for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static
{
}

async fn accept_until_stopped<S: Answering>(listener: TcpListener, service: S, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve_connection(stream, service.clone(), &graceful, &mut connections),
                Err(error) => {
                    // Out of file descriptors, most likely: accepting again at once would spin.
                    tracing::warn!(%error, "the simulated workspace could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests to the simulated workspace were still open at shutdown and are cut");
    }
    connections.shutdown().await;
}

fn serve_connection<S: Answering>(
    stream: TcpStream,
    service: S,
    graceful: &GracefulShutdown,
    connections: &mut JoinSet<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let answer =
        service_fn(move |request: Request<Incoming>| service.clone().oneshot(request.map(Body::wrap)));
    let connection =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).into_owned();
    let watched = graceful.watch(connection);
    connections.spawn(async move {
        // Simulated resets end here too, so this is no more than a trace.
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection to the simulated workspace ended early");
        }
    });
}
