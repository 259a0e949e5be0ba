//! Requests by way of proxies on this machine, to hosts whose names nobody could look up.

use std::sync::{Arc, Mutex};

use crate::logs::logged;
use crate::support::{TOKEN, local, raw_server, server};
use crate::tls::{Authority, https_server};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, Error, ErrorKind, Operation};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
const HOST: &str = "https://workspace.example";
/// `me:hunter2`, as HTTP Basic has it.
const BASIC: &str = "bWU6aHVudGVyMg==";

type Log = Arc<Mutex<Vec<String>>>;

/// A proxy that leads to a port of this machine, whatever it is asked for. Returns its own port and what it was asked.
async fn proxy(leads_to: u16, tls: Option<TlsAcceptor>, socks: bool) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let log: Log = Arc::default();
    let asked = Arc::clone(&log);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (tls, asked) = (tls.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                match tls {
                    Some(tls) => tunnel(tls.accept(socket).await.unwrap(), leads_to, asked).await,
                    None if socks => socks_tunnel(socket, leads_to, asked).await,
                    None => tunnel(socket, leads_to, asked).await,
                }
            });
        }
    });
    (port, log)
}

async fn tunnel(mut client: impl AsyncRead + AsyncWrite + Unpin, leads_to: u16, asked: Log) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    asked.lock().unwrap().push(String::from_utf8(head).unwrap());
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.unwrap();
    let mut host = TcpStream::connect(("127.0.0.1", leads_to)).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut host).await;
}

/// SOCKS 5 with user name and password (RFC 1928 and 1929).
async fn socks_tunnel(mut client: TcpStream, leads_to: u16, asked: Log) {
    let mut methods = [0; 3];
    client.read_exact(&mut methods).await.unwrap();
    assert_eq!(methods, [5, 1, 2]);
    client.write_all(&[5, 2]).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), 1);
    let mut words = Vec::new();
    for _ in 0..2 {
        let mut word = vec![0; client.read_u8().await.unwrap().into()];
        client.read_exact(&mut word).await.unwrap();
        words.push(String::from_utf8(word).unwrap());
    }
    client.write_all(&[1, 0]).await.unwrap();
    let mut start = [0; 4];
    client.read_exact(&mut start).await.unwrap();
    assert_eq!(start, [5, 1, 0, 3], "a name is left to the proxy");
    let mut name = vec![0; client.read_u8().await.unwrap().into()];
    client.read_exact(&mut name).await.unwrap();
    let port = client.read_u16().await.unwrap();
    asked.lock().unwrap().push(format!("{words:?} {}:{port}", String::from_utf8(name).unwrap()));
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let mut host = TcpStream::connect(("127.0.0.1", leads_to)).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut host).await;
}

async fn get(config: DatabricksConfig) -> Result<Value, Error> {
    Client::new(config).unwrap().call(READ, ApiRequest::get("/x")).await
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_cannot_be_read() {
    let authority = Authority::new();
    let host = https_server(authority.acceptor("workspace.example", &["h2"])).await;
    let (port, asked) = proxy(host, None, false).await;
    let config = local(HOST).with_ca_file(authority.file.path());
    let config = config.with_proxy(format!("http://me:hunter2@localhost:{port}"));
    assert_eq!(get(config).await.unwrap(), "HTTP/2.0");
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("CONNECT workspace.example:443 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains(&format!("Proxy-Authorization: Basic {BASIC}\r\n")), "{asked:?}");
    assert!(!asked[0].contains("Bearer"), "the workspace's token is none of its business: {asked:?}");
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_inside_tls() {
    let authority = Authority::new();
    let host = https_server(authority.acceptor("workspace.example", &["h2"])).await;
    let tls = authority.acceptor("localhost", &["h2", "http/1.1"]);
    let (port, asked) = proxy(host, Some(tls), false).await;
    let config = local(HOST).with_ca_file(authority.file.path());
    let config = config.with_proxy(format!("https://me:hunter2@localhost:{port}"));
    assert_eq!(get(config).await.unwrap(), "HTTP/2.0");
    assert!(asked.lock().unwrap()[0].contains(BASIC));
}

#[tokio::test]
async fn a_proxy_may_speak_socks() {
    let authority = Authority::new();
    let host = https_server(authority.acceptor("workspace.example", &["h2"])).await;
    let (port, asked) = proxy(host, None, true).await;
    let config = local(HOST).with_ca_file(authority.file.path());
    let config = config.with_proxy(format!("socks5://me:hunter2@localhost:{port}"));
    assert_eq!(get(config).await.unwrap(), "HTTP/2.0");
    assert_eq!(*asked.lock().unwrap(), ["[\"me\", \"hunter2\"] workspace.example:443"]);

    let (url, requests) = raw_server(&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7"]).await;
    let (port, asked) = proxy(url.rsplit(':').next().unwrap().parse().unwrap(), None, true).await;
    let config = local("http://workspace.example").with_plain_http(true);
    assert_eq!(get(config.with_proxy(format!("socks5h://me:hunter2@localhost:{port}"))).await.unwrap(), 7);
    assert_eq!(*asked.lock().unwrap(), ["[\"me\", \"hunter2\"] workspace.example:80"]);
    let request = requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /x http/1.1\r\n") && !request.contains("proxy-auth"), "{request}");
}

#[tokio::test]
async fn plain_http_names_whole_urls_to_the_proxy() {
    let (url, requests) = raw_server(&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7"]).await;
    let config = local("http://workspace.example:8080").with_plain_http(true);
    let config = config.with_proxy(url.replace("://", "://me:hunter2@"));
    assert_eq!(get(config).await.unwrap(), 7);
    let request = requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET http://workspace.example:8080/x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: workspace.example:8080\r\n"), "{request}");
    assert!(request.contains(&format!("proxy-authorization: Basic {BASIC}\r\n")), "{request}");
}

#[tokio::test]
async fn this_machine_and_the_exceptions_are_reached_directly() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7";
    let (url, requests) = raw_server(&[OK]).await;
    let (proxy, through) = raw_server(&[OK]).await;
    let named = url.replace("127.0.0.1", "localhost");
    for host in [&url, &named] {
        let config = local(host).with_proxy(proxy.replace("://", "://me:hunter2@"));
        assert_eq!(get(config).await.unwrap(), 7);
    }
    // A host that is not this machine's by name: only the list keeps it from the proxy, and then there is no such host.
    let config = local("http://workspace.invalid").with_plain_http(true).with_proxy(&proxy);
    assert_eq!(get(config.clone()).await.unwrap(), 7);
    for config in [config.clone().with_no_proxy("a,.invalid:80"), config.without_proxy()] {
        assert_eq!(get(config).await.unwrap_err().kind(), ErrorKind::Connect);
    }
    assert_eq!((requests.lock().unwrap().len(), through.lock().unwrap().len()), (2, 1));
    assert!(
        requests.lock().unwrap().iter().all(|request| !request.to_ascii_lowercase().contains("proxy-auth"))
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_the_remedy_and_nothing_was_sent() {
    let mut lines = Vec::new();
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\nhunter2",
        "HTTP/1.1 403 Forbidden\r\n\r\n<html>hunter2</html>",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nhello",
        "<html><title>hunter2</title></html>",
        "HTTP/1.1 200 OK",
        "",
    ] {
        let (url, requests) = server(move |_, _| answer.to_owned()).await;
        let authority = Authority::new();
        let config = local(HOST).with_ca_file(authority.file.path());
        let config = config.with_proxy(url.replace("://", "://me:hunter2@"));
        let client = Client::new(config).unwrap();
        let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3), "{error}");
        assert!(!error.is_ambiguous(), "the workspace was sent nothing");
        assert!(requests.lock().unwrap().iter().all(|request| request.starts_with("CONNECT ")));
        lines.push(error.to_string().replace(&url, "http://proxy"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn a_proxy_of_plain_http_that_wants_a_password_is_no_answer_of_the_workspace() {
    let (url, _) = raw_server(&["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]).await;
    let config = local("http://workspace.example").with_plain_http(true).with_proxy(&url);
    let client = Client::new(config).unwrap();
    let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Connect, false));
    assert!(error.to_string().contains("put a user name and password into `proxy` set in code"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let authority = Authority::new();
    for scheme in ["http", "https", "socks5"] {
        let config = local(HOST).with_ca_file(authority.file.path());
        let error = get(config.with_proxy(format!("{scheme}://me:hunter2@{address}"))).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(shown.contains(&format!("the proxy {scheme}://{address}")), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains(BASIC), "{shown}");
    }
}

#[tokio::test]
async fn the_proxys_password_is_in_no_log_error_or_description() {
    let (refusing, _) = raw_server(&["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]).await;
    let authority = Authority::new();
    let host = https_server(authority.acceptor("workspace.example", &["h2"])).await;
    let (working, _) = proxy(host, None, false).await;
    let (socks, _) = proxy(host, None, true).await;
    let shown = Mutex::new(String::new());
    let log = logged(async {
        for url in [
            refusing.replace("://", "://me:hunter2@"),
            format!("http://me:hunter2@127.0.0.1:{working}"),
            format!("socks5://me:hunter2@127.0.0.1:{socks}"),
        ] {
            for host in [HOST, "http://workspace.example"] {
                let config = local(host).with_plain_http(true).with_ca_file(authority.file.path());
                let config = config.with_proxy(&url);
                let client = Client::new(config.clone()).unwrap();
                let result = client.send(WRITE, ApiRequest::post("/x").body("data")).await;
                let formats = format!("{config:?} {} {client:?} {result:?}", config.describe());
                shown.lock().unwrap().push_str(&formats);
                if let Err(error) = result {
                    shown.lock().unwrap().push_str(&error.to_string());
                }
            }
        }
    })
    .await;
    let shown = shown.into_inner().unwrap();
    for text in [&log, &shown] {
        assert!(text.contains("127.0.0.1") && !text.is_empty());
        for secret in ["hunter2", BASIC, TOKEN] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }
}

#[tokio::test]
async fn the_environments_proxy_is_described_where_it_was_found() {
    let config = DatabricksConfig::from_vars(|name| match name {
        "DATABRICKS_HOST" => Some("h.example".to_owned()),
        "DATABRICKS_TOKEN" => Some("t".to_owned()),
        "HTTPS_PROXY" => Some("http://me:hunter2@proxy.example:3128".to_owned()),
        "no_proxy" => Some("localhost,10.0.0.0/8".to_owned()),
        _ => None,
    });
    let described = config.unwrap().describe().to_string();
    assert!(described.contains("https_proxy = http://***@proxy.example:3128 (HTTPS_PROXY)"), "{described}");
    assert!(described.contains("no_proxy = localhost,10.0.0.0/8 (no_proxy)"), "{described}");
}

#[tokio::test(start_paused = true)]
async fn a_host_or_proxy_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authority = Authority::new();
    let ours = |host: &str| local(host).with_ca_file(authority.file.path());
    for (config, way) in [
        (ours(&format!("https://{address}")), String::new()),
        (
            ours(HOST).with_proxy(format!("http://{address}")),
            format!(" by way of the proxy http://{address}"),
        ),
        (
            ours(HOST).with_proxy(format!("https://{address}")),
            format!(" by way of the proxy https://{address}"),
        ),
        (
            ours(HOST).with_proxy(format!("socks5://{address}")),
            format!(" by way of the proxy socks5://{address}"),
        ),
    ] {
        let client = Client::new(config).unwrap();
        let error = client.send(WRITE, ApiRequest::post("/x").body("data")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Connect, false), "{error}");
        assert!(error.to_string().contains(&format!("connecting{way} took longer than 10 s")), "{error}");
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_while_connecting_takes_nobody_with_him() {
    let authority = Authority::new();
    let host = https_server(authority.acceptor("workspace.example", &["h2"])).await;
    let (port, _) = proxy(host, None, false).await;
    let config = local(HOST).with_ca_file(authority.file.path()).with_proxy(format!("localhost:{port}"));
    let client = Client::new(config).unwrap();
    let call = || client.call::<Value>(READ, ApiRequest::get("/x"));
    // Given up at every point of its way: each poll goes one step further.
    for steps in 0..30 {
        let mut given_up = Box::pin(call());
        for _ in 0..steps {
            let _ = futures::poll!(&mut given_up);
            tokio::task::yield_now().await;
        }
        drop(given_up);
    }
    for answer in futures::future::join_all((0..50).map(|_| call())).await {
        assert_eq!(answer.unwrap(), "HTTP/2.0");
    }
}
