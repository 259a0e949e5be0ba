//! Putting names in the place of values.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::body::CassetteBody;
use super::super::error::CassetteError;
use super::super::interaction::{Interaction, Outcome, canonical_path};
use super::super::sanitize::stands_alone;
use super::find::name_ids;
use super::ids::names_an_id;
use super::template::{Piece, write};
use super::{SHORTEST, Variables};

/// A number of fewer digits is not taken for an id when it stands in a path.
const SHORTEST_IN_PATH: usize = 5;
/// A text of fewer bytes may be a part of a word, and is a value only where it stands alone.
const SHORTEST_PART: usize = 8;

/// The interactions with names in the place of what is declared and of ids, and what the names stand for.
pub(crate) fn assign(
    literal: Vec<Interaction>,
    declared: &Variables,
) -> Result<(Vec<Interaction>, Variables), CassetteError> {
    let mut variables = declared.clone();
    name_ids(&literal, &mut variables)?;
    let names = Names::of(&variables);
    let templates = literal.into_iter().map(|interaction| names.interaction(interaction)).collect();
    Ok((templates, variables))
}

/// The names of values, arranged for finding the values in texts.
struct Names {
    texts: Needles,
    paths: Needles,
    /// By the number as it is written.
    numbers: HashMap<String, String>,
}

impl Names {
    fn of(variables: &Variables) -> Self {
        let texts = || {
            variables.iter().filter_map(|(name, value)| Some((value.as_str()?.to_owned(), name.to_owned())))
        };
        let numbers = variables.iter().filter(|(_, value)| value.is_number());
        Self {
            texts: Needles::new(texts()),
            paths: Needles::new(texts().map(|(value, name)| (canonical_path(&value), name))),
            numbers: numbers.map(|(name, value)| (value.to_string(), name.to_owned())).collect(),
        }
    }

    fn text(&self, text: &str) -> String {
        write(&self.texts.split(text, |_| true))
    }

    fn path(&self, path: &str) -> String {
        let segments = path.split('/').map(|segment| match self.numbers.get(segment) {
            Some(name) if segment.len() >= SHORTEST_IN_PATH => (segment, Some(name)),
            _ => (segment, None),
        });
        let segments: Vec<_> = segments.collect();
        if segments.iter().all(|(_, name)| name.is_none()) {
            return write(&self.path_pieces(path));
        }
        let templates = segments.into_iter().map(|(segment, name)| match name {
            Some(name) => write(&[Piece::Variable(name)]),
            None => write(&self.path_pieces(segment)),
        });
        templates.collect::<Vec<_>>().join("/")
    }

    /// A value does not begin inside of `%41`.
    fn path_pieces<'t>(&'t self, path: &'t str) -> Vec<Piece<'t>> {
        let bytes = path.as_bytes();
        let escapes = |back: usize, at: usize| at.checked_sub(back).and_then(|i| bytes.get(i)) == Some(&b'%');
        self.paths.split(path, |at| !escapes(1, at) && !escapes(2, at))
    }

    /// A text that stands where an id is expected.
    fn id_text(&self, text: &str) -> Option<&String> {
        self.numbers.get(text)
    }

    fn value(&self, key: &str, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(match self.id_text(&text).filter(|_| names_an_id(key)) {
                Some(name) => write(&[Piece::Text(""), Piece::Variable(name)]),
                None => self.text(&text),
            }),
            Value::Number(number) => match self.id_text(&number.to_string()).filter(|_| names_an_id(key)) {
                Some(name) => Value::String(write(&[Piece::Variable(name)])),
                None => Value::Number(number),
            },
            Value::Array(values) => values.into_iter().map(|value| self.value(key, value)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.text(&name), self.value(&name, value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other,
        }
    }

    fn body(&self, body: CassetteBody) -> CassetteBody {
        match body {
            CassetteBody::Json(value) => CassetteBody::Json(self.value("", value)),
            CassetteBody::Text(text) => CassetteBody::Text(self.text(&text)),
            other => other,
        }
    }

    fn query(&self, name: &str, value: &str) -> String {
        match self.id_text(value).filter(|_| names_an_id(name)) {
            Some(name) => write(&[Piece::Variable(name)]),
            None => self.text(value),
        }
    }

    fn interaction(&self, mut interaction: Interaction) -> Interaction {
        let request = &mut interaction.request;
        request.path = self.path(&request.path);
        for (name, values) in &mut request.query {
            values.iter_mut().for_each(|value| *value = self.query(name, value));
        }
        request.headers.values_mut().for_each(|value| *value = self.text(value));
        request.body = self.body(std::mem::take(&mut request.body));
        match &mut interaction.outcome {
            Outcome::Response(response) => {
                response.headers.values_mut().for_each(|value| *value = self.text(value));
                response.body = self.body(std::mem::take(&mut response.body));
            }
            Outcome::Failure(failure) => failure.message = self.text(&failure.message),
        }
        interaction
    }
}

/// Values to look for, by their first bytes, the longest first.
#[derive(Default)]
struct Needles {
    by_start: HashMap<[u8; SHORTEST], Vec<(String, String)>>,
}

impl Needles {
    fn new(values: impl Iterator<Item = (String, String)>) -> Self {
        let mut by_start: HashMap<_, Vec<(String, String)>> = HashMap::new();
        for (value, name) in values {
            if let Some(start) = value.as_bytes().first_chunk::<SHORTEST>() {
                by_start.entry(*start).or_default().push((value, name));
            }
        }
        let by_length = |(a, a_name): &(String, String), (b, b_name): &(String, String)| {
            b.len().cmp(&a.len()).then_with(|| a_name.cmp(b_name))
        };
        by_start.values_mut().for_each(|values| values.sort_by(by_length));
        Self { by_start }
    }

    /// The text in pieces: values as variables, the rest as it is.
    fn split<'t>(&'t self, text: &'t str, may_begin: impl Fn(usize) -> bool) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let (mut plain, mut at) = (0, 0);
        while at < text.len() {
            match self.at(text, at).filter(|_| may_begin(at)) {
                Some((value, name)) => {
                    pieces.extend(text.get(plain..at).filter(|text| !text.is_empty()).map(Piece::Text));
                    pieces.push(Piece::Variable(name));
                    at += value.len();
                    plain = at;
                }
                None => at += 1,
            }
        }
        pieces.extend(text.get(plain..).filter(|text| !text.is_empty()).map(Piece::Text));
        pieces
    }

    fn at(&self, text: &str, at: usize) -> Option<&(String, String)> {
        let rest = text.as_bytes().get(at..)?;
        let values = self.by_start.get(rest.first_chunk::<SHORTEST>()?)?;
        values.iter().find(|(value, _)| {
            rest.starts_with(value.as_bytes())
                && (value.len() >= SHORTEST_PART || is_alone(text, at, value.len()))
        })
    }
}

/// Whether no letter and no digit is beside it. In a path `%20` is none.
fn is_alone(text: &str, at: usize, length: usize) -> bool {
    let start =
        at.checked_sub(3).filter(|start| text.as_bytes().get(*start) == Some(&b'%')).map_or(0, |_| at);
    text.get(start..).is_some_and(|text| stands_alone(text, at - start, length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use http::{Method, StatusCode};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::bindings::Bindings;
    use super::*;
    use crate::cassette::interaction::{CassetteRequest, CassetteResponse};
    use crate::request_log::Origin;

    const UUID: &str = "01ef9de2-db21-16af-b4cb-9ccf302d746b";
    const HEX: &str = "aaaa9de2db2116afb4cb9ccf302d746b";

    fn exchange(method: Method, path: &str, asked: Value, answered: Value) -> Interaction {
        let mut request = CassetteRequest::new(method, Origin::Api, path);
        if !asked.is_null() {
            request.body = CassetteBody::Json(asked);
        }
        let response = CassetteResponse::new(StatusCode::OK, CassetteBody::Json(answered));
        Interaction::new(request, Outcome::Response(response))
    }

    fn with_query(mut interaction: Interaction, name: &str, value: &str) -> Interaction {
        interaction.request.query.insert(name.to_owned(), vec![value.to_owned()]);
        interaction
    }

    fn body(interaction: &Interaction) -> &Value {
        interaction.response().unwrap().body.as_json().unwrap()
    }

    fn assigned(literal: &[Interaction], declared: &Variables) -> (Vec<Interaction>, Variables) {
        let (templates, variables) = assign(literal.to_vec(), declared).unwrap();
        let bindings = Bindings::as_recorded(&variables);
        let back: Vec<_> = templates.iter().map(|template| bindings.fill_interaction(template)).collect();
        assert_eq!(back, literal, "what was recorded comes back");
        (templates, variables)
    }

    #[test]
    fn ids_of_the_server_have_names_wherever_they_stand() {
        let path = format!("/api/2.0/sql/statements/{UUID}");
        let story = [
            exchange(
                Method::POST,
                "/api/2.0/sql/statements",
                json!({"warehouse_id": "dd43ee29fedd958d"}),
                json!({"statement_id": UUID}),
            ),
            exchange(
                Method::GET,
                &path,
                Value::Null,
                json!({"statement_id": UUID, "next": format!("{path}/result/chunks/1"), "warehouse_id": "dd43ee29fedd958d"}),
            ),
            exchange(
                Method::GET,
                "/api/2.0/list",
                Value::Null,
                json!({"next_page_token": "CAEaBHRva2Vu", "id": "word"}),
            ),
            with_query(
                exchange(Method::GET, "/api/2.0/list", Value::Null, json!({"id": "word"})),
                "page_token",
                "CAEaBHRva2Vu",
            ),
        ];
        let (templates, variables) = assigned(&story, &Variables::new());
        let names: Vec<_> = variables.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["page_token_1", "statement_id_1"]);
        assert_eq!(templates[1].request.path, "/api/2.0/sql/statements/{{statement_id_1}}");
        assert_eq!(body(&templates[1])["next"], "/api/2.0/sql/statements/{{statement_id_1}}/result/chunks/1");
        assert_eq!(templates[3].request.query["page_token"], ["{{page_token_1}}"]);
    }

    #[test]
    fn a_number_is_an_id_only_where_one_is_expected() {
        let story = [
            exchange(
                Method::POST,
                "/api/2.1/jobs/run-now",
                json!({"job_id": 7}),
                json!({"run_id": 1, "number_in_job": 1}),
            ),
            with_query(
                exchange(
                    Method::GET,
                    "/api/2.1/jobs/runs/get",
                    Value::Null,
                    json!({"run_id": 1, "job_id": 7, "attempt": 1}),
                ),
                "run_id",
                "1",
            ),
            exchange(Method::POST, "/api/2.1/jobs/create", json!({"name": "x"}), json!({"job_id": 123_456})),
            exchange(
                Method::GET,
                "/api/2.0/permissions/jobs/123456",
                Value::Null,
                json!({"object_id": "123456", "n": 123_456}),
            ),
        ];
        let (templates, variables) = assigned(&story, &Variables::new());
        assert_eq!(variables.get("run_id_1"), Some(&json!(1)));
        assert_eq!(body(&templates[0]), &json!({"run_id": "{{run_id_1}}", "number_in_job": 1}));
        assert_eq!(body(&templates[1]), &json!({"run_id": "{{run_id_1}}", "job_id": 7, "attempt": 1}));
        assert_eq!(templates[1].request.query["run_id"], ["{{run_id_1}}"]);
        assert_eq!(templates[3].request.path, "/api/2.0/permissions/jobs/{{job_id_1}}");
        assert_eq!(body(&templates[3]), &json!({"object_id": "{{''}}{{job_id_1}}", "n": 123_456}));
    }

    #[test]
    fn ids_of_the_client_are_generated_and_keep_their_places() {
        let staged = format!("PUT into '/Volumes/a/b/{HEX}/part-{UUID}.parquet' twice {HEX}");
        let story = [
            exchange(
                Method::PUT,
                &format!("/api/2.0/fs/directories/Volumes/a/b/{HEX}"),
                Value::Null,
                json!({}),
            ),
            exchange(Method::POST, "/s", json!({ "statement": staged }), json!({ "echo_id": UUID })),
        ];
        let (templates, variables) = assigned(&story, &Variables::new());
        assert_eq!(
            (variables.get("generated_1"), variables.get("generated_2")),
            (Some(&json!(HEX)), Some(&json!(UUID)))
        );
        let statement = &templates[1].request.body.as_json().unwrap()["statement"];
        assert_eq!(
            statement,
            "PUT into '/Volumes/a/b/{{generated_1}}/part-{{generated_2}}.parquet' twice {{generated_1}}"
        );
    }

    #[test]
    fn declared_values_stand_in_paths_as_they_are_encoded_there() {
        let mut declared = Variables::new();
        declared.declare("folder", "a ü/b%").unwrap();
        declared.declare("folder_deep", "a ü/b%/c").unwrap();
        declared.declare("hex", "20ab").unwrap();
        declared.declare("job", 77).unwrap();
        let story = [exchange(
            Method::GET,
            "/Volumes/a%20%C3%BC/b%25/c/d%20abc/20ab",
            json!({"p": "a ü/b%", "job_id": 77, "n": 77}),
            json!(null),
        )];
        let (templates, _) = assigned(&story, &declared);
        assert_eq!(templates[0].request.path, "/Volumes/{{folder_deep}}/d%20abc/{{hex}}");
        assert_eq!(
            templates[0].request.body.as_json().unwrap(),
            &json!({"p": "{{folder}}", "job_id": "{{job}}", "n": 77})
        );
    }

    #[test]
    fn a_short_declared_value_does_not_cut_words() {
        let mut declared = Variables::new();
        declared.declare("name", "data").unwrap();
        declared.declare("long", "database").unwrap();
        let asked = json!({"a": "SELECT data, metadata, data_1 FROM dates.data", "b": "mydatabases"});
        let story = [exchange(Method::GET, "/databricks/a%20data/data", asked, json!({"datum": "data2"}))];
        let (templates, _) = assigned(&story, &declared);
        assert_eq!(templates[0].request.path, "/databricks/a%20{{name}}/{{name}}");
        assert_eq!(
            templates[0].request.body.as_json().unwrap(),
            &json!({"a": "SELECT {{name}}, metadata, {{name}}_1 FROM dates.{{name}}", "b": "my{{long}}s"})
        );
        assert_eq!(body(&templates[0]), &json!({"datum": "data2"}));
    }

    #[test]
    fn names_of_the_user_are_not_taken_and_odd_keys_give_names() {
        let mut declared = Variables::new();
        declared.declare("statement_id_1", "something").unwrap();
        let answer = json!({"statement_id": UUID, "{{x}} é_id": HEX, "_id": "zzzz0000zzzz", "generated_id": "yyyy0000yyyy"});
        let (_, variables) = assigned(&[exchange(Method::GET, "/", Value::Null, answer)], &declared);
        let names: Vec<_> = variables.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["id_generated_id_1", "id_id_1", "statement_id_1", "statement_id_2", "x_id_1"]);
    }

    fn text() -> impl Strategy<Value = String> {
        let parts = [
            UUID,
            HEX,
            "4711",
            "123456",
            "{",
            "{{",
            "}}",
            "'",
            "/",
            "a1b2",
            "%",
            "é",
            " ",
            "{{run_id_1}}",
            "word",
        ];
        prop::collection::vec(prop::sample::select(parts.to_vec()), 0..6).prop_map(|parts| parts.concat())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            text().prop_map(Value::from),
            prop::sample::select(vec![4711, 123_456, 1]).prop_map(Value::from)
        ];
        let key = prop_oneof![
            Just("run_id".to_owned()),
            Just("x_id".to_owned()),
            Just("page_token".to_owned()),
            text()
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key.clone(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_recorded_comes_back(story in prop::collection::vec((text(), text(), value(), value()), 1..4)) {
            let mut declared = Variables::new();
            declared.declare("test_id", "a1b2").unwrap();
            declared.declare("job", 4711).unwrap();
            let literal: Vec<Interaction> = story
                .into_iter()
                .map(|(path, query, asked, answered)| {
                    with_query(exchange(Method::POST, &format!("/{path}"), asked, answered), "run_id", &query)
                })
                .collect();
            let (templates, variables) = assigned(&literal, &declared);
            super::super::super::template_check::check(&templates, &variables).unwrap();
        }
    }
}
