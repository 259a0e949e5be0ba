//! Reading request bodies field by field, so that every refusal names the field and its value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api_error::ApiFailure;

/// A JSON object whose fields are taken out one by one.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// An object; `null` fields count as absent, as proto JSON reads them.
    pub(super) fn new(mut map: Map<String, Value>) -> Self {
        map.retain(|_, value| !value.is_null());
        Self { map }
    }

    /// A field as it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// An id that must be there.
    pub(super) fn id(&mut self, name: &str) -> Result<i64, ApiFailure> {
        self.optional_id(name)?.ok_or_else(|| ApiFailure::invalid(format!("Missing required field: {name}")))
    }

    /// An id, where given: a whole number, or its text.
    pub(super) fn optional_id(&mut self, name: &str) -> Result<Option<i64>, ApiFailure> {
        self.take(name).map(|value| as_id(name, &value)).transpose()
    }

    /// A text, where given.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiFailure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a string", &other)),
        }
    }

    /// A flag: false unless given.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ApiFailure> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// A list of texts, where given.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiFailure> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let texts = value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
        match texts.and_then(Iterator::collect) {
            Some(texts) => Ok(Some(texts)),
            None => Err(wrong(name, "a list of strings", &value)),
        }
    }

    /// A map of texts, where given. Numbers and flags are taken as their text.
    pub(super) fn text_map(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, ApiFailure> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Some(map) = value.as_object() else { return Err(wrong(name, "a map of strings", &value)) };
        let entry = |(key, value): (&String, &Value)| Some((key.clone(), scalar_text(value)?));
        map.iter()
            .map(entry)
            .collect::<Option<_>>()
            .map(Some)
            .ok_or_else(|| wrong(name, "a map of strings", &value))
    }

    /// An object, where given.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiFailure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(wrong(name, "an object", &other)),
        }
    }

    /// Refuses what is left: a field nobody reads could change what the caller means.
    pub(super) fn nothing_else(self, operation: &str) -> Result<(), ApiFailure> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiFailure::invalid(format!(
                "The field '{name}' of {operation} is not simulated by databricks-testkit; leave it out."
            ))),
        }
    }
}

/// A whole number, or its text.
pub(super) fn as_id(name: &str, value: &Value) -> Result<i64, ApiFailure> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    number.ok_or_else(|| wrong(name, "a whole number", value))
}

/// A refusal that names field, wish and value.
pub(super) fn wrong(name: &str, wanted: &str, value: &Value) -> ApiFailure {
    ApiFailure::invalid(format!("'{name}' is {wanted}, not {}.", shown(value)))
}

/// JSON short enough for a message.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

/// The text of a string, number or flag.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::new(value.as_object().unwrap().clone())
    }

    fn message(failure: ApiFailure) -> String {
        failure.body()["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn ids_are_numbers_or_their_text() {
        let mut body = fields(json!({"a": 7, "b": "8", "c": 1.5, "d": null}));
        assert_eq!((body.id("a").unwrap(), body.id("b").unwrap()), (7, 8));
        assert_eq!(message(body.id("c").unwrap_err()), "'c' is a whole number, not 1.5.");
        assert_eq!(message(body.id("d").unwrap_err()), "Missing required field: d");
    }

    #[test]
    fn what_nobody_reads_is_refused_by_name() {
        let mut body = fields(json!({"job_id": 7, "idempotency_tokn": "x"}));
        body.id("job_id").unwrap();
        assert!(message(body.nothing_else("run-now").unwrap_err()).contains("'idempotency_tokn' of run-now"));
    }

    #[test]
    fn long_values_are_cut_in_messages_at_a_character() {
        let text = shown(&json!("é".repeat(10_000)));
        assert!(text.ends_with("...") && text.chars().count() == 123, "{text}");
    }
}
