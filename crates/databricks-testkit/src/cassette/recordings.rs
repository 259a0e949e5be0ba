//! Exchanges that others recorded, as a cassette: JSON lines whose order says little.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use databricks_transport::ErrorKind;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;

use super::body::CassetteBody;
use super::cassette::Cassette;
use super::error::CassetteError;
use super::interaction::{
    CassetteFailure, CassetteRequest, CassetteResponse, Interaction, Outcome, canonical_path,
};
use super::player::journal;
use super::sanitize::Sanitizers;
use super::texts;
use super::variables::Variables;
use super::variables::ids::random_ids;
use crate::request_log::Origin;

/// One line. Members that are not known are refused: they could say what must not be lost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    kind: Kind,
    method: String,
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    request: Option<Value>,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    body_missing: bool,
    #[serde(default)]
    scenario: Option<Scenario>,
    #[serde(default)]
    insertion: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Api,
    Storage,
}

/// Name, the state in which this is the answer, the state that it leads to.
#[derive(Deserialize)]
struct Scenario(String, #[serde(default)] Option<String>, #[serde(default)] Option<String>);

/// A line read, with what orders it.
struct Recorded {
    interaction: Interaction,
    scenario: Option<Scenario>,
    insertion: i64,
}

pub(crate) fn convert(jsonl: &str) -> Result<Cassette, CassetteError> {
    let mut recorded = Vec::new();
    for (index, line) in jsonl.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        recorded.push(read(line).map_err(|error| error.at(format_args!("line {}", index + 1)))?);
    }
    let order = in_order(&recorded);
    let mut lines: Vec<Option<Recorded>> = recorded.into_iter().map(Some).collect();
    let in_turn = order.into_iter().filter_map(|index| lines.get_mut(index)?.take());
    let sanitizers = Sanitizers::default();
    let exchanges = (0_u64..).step_by(2).zip(in_turn).map(|(moment, line)| {
        let mut interaction = line.interaction;
        sanitizers.sanitize(&mut interaction);
        one_at_a_time(moment, interaction)
    });
    Cassette::assemble(journal::interactions(exchanges.collect()), &Variables::new())
}

/// An exchange that ended before the next one began.
fn one_at_a_time(moment: u64, interaction: Interaction) -> journal::Exchange {
    let Interaction { request, outcome, elapsed, .. } = interaction;
    journal::Exchange { started: moment, ended: moment + 1, request, outcome, elapsed, from_network: true }
}

fn read(line: &str) -> Result<Recorded, CassetteError> {
    let exact = CassetteBody::from_bytes(Bytes::copy_from_slice(line.as_bytes()), Some("application/json"));
    let exchange: Exchange = serde_json::from_str(line).map_err(|error| {
        CassetteError::format(format!("this is no recorded exchange: {error}")).with_source(error)
    })?;
    if exact.as_json().is_none() {
        let problem = "a number has more digits than can be kept, or a name occurs twice";
        return Err(CassetteError::format(format!("{problem}; put the body into `body_base64`")));
    }
    let request = request_of(&exchange)?;
    let outcome = match exchange.body_missing {
        true => Outcome::Failure(missing(&request)),
        false => Outcome::Response(response_of(&exchange)?),
    };
    let interaction = Interaction::new(request, outcome);
    Ok(Recorded { interaction, scenario: exchange.scenario, insertion: exchange.insertion })
}

fn request_of(exchange: &Exchange) -> Result<CassetteRequest, CassetteError> {
    let bad = |what: &str, value: &str| CassetteError::format(format!("`{what}` is {value:?}"));
    let method =
        Method::from_bytes(exchange.method.as_bytes()).map_err(|_| bad("method", &exchange.method))?;
    let (origin, path) = match exchange.kind {
        // The recorded driver ends some paths of the API with a slash; it is the same path.
        Kind::Api if exchange.path.len() > 1 => (Origin::Api, exchange.path.trim_end_matches('/')),
        Kind::Api => (Origin::Api, exchange.path.as_str()),
        Kind::Storage => (Origin::Storage, exchange.path.as_str()),
    };
    let uri = match exchange.query.as_str() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let uri: Uri = uri.parse().map_err(|_| bad("path", &exchange.path))?;
    let mut headers = HeaderMap::new();
    let body = exchange.request.clone().filter(|body| !body.is_null());
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut request = CassetteRequest::from_http(&method, &uri, &headers, origin, Bytes::new());
    request.body = body.map_or(CassetteBody::Empty, CassetteBody::Json);
    Ok(request)
}

fn response_of(exchange: &Exchange) -> Result<CassetteResponse, CassetteError> {
    let status = StatusCode::from_u16(exchange.status)
        .map_err(|_| CassetteError::format(format!("`status` is {}", exchange.status)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &exchange.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
            return Err(CassetteError::format("`headers` hold a name or a value that no header can have"));
        };
        headers.append(name, value);
    }
    let mut response = CassetteResponse::from_http(status, &headers, Bytes::new());
    response.body = match (&exchange.body, &exchange.body_base64) {
        (None, None) => CassetteBody::Empty,
        (Some(Value::String(text)), None) => text_body(text),
        (Some(value), None) => CassetteBody::Json(value.clone()),
        (None, Some(encoded)) => CassetteBody::Binary(decode(encoded)?),
        (Some(_), Some(_)) => {
            return Err(CassetteError::format("`body` and `body_base64` are both there; one is needed"));
        }
    };
    Ok(response)
}

fn text_body(text: &str) -> CassetteBody {
    if text.is_empty() { CassetteBody::Empty } else { CassetteBody::Text(text.to_owned()) }
}

fn decode(encoded: &str) -> Result<Bytes, CassetteError> {
    let decoded = STANDARD.decode(encoded);
    let bytes = decoded
        .map_err(|error| CassetteError::format(format!("`body_base64`: {error}")).with_source(error))?;
    Ok(bytes.into())
}

/// Of a kind that no client tries again, or asks for in other words: the message has to reach the test.
fn missing(request: &CassetteRequest) -> CassetteFailure {
    let message = format!("the recording does not have the body of {} {}", request.method, request.path);
    CassetteFailure::new(ErrorKind::Config, message)
}

/// The lines in an order in which they can have happened: what made an id, a link or a state before what uses it;
/// else the highest `insertion` first.
fn in_order(recorded: &[Recorded]) -> Vec<usize> {
    let ranks = ranks(recorded);
    let mut waits_for: Vec<usize> = vec![0; recorded.len()];
    let mut leads_to: HashMap<usize, Vec<usize>> = HashMap::new();
    for (before, after) in edges(recorded) {
        leads_to.entry(before).or_default().push(after);
        waits_for.get_mut(after).into_iter().for_each(|count| *count += 1);
    }
    let rank = |index: usize| ranks.get(index).copied().unwrap_or_default();
    let mut waiting: BTreeSet<_> = (0..recorded.len()).map(|index| (rank(index), index)).collect();
    let mut ready: BTreeSet<_> =
        waiting.iter().copied().filter(|(_, index)| waits_for.get(*index) == Some(&0)).collect();
    let mut order = Vec::new();
    // Lines that wait for each other have no right order: the first of them by rank goes first.
    while let Some(next) = ready.pop_first().or_else(|| waiting.first().copied()) {
        if !waiting.remove(&next) {
            continue;
        }
        order.push(next.1);
        for after in leads_to.remove(&next.1).unwrap_or_default() {
            if let Some(count) = waits_for.get_mut(after) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert((rank(after), after));
                }
            }
        }
    }
    order
}

/// A download ranks directly behind the answer with its link.
type Rank = (i64, u8, i64);

fn ranks(recorded: &[Recorded]) -> Vec<Rank> {
    let links = links(recorded);
    let rank = |line: &Recorded| match line.interaction.request.origin {
        Origin::Api => (line.insertion.saturating_neg(), 0, 0),
        Origin::Storage => {
            let link = links.get(&line.interaction.request.path).and_then(|index| recorded.get(*index));
            let behind = link.map_or(i64::MAX, |link| link.insertion.saturating_neg());
            (behind, 1, line.insertion.saturating_neg())
        }
    };
    recorded.iter().map(rank).collect()
}

/// Which line must come before which.
fn edges(recorded: &[Recorded]) -> BTreeSet<(usize, usize)> {
    let (links, makers, states) = (links(recorded), makers(recorded), states(recorded));
    let mut edges = BTreeSet::new();
    for (index, line) in recorded.iter().enumerate() {
        let request = &line.interaction.request;
        if request.origin == Origin::Storage {
            edges.extend(links.get(&request.path).map(|link| (*link, index)));
        }
        edges.extend(ids_of(request).iter().filter_map(|id| makers.get(id)).map(|maker| (*maker, index)));
        if let Some(Scenario(name, Some(required), _)) = &line.scenario {
            let before = states.get(&(name.as_str(), required.as_str())).into_iter().flatten();
            edges.extend(before.map(|before| (*before, index)));
        }
    }
    edges.retain(|(before, after)| before != after);
    edges
}

/// The lines that lead to a state of a scenario.
fn states(recorded: &[Recorded]) -> HashMap<(&str, &str), Vec<usize>> {
    let mut states: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, line) in recorded.iter().enumerate() {
        if let Some(Scenario(name, _, Some(after))) = &line.scenario {
            states.entry((name.as_str(), after.as_str())).or_default().push(index);
        }
    }
    states
}

/// The line whose answer is the first to show an id.
fn makers(recorded: &[Recorded]) -> HashMap<String, usize> {
    let mut makers = HashMap::new();
    for (index, line) in recorded.iter().enumerate() {
        let Some(body) = line.interaction.response().and_then(|response| response.body.as_json()) else {
            continue;
        };
        let asked = ids_of(&line.interaction.request);
        for key in ["statement_id", "session_id"] {
            let id = body.get(key).and_then(Value::as_str).map(str::to_owned);
            if let Some(id) = id.filter(|id| !asked.contains(id)) {
                makers.entry(id).or_insert(index);
            }
        }
    }
    makers
}

fn ids_of(request: &CassetteRequest) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    texts::of_request(request, &mut |_, text| {
        ids.extend(random_ids(text).into_iter().filter_map(|range| Some(text.get(range)?.to_owned())));
    });
    ids
}

/// The line whose answer has the link to an object, by the path of the object.
fn links(recorded: &[Recorded]) -> HashMap<String, usize> {
    let mut links = HashMap::new();
    for (index, line) in recorded.iter().enumerate() {
        let Some(response) = line.interaction.response() else { continue };
        texts::of_response(response, &mut |_, text| {
            let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let path = address.and_then(|address| address.get(address.find('/')?..));
            if let Some(path) = path.and_then(|path| path.split('?').next()) {
                links.entry(canonical_path(path)).or_insert(index);
            }
        });
    }
    links
}
