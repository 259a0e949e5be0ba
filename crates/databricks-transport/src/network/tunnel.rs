//! `CONNECT`: asking a proxy for a connection to the host behind it.

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failure::{NoWay, deepest};
use crate::config::Proxy;

/// The longest head of an answer that is read, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// Asks for a connection to `host` (with its port). After it the stream is the host's.
pub(super) async fn open<S>(stream: &mut S, proxy: &Proxy, host: &str) -> Result<(), NoWay>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broke = |error: std::io::Error| {
        let what = format!("the connection to the proxy {proxy} broke: {}", deepest(&error));
        NoWay::new(what).because(error)
    };
    stream.write_all(&question(proxy, host)).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await.map_err(broke)?;
        if read == 0 {
            return Err(NoWay::new(format!("the proxy {proxy} closed the connection without an answer")));
        }
        let fresh = head.len().saturating_sub(END.len());
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
        // An answer that drips is not read from its start with every drop.
        let may_be_whole = fresh == 0 || end_of_head(head.get(fresh..).unwrap_or_default()).is_some();
        if (may_be_whole || head.len() > LONGEST_HEAD) && is_open(&head, proxy, host)? {
            return Ok(());
        }
    }
}

/// Whether the proxy agreed; not yet, when its answer has no end so far. What follows a good answer's head cannot be the
/// host's: in TLS the client speaks first.
fn is_open(head: &[u8], proxy: &Proxy, host: &str) -> Result<bool, NoWay> {
    match answer(head) {
        Answer::Status(status) if status.is_success() => Ok(true),
        Answer::Status(status) => Err(NoWay::new(refusal(proxy, host, status))),
        Answer::Foreign => {
            let what = format!("the answer of the proxy {proxy} is not HTTP; check {}", proxy.origin);
            Err(NoWay::new(what))
        }
        Answer::Unfinished if head.len() > LONGEST_HEAD => {
            Err(NoWay::new(format!("the answer of the proxy {proxy} has no end to its headers")))
        }
        Answer::Unfinished => Ok(false),
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END)
}

fn question(proxy: &Proxy, host: &str) -> Vec<u8> {
    let agent = crate::client::NAME;
    let mut question =
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n").into_bytes();
    if let Some(basic) = proxy.basic() {
        question.extend_from_slice(b"Proxy-Authorization: ");
        question.extend_from_slice(basic.as_bytes());
        question.extend_from_slice(b"\r\n");
    }
    question.extend_from_slice(b"\r\n");
    question
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Status(StatusCode),
    /// More is to come.
    Unfinished,
    Foreign,
}

/// The status of the first head that is not interim (1xx).
fn answer(bytes: &[u8]) -> Answer {
    const START: &[u8] = b"HTTP/1.";
    let common = bytes.len().min(START.len());
    if bytes.get(..common) != START.get(..common) {
        return Answer::Foreign;
    }
    let mut rest = bytes;
    loop {
        let Some(end) = end_of_head(rest) else {
            return Answer::Unfinished;
        };
        let code = rest.get(START.len() + 2..START.len() + 5).unwrap_or_default();
        match StatusCode::from_bytes(code) {
            Ok(status) if status.is_informational() => rest = rest.get(end + END.len()..).unwrap_or_default(),
            Ok(status) => return Answer::Status(status),
            Err(_) => return Answer::Foreign,
        }
    }
}

/// A proxy's refusal in words, with what to do about it. Nothing of its text is repeated.
pub(super) fn refusal(proxy: &Proxy, host: &str, status: StatusCode) -> String {
    let origin = &proxy.origin;
    let remedy = match status.as_u16() {
        407 if proxy.basic().is_some() => {
            format!("it does not accept the user name and password in {origin}")
        }
        407 => format!("put a user name and password into {origin}, as in http://user:password@host:port"),
        401 | 403 | 405 => "have its owner allow the host, or except the host by NO_PROXY".to_owned(),
        500..=599 => "it cannot reach the host: check the host, or except it by NO_PROXY".to_owned(),
        _ => format!("check {origin}"),
    };
    format!("the proxy {proxy} refuses to connect to {host} ({status}): {remedy}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn proxy(url: &str) -> Proxy {
        Proxy::parse(url, "HTTPS_PROXY").unwrap()
    }

    /// What comes of an answer, cut into pieces of a size; and what the proxy was asked.
    async fn ask(url: &str, answer: &[u8], piece: usize) -> (Result<(), String>, String) {
        let (mut ours, mut theirs) = tokio::io::duplex(piece);
        let answer = answer.to_vec();
        let server = tokio::spawn(async move {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(theirs.read_u8().await.unwrap());
            }
            let _ = theirs.write_all(&answer).await;
            String::from_utf8(asked).unwrap()
        });
        let result = open(&mut ours, &proxy(url), "h.example:443").await.map_err(|error| error.to_string());
        drop(ours);
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn the_proxy_is_asked_with_its_credentials_and_nothing_else() {
        let (result, asked) = ask("http://me:pw@proxy:3128", b"HTTP/1.1 200 OK\r\n\r\n", 7).await;
        result.unwrap();
        let (line, headers) = asked.split_once("\r\n").unwrap();
        assert_eq!(line, "CONNECT h.example:443 HTTP/1.1");
        assert!(headers.contains("Host: h.example:443\r\n"), "{headers}");
        assert!(headers.contains("Proxy-Authorization: Basic bWU6cHc=\r\n"), "{headers}");
        let (_, asked) = ask("proxy", b"HTTP/1.1 200 OK\r\n\r\n", 64).await;
        assert!(!asked.contains("Proxy-Authorization"), "{asked}");
    }

    #[tokio::test]
    async fn every_answer_is_understood_or_refused_in_words() {
        let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(10_000)].concat();
        let interim = [b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), b"HTTP/1.1 200 OK\r\n\r\n".to_vec()];
        let table: &[(&[u8], Option<&str>)] = &[
            (b"HTTP/1.1 200 Connection established\r\n\r\n", None),
            (b"HTTP/1.0 200\r\nVia: x\r\n\r\n", None),
            (b"HTTP/1.1 299 Odd\r\n\r\nleftover", None),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", None),
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n<html>hunter2", Some("407 Proxy Auth")),
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", Some("NO_PROXY")),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Some("502 Bad Gateway")),
            (b"HTTP/1.1 301 Moved\r\nLocation: http://login/?hunter2\r\n\r\n", Some("check HTTPS_PROXY")),
            (b"HTTP/1.1 999 What\r\n\r\n", Some("999")),
            (b"HTTP/1.1 20\r\n\r\n", Some("not HTTP")),
            (b"HTTP/2 200\r\n\r\n", Some("not HTTP")),
            (b"<html>sign in hunter2</html>", Some("not HTTP")),
            (b"\x00\xff\x16", Some("not HTTP")),
            (b"HTTP/1.1 200 OK\r\n", Some("without an answer")),
            (b"", Some("without an answer")),
            (&endless, Some("no end to its headers")),
            (&interim.concat(), Some("no end to its headers")),
        ];
        for (given, expected) in table {
            for piece in [1, 1000] {
                let (result, _) = ask("http://u:hunter2@proxy:3128", given, piece).await;
                let shown = String::from_utf8_lossy(given.get(..40).unwrap_or(given));
                match expected {
                    None => result.unwrap(),
                    Some(part) => {
                        let error = result.unwrap_err();
                        assert!(
                            error.contains(part) && error.contains("http://proxy:3128"),
                            "{shown}: {error}"
                        );
                        assert!(!error.contains("hunter2"), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_remedy_fits_whether_there_were_credentials() {
        let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let without = refusal(&proxy("proxy"), "h:443", status);
        assert!(without.contains("put a user name and password into HTTPS_PROXY"), "{without}");
        let with = refusal(&proxy("a:b@proxy"), "h:443", status);
        assert!(with.contains("does not accept the user name and password in HTTPS_PROXY"), "{with}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(bytes: Vec<u8>, prefix in any::<bool>()) {
            let bytes = if prefix { [b"HTTP/1.".to_vec(), bytes].concat() } else { bytes };
            let _ = answer(&bytes);
        }
    }
}
