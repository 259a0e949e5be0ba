//! Dynamic value references: `{{job.parameters.day}}`, `{{tasks.load.values.rows}}`, `{{input.table}}`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value};

/// What a reference turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its value.
    Value(String),
    /// No reference at all: the text stays as it is, as documented.
    Literal,
    /// A reference of a known namespace that has no value here.
    Invalid(String),
}

/// Answers a reference by its path.
pub(super) type Lookup<'a> = dyn Fn(&[&str]) -> Found + 'a;

/// Bytes of resolved text that a run may hold, with the runs it starts: references multiply what a small request says.
const TEXTS: usize = 32 * 1024 * 1024;

/// What is left of the bytes for resolved text. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(TEXTS)))
    }
}

impl Budget {
    /// Takes its share before text is made.
    ///
    /// # Errors
    /// Says that no more text may be made.
    pub(super) fn take(&self, bytes: usize) -> Result<(), String> {
        let left = |left: usize| left.checked_sub(bytes);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        taken.map(drop).map_err(|_| {
            format!("The parameters and tasks of the run grow beyond {TEXTS} bytes through their references.")
        })
    }
}

/// Replaces the references in a text.
///
/// # Errors
/// Says which reference has no value, and why, or that the budget does not hold the text.
pub(super) fn resolve_text(text: &str, lookup: &Lookup<'_>, budget: &Budget) -> Result<String, String> {
    budget.take(text.len())?;
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, inside, after)) = next_reference(rest) {
        out.push_str(before);
        let found = path(inside.trim()).map_or(Found::Literal, |path| lookup(&path));
        match found {
            Found::Value(value) => {
                budget.take(value.len())?;
                out.push_str(&value);
            }
            Found::Literal => {
                out.push_str("{{");
                out.push_str(inside);
                out.push_str("}}");
            }
            Found::Invalid(why) => {
                return Err(format!("The reference {{{{{}}}}} {why}.", inside.trim()));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Replaces the references in all texts of a value.
///
/// # Errors
/// As [`resolve_text`].
pub(super) fn resolve(value: &Value, lookup: &Lookup<'_>, budget: &Budget) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(resolve_text(text, lookup, budget)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| resolve(item, lookup, budget)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| {
                    budget.take(name.len())?;
                    Ok((name.clone(), resolve(value, lookup, budget)?))
                })
                .collect::<Result<Map<_, _>, String>>()?,
        ),
        other => other.clone(),
    })
}

/// What stands before, inside and after the next pair of braces.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let (_, from_open) = text.split_once("{{")?;
    let (inside, after) = from_open.split_once("}}")?;
    // Of `{{ {{a}}` the inner pair is meant.
    let inside = inside.rsplit("{{").next().unwrap_or(inside);
    let before = text.len() - after.len() - "}}".len() - inside.len() - "{{".len();
    Some((text.get(..before)?, inside, after))
}

/// The segments between dots; names in backticks may hold anything. `None` for what is no path.
fn path(text: &str) -> Option<Vec<&str>> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = match rest.strip_prefix('`') {
            Some(quoted) => quoted.split_once('`')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        if segment.is_empty() || (!rest.starts_with('`') && !segment.chars().all(plain)) {
            return None;
        }
        segments.push(segment);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(segments),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn lookup(path: &[&str]) -> Found {
        match path {
            ["job", "parameters", name] => Found::Value(format!("<{name}>")),
            ["job", ..] => Found::Invalid("is not known".to_owned()),
            _ => Found::Literal,
        }
    }

    #[test]
    fn references_are_replaced_and_other_braces_stay() {
        for (text, expected) in [
            ("a {{job.parameters.x}}-{{ job.parameters.`y $.z` }}", "a <x>-<y $.z>"),
            ("{{my.value}", "{{my.value}"),
            ("{{my.value}} {{1 + 1}} {{}}", "{{my.value}} {{1 + 1}} {{}}"),
            ("{{ {{job.parameters.x}}", "{{ <x>"),
            ("{{job.parameters.`x}}", "{{job.parameters.`x}}"),
        ] {
            assert_eq!(resolve_text(text, &lookup, &Budget::default()).unwrap(), expected);
        }
        assert_eq!(
            resolve_text("{{job.naem}}", &lookup, &Budget::default()).unwrap_err(),
            "The reference {{job.naem}} is not known."
        );
    }

    #[test]
    fn references_do_not_grow_a_text_without_bound() {
        let large = |_: &[&str]| Found::Value("x".repeat(1024 * 1024));
        assert!(
            resolve_text(&"{{a}}".repeat(10_000), &large, &Budget::default())
                .unwrap_err()
                .contains("grow beyond")
        );
    }

    #[test]
    fn values_are_resolved_at_any_depth() {
        let value = json!({"a": ["{{job.parameters.x}}", 1], "b": {"c": "{{job.parameters.y}}"}});
        assert_eq!(
            resolve(&value, &lookup, &Budget::default()).unwrap(),
            json!({"a": ["<x>", 1], "b": {"c": "<y>"}})
        );
    }

    proptest! {
        #[test]
        fn text_without_known_references_stays_as_it_is(text in "[a-z{}`. é]{0,40}") {
            prop_assume!(!text.contains("job"));
            prop_assert_eq!(resolve_text(&text, &lookup, &Budget::default()).unwrap(), text);
        }
    }
}
