//! Values put in the place of names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::body::CassetteBody;
use super::super::interaction::{
    CassetteFailure, CassetteRequest, CassetteResponse, Interaction, Outcome, canonical_path,
};
use super::template::{Piece, is_plain, parse, sole_variable};
use super::{Variables, text_of};

/// What each name stands for.
#[derive(Clone, Debug)]
pub(crate) struct Bindings {
    values: BTreeMap<String, Value>,
}

impl Bindings {
    /// What the replay declares, else what was recorded.
    pub(crate) fn new(recorded: &Variables, declared: &Variables) -> Self {
        let value =
            |(name, value): (&str, &Value)| (name.to_owned(), declared.get(name).unwrap_or(value).clone());
        Self { values: recorded.iter().map(value).collect() }
    }

    /// What was recorded.
    pub(crate) fn as_recorded(recorded: &Variables) -> Self {
        Self::new(recorded, &Variables::new())
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn fill(&self, template: &str, encode: impl Fn(String) -> String) -> String {
        let pieces = match is_plain(template) {
            true => return template.to_owned(),
            // A cassette is only made of templates that can be read.
            false => parse(template).unwrap_or_default(),
        };
        let text = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Variable(name) => encode(self.value(name).map(text_of).unwrap_or_default()),
        };
        pieces.iter().map(text).collect()
    }

    pub(crate) fn fill_text(&self, template: &str) -> String {
        self.fill(template, |text| text)
    }

    pub(crate) fn fill_path(&self, template: &str) -> String {
        self.fill(template, |text| canonical_path(&text))
    }

    pub(crate) fn fill_value(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => match sole_variable(text).and_then(|name| self.value(name)) {
                Some(value) => value.clone(),
                None => Value::String(self.fill_text(text)),
            },
            Value::Array(values) => values.iter().map(|value| self.fill_value(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (self.fill_text(name), self.fill_value(value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    fn fill_body(&self, template: &CassetteBody) -> CassetteBody {
        match template {
            CassetteBody::Json(value) => CassetteBody::Json(self.fill_value(value)),
            CassetteBody::Text(text) => CassetteBody::Text(self.fill_text(text)),
            other => other.clone(),
        }
    }

    fn fill_headers(&self, template: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        template.iter().map(|(name, value)| (name.clone(), self.fill_text(value))).collect()
    }

    pub(crate) fn fill_request(&self, template: &CassetteRequest) -> CassetteRequest {
        let values = |values: &Vec<String>| values.iter().map(|value| self.fill_text(value)).collect();
        CassetteRequest {
            method: template.method.clone(),
            origin: template.origin,
            path: self.fill_path(&template.path),
            query: template.query.iter().map(|(name, all)| (name.clone(), values(all))).collect(),
            headers: self.fill_headers(&template.headers),
            body: self.fill_body(&template.body),
        }
    }

    pub(crate) fn fill_response(&self, template: &CassetteResponse) -> CassetteResponse {
        CassetteResponse {
            status: template.status,
            headers: self.fill_headers(&template.headers),
            body: self.fill_body(&template.body),
        }
    }

    pub(crate) fn fill_outcome(&self, template: &Outcome) -> Outcome {
        match template {
            Outcome::Response(response) => Outcome::Response(self.fill_response(response)),
            Outcome::Failure(failure) => {
                let message = self.fill_text(&failure.message);
                Outcome::Failure(CassetteFailure { message, ..failure.clone() })
            }
        }
    }

    pub(crate) fn fill_interaction(&self, template: &Interaction) -> Interaction {
        Interaction {
            request: self.fill_request(&template.request),
            outcome: self.fill_outcome(&template.outcome),
            repeats: template.repeats,
            elapsed: template.elapsed,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    const A: &str = "01ef9de2-db21-16af-b4cb-9ccf302d746b";

    #[test]
    fn values_come_back_in_text_paths_and_as_numbers() {
        let mut recorded = Variables::new();
        for (name, value) in [("generated_1", json!(A)), ("run_id_1", json!(4711)), ("table", json!("t a/1"))]
        {
            recorded.insert(name, value).unwrap();
        }
        let mut declared = Variables::new();
        declared.declare("table", "ü b/2").unwrap();
        declared.declare("not_recorded", "x y z").unwrap();
        let bindings = Bindings::new(&recorded, &declared);
        assert_eq!(bindings.fill_text("{{'{{'}}x}} {{table}} {{run_id_1}}"), "{{x}} ü b/2 4711");
        assert_eq!(bindings.fill_path("/x/{{table}}"), "/x/%C3%BC%20b/2");
        let value =
            json!({"run_id": "{{run_id_1}}", "text": "{{''}}{{run_id_1}}", "{{table}}": ["{{generated_1}}"]});
        assert_eq!(bindings.fill_value(&value), json!({"run_id": 4711, "text": "4711", "ü b/2": [A]}));
        assert_eq!(Bindings::as_recorded(&recorded).fill_text("{{table}}"), "t a/1");
    }
}
