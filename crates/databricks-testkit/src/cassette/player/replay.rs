//! A cassette being played: which interaction answers a request, and what it answers in this run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use super::identity::{Masked, replace_ids};
use super::index::{Entry, Hole, Ids, ReplayIndex};
use super::journal::{is_pending, is_read};
use super::matching::{outcome_key, request_key, with_holes};
use super::nearest::{Candidate, Unmatched};
use super::options::CassetteOptions;
use super::texts_mut;
use crate::cassette::body::CassetteBody;
use crate::cassette::cassette::Cassette;
use crate::cassette::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome};
use crate::cassette::texts;
use crate::cassette::variables::bindings::Bindings;
use crate::cassette::variables::ids::random_ids;
use crate::cassette::variables::{GENERATED, text_of};

/// How far ahead a link's end is moved, and the least that is left of one that is not moved.
const LINK_LIFE: TimeDelta = TimeDelta::minutes(15);
const LEAST_LIFE: TimeDelta = TimeDelta::minutes(5);

/// The state of one replay.
#[derive(Debug)]
pub(crate) struct Replay {
    /// With the values of this run for what is declared, and the recorded ones for ids.
    recorded: Vec<Interaction>,
    /// Recorded ids by hole: those that a client made up first, then those that answers handed out.
    ids: Vec<String>,
    holes: HashMap<String, Hole>,
    index: ReplayIndex,
    given: usize,
}

/// An answer from the cassette.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) outcome: Outcome,
    pub(crate) elapsed: Duration,
}

impl Replay {
    pub(crate) fn new(cassette: &Cassette, options: &CassetteOptions) -> Self {
        let variables = cassette.variables();
        let recorded = cassette.literal(&Bindings::new(variables, &options.variables));
        let (made_up, known): (Vec<_>, Vec<_>) = variables
            .iter()
            .map(|(name, value)| (name.starts_with(GENERATED), text_of(value)))
            .partition(|(made_up, _)| *made_up);
        let made_up: Vec<String> = made_up.into_iter().map(|(_, value)| value).collect();
        let known: HashSet<String> = known.into_iter().map(|(_, value)| value).collect();
        let mut holes: HashMap<String, Hole> =
            made_up.iter().enumerate().map(|(hole, value)| (value.clone(), hole)).collect();
        let declared: HashSet<String> = options.variables.iter().map(|(_, value)| text_of(value)).collect();
        let shown: Vec<Vec<String>> =
            recorded.iter().map(|interaction| shown_ids(&interaction.outcome)).collect();
        let mut ids = made_up.clone();
        for id in shown.iter().flatten().filter(|id| !declared.contains(*id)) {
            holes.entry(id.clone()).or_insert_with(|| {
                ids.push(id.clone());
                ids.len() - 1
            });
        }
        let handed_out = ids.iter().cloned().enumerate().skip(made_up.len()).collect();
        let made_up = made_up.into_iter().enumerate().collect();
        let entries = recorded.iter().zip(&shown);
        let entries =
            entries.map(|(interaction, shown)| entry(interaction, shown, &holes, options)).collect();
        Self {
            recorded,
            ids,
            index: ReplayIndex::new(entries, Ids { made_up, handed_out, known }),
            holes,
            given: 0,
        }
    }

    /// The answer to a request, which is used up by it.
    pub(crate) fn take(&mut self, key: &Masked) -> Option<Given> {
        let Self { recorded, holes, index, .. } = self;
        let outcome = |entry: usize| {
            let interaction: &Interaction = recorded.get(entry)?;
            Some(with_holes(outcome_key(&interaction.outcome), holes))
        };
        let entry = index.take(key, &outcome)?;
        let interaction = self.recorded.get(entry)?;
        self.given += 1;
        let outcome = self.in_this_run(&interaction.outcome);
        Some(Given { outcome, elapsed: interaction.elapsed })
    }

    /// How many answers were given.
    pub(crate) fn given(&self) -> usize {
        self.given
    }

    /// The numbers (from 1) and requests of the interactions that were never asked for.
    pub(crate) fn unused(&self) -> Vec<(usize, &CassetteRequest)> {
        let request = |entry: usize| Some((entry + 1, &self.recorded.get(entry)?.request));
        self.index
            .unused()
            .into_iter()
            .filter(|entry| !self.was_given_up(*entry))
            .filter_map(request)
            .collect()
    }

    /// Whether nobody waited for the answer: how far such a request gets is for time to tell.
    fn was_given_up(&self, entry: usize) -> bool {
        let outcome = self.recorded.get(entry).map(|interaction| &interaction.outcome);
        matches!(outcome, Some(Outcome::Failure(failure)) if failure.given_up)
    }

    /// What to say of a request that nothing answers.
    pub(crate) fn unmatched(&self, asked: &CassetteRequest, options: &CassetteOptions) -> Unmatched {
        let unused: HashSet<usize> = self.index.unused().into_iter().collect();
        let candidates: Vec<Candidate> = self
            .recorded
            .iter()
            .enumerate()
            .map(|(entry, interaction)| Candidate {
                number: entry + 1,
                request: self.request_in_this_run(&options.comparable(&interaction.request)),
                used_up: !unused.contains(&entry),
            })
            .collect();
        let free = |recorded: &str, asked: &str| {
            let hole = self.holes.get(recorded);
            let open = |hole: &Hole| self.index.bound(*hole).is_none() && self.index.hole_of(asked).is_none();
            hole.is_some_and(|hole| open(hole) && self.index.may_bind(*hole, asked))
        };
        Unmatched::of(&options.comparable(asked), &candidates, &free)
    }

    /// The interactions as recorded, for a cassette that more are added to.
    pub(crate) fn recorded(&self) -> Vec<Interaction> {
        self.recorded.clone()
    }

    /// An id of this run under the one that was recorded for it: the way back.
    pub(crate) fn as_recorded(&self, text: &str) -> String {
        replace_ids(text, |id| self.ids.get(self.index.hole_of(id)?).map(String::as_str))
    }

    /// What an id of the recording is in this run.
    fn id_in_this_run(&self, id: &str) -> Option<&str> {
        self.index.bound(*self.holes.get(id)?)
    }

    fn in_this_run(&self, outcome: &Outcome) -> Outcome {
        let Outcome::Response(response) = outcome else { return outcome.clone() };
        let mut response = response.clone();
        if !self.holes.is_empty() {
            texts_mut::response(&mut response, &mut |text| replace_ids(text, |id| self.id_in_this_run(id)));
        }
        Outcome::Response(response)
    }

    fn request_in_this_run(&self, request: &CassetteRequest) -> CassetteRequest {
        let mut request = request.clone();
        texts_mut::request(&mut request, &mut |text| replace_ids(text, |id| self.id_in_this_run(id)));
        request
    }
}

/// The ids that an answer shows, as often as it shows them.
fn shown_ids(outcome: &Outcome) -> Vec<String> {
    let mut shown = Vec::new();
    if let Outcome::Response(response) = outcome {
        texts::of_response(response, &mut |_, text| {
            shown.extend(random_ids(text).into_iter().filter_map(|at| Some(text.get(at)?.to_owned())));
        });
    }
    shown
}

fn entry(
    interaction: &Interaction,
    shown: &[String],
    holes: &HashMap<String, Hole>,
    options: &CassetteOptions,
) -> Entry {
    let key = request_key(&options.comparable(&interaction.request));
    // A state of something under way is given once: the replay need not wait as long as the recording did.
    let turns = if is_pending(interaction) { 1 } else { interaction.repeats };
    let shown: BTreeSet<Hole> = shown.iter().filter_map(|id| holes.get(id).copied()).collect();
    Entry { request: with_holes(key, holes), shown, turns, endless: is_read(&interaction.request.method) }
}

/// Makes an old answer usable now: links that have ended since live on, and nobody is asked to wait.
pub(crate) fn freshen(response: &mut CassetteResponse, now: DateTime<Utc>, timing: bool) {
    if let CassetteBody::Json(body) = &mut response.body {
        extend_links(body, now);
    }
    let asks_to_wait = |body: &CassetteBody| match body {
        CassetteBody::Json(body) => {
            body.get("details").is_some_and(|details| details.to_string().contains("RetryInfo"))
        }
        _ => false,
    };
    if !timing && (response.headers.contains_key("retry-after") || asks_to_wait(&response.body)) {
        response.headers.insert("retry-after".to_owned(), "0".to_owned());
    }
}

fn extend_links(value: &mut Value, now: DateTime<Utc>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "expiration" => extend(text, now),
                    nested => extend_links(nested, now),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| extend_links(value, now)),
        _ => {}
    }
}

fn extend(expiration: &mut String, now: DateTime<Utc>) {
    let Ok(end) = DateTime::parse_from_rfc3339(expiration) else { return };
    if end.to_utc().signed_duration_since(now) < LEAST_LIFE
        && let Some(later) = now.checked_add_signed(LINK_LIFE)
    {
        *expiration = later.to_rfc3339_opts(SecondsFormat::Millis, true);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::StatusCode;
    use serde_json::json;

    #[test]
    fn links_that_have_ended_live_on_and_others_stay() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T12:00:00Z").unwrap().to_utc();
        let body = json!({"result": {"external_links": [
            {"expiration": "2024-12-01T00:00:00Z"}, {"expiration": "2026-01-01T13:00:00Z"}, {"expiration": "soon"}]}});
        let mut response = CassetteResponse::new(StatusCode::OK, CassetteBody::Json(body));
        freshen(&mut response, now, false);
        let links = &response.body.as_json().unwrap()["result"]["external_links"];
        assert_eq!(links[0]["expiration"], "2026-01-01T12:15:00.000Z");
        assert_eq!(links[1]["expiration"], "2026-01-01T13:00:00Z");
        assert_eq!(links[2]["expiration"], "soon");
    }

    #[test]
    fn nobody_waits_in_a_replay_unless_asked_to() {
        let mut response = CassetteResponse::new(StatusCode::TOO_MANY_REQUESTS, CassetteBody::Empty);
        response.headers.insert("retry-after".to_owned(), "7".to_owned());
        let mut timed = response.clone();
        freshen(&mut response, Utc::now(), false);
        freshen(&mut timed, Utc::now(), true);
        assert_eq!(
            (response.headers["retry-after"].as_str(), timed.headers["retry-after"].as_str()),
            ("0", "7")
        );
        let details =
            json!({"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "3s"}]});
        let mut told = CassetteResponse::new(StatusCode::SERVICE_UNAVAILABLE, CassetteBody::Json(details));
        freshen(&mut told, Utc::now(), false);
        assert_eq!(told.headers["retry-after"], "0");
    }
}
