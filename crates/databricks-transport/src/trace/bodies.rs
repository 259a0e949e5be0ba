//! Bodies in a log: JSON with what is secret, or a user's own, taken out and the rest shortened. A function of values.

use http::{Request, Response};
use serde_json::{Map, Value};

use super::watch::Traffic;
use crate::body::Body;
use crate::redact::{MASK, Secrets, Sent, is_secret_name};

/// Larger bodies are not parsed for a log.
const LARGEST: usize = 1024 * 1024;
/// The longest line for one body, in bytes.
const LONGEST_LINE: usize = 8 * 1024;
/// The most elements that are shown of an array, and members of an object.
const MOST: usize = 20;

/// Logs the body of a request to the workspace's API.
pub(crate) fn trace_request(request: &Request<Body>, sent: &Sent) {
    if shows_bodies(sent) {
        let body = shown_body(request.body(), sent);
        tracing::trace!(body, "request body");
    }
}

/// Logs the body of the answer to such a request, when it was read whole.
pub(crate) fn trace_answer(response: &Response<Body>, sent: &Sent) {
    if shows_bodies(sent) {
        let body = shown_body(response.body(), sent);
        tracing::trace!(body, "answer body");
    }
}

/// What storage and token endpoints exchange is data or secret, and never shown.
fn shows_bodies(sent: &Sent) -> bool {
    sent.traffic() == Traffic::Api && tracing::enabled!(tracing::Level::TRACE)
}

fn shown_body(body: &Body, sent: &Sent) -> String {
    match body.as_bytes() {
        Some(bytes) => shown(bytes, sent.watch().debug().truncate_bytes, &sent.secrets()),
        None => "a stream".to_owned(),
    }
}

/// A body as it may be shown: its texts no longer than `limit` bytes each. What is no JSON shows its length only.
fn shown(bytes: &[u8], limit: usize, secrets: &Secrets) -> String {
    let length = bytes.len();
    if length == 0 {
        return "empty".to_owned();
    }
    if length > LARGEST {
        return format!("{length} bytes");
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => {
            let line = reduced(value, limit, secrets).to_string();
            cut(&line, LONGEST_LINE)
        }
        _ => format!("{length} bytes that are no JSON object"),
    }
}

fn reduced(value: Value, limit: usize, secrets: &Secrets) -> Value {
    match value {
        Value::Object(members) => Value::Object(members_of(members, limit, secrets)),
        Value::Array(elements) => {
            let more = elements.len().saturating_sub(MOST);
            let mut kept: Vec<_> =
                elements.into_iter().take(MOST).map(|element| reduced(element, limit, secrets)).collect();
            if more > 0 {
                kept.push(Value::String(format!("… {more} more")));
            }
            Value::Array(kept)
        }
        Value::String(text) => Value::String(cut(&cleaned(&text, secrets), limit)),
        plain => plain,
    }
}

fn members_of(members: Map<String, Value>, limit: usize, secrets: &Secrets) -> Map<String, Value> {
    let more = members.len().saturating_sub(MOST);
    let member = |(name, value): (String, Value)| {
        let value = match value {
            // Whether something is set is no secret, nor is what it is not.
            Value::Null | Value::Bool(_) => value,
            _ if is_secret_name(&name) => Value::String(MASK.to_owned()),
            value => reduced(value, limit, secrets),
        };
        (cut(&cleaned(&name, secrets), 64), value)
    };
    let mut kept: Map<_, _> = members.into_iter().take(MOST).map(member).collect();
    if more > 0 {
        kept.insert("…".to_owned(), Value::String(format!("{more} more")));
    }
    kept
}

fn cleaned(text: &str, secrets: &Secrets) -> String {
    // A text that is a URL with a query or a user is a link that somebody signed, or may be.
    if text.contains("://") && text.contains(['?', '@']) {
        return MASK.to_owned();
    }
    secrets.cleaned(text)
}

/// The first bytes of a text, whole characters, and how many there were more.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(limit)).unwrap_or_default();
    format!("{kept}… ({} more bytes)", text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn show(text: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.add("hunter2-known");
        shown(text.as_bytes(), 20, &secrets)
    }

    #[test]
    fn what_is_secret_or_a_users_own_goes_and_the_rest_stays() {
        for (body, expected) in [
            ("", "empty"),
            ("hunter2", "7 bytes that are no JSON object"),
            ("\"hunter2\"", "9 bytes that are no JSON object"),
            ("<html>hunter2</html>", "20 bytes that are no JSON object"),
            (r#"{"state":"RUNNING","n":7}"#, r#"{"n":7,"state":"RUNNING"}"#),
            (r#"{"access_token":"hunter2","expires_in":1}"#, r#"{"access_token":"***","expires_in":1}"#),
            (r#"{"statement":"SELECT 'hunter2'","wait":"1s"}"#, r#"{"statement":"***","wait":"1s"}"#),
            (r#"{"parameters":[{"value":"hunter2"}]}"#, r#"{"parameters":"***"}"#),
            (r#"{"external_links":[{"external_link":"hunter2"}]}"#, r#"{"external_links":"***"}"#),
            (
                r#"{"a":[{"password":"hunter2"},{"secret":null}]}"#,
                r#"{"a":[{"password":"***"},{"secret":null}]}"#,
            ),
            (r#"{"message":"bad hunter2-known"}"#, r#"{"message":"bad ***"}"#),
            (r#"{"hunter2-known":1}"#, r#"{"***":1}"#),
            (r#"{"host":"https://s/o?x=hunter2"}"#, r#"{"host":"***"}"#),
            (r#"{"host":"https://s/o"}"#, r#"{"host":"https://s/o"}"#),
            (r#"{"note":"éééééééééééé"}"#, r#"{"note":"éééééééééé… (4 more bytes)"}"#),
        ] {
            assert_eq!(show(body), expected, "{body}");
        }
    }

    #[test]
    fn a_large_body_is_one_bounded_line() {
        let many = serde_json::json!({ "rows": vec![1; 1000] }).to_string();
        assert!(show(&many).ends_with(r#"1,1,"… 980 more"]}"#), "{}", show(&many));
        let members: Map<_, _> = (0..100).map(|n| (format!("m{n:03}"), Value::from(n))).collect();
        assert!(show(&Value::Object(members).to_string()).contains(r#""…":"80 more""#));
        let huge = vec![b' '; LARGEST + 1];
        assert_eq!(shown(&huge, 20, &Secrets::default()), "1048577 bytes");
        let wide = serde_json::json!({ "a": vec!["x".repeat(5000); 20] }).to_string();
        assert!(shown(wide.as_bytes(), 5000, &Secrets::default()).len() <= LONGEST_LINE + 40);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(show(&deep), "200000 bytes that are no JSON object");
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200), limit in 0_usize..50) {
            shown(&bytes, limit, &Secrets::default());
        }

        #[test]
        fn a_value_under_a_secret_name_is_never_shown(
            depth in 0_usize..6, value in "hunter2[a-z]{0,5}", name in "(access_token|client_secret|string_value|presigned_url)",
        ) {
            let secret = serde_json::json!({ name: value });
            let nested = (0..depth).fold(secret, |inner, level| if level % 2 == 0 {
                serde_json::json!([inner])
            } else {
                serde_json::json!({ "level": inner })
            });
            prop_assert!(!shown(nested.to_string().as_bytes(), 96, &Secrets::default()).contains("hunter2"));
        }
    }
}
