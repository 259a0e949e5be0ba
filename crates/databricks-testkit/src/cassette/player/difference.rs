//! How two values differ, in words a person reads: JSON by pointer, text by word.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use crate::cassette::variables::ids::random_ids;

/// Words around a change that are shown with it.
const CONTEXT: usize = 4;
/// The longest side of a table of words; longer texts show their different middle whole.
const TABLE: usize = 600;
/// Characters of one side of a change that are shown.
const SHOWN: usize = 400;

/// One place where two values differ. An empty side says that the place is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Where: `method`, `path`, `query NAME`, `body` or a JSON pointer behind `body `.
    pub(crate) place: String,
    pub(crate) left: Option<String>,
    pub(crate) right: Option<String>,
}

/// Whether two numbers are the same number: `1` and `1.0` are.
pub(crate) fn same_number(left: &Number, right: &Number) -> bool {
    left == right || number_key(left) == number_key(right)
}

/// One text for all spellings of a number. Integers that a float cannot hold exactly keep their own.
pub(crate) fn number_key(number: &Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT => {
            format!("{float:.0}").replace("-0", "0")
        }
        _ => number.to_string(),
    }
}

/// Collects the places where two JSON values differ, deepest pointers first come, first served.
///
/// `same` may declare two leaves or subtrees at a pointer to be the same.
pub(crate) fn json_changes(
    left: &Value,
    right: &Value,
    same: &mut dyn FnMut(&str, &Value, &Value) -> bool,
) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(&mut String::new(), left, right, same, &mut changes);
    changes
}

fn walk(
    pointer: &mut String,
    left: &Value,
    right: &Value,
    same: &mut dyn FnMut(&str, &Value, &Value) -> bool,
    changes: &mut Vec<Change>,
) {
    if same(pointer, left, right) {
        return;
    }
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let step = name.replace('~', "~0").replace('/', "~1");
                step_into(pointer, &step, a.get(name), b.get(name), same, changes);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                step_into(pointer, &index.to_string(), a.get(index), b.get(index), same, changes);
            }
        }
        (Value::Number(a), Value::Number(b)) if same_number(a, b) => {}
        (a, b) if a == b => {}
        (Value::String(a), Value::String(b)) => changes.push(text_change(pointer, a, b)),
        (a, b) => changes.push(Change {
            place: pointer.clone(),
            left: Some(shortened(&a.to_string())),
            right: Some(shortened(&b.to_string())),
        }),
    }
}

fn step_into(
    pointer: &mut String,
    step: &str,
    left: Option<&Value>,
    right: Option<&Value>,
    same: &mut dyn FnMut(&str, &Value, &Value) -> bool,
    changes: &mut Vec<Change>,
) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(step);
    match (left, right) {
        (Some(a), Some(b)) => walk(pointer, a, b, same, changes),
        (a, b) => {
            // A place that is missing on one side may still be of no interest.
            if !same(pointer, a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null)) {
                let shown = |value: &Value| shortened(&value.to_string());
                changes.push(Change { place: pointer.clone(), left: a.map(shown), right: b.map(shown) });
            }
        }
    }
    pointer.truncate(length);
}

/// A change of a text: the words that differ, with a few around them.
pub(crate) fn text_change(place: &str, left: &str, right: &str) -> Change {
    let (left, right) = differing_words(left, right);
    Change { place: place.to_owned(), left: Some(shortened(&left)), right: Some(shortened(&right)) }
}

/// The part of each text that differs, words marked by `[` and `]`, with a few common words on both sides.
fn differing_words(left: &str, right: &str) -> (String, String) {
    let (a, b) = (words(left), words(right));
    if a == b {
        // Only the white space differs: it has to be seen.
        return (format!("{left:?}"), format!("{right:?}"));
    }
    let (in_a, in_b) = marks(&a, &b);
    (marked(&a, &in_a), marked(&b, &in_b))
}

/// Words, with punctuation and ids as words of their own, so that `x=1` and `x=2` differ in the number alone.
fn words(text: &str) -> Vec<&str> {
    let (mut found, mut end) = (Vec::new(), 0);
    for id in random_ids(text) {
        plain_words(text.get(end..id.start).unwrap_or_default(), &mut found);
        found.extend(text.get(id.clone()));
        end = id.end;
    }
    plain_words(text.get(end..).unwrap_or_default(), &mut found);
    found
}

fn plain_words<'t>(text: &'t str, words: &mut Vec<&'t str>) {
    let mut start = None;
    for (index, character) in text.char_indices() {
        if character.is_alphanumeric() || character == '_' {
            start.get_or_insert(index);
            continue;
        }
        words.extend(start.take().and_then(|start| text.get(start..index)));
        if !character.is_whitespace() {
            words.extend(text.get(index..index + character.len_utf8()));
        }
    }
    words.extend(start.and_then(|start| text.get(start..)));
}

/// Which words of each side have no partner on the other.
fn marks(a: &[&str], b: &[&str]) -> (Vec<bool>, Vec<bool>) {
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - prefix;
    let suffix = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(x, y)| x == y).count();
    let inner = |words: &[&str]| (prefix, words.len() - suffix);
    let ((a_start, a_end), (b_start, b_end)) = (inner(a), inner(b));
    let mut in_a: Vec<bool> = (0..a.len()).map(|i| i >= a_start && i < a_end).collect();
    let mut in_b: Vec<bool> = (0..b.len()).map(|i| i >= b_start && i < b_end).collect();
    let (middle_a, middle_b) = (a.get(a_start..a_end), b.get(b_start..b_end));
    if let (Some(x), Some(y)) = (middle_a, middle_b)
        && x.len().max(y.len()) <= TABLE
    {
        for (i, j) in common(x, y) {
            set(&mut in_a, a_start + i);
            set(&mut in_b, b_start + j);
        }
    }
    (in_a, in_b)
}

fn set(marks: &mut [bool], index: usize) {
    if let Some(mark) = marks.get_mut(index) {
        *mark = false;
    }
}

/// The positions of a longest common subsequence.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// The marked words in brackets, near ones with them, the others as dots.
fn marked(words: &[&str], marks: &[bool]) -> String {
    let near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        marks.get(from..(index + CONTEXT + 1).min(marks.len())).is_some_and(|near| near.contains(&true))
    };
    // Nothing of this side is different: the other has words more. Show where by showing all.
    let whole = !marks.contains(&true);
    let mut parts: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let marked = marks.get(index).copied().unwrap_or(false);
        if marked {
            parts.push(format!("[{word}]"));
        } else if whole || near(index) {
            parts.push((*word).to_owned());
        } else if parts.last().is_none_or(|last| last != "…") {
            parts.push("…".to_owned());
        }
    }
    parts.join(" ").replace("] [", " ")
}

/// Text cut to what a message can bear.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn changes(left: Value, right: Value) -> Vec<(String, Option<String>, Option<String>)> {
        json_changes(&left, &right, &mut |_, _, _| false)
            .into_iter()
            .map(|change| (change.place, change.left, change.right))
            .collect()
    }

    #[test]
    fn json_differs_by_pointer() {
        let left = json!({"a": {"b/c": [1, 2]}, "gone": true, "same": [1.0, {}]});
        let right = json!({"a": {"b/c": [1, 3, "x"]}, "same": [1, {}], "new": null});
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes(left, right),
            [
                ("/a/b~1c/1".to_owned(), text("2"), text("3")),
                ("/a/b~1c/2".to_owned(), None, text("\"x\"")),
                ("/gone".to_owned(), text("true"), None),
                ("/new".to_owned(), None, text("null")),
            ]
        );
    }

    #[test]
    fn numbers_are_compared_by_value_and_large_ones_exactly() {
        let big = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(changes(json!(1), json!(1.0)).is_empty());
        assert!(changes(json!(-0.0), json!(0)).is_empty());
        assert_eq!(changes(big("9007199254740993"), big("9007199254740992")).len(), 1);
        assert_eq!(changes(json!(1.5), json!(1)).len(), 1);
    }

    #[test]
    fn a_statement_differs_by_its_words() {
        let left = "SELECT a, b, c, d, e, f, g FROM main.default.days WHERE day >= '2024-01-01' LIMIT 10";
        let right = "SELECT a, b, c, d, e, f, g FROM main.default.days WHERE day >= '2024-02-01' LIMIT 10";
        let (left, right) = differing_words(left, right);
        assert_eq!(left, "… = ' 2024 - [01] - 01 ' LIMIT …");
        assert_eq!(right, "… = ' 2024 - [02] - 01 ' LIMIT …");
    }

    #[test]
    fn white_space_alone_is_made_visible() {
        assert_eq!(differing_words("a  b", "a b"), ("\"a  b\"".to_owned(), "\"a b\"".to_owned()));
    }

    #[test]
    fn words_that_only_one_side_has_are_marked_there() {
        let (left, right) = differing_words("DELETE FROM t", "DELETE FROM t WHERE id = 1");
        assert_eq!((left.as_str(), right.as_str()), ("DELETE FROM t", "DELETE FROM t [WHERE id = 1]"));
    }

    #[test]
    fn a_huge_text_is_compared_without_a_huge_table() {
        let left = "x y ".repeat(200_000);
        let right = "z w ".repeat(200_000);
        let change = text_change("/statement", &left, &right);
        assert!(change.left.unwrap().len() < 1000);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_compare(left in ".{0,60}", right in ".{0,60}") {
            let (a, b) = differing_words(&left, &right);
            prop_assert!(left == right || a.contains('[') || b.contains('[') || a.starts_with('"'));
        }
    }
}
