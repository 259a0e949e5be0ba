//! Text as numbers, booleans, dates and timestamps, and back: which text each type takes.

use arrow::datatypes::i256;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

use super::decimals;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A whole number: digits with an optional sign, blanks around it aside.
pub(in crate::query) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// A decimal at `scale`, rounded half up. The outer none is malformed text, the inner one too large a number.
pub(in crate::query) fn decimal(text: &str, precision: u8, scale: i8) -> Option<Option<i128>> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let at = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some(scaled(digits.trim_start_matches('0'), at, precision, scale).map(|v| if negative { -v } else { v }))
}

fn scaled(digits: &str, at: i32, precision: u8, scale: i8) -> Option<i128> {
    if digits.is_empty() {
        return Some(0);
    }
    // Digits far behind the point cannot matter: one more than the scale decides the rounding.
    let keep = i32::try_from(digits.len()).ok()?.checked_sub(at)?.checked_add(i32::from(scale))?;
    if keep < 0 {
        return Some(0);
    }
    let keep = usize::try_from(keep).ok()?.checked_add(1)?;
    let kept = digits.get(..keep.min(digits.len())).unwrap_or(digits);
    let at = at.checked_sub(i32::try_from(digits.len() - kept.len()).ok()?)?;
    let value = i256::from_string(kept)?;
    decimals::fitting(decimals::rescale(value, at, scale.into())?, precision)
}

/// The words CAST takes for a boolean.
pub(in crate::query) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Days since 1970-01-01 of `yyyy[-M[-d]]`, with anything after a blank or T.
pub(in crate::query) fn date(text: &str) -> Option<i32> {
    let text = text.trim();
    let end = text.find([' ', 'T']).unwrap_or(text.len());
    // Only a whole date may be followed by a time.
    let (day, rest) = text.split_at(end);
    if !rest.is_empty() && day.matches('-').count() < 2 {
        return None;
    }
    days(naive_date(day)?)
}

pub(in crate::query) fn days(date: NaiveDate) -> Option<i32> {
    date.num_days_from_ce().checked_sub(719_163)
}

pub(in crate::query) fn date_of_days(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)
}

fn naive_date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let year = part(parts.next()?, 4..=4)?;
    let month = parts.next().map_or(Some(1), |p| part(p, 1..=2))?;
    let day = parts.next().map_or(Some(1), |p| part(p, 1..=2))?;
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

fn part(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Microseconds since 1970 of a timestamp's text, in UTC when it names no zone. `zoned` tells whether it did.
pub(in crate::query) fn timestamp(text: &str) -> Option<Instant> {
    let text = text.trim();
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        let micros = midnight(naive_date(text)?)?;
        return Some(Instant { micros, wall: micros, zoned: false });
    };
    if day.matches('-').count() < 2 {
        return None;
    }
    let (clock, zone) = split_zone(time.trim());
    let offset = match zone {
        None => 0,
        Some(zone) => zone_offset(zone)?,
    };
    let wall = midnight(naive_date(day)?)?.checked_add(clock_micros(clock.trim())?)?;
    let micros = wall.checked_sub(offset.checked_mul(MICROS_PER_SECOND)?)?;
    Some(Instant { micros, wall, zoned: zone.is_some() })
}

/// A timestamp read from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) struct Instant {
    /// Since 1970-01-01T00:00:00Z.
    pub(in crate::query) micros: i64,
    /// As the clock on the wall of its zone reads.
    pub(in crate::query) wall: i64,
    /// The text named a zone.
    pub(in crate::query) zoned: bool,
}

fn midnight(date: NaiveDate) -> Option<i64> {
    i64::from(days(date)?).checked_mul(SECONDS_PER_DAY * MICROS_PER_SECOND)
}

fn split_zone(time: &str) -> (&str, Option<&str>) {
    let at = time.find(|c: char| c.is_ascii_alphabetic() || matches!(c, '+' | '-'));
    match at.and_then(|at| time.split_at_checked(at)) {
        Some((clock, zone)) => (clock, Some(zone)),
        None => (time, None),
    }
}

/// Seconds east of UTC. Zones by region name are not read here.
fn zone_offset(zone: &str) -> Option<i64> {
    let upper = zone.to_ascii_uppercase();
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|name| upper.strip_prefix(name)).unwrap_or(&upper);
    if offset.is_empty() || offset == "Z" {
        return Some(0);
    }
    let sign = match offset.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = offset.get(1..)?;
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let hours = i64::from(part(hours, 1..=2)?);
    let minutes = i64::from(part(minutes, 1..=2)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `H[:m[:s[.ffffff]]]`; digits past the microsecond are cut.
fn clock_micros(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let hour = part(parts.next()?, 1..=2)?;
    let minute = parts.next().map_or(Some(0), |p| part(p, 1..=2))?;
    let second = parts.next().map_or(Some(0), |p| part(p, 1..=2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + micros)
}

/// `yyyy-MM-dd`.
pub(in crate::query) fn date_text(days: i32) -> Option<String> {
    date_of_days(days).map(|date| date.format("%Y-%m-%d").to_string())
}

/// `yyyy-MM-dd HH:mm:ss[.ffffff]` without the fraction's trailing zeros.
pub(in crate::query) fn timestamp_text(micros: i64) -> Option<String> {
    let at = naive(micros)?;
    let mut text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = at.nanosecond() / 1_000;
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    Some(text)
}

/// The wall clock in UTC.
pub(in crate::query) fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc())
}

/// Whole days, towards the past.
pub(in crate::query) fn days_of_micros(micros: i64) -> i64 {
    micros.div_euclid(SECONDS_PER_DAY * MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_digits_only() {
        for (text, expected) in [
            ("12", Some(12)),
            (" -7 ", Some(-7)),
            ("+3", Some(3)),
            ("1.5", None),
            ("", None),
            ("1e3", None),
            ("+-1", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn decimals_round_half_up_and_know_their_limit() {
        for (text, expected) in [
            ("1.25", Some(Some(13))),
            ("-1.25", Some(Some(-13))),
            ("1.24999", Some(Some(12))),
            ("1e1", Some(Some(100))),
            ("5e-2", Some(Some(1))),
            ("4e-2", Some(Some(0))),
            ("999.95", Some(None)),
            ("x", None),
            (".5", Some(Some(5))),
        ] {
            assert_eq!(decimal(text, 4, 1), expected, "{text:?}");
        }
    }

    #[test]
    fn dates_take_the_documented_forms() {
        for (text, expected) in [
            ("1970-01-02", Some(1)),
            ("1970", Some(0)),
            ("1970-1-3", Some(2)),
            ("1970-01-02T05:00", Some(1)),
            ("1970-01-02 anything", Some(1)),
            ("1970-13-01", None),
            ("70-01-01", None),
            ("2023-02-29", None),
        ] {
            assert_eq!(date(text), expected, "{text:?}");
        }
    }

    #[test]
    fn timestamps_take_zones_and_fractions() {
        for (text, expected) in [
            ("1970-01-01 00:00:01.5", Some(1_500_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01 00:00:00Z", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970-01-01 5", Some(5 * 3_600_000_000)),
            ("1970-01-01 25:00", None),
            ("1970-01-01 00:00:00 Europe/Berlin", None),
        ] {
            assert_eq!(timestamp(text).map(|i| i.micros), expected, "{text:?}");
        }
        assert_eq!(timestamp_text(-1).unwrap(), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp_text(1_500_000).unwrap(), "1970-01-01 00:00:01.5");
    }
}
