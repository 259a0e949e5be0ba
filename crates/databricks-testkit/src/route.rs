//! From method and path to the handler: the list of what is simulated.

use databricks_transport::Body;
use http::{HeaderMap, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use crate::access::{caller_origin, guard, open_endpoint};
use crate::api_error::{Answer, ApiFailure};
use crate::workspace::Shared;
use crate::{files, jobs, statements, unity, warehouses, workspace_files, workspace_info};

/// One authenticated call, with what every handler may need.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) user: &'a str,
    pub(crate) query: Query,
    pub(crate) headers: &'a HeaderMap,
    /// The storage origin as the caller reaches it, without a trailing slash.
    pub(crate) storage: &'a str,
    /// The API's origin as the caller reaches it, without a trailing slash.
    pub(crate) origin: String,
}

/// Answers an API request.
pub(crate) async fn api(
    shared: &Shared,
    storage: &str,
    request_id: &str,
    request: Request<Body>,
) -> Response<Body> {
    let answer = dispatch(shared, storage, request).await;
    answer.unwrap_or_else(|failure| failure.request_id(request_id).into_response())
}

async fn dispatch(shared: &Shared, storage: &str, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = match open_endpoint(shared, &parts, body).await {
        Ok(answer) => return answer,
        Err(body) => body,
    };
    let user = match shared.access.admit(&parts, shared.clock.elapsed()) {
        Ok(user) => user,
        Err(failure) => {
            files::drain(body).await;
            return Err(failure);
        }
    };
    let (query, origin) = (Query::parse(parts.uri.query()), caller_origin(&parts));
    let call = Call { shared, user: &user, query, headers: &parts.headers, storage, origin };
    let method = parts.method.as_str();
    if let Some(rest) = path.strip_prefix("/api/2.0/fs/") {
        if let Err(refusal) = guard::files(&call, method, rest) {
            files::drain(body).await;
            return Err(refusal);
        }
        return files::handle(&call, method, rest, body).await;
    }
    let segments = decoded_segments(&path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method, segments.as_slice()) {
        ("POST", ["api", "2.0", "sql", "statements"]) => statements::submit(&call, body).await,
        ("GET", ["api", "2.0", "sql", "statements", id]) => statements::poll(&call, id).await,
        ("DELETE", ["api", "2.0", "sql", "statements", id]) => statements::close(&call, id),
        ("POST", ["api", "2.0", "sql", "statements", id, "cancel"]) => statements::cancel(&call, id),
        ("GET", ["api", "2.0", "sql", "statements", id, "result", "chunks", index]) => {
            statements::chunk(&call, id, index).await
        }
        ("POST", ["api", "2.0", "sql", "sessions"]) => statements::open_session(&call, body).await,
        ("DELETE", ["api", "2.0", "sql", "sessions", id]) => statements::close_session(&call, id),
        (method, ["api", "2.1", "unity-catalog", rest @ ..]) => {
            unity::handle(&call, method, rest, body).await
        }
        ("GET", ["api", "2.0", "sql", "warehouses"]) => warehouses::list(&call),
        ("POST", ["api", "2.0", "sql", "warehouses"]) => warehouses::create(&call, body).await,
        ("GET", ["api", "2.0", "sql", "warehouses", id]) => warehouses::get(&call, id),
        ("DELETE", ["api", "2.0", "sql", "warehouses", id]) => warehouses::delete(&call, id),
        ("POST", ["api", "2.0", "sql", "warehouses", id, "edit"]) => warehouses::edit(&call, id, body).await,
        ("POST", ["api", "2.0", "sql", "warehouses", id, "start"]) => warehouses::start(&call, id),
        ("POST", ["api", "2.0", "sql", "warehouses", id, "stop"]) => warehouses::stop(&call, id),
        ("POST", ["telemetry-ext"]) => workspace_info::telemetry(body).await,
        (method, ["api", version @ ("2.1" | "2.2"), "jobs", rest @ ..]) => {
            jobs::handle(&call, version, method, rest, body).await
        }
        (method, ["api", "2.0", "permissions", "jobs", rest @ ..]) => {
            jobs::handle_permissions(&call, method, rest, body).await
        }
        (method, ["api", "2.0", "workspace", operation]) => {
            workspace_files::handle(&call, method, operation, body).await
        }
        ("GET", ["api", "2.0", "preview", "scim", "v2", "Me"]) => workspace_info::me(&call),
        ("GET", ["api", "2.0", "connector-service", "feature-flags", _, _]) => {
            workspace_info::feature_flags()
        }
        (method, _) => {
            files::drain(body).await;
            Err(not_simulated(method, &path))
        }
    }
}

/// 501, naming what was asked for.
pub(crate) fn not_simulated(method: &str, path: &str) -> ApiFailure {
    let message = format!("{method} {path} is not simulated by databricks-testkit.");
    ApiFailure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
}

/// The segments of a path, decoded; one trailing slash is dropped, as the service does.
fn decoded_segments(path: &str) -> Result<Vec<String>, ApiFailure> {
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
    trimmed.split('/').map(decode).collect()
}

/// A percent-decoded piece of a path.
pub(crate) fn decode(text: &str) -> Result<String, ApiFailure> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| ApiFailure::invalid(format!("The path segment '{text}' is not UTF-8.")))
}

/// The query's pairs, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A value by name; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// Whether a name is there, with a value or without.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// A value that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiFailure> {
        self.get(name).ok_or_else(|| ApiFailure::invalid(format!("Missing required field: {name}")))
    }

    /// A number, where given.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, ApiFailure> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiFailure::invalid(format!("'{name}' is a whole number, not '{text}'.")))
        };
        self.get(name).map(parse).transpose()
    }

    /// A flag: `true` or, by default, `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiFailure> {
        match self.get(name) {
            None => Ok(false),
            Some(text) => text
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| ApiFailure::invalid(format!("'{name}' is true or false, not '{text}'."))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn segments_are_decoded_one_by_one() {
        assert_eq!(decoded_segments("/a/b%2Fc/d%20e/").unwrap(), ["a", "b/c", "d e"]);
        assert_eq!(decoded_segments("/a/%FF").unwrap_err().status(), 400);
    }

    #[test]
    fn flags_and_numbers_say_what_they_want() {
        let query = Query::parse(Some("overwrite=TRUE&n=x&empty="));
        assert!(query.flag("overwrite").unwrap());
        assert!(!query.flag("empty").unwrap());
        assert_eq!(query.number("n").unwrap_err().body()["message"], "'n' is a whole number, not 'x'.");
        assert_eq!(query.required("absent").unwrap_err().body()["message"], "Missing required field: absent");
    }
}
