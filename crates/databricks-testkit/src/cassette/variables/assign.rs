//! Finding the ids in what was recorded, and putting names in the place of values.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::super::body::CassetteBody;
use super::super::error::CassetteError;
use super::super::interaction::{CassetteRequest, Interaction, Outcome, canonical_path};
use super::super::texts;
use super::ids::{is_machine_made, names_an_id, random_ids};
use super::template::{Piece, write};
use super::{GENERATED, SHORTEST, Variables, text_of};

/// A number of fewer digits is not taken for an id when it stands in a path.
const SHORTEST_IN_PATH: usize = 5;
const LONGEST_STEM: usize = 48;

/// The interactions with names in the place of what is declared and of ids, and what the names stand for.
pub(crate) fn assign(
    literal: Vec<Interaction>,
    declared: &Variables,
) -> Result<(Vec<Interaction>, Variables), CassetteError> {
    let mut variables = declared.clone();
    Finder::new(&literal, &mut variables).find(&literal)?;
    let names = Names::of(&variables);
    let templates = literal.into_iter().map(|interaction| names.interaction(interaction)).collect();
    Ok((templates, variables))
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
                    self.answered.extend(random_ids(text).into_iter().filter_map(|at| Some(text.get(at)?.to_owned())));
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
    let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(LONGEST_STEM).collect();
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

/// The names of values, arranged for finding the values in texts.
struct Names {
    texts: Needles,
    paths: Needles,
    /// By the number as it is written.
    numbers: HashMap<String, String>,
}

impl Names {
    fn of(variables: &Variables) -> Self {
        let texts = || {
            variables.iter().filter_map(|(name, value)| Some((value.as_str()?.to_owned(), name.to_owned())))
        };
        let numbers = variables.iter().filter(|(_, value)| value.is_number());
        Self {
            texts: Needles::new(texts()),
            paths: Needles::new(texts().map(|(value, name)| (canonical_path(&value), name))),
            numbers: numbers.map(|(name, value)| (value.to_string(), name.to_owned())).collect(),
        }
    }

    fn text(&self, text: &str) -> String {
        write(&self.texts.split(text, |_| true))
    }

    fn path(&self, path: &str) -> String {
        let segments = path.split('/').map(|segment| match self.numbers.get(segment) {
            Some(name) if segment.len() >= SHORTEST_IN_PATH => (segment, Some(name)),
            _ => (segment, None),
        });
        let segments: Vec<_> = segments.collect();
        if segments.iter().all(|(_, name)| name.is_none()) {
            return write(&self.path_pieces(path));
        }
        let templates = segments.into_iter().map(|(segment, name)| match name {
            Some(name) => write(&[Piece::Variable(name)]),
            None => write(&self.path_pieces(segment)),
        });
        templates.collect::<Vec<_>>().join("/")
    }

    /// A value does not begin inside of `%41`.
    fn path_pieces<'t>(&'t self, path: &'t str) -> Vec<Piece<'t>> {
        let bytes = path.as_bytes();
        let escapes = |back: usize, at: usize| at.checked_sub(back).and_then(|i| bytes.get(i)) == Some(&b'%');
        self.paths.split(path, |at| !escapes(1, at) && !escapes(2, at))
    }

    /// A text that stands where an id is expected.
    fn id_text(&self, text: &str) -> Option<&String> {
        self.numbers.get(text)
    }

    fn value(&self, key: &str, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(match self.id_text(&text).filter(|_| names_an_id(key)) {
                Some(name) => write(&[Piece::Text(""), Piece::Variable(name)]),
                None => self.text(&text),
            }),
            Value::Number(number) => match self.id_text(&number.to_string()).filter(|_| names_an_id(key)) {
                Some(name) => Value::String(write(&[Piece::Variable(name)])),
                None => Value::Number(number),
            },
            Value::Array(values) => values.into_iter().map(|value| self.value(key, value)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.text(&name), self.value(&name, value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other,
        }
    }

    fn body(&self, body: CassetteBody) -> CassetteBody {
        match body {
            CassetteBody::Json(value) => CassetteBody::Json(self.value("", value)),
            CassetteBody::Text(text) => CassetteBody::Text(self.text(&text)),
            other => other,
        }
    }

    fn query(&self, name: &str, value: &str) -> String {
        match self.id_text(value).filter(|_| names_an_id(name)) {
            Some(name) => write(&[Piece::Variable(name)]),
            None => self.text(value),
        }
    }

    fn interaction(&self, mut interaction: Interaction) -> Interaction {
        let request = &mut interaction.request;
        request.path = self.path(&request.path);
        for (name, values) in &mut request.query {
            values.iter_mut().for_each(|value| *value = self.query(name, value));
        }
        request.headers.values_mut().for_each(|value| *value = self.text(value));
        request.body = self.body(std::mem::take(&mut request.body));
        match &mut interaction.outcome {
            Outcome::Response(response) => {
                response.headers.values_mut().for_each(|value| *value = self.text(value));
                response.body = self.body(std::mem::take(&mut response.body));
            }
            Outcome::Failure(failure) => failure.message = self.text(&failure.message),
        }
        interaction
    }
}

/// Values to look for, by their first bytes, the longest first.
#[derive(Default)]
struct Needles {
    by_start: HashMap<[u8; SHORTEST], Vec<(String, String)>>,
}

impl Needles {
    fn new(values: impl Iterator<Item = (String, String)>) -> Self {
        let mut by_start: HashMap<_, Vec<(String, String)>> = HashMap::new();
        for (value, name) in values {
            if let Some(start) = value.as_bytes().first_chunk::<SHORTEST>() {
                by_start.entry(*start).or_default().push((value, name));
            }
        }
        let by_length = |(a, a_name): &(String, String), (b, b_name): &(String, String)| {
            b.len().cmp(&a.len()).then_with(|| a_name.cmp(b_name))
        };
        by_start.values_mut().for_each(|values| values.sort_by(by_length));
        Self { by_start }
    }

    /// The text in pieces: values as variables, the rest as it is.
    fn split<'t>(&'t self, text: &'t str, may_begin: impl Fn(usize) -> bool) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let (mut plain, mut at) = (0, 0);
        while at < text.len() {
            match self.at(text, at).filter(|_| may_begin(at)) {
                Some((value, name)) => {
                    pieces.extend(text.get(plain..at).filter(|text| !text.is_empty()).map(Piece::Text));
                    pieces.push(Piece::Variable(name));
                    at += value.len();
                    plain = at;
                }
                None => at += 1,
            }
        }
        pieces.extend(text.get(plain..).filter(|text| !text.is_empty()).map(Piece::Text));
        pieces
    }

    fn at(&self, text: &str, at: usize) -> Option<&(String, String)> {
        let rest = text.as_bytes().get(at..)?;
        let values = self.by_start.get(rest.first_chunk::<SHORTEST>()?)?;
        values.iter().find(|(value, _)| rest.starts_with(value.as_bytes()))
    }
}

