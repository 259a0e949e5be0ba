//! The metrics of this crate: their names, units and labels. Labels are few by construction: endpoint classes, statuses
//! and kinds of errors, never a path.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use metrics::{Key, Level, Metadata, SharedString, Unit};

use crate::error::Error;

pub(super) const REQUESTS: &str = "databricks_api_requests_total";
pub(super) const REQUEST_SECONDS: &str = "databricks_api_request_duration_seconds";
pub(super) const CALL_SECONDS: &str = "databricks_api_call_duration_seconds";
pub(super) const RETRIES: &str = "databricks_api_retries_total";
const ERRORS: &str = "databricks_errors_total";
const RATE_LIMITS: &str = "databricks_rate_limits_total";
const BREAKER: &str = "databricks_circuit_breaker_state";

/// What a recorder may filter by.
static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Tells the recorder what the metrics mean. It may be told as often as one likes.
pub(crate) fn describe() {
    metrics::describe_counter!(
        REQUESTS,
        Unit::Count,
        "HTTP requests sent, each attempt of a call for itself, by endpoint class and by status or what happened instead"
    );
    metrics::describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from sending a request to the head of its answer, by endpoint class"
    );
    metrics::describe_histogram!(
        CALL_SECONDS,
        Unit::Seconds,
        "Time of a call with its waits and retries, by endpoint class"
    );
    metrics::describe_counter!(
        RETRIES,
        Unit::Count,
        "Requests that repeat an earlier one of the same call, by endpoint class"
    );
    metrics::describe_counter!(ERRORS, Unit::Count, "Calls that ended in an error, by its kind");
    metrics::describe_counter!(
        RATE_LIMITS,
        Unit::Count,
        "Answers of 429 by the workspace, by endpoint class"
    );
    metrics::describe_gauge!(
        BREAKER,
        Unit::Count,
        "The circuit breaker of the workspace, or of storage as a whole: 0 closed, 1 half-open, 2 open"
    );
}

/// Adds a value to the histogram of a key, wherever metrics go at the moment.
pub(super) fn record(key: &Key, took: Duration) {
    metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(took));
}

/// Counts one more under a key, wherever metrics go at the moment.
pub(super) fn add_one(key: &Key) {
    metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
}

/// The workspace has answered 429.
pub(crate) fn count_rate_limit(class: &Arc<str>) {
    metrics::counter!(RATE_LIMITS, "endpoint" => Arc::clone(class)).increment(1);
}

/// The circuit breaker of a host, or the worst of several, has changed its state.
pub(crate) fn show_circuit(host: &str, level: f64) {
    metrics::gauge!(BREAKER, "host" => host.to_owned()).set(level);
}

/// Counts the error that a call ends in. Each call goes through here once, at its very end.
pub(crate) fn count_error<T>(result: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &result {
        metrics::counter!(ERRORS, "error_type" => error.kind().as_str()).increment(1);
    }
    result
}

/// The `status` label of an answer. Those that servers really send need no allocation.
pub(super) fn status_text(status: StatusCode) -> SharedString {
    let text = match status.as_u16() {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        301 => "301",
        302 => "302",
        303 => "303",
        307 => "307",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        408 => "408",
        409 => "409",
        412 => "412",
        413 => "413",
        416 => "416",
        422 => "422",
        429 => "429",
        500 => "500",
        501 => "501",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => return status.as_str().to_owned().into(),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_status_is_its_number() {
        for number in 100..1000 {
            let status = StatusCode::from_u16(number).unwrap();
            assert_eq!(status_text(status).as_ref(), number.to_string());
        }
    }
}
