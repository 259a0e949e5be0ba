//! A pool among callers who go away, runtimes that stand still, and servers that end connections in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use http::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::super::connection::single;
use super::tests::{Server, get, read, send};
use super::*;
use crate::stack::CallState;

const SOON: Duration = Duration::from_secs(5);

fn of_one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A pool whose servers are in the hands of the test: each connection that is opened comes out of the channel.
fn by_hand(buffer: usize) -> (Pool, mpsc::UnboundedReceiver<DuplexStream>) {
    let (opened, servers) = mpsc::unbounded_channel();
    let pool = Pool::new(Box::new(move |_| {
        let (ours, its) = tokio::io::duplex(buffer);
        let is_open = opened.send(its).is_ok();
        Box::pin(async move {
            if !is_open {
                return std::future::pending().await;
            }
            single(TokioIo::new(ours), false).await.map_err(Failure::Broke)
        })
    }));
    (pool, servers)
}

/// Reads the head of a request; `false` when there is none.
async fn read_head(server: &mut DuplexStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match server.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[test]
fn a_connection_of_a_runtime_that_stands_still_serves_nobody_else() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = server.pool(is_http2);
        let (first, second) = (of_one_thread(), of_one_thread());
        for opened in [(1, 2), (2, 2)] {
            first.block_on(read(&pool, "/"));
            assert_eq!(server.opened(), opened.0, "{is_http2}");
            second.block_on(async { timeout(SOON, read(&pool, "/")).await }).expect("it hangs");
            assert_eq!(server.opened(), opened.1, "{is_http2}");
        }
    }
}

#[test]
fn a_connection_of_a_runtime_that_runs_by_itself_serves_all() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = server.pool(is_http2);
        let first = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        first.block_on(async { read(&pool, "/").await });
        of_one_thread().block_on(async {
            // It is given back a moment later.
            while pool.hosts.known().iter().all(|host| !host.is_connected()) {
                yield_now().await;
            }
            read(&pool, "/").await;
        });
        assert_eq!(server.opened(), 1, "{is_http2}");
    }
}

#[test]
fn connections_end_with_their_runtime_and_others_take_their_place() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = server.pool(is_http2);
        let unread = of_one_thread().block_on(async {
            read(&pool, "/").await;
            get(&pool, "/").await.ok().unwrap()
        });
        of_one_thread().block_on(async {
            drop(unread);
            read(&pool, "/").await;
        });
        assert_eq!(server.opened(), 2, "{is_http2}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_who_go_away_at_any_point_leave_nothing_behind() {
    for is_http2 in [false, true] {
        for takes in [0, 1] {
            let server = Server { takes: Duration::from_millis(takes), ..Server::default() };
            let pool = server.pool(is_http2);
            for polls in 0..30 {
                let mut call = Box::pin(read(&pool, "/"));
                let mut beside = Box::pin(read(&pool, "/slow"));
                for _ in 0..polls {
                    if futures::poll!(&mut call).is_ready() || futures::poll!(&mut beside).is_ready() {
                        break;
                    }
                    if polls % 2 == 0 { yield_now().await } else { sleep(Duration::from_millis(1)).await }
                }
                drop((call, beside));
                timeout(SOON, read(&pool, "/")).await.expect("it hangs");
            }
            sleep(IDLE * 3).await;
            assert!(pool.hosts.known().is_empty());
            assert_eq!(server.closed(), server.opened(), "{is_http2}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_has_answered_and_does_not_read_is_given_up() {
    let (pool, mut servers) = by_hand(1024);
    let request = Request::put("http://h.invalid/").body(Body::from(vec![0_u8; 1 << 20])).unwrap();
    let call = Arc::new(CallState::start(&Method::PUT, Duration::MAX));
    let refuse = async {
        let mut server = servers.recv().await.unwrap();
        assert!(read_head(&mut server).await);
        server.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        server
    };
    let (answer, mut server) = tokio::join!(send(&pool, request, &call), refuse);
    drop(answer.ok().unwrap());
    sleep(IDLE + Duration::from_secs(1)).await;
    assert!(server.write_all(b"x").await.is_err(), "it is still open");
    assert!(pool.hosts.known().iter().all(|host| Arc::strong_count(host) == 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_new_connection_did_not_take_up_has_not_been_sent() {
    let (pool, mut servers) = by_hand(1024);
    let request = Request::post("http://h.invalid/").body(Body::from("data")).unwrap();
    let call = Arc::new(CallState::start(&Method::POST, Duration::MAX));
    call.sent();
    let close = async { drop(servers.recv().await) };
    let (answer, ()) = tokio::join!(send(&pool, request, &call), close);
    assert!(matches!(answer, Err(Failure::NotConnected(_))));
    assert!(!call.is_in_flight());
}

#[tokio::test(start_paused = true)]
async fn what_an_idle_connection_gave_back_has_not_left() {
    let (pool, mut servers) = by_hand(1024);
    let answer = async {
        let mut server = servers.recv().await.unwrap();
        assert!(read_head(&mut server).await);
        server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer").await.unwrap();
        server
    };
    let ((), server) = tokio::join!(read(&pool, "/"), answer);
    yield_now().await;
    // From now on there is no other, and nobody has seen yet that this one is closed.
    drop((servers, server));
    let request = Request::post("http://h.invalid/").body(Body::from("data")).unwrap();
    let call = Arc::new(CallState::start(&Method::POST, Duration::MAX));
    call.sent();
    assert!(timeout(SOON, send(&pool, request, &call)).await.is_err());
    assert!(!call.is_in_flight());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_only_if_nothing_is_left_on_it() {
    let table: [(Method, &str, bool); 12] = [
        (Method::GET, "200 OK\r\ncontent-length: 4\r\n\r\ngood", true),
        (Method::GET, "200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n", true),
        (Method::GET, "204 No Content\r\n\r\n", true),
        (Method::GET, "304 Not Modified\r\ncontent-length: 5\r\n\r\n", true),
        (Method::HEAD, "200 OK\r\ncontent-length: 10\r\n\r\n", true),
        (Method::GET, "103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
        (Method::GET, "200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngood", false),
        (Method::GET, "200 OK\r\n\r\nuntil it closes", false),
        (Method::GET, "200 OK\r\ncontent-length: 10\r\n\r\nhalf", false),
        (Method::GET, "101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", false),
        (Method::HEAD, "200 OK\r\ncontent-length: 4\r\n\r\nevil", false),
        (
            Method::GET,
            "200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            false,
        ),
    ];
    for (method, answer, is_reused) in table {
        let (pool, mut servers) = by_hand(1 << 16);
        let serve = async {
            let mut server = servers.recv().await.unwrap();
            assert!(read_head(&mut server).await);
            server.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
            server
        };
        let request =
            Request::builder().method(&method).uri("http://h.invalid/").body(Body::empty()).unwrap();
        let call = Arc::new(CallState::start(&method, Duration::MAX));
        let (answered, mut first) = tokio::join!(send(&pool, request, &call), serve);
        // It is read as far as it comes, or dropped.
        let _ = timeout(SOON, answered.ok().unwrap().into_body().collect(100)).await;
        sleep(SOON).await;
        let again = async {
            let is_again = async { read_head(&mut first).await.then_some(()) };
            let server = tokio::select! {
                biased;
                Some(()) = is_again => None,
                opened = servers.recv() => opened,
            };
            let (is_new, mut server) = (server.is_some(), server.unwrap_or(first));
            assert!(!is_new || read_head(&mut server).await);
            server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer").await.unwrap();
            (is_new, server)
        };
        let ((), (is_new, _server)) = tokio::join!(read(&pool, "/"), again);
        assert_eq!(is_new, !is_reused, "{method} {answer}");
    }
}
