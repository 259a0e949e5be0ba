//! What HTTP/2 tells about a request that failed: a server of hand-made frames, where h2 would not say wrong things.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::local;
use crate::tls::Authority;
use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const WRITE: Operation = Operation::new("test.write");

type Frame = (u8, u8, u32, &'static [u8]);

const SETTINGS: Frame = (4, 0, 0, &[]);
const ACKNOWLEDGED: Frame = (4, 1, 0, &[]);
/// `:status: 200`, and nothing after it.
const OK: &[u8] = &[0x88];

async fn write(socket: &mut TlsStream<TcpStream>, (kind, flags, stream, payload): Frame) {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    let _ = socket.write_all(&frame).await;
    let _ = socket.flush().await;
}

/// Kind, flags and stream of the next frame.
async fn read(socket: &mut TlsStream<TcpStream>) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    socket.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    socket.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

/// What the server does about its first request.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Resets the stream for a reason.
    Resets(u8),
    /// Announces the last stream that it runs, and closes.
    GoesAway(u8),
    /// Closes without a word.
    Closes,
}

/// A server that does that to its first request and answers 200 to all others. Counts requests.
async fn frames_server(acceptor: TlsAcceptor, does: Does) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests: Arc<AtomicUsize> = Arc::default();
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut preface = [0; 24];
            socket.read_exact(&mut preface).await.unwrap();
            write(&mut socket, SETTINGS).await;
            serve(socket, does, &counter).await;
        }
    });
    (port, requests)
}

async fn serve(mut socket: TlsStream<TcpStream>, does: Does, requests: &AtomicUsize) {
    while let Some((kind, flags, stream)) = read(&mut socket).await {
        match kind {
            4 if flags & 1 == 0 => write(&mut socket, ACKNOWLEDGED).await,
            // The end of a request, by its head or its body.
            0 | 1 if flags & 1 == 1 => {
                let number = requests.fetch_add(1, Ordering::SeqCst);
                match does {
                    _ if number > 0 => write(&mut socket, (1, 5, stream, OK)).await,
                    Does::Resets(7) => write(&mut socket, (3, 0, stream, &[0, 0, 0, 7])).await,
                    Does::Resets(8) => write(&mut socket, (3, 0, stream, &[0, 0, 0, 8])).await,
                    Does::Resets(_) => write(&mut socket, (3, 0, stream, &[0, 0, 0, 11])).await,
                    Does::GoesAway(0) => {
                        write(&mut socket, (7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0])).await;
                        let _ = socket.shutdown().await;
                        return;
                    }
                    Does::GoesAway(_) => {
                        write(&mut socket, (7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11])).await;
                        let _ = socket.shutdown().await;
                        return;
                    }
                    Does::Closes => return,
                }
            }
            _ => {}
        }
    }
}

async fn post(does: Does, body: &'static str) -> (Result<(), Error>, usize) {
    let authority = Authority::new();
    let (port, requests) = frames_server(authority.acceptor("localhost", &["h2"]), does).await;
    let config = local(&format!("https://localhost:{port}")).with_ca_file(authority.file.path());
    let client = Client::new(config).unwrap();
    let result = client.send(WRITE, ApiRequest::post("/x").body(body)).await;
    (result.map(drop), requests.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_request_that_the_server_says_it_did_not_run_is_sent_again_and_no_other() {
    for (does, body, runs) in [
        (Does::Resets(7), "data", true),
        (Does::Resets(7), "", true),
        (Does::GoesAway(0), "data", true),
        // It may have been whole when the word overtook it.
        (Does::GoesAway(0), "", false),
        (Does::Resets(8), "data", false),
        (Does::Resets(11), "data", false),
        (Does::GoesAway(1), "data", false),
        (Does::Closes, "data", false),
    ] {
        let (result, requests) = post(does, body).await;
        match result {
            Ok(()) => assert!(runs && requests == 2, "{does:?} {requests}"),
            Err(error) => {
                assert!(!runs && requests == 1, "{does:?} {requests}: {error}");
                assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Unavailable, true), "{does:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_says_goodbye_loses_and_doubles_nothing() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests: Arc<AtomicUsize> = Arc::default();
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                    counter.fetch_add(1, Ordering::SeqCst);
                    // Each connection ends with its first request, which it still answers.
                    connection.graceful_shutdown();
                    tokio::spawn(async move {
                        while let Some(Ok(data)) = request.body_mut().data().await {
                            let _ = request.body_mut().flow_control().release_capacity(data.len());
                        }
                        let _ = respond.send_response(http::Response::new(()), true);
                    });
                }
            });
        }
    });
    let config = local(&format!("https://localhost:{port}")).with_ca_file(authority.file.path());
    let client = Client::new(config).unwrap();
    for _ in 0..20 {
        client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap();
    }
    let many = (0..20).map(|_| client.send(WRITE, ApiRequest::post("/x").body("data")));
    for result in futures::future::join_all(many).await {
        result.unwrap();
    }
    assert_eq!(requests.load(Ordering::SeqCst), 40);
}
