//! The server: hyper on a loopback port, on a thread of its own, so that what it costs is not counted as the client's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use databricks_transport::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::load;

/// The path of the small answer, as the workspace has it.
pub(crate) const RUN: &str = "/api/2.2/jobs/runs/get";
/// The path of the large one.
pub(crate) const CHUNK: &str = "/chunk";
/// The bytes of the large answer, and of each of its pieces.
pub(crate) const LARGE: usize = 64 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

const RUN_JSON: &str = r#"{"job_id":11223344,"run_id":455644833,"creator_user_name":"user@example.com","number_in_job":455644833,"state":{"life_cycle_state":"RUNNING","state_message":"In run","user_cancelled_or_timedout":false},"start_time":1625060460483,"setup_duration":0,"execution_duration":0,"cleanup_duration":0,"trigger":"PERIODIC","run_name":"A multitask job run","run_type":"JOB_RUN"}"#;

/// A server that lives as long as the process.
pub(crate) struct Server {
    address: SocketAddr,
}

impl Server {
    /// Starts it on a port that is free.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            load::runtime().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                accept(listener).await;
            });
        });
        Self { address: receiver.recv().unwrap() }
    }

    /// Its URL, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: TcpListener) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
        // A client that goes away is none of the server's business.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == CHUNK {
        return Ok(Response::new(large()));
    }
    let mut response = Response::new(Body::from(RUN_JSON));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn large() -> Body {
    static ZEROS: [u8; PIECE] = [0; PIECE];
    let pieces = std::iter::repeat_n(Bytes::from_static(&ZEROS), LARGE / PIECE);
    Body::from_sized_stream(futures::stream::iter(pieces.map(Ok)), LARGE as u64)
}
