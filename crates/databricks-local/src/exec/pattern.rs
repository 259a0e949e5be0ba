//! The patterns of `SHOW .. LIKE`.

use crate::error::{LocalError, Result};
use crate::metastore::ObjectName;

/// What a SHOW pattern would read as a regular expression and this workspace does not.
const REGULAR: &[char] = &['[', ']', '(', ')', '{', '}', '+', '?', '^', '$', '\\'];

/// A pattern of `SHOW .. LIKE`: `*` is any text, `.` any one character, `|` parts alternatives. Case does not matter.
#[derive(Debug)]
pub(super) struct Pattern {
    /// None: everything fits.
    alternatives: Option<Vec<Vec<char>>>,
}

impl Pattern {
    /// Reads a pattern; without one everything fits.
    ///
    /// # Errors
    /// Names the character of a regular expression that is not understood.
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else { return Ok(Self { alternatives: None }) };
        if let Some(found) = text.chars().find(|c| REGULAR.contains(c)) {
            let what = format!("'{found}' in the pattern '{text}' of SHOW .. LIKE; use *, . and |");
            return Err(LocalError::unsupported_feature(what));
        }
        let lower = text.to_lowercase();
        Ok(Self { alternatives: Some(lower.split('|').map(|one| one.trim().chars().collect()).collect()) })
    }

    /// Whether a name fits.
    pub(super) fn fits(&self, name: &str) -> bool {
        let Some(alternatives) = &self.alternatives else { return true };
        let name: Vec<char> = name.to_lowercase().chars().collect();
        alternatives.iter().any(|pattern| fits(pattern, &name))
    }

    /// The names that fit, in their order.
    pub(super) fn filter<'a>(&self, names: impl Iterator<Item = &'a ObjectName>) -> Vec<Option<String>> {
        names
            .map(ObjectName::as_str)
            .filter(|name| self.fits(name))
            .map(|name| Some(name.to_owned()))
            .collect()
    }
}

/// Matches from the left; on a mismatch the last star takes one character more. Only the last star ever has to move,
/// so the work is at most the product of the two lengths.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&want) if want == '.' || want == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                None => return false,
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn show(like: &str) -> Vec<&'static str> {
        let pattern = Pattern::parse(Some(like)).unwrap();
        ["orders", "order_items", "users", "a|b"].into_iter().filter(|name| pattern.fits(name)).collect()
    }

    #[test]
    fn like_takes_stars_dots_and_alternatives() {
        assert_eq!(show("Order*"), ["orders", "order_items"]);
        assert_eq!(show("*s|nothing"), ["orders", "order_items", "users"]);
        assert_eq!(show("users"), ["users"]);
        assert_eq!(show("user. | order.items"), ["order_items", "users"]);
        assert_eq!(show("*"), ["orders", "order_items", "users", "a|b"]);
        assert_eq!(show("**e*s**"), ["orders", "order_items", "users"]);
        assert!(show("user").is_empty() && show("").is_empty() && show("order_").is_empty());
    }

    #[test]
    fn no_pattern_takes_all() {
        assert!(Pattern::parse(None).unwrap().fits(""));
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = Pattern::parse(Some(&"*a".repeat(5_000))).unwrap();
        assert!(!pattern.fits(&"a".repeat(255)));
        assert!(Pattern::parse(Some(&"*a".repeat(200))).unwrap().fits(&"a".repeat(255)));
    }

    #[test]
    fn other_regular_expressions_are_refused_by_name() {
        for like in ["[ab]*", "a+", "x\\_y", "a{2}"] {
            let error = Pattern::parse(Some(like)).unwrap_err();
            assert_eq!(error.class(), "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE");
            assert!(error.message().contains(like), "{error}");
        }
    }
}
