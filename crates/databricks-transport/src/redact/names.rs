//! Which names stand before secrets: members of JSON objects, query parameters, headers.

use http::header::{AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName};

/// Words that make a name one of a credential: `sas_uri`, `X-Amz-Signature`.
const CREDENTIALS: &[&str] =
    &["auth", "cookie", "cookies", "jwt", "pass", "pwd", "sas", "sig", "signature", "signed"];

/// Words of names whose values belong to a user and in no log, though they are no credentials: `sql_parameters`,
/// `externalLinks`.
const CONTENT: &[&str] = &[
    "conf",
    "content",
    "env",
    "envs",
    "key",
    "keys",
    "link",
    "links",
    "param",
    "parameter",
    "parameters",
    "params",
    "statement",
    "statements",
    "uri",
    "uris",
    "url",
    "urls",
    "vars",
];

/// Parts of names that mean a secret wherever they stand.
const PARTS: &[&str] = &[
    "apikey",
    "accesskey",
    "assertion",
    "authoriz",
    "credential",
    "passphrase",
    "passw",
    "presign",
    "secret",
    "token",
];

/// Whole names: of values in the secrets API, of SQL and of rows.
const NAMES: &[&str] = &[
    "attachment",
    "bytes_value",
    "data_array",
    "init_script_source",
    "query",
    "query_text",
    "script",
    "sql",
    "sql_text",
    "string_value",
    "value",
    "values",
];

/// Names with such a word that say nothing secret and are what a log is read for.
const HARMLESS: &[&str] = &["statement_id", "task_key"];

/// The longest name that is looked at. Nobody names a field like that; it is a value in the wrong place.
const LONGEST: usize = 128;

/// Whether what this name stands before must not be shown.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if HARMLESS.contains(&lower.as_str()) {
        return false;
    }
    is_credential_name(name)
        || NAMES.contains(&lower.as_str())
        || words(name).iter().any(|word| CONTENT.contains(&word.as_str()))
}

/// Whether what this name stands before is a credential.
pub(crate) fn is_credential_name(name: &str) -> bool {
    if name.len() > LONGEST {
        return true;
    }
    let lower = name.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part))
        || words(name).iter().any(|word| CREDENTIALS.contains(&word.as_str()))
}

/// `externalLinks`, `external_links` and `External-Links` are two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || character.is_uppercase() && after_lower {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.push(character.to_ascii_lowercase());
        }
        after_lower = character.is_lowercase() || character.is_ascii_digit();
    }
    words
}

/// Headers whose values are shown in a log. Any other may be somebody's credential.
const SHOWN: &[&str] = &[
    "accept",
    "accept-encoding",
    "age",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "host",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "last-modified",
    "range",
    "retry-after",
    "server",
    "strict-transport-security",
    "traceparent",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "x-databricks-org-id",
    "x-databricks-request-id",
    "x-request-id",
];

/// Whether a header's value must not be shown. Every header that is not known to be harmless counts.
pub(crate) fn is_secret_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_limit = name.starts_with("ratelimit-") || name.starts_with("x-ratelimit-");
    !is_limit && !SHOWN.contains(&name)
}

/// Headers that carry credentials by their nature.
static SENSITIVE: [HeaderName; 6] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    LOCATION,
    HeaderName::from_static("x-amz-security-token"),
];

/// Marks the headers that carry credentials, so that `Debug` of the map does not show them.
pub(crate) fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if SENSITIVE.contains(name) {
            value.set_sensitive(true);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "token_value",
            "access_token",
            "refresh_token",
            "id_token",
            "token",
            "password",
            "client_secret",
            "content",
            "string_value",
            "next_page_token",
            "accessToken",
            "ACCESS_TOKEN",
            "clientSecret",
            "external_link",
            "external_links",
            "externalLinks",
            "presigned_url",
            "url",
            "URLs",
            "upload-urls",
            "signedHeaders",
            "sas",
            "sas_uri",
            "sig",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "authorization",
            "statement",
            "parameters",
            "notebook_params",
            "spark_env_vars",
            "spark_conf",
            "private_key",
            "aws_access_key_id",
            "client_assertion",
            "data_array",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        assert!(is_secret_name(&"x".repeat(LONGEST + 1)));
    }

    #[test]
    fn names_of_everything_else_stay_readable() {
        for name in [
            "run_id",
            "job_id",
            "statement_id",
            "warehouse_id",
            "state",
            "message",
            "error_code",
            "limit",
            "task_key",
            "catalog_name",
            "disposition",
            "row_count",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_header_is_shown_only_when_it_is_known_to_be_harmless() {
        for (name, hidden) in [
            ("content-type", false),
            ("x-ratelimit-remaining", false),
            ("x-request-id", false),
            ("authorization", true),
            ("set-cookie", true),
            ("location", true),
            ("x-databricks-azure-sp-management-token", true),
            ("x-own", true),
        ] {
            assert_eq!(is_secret_header(&HeaderName::from_static(name)), hidden, "{name}");
        }
    }

    #[test]
    fn every_cookie_is_marked() {
        let mut headers = HeaderMap::new();
        for value in ["a=hunter2", "b=hunter2"] {
            headers.append("set-cookie", value.parse().unwrap());
        }
        headers.append("location", "/x?code=hunter2".parse().unwrap());
        headers.append("date", "today".parse().unwrap());
        mark_sensitive(&mut headers);
        let shown = format!("{headers:?}");
        assert!(!shown.contains("hunter2") && shown.contains("today"), "{shown}");
    }
}
