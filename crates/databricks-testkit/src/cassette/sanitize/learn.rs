//! The credentials that requests and answers show: from then on they are removed wherever else they stand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::keys::{Keys, Meaning};
use super::shapes::REDACTED;
use super::{Sanitizers, is_about_secrets};
use crate::cassette::body::CassetteBody;
use crate::cassette::interaction::{CassetteRequest, CassetteResponse};
use crate::request_log::Origin;

/// A shorter credential is a test's own, and would be found by accident.
const SHORTEST: usize = 8;
/// A shorter one that is all letters may be a word, or the name of a table.
const SHORTEST_WORD: usize = 16;
/// The longest text that may be a form.
const LONGEST_FORM: usize = 64 * 1024;

impl Sanitizers {
    /// The rules, and that `secret` is removed. `None` when that cannot work: it is what stands for a secret, as
    /// where a replay's client uses the token that it was answered with.
    pub(crate) fn learning(&self, secret: &str) -> Option<Self> {
        let more = self.clone().with_secret(secret, REDACTED);
        more.validate().is_ok().then_some(more)
    }

    /// The credentials in a request's headers.
    pub(crate) fn credentials_in_headers(&self, headers: &HeaderMap) -> Vec<String> {
        let mut found = Vec::new();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            if *name == AUTHORIZATION || *name == PROXY_AUTHORIZATION {
                of_authorization(value, &mut found);
            } else if name.as_str().ends_with("customer-key")
                || Keys::default().meaning(name.as_str()) == Meaning::Credential
            {
                found.push(value.trim().to_owned());
            }
        }
        found.retain(|secret| secret.len() >= SHORTEST);
        found
    }

    /// What stands under the name of a credential in a request that is not sanitized yet.
    pub(crate) fn credentials_in_request(&self, request: &CassetteRequest) -> Vec<String> {
        let mut found = self.credentials_in_body(request, &request.body);
        // The signature of a link is no secret of anything else.
        if request.origin == Origin::Api {
            let pairs = request.query.iter().filter(|(name, _)| self.is_credential(name));
            found.extend(
                pairs.flat_map(|(_, values)| values.iter().cloned()).filter(|value| is_telling(value)),
            );
        }
        found
    }

    /// What stands under the name of a credential in an answer that is not sanitized yet.
    pub(crate) fn credentials_in_response(
        &self,
        request: &CassetteRequest,
        response: &CassetteResponse,
    ) -> Vec<String> {
        self.credentials_in_body(request, &response.body)
    }

    fn credentials_in_body(&self, request: &CassetteRequest, body: &CassetteBody) -> Vec<String> {
        let mut found = Vec::new();
        let secrets = is_about_secrets(request) && self.known.by_default();
        match body {
            CassetteBody::Json(value) => self.in_value(value, secrets, &mut found),
            CassetteBody::Text(text) => self.in_text(text, secrets, &mut found),
            _ => {}
        }
        found.retain(|secret| is_telling(secret));
        found
    }

    fn in_text(&self, text: &str, secrets: bool, found: &mut Vec<String>) {
        if text.trim_start().starts_with(['{', '[']) {
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                self.in_value(&value, secrets, found);
            }
        } else if text.len() <= LONGEST_FORM && text.contains('=') {
            let fields = url::form_urlencoded::parse(text.trim().as_bytes());
            let secret = fields.filter(|(name, _)| self.is_credential(name));
            found.extend(secret.map(|(_, value)| value.into_owned()));
        }
    }

    fn in_value(&self, value: &Value, secrets: bool, found: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.in_value(value, secrets, found)),
            Value::Object(members) => {
                let named = ["name", "key"].iter().filter_map(|name| members.get(*name)?.as_str());
                let names_a_secret = named.into_iter().any(|name| self.is_credential(name));
                for (name, value) in members {
                    let plain = ["value", "string_value", "bytes_value"].contains(&name.as_str());
                    if self.is_credential(name) || (names_a_secret && name == "value") {
                        all_texts(value, found);
                    } else if secrets && plain {
                        of_secret(value, found);
                    } else {
                        self.in_value(value, secrets, found);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_credential(&self, name: &str) -> bool {
        self.keys.meaning(name) == Meaning::Credential
    }
}

/// The token, or what the user and the password are made of.
fn of_authorization(value: &str, found: &mut Vec<String>) {
    let Some((scheme, rest)) = value.trim().split_once(' ') else {
        found.push(value.trim().to_owned());
        return;
    };
    let rest = rest.trim();
    found.push(rest.to_owned());
    if !scheme.eq_ignore_ascii_case("basic") {
        return;
    }
    let pair = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some((_, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
        // OAuth encodes it for a form before it is put there.
        let plain = password.replace('+', " ");
        found.extend(percent_decode_str(&plain).decode_utf8().ok().map(String::from));
        found.push(password.to_owned());
    }
}

/// The endpoints of secrets give values in base64.
fn of_secret(value: &Value, found: &mut Vec<String>) {
    all_texts(value, found);
    let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    found.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()));
}

fn all_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| all_texts(value, found)),
        Value::Object(members) => members.values().for_each(|value| all_texts(value, found)),
        _ => {}
    }
}

/// Whether a value is not something that stands in other texts by accident. `{{secrets/scope/key}}` is a reference.
fn is_telling(value: &str) -> bool {
    let word = value.chars().all(char::is_alphabetic);
    value.len() >= if word { SHORTEST_WORD } else { SHORTEST } && !value.starts_with("{{")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::Method;
    use serde_json::json;

    fn in_request(path: &str, body: CassetteBody) -> Vec<String> {
        let mut request = CassetteRequest::new(Method::POST, Origin::Api, path);
        request.body = body;
        request.query.insert("access_token".to_owned(), vec!["query-1234".to_owned()]);
        let mut found = Sanitizers::default().credentials_in_request(&request);
        assert_eq!(found.pop().unwrap(), "query-1234");
        found
    }

    #[test]
    fn credentials_are_learned_from_where_their_names_stand() {
        let json = json!({"password": "hunter-22", "token": {"deep": ["hunter-33"]}, "note": "hunter-44",
            "parameters": [{"name": "password", "value": "hunter-55"}]});
        let mut found = in_request("/", CassetteBody::Json(json.clone()));
        found.sort();
        assert_eq!(found, ["hunter-22", "hunter-33", "hunter-55"]);
        assert_eq!(in_request("/", CassetteBody::Text(json.to_string())).len(), 3);
        let form = "grant_type=x&client_secret=a+b%26c-12".to_owned();
        assert_eq!(in_request("/", CassetteBody::Text(form)), ["a b&c-12"]);
        let put = json!({"scope": "somewhere", "string_value": "hunter-66"});
        assert_eq!(in_request("/api/2.0/secrets/put", CassetteBody::Json(put)), ["hunter-66"]);
    }

    #[test]
    fn words_references_and_what_stands_for_a_secret_are_not_learned() {
        let json = json!({"password": "password", "token": "{{secrets/scope/key}}", "secret": "12"});
        assert_eq!(in_request("/", CassetteBody::Json(json)), Vec::<String>::new());
        let sanitizers = Sanitizers::default().with_secret("passphrase", "[PASSPHRASE]");
        assert!(sanitizers.learning(REDACTED).is_none());
        assert!(sanitizers.learning("[PASSPHRASE]").is_none());
        assert!(sanitizers.learning("anything-else").is_some());
    }

    #[test]
    fn headers_give_tokens_passwords_and_keys() {
        let mut headers = HeaderMap::new();
        let basic = STANDARD.encode("id:a+b%26c-12");
        headers.insert(AUTHORIZATION, format!("Basic {basic}").parse().unwrap());
        headers.insert("x-databricks-azure-sp-management-token", "management".parse().unwrap());
        headers.insert("x-other", "unimportant".parse().unwrap());
        let mut found = Sanitizers::default().credentials_in_headers(&headers);
        found.sort();
        let mut expected = [basic.as_str(), "a b&c-12", "a+b%26c-12", "management"];
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}
