//! Every shape that an error answer is known to have, and those that nobody should send: what a program branches on and
//! what a person reads.

use databricks_transport::{ApiError, Error, ErrorKind};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

/// Codes and messages of the server, hints and ids, each of bounded length.
const LONGEST_LINE: usize = 8000;

fn error(status: u16, content_type: &str, body: &[u8]) -> Error {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert("content-type", content_type.parse().unwrap());
    }
    Error::from_api(ApiError::parse(StatusCode::from_u16(status).unwrap(), &headers, body))
}

fn check_line(error: &Error) {
    let line = error.to_string();
    assert!(line.chars().count() <= LONGEST_LINE, "{} characters", line.chars().count());
    assert!(line.trim() == line && !line.is_empty(), "{line:?}");
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    assert!(!line.contains(hidden), "{line:?}");
    assert!(!error.message().trim().is_empty());
}

#[test]
fn every_shape_becomes_a_kind_and_a_line() {
    let deep = "[".repeat(100_000);
    let deep_object = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
    let huge = format!("{{\"error_code\":\"X\",\"message\":\"{}\"}}", "long ".repeat(10_000));
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(r#"{"message":"wide"}"#.bytes().flat_map(|byte| [byte, 0])).collect();
    let table: &[(u16, &str, &[u8])] = &[
        // Recorded with databricks-jdbc.
        (401, "", br#"{"error_code": 401, "message": "Credential was not sent or was of an unsupported type for this API."}"#),
        (400, "", br#"{"error_code":"BAD_REQUEST","message":"\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nINSER INTO t"}"#),
        (403, "", br#"{"error_code":"PERMISSION_DENIED","message":"no","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R"}]}"#),
        (429, "", br#"{"error_code":"RESOURCE_EXHAUSTED","message":"slow","details":[{"@type":"google.rpc.QuotaFailure","violations":[{"subject":"u","description":"d"}]}]}"#),
        (400, "", br#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Run 7 does not exist."}"#),
        (400, "", br#"{"error":"RunNotFound: run 7 does not exist"}"#),
        (404, "", br#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"User 7 not found","status":"404"}"#),
        (409, "", br#"{"schemas":[],"detail":"User exists","status":"409","scimType":"uniqueness"}"#),
        (400, "", b"MALFORMED_REQUEST: vpc_endpoints malformed parameters"),
        (503, "", b"TEMPORARILY_UNAVAILABLE: \r\n  later\r\n"),
        (502, "text/html", b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"),
        (400, "text/html;charset=utf-8", b"<html><body><h2>HTTP ERROR 400</h2><pre>    unknown &lt;thing&gt;</pre></body></html>"),
        (502, "text/html", b"<html><title></title><pre></pre><p>gateway</p>"),
        (500, "text/html", b"<html><pre>never closed"),
        (500, "", b""),
        (500, "", b"null"),
        (500, "", b"true"),
        (500, "", b"12"),
        (500, "", b"[{\"message\":\"in a list\"}]"),
        (500, "", b"{}"),
        (500, "", br#"{"error_code":null,"message":null,"details":null}"#),
        (500, "", br#"{"error_code":{"a":1},"message":["b"],"details":"c"}"#),
        (500, "", br#"{"message":"cut in the mid"#),
        (500, "application/json", b"\x1f\x8b\x08\x00\x00\x00garbage"),
        (500, "", b"\xff\xff\xff"),
        (500, "", b"\xef\xbb\xbf{\"message\":\"with a mark\"}"),
        (500, "", &utf16),
        (500, "", b"a\0b\0\0c"),
        (500, "", "{\"message\":\"\u{202e}desrever\u{2066} \u{1b}[31mred\u{7} \u{2028}line\"}".as_bytes()),
        (500, "", br#"{"message":"line one\r\nline two\ttabbed\u0000\u001b[2J"}"#),
        (500, "", deep.as_bytes()),
        (500, "", deep_object.as_bytes()),
        (500, "", huge.as_bytes()),
        (404, "", br#"{"error_code":"E_\u0000\nX","message":"odd code"}"#),
    ];
    let mut lines = Vec::new();
    for (status, content_type, body) in table {
        let error = error(*status, content_type, body);
        check_line(&error);
        let line: String = error.to_string().chars().take(160).collect();
        lines.push(format!("{:?} | {line}", error.kind()));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_id_that_does_not_exist_is_not_found_whatever_the_status_says() {
    for body in ["Run 7 does not exist.", "INVALID_PARAMETER_VALUE: Cluster x does not exist"] {
        assert_eq!(error(400, "", body.as_bytes()).kind(), ErrorKind::NotFound);
    }
}

proptest! {
    #[test]
    fn no_body_is_too_strange(status in 300_u16..=999, body: Vec<u8>, html: bool) {
        check_line(&error(status, if html { "text/html" } else { "" }, &body));
    }

    #[test]
    fn no_text_is_too_strange(message in "\\PC*|.*", code in ".{0,30}") {
        let object = serde_json::json!({"error_code": code, "message": message, "details": [message]});
        check_line(&error(400, "", object.to_string().as_bytes()));
        check_line(&error(400, "", message.as_bytes()));
        check_line(&error(400, "text/html", format!("<pre>{message}</pre>").as_bytes()));
    }

    #[test]
    fn a_whole_shape_cut_anywhere_is_still_an_error(end in 0_usize..180) {
        let whole = br#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run 7","details":[{"@type":"google.rpc.ErrorInfo","reason":"R","metadata":{"k":"v"}},{"@type":"google.rpc.RetryInfo","retry_delay":"1s"}]}"#;
        check_line(&error(503, "application/json", &whole[..end.min(whole.len())]));
    }
}
