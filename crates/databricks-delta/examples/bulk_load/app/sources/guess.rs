//! What the values of a column look like. A guess never costs anything of a value: leading zeros, digits that a DOUBLE
//! cannot hold and times without a zone keep their text or their type.

use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{Date32Type, Float64Type};
use chrono::Utc;

use super::kind::Kind;

/// Digits that a DOUBLE holds whatever they are.
const DOUBLE_DIGITS: usize = 15;

/// The kinds that all values seen so far are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guess {
    any: bool,
    fits: [bool; KINDS.len()],
}

/// Whether a value is one of a kind.
type Test = fn(&str) -> bool;

/// The kinds in the order of preference.
const KINDS: [(Kind, Test); 6] = [
    (Kind::BigInt, is_bigint),
    (Kind::Double, is_double),
    (Kind::Boolean, is_boolean),
    (Kind::Date, is_date),
    (Kind::TimestampNtz, is_timestamp_ntz),
    (Kind::Timestamp, is_timestamp),
];

impl Default for Guess {
    fn default() -> Self {
        Self { any: false, fits: [true; KINDS.len()] }
    }
}

impl Guess {
    /// Takes a value into account.
    pub(crate) fn see(&mut self, value: &str) {
        self.any = true;
        let value = value.trim();
        for (fits, (_, test)) in self.fits.iter_mut().zip(&KINDS) {
            *fits = *fits && test(value);
        }
    }

    /// Takes a value into account that is text, whatever it looks like.
    pub(crate) fn see_text(&mut self) {
        *self = Self { any: true, fits: [false; KINDS.len()] };
    }

    /// What both are.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.any |= other.any;
        for (fits, other) in self.fits.iter_mut().zip(&other.fits) {
            *fits = *fits && *other;
        }
        self
    }

    /// The first kind that fits all values; text where there are none.
    pub(crate) fn kind(&self) -> Kind {
        let fitting = self.fits.iter().zip(KINDS).find(|(fits, _)| self.any && **fits);
        fitting.map_or(Kind::Text, |(_, (kind, _))| kind)
    }
}

/// Whether a value is one of a kind that was guessed from others.
pub(crate) fn is_of(kind: &Kind, value: &str) -> bool {
    match kind {
        Kind::BigInt => is_bigint(value),
        Kind::Double => is_double(value),
        Kind::Boolean => is_boolean(value),
        Kind::Date => is_date(value),
        Kind::TimestampNtz => is_timestamp_ntz(value),
        Kind::Timestamp => is_timestamp(value),
        _ => true,
    }
}

fn is_bigint(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_plain = digits == "0" && value == "0" || !digits.starts_with(['0', '+', '-']);
    is_plain && value.parse::<i64>().is_ok()
}

fn is_double(value: &str) -> bool {
    if matches!(value, "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
    let significant = whole.trim_start_matches('0').len() + fraction.len();
    are_digits(whole)
        && are_digits(fraction)
        && !mantissa.is_empty()
        && !has_leading_zero
        && significant <= DOUBLE_DIGITS + 2
        && (!fraction.is_empty() || significant <= DOUBLE_DIGITS || whole.len() < unsigned.len())
        && Float64Type::parse(value).is_some_and(f64::is_finite)
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn is_date(value: &str) -> bool {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    value.len() == 10 && value.bytes().enumerate().all(shape) && Date32Type::parse(value).is_some()
}

fn is_timestamp_ntz(value: &str) -> bool {
    is_time(value) && !has_zone(value)
}

fn is_timestamp(value: &str) -> bool {
    is_time(value) && has_zone(value)
}

fn is_time(value: &str) -> bool {
    value.get(..10).is_some_and(is_date)
        && value.len() > 11
        && value[10..].starts_with(['T', ' '])
        && string_to_datetime(&Utc, value).is_ok()
}

/// Whether more than digits, colons and a point follows the date.
pub(crate) fn has_zone(value: &str) -> bool {
    let time = value.get(11..).unwrap_or_default();
    !time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(values: &[&str]) -> Kind {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value));
        guess.kind()
    }

    #[test]
    fn a_guess_loses_nothing_of_a_value() {
        for (values, kind) in [
            (&["1", "-20", "0"][..], Kind::BigInt),
            (&["9223372036854775807"], Kind::BigInt),
            (&["9223372036854775808"], Kind::Text),
            (&["00123", "4"], Kind::Text),
            (&["-0"], Kind::Double),
            (&["+1"], Kind::Text),
            (&["1", "2.5"], Kind::Double),
            (&["9007199254740993", "2.5"], Kind::Text),
            (&["0.1234567890123456789"], Kind::Text),
            (&["1e300", ".5", "7."], Kind::Double),
            (&["1e999"], Kind::Text),
            (&["1.2.3"], Kind::Text),
            (&["e5"], Kind::Text),
            (&["nan"], Kind::Text),
            (&["NaN", "-Infinity", "1"], Kind::Double),
            (&["True", "false"], Kind::Boolean),
            (&["true", "1"], Kind::Text),
            (&["2024-02-29", "0001-01-01", "9999-12-31"], Kind::Date),
            (&["2023-02-29"], Kind::Text),
            (&["20240229"], Kind::BigInt),
            (&["2024-02-29", "2024-02-29 01:02:03"], Kind::Text),
            (&["2024-02-29 01:02:03", "2024-02-29T01:02:03.000004"], Kind::TimestampNtz),
            (&["2024-02-29T01:02:03Z", "2024-02-29 01:02:03+05:30"], Kind::Timestamp),
            (&["2024-02-29T01:02:03Z", "2024-02-29 01:02:03"], Kind::Text),
            (&["2024-02-29T25:02:03"], Kind::Text),
            (&[" 1", "2 "], Kind::BigInt),
            (&["é€🙂 über 10 bytes"], Kind::Text),
            (&[], Kind::Text),
        ] {
            assert_eq!(guessed(values), kind, "{values:?}");
        }
    }

    #[test]
    fn two_guesses_together_are_what_both_are() {
        let guess = |value: &str| {
            let mut guess = Guess::default();
            guess.see(value);
            guess
        };
        assert_eq!(guess("1").and(&guess("1.5")).kind(), Kind::Double);
        assert_eq!(guess("1").and(&Guess::default()).kind(), Kind::BigInt);
        assert_eq!(guess("1").and(&guess("true")).kind(), Kind::Text);
    }
}
