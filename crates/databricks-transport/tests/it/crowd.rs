//! Many calls at a time over HTTP/2: none of them is in another one's way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::local;
use crate::tls::Authority;
use bytes::Bytes;
use databricks_transport::{ApiRequest, Client, Operation};
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
/// The length of `/big`: more than a stream may hold unread.
const BIG: usize = 20 << 20;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A server of HTTP/2 with so many streams to a connection. Counts its connections.
struct Server {
    client: Client,
    connections: Arc<AtomicUsize>,
    _authority: Authority,
}

impl Server {
    /// Calls to `/together` are answered when so many of them have come.
    async fn start(streams: u32, together: usize) -> Self {
        let authority = Authority::new();
        let acceptor = authority.acceptor("localhost", &["h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<AtomicUsize> = Arc::default();
        tokio::spawn(accept(
            listener,
            acceptor,
            streams,
            Arc::clone(&connections),
            Arc::new(Barrier::new(together)),
        ));
        let config = local(&format!("https://localhost:{port}")).with_ca_file(authority.file.path());
        Self { client: Client::new(config).unwrap(), connections, _authority: authority }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    streams: u32,
    connections: Arc<AtomicUsize>,
    barrier: Arc<Barrier>,
) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, connections, barrier) =
            (acceptor.clone(), Arc::clone(&connections), Arc::clone(&barrier));
        tokio::spawn(async move {
            let Ok(socket) = acceptor.accept(socket).await else { return };
            let is_first = AtomicUsize::new(0);
            let service = hyper::service::service_fn(|request| {
                // A connection may be opened that another one makes unnecessary.
                if is_first.fetch_add(1, Ordering::SeqCst) == 0 {
                    connections.fetch_add(1, Ordering::SeqCst);
                }
                answer(request, Arc::clone(&barrier))
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(streams);
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, barrier: Arc<Barrier>) -> Result<Answer, Infallible> {
    match request.uri().path() {
        "/big" => {
            let chunk = Bytes::from(vec![0; 1 << 16]);
            let chunks = futures::stream::repeat(chunk).take(BIG >> 16).map(|chunk| Ok(Frame::data(chunk)));
            return Ok(Response::new(StreamBody::new(chunks).boxed_unsync()));
        }
        "/endless" => {
            let start = futures::stream::iter([Ok(Frame::data(Bytes::from("start")))]);
            let endless = start.chain(futures::stream::pending());
            return Ok(Response::new(StreamBody::new(endless).boxed_unsync()));
        }
        "/together" => {
            barrier.wait().await;
        }
        _ => {}
    }
    Ok(Response::new(Full::new(Bytes::from("{}")).boxed_unsync()))
}

#[tokio::test]
async fn downloads_that_nobody_reads_at_the_moment_are_in_no_calls_way() {
    let server = Server::start(100, 1).await;
    let client = &server.client;
    let mut unread = Vec::new();
    for _ in 0..12 {
        unread.push(client.send(READ, ApiRequest::get("/big")).await.unwrap());
        client.call::<serde_json::Value>(WRITE, ApiRequest::post("/small").body("data")).await.unwrap();
    }
    // Each of them was begun, and comes whole.
    for answer in unread {
        assert_eq!(answer.into_body().collect(BIG).await.unwrap().len(), BIG);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_beyond_the_streams_of_a_connection_run_over_another_one() {
    // Each is answered only when all are there: one that waits for a stream lets all time out.
    let server = Server::start(100, 250).await;
    let calls = || (0..250).map(|_| server.client.send(WRITE, ApiRequest::post("/together").body("data")));
    for _ in 0..2 {
        for result in futures::future::join_all(calls()).await {
            result.unwrap();
        }
    }
    for _ in 0..20 {
        server.client.send(WRITE, ApiRequest::post("/small")).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_answer_has_its_stream_until_it_is_read_or_dropped() {
    let server = Server::start(100, 1).await;
    let client = &server.client;
    let open = |count| (0..count).map(|_| client.send(READ, ApiRequest::get("/endless")));
    let mut unread = futures::future::try_join_all(open(150)).await.unwrap();
    client.send(WRITE, ApiRequest::post("/small")).await.unwrap();
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
    // What is dropped makes room for as many.
    unread.truncate(10);
    unread.extend(futures::future::try_join_all(open(140)).await.unwrap());
    client.send(WRITE, ApiRequest::post("/small")).await.unwrap();
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}
