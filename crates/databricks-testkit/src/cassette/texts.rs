//! Every text of an interaction with its place in it: what is searched for ids and secrets.

use serde_json::Value;

use super::body::CassetteBody;
use super::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome};

/// Calls `visit` with the place and the text of every text: path, query, headers, and the body's strings and names.
pub(crate) fn of_interaction(interaction: &Interaction, visit: &mut dyn FnMut(&str, &str)) {
    of_request(&interaction.request, visit);
    match &interaction.outcome {
        Outcome::Response(response) => of_response(response, visit),
        Outcome::Failure(failure) => visit("failure/message", &failure.message),
    }
}

pub(crate) fn of_request(request: &CassetteRequest, visit: &mut dyn FnMut(&str, &str)) {
    visit("request/path", &request.path);
    for (name, values) in &request.query {
        let place = format!("request/query/{}", pointer_token(name));
        visit(&place, name);
        values.iter().for_each(|value| visit(&place, value));
    }
    of_headers("request", request.headers.iter(), visit);
    of_body("request", &request.body, visit);
}

pub(crate) fn of_response(response: &CassetteResponse, visit: &mut dyn FnMut(&str, &str)) {
    of_headers("response", response.headers.iter(), visit);
    of_body("response", &response.body, visit);
}

fn of_headers<'a>(
    side: &str,
    headers: impl Iterator<Item = (&'a String, &'a String)>,
    visit: &mut dyn FnMut(&str, &str),
) {
    for (name, value) in headers {
        visit(&format!("{side}/headers/{name}"), value);
    }
}

fn of_body(side: &str, body: &CassetteBody, visit: &mut dyn FnMut(&str, &str)) {
    let mut place = format!("{side}/body");
    match body {
        CassetteBody::Json(value) => of_value(value, &mut place, visit),
        CassetteBody::Text(text) => visit(&place, text),
        CassetteBody::Empty | CassetteBody::Binary(_) => {}
    }
}

fn of_value(value: &Value, place: &mut String, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(place, text),
        Value::Number(number) => visit(place, &number.to_string()),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                below(place, &index.to_string(), |place| of_value(value, place, visit));
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                below(place, &pointer_token(name), |place| {
                    visit(place, name);
                    of_value(value, place, visit);
                });
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Runs `f` with the place of a member, and takes the member off again.
fn below(place: &mut String, token: &str, f: impl FnOnce(&mut String)) {
    let length = place.len();
    place.push('/');
    place.push_str(token);
    f(place);
    place.truncate(length);
}

/// The name as a token of a JSON pointer.
pub(crate) fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use http::{Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::request_log::Origin;

    #[test]
    fn every_text_is_visited_with_its_place() {
        let mut request = CassetteRequest::new(Method::GET, Origin::Api, "/p");
        request.query.insert("q".to_owned(), vec!["1".to_owned(), "2".to_owned()]);
        request.headers.insert("range".to_owned(), "r".to_owned());
        let body = CassetteBody::Json(json!({"a/b": [{"c": "x"}, true, 7]}));
        let response = CassetteResponse::new(StatusCode::OK, body);
        let mut seen = Vec::new();
        let interaction = Interaction::new(request, Outcome::Response(response));
        of_interaction(&interaction, &mut |place, text| seen.push(format!("{place}={text}")));
        assert_eq!(
            seen,
            [
                "request/path=/p",
                "request/query/q=q",
                "request/query/q=1",
                "request/query/q=2",
                "request/headers/range=r",
                "response/body/a~1b=a/b",
                "response/body/a~1b/0/c=c",
                "response/body/a~1b/0/c=x",
                "response/body/a~1b/2=7",
            ]
        );
    }
}
