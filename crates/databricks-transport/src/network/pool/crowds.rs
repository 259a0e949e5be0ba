//! A pool among many calls at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::AtomicUsize;

use futures::FutureExt;
use futures::future::join_all;
use http::{Method, Request};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::tests::{Server, get, read, send};
use super::*;
use crate::stack::CallState;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_server_of_few_streams_gets_no_more_calls_than_it_runs() {
    let server = Server { streams: Some(10), ..Server::default() };
    let pool = server.pool(true);
    for _ in 0..2 {
        read(&pool, "/").await;
    }
    let start = Instant::now();
    join_all((0..30).map(|_| read(&pool, "/slow"))).await;
    assert!(start.elapsed() < Duration::from_millis(1500), "some have waited: {:?}", start.elapsed());
    let opened = server.opened();
    join_all((0..30).map(|_| read(&pool, "/slow"))).await;
    assert_eq!(server.opened(), opened);
}

#[tokio::test]
async fn each_of_two_that_wait_gets_what_became_free_before_either_slept() {
    let server = Server::default();
    let pool = server.pool(false);
    let (one, other) = tokio::join!(get(&pool, "/"), get(&pool, "/"));
    let host = pool.hosts.of(&"http://h.invalid/".parse().unwrap()).ok().unwrap();
    let (first, second) = (host.room(), host.room());
    for answer in [one, other] {
        answer.ok().unwrap().into_body().collect(10).await.unwrap();
    }
    while host.take().is_none() {
        yield_now().await;
    }
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(first.now_or_never().is_some() && second.now_or_never().is_some());
}

/// So many calls at once, answered after a second.
async fn at_once(pool: &Pool, calls: usize) {
    let call = || async {
        let request = Request::get("https://h.invalid/slow").body(Body::empty()).unwrap();
        let call = Arc::new(CallState::start(&Method::GET, Duration::MAX));
        send(pool, request, &call).await.ok().unwrap().into_body().collect(10).await.unwrap()
    };
    join_all((0..calls).map(|_| call())).await;
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_open_few_connections_of_http2() {
    let server = Server { takes: Duration::from_millis(300), ..Server::default() };
    let pool = server.pool(true);
    let start = Instant::now();
    at_once(&pool, 500).await;
    assert!(server.opened() <= 16, "{}", server.opened());
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    // It is known by now what the host speaks.
    let server = Server { takes: Duration::from_millis(300), ..Server::default() };
    let pool = server.pool(true);
    at_once(&pool, 1).await;
    let start = Instant::now();
    at_once(&pool, 180).await;
    assert_eq!(server.opened(), 2);
    assert_eq!(start.elapsed(), Duration::from_millis(1300));
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_have_a_connection_of_http1_each_and_wait_once_at_most() {
    let server = Server { takes: Duration::from_millis(300), ..Server::default() };
    let pool = server.pool(false);
    let start = Instant::now();
    at_once(&pool, 100).await;
    assert_eq!((server.opened(), start.elapsed()), (100, Duration::from_millis(1600)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_what_others_open() {
    let server = Server::default();
    let good = server.pool(true);
    let tried = AtomicUsize::new(0);
    // What is opened first never comes about.
    let pool = Pool::new(Box::new(move |uri| match tried.fetch_add(1, Ordering::SeqCst) {
        0..8 => Box::pin(std::future::pending()),
        _ => (good.connect)(uri),
    }));
    let start = Instant::now();
    timeout(SOON, at_once(&pool, 20)).await.expect("it hangs");
    // A second of patience, and one for the answer.
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_many_threads_lose_nothing() {
    for is_http2 in [false, true] {
        let server = Server::default();
        let pool = Arc::new(server.pool(is_http2));
        let callers = (0..32).map(|caller| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                for call in 0..50 {
                    let mut reading = Box::pin(read(&pool, "/"));
                    if (caller + call) % 3 > 0 {
                        timeout(SOON * 4, reading).await.expect("it hangs");
                        continue;
                    }
                    for _ in 0..call % 7 {
                        if futures::poll!(&mut reading).is_ready() {
                            break;
                        }
                        yield_now().await;
                    }
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        drop(pool);
        let all_closed = async {
            while server.closed() < server.opened() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON * 4, all_closed).await.expect("some are left open");
    }
}
