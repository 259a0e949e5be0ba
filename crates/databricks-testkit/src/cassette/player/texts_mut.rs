//! Every text of a request or an answer, replaced by another.

use serde_json::{Map, Value};

use crate::cassette::body::CassetteBody;
use crate::cassette::interaction::{CassetteRequest, CassetteResponse};

/// Replaces path, query, headers and the texts of the body.
pub(crate) fn request(request: &mut CassetteRequest, replace: &mut dyn FnMut(&str) -> String) {
    request.path = replace(&request.path);
    let values = request.query.values_mut().flatten().chain(request.headers.values_mut());
    values.for_each(|value| *value = replace(value));
    body(&mut request.body, replace);
}

/// Replaces headers and the texts of the body.
pub(crate) fn response(response: &mut CassetteResponse, replace: &mut dyn FnMut(&str) -> String) {
    response.headers.values_mut().for_each(|value| *value = replace(value));
    body(&mut response.body, replace);
}

fn body(body: &mut CassetteBody, replace: &mut dyn FnMut(&str) -> String) {
    match body {
        CassetteBody::Json(json) => value(json, replace),
        CassetteBody::Text(text) => *text = replace(text),
        CassetteBody::Empty | CassetteBody::Binary(_) => {}
    }
}

/// Replaces strings and the names of members.
pub(crate) fn value(json: &mut Value, replace: &mut dyn FnMut(&str) -> String) {
    match json {
        Value::String(text) => *text = replace(text),
        Value::Array(values) => values.iter_mut().for_each(|json| value(json, replace)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            *members = old.into_iter().map(|(name, json)| (replace(&name), json)).collect::<Map<_, _>>();
            members.values_mut().for_each(|json| value(json, replace));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_is_replaced_and_nothing_else() {
        let mut json = json!({"a": ["a", 1, {"ab": "ba"}], "n": null});
        value(&mut json, &mut |text| text.replace('a', "x"));
        assert_eq!(json, json!({"x": ["x", 1, {"xb": "bx"}], "n": null}));
    }
}
