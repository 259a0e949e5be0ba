//! Servers that misbehave: what they cost, and what is made of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::local;
use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");

/// A server that reads a request's head and writes a start, then a piece again and again until nobody reads any more.
/// What comes out of the channel is how many bytes each connection took.
async fn flooding(start: &'static str, piece: &'static str, times: usize) -> (String, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (taken, counts) = mpsc::channel(100);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let taken = taken.clone();
            tokio::spawn(async move {
                read_head(&mut socket).await;
                let piece = piece.repeat((64 * 1024 / piece.len().max(1)).max(1));
                let mut written = 0;
                if socket.write_all(start.as_bytes()).await.is_ok() {
                    while written < times && socket.write_all(piece.as_bytes()).await.is_ok() {
                        written += piece.len();
                    }
                }
                let _ = taken.send(written).await;
            });
        }
    });
    (url, counts)
}

async fn read_head(socket: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    head
}

async fn post(url: &str) -> Error {
    Client::new(local(url)).unwrap().send(WRITE, ApiRequest::post("/x")).await.unwrap_err()
}

#[tokio::test]
async fn what_is_no_answer_is_unavailable_and_takes_little_memory() {
    const MUCH: usize = 100 * 1024 * 1024;
    for (start, piece, times) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", "", 0),
        ("\0\u{1}\u{2}", "\u{fffd}", MUCH),
        ("HTTP/1.1 200 OK\r\n", "x-filler: x\r\n", MUCH),
        ("HTTP/1.1 200 OK\r\nx-endless: ", "x", MUCH),
        ("HTTP/1.1 999999 What\r\n\r\n", "", 0),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "", 0),
        ("HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "", 0),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", 1024 * 1024),
    ] {
        let (url, mut counts) = flooding(start, piece, times).await;
        let error = post(&url).await;
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1), "{start}: {error}");
        assert!(error.is_ambiguous(), "{start}");
        assert!(error.to_string().len() < 500, "{error}");
        // More than the sockets' buffers hold would have been read by us.
        let taken = counts.recv().await.unwrap();
        assert!(taken < MUCH / 4, "{start}: {taken}");
    }
}

#[tokio::test]
async fn the_start_of_a_huge_error_is_read_and_the_connection_dropped() {
    const MUCH: usize = 100 * 1024 * 1024;
    for start in [
        "HTTP/1.1 503 X\r\n\r\nTEMPORARILY_UNAVAILABLE: ",
        "HTTP/1.1 503 X\r\ncontent-length: 104857600\r\n\r\nTEMPORARILY_UNAVAILABLE: ",
    ] {
        let (url, mut counts) = flooding(start, "garbage ", MUCH).await;
        let error = post(&url).await;
        assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("TEMPORARILY_UNAVAILABLE"));
        assert!(error.message().len() < 2000);
        let taken = counts.recv().await.unwrap();
        assert!(taken < MUCH / 4, "{taken} bytes were taken");
    }
}

#[tokio::test]
async fn a_json_answer_that_is_announced_as_too_long_is_not_read() {
    const MUCH: usize = 300 * 1024 * 1024;
    let (url, mut counts) =
        flooding("HTTP/1.1 200 OK\r\ncontent-length: 314572800\r\n\r\n[", "0,", MUCH).await;
    let client = Client::new(local(&url)).unwrap();
    let error = client.call::<Value>(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Invalid, 1));
    assert!(error.to_string().contains("314572800"), "{error}");
    assert!(counts.recv().await.unwrap() < MUCH / 4);
}

#[tokio::test]
async fn trailers_and_interim_answers_do_no_harm() {
    let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\
        transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n1\r\n7\r\n0\r\nx-sum: 1\r\n\r\n";
    let (url, _) = flooding(chunked, "", 0).await;
    let client = Client::new(local(&url)).unwrap();
    assert_eq!(client.call::<Value>(READ, ApiRequest::get("/x")).await.unwrap(), 7);
}

/// A server that answers one request on a connection and closes it, or reads a second one there and closes then.
async fn closing(reads_second: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let writes: Arc<AtomicUsize> = Arc::default();
    let counter = Arc::clone(&writes);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                for number in 0..2 {
                    let head = String::from_utf8(read_head(&mut socket).await).unwrap();
                    if head.starts_with("POST") {
                        let mut body = [0; 4];
                        socket.read_exact(&mut body).await.unwrap();
                        counter.fetch_add(1, Ordering::SeqCst);
                    }
                    if number == 1 || head.is_empty() {
                        return;
                    }
                    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7").await.unwrap();
                    if !reads_second {
                        return;
                    }
                }
            });
        }
    });
    (url, writes)
}

#[tokio::test]
async fn a_write_on_a_connection_that_was_closed_while_idle_is_neither_lost_nor_doubled() {
    let (url, writes) = closing(false).await;
    let client = Client::new(local(&url)).unwrap();
    let (mut done, mut unknown) = (0, 0);
    for _ in 0..50 {
        let _: Value = client.call(READ, ApiRequest::get("/x")).await.unwrap();
        match client.send(WRITE, ApiRequest::post("/x").body("data")).await {
            Ok(_) => done += 1,
            // It was on its way when the connection closed.
            Err(error) => {
                assert!(error.is_ambiguous(), "{error}");
                unknown += 1;
            }
        }
    }
    let written = writes.load(Ordering::SeqCst);
    assert!((done..=done + unknown).contains(&written), "{written} of {done} done, {unknown} unknown");
    assert!(done > 0, "not one was sent on a connection of its own");
}

#[tokio::test]
async fn a_write_that_was_read_before_the_connection_closed_is_not_sent_again() {
    let (url, writes) = closing(true).await;
    let client = Client::new(local(&url)).unwrap();
    let _: Value = client.call(READ, ApiRequest::get("/x")).await.unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Unavailable, true));
    assert_eq!(writes.load(Ordering::SeqCst), 1);
}
