//! The text of a cassette: which members it has, in which order, and what is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use databricks_transport::ErrorKind;
use http::{Method, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::super::body::CassetteBody;
use super::super::cassette::Cassette;
use super::super::error::{CassetteError, CassetteErrorKind};
use super::super::interaction::{CassetteFailure, CassetteRequest, CassetteResponse, Interaction, Outcome};
use super::super::variables::Variables;
use super::parts::{PartSink, PartSource};
use crate::request_log::Origin;

const FORMAT: &str = "databricks-cassette/1";
const FAMILY: &str = "databricks-cassette/";
/// Every kind that a failure can have.
const KINDS: [ErrorKind; 17] = [
    ErrorKind::Config,
    ErrorKind::Auth,
    ErrorKind::Connect,
    ErrorKind::Timeout,
    ErrorKind::RateLimited,
    ErrorKind::CircuitOpen,
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::AlreadyExists,
    ErrorKind::Invalid,
    ErrorKind::Conflict,
    ErrorKind::StorageFull,
    ErrorKind::Unavailable,
    ErrorKind::Unsupported,
    ErrorKind::Decode,
    ErrorKind::Io,
    ErrorKind::Other,
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCassette {
    format: String,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    interactions: Vec<Value>,
}

#[derive(Serialize)]
struct WrittenCassette {
    format: &'static str,
    variables: BTreeMap<String, Value>,
    interactions: Vec<FileInteraction>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInteraction {
    request: FileRequest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<FileResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FileFailure>,
    #[serde(default = "once", skip_serializing_if = "is_once")]
    repeats: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    elapsed_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRequest {
    method: String,
    origin: String,
    path: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, OneOrMany>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<FileBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts is expected")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileResponse {
    status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<FileBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFailure {
    kind: String,
    message: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ambiguous: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    given_up: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBody {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "even_null")]
    json: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

fn once() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_once(repeats: &u32) -> bool {
    *repeats == 1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `null` is a JSON body, not the absence of one.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads the text of a cassette.
pub(crate) fn parse(text: &str, parts: &dyn PartSource) -> Result<Cassette, CassetteError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| CassetteError::format(format!("this is not JSON: {error}")).with_source(error))?;
    check_format(&value)?;
    let file: FileCassette = serde_json::from_value(value)
        .map_err(|error| CassetteError::format(error.to_string()).with_source(error))?;
    let mut variables = Variables::new();
    for (name, value) in file.variables {
        variables.insert(&name, value)?;
    }
    let interactions: Result<Vec<Interaction>, CassetteError> = file
        .interactions
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            parse_interaction(value, parts)
                .map_err(|error| error.at(format_args!("interaction {}", index + 1)))
        })
        .collect();
    Cassette::from_templates(interactions?, variables)
}

fn check_format(value: &Value) -> Result<(), CassetteError> {
    let remedy = format!("its `format` would be \"{FORMAT}\"");
    match value.get("format") {
        Some(Value::String(format)) if format == FORMAT => Ok(()),
        Some(Value::String(format)) if format.starts_with(FAMILY) => {
            let remedy = "record it again, or read it with the version of this crate that wrote it";
            let message =
                format!("the format is \"{}\", this reads \"{FORMAT}\"; {remedy}", shortened(format));
            Err(CassetteError::new(CassetteErrorKind::Version, message))
        }
        Some(other) => {
            let message =
                format!("this is not a cassette: `format` is {}; {remedy}", shortened(&other.to_string()));
            Err(CassetteError::format(message))
        }
        None => Err(CassetteError::format(format!("this is not a cassette: {remedy}"))),
    }
}

fn parse_interaction(value: Value, parts: &dyn PartSource) -> Result<Interaction, CassetteError> {
    let file: FileInteraction = serde_json::from_value(value)
        .map_err(|error| CassetteError::format(error.to_string()).with_source(error))?;
    let request = parse_request(file.request, parts).map_err(|error| error.at("request"))?;
    let outcome = match (file.response, file.failure) {
        (Some(response), None) => {
            Outcome::Response(parse_response(response, parts).map_err(|error| error.at("response"))?)
        }
        (None, Some(failure)) => Outcome::Failure(parse_failure(failure)?),
        _ => return Err(CassetteError::format("one of `response` and `failure` is needed")),
    };
    if file.repeats == 0 {
        return Err(CassetteError::format("`repeats` is 0; it is 1 or more"));
    }
    let elapsed = Duration::from_millis(file.elapsed_ms);
    Ok(Interaction { request, outcome, repeats: file.repeats, elapsed })
}

fn parse_request(file: FileRequest, parts: &dyn PartSource) -> Result<CassetteRequest, CassetteError> {
    let method = Method::from_bytes(file.method.as_bytes())
        .map_err(|_| CassetteError::format(format!("`method` is \"{}\"", shortened(&file.method))))?;
    let origin = match file.origin.as_str() {
        "api" => Origin::Api,
        "storage" => Origin::Storage,
        other => {
            let message = format!("`origin` is \"{}\"; it is \"api\" or \"storage\"", shortened(other));
            return Err(CassetteError::format(message));
        }
    };
    let values = |values| match values {
        OneOrMany::One(value) => vec![value],
        OneOrMany::Many(values) => values,
    };
    let query = file.query.into_iter().map(|(name, all)| (name, values(all))).collect();
    let body = parse_body(file.body, parts)?;
    // The path is a template: it was brought into its one form before names were put into it.
    Ok(CassetteRequest { method, origin, path: file.path, query, headers: file.headers, body })
}

fn parse_response(file: FileResponse, parts: &dyn PartSource) -> Result<CassetteResponse, CassetteError> {
    let status = StatusCode::from_u16(file.status)
        .map_err(|_| CassetteError::format(format!("`status` is {}", file.status)))?;
    Ok(CassetteResponse { status, headers: file.headers, body: parse_body(file.body, parts)? })
}

fn parse_failure(file: FileFailure) -> Result<CassetteFailure, CassetteError> {
    let kind = KINDS.into_iter().find(|kind| kind.as_str() == file.kind).ok_or_else(|| {
        let known = KINDS.map(ErrorKind::as_str).join(", ");
        CassetteError::format(format!("failure: `kind` is \"{}\"; known: {known}", shortened(&file.kind)))
    })?;
    let FileFailure { message, ambiguous, given_up, .. } = file;
    Ok(CassetteFailure { kind, message, ambiguous, given_up })
}

fn parse_body(file: Option<FileBody>, parts: &dyn PartSource) -> Result<CassetteBody, CassetteError> {
    let Some(file) = file else { return Ok(CassetteBody::Empty) };
    match file {
        FileBody { json: Some(value), text: None, base64: None, file: None, bytes: None } => {
            Ok(CassetteBody::Json(value))
        }
        FileBody { json: None, text: Some(text), base64: None, file: None, bytes: None } => {
            Ok(CassetteBody::Text(text))
        }
        FileBody { json: None, text: None, base64: Some(encoded), file: None, bytes: None } => {
            let bytes = STANDARD.decode(encoded).map_err(|error| {
                CassetteError::format(format!("body: `base64`: {error}")).with_source(error)
            })?;
            Ok(CassetteBody::Binary(bytes.into()))
        }
        FileBody { json: None, text: None, base64: None, file: Some(name), bytes } => {
            let body = parts.read(&name)?;
            check_length(&name, &body, bytes)?;
            Ok(CassetteBody::Binary(body))
        }
        _ => Err(CassetteError::format(
            "body: one of `json`, `text`, `base64` and `file` (with `bytes`) is needed",
        )),
    }
}

fn check_length(name: &str, body: &Bytes, recorded: Option<usize>) -> Result<(), CassetteError> {
    match recorded {
        Some(recorded) if recorded != body.len() => {
            let message = format!("the body in `{name}` has {} bytes, `bytes` says {recorded}", body.len());
            Err(CassetteError::new(CassetteErrorKind::SideFile, message))
        }
        _ => Ok(()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The text of a cassette. Bodies that `parts` takes are left out of it.
pub(crate) fn write(cassette: &Cassette, parts: &mut dyn PartSink) -> Result<String, CassetteError> {
    let file = WrittenCassette {
        format: FORMAT,
        variables: cassette
            .variables()
            .iter()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
        interactions: cassette.interactions().iter().map(|one| written(one, parts)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).map_err(|error| {
        CassetteError::format(format!("it cannot be written: {error}")).with_source(error)
    })?;
    text.push('\n');
    Ok(text)
}

fn written(interaction: &Interaction, parts: &mut dyn PartSink) -> FileInteraction {
    let (response, failure) = match &interaction.outcome {
        Outcome::Response(response) => (Some(written_response(response, parts)), None),
        Outcome::Failure(failure) => (None, Some(written_failure(failure))),
    };
    FileInteraction {
        request: written_request(&interaction.request, parts),
        response,
        failure,
        repeats: interaction.repeats,
        elapsed_ms: u64::try_from(interaction.elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

fn written_request(request: &CassetteRequest, parts: &mut dyn PartSink) -> FileRequest {
    let values = |values: &Vec<String>| match values.as_slice() {
        [one] => OneOrMany::One(one.clone()),
        many => OneOrMany::Many(many.to_vec()),
    };
    let origin = match request.origin {
        Origin::Api => "api",
        Origin::Storage => "storage",
    };
    FileRequest {
        method: request.method.to_string(),
        origin: origin.to_owned(),
        path: request.path.clone(),
        query: request.query.iter().map(|(name, all)| (name.clone(), values(all))).collect(),
        headers: request.headers.clone(),
        body: written_body(&request.body, parts),
    }
}

fn written_response(response: &CassetteResponse, parts: &mut dyn PartSink) -> FileResponse {
    let CassetteResponse { status, headers, body } = response;
    FileResponse { status: status.as_u16(), headers: headers.clone(), body: written_body(body, parts) }
}

fn written_failure(failure: &CassetteFailure) -> FileFailure {
    let CassetteFailure { kind, message, ambiguous, given_up } = failure;
    let (kind, message) = (kind.as_str().to_owned(), message.clone());
    FileFailure { kind, message, ambiguous: *ambiguous, given_up: *given_up }
}

fn written_body(body: &CassetteBody, parts: &mut dyn PartSink) -> Option<FileBody> {
    let mut file = FileBody::default();
    match body {
        CassetteBody::Empty => return None,
        CassetteBody::Json(value) => file.json = Some(sorted(value)),
        CassetteBody::Text(text) => file.text = Some(text.clone()),
        CassetteBody::Binary(bytes) => match parts.keep(bytes) {
            Some(name) => (file.file, file.bytes) = (Some(name), Some(bytes.len())),
            None => file.base64 = Some(STANDARD.encode(bytes)),
        },
    }
    Some(file)
}

/// The members by name, whichever order the map of this build keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(sorted).collect(),
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            members
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}
