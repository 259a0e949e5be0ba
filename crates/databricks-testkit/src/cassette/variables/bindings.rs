//! Which value each variable has in a replay: values put into templates, and found out from requests.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::super::body::CassetteBody;
use super::super::interaction::{
    CassetteFailure, CassetteRequest, CassetteResponse, Interaction, Outcome, canonical_path,
};
use super::template::{Piece, is_plain, parse, sole_variable};
use super::{GENERATED, Variables, ids, text_of};

/// The values of a replay. What a client makes up has none before a request shows it.
#[derive(Clone, Debug)]
pub(crate) struct Bindings {
    recorded: Variables,
    bound: BTreeMap<String, Value>,
    /// Every text that a variable stands for by now: two variables never stand for the same.
    taken: HashSet<String>,
}

/// The values that a trial found out.
#[derive(Debug, Default)]
pub(crate) struct Bound(BTreeMap<String, String>);

impl Bindings {
    /// The values to begin with: what the replay declares, else what was recorded, except for what a client makes up.
    pub(crate) fn new(recorded: &Variables, declared: &Variables) -> Self {
        let bound: BTreeMap<String, Value> = recorded
            .iter()
            .filter(|(name, _)| !name.starts_with(GENERATED))
            .map(|(name, value)| (name.to_owned(), declared.get(name).unwrap_or(value).clone()))
            .collect();
        let taken = bound.values().map(text_of).collect();
        Self { recorded: recorded.clone(), bound, taken }
    }

    /// Every variable with the value that was recorded.
    pub(crate) fn as_recorded(recorded: &Variables) -> Self {
        let bound: BTreeMap<String, Value> =
            recorded.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let taken = bound.values().map(text_of).collect();
        Self { recorded: recorded.clone(), bound, taken }
    }

    /// An attempt to understand a request. Nothing changes before its values are [accepted](Self::accept).
    pub(crate) fn trial(&self) -> Trial<'_> {
        Trial { bindings: self, found: Bound::default() }
    }

    /// From now on the variables stand for what a trial found.
    pub(crate) fn accept(&mut self, found: Bound) {
        for (name, text) in found.0 {
            self.taken.insert(text.clone());
            self.bound.insert(name, Value::String(text));
        }
    }

    /// What a name stands for; the recorded value where a replay has not shown its own.
    fn value(&self, name: &str) -> Option<&Value> {
        self.bound.get(name).or_else(|| self.recorded.get(name))
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

/// One attempt to read a request as a recorded one.
///
/// Unification goes from left to right without going back: a variable without a value takes the id that stands in
/// its place and has that value from then on.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    bindings: &'a Bindings,
    found: Bound,
}

impl Trial<'_> {
    /// The values found so far.
    pub(crate) fn into_bound(self) -> Bound {
        self.found
    }

    pub(crate) fn unify_text(&mut self, template: &str, asked: &str) -> bool {
        self.unify(template, asked, |text| text)
    }

    pub(crate) fn unify_path(&mut self, template: &str, asked: &str) -> bool {
        self.unify(template, asked, |text| canonical_path(&text))
    }

    /// Whether a value is the recorded one: numbers by value, members in any order.
    pub(crate) fn unify_value(&mut self, template: &Value, asked: &Value) -> bool {
        match (template, asked) {
            (Value::Array(template), Value::Array(asked)) => {
                template.len() == asked.len()
                    && template.iter().zip(asked).all(|(template, asked)| self.unify_value(template, asked))
            }
            (Value::Object(template), Value::Object(asked)) => {
                template.len() == asked.len()
                    && template.iter().all(|(name, value)| {
                        let name = self.bindings.fill_text(name);
                        asked.get(&name).is_some_and(|asked| self.unify_value(value, asked))
                    })
            }
            (template, asked) => self.unify_scalar(template, asked),
        }
    }

    /// [`unify_value`](Self::unify_value) for what is neither array nor object.
    pub(crate) fn unify_scalar(&mut self, template: &Value, asked: &Value) -> bool {
        match (template, asked) {
            (Value::String(template), Value::String(asked)) => match self.sole_number(template) {
                Some(_) => false,
                None => self.unify_text(template, asked),
            },
            (Value::String(template), Value::Number(_)) => {
                self.sole_number(template).is_some_and(|number| same_number(number, asked))
            }
            (Value::Number(_), Value::Number(_)) => same_number(template, asked),
            (template, asked) => template == asked,
        }
    }

    /// The number that a template stands for.
    fn sole_number(&self, template: &str) -> Option<&Value> {
        self.bindings.value(sole_variable(template)?).filter(|value| value.is_number())
    }

    fn unify(&mut self, template: &str, asked: &str, encode: impl Fn(String) -> String) -> bool {
        if is_plain(template) {
            return template == asked;
        }
        let Ok(pieces) = parse(template) else { return false };
        let mut rest = asked;
        for piece in pieces {
            let after = match piece {
                Piece::Text(text) => rest.strip_prefix(text),
                Piece::Variable(name) => self.unify_variable(name, rest, &encode),
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// What follows the variable's value at the beginning of `rest`.
    fn unify_variable<'r>(
        &mut self,
        name: &str,
        rest: &'r str,
        encode: impl Fn(String) -> String,
    ) -> Option<&'r str> {
        if let Some(bound) = self.bindings.bound.get(name) {
            return rest.strip_prefix(&*encode(text_of(bound)));
        }
        if let Some(found) = self.found.0.get(name) {
            return rest.strip_prefix(found.as_str());
        }
        let model = text_of(self.bindings.recorded.get(name)?);
        let (id, after) = rest.split_at_checked(model.len())?;
        let taken = self.bindings.taken.contains(id) || self.found.0.values().any(|found| found == id);
        if taken || !ids::is_like(id, &model) {
            return None;
        }
        self.found.0.insert(name.to_owned(), id.to_owned());
        Some(after)
    }
}

/// Whether two JSON numbers are the same number, however they are written.
pub(crate) fn same_number(a: &Value, b: &Value) -> bool {
    a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    const A: &str = "01ef9de2-db21-16af-b4cb-9ccf302d746b";
    const B: &str = "99999999-db21-16af-b4cb-9ccf302d746b";

    fn bindings() -> Bindings {
        let mut recorded = Variables::new();
        for (name, value) in [
            ("generated_1", json!(A)),
            ("generated_2", json!("01ef9de2db2116afb4cb9ccf302d746b")),
            ("generated_3", json!("77777777-db21-16af-b4cb-9ccf302d746b")),
            ("run_id_1", json!(4711)),
            ("table", json!("t a/1")),
        ] {
            recorded.insert(name, value).unwrap();
        }
        let mut declared = Variables::new();
        declared.declare("table", "ü b/2").unwrap();
        Bindings::new(&recorded, &declared)
    }

    #[test]
    fn values_come_back_in_text_paths_and_as_numbers() {
        let bindings = bindings();
        assert_eq!(bindings.fill_text("{{'{{'}}x}} {{table}} {{run_id_1}}"), "{{x}} ü b/2 4711");
        assert_eq!(bindings.fill_path("/x/{{table}}"), "/x/%C3%BC%20b/2");
        let value = json!({"run_id": "{{run_id_1}}", "text": "{{''}}{{run_id_1}}", "{{table}}": ["{{generated_1}}"]});
        assert_eq!(bindings.fill_value(&value), json!({"run_id": 4711, "text": "4711", "ü b/2": [A]}));
    }

    #[test]
    fn an_id_made_up_by_the_client_is_bound_by_its_first_use() {
        let mut bindings = bindings();
        let mut trial = bindings.trial();
        assert!(trial.unify_text("/x/{{generated_1}}/{{generated_1}}", &format!("/x/{B}/{B}")));
        assert!(!trial.unify_text("{{generated_1}}", A));
        let found = trial.into_bound();
        assert_eq!(bindings.fill_text("{{generated_1}}"), A, "nothing is bound before it is accepted");
        bindings.accept(found);
        assert_eq!(bindings.fill_text("{{generated_1}}"), B);
        assert!(!bindings.trial().unify_text("{{generated_3}}", B), "two variables are two ids");
        assert!(!bindings.trial().unify_text("{{generated_2}}", A), "an id is written as it was");
        assert!(!bindings.trial().unify_text("{{generated_3}}", "é".repeat(18).as_str()));
    }

    #[test]
    fn values_are_compared_by_what_they_say() {
        let same = |template: Value, asked: Value| bindings().trial().unify_value(&template, &asked);
        assert!(same(json!({"a": [1, "{{run_id_1}}"], "b": null}), json!({"b": null, "a": [1.0, 4711]})));
        assert!(same(json!("{{''}}{{run_id_1}}"), json!("4711")));
        assert!(!same(json!("{{run_id_1}}"), json!("4711")));
        assert!(!same(json!("{{''}}{{run_id_1}}"), json!(4711)));
        assert!(!same(json!({"a": 1}), json!({"a": 1, "b": 2})));
        assert!(!same(json!({"a": 1, "b": 2}), json!({"a": 1, "c": 2})));
        assert!(!same(json!([1]), json!([1, 2])));
        assert!(!same(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)));
        assert!(same(json!({"{{table}}": 1}), json!({"ü b/2": 1})));
    }
}
