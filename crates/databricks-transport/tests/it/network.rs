//! The real leaf, against servers on this machine.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{TOKEN, local, raw_server, server};
use bytes::Bytes;
use databricks_transport::{ApiRequest, AuthConfig, Body, CircuitState, Client, Error, ErrorKind, Operation};
use futures::StreamExt;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");

#[tokio::test]
async fn a_call_reaches_the_server_signed() {
    let (url, requests) = raw_server(&["HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}"]).await;
    let client = Client::new(local(&url)).unwrap();
    let request = ApiRequest::post("/api/2.0/x").json(&serde_json::json!({"q": "é"})).unwrap();
    let answer: serde_json::Value = client.call(WRITE, request).await.unwrap();
    assert_eq!(answer, serde_json::json!({"a": 1}));
    let request = requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /api/2.0/x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{request}");
    assert!(request.contains("content-length: 10\r\n") && request.ends_with("{\"q\":\"é\"}"), "{request}");
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(local(&format!("http://{address}"))).unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!error.is_ambiguous(), "nothing was sent");
}

#[tokio::test]
async fn tls_is_set_up_with_its_provider_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(local(&format!("https://{address}"))).unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    // A machine without CA certificates is told so; any other gets as far as connecting.
    let expected = match error.kind() {
        ErrorKind::Config => "CA certificates",
        _ => "could not connect",
    };
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 16];
            socket.read_exact(&mut hello).await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let client = Client::new(local(&url)).unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect | ErrorKind::Config), "{error}");
    assert!(!error.is_ambiguous(), "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_up_while_it_connects_has_had_no_effect() {
    // It accepts, and says nothing of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let authority = crate::tls::Authority::new();
    let config = || local(&url).with_ca_file(authority.file.path());
    for (config, kind, attempts) in [
        (config().with_timeout(Duration::from_secs(2)), ErrorKind::Connect, 3),
        (config().with_total_timeout(Duration::from_secs(2)), ErrorKind::Timeout, 1),
    ] {
        let client = Client::new(config).unwrap();
        let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts(), error.is_ambiguous()),
            (kind, attempts, false),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_up_on_a_connection_may_have_had_an_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(local(&url).with_timeout(Duration::from_secs(2))).unwrap();
    let call = client.send(WRITE, ApiRequest::post("/x").body("data"));
    let (accepted, result) = tokio::join!(listener.accept(), call);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Timeout, true), "{error}");
    drop(accepted);
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_is_unavailable() {
    let (url, requests) = raw_server(&[""]).await;
    let client = Client::new(local(&url)).unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1));
    assert!(error.is_ambiguous());
    assert_eq!(requests.lock().unwrap().len(), 1, "what may have run is not sent again");
}

#[tokio::test]
async fn a_body_cut_off_in_the_middle_is_an_error_and_never_a_short_answer() {
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npartial";
    let (url, _) = raw_server(&[CUT]).await;
    let client = Client::new(local(&url)).unwrap();
    let response = client.send(READ, ApiRequest::get("/x")).await.unwrap();
    let error = response.into_body().collect(1000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let (url, _) = raw_server(&[CUT, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7"]).await;
    let client = Client::new(local(&url)).unwrap();
    let answer: i32 = client.call(READ, ApiRequest::get("/x")).await.unwrap();
    assert_eq!(answer, 7, "a whole answer is read again");
}

#[tokio::test]
async fn a_storage_link_is_fetched_without_the_credential() {
    let (url, requests) = raw_server(&["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndata"]).await;
    let client = Client::new(local("https://h.example")).unwrap();
    let link = http::Request::get(format!("{url}/object?sig=1")).body(Body::empty()).unwrap();
    let response = client.fetch_link(READ, link).await.unwrap();
    assert_eq!(response.into_body().collect(10).await.unwrap(), "data");
    let request = requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /object?sig=1 ") && !request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn an_upload_is_streamed_and_its_own_failure_is_reported() {
    let (url, received) = counting_server().await;
    let client = Client::new(local(&url)).unwrap();
    let chunk = Bytes::from(vec![1_u8; 64 * 1024]);
    let chunks = futures::stream::repeat(chunk).take(64).map(Ok);
    let request = ApiRequest::put("/upload").body(Body::from_sized_stream(chunks, 64 * 64 * 1024));
    client.send(WRITE, request).await.unwrap();
    assert_eq!(received.load(Ordering::Relaxed), 4 * 1024 * 1024);

    let failing = futures::stream::iter([
        Ok(Bytes::from("some")),
        Err(Error::new(ErrorKind::Io, "part-0.parquet vanished")),
    ]);
    let request = ApiRequest::put("/upload").body(Body::from_stream(failing));
    let error = client.send(WRITE, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("part-0.parquet vanished"), "{error}");
}

#[tokio::test]
async fn an_upload_of_another_length_is_refused_and_no_fault_of_the_host() {
    let (url, _) = counting_server().await;
    let client = Client::new(local(&url)).unwrap();
    let table = [(["so", "me"], "6 bytes are missing"), (["some", " more bytes"], "it has more bytes")];
    for (pieces, expected) in table {
        for _ in 0..6 {
            let pieces = pieces.map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            let body = Body::from_sized_stream(futures::stream::iter(pieces), 10);
            let error = client.send(WRITE, ApiRequest::put("/upload").body(body)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    assert_eq!(client.circuits()[0].state, CircuitState::Closed);
}

/// A server that counts the bytes it is sent, over HTTP/1 or HTTP/2.
async fn counting_server() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received: Arc<AtomicU64> = Arc::default();
    let counter = Arc::clone(&received);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        let counter = Arc::clone(&counter);
                        async move {
                            let mut body = request.into_body();
                            while let Some(Ok(frame)) = body.frame().await {
                                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                                counter.fetch_add(length, Ordering::Relaxed);
                            }
                            Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<Bytes>::new()))
                        }
                    });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    (url, received)
}

#[tokio::test]
async fn tokens_are_fetched_over_the_same_network_as_everything_else() {
    let (url, requests) = server(|url, number| {
        let body = match number {
            0 => format!("{{\"token_endpoint\":\"{url}/oidc/v1/token\"}}"),
            1 => "{\"access_token\":\"t1\",\"token_type\":\"Bearer\",\"expires_in\":3600}".to_owned(),
            _ => "{}".to_owned(),
        };
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    })
    .await;
    let auth = AuthConfig::oauth("client-1", "dose-1");
    let client = Client::new(local(&url).with_auth(auth)).unwrap();
    for _ in 0..2 {
        client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
    }
    let requests = requests.lock().unwrap();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /oidc/.well-known/oauth-authorization-server HTTP/1.1",
            "POST /oidc/v1/token HTTP/1.1",
            "GET /api/2.0/x HTTP/1.1",
            "GET /api/2.0/x HTTP/1.1"
        ]
    );
    assert!(requests[1].ends_with("\r\n\r\ngrant_type=client_credentials&scope=all-apis"), "{}", requests[1]);
    assert!(requests[3].contains("authorization: Bearer t1"), "{}", requests[3]);
}
