//! The layers between a client and the leaf, one file each. `builder.rs` puts them in order.

mod answer;
mod call_off;
mod deadline;
mod inactivity;
mod retry;
mod state;

use std::time::{Duration, SystemTime};

use http::Response;
use http::header::{DATE, RETRY_AFTER};

pub(crate) use answer::Answer;
pub use call_off::CallOff;
pub(crate) use deadline::Deadline;
pub(crate) use inactivity::Inactivity;
pub use retry::Jitter;
pub(crate) use retry::{NotRepeated, Retry, RetryPolicy};
pub(crate) use state::CallState;

use crate::error::ApiError;

/// How long the server asks to wait: the `Retry-After` header, else the `RetryInfo` detail of its error.
pub(crate) fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    // The server's own clock, when it tells it, so that a skewed one of ours does not matter.
    let now =
        header(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    header(RETRY_AFTER)
        .and_then(|text| parse_retry_after(text, now))
        .or_else(|| response.extensions().get::<ApiError>().and_then(ApiError::retry_delay))
}

/// Seconds or an HTTP date; a date in the past means now.
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date.duration_since(now).unwrap_or(Duration::ZERO));
    }
    // Proxies join what two servers said.
    text.split(',').next().and_then(parse_seconds).map(Duration::from_secs)
}

/// `120`, and what is not allowed but clear: `1.5`, which is rounded up, and `120s`.
fn parse_seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = text.strip_suffix('s').unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // So many digits that they do not fit mean "very long", not "not at all".
    let seconds = whole.parse().unwrap_or(u64::from(u32::MAX));
    Some(seconds.saturating_add(u64::from(fraction.bytes().any(|digit| digit != b'0'))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let table = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("1.5", Some(2)),
            ("1.0", Some(1)),
            ("0.001", Some(1)),
            ("1s", Some(1)),
            ("120, 120", Some(120)),
            ("3,soon", Some(3)),
            ("-1", None),
            ("+3", None),
            ("1.5.1", None),
            ("1.-5", None),
            (".5", None),
            ("1ss", None),
            ("s", None),
            (", 3", None),
            ("1e3", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in table {
            assert_eq!(parse_retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn the_servers_clock_measures_its_own_date() {
        let response = Response::builder()
            .header(DATE, "Wed, 21 Oct 2015 07:28:00 GMT")
            .header(RETRY_AFTER, "Wed, 21 Oct 2015 07:28:07 GMT")
            .body(())
            .unwrap();
        assert_eq!(retry_after(&response), Some(Duration::from_secs(7)));
    }

    #[test]
    fn retry_info_stands_in_for_a_missing_header() {
        let body = br#"{"details":[{"@type":"google.rpc.RetryInfo","retry_delay":"3s"}]}"#;
        let mut response = Response::new(());
        let api = ApiError::parse(http::StatusCode::SERVICE_UNAVAILABLE, response.headers(), body);
        response.extensions_mut().insert(api);
        assert_eq!(retry_after(&response), Some(Duration::from_secs(3)));
    }
}
