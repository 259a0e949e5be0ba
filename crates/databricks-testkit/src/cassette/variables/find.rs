//! Finding the ids in what was recorded, and giving them names.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::super::body::CassetteBody;
use super::super::error::CassetteError;
use super::super::interaction::{CassetteRequest, Interaction, Outcome};
use super::super::texts;
use super::ids::{is_machine_made, names_an_id, random_ids};
use super::{GENERATED, SHORTEST, Variables, text_of};

const LONGEST_STEM: usize = 48;

/// Adds a variable for each id: of the server, where an answer is the first to show it; of the client, where a
/// request is.
pub(super) fn name_ids(literal: &[Interaction], variables: &mut Variables) -> Result<(), CassetteError> {
    Finder::new(literal, variables).find(literal)
}

/// Looks for ids, in the order of the interactions.
struct Finder<'a> {
    variables: &'a mut Variables,
    /// Values that have a name by now.
    named: HashSet<String>,
    /// How many names each stem has.
    counts: BTreeMap<String, usize>,
    /// Texts in requests that stand where an id is expected: what decides whether a short id of an answer is used.
    used: HashSet<String>,
    /// Ids, and texts where ids are expected, that stood in requests so far.
    asked: HashSet<String>,
    /// Random ids that stood in answers so far.
    answered: HashSet<String>,
}

impl<'a> Finder<'a> {
    fn new(literal: &[Interaction], variables: &'a mut Variables) -> Self {
        let named = variables.iter().map(|(_, value)| text_of(value)).collect();
        let mut used = HashSet::new();
        literal.iter().for_each(|interaction| ids_of_request(&interaction.request, &mut used));
        Self {
            variables,
            named,
            counts: BTreeMap::new(),
            used,
            asked: HashSet::new(),
            answered: HashSet::new(),
        }
    }

    fn find(&mut self, literal: &[Interaction]) -> Result<(), CassetteError> {
        for interaction in literal {
            self.find_made_by_client(&interaction.request)?;
            ids_of_request(&interaction.request, &mut self.asked);
            if let Outcome::Response(response) = &interaction.outcome {
                if let CassetteBody::Json(value) = &response.body {
                    self.find_made_by_server(value)?;
                }
                texts::of_response(response, &mut |_, text| {
                    self.answered
                        .extend(random_ids(text).into_iter().filter_map(|at| Some(text.get(at)?.to_owned())));
                });
            }
        }
        Ok(())
    }

    fn find_made_by_client(&mut self, request: &CassetteRequest) -> Result<(), CassetteError> {
        let mut found = Vec::new();
        texts::of_request(request, &mut |_, text| {
            found.extend(random_ids(text).into_iter().filter_map(|at| Some(text.get(at)?.to_owned())));
        });
        for id in found {
            if !self.answered.contains(&id) {
                self.name(GENERATED.trim_end_matches('_'), Value::String(id))?;
            }
        }
        Ok(())
    }

    fn find_made_by_server(&mut self, value: &Value) -> Result<(), CassetteError> {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| self.find_made_by_server(value)),
            Value::Object(members) => members.iter().try_for_each(|(key, value)| match value {
                Value::String(_) | Value::Number(_) => self.consider(key, value),
                nested => self.find_made_by_server(nested),
            }),
            _ => Ok(()),
        }
    }

    /// Gives a name to what an answer holds under `key`, if it is an id that this answer is the first to show.
    fn consider(&mut self, key: &str, value: &Value) -> Result<(), CassetteError> {
        let text = text_of(value);
        if !names_an_id(key) || self.asked.contains(&text) {
            return Ok(());
        }
        let fits = match value {
            Value::Number(_) => self.used.contains(&text),
            _ => text.len() >= SHORTEST && (is_machine_made(&text) || self.used.contains(&text)),
        };
        if fits { self.name(&stem(key), value.clone()) } else { Ok(()) }
    }

    fn name(&mut self, stem: &str, value: Value) -> Result<(), CassetteError> {
        if !self.named.insert(text_of(&value)) {
            return Ok(());
        }
        let count = self.counts.entry(stem.to_owned()).or_default();
        let name = loop {
            *count += 1;
            let name = format!("{stem}_{count}");
            if self.variables.get(&name).is_none() {
                break name;
            }
        };
        self.variables.insert(&name, value)
    }
}

/// The beginning of the names of ids that stand under this key.
fn stem(key: &str) -> String {
    let key = key.trim_start_matches("next_").trim_start_matches("prev_");
    let plain: String =
        key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(LONGEST_STEM).collect();
    let plain = plain.to_ascii_lowercase();
    match plain.starts_with(|c: char| c.is_ascii_lowercase()) && !plain.starts_with(GENERATED) {
        true => plain,
        false => format!("id_{}", plain.trim_start_matches('_')),
    }
}

/// The texts of a request that stand where an id is expected: members and parameters of such names, segments of the
/// path, random ids anywhere.
fn ids_of_request(request: &CassetteRequest, into: &mut HashSet<String>) {
    into.extend(request.path.split('/').map(str::to_owned));
    for (_, values) in request.query.iter().filter(|(name, _)| names_an_id(name)) {
        into.extend(values.iter().cloned());
    }
    texts::of_request(request, &mut |place, text| {
        let key = place.rsplit('/').next().unwrap_or_default();
        if names_an_id(key) && key != text {
            into.insert(text.to_owned());
        }
        into.extend(random_ids(text).into_iter().filter_map(|at| Some(text.get(at)?.to_owned())));
    });
}
