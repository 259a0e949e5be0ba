//! What the service answers for things that are not there (yet), by what is asked for.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use uuid::Uuid;

use super::stale::Kept;
use crate::api_error::ApiFailure;

/// What a read of something missing is answered, by its decoded path and its query.
pub(super) fn answer(method: &Method, path: &str, query: &str) -> Kept {
    // Looks like a request's id, and is the same in every run.
    let request_id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{path}?{query}").as_bytes()).to_string();
    let failure = failure(path, query).request_id(&request_id);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", id);
    }
    let body = if method == Method::HEAD { Bytes::new() } else { failure.body().to_string().into() };
    Kept { status: failure.status(), headers, body }
}

fn failure(path: &str, query: &str) -> ApiFailure {
    let known = api(path).and_then(|rest| {
        let (family, rest) = rest.split_once('/')?;
        match family {
            "jobs" => job(rest, query),
            "fs" => file(rest),
            "sql" => sql(rest),
            "unity-catalog" => catalog(rest),
            _ => None,
        }
    });
    known.unwrap_or_else(|| ApiFailure::not_found(format!("{path} does not exist.")))
}

/// What stands below `/api/2.0/` or another version of the API.
fn api(path: &str) -> Option<&str> {
    path.strip_prefix("/api/")?.split_once('/').map(|(_, rest)| rest)
}

/// Jobs and runs are named in the query, and 400 is what says that there is none.
fn job(rest: &str, query: &str) -> Option<ApiFailure> {
    let (what, parameter) = match rest.split_once('/') {
        Some(("runs", _)) => ("Run", "run_id"),
        _ => ("Job", "job_id"),
    };
    let (_, id) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == parameter)?;
    Some(ApiFailure::invalid(format!("{what} {id} does not exist.")))
}

fn file(rest: &str) -> Option<ApiFailure> {
    let (kind, path) = rest.split_once('/')?;
    let (what, reason) = match kind {
        "files" => ("file", "FILES_API_RESOURCE_NOT_FOUND"),
        "directories" => ("directory", "FILES_API_DIRECTORY_IS_NOT_FOUND"),
        _ => return None,
    };
    let message = format!("The {what} '/{}' does not exist.", path.trim_start_matches('/'));
    let failure = ApiFailure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message);
    Some(failure.reason(reason, "filesystem.databricks.com"))
}

fn sql(rest: &str) -> Option<ApiFailure> {
    let (kind, rest) = rest.split_once('/')?;
    let id = rest.split('/').next()?;
    match kind {
        "statements" => Some(ApiFailure::not_found(format!("The statement {id} was not found."))),
        "warehouses" => Some(ApiFailure::not_found(format!("SQL warehouse {id} does not exist."))),
        _ => None,
    }
}

fn catalog(rest: &str) -> Option<ApiFailure> {
    let (kind, name) = rest.split_once('/')?;
    let (what, code) = match kind {
        "catalogs" => ("Catalog", "CATALOG_DOES_NOT_EXIST"),
        "schemas" => ("Schema", "SCHEMA_DOES_NOT_EXIST"),
        "tables" => ("Table", "TABLE_DOES_NOT_EXIST"),
        "volumes" => ("Volume", "VOLUME_DOES_NOT_EXIST"),
        _ => return None,
    };
    let failure = ApiFailure::new(StatusCode::NOT_FOUND, code, format!("{what} '{name}' does not exist."));
    Some(failure.reason(code, "unity-catalog.databricks.com"))
}
