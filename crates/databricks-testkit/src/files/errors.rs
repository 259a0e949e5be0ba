//! What a store or a path refuses, in the Files API's words.

use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderValue};

use super::content::Unreadable;
use crate::api_error::ApiFailure;
use crate::stores::{InvalidPath, VolumeError, VolumePath};

/// The domain of the Files API's `ErrorInfo`.
const DOMAIN: &str = "filesystem.databricks.com";

/// A path as a call names it.
pub(super) fn parse(path: &str) -> Result<VolumePath, ApiFailure> {
    VolumePath::parse(path).map_err(invalid_path)
}

fn invalid_path(error: InvalidPath) -> ApiFailure {
    let first = error.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let message = if first == "Volumes" {
        format!("Invalid path '{}': {}", error.path, error.reason)
    } else {
        format!("Invalid path: unsupported first path component: {first}")
    };
    refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_INVALID_PATH", message)
}

/// A refusal with a reason of the Files API's.
pub(super) fn refused(
    status: StatusCode,
    code: &str,
    reason: &str,
    message: impl Into<String>,
) -> ApiFailure {
    ApiFailure::new(status, code, message).reason(reason, DOMAIN)
}

/// A store's refusal in the Files API's words.
pub(super) fn failure(error: VolumeError) -> ApiFailure {
    let (status, code, reason) = match &error {
        VolumeError::VolumeNotFound(_) | VolumeError::FileNotFound(_) => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "FILES_API_RESOURCE_NOT_FOUND")
        }
        VolumeError::DirectoryNotFound(_) => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "FILES_API_DIRECTORY_IS_NOT_FOUND")
        }
        VolumeError::AlreadyExists(_) => {
            (StatusCode::CONFLICT, "ALREADY_EXISTS", "FILES_API_RESOURCE_ALREADY_EXISTS")
        }
        VolumeError::NotADirectory(_) => {
            (StatusCode::CONFLICT, "ALREADY_EXISTS", "FILES_API_NOT_A_DIRECTORY")
        }
        VolumeError::DirectoryNotEmpty(_) => {
            (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_DIRECTORY_IS_NOT_EMPTY")
        }
        VolumeError::StorageFull { .. } => {
            (StatusCode::INSUFFICIENT_STORAGE, "RESOURCE_EXHAUSTED", "FILES_API_STORAGE_FULL")
        }
        VolumeError::UploadInterrupted { .. } => {
            (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_UPLOAD_INTERRUPTED")
        }
        VolumeError::Invalid { .. } => (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_INVALID_PATH"),
        VolumeError::Internal { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "FILES_API_INTERNAL_ERROR")
        }
    };
    refused(status, code, reason, error.to_string())
}

/// A download that cannot be, in the Files API's words.
pub(super) fn unreadable(error: Unreadable) -> ApiFailure {
    let message = error.to_string();
    match error {
        Unreadable::Store(error) => failure(*error),
        Unreadable::Modified => refused(
            StatusCode::PRECONDITION_FAILED,
            "FAILED_PRECONDITION",
            "FILES_API_PRECONDITION_FAILED",
            message,
        ),
        Unreadable::NotSatisfiable { size } => {
            let refusal = refused(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BAD_REQUEST",
                "FILES_API_RANGE_NOT_SATISFIABLE",
                message,
            );
            match HeaderValue::from_str(&format!("bytes */{size}")) {
                Ok(value) => refusal.header(CONTENT_RANGE, value),
                Err(_) => refusal,
            }
        }
        Unreadable::ManyRanges => ApiFailure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_full_store_is_507_and_names_the_file() {
        let path = VolumePath::parse("/Volumes/main/default/stage/part-1.parquet").unwrap();
        let error = failure(VolumeError::StorageFull { path, detail: "2 of 10 bytes are free".to_owned() });
        assert_eq!(error.status(), 507);
        insta::assert_snapshot!(error.body()["message"].as_str().unwrap(), @"No space left to write '/Volumes/main/default/stage/part-1.parquet': 2 of 10 bytes are free");
    }

    #[test]
    fn a_path_outside_volumes_is_refused_as_the_service_words_it() {
        let body = parse("/Workspace/Users/x").unwrap_err().body();
        assert_eq!(body["message"], "Invalid path: unsupported first path component: Workspace");
        assert_eq!(body["details"][0]["reason"], "FILES_API_INVALID_PATH");
    }
}
