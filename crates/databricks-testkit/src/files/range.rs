//! `Range` and `If-Unmodified-Since`: pure functions of headers and a file's metadata.

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;
use http::header::{IF_UNMODIFIED_SINCE, RANGE};

/// Which bytes of a file a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    Whole,
    /// From `first` to `last`, both included; the file has them.
    Part { first: u64, last: u64 },
    /// A range that the file does not reach.
    Beyond,
    /// More than one range.
    Many,
}

/// How an HTTP header writes a time.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// A time as `Last-Modified` has it.
pub(super) fn http_date(time: DateTime<Utc>) -> String {
    time.format(HTTP_DATE).to_string()
}

/// What a request asks of a file of this size. A header that is no byte range is ignored, as RFC 9110 has it.
pub(super) fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let value = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some((unit, set)) = value.and_then(|value| value.split_once('=')) else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    if set.contains(',') {
        return Wanted::Many;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    resolve(first.trim(), last.trim(), size)
}

fn resolve(first: &str, last: &str, size: u64) -> Wanted {
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last),
        (Some(first), None) if last.is_empty() => (first, u64::MAX),
        // The last so many bytes.
        (None, Some(0)) if first.is_empty() => return Wanted::Beyond,
        (None, Some(count)) if first.is_empty() => (size.saturating_sub(count), u64::MAX),
        _ => return Wanted::Whole,
    };
    if first >= size {
        return Wanted::Beyond;
    }
    Wanted::Part { first, last: last.min(size - 1) }
}

/// Digits as a number; one too large for any file is the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether a file was written after the time the request names. Times are whole seconds in headers.
pub(super) fn is_modified_since(headers: &HeaderMap, modified: DateTime<Utc>) -> bool {
    let value = headers.get(IF_UNMODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = value.and_then(|value| NaiveDateTime::parse_from_str(value.trim(), HTTP_DATE).ok());
    since.is_some_and(|since| modified.timestamp() > since.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::HeaderName;
    use proptest::prelude::*;

    fn header(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn part(first: u64, last: u64) -> Wanted {
        Wanted::Part { first, last }
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let cases = [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("Bytes = 2-99", part(2, 9)),
            ("bytes=2-99999999999999999999999", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=0-1,4-5", Wanted::Many),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
        ];
        for (value, expected) in cases {
            assert_eq!(wanted(&header(RANGE, value), 10), expected, "{value}");
        }
        assert_eq!(wanted(&header(RANGE, "bytes=-3"), 0), Wanted::Beyond);
        assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
    }

    #[test]
    fn a_time_is_compared_in_whole_seconds() {
        let modified = DateTime::from_timestamp_millis(1_700_000_000_900).unwrap();
        let last_modified = http_date(modified);
        assert_eq!(last_modified, "Tue, 14 Nov 2023 22:13:20 GMT");
        assert!(!is_modified_since(&header(IF_UNMODIFIED_SINCE, &last_modified), modified));
        assert!(is_modified_since(&header(IF_UNMODIFIED_SINCE, "Tue, 14 Nov 2023 22:13:19 GMT"), modified));
        assert!(!is_modified_since(&header(IF_UNMODIFIED_SINCE, "yesterday"), modified));
    }

    proptest! {
        #[test]
        fn no_range_leaves_its_file(value in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in 0u64..1000) {
            match wanted(&header(RANGE, &value), size) {
                Wanted::Part { first, last } => prop_assert!(first <= last && last < size),
                other => prop_assert!(other == Wanted::Whole || other == Wanted::Beyond),
            }
        }
    }
}
