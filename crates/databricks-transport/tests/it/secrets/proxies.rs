//! Proxies on this machine that repeat the password they are sent, in whatever way they fail.

use std::sync::Mutex;
use std::time::Duration;

use super::calls::{READ, WRITE, link, request};
use super::plants::*;
use super::spy::Spy;
use crate::support::server;
use crate::tls::Authority;
use databricks_transport::{AuthConfig, Client, DatabricksConfig, RateLimits, RetryConfig};
use http::Request;

/// What a proxy answers with: the head of its answer, and how it goes on.
const HEADS: &[&str] = &[
    "HTTP/1.1 407 Proxy Authentication Required",
    "HTTP/1.1 403 Forbidden",
    "HTTP/1.1 502 Bad Gateway",
    "HTTP/1.1 302 Found",
    "HTTP/1.1 200 OK",
    "HTTP/9",
];

/// A head, headers and a page that repeat the credential as it is and as Basic.
fn answer(head: &str) -> String {
    let said = format!("{PROXY_PASSWORD} {} {}", proxy_basic(), proxy_url("p"));
    let page = format!("<html><title>you sent {said}</title></html>");
    let headers = format!(
        "proxy-authenticate: Basic realm=\"{said}\"\r\nlocation: {}\r\nx-sent: {said}",
        proxy_url("q")
    );
    format!("{head}\r\n{headers}\r\ncontent-length: {}\r\n\r\n{page}", page.len())
}

/// Calls of the workspace, of links and of token endpoints through each of them, with TLS behind the proxy and without.
pub(super) async fn every_proxy(spy: &Spy, sent: &Mutex<String>) {
    let authority = Authority::new();
    for head in HEADS {
        let (url, asked) = server(move |_, _| answer(head)).await;
        let address = url.trim_start_matches("http://");
        for host in ["https://workspace.example", "http://workspace.example"] {
            let config = config(host).with_proxy(proxy_url(address)).with_ca_file(authority.file.path());
            every_call(spy, config).await;
        }
        sent.lock().unwrap().push_str(&asked.lock().unwrap().concat());
    }
    assert!(sent.lock().unwrap().contains(&proxy_basic()), "no proxy was sent the password");
}

fn config(host: &str) -> DatabricksConfig {
    DatabricksConfig::new(host)
        .unwrap()
        .with_plain_http(true)
        .with_debug_headers(true)
        .with_rate_limits(RateLimits::unlimited())
        .with_total_timeout(Duration::from_secs(20))
        .with_retry(RetryConfig::default().with_max_attempts(2).with_delays(Duration::ZERO, Duration::ZERO))
}

async fn every_call(spy: &Spy, config: DatabricksConfig) {
    let oauth = AuthConfig::oauth("client-1", CLIENT_SECRET);
    for auth in [AuthConfig::pat(TOKEN), oauth] {
        let client = Client::new(config.clone().with_auth(auth)).unwrap();
        spy.debug(&client);
        spy.call("Client::send", client.send(WRITE, request(spy)).await.map(drop));
        spy.call("Client::call", client.call::<u64>(READ, request(spy)).await);
        let plain: Request<_> = {
            let mut link = link();
            *link.uri_mut() = link.uri().to_string().replace("https:", "http:").parse().unwrap();
            link
        };
        for link in [link(), plain] {
            spy.call("Client::fetch_link", client.fetch_link(READ, link).await.map(drop));
        }
    }
}
