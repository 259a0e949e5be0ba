//! Faults over real sockets: what breaks there is the connection.

use std::time::Duration;

use databricks_testkit::{Fault, FaultRule, Server, SimulatedWorkspace, StallPoint};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, ErrorKind, Operation};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TOKEN;

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const READ: Operation = Operation::new("read").idempotent();
const ONCE: Operation = Operation::new("once");

async fn start(fault: Fault) -> (SimulatedWorkspace, Server) {
    let workspace = SimulatedWorkspace::builder().token(TOKEN).seed(1).build();
    workspace.faults().add(FaultRule::on(Method::GET, WAREHOUSES, fault));
    let server = workspace.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    (workspace, server)
}

fn client(server: &Server, timeout: Duration) -> Client {
    let config = DatabricksConfig::new(&server.url()).unwrap().with_token(TOKEN).with_timeout(timeout);
    Client::new(config).unwrap()
}

/// Everything that arrives on a connection until the server closes it.
async fn raw(server: &Server) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let request = format!("GET {WAREHOUSES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_byte() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        let (_, server) = start(fault).await;
        assert_eq!(raw(&server).await, "");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_truncation_announces_the_whole_body_and_sends_its_beginning() {
    let (workspace, server) = start(Fault::truncated(25)).await;
    let received = raw(&server).await;
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 25, "{body}");
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    assert!(length.parse::<usize>().unwrap() > 100, "{head}");
    assert_eq!(workspace.faults().fired(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_reads_again_after_each_break_and_a_call_once_fails() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::truncated(25), Fault::truncated(0)] {
        let (workspace, server) = start(fault.clone()).await;
        let client = client(&server, Duration::from_secs(30));
        let answer: Value = client.call(READ, ApiRequest::get(WAREHOUSES)).await.unwrap();
        assert!(answer["warehouses"].is_array());
        workspace.faults().add(FaultRule::on(Method::GET, WAREHOUSES, fault.clone()));
        let error = client.call::<Value>(ONCE, ApiRequest::get(WAREHOUSES)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault}: {error}");
        assert_eq!(workspace.faults().fired(), 2);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_stall_ends_when_the_client_gives_up_and_the_server_shuts_down_at_once() {
    for at in [StallPoint::BeforeEffect, StallPoint::BeforeAnswer, StallPoint::InBody(3)] {
        let (_, server) = start(Fault::stall(at)).await;
        let client = client(&server, Duration::from_millis(100));
        let error = client.call::<Value>(ONCE, ApiRequest::get(WAREHOUSES)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{at:?}: {error}");
        drop(client);
        tokio::time::timeout(Duration::from_secs(8), server.shutdown()).await.unwrap();
    }
}
