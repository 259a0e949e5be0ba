//! Errors of stores as errors of the transport: nothing of theirs is shown, and no secret.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use databricks_transport::{Error, ErrorKind, without_secrets};
use object_store::client::{HttpError, HttpErrorKind};

/// An error on its way through a store, which keeps it as a cause.
struct Carried {
    text: String,
    error: Mutex<Option<Error>>,
}

impl Carried {
    fn new(error: Error) -> Self {
        Self { text: error.to_string(), error: Mutex::new(Some(error)) }
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Carried {}

/// Of a kind that the store does not try again: the client did.
pub(super) fn carry(error: Error) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, Carried::new(error))
}

/// The error of a credential that could not be had.
pub(super) fn of_credential(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "Unity Catalog", source: Box::new(Carried::new(error)) }
}

/// What a store's error stands for: the error that was carried through it, else its own words.
pub(super) fn of_store(error: object_store::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(at) = cause {
        let carried = at.downcast_ref::<Carried>();
        if let Some(carried) =
            carried.and_then(|carried| carried.error.lock().unwrap_or_else(PoisonError::into_inner).take())
        {
            return carried;
        }
        cause = at.source();
    }
    let kind = match &error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } => ErrorKind::PermissionDenied,
        object_store::Error::Unauthenticated { .. } => ErrorKind::Auth,
        object_store::Error::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        object_store::Error::Precondition { .. } => ErrorKind::Conflict,
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
            ErrorKind::Unsupported
        }
        object_store::Error::InvalidPath { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("the storage failed: {}", cleaned(&error.to_string())))
}

/// Words of a store's own, which may repeat what it sent: without the queries of URLs, which are signatures in some
/// clouds.
pub(super) fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, query)) = rest.split_once('?') {
        out.push_str(before);
        let end = query.find([' ', '"', '\'', ')', ',', ';', '>', '\n']).unwrap_or(query.len());
        out.push_str(if end > 0 { "?***" } else { "?" });
        rest = query.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    without_secrets(&out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_carried_comes_out_as_it_was() {
        let inner = carry(Error::new(ErrorKind::NotFound, "no such key"));
        let store = object_store::Error::Generic { store: "S3", source: Box::new(inner) };
        let error = of_store(store);
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "no such key"));
    }

    #[test]
    fn a_store_s_own_words_keep_no_signature() {
        let source = "GET https://a.blob.core.windows.net/c/x?sv=1&sig=s3cret failed, is it there?".into();
        let error = of_store(object_store::Error::PermissionDenied { path: "x".to_owned(), source });
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let text = format!("{error} {error:?}");
        assert!(text.contains("/c/x?*** failed, is it there?") && !text.contains("s3cret"), "{text}");
    }
}
