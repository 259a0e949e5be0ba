//! Requests and answers as the texts that are compared, with their ids taken out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use uuid::Uuid;

use super::identity::{Masked, canonical_json, quoted};
use super::index::{Hole, Id, Recorded};
use crate::cassette::body::CassetteBody;
use crate::cassette::interaction::{CassetteRequest, NAMES_OF_REQUESTS, Outcome};
use crate::request_log::Origin;

/// Names the bytes of a body: equal digests are equal bytes.
const DIGESTS: Uuid = Uuid::from_u128(0x2f0d_91c4_77aa_4b1d_8e35_60d8_4c1f_b9e2);

/// What a request is compared by. `request` holds only what counts already.
pub(crate) fn request_key(request: &CassetteRequest) -> Masked {
    let CassetteRequest { method, origin, path, query, headers, body } = request;
    let mut text = format!("{method}\n{}\n{path}\n", origin_name(*origin));
    for (name, values) in query {
        for value in values {
            quoted(name, &mut text);
            text.push('=');
            quoted(value, &mut text);
            text.push('&');
        }
    }
    // The type of content says nothing that the body does not; the others choose what is read or written.
    write_headers(headers, &["content-type"], &mut text);
    write_body(body, &mut text);
    Masked::of(&text)
}

/// What two outcomes are compared by.
pub(crate) fn outcome_key(outcome: &Outcome) -> Masked {
    let mut text = String::new();
    match outcome {
        Outcome::Response(response) => {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", response.status.as_u16());
            write_headers(&response.headers, &NAMES_OF_REQUESTS, &mut text);
            write_body(&response.body, &mut text);
        }
        Outcome::Failure(failure) => {
            let _ = writeln!(text, "{:?} {} {}", failure.kind, failure.ambiguous, failure.given_up);
            quoted(&failure.message, &mut text);
        }
    }
    Masked::of(&text)
}

/// A recorded text: the ids that the client made up are holes in it.
pub(crate) fn with_holes(masked: Masked, holes: &HashMap<String, Hole>) -> Recorded {
    let id = |id: String| match holes.get(&id) {
        Some(hole) => Id::Hole(*hole),
        None => Id::Known(id),
    };
    Recorded { shape: masked.shape, ids: masked.ids.into_iter().map(id).collect() }
}

pub(crate) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "api",
        Origin::Storage => "storage",
    }
}

fn write_headers(headers: &BTreeMap<String, String>, except: &[&str], text: &mut String) {
    for (name, value) in headers.iter().filter(|(name, _)| !except.contains(&name.as_str())) {
        text.push('\n');
        quoted(name, text);
        text.push(':');
        quoted(value, text);
    }
    text.push('\n');
}

fn write_body(body: &CassetteBody, text: &mut String) {
    match body {
        CassetteBody::Empty => text.push_str("empty"),
        CassetteBody::Json(value) => {
            text.push_str("json ");
            canonical_json(value, text);
        }
        CassetteBody::Text(string) => {
            text.push_str("text ");
            quoted(string, text);
        }
        CassetteBody::Binary(bytes) => {
            // In letters that are no hexadecimal digits, so that it is not taken for an id.
            let digest = Uuid::new_v5(&DIGESTS, bytes);
            let _ = write!(text, "binary {} ", bytes.len());
            text.extend(digest.as_bytes().iter().flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]));
        }
    }
}

/// A letter that is no hexadecimal digit.
fn letter(nibble: u8) -> char {
    char::from(b'g' + (nibble & 15))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;
    use http::{Method, StatusCode};
    use serde_json::json;

    use crate::cassette::interaction::{CassetteFailure, CassetteResponse};
    use databricks_transport::ErrorKind;

    fn request(body: CassetteBody) -> CassetteRequest {
        let mut request = CassetteRequest::new(Method::POST, Origin::Api, "/a");
        request.body = body;
        request
    }

    #[test]
    fn everything_that_counts_tells_requests_apart() {
        let base = request(CassetteBody::Json(json!({"a": 1})));
        let mut others = vec![
            request(CassetteBody::Empty),
            request(CassetteBody::Json(json!({"a": 2}))),
            request(CassetteBody::Text("{\"a\":1}".to_owned())),
            request(CassetteBody::Binary(Bytes::from_static(b"{\"a\":1}"))),
        ];
        for change in [
            |r: &mut CassetteRequest| r.method = Method::PUT,
            |r: &mut CassetteRequest| r.origin = Origin::Storage,
            |r: &mut CassetteRequest| r.path = "/a/".to_owned(),
            |r: &mut CassetteRequest| _ = r.query.insert("q".to_owned(), vec![String::new()]),
            |r: &mut CassetteRequest| _ = r.headers.insert("range".to_owned(), "bytes=0-1".to_owned()),
        ] {
            let mut changed = base.clone();
            change(&mut changed);
            others.push(changed);
        }
        let mut same = request(CassetteBody::Json(json!({"a": 1.0})));
        same.headers.insert("content-type".to_owned(), "application/json".to_owned());
        assert_eq!(request_key(&base), request_key(&same));
        for other in others {
            assert_ne!(request_key(&base), request_key(&other), "{other:?}");
        }
    }

    #[test]
    fn the_digest_of_bytes_is_no_id() {
        let key = request_key(&request(CassetteBody::Binary(Bytes::from_static(b"\xff"))));
        assert!(key.ids.is_empty());
    }

    #[test]
    fn ids_the_client_made_up_are_holes_and_others_are_not() {
        let (made_up, server) =
            ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b");
        let request = CassetteRequest::new(Method::PUT, Origin::Api, &format!("/{made_up}/{server}"));
        let recorded = with_holes(request_key(&request), &HashMap::from([(made_up.to_owned(), 7)]));
        assert_eq!(recorded.ids, [Id::Hole(7), Id::Known(server.to_owned())]);
    }

    #[test]
    fn outcomes_are_told_apart_by_status_body_and_failure() {
        let ok = Outcome::Response(CassetteResponse::new(StatusCode::OK, CassetteBody::Empty));
        let created = Outcome::Response(CassetteResponse::new(StatusCode::CREATED, CassetteBody::Empty));
        let failed = Outcome::Failure(CassetteFailure::new(ErrorKind::Timeout, "x"));
        let broken = Outcome::Failure(CassetteFailure::new(ErrorKind::Unavailable, "x"));
        let keys: Vec<Masked> = [&ok, &created, &failed, &broken].map(outcome_key).into();
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(index));
        }
    }
}
