//! Single values from text: dates, timestamps, decimals. Exact, or an error.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

/// 1970-01-01 counted in days of the common era.
const EPOCH_DAY: i32 = 719_163;
const MICROS: i64 = 1_000_000;

pub(super) fn plain<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a value of this type"))
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Days since 1970-01-01.
pub(super) fn date(text: &str) -> Result<i32, String> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| format!("`{text}` is not a date"))?;
    Ok(date.num_days_from_ce() - EPOCH_DAY)
}

/// Microseconds since 1970-01-01 00:00 UTC. The text must carry its offset: without one it names no instant.
pub(super) fn timestamp(text: &str) -> Result<i64, String> {
    let (clock, offset) = split_offset(text);
    let offset = offset.ok_or_else(|| format!("`{text}` has no offset from UTC"))?;
    let seconds = offset_seconds(offset).ok_or_else(|| format!("`{text}` has a bad offset from UTC"))?;
    local_micros(clock)
        .and_then(|micros| micros.checked_sub(seconds * MICROS))
        .ok_or_else(|| no_timestamp(text))
}

/// Microseconds since 1970-01-01 00:00 on a clock without a zone.
pub(super) fn timestamp_ntz(text: &str) -> Result<i64, String> {
    match split_offset(text) {
        (clock, None) => local_micros(clock).ok_or_else(|| no_timestamp(text)),
        (_, Some(_)) => Err(format!("`{text}` has an offset, which TIMESTAMP_NTZ has not")),
    }
}

fn no_timestamp(text: &str) -> String {
    format!("`{text}` is not a timestamp")
}

/// The offset starts at the sign or the Z behind the time of day; the date has signs of its own.
fn split_offset(text: &str) -> (&str, Option<&str>) {
    let Some(day_end) = text.find(['T', ' ']) else { return (text, None) };
    let offset = text.char_indices().find(|(at, c)| *at > day_end && matches!(c, '+' | '-' | 'Z'));
    match offset {
        Some((at, _)) => (text.get(..at).unwrap_or_default(), text.get(at..)),
        None => (text, None),
    }
}

/// `Z`, `+HH`, `-HH:MM`, `+HH:MM:SS` (local mean time, before zones were agreed).
fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let mut seconds = 0;
    let mut unit = 3600;
    for part in digits.split(':') {
        if part.len() != 2 || unit == 0 {
            return None;
        }
        seconds += i64::from(part.parse::<u8>().ok()?) * unit;
        unit /= 60;
    }
    Some(sign * seconds)
}

fn local_micros(text: &str) -> Option<i64> {
    let clock = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN)))
        .ok()?;
    Some(clock.and_utc().timestamp_micros())
}

/// The unscaled value of a DECIMAL(`precision`, `scale`). Digits that the type cannot hold are an error.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, String> {
    unscaled(text, scale)
        .filter(|value| digits(*value) <= u32::from(precision))
        .ok_or_else(|| format!("`{text}` is not a DECIMAL({precision},{scale})"))
}

fn unscaled(text: &str, scale: i8) -> Option<i128> {
    // Zero with a large scale is written `0E-18` by some servers.
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.split_at_checked(1)? {
        ("-", digits) => (true, digits),
        ("+", digits) => (false, digits),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = char::from(byte).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let shift = i32::from(scale).checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let value = shifted(value, shift)?;
    Some(if negative { -value } else { value })
}

/// `value` times ten to the power of `shift`, if that is exact.
fn shifted(value: i128, shift: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { value.checked_mul(power) } else { (value % power == 0).then(|| value / power) }
}

fn digits(value: i128) -> u32 {
    value.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn recorded_timestamps_are_their_instants() {
        // From datatypesintegrationtests.testtimestamp of the databricks-jdbc recordings.
        assert_eq!(timestamp("2021-01-01T10:00:00.000-08:00"), Ok(1_609_524_000_000_000));
        assert_eq!(timestamp("2021-06-15T12:34:56.789-07:00"), Ok(1_623_785_696_789_000));
    }

    #[test]
    fn timestamps_of_every_shape() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01 00:00:00.000001+00:00", Some(1)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("1883-11-18T00:00:00-07:52:58", Some(-2_717_683_622_000_000)),
            ("1970-01-01T01:00:00+01", Some(0)),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01T00:00:00+1:00", None),
            ("1970-01-01T00:00:00+01:00:00:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(timestamp(text).ok(), micros, "{text}");
        }
        assert_eq!(timestamp_ntz("1970-01-01T00:00:01.5"), Ok(1_500_000));
        assert!(timestamp_ntz("1970-01-01T00:00:01Z").unwrap_err().contains("TIMESTAMP_NTZ"));
    }

    #[test]
    fn dates_before_and_after_the_epoch() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("0001-01-01", Some(-719_162)),
            ("2024-02-30", None),
        ] {
            assert_eq!(date(text).ok(), days, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, precision, scale, expected) in [
            ("123.45", 10, 2, Some(12_345)),
            ("-0.01", 3, 2, Some(-1)),
            ("5", 10, 2, Some(500)),
            ("0E-18", 38, 18, Some(0)),
            ("1.5E+2", 5, 0, Some(150)),
            ("1.50", 3, 1, Some(15)),
            ("1.55", 3, 1, None),
            ("1000", 3, 0, None),
            (
                "99999999999999999999999999999999999999",
                38,
                0,
                Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
            ),
            ("100000000000000000000000000000000000000", 38, 0, None),
            ("", 3, 1, None),
            (".", 3, 1, None),
            ("1e999999999", 38, 0, None),
            ("NaN", 3, 1, None),
        ] {
            assert_eq!(decimal(text, precision, scale).ok(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_decimal_reads_back(value in -10_i128.pow(37)..10_i128.pow(37), scale in 0_i8..=37) {
            let digits = format!("{:0>38}", value.unsigned_abs());
            let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
            let sign = if value < 0 { "-" } else { "" };
            prop_assert_eq!(decimal(&format!("{sign}{whole}.{fraction}"), 38, scale), Ok(value));
        }

        #[test]
        fn printed_timestamp_reads_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
            prop_assert_eq!(timestamp(&text), Ok(micros));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (timestamp(&text), timestamp_ntz(&text), date(&text), decimal(&text, 38, 18));
        }
    }
}
