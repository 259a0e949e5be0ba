//! Cells that have no serde type of their own, as text that chrono and decimal types read.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, TimeDelta};

/// `2024-02-29`
pub(super) fn date(days: i32) -> Option<String> {
    let date =
        NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(TimeDelta::try_days(i64::from(days))?)?;
    Some(date.to_string())
}

/// `2024-02-29T01:02:03.000004`, with a `Z` behind it if it is an instant.
pub(super) fn timestamp(micros: i64, instant: bool) -> Option<String> {
    let format = if instant { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    Some(DateTime::from_timestamp_micros(micros)?.naive_utc().format(format).to_string())
}

/// All digits of an unscaled value, with its point.
pub(super) fn decimal(value: i128, scale: i8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    if scale <= 0 {
        let zeros = if digits == 0 { 0 } else { usize::from(scale.unsigned_abs()) };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// `1-2`: years and months.
pub(super) fn months(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    format!("{sign}{}-{}", months / 12, months % 12)
}

/// `1 02:03:04.000005`: days and time of day.
pub(super) fn duration(micros: i64) -> String {
    let mut text = String::from(if micros < 0 { "-" } else { "" });
    let micros = micros.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    // Writing to a String cannot fail.
    let _ = write!(text, "{days} {hours:02}:{minutes:02}:{seconds:02}");
    if micros > 0 {
        let _ = write!(text, ".{micros:06}");
    }
    text
}

/// `00FF`
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
