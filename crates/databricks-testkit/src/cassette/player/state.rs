//! What the clones of a player share: the replay, the journal, and what is known of secrets and hosts.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use databricks_transport::{Body, Error, ErrorKind};
use http::header::AUTHORIZATION;
use http::{Method, Request};

use super::journal::{self, Exchange};
use super::matching::request_key;
use super::mode::CassetteMode;
use super::nearest::Unmatched;
use super::options::CassetteOptions;
use super::replay::{Given, Replay};
use super::texts_mut;
use crate::cassette::body::CassetteBody;
use crate::cassette::cassette::Cassette;
use crate::cassette::error::CassetteError;
use crate::cassette::file::Seen;
use crate::cassette::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome};
use crate::cassette::sanitize::{Sanitizers, SecretScan};
use crate::request_log::Origin;

/// How many requests are remembered for [`requests`](crate::CassettePlayer::requests).
const LOGGED: usize = 10_000;
/// How many exchanges of a replay are remembered for its transcript. A recording keeps them all.
const REPLAYED: usize = 100_000;

/// A request that went through a player, without what is secret in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// When it was sent, on tokio's clock: with paused time, this moves as the test moves it.
    pub timestamp: Instant,
    /// The method.
    pub method: Method,
    /// The API, or the object store behind links.
    pub origin: Origin,
    /// The path, percent-encoded.
    pub path: String,
    /// The query, encoded and without its `?`; empty when there is none.
    pub query: String,
    /// The body.
    pub body: CassetteBody,
}

/// What the clones of a player share.
pub(crate) struct Shared {
    pub(crate) options: CassetteOptions,
    /// Where a recording is saved.
    pub(crate) path: Option<PathBuf>,
    pub(crate) replays: bool,
    pub(crate) records: bool,
    state: Mutex<State>,
}

/// What changes with each request.
pub(crate) struct State {
    pub(crate) replay: Option<Replay>,
    pub(crate) journal: VecDeque<Exchange>,
    /// How many exchanges came from the network.
    pub(crate) recorded: usize,
    requests: VecDeque<RecordedRequest>,
    pub(crate) unmatched: Vec<Unmatched>,
    /// The first body that was too large to be kept.
    pub(crate) too_large: Option<String>,
    /// The credentials that were seen.
    secrets: BTreeSet<String>,
    /// Whether something was kept before a credential was seen, which may be in it.
    learned_late: bool,
    hosts: BTreeSet<(bool, String)>,
    pub(crate) sanitizers: Arc<Sanitizers>,
    /// The rules without the credentials that were seen.
    told: Arc<Sanitizers>,
    /// What the file held when it was opened, or when this player saved it.
    pub(crate) seen: Option<Seen>,
    moments: u64,
    pub(crate) finished: bool,
}

/// A request that arrived: when, what is kept of it, and what rids its answer of secrets.
pub(crate) struct Arrival {
    pub(crate) started: u64,
    pub(crate) request: CassetteRequest,
    pub(crate) sanitizers: Arc<Sanitizers>,
    /// The request without what only the credentials of this run removed from it, if there are any: those of the
    /// recording may have been others.
    told: Option<CassetteRequest>,
}

impl Shared {
    pub(crate) fn new(
        options: CassetteOptions,
        path: Option<PathBuf>,
        replay: Option<Replay>,
        records: bool,
    ) -> Self {
        let sanitizers = Arc::new(options.all_sanitizers());
        let state = State {
            replay,
            journal: VecDeque::new(),
            recorded: 0,
            requests: VecDeque::new(),
            unmatched: Vec::new(),
            too_large: None,
            secrets: BTreeSet::new(),
            learned_late: false,
            hosts: BTreeSet::new(),
            told: Arc::clone(&sanitizers),
            sanitizers,
            seen: None,
            moments: 0,
            finished: false,
        };
        Self { replays: state.replay.is_some(), records, options, path, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests go through without being looked at.
    pub(crate) fn passes_through(&self) -> bool {
        self.options.mode == Some(CassetteMode::Passthrough) && !self.replays && !self.records
    }

    /// Takes note of a request: first of its host and its credentials, which count from then on.
    pub(crate) fn arrived(&self, head: &Request<()>, body: bytes::Bytes) -> Arrival {
        let timestamp = tokio::time::Instant::now().into_std();
        let origin = origin_of(head);
        let mut request = CassetteRequest::from_http(head.method(), head.uri(), head.headers(), origin, body);
        let rules = Arc::clone(&self.lock().sanitizers);
        let mut credentials = rules.credentials_in_headers(head.headers());
        credentials.extend(rules.credentials_in_request(&request));
        let (started, sanitizers, told) = {
            let mut state = self.lock();
            state.learn_host(head, origin);
            state.learn(credentials);
            (state.next_moment(), Arc::clone(&state.sanitizers), Arc::clone(&state.told))
        };
        let told = (self.replays && !Arc::ptr_eq(&sanitizers, &told)).then(|| {
            let mut request = request.clone();
            told.sanitize_request(&mut request);
            request
        });
        sanitizers.sanitize_request(&mut request);
        let told = told.filter(|told| *told != request);
        self.lock().note(timestamp, &request);
        Arrival { started, request, sanitizers, told }
    }

    /// Rids an answer of secrets, of those that it is the first to show too.
    pub(crate) fn clean(&self, arrival: &Arrival, response: &mut CassetteResponse) {
        let credentials = arrival.sanitizers.credentials_in_response(&arrival.request, response);
        let sanitizers = {
            let mut state = self.lock();
            state.learn(credentials);
            Arc::clone(&state.sanitizers)
        };
        sanitizers.sanitize_response(&arrival.request, response);
    }

    /// The recorded answer to a request.
    ///
    /// # Errors
    /// What to say when there is none.
    pub(crate) fn play(&self, arrival: &Arrival) -> Option<Result<Given, Unmatched>> {
        if !self.replays {
            return None;
        }
        // Outside of the lock: large bodies take their time.
        let key = |request: &CassetteRequest| request_key(&self.options.comparable(request));
        let keys = [Some(key(&arrival.request)), arrival.told.as_ref().map(key)];
        let mut state = self.lock();
        let replay = state.replay.as_mut()?;
        if let Some(given) = keys.iter().flatten().find_map(|key| replay.take(key)) {
            return Some(Ok(given));
        }
        if self.records {
            return None;
        }
        let unmatched = replay.unmatched(&arrival.request, &self.options);
        state.unmatched.push(unmatched.clone());
        Some(Err(unmatched))
    }

    /// Keeps an exchange whose answer has arrived.
    pub(crate) fn keep(&self, arrival: Arrival, outcome: Outcome, elapsed: Duration, from_network: bool) {
        let mut state = self.lock();
        let ended = state.next_moment();
        let Arrival { started, request, .. } = arrival;
        let exchange = Exchange { started, ended, request, outcome, elapsed, from_network };
        state.recorded += usize::from(from_network);
        if !self.records && state.journal.len() >= REPLAYED {
            state.journal.pop_front();
        }
        state.journal.push_back(exchange);
    }

    /// Refuses a body over the limit.
    pub(crate) fn too_large(&self, what: &str, head: &str) -> Error {
        let message = format!(
            "{what} of {head} has more than the {} bytes that are kept: raise the limit with CassetteOptions::with_body_limit",
            self.options.body_limit
        );
        self.lock().too_large.get_or_insert_with(|| message.clone());
        Error::new(ErrorKind::Invalid, message)
    }

    /// The cassette so far: what was replayed from, and what was recorded behind it.
    pub(crate) fn cassette(&self) -> Result<Cassette, CassetteError> {
        let (mut all, new, scan) = {
            let state = self.lock();
            // Hosts and credentials that were seen since the player was made.
            self.options.check_variables(&state.sanitizers)?;
            let mut recorded = state.exchanges(|exchange| exchange.from_network);
            if let Some(replay) = &state.replay {
                recorded.iter_mut().for_each(|exchange| back_to_recorded(replay, exchange));
            }
            (state.replay.as_ref().map(Replay::recorded).unwrap_or_default(), recorded, state.secret_scan())
        };
        all.extend(journal::interactions(new));
        Ok(Cassette::assemble(all, &self.options.variables)?.with_scan(scan))
    }

    /// What happened in this run, as a cassette.
    pub(crate) fn story(&self) -> Result<Cassette, CassetteError> {
        let journal = self.lock().exchanges(|_| true);
        let story: Vec<Interaction> = journal::interactions(journal);
        Cassette::assemble(story, &self.options.variables)
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }
}

impl State {
    /// The check that knows every secret of this run.
    fn secret_scan(&self) -> SecretScan {
        self.sanitizers.secret_scan()
    }

    /// What was kept, without the credentials that were seen after it.
    fn exchanges(&self, chosen: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let mut exchanges: Vec<Exchange> = self.journal.iter().filter(|e| chosen(e)).cloned().collect();
        if self.learned_late {
            exchanges.iter_mut().for_each(|exchange| {
                self.sanitizers.sanitize_parts(&mut exchange.request, &mut exchange.outcome);
            });
        }
        exchanges
    }

    fn next_moment(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }

    /// Credentials are removed from texts, and searched for before saving.
    fn learn(&mut self, credentials: Vec<String>) {
        for credential in credentials {
            if self.secrets.contains(&credential) {
                continue;
            }
            if let Some(sanitizers) = self.sanitizers.learning(&credential) {
                self.sanitizers = Arc::new(sanitizers);
                self.learned_late |= !self.journal.is_empty();
            }
            self.secrets.insert(credential);
        }
    }

    /// Hosts of requests are removed from texts.
    fn learn_host(&mut self, head: &Request<()>, origin: Origin) {
        let Some(authority) = head.uri().authority() else { return };
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let is_storage = origin == Origin::Storage;
        if self.hosts.insert((is_storage, host.to_owned())) {
            let same = Arc::ptr_eq(&self.sanitizers, &self.told);
            let with_host = |sanitizers: &Sanitizers| match is_storage {
                true => sanitizers.clone().with_storage_host(host),
                false => sanitizers.clone().with_workspace_host(host),
            };
            self.told = Arc::new(with_host(&self.told));
            self.sanitizers =
                if same { Arc::clone(&self.told) } else { Arc::new(with_host(&self.sanitizers)) };
        }
    }

    fn note(&mut self, timestamp: Instant, request: &CassetteRequest) {
        if self.requests.len() >= LOGGED {
            self.requests.pop_front();
        }
        let path_and_query = request.path_and_query();
        let query = path_and_query.split_once('?').map(|(_, query)| query.to_owned());
        self.requests.push_back(RecordedRequest {
            timestamp,
            method: request.method.clone(),
            origin: request.origin,
            path: request.path.clone(),
            query: query.unwrap_or_default(),
            body: request.body.clone(),
        });
    }
}

/// Gives a new exchange the ids of the recording that it continues.
fn back_to_recorded(replay: &Replay, exchange: &mut Exchange) {
    texts_mut::request(&mut exchange.request, &mut |text| replay.as_recorded(text));
    if let Outcome::Response(response) = &mut exchange.outcome {
        texts_mut::response(response, &mut |text| replay.as_recorded(text));
    }
}

/// Where a request goes. Links to storage carry no credential, and have paths of their own.
fn origin_of(head: &Request<()>) -> Origin {
    let host = head.uri().host().unwrap_or_default();
    let path = head.uri().path();
    let is_storage_host =
        host.split('.').next().is_some_and(|label| label == "storage" || label.ends_with("-storage"));
    let is_api =
        head.headers().contains_key(AUTHORIZATION) || path.starts_with("/api/") || path.starts_with("/oidc/");
    if is_api && !is_storage_host { Origin::Api } else { Origin::Storage }
}

/// A request without its body, to be looked at.
pub(crate) fn head_of(parts: &http::request::Parts) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = parts.method.clone();
    *head.uri_mut() = parts.uri.clone();
    *head.headers_mut() = parts.headers.clone();
    head
}

/// A request again, to be sent: with all its bytes, and such that its answer comes uncompressed.
pub(crate) fn to_send(mut parts: http::request::Parts, body: bytes::Bytes) -> Request<Body> {
    parts.headers.remove(http::header::ACCEPT_ENCODING);
    Request::from_parts(parts, Body::from_bytes(body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn links_to_storage_are_told_from_the_api() {
        let table = [
            ("https://w.example/api/2.0/x", true, Origin::Api),
            ("https://w.example/api/2.0/x", false, Origin::Api),
            ("https://w.example/oidc/v1/token", false, Origin::Api),
            ("https://w.example/other", true, Origin::Api),
            ("https://bucket.s3.example/results/1?sig=x", false, Origin::Storage),
            ("http://127.0.0.1:1234/results/1", false, Origin::Storage),
            ("https://storage.invalid/api/x", false, Origin::Storage),
            ("https://simulated-storage.invalid/results/1", false, Origin::Storage),
        ];
        for (uri, signed, origin) in table {
            let mut head = Request::new(());
            *head.uri_mut() = uri.parse().unwrap();
            if signed {
                head.headers_mut().insert(AUTHORIZATION, "Bearer x".parse().unwrap());
            }
            assert_eq!(origin_of(&head), origin, "{uri}");
        }
    }
}
