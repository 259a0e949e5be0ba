//! What a client asks of a statement: read, checked, and turned into values that cannot be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::api_error::ApiFailure;
use crate::engine::{EngineRequest, EngineResult, Parameter, ResultChunk};

/// The largest statement text, in bytes.
const STATEMENT_LIMIT: usize = 16 * 1024 * 1024;
/// The most parameters.
const PARAMETER_LIMIT: usize = 256;
/// The most query tags; more are cut off, as documented, and not refused.
const TAG_LIMIT: usize = 20;

/// The JSON body as sent. Fields that do not change the answer are not read.
#[derive(Debug, Deserialize)]
pub(crate) struct SubmitBody {
    statement: Option<String>,
    warehouse_id: Option<String>,
    session_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    disposition: Option<String>,
    format: Option<String>,
    wait_timeout: Option<String>,
    on_wait_timeout: Option<String>,
    result_compression: Option<String>,
    row_limit: Option<u64>,
    byte_limit: Option<u64>,
    #[serde(default)]
    parameters: Vec<SentParameter>,
    #[serde(default)]
    query_tags: Vec<SentTag>,
}

#[derive(Debug, Deserialize)]
struct SentTag {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SentParameter {
    name: Option<String>,
    ordinal: Option<u32>,
    #[serde(rename = "type")]
    sql_type: Option<String>,
    value: Option<String>,
}

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct StatementSpec {
    pub(super) engine: EngineRequest,
    pub(super) delivery: Delivery,
    pub(super) wait: WaitPolicy,
}

/// How the result is to be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) disposition: Disposition,
    pub(super) format: Format,
    pub(super) lz4: bool,
    pub(super) byte_limit: Option<u64>,
}

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    Inline,
    ExternalLinks,
    InlineOrExternalLinks,
}

/// What the rows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    JsonArray,
    ArrowStream,
    Csv,
}

/// How long the call waits for the statement, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitPolicy {
    pub(super) timeout: Duration,
    pub(super) cancel_on_timeout: bool,
}

/// Catalog, schema and configuration of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) confs: BTreeMap<String, String>,
}

impl SubmitBody {
    /// The warehouse, which must be named.
    pub(super) fn warehouse_id(&self) -> Result<&str, ApiFailure> {
        let id = self.warehouse_id.as_deref().filter(|id| !id.is_empty());
        id.ok_or_else(|| ApiFailure::invalid("warehouse_id is required: name the SQL warehouse to run on."))
    }

    pub(super) fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref().filter(|id| !id.is_empty())
    }

    /// Checks everything that is left. The statement's own catalog and schema win over the session's.
    pub(super) fn into_spec(self, user: &str, defaults: Defaults) -> Result<StatementSpec, ApiFailure> {
        let delivery = self.delivery()?;
        let wait = self.wait_policy()?;
        let statement = check_statement(self.statement)?;
        let engine = EngineRequest {
            statement,
            catalog: self.catalog.filter(|name| !name.is_empty()).or(defaults.catalog),
            schema: self.schema.filter(|name| !name.is_empty()).or(defaults.schema),
            parameters: check_parameters(self.parameters)?,
            row_limit: self.row_limit,
            user: user.to_owned(),
            session_confs: defaults.confs,
            query_tags: check_tags(self.query_tags)?,
            ..EngineRequest::default()
        };
        Ok(StatementSpec { engine, delivery, wait })
    }

    fn delivery(&self) -> Result<Delivery, ApiFailure> {
        let disposition = match self.disposition.as_deref().unwrap_or("INLINE") {
            "INLINE" => Disposition::Inline,
            "EXTERNAL_LINKS" => Disposition::ExternalLinks,
            "INLINE_OR_EXTERNAL_LINKS" => Disposition::InlineOrExternalLinks,
            other => return Err(not_one_of("disposition", other, "INLINE, EXTERNAL_LINKS")),
        };
        let format = match self.format.as_deref().unwrap_or("JSON_ARRAY") {
            "JSON_ARRAY" => Format::JsonArray,
            "ARROW_STREAM" => Format::ArrowStream,
            "CSV" => Format::Csv,
            other => return Err(not_one_of("format", other, "JSON_ARRAY, ARROW_STREAM, CSV")),
        };
        if disposition == Disposition::Inline && format != Format::JsonArray {
            let name = self.format.as_deref().unwrap_or_default();
            return Err(ApiFailure::invalid(format!(
                "The format {name} needs disposition=EXTERNAL_LINKS; INLINE gives JSON_ARRAY only."
            )));
        }
        let lz4 = match self.result_compression.as_deref().unwrap_or("NONE") {
            "NONE" => false,
            // Inline rows are never compressed, though drivers ask for it.
            "LZ4_FRAME" => disposition != Disposition::Inline,
            other => return Err(not_one_of("result_compression", other, "NONE, LZ4_FRAME")),
        };
        Ok(Delivery { disposition, format, lz4, byte_limit: self.byte_limit })
    }

    fn wait_policy(&self) -> Result<WaitPolicy, ApiFailure> {
        let cancel_on_timeout = match self.on_wait_timeout.as_deref().unwrap_or("CONTINUE") {
            "CONTINUE" => false,
            "CANCEL" => true,
            other => return Err(not_one_of("on_wait_timeout", other, "CONTINUE, CANCEL")),
        };
        let timeout = parse_wait_timeout(self.wait_timeout.as_deref().unwrap_or("10s"))?;
        Ok(WaitPolicy { timeout, cancel_on_timeout })
    }
}

impl Delivery {
    /// Cuts a result to the byte limit, by rows where the chunk can be cut. Rows are taken to be of one size.
    pub(super) fn limit(&self, mut result: EngineResult) -> EngineResult {
        let Some(limit) = self.byte_limit else { return result };
        let mut left = limit;
        let fits = |chunk: &&Arc<dyn ResultChunk>| {
            let rest = left.checked_sub(chunk.byte_count());
            left = rest.unwrap_or(left);
            rest.is_some()
        };
        let whole = result.chunks.iter().take_while(fits).count();
        if let Some(cut) = result.chunks.get(whole) {
            let head = first_bytes(cut.as_ref(), left);
            result.truncated = true;
            result.chunks.truncate(whole);
            result.chunks.extend(head);
        }
        result
    }
}

/// The first rows of a chunk that fit, where there are any and it can be cut.
fn first_bytes(chunk: &dyn ResultChunk, bytes: u64) -> Option<Arc<dyn ResultChunk>> {
    let rows = u128::from(chunk.row_count()) * u128::from(bytes) / u128::from(chunk.byte_count().max(1));
    let rows = u64::try_from(rows).ok().filter(|rows| *rows > 0)?;
    chunk.first_rows(rows)
}

/// `0s`, or 5 to 50 seconds.
fn parse_wait_timeout(text: &str) -> Result<Duration, ApiFailure> {
    let digits = text.strip_suffix('s').filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
    let seconds: Option<u64> = digits.and_then(|number| number.parse().ok());
    match seconds {
        Some(seconds @ (0 | 5..=50)) => Ok(Duration::from_secs(seconds)),
        _ => Err(ApiFailure::invalid(format!(
            "wait_timeout '{text}' is not valid: it is 0s, or between 5s and 50s."
        ))),
    }
}

fn check_statement(statement: Option<String>) -> Result<String, ApiFailure> {
    let statement = statement.filter(|text| !text.trim().is_empty());
    let statement = statement
        .ok_or_else(|| ApiFailure::invalid("statement is required: it holds the SQL text to run."))?;
    if statement.len() > STATEMENT_LIMIT {
        let size = statement.len();
        let message = format!("The statement has {size} bytes; at most {STATEMENT_LIMIT} are allowed.");
        return Err(ApiFailure::invalid(message));
    }
    Ok(statement)
}

/// The first tags, the last value of each key. White space counts as no value.
fn check_tags(sent: Vec<SentTag>) -> Result<Vec<(String, Option<String>)>, ApiFailure> {
    let mut tags = IndexMap::new();
    for (position, SentTag { key, value }) in sent.into_iter().take(TAG_LIMIT).enumerate() {
        let key = key.filter(|key| !key.trim().is_empty()).ok_or_else(|| {
            ApiFailure::invalid(format!("Query tag {} has no key: a key is not empty.", position + 1))
        })?;
        tags.insert(key, value.filter(|value| !value.trim().is_empty()));
    }
    Ok(tags.into_iter().collect())
}

fn check_parameters(sent: Vec<SentParameter>) -> Result<Vec<Parameter>, ApiFailure> {
    if sent.len() > PARAMETER_LIMIT {
        return Err(ApiFailure::invalid(format!(
            "{} parameters were sent; at most {PARAMETER_LIMIT} are allowed.",
            sent.len()
        )));
    }
    let mut position = 0;
    sent.into_iter().map(|sent| check_parameter(sent, &mut position)).collect()
}

/// `position` is that of the last positional parameter. One with neither name nor ordinal, as drivers send them,
/// takes the next.
fn check_parameter(sent: SentParameter, position: &mut u32) -> Result<Parameter, ApiFailure> {
    let SentParameter { name, ordinal, sql_type, value } = sent;
    let name = name.filter(|name| !name.is_empty());
    let ordinal = match (&name, ordinal) {
        (None, None) => Some(position.saturating_add(1)),
        (_, ordinal) => ordinal,
    };
    let label = match (&name, ordinal) {
        (Some(name), None) => format!("'{name}'"),
        (None, Some(ordinal)) if ordinal > 0 => {
            *position = ordinal;
            format!("{ordinal}")
        }
        _ => return Err(ApiFailure::invalid("A parameter has either a name or an ordinal counted from 1.")),
    };
    let sql_type = sql_type.filter(|text| !text.is_empty()).unwrap_or_else(|| "STRING".to_owned());
    if !is_parameter_type(&sql_type) {
        let rule = "parameters take scalar types such as STRING, INT, DECIMAL(p,s), DATE or TIMESTAMP";
        return Err(ApiFailure::invalid(format!(
            "Parameter {label} has the type '{sql_type}', which is not supported: {rule}."
        )));
    }
    Ok(Parameter { name, ordinal, sql_type: Some(sql_type), value })
}

/// Whether parameters may have this type: no ARRAY, MAP or STRUCT.
fn is_parameter_type(text: &str) -> bool {
    let upper = text.trim().to_ascii_uppercase();
    match upper.split_once(['(', ' ']) {
        Some(("DECIMAL" | "DEC" | "NUMERIC", rest)) => is_decimal_arguments(rest),
        Some(("CHAR" | "VARCHAR", rest)) => rest.trim().trim_end_matches(')').trim().parse::<u32>().is_ok(),
        Some(("INTERVAL", _)) => true,
        Some(_) => false,
        None => matches!(
            upper.as_str(),
            "STRING"
                | "TINYINT"
                | "BYTE"
                | "SMALLINT"
                | "SHORT"
                | "INT"
                | "INTEGER"
                | "BIGINT"
                | "LONG"
                | "FLOAT"
                | "REAL"
                | "DOUBLE"
                | "DECIMAL"
                | "DEC"
                | "NUMERIC"
                | "BOOLEAN"
                | "DATE"
                | "TIMESTAMP"
                | "TIMESTAMP_NTZ"
                | "BINARY"
                | "VOID"
        ),
    }
}

fn is_decimal_arguments(text: &str) -> bool {
    let Some(inner) = text.trim().trim_start_matches('(').strip_suffix(')') else { return false };
    let numbers: Option<Vec<u8>> = inner.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some([precision]) => (1..=38).contains(precision),
        Some([precision, scale]) => (1..=38).contains(precision) && scale <= precision,
        _ => false,
    }
}

fn not_one_of(field: &str, value: &str, allowed: &str) -> ApiFailure {
    ApiFailure::invalid(format!("{field} '{value}' is not valid: it is one of {allowed}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::{Value, json};

    fn spec(body: Value) -> Result<StatementSpec, String> {
        let body: SubmitBody = serde_json::from_value(body).unwrap();
        let defaults = Defaults {
            catalog: Some("session_catalog".to_owned()),
            schema: Some("session_schema".to_owned()),
            confs: BTreeMap::new(),
        };
        body.into_spec("ada", defaults)
            .map_err(|failure| failure.body()["message"].as_str().unwrap().to_owned())
    }

    #[test]
    fn what_is_not_said_has_the_documented_default() {
        let spec = spec(json!({ "statement": "SELECT 1", "catalog": "mine" })).unwrap();
        let inline = Delivery {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            byte_limit: None,
        };
        assert_eq!(spec.delivery, inline);
        assert_eq!(spec.wait, WaitPolicy { timeout: Duration::from_secs(10), cancel_on_timeout: false });
        assert_eq!(spec.engine.catalog.as_deref(), Some("mine"));
        assert_eq!(spec.engine.schema.as_deref(), Some("session_schema"));
    }

    #[test]
    fn bad_requests_name_the_field_the_value_and_the_remedy() {
        let bad = [
            json!({ "statement": " " }),
            json!({ "statement": "x", "wait_timeout": "3s" }),
            json!({ "statement": "x", "wait_timeout": "51s" }),
            json!({ "statement": "x", "wait_timeout": "10" }),
            json!({ "statement": "x", "on_wait_timeout": "STOP" }),
            json!({ "statement": "x", "disposition": "LINKS" }),
            json!({ "statement": "x", "format": "PARQUET" }),
            json!({ "statement": "x", "format": "CSV" }),
            json!({ "statement": "x", "format": "ARROW_STREAM" }),
            json!({ "statement": "x", "result_compression": "ZSTD" }),
            json!({ "statement": "x", "parameters": [{ "name": "a", "type": "ARRAY<INT>" }] }),
            json!({ "statement": "x", "parameters": [{ "ordinal": 2, "type": "DECIMAL(40,2)" }] }),
            json!({ "statement": "x", "parameters": [{ "name": "a", "ordinal": 1 }] }),
            json!({ "statement": "x", "parameters": vec![json!({ "name": "a" }); 257] }),
            json!({ "statement": "x", "query_tags": [{ "key": "team" }, { "key": " ", "value": "x" }] }),
        ];
        let messages: Vec<String> = bad.into_iter().map(|body| spec(body).unwrap_err()).collect();
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn query_tags_past_the_twentieth_are_cut_off_and_the_last_value_of_a_key_stands() {
        let mut tags = vec![json!({ "key": "team", "value": "a" }), json!({ "key": "team", "value": "b" })];
        tags.push(json!({ "key": "alone", "value": " " }));
        tags.extend((0..30).map(|n| json!({ "key": format!("k{n}") })));
        let tags = spec(json!({ "statement": "x", "query_tags": tags })).unwrap().engine.query_tags;
        assert_eq!(tags.len(), 19);
        assert_eq!(tags[0], ("team".to_owned(), Some("b".to_owned())));
        assert_eq!(tags[1], ("alone".to_owned(), None));
    }

    #[test]
    fn a_wait_timeout_is_digits_and_an_s() {
        for text in ["+5s", "-0s", " 5s", "5", "5.0s", "s", "4s", "51s"] {
            assert!(parse_wait_timeout(text).is_err(), "{text}");
        }
        assert_eq!(parse_wait_timeout("50s").unwrap(), Duration::from_secs(50));
    }

    #[test]
    fn a_statement_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        assert!(check_statement(Some("x".repeat(STATEMENT_LIMIT))).is_ok());
        assert!(check_statement(Some("x".repeat(STATEMENT_LIMIT + 1))).is_err());
    }

    #[test]
    fn parameters_with_neither_name_nor_ordinal_take_the_next_position() {
        let body = json!({ "statement": "x", "parameters": [
            { "type": "INT", "value": "3" },
            { "name": "", "value": "b" },
            { "ordinal": 4, "value": "d" },
            { "name": null, "value": "e" },
        ]});
        let parameters = spec(body).unwrap().engine.parameters;
        let placed: Vec<_> = parameters.iter().map(|sent| (sent.name.as_deref(), sent.ordinal)).collect();
        assert_eq!(placed, [(None, Some(1)), (None, Some(2)), (None, Some(4)), (None, Some(5))]);
    }

    #[test]
    fn recorded_parameters_are_taken() {
        let body = json!({ "statement": "x", "parameters": [
            { "ordinal": 1, "type": "INT", "value": "3" },
            { "ordinal": 2, "type": "DECIMAL(5,2)", "value": "123.45" },
            { "ordinal": 3, "type": "STRING" },
            { "name": "n", "value": "text" },
        ]});
        let parameters = spec(body).unwrap().engine.parameters;
        assert_eq!(parameters[1].sql_type.as_deref(), Some("DECIMAL(5,2)"));
        assert_eq!(parameters[2].value, None);
        assert_eq!(
            (parameters[3].name.as_deref(), parameters[3].sql_type.as_deref()),
            (Some("n"), Some("STRING"))
        );
    }
}
