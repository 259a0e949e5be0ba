//! The typed details of an error, as Google's error model names them: what was refused, in words of the program.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ApiError;

/// Why a request failed, as a constant for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// The cause, such as `FILES_API_RESOURCE_NOT_FOUND`; unique within the domain.
    pub reason: String,
    /// Whose constant that is, such as `filesystem.databricks.com`; may be empty.
    pub domain: String,
    /// Further facts by name.
    pub metadata: BTreeMap<String, String>,
}

/// A quota that was exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaViolation {
    /// What the quota counts, such as a user or a warehouse.
    pub subject: String,
    /// How it was exceeded.
    pub description: String,
}

/// A field of the request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// The field's path in the request, such as `tasks[0].timeout_seconds`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// The resource that a request failed for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceInfo {
    /// Its type, such as `table`; may be empty.
    pub resource_type: String,
    /// Its name; may be empty.
    pub resource_name: String,
    /// Whose it is; may be empty.
    pub owner: String,
    /// What is the matter with it; may be empty.
    pub description: String,
}

impl ApiError {
    /// The `ErrorInfo` detail.
    ///
    /// ```
    /// use databricks_transport::ApiError;
    /// use http::{HeaderMap, StatusCode};
    ///
    /// let body = br#"{"error_code":"NOT_FOUND","message":"gone","details":[{
    ///     "@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"NO_SUCH_FILE","metadata":{"path":"/x"}}]}"#;
    /// let error = ApiError::parse(StatusCode::NOT_FOUND, &HeaderMap::new(), body);
    /// let info = error.error_info().unwrap();
    /// assert_eq!((info.reason.as_str(), info.metadata["path"].as_str()), ("NO_SUCH_FILE", "/x"));
    /// ```
    pub fn error_info(&self) -> Option<ErrorInfo> {
        let detail = self.detail("ErrorInfo")?;
        let metadata = detail.get("metadata").and_then(Value::as_object).map(texts).unwrap_or_default();
        Some(ErrorInfo { reason: text(detail, "reason"), domain: text(detail, "domain"), metadata })
    }

    /// The quotas of the `QuotaFailure` detail; empty without one.
    pub fn quota_violations(&self) -> Vec<QuotaViolation> {
        self.listed("QuotaFailure", "violations", |one| QuotaViolation {
            subject: text(one, "subject"),
            description: text(one, "description"),
        })
    }

    /// The fields of the `BadRequest` detail; empty without one.
    pub fn field_violations(&self) -> Vec<FieldViolation> {
        self.listed("BadRequest", "field_violations", |one| FieldViolation {
            field: text(one, "field"),
            description: text(one, "description"),
        })
    }

    /// The `ResourceInfo` detail.
    pub fn resource_info(&self) -> Option<ResourceInfo> {
        let detail = self.detail("ResourceInfo")?;
        Some(ResourceInfo {
            resource_type: text(detail, "resource_type"),
            resource_name: text(detail, "resource_name"),
            owner: text(detail, "owner"),
            description: text(detail, "description"),
        })
    }

    fn listed<T>(&self, detail: &str, member: &str, read: fn(&Value) -> T) -> Vec<T> {
        let list = self.detail(detail).and_then(|detail| detail.get(member)).and_then(Value::as_array);
        list.into_iter().flatten().map(read).collect()
    }
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).map(written).unwrap_or_default()
}

fn texts(object: &Map<String, Value>) -> BTreeMap<String, String> {
    object.iter().map(|(name, value)| (name.clone(), written(value))).collect()
}

/// A text as it is, nothing for `null`, anything else as JSON.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::StatusCode;
    use serde_json::json;

    fn error(details: Value) -> ApiError {
        let mut error = ApiError::new(StatusCode::BAD_REQUEST, "x");
        error.details = details.as_array().unwrap().clone();
        error
    }

    #[test]
    fn each_type_is_read_into_its_shape() {
        let error = error(json!([
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "d", "metadata": {"n": 7}},
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"subject": "user:1", "description": "too many"}, {"subject": "w"}]},
            {"@type": "type.googleapis.com/google.rpc.BadRequest",
                "field_violations": [{"field": "name", "description": "empty"}]},
            {"@type": "google.rpc.ResourceInfo", "resource_type": "table", "resource_name": "c.s.t", "owner": null},
        ]));
        let info = error.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str(), info.metadata["n"].as_str()),
            ("R", "d", "7")
        );
        let quotas = error.quota_violations();
        assert_eq!(
            (quotas.len(), quotas[0].subject.as_str(), quotas[1].description.as_str()),
            (2, "user:1", "")
        );
        assert_eq!(error.field_violations()[0].field, "name");
        let resource = error.resource_info().unwrap();
        assert_eq!((resource.resource_name.as_str(), resource.owner.as_str()), ("c.s.t", ""));
    }

    #[test]
    fn what_is_not_there_or_not_of_the_shape_is_nothing() {
        let odd =
            error(json!([7, null, "ErrorInfo", {"@type": 7}, {"@type": "x.QuotaFailure", "violations": {}}]));
        assert_eq!(odd.error_info(), None);
        assert!(odd.quota_violations().is_empty() && odd.field_violations().is_empty());
        let empty = error(
            json!([{"@type": "x.ErrorInfo"}, {"@type": "x.BadRequest", "field_violations": [null, 7]}]),
        );
        assert_eq!(empty.error_info().unwrap().reason, "");
        assert_eq!(empty.field_violations().len(), 2);
    }
}
