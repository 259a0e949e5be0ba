//! Whose fault a failed attempt is: the host's, or somebody else's.

use std::fmt;

use http::{Response, StatusCode};

use super::machine::Verdict;
use crate::body::Body;
use crate::error::{ApiError, ErrorKind};
use crate::service::Answered;

/// A failure of the host: all that a message repeats of it. Texts of servers may repeat secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) status: Option<StatusCode>,
}

/// `503 Service Unavailable`, or the kind of what kept the answer away.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.kind) {
            (Some(status), _) => match status.canonical_reason() {
                Some(reason) => write!(f, "{} {reason}", status.as_u16()),
                None => write!(f, "{}", status.as_u16()),
            },
            (None, ErrorKind::Connect) => f.write_str("no connection"),
            (None, ErrorKind::Timeout) => f.write_str("no answer in time"),
            (None, ErrorKind::Unavailable) => f.write_str("a connection that broke"),
            (None, kind) => f.write_str(kind.as_str()),
        }
    }
}

impl Verdict {
    /// What an attempt says about its host.
    pub(super) fn of(result: &Answered) -> Self {
        match result {
            Ok(response) => Self::of_response(response),
            // A server that closes a connection in good order sends its work to another.
            Err(error) if error.is_unprocessed() && error.kind() != ErrorKind::Connect => Self::Unknown,
            Err(error) => match error.kind() {
                kind @ (ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Unavailable) => {
                    Self::Failed(Failure { kind, status: error.status() })
                }
                _ => Self::Unknown,
            },
        }
    }

    /// An answer comes from a host that works, unless it is one of the 5xx that say that it does not. A 5xx with a code
    /// of its own (a thing that does not exist, a quota) was thought about.
    fn of_response(response: &Response<Body>) -> Self {
        let status = response.status();
        if !status.is_server_error() {
            return Self::Works;
        }
        let kind = match response.extensions().get::<ApiError>() {
            Some(api) => api.kind(),
            None => ApiError::new(status, "").kind(),
        };
        match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout => {
                Self::Failed(Failure { kind, status: Some(status) })
            }
            _ => Self::Works,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::error::Error;

    fn answer(status: u16, code: Option<&str>) -> Answered {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(code) = code {
            let mut api = ApiError::new(response.status(), "x");
            api.error_code = Some(code.to_owned());
            response.extensions_mut().insert(api);
        }
        Ok(Box::new(response))
    }

    #[test]
    fn only_what_is_the_hosts_fault_counts_against_it() {
        let works = [200, 204, 302, 400, 401, 403, 404, 408, 409, 429, 499, 501, 505, 507, 511];
        for status in works {
            assert_eq!(Verdict::of(&answer(status, None)), Verdict::Works, "{status}");
        }
        for status in [500, 502, 503, 504, 520, 524, 598] {
            assert!(matches!(Verdict::of(&answer(status, None)), Verdict::Failed(_)), "{status}");
        }
        for (code, verdict) in [
            ("RESOURCE_DOES_NOT_EXIST", true),
            ("RESOURCE_EXHAUSTED", true),
            ("INTERNAL_ERROR", false),
            ("TEMPORARILY_UNAVAILABLE", false),
            ("DEADLINE_EXCEEDED", false),
        ] {
            assert_eq!(Verdict::of(&answer(500, Some(code))) == Verdict::Works, verdict, "{code}");
        }
        for (kind, counts) in [
            (ErrorKind::Connect, true),
            (ErrorKind::Timeout, true),
            (ErrorKind::Unavailable, true),
            (ErrorKind::Io, false),
            (ErrorKind::Config, false),
            (ErrorKind::Auth, false),
            (ErrorKind::RateLimited, false),
            (ErrorKind::Invalid, false),
            (ErrorKind::Other, false),
        ] {
            let verdict = Verdict::of(&Err(Error::new(kind, "x")));
            assert_eq!(verdict == Verdict::Unknown, !counts, "{kind:?}");
        }
    }

    #[test]
    fn a_request_that_the_server_did_not_take_up_says_nothing_about_it() {
        for (kind, expected) in [(ErrorKind::Unavailable, false), (ErrorKind::Connect, true)] {
            let error = Error::new(kind, "x").with_unprocessed();
            assert_eq!(matches!(Verdict::of(&Err(error)), Verdict::Failed(_)), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_failure_is_told_without_the_servers_words() {
        let of = |result| match Verdict::of(&result) {
            Verdict::Failed(failure) => failure.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(answer(503, Some("TEMPORARILY_UNAVAILABLE"))), "503 Service Unavailable");
        assert_eq!(of(answer(520, None)), "520");
        assert_eq!(of(Err(Error::new(ErrorKind::Connect, "to https://h/?sig=s3cret"))), "no connection");
        assert_eq!(of(Err(Error::new(ErrorKind::Timeout, "x"))), "no answer in time");
        assert_eq!(of(Err(Error::new(ErrorKind::Unavailable, "x"))), "a connection that broke");
    }
}
