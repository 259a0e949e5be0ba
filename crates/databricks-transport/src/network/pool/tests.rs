//! What a pool takes, keeps and closes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use http::{Method, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::time::{Instant, advance, timeout};

use super::super::connection::{PING_INTERVAL, PING_TIMEOUT, shared, single};
use super::*;
use crate::operation::Operation;
use crate::stack::CallState;

const GET: Operation = Operation::new("test.get");

/// A server in this process, and what it has seen.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) opened: Arc<AtomicUsize>,
    pub(super) closed: Arc<AtomicUsize>,
    /// How many connections may be opened; the next ones never come about.
    pub(super) most: Option<usize>,
    /// How long it takes to open one.
    pub(super) takes: Duration,
    /// The requests that it lets run at a time over one of HTTP/2.
    pub(super) streams: Option<u32>,
}

impl Server {
    pub(super) fn pool(&self, is_http2: bool) -> Pool {
        let server = self.clone();
        Pool::new(Box::new(move |_| {
            let number = server.opened.fetch_add(1, Ordering::SeqCst);
            if server.most.is_some_and(|most| number >= most) {
                return Box::pin(std::future::pending());
            }
            let (ours, its) = tokio::io::duplex(1 << 20);
            tokio::spawn(server.clone().serve(its, is_http2));
            let (ours, takes) = (TokioIo::new(ours), server.takes);
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                let connection = if is_http2 { shared(ours).await } else { single(ours, false).await };
                connection.map_err(Failure::Broke)
            })
        }))
    }

    async fn serve(self, wire: DuplexStream, is_http2: bool) {
        let answer = service_fn(|request: Request<Incoming>| async move {
            if request.uri().path() == "/slow" {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from("answer")))
        });
        let wire = TokioIo::new(wire);
        let _ = match is_http2 {
            true => {
                let mut http2 =
                    hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
                // Callers that give up many calls at once are no attack, for which hyper would close the connection.
                http2.max_pending_accept_reset_streams(10_000);
                if let Some(streams) = self.streams {
                    http2.max_concurrent_streams(streams);
                }
                http2.serve_connection(wire, answer).await
            }
            false => hyper::server::conn::http1::Builder::new().serve_connection(wire, answer).await,
        };
        self.closed.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

pub(super) async fn get(pool: &Pool, path: &str) -> Result<Response<Body>, Failure> {
    let request = Request::get(format!("http://h.invalid{path}")).body(Body::empty()).unwrap();
    send(pool, request, &Arc::new(CallState::start(&Method::GET, Duration::MAX))).await
}

pub(super) async fn send(
    pool: &Pool,
    request: Request<Body>,
    call: &Arc<CallState>,
) -> Result<Response<Body>, Failure> {
    let uri = request.uri().clone();
    let sent = pool.request(Outgoing::new(request, &GET, call), &uri, &mut Departure::of(call)).await;
    sent.map(|answer| *answer)
}

pub(super) async fn read(pool: &Pool, path: &str) {
    let answer = get(pool, path).await.unwrap_or_else(|failure| panic!("no answer: {failure:?}"));
    assert_eq!(answer.into_body().collect(10).await.unwrap(), "answer");
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_answer_was_read_or_dropped_takes_the_next_request() {
    let server = Server::default();
    let pool = server.pool(false);
    for _ in 0..3 {
        read(&pool, "/").await;
    }
    drop(get(&pool, "/").await);
    // Time that is paused goes on when nobody has anything to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    read(&pool, "/").await;
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn an_answer_has_its_connection_until_it_is_read() {
    let server = Server::default();
    let pool = server.pool(false);
    let unread = get(&pool, "/").await.ok().unwrap();
    read(&pool, "/").await;
    assert_eq!(server.opened(), 2);
    drop(unread);
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_what_is_free_first_and_what_was_opened_for_it_is_for_the_next() {
    let server = Server { most: Some(1), ..Server::default() };
    let pool = server.pool(false);
    // The second connection never comes about.
    tokio::join!(read(&pool, "/slow"), read(&pool, "/"));
    assert_eq!(server.opened(), 2);

    let server = Server::default();
    let slow = server.pool(false);
    tokio::join!(read(&slow, "/slow"), read(&slow, "/slow"));
    tokio::join!(read(&slow, "/slow"), read(&slow, "/slow"));
    assert_eq!(server.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_a_connection_of_http2_until_it_is_full() {
    let server = Server::default();
    let pool = server.pool(true);
    read(&pool, "/").await;
    futures::future::join_all((0..90).map(|_| read(&pool, "/slow"))).await;
    assert_eq!(server.opened(), 1);
    futures::future::join_all((0..91).map(|_| read(&pool, "/slow"))).await;
    assert_eq!(server.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_connections_of_http2_that_are_opened_together_one_is_left() {
    let server = Server { takes: Duration::from_millis(100), ..Server::default() };
    let pool = server.pool(true);
    futures::future::join_all((0..40).map(|_| read(&pool, "/slow"))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((server.opened(), server.closed()), (40, 39));
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_long_is_closed_and_never_used() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = server.pool(is_http2);
        read(&pool, "/").await;
        tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
        read(&pool, "/").await;
        assert_eq!((server.opened(), server.closed()), (1, 0));
        tokio::time::sleep(IDLE * 2 + Duration::from_secs(1)).await;
        assert_eq!((server.opened(), server.closed()), (1, 1), "{is_http2}");
        assert!(pool.hosts.known().is_empty());
        read(&pool, "/").await;
        assert_eq!(server.opened(), 2);
    }
    let server = Server::default();
    let pool = server.pool(false);
    read(&pool, "/").await;
    // Nobody has looked yet.
    advance(IDLE).await;
    pool.hosts.is_swept.store(true, Ordering::Relaxed);
    read(&pool, "/").await;
    assert_eq!(server.opened(), 2);
}

#[tokio::test]
async fn only_so_many_idle_connections_are_kept() {
    let server = Server::default();
    let pool = server.pool(false);
    let answers = futures::future::join_all((0..140).map(|_| get(&pool, "/"))).await;
    assert_eq!(server.opened(), 140);
    for answer in answers {
        answer.ok().unwrap().into_body().collect(10).await.unwrap();
    }
    while server.closed() < 12 {
        tokio::task::yield_now().await;
    }
    futures::future::join_all((0..128).map(|_| get(&pool, "/"))).await;
    assert_eq!(server.opened(), 140);
}

#[tokio::test]
async fn a_client_that_goes_closes_its_connections() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = server.pool(is_http2);
        read(&pool, "/").await;
        drop(pool);
        while server.closed() < 1 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_that_died_without_a_word_is_noticed() {
    let (ours, _silent) = tokio::io::duplex(1 << 20);
    let ours = Mutex::new(Some(TokioIo::new(ours)));
    let pool = Pool::new(Box::new(move |_| {
        let wire = ours.lock().unwrap().take();
        Box::pin(async move { shared(wire.expect("connected twice")).await.map_err(Failure::Broke) })
    }));
    let start = Instant::now();
    let answer = timeout(Duration::from_secs(600), get(&pool, "/")).await.expect("the call hangs");
    assert!(matches!(answer, Err(Failure::Broke(_))));
    assert!(start.elapsed() <= PING_INTERVAL + PING_TIMEOUT + Duration::from_secs(1));
}
