//! Whether a simulated workspace still answers as the recorded one did.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use databricks_transport::{Body, Error};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use serde_json::Value;
use tower::{Service, ServiceExt};

use super::body::CassetteBody;
use super::cassette::Cassette;
use super::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome, canonical_path};
use super::player::difference::{json_changes, text_change};
use super::player::journal::is_under_way;
use super::sanitize::Sanitizers;
use super::variables::Variables;
use super::variables::bindings::Bindings;
use super::variables::ids::is_like;
use super::variables::template::sole_variable;
use crate::request_log::Origin;
use crate::workspace::SimulatedWorkspace;

/// How often something under way is asked for again, and how long between.
const POLLS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(100);
/// The largest answer that is compared.
const LIMIT: usize = 256 * 1024 * 1024;
/// Members that hold links, times or sizes of an encoding: they say nothing about how a workspace behaves.
const VOLATILE: [&str; 10] = [
    "attachment",
    "byte_count",
    "created_at",
    "end_time",
    "expiration",
    "external_link",
    "http_headers",
    "start_time",
    "total_byte_count",
    "updated_at",
];

/// How a cassette is compared with a simulator.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyOptions {
    token: String,
    ignored: Vec<String>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { token: SimulatedWorkspace::DEFAULT_TOKEN.to_owned(), ignored: Vec::new() }
    }
}

impl VerifyOptions {
    /// The default token, and everything compared but links, instants, ids, and sizes of encodings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that the simulator takes.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// A JSON pointer in answers that does not count, with everything below it.
    pub fn with_ignored_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.ignored.push(pointer.into());
        self
    }
}

/// Where the answers of a simulator differ from the recorded ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The differences, in recorded order.
    pub differences: Vec<Difference>,
    /// How many answers were compared.
    pub compared: usize,
    /// How many were not: the request was refused for load, failed for a passing reason, or got no answer at all.
    pub skipped: usize,
}

/// One place where an answer differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The number of the interaction, from 1.
    pub interaction: usize,
    /// Method and path of its request.
    pub request: String,
    /// Where: `status`, `body`, or a JSON pointer into the body.
    pub place: String,
    /// What is recorded there; `(nothing)` when it is not there.
    pub recorded: String,
    /// What the simulator has there.
    pub simulated: String,
}

impl Drift {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { differences, compared, skipped } = self;
        write!(f, "{} differences in {compared} answers ({skipped} not compared)", differences.len())?;
        for difference in differences {
            write!(f, "\n{difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interaction, request, place, recorded, simulated } = self;
        write!(
            f,
            "interaction {interaction}, {request}: {place}\n  recorded:  {recorded}\n  simulated: {simulated}"
        )
    }
}

impl Cassette {
    /// Sends each recorded request, in order, to a simulator (or any leaf) and lists where its answers differ from
    /// the recorded ones: in status, in the shape of the body, in its values.
    ///
    /// Ids of the simulator take the place of the recorded ones in the requests that follow, and its links that of
    /// the recorded links. What was under way is asked for until it has ended.
    ///
    /// ```
    /// use databricks_testkit::{Cassette, SimulatedWorkspace, VerifyOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), databricks_testkit::CassetteError> {
    /// let cassette = Cassette::from_json(
    ///     r#"{"format": "databricks-cassette/1", "variables": {}, "interactions": [{
    ///       "request": {"method": "GET", "origin": "api", "path": "/api/2.1/unity-catalog/catalogs/none"},
    ///       "response": {"status": 404, "headers": {}}
    ///     }]}"#,
    /// )?;
    /// let simulator = SimulatedWorkspace::builder().build();
    /// let drift = cassette.verify(simulator.service(), &VerifyOptions::new()).await;
    /// assert_eq!(drift.compared, 1);
    /// # Ok(()) }
    /// ```
    pub async fn verify<S>(&self, service: S, options: &VerifyOptions) -> Drift
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone,
    {
        let mut verifier = Verifier::new(self, options);
        for (index, interaction) in self.interactions().iter().enumerate() {
            verifier.check(index + 1, interaction, &service).await;
        }
        verifier.drift
    }
}

struct Verifier<'a> {
    options: &'a VerifyOptions,
    recorded: &'a Variables,
    /// The simulator's values of the variables it has shown.
    found: Variables,
    /// The simulator's link for each recorded one, by path.
    links: HashMap<String, Link>,
    sanitizers: Sanitizers,
    drift: Drift,
}

#[derive(Clone)]
struct Link {
    url: String,
    headers: Vec<(String, String)>,
}

impl<'a> Verifier<'a> {
    fn new(cassette: &'a Cassette, options: &'a VerifyOptions) -> Self {
        Self {
            options,
            recorded: cassette.variables(),
            found: Variables::new(),
            links: HashMap::new(),
            sanitizers: Sanitizers::default().with_workspace_host(SimulatedWorkspace::HOST),
            drift: Drift::default(),
        }
    }

    async fn check<S>(&mut self, number: usize, interaction: &Interaction, service: &S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone,
    {
        let expected = match &interaction.outcome {
            Outcome::Response(response) if !is_passing(response.status) => response,
            _ => {
                self.drift.skipped += 1;
                return;
            }
        };
        let request = self.bindings().fill_request(&interaction.request);
        let title = format!("{} {}", request.method, interaction.request.path);
        let mut differ = |place: &str, recorded: String, simulated: String| Difference {
            interaction: number,
            request: title.clone(),
            place: place.to_owned(),
            recorded,
            simulated,
        };
        self.drift.compared += 1;
        match self.ask(&request, !is_under_way(&expected.body), service).await {
            Err(problem) => {
                let recorded = format!("an answer of {}", expected.status);
                self.drift.differences.push(differ("answer", recorded, problem));
            }
            Ok(answer) => {
                let differences = self.compare(expected, &request, answer, &mut differ);
                self.drift.differences.extend(differences);
            }
        }
    }

    fn bindings(&self) -> Bindings {
        Bindings::new(self.recorded, &self.found)
    }

    /// The simulator's answer; of what is under way, when `to_the_end`, the one at the end.
    async fn ask<S>(
        &self,
        request: &CassetteRequest,
        to_the_end: bool,
        service: &S,
    ) -> Result<CassetteResponse, String>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone,
    {
        let polls = if to_the_end && request.method.is_safe() { POLLS } else { 1 };
        let mut answer = self.ask_once(request, service).await?;
        for _ in 1..polls {
            if !is_under_way(&answer.body) {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            answer = self.ask_once(request, service).await?;
        }
        Ok(answer)
    }

    async fn ask_once<S>(&self, request: &CassetteRequest, service: &S) -> Result<CassetteResponse, String>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone,
    {
        let sent = self.to_http(request)?;
        let answer = service.clone().oneshot(sent).await.map_err(|error| format!("no answer: {error}"))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect(LIMIT).await.map_err(|error| format!("an answer cut short: {error}"))?;
        Ok(CassetteResponse::from_http(parts.status, &parts.headers, body))
    }

    fn to_http(&self, request: &CassetteRequest) -> Result<Request<Body>, String> {
        let link = self.links.get(&request.path).filter(|_| request.origin == Origin::Storage);
        let url = match link {
            Some(link) => link.url.clone(),
            None => format!("{}{}", SimulatedWorkspace::HOST, request.path_and_query()),
        };
        let url: Uri = url.parse().map_err(|_| "no request: the path cannot be sent".to_owned())?;
        let mut sent = Request::new(Body::from_bytes(request.body.to_bytes()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = url;
        let of_link =
            link.into_iter().flat_map(|link| link.headers.iter().map(|(name, value)| (name, value)));
        for (name, value) in request.headers.iter().chain(of_link) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                sent.headers_mut().insert(name, value);
            }
        }
        if request.origin == Origin::Api {
            let value = HeaderValue::try_from(format!("Bearer {}", self.options.token));
            let value = value.map_err(|_| "no request: the token cannot be sent".to_owned())?;
            sent.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(sent)
    }

    fn compare(
        &mut self,
        expected: &CassetteResponse,
        request: &CassetteRequest,
        answer: CassetteResponse,
        differ: &mut dyn FnMut(&str, String, String) -> Difference,
    ) -> Vec<Difference> {
        if let (CassetteBody::Json(template), CassetteBody::Json(body)) = (&expected.body, &answer.body) {
            self.learn(template, body);
        }
        let mut differences = Vec::new();
        if expected.status != answer.status {
            differences.push(differ("status", expected.status.to_string(), answer.status.to_string()));
        }
        let mut answer = answer;
        self.sanitizers.sanitize_response(request, &mut answer);
        let expected = self.bindings().fill_response(expected);
        match (&expected.body, &answer.body) {
            // Somebody else's pace is no difference.
            (recorded, _) if is_under_way(recorded) => {}
            (CassetteBody::Json(recorded), CassetteBody::Json(simulated)) => {
                differences.extend(self.json_differences(recorded, simulated, differ));
            }
            (CassetteBody::Text(a), CassetteBody::Text(b)) if a != b => {
                let change = text_change("body", a, b);
                let (a, b) = (change.left.unwrap_or_default(), change.right.unwrap_or_default());
                differences.push(differ("body", a, b));
            }
            (a, b) if kind(a) != kind(b) => differences.push(differ("body", kind(a).into(), kind(b).into())),
            _ => {}
        }
        differences
    }

    fn json_differences(
        &self,
        recorded: &Value,
        simulated: &Value,
        differ: &mut dyn FnMut(&str, String, String) -> Difference,
    ) -> Vec<Difference> {
        let mut same = |pointer: &str, a: &Value, b: &Value| {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let below = |ignored: &String| {
                pointer
                    .strip_prefix(ignored.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            VOLATILE.contains(&name) || self.options.ignored.iter().any(below) || alike(a, b)
        };
        let shown = |side: Option<String>| side.unwrap_or_else(|| "(nothing)".to_owned());
        let changes = json_changes(recorded, simulated, &mut same).into_iter();
        changes.map(|change| differ(&change.place, shown(change.left), shown(change.right))).collect()
    }

    /// Finds the simulator's values of variables, and its links, where the recorded answer has them.
    fn learn(&mut self, template: &Value, body: &Value) {
        match (template, body) {
            (Value::Object(templates), Value::Object(members)) => {
                self.learn_link(templates, members);
                for (name, template) in templates {
                    members.get(name).into_iter().for_each(|value| self.learn(template, value));
                }
            }
            (Value::Array(templates), Value::Array(values)) => {
                templates.iter().zip(values).for_each(|(template, value)| self.learn(template, value));
            }
            (Value::String(text), Value::String(_) | Value::Number(_)) => {
                if let Some(name) = sole_variable(text).filter(|name| self.found.get(name).is_none()) {
                    // A value that cannot stand for a variable leaves the recorded one in its place.
                    let _ = self.found.insert(name, body.clone());
                }
            }
            _ => {}
        }
    }

    fn learn_link(
        &mut self,
        templates: &serde_json::Map<String, Value>,
        members: &serde_json::Map<String, Value>,
    ) {
        let text = |members: &serde_json::Map<String, Value>| {
            members.get("external_link").and_then(Value::as_str).map(str::to_owned)
        };
        let (Some(recorded), Some(url)) = (text(templates), text(members)) else { return };
        // The request for it is filled with the same values.
        templates
            .iter()
            .for_each(|(name, template)| members.get(name).into_iter().for_each(|v| self.learn(template, v)));
        let recorded = self.bindings().fill_text(&recorded);
        let Ok(recorded) = recorded.parse::<Uri>() else { return };
        let headers = members.get("http_headers").and_then(Value::as_object).into_iter().flatten();
        let headers = headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        self.links.insert(canonical_path(recorded.path()), Link { url, headers: headers.collect() });
    }
}

/// Whether an answer of this status comes and goes.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Ids that are written alike, and instants, are the same: they are another value in each run.
fn alike(a: &Value, b: &Value) -> bool {
    let (Value::String(a), Value::String(b)) = (a, b) else { return false };
    let instant = |text: &str| text.len() >= 20 && chrono::DateTime::parse_from_rfc3339(text).is_ok();
    is_like(a, b) || (instant(a) && instant(b))
}

fn kind(body: &CassetteBody) -> &'static str {
    match body {
        CassetteBody::Empty => "no body",
        CassetteBody::Json(_) => "JSON",
        CassetteBody::Text(_) => "text",
        CassetteBody::Binary(_) => "bytes",
    }
}
