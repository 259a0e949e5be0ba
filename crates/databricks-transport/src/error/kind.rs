//! The kinds of failure, and which kind an answer of the server is.

use http::StatusCode;

use super::api::ApiError;

/// What kind of failure an error is: what a program branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong. Nothing was sent.
    Config,
    /// The credential was refused, or could not be obtained (401).
    Auth,
    /// No connection to the host: the server did not see the request.
    Connect,
    /// No answer in time, or silence in the middle of one.
    Timeout,
    /// The workspace's quota is used up (429).
    RateLimited,
    /// The circuit breaker is open after repeated failures of the host. Nothing was sent.
    CircuitOpen,
    /// What was asked for does not exist (404).
    NotFound,
    /// The credential is valid and does not allow this (403).
    PermissionDenied,
    /// What should be created exists (409).
    AlreadyExists,
    /// The request is wrong and will be refused again (400, 413, 422).
    Invalid,
    /// Something else changed at the same time (409, 412).
    Conflict,
    /// No room is left where the data should go (507).
    StorageFull,
    /// The host is there and does not work: a 5xx without a kind of its own, or a connection that broke.
    Unavailable,
    /// The server does not have this endpoint (501), or does not speak this version of HTTP (505).
    Unsupported,
    /// The answer is not what the endpoint promises.
    Decode,
    /// Reading or writing on this machine failed, such as the source of an upload.
    Io,
    /// None of the others.
    Other,
}

impl ErrorKind {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::CircuitOpen => "circuit_open",
            Self::NotFound => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::AlreadyExists => "already_exists",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::StorageFull => "storage_full",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Decode => "decode",
            Self::Io => "io",
            Self::Other => "other",
        }
    }

    /// Whether the same call may succeed later.
    pub(crate) const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect | Self::Timeout | Self::RateLimited | Self::CircuitOpen | Self::Unavailable
        )
    }
}

/// Where the status says little (400, 404, 409, 500), the error code decides.
pub(crate) fn of_api_error(api: &ApiError) -> ErrorKind {
    let by_status = of_status(api.status);
    if is_private_link_redirect(api) {
        return ErrorKind::PermissionDenied;
    }
    if !matches!(by_status, ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unavailable) {
        return by_status;
    }
    if let Some(kind) = api.error_code.as_deref().and_then(of_code) {
        return kind;
    }
    // jobs/get, runs/get and clusters/get answer 400 for an id they do not know.
    if api.status == StatusCode::BAD_REQUEST && api.message.contains("does not exist") {
        return ErrorKind::NotFound;
    }
    by_status
}

fn of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Auth,
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Invalid,
        501 | 505 => ErrorKind::Unsupported,
        507 => ErrorKind::StorageFull,
        // The network in between wants a login of its own, which no repetition brings.
        511 => ErrorKind::Other,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    }
}

fn of_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "NOT_FOUND" | "RESOURCE_DOES_NOT_EXIST" | "ENDPOINT_NOT_FOUND" | "FEATURE_DISABLED_NOT_FOUND" => {
            ErrorKind::NotFound
        }
        "CATALOG_DOES_NOT_EXIST"
        | "SCHEMA_DOES_NOT_EXIST"
        | "TABLE_DOES_NOT_EXIST"
        | "VOLUME_DOES_NOT_EXIST" => ErrorKind::NotFound,
        // The last one is SCIM's word for it.
        "ALREADY_EXISTS" | "RESOURCE_ALREADY_EXISTS" | "uniqueness" => ErrorKind::AlreadyExists,
        "CATALOG_ALREADY_EXISTS"
        | "SCHEMA_ALREADY_EXISTS"
        | "TABLE_ALREADY_EXISTS"
        | "FUNCTION_ALREADY_EXISTS"
        | "VOLUME_ALREADY_EXISTS" => ErrorKind::AlreadyExists,
        "PERMISSION_DENIED" => ErrorKind::PermissionDenied,
        "UNAUTHENTICATED" => ErrorKind::Auth,
        "ABORTED" | "RESOURCE_CONFLICT" => ErrorKind::Conflict,
        "RESOURCE_EXHAUSTED" | "REQUEST_LIMIT_EXCEEDED" => ErrorKind::RateLimited,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "TEMPORARILY_UNAVAILABLE" | "WORKSPACE_TEMPORARILY_UNAVAILABLE" | "SERVICE_UNDER_MAINTENANCE" => {
            ErrorKind::Unavailable
        }
        _ => return None,
    })
}

/// A workspace that is only reachable over a private link redirects everybody else to its login page.
fn is_private_link_redirect(api: &ApiError) -> bool {
    api.status.is_redirection() && api.message.contains("private-link-validation-error")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn status_and_code_decide_the_kind() {
        let table: &[(u16, Option<&str>, &str, ErrorKind)] = &[
            (401, Some("401"), "Credential was not sent", ErrorKind::Auth),
            (403, Some("403"), "Invalid access token.", ErrorKind::PermissionDenied),
            (404, None, "", ErrorKind::NotFound),
            (400, None, "Job 1 does not exist.", ErrorKind::NotFound),
            (400, Some("RESOURCE_DOES_NOT_EXIST"), "x", ErrorKind::NotFound),
            (400, Some("RESOURCE_ALREADY_EXISTS"), "x", ErrorKind::AlreadyExists),
            (400, Some("PERMISSION_DENIED"), "x", ErrorKind::PermissionDenied),
            (400, Some("INVALID_PARAMETER_VALUE"), "x", ErrorKind::Invalid),
            (409, Some("ALREADY_EXISTS"), "x", ErrorKind::AlreadyExists),
            (409, Some("RESOURCE_CONFLICT"), "x", ErrorKind::Conflict),
            (409, Some("uniqueness"), "x", ErrorKind::AlreadyExists),
            (409, None, "", ErrorKind::Conflict),
            (412, None, "", ErrorKind::Conflict),
            (413, None, "", ErrorKind::Invalid),
            (429, Some("RESOURCE_EXHAUSTED"), "", ErrorKind::RateLimited),
            (500, None, "", ErrorKind::Unavailable),
            (500, Some("RESOURCE_DOES_NOT_EXIST"), "", ErrorKind::NotFound),
            (501, None, "", ErrorKind::Unsupported),
            (503, Some("TEMPORARILY_UNAVAILABLE"), "", ErrorKind::Unavailable),
            (504, Some("DEADLINE_EXCEEDED"), "", ErrorKind::Timeout),
            (505, None, "", ErrorKind::Unsupported),
            (507, None, "", ErrorKind::StorageFull),
            (511, None, "", ErrorKind::Other),
            (524, None, "", ErrorKind::Unavailable),
            (
                302,
                None,
                "redirected to https://h/login.html?error=private-link-validation-error:1",
                ErrorKind::PermissionDenied,
            ),
            (302, None, "redirected to https://h/login.html", ErrorKind::Other),
        ];
        for (status, code, message, expected) in table {
            let mut api = ApiError::new(StatusCode::from_u16(*status).unwrap(), *message);
            api.error_code = code.map(str::to_owned);
            assert_eq!(of_api_error(&api), *expected, "{status} {code:?} {message}");
        }
    }
}
