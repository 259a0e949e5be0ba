//! What hyper reports, in our terms: our own error of a request's body, no connection and why, a request that the server
//! says it did not run, or a connection that broke.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::CertificateError;

use crate::error::{Error, ErrorKind};
use crate::service::BoxError;

/// How far a request came that failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not allowed to go there.
    Refused(Error),
    /// There was no connection for it.
    NotConnected(BoxError),
    /// A connection has failed it.
    Broke(hyper::Error),
}

/// Why a proxy gave no connection. What it says was written here, and holds neither user name nor password.
#[derive(Debug)]
pub(super) struct NoWay {
    text: String,
    source: Option<BoxError>,
}

impl NoWay {
    pub(super) fn new(text: String) -> Self {
        Self { text, source: None }
    }

    pub(super) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for NoWay {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Nothing was sent to the host.
pub(super) fn not_connected(target: &str, why: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("could not connect to {target}: {why}"))
}

/// The error that a failed exchange stands for. `has_body` tells about the request.
pub(super) fn of(failure: Failure, target: &str, has_body: bool) -> Error {
    let error = match failure {
        Failure::Refused(error) => return error,
        Failure::NotConnected(error) => {
            return not_connected(target, &why_not_connected(error.as_ref())).with_source(error);
        }
        Failure::Broke(error) => error,
    };
    if let Some(own) = find::<Error>(&error) {
        let message = format!("the request's body failed: {}", own.message());
        return Error::new(own.kind(), message).with_source(error);
    }
    let is_unprocessed = find::<h2::Error>(&error).is_some_and(|cause| was_not_run(cause, has_body));
    let cause = deepest(&error).to_string();
    let what = if is_unprocessed { "refused the request before it ran" } else { "broke" };
    let failed = Error::new(ErrorKind::Unavailable, format!("the connection to {target} {what}: {cause}"));
    let failed = if is_unprocessed { failed.with_unprocessed() } else { failed };
    failed.with_source(error)
}

/// Whether the server says that it did nothing with the request. `REFUSED_STREAM` says so; so does `GOAWAY` to a request
/// above the last one that it will run, and h2 fails no other request by it. One exception: a request without a body can
/// be on its way, whole, while h2 reports a `GOAWAY` that overtook it and names no last request yet.
fn was_not_run(error: &h2::Error, has_body: bool) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away() && has_body)
}

fn why_not_connected(error: &(dyn StdError + 'static)) -> String {
    if let Some(no_way) = find::<NoWay>(error) {
        return no_way.to_string();
    }
    match find::<rustls::Error>(error) {
        Some(error) => why_no_tls(error),
        None => deepest(error).to_string(),
    }
}

/// What is wrong with a server's TLS, and what to do.
pub(super) fn why_no_tls(error: &rustls::Error) -> String {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::InvalidMessage(_) => {
            return format!("its answer is not TLS: check that the port is one for https ({error})");
        }
        other => return other.to_string(),
    };
    match certificate {
        CertificateError::UnknownIssuer => {
            "its certificate is not trusted, because nobody whom this machine trusts has \
            signed it: name a file with its certificate authority by with_ca_file or DATABRICKS_CA_FILE"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another host: check the host ({certificate})")
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            format!("its certificate is not valid at this time: check this machine's clock ({certificate})")
        }
        other => format!(
            "its certificate is not trusted ({other}): if that is meant to be, name a file with its certificate authority by \
            with_ca_file or DATABRICKS_CA_FILE"
        ),
    }
}

/// An error and its causes. What an `io::Error` carries is one of them, which `source` passes over.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error)).take(64)
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(carrier) => carrier.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The last cause: what really happened. TLS that failed is explained.
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    match find::<rustls::Error>(error) {
        Some(error) => why_no_tls(error),
        None => causes(error).last().unwrap_or(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_an_io_error_carries_is_found() {
        let inner = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = io::Error::other(io::Error::other(inner));
        assert!(find::<rustls::Error>(&error).is_some());
        assert!(deepest(&error).contains("DATABRICKS_CA_FILE"));
        assert!(find::<NoWay>(&error).is_none());
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_remedy() {
        use CertificateError as Bad;
        for (fault, part) in [
            (Bad::UnknownIssuer, "with_ca_file"),
            (Bad::NotValidForName, "check the host"),
            (Bad::Expired, "clock"),
            (Bad::NotValidYet, "clock"),
            (Bad::BadSignature, "DATABRICKS_CA_FILE"),
        ] {
            let text = why_no_tls(&rustls::Error::InvalidCertificate(fault));
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_error_of_h2_that_nobody_sent_us_says_nothing_about_the_server() {
        for reason in [h2::Reason::REFUSED_STREAM, h2::Reason::NO_ERROR, h2::Reason::CANCEL] {
            assert!(!was_not_run(&h2::Error::from(reason), true));
        }
    }
}
