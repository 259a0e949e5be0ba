//! gzip over real sockets: who is asked for it, and what comes of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::support::local;
use databricks_transport::{ApiRequest, Body, Client, Error, ErrorKind, Operation};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");

fn zipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A server that answers with these bodies in order, all called gzip, the last one for ever; and the heads of requests.
async fn zipping(answers: Vec<(u16, Vec<u8>)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let (status, body) = {
                let mut log = log.lock().unwrap();
                log.push(String::from_utf8(head).unwrap().to_ascii_lowercase());
                answers[(log.len() - 1).min(answers.len() - 1)].clone()
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
        }
    });
    (url, heads)
}

#[tokio::test]
async fn a_json_answer_is_asked_for_in_gzip_and_read() {
    let big: Vec<_> = (0..20_000).map(|n| json!({"row": n, "text": "the same again and again"})).collect();
    let (url, heads) = zipping(vec![(200, zipped(json!(big).to_string().as_bytes()))]).await;
    let answer: Vec<Value> =
        Client::new(local(&url)).unwrap().call(READ, ApiRequest::get("/x")).await.unwrap();
    assert_eq!(answer, big);
    assert!(heads.lock().unwrap()[0].contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn an_errors_text_is_read_through_gzip() {
    let text = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run 7 does not exist."}"#;
    let (url, _) = zipping(vec![(404, zipped(text.as_bytes()))]).await;
    let error =
        Client::new(local(&url)).unwrap().call::<Value>(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "Run 7 does not exist."));
}

#[tokio::test]
async fn gzip_that_breaks_off_is_read_again_when_that_is_safe() {
    let whole = zipped(br#"{"a": 1, "b": [1, 2, 3, 4, 5, 6, 7, 8]}"#);
    let cut = whole[..whole.len() - 9].to_vec();
    let answers = || vec![(200, cut.clone()), (200, whole.clone())];
    let (url, heads) = zipping(answers()).await;
    let answer: Value = Client::new(local(&url)).unwrap().call(READ, ApiRequest::get("/x")).await.unwrap();
    assert_eq!((&answer["a"], heads.lock().unwrap().len()), (&json!(1), 2));

    let (url, heads) = zipping(answers()).await;
    let client = Client::new(local(&url)).unwrap();
    let error = client.call::<Value>(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Unavailable, true));
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bomb_in_an_error_is_cut_like_any_long_text() {
    let (url, _) = zipping(vec![(500, zipped(&vec![b'x'; 16 * 1024 * 1024]))]).await;
    let error =
        Client::new(local(&url)).unwrap().call::<Value>(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert!(error.message().len() < 2000);
}

#[tokio::test]
async fn streams_and_links_are_neither_asked_for_in_gzip_nor_decoded() {
    let bytes = zipped(b"an object that is gzip itself");
    let (url, heads) = zipping(vec![(200, bytes.clone())]).await;
    let client = Client::new(local(&url)).unwrap();
    let streamed = client.send(READ, ApiRequest::get("/file")).await.unwrap();
    let link = Request::get(format!("{url}/object?sig=1")).body(Body::empty()).unwrap();
    let linked = client.fetch_link(READ, link).await.unwrap();
    for answer in [streamed, linked] {
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert_eq!(answer.into_body().collect(1000).await.unwrap(), bytes);
    }
    assert!(heads.lock().unwrap().iter().all(|head| !head.contains("accept-encoding")));
}

#[tokio::test]
async fn layers_around_the_leaf_see_plain_bodies() {
    let (url, _) = zipping(vec![(200, zipped(b"{\"a\":1}"))]).await;
    let seen: Arc<Mutex<Vec<(HeaderMap, HeaderMap)>>> = Arc::default();
    let log = Arc::clone(&seen);
    let recorder = tower::layer::layer_fn(move |inner: databricks_transport::HttpService| {
        let log = Arc::clone(&log);
        tower::service_fn(move |request: Request<Body>| {
            let (inner, log) = (inner.clone(), Arc::clone(&log));
            async move {
                let asked = request.headers().clone();
                let (head, body) = inner.oneshot(request).await?.into_parts();
                log.lock().unwrap().push((asked, head.headers.clone()));
                let body = body.collect(100).await?;
                assert_eq!(body, "{\"a\":1}");
                Ok::<_, Error>(Response::from_parts(head, Body::from_bytes(body)))
            }
        })
    });
    let client = Client::builder(local(&url)).leaf_layer(recorder).build().unwrap();
    let _: Value = client.call(READ, ApiRequest::get("/x")).await.unwrap();
    let (asked, answered) = seen.lock().unwrap()[0].clone();
    assert!(!asked.contains_key("accept-encoding"));
    assert!(!answered.contains_key("content-encoding") && !answered.contains_key("content-length"));
}
