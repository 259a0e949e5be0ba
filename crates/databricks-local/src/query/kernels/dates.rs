//! Functions of dates and timestamps, in the session's time zone UTC.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray, StringArray};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::{cast_text, map1, map2, numbers, text};
use crate::error::{LocalError, Result};
use crate::query::types;

fn out_of_range() -> LocalError {
    LocalError::new("DATETIME_OVERFLOW", "22008", "Datetime operation overflow.")
}

/// The first and the last day that a DATE can be: 0001-01-01 and 9999-12-31.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

fn in_calendar(days: i32) -> Result<i32> {
    if DAYS.contains(&days) { Ok(days) } else { Err(out_of_range()) }
}

/// A timestamp, if its day is one of the calendar.
fn clock_in_calendar(micros: i64) -> Result<i64> {
    let day = i32::try_from(cast_text::days_of_micros(micros)).map_err(|_| out_of_range())?;
    in_calendar(day).map(|_| micros)
}

fn date(days: i32) -> Result<NaiveDate> {
    cast_text::date_of_days(days).ok_or_else(out_of_range)
}

fn clock(micros: i64) -> Result<NaiveDateTime> {
    cast_text::naive(micros).ok_or_else(out_of_range)
}

fn int(value: u32) -> Result<Option<i32>> {
    Ok(i32::try_from(value).ok())
}

fn of_date(args: &[ArrayRef], part: impl Fn(NaiveDate) -> Result<Option<i32>>) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<Date32Type, Int32Type>(args, |v| part(date(v)?))?))
}

fn of_clock(args: &[ArrayRef], part: impl Fn(NaiveDateTime) -> Result<Option<i32>>) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<TimestampMicrosecondType, Int32Type>(args, |v| part(clock(v)?))?))
}

pub(in crate::query) fn year(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| Ok(Some(d.year())))
}

pub(in crate::query) fn quarter(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.month0() / 3 + 1))
}

pub(in crate::query) fn month(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.month()))
}

pub(in crate::query) fn day(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.day()))
}

/// 1 is Sunday, 7 Saturday.
pub(in crate::query) fn day_of_week(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.weekday().num_days_from_sunday() + 1))
}

/// 0 is Monday, 6 Sunday.
pub(in crate::query) fn weekday(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.weekday().num_days_from_monday()))
}

pub(in crate::query) fn day_of_year(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.ordinal()))
}

/// The ISO week: it starts on Monday, and week 1 has more than three days of the year.
pub(in crate::query) fn week_of_year(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_date(args, |d| int(d.iso_week().week()))
}

pub(in crate::query) fn hour(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_clock(args, |c| int(c.hour()))
}

pub(in crate::query) fn minute(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_clock(args, |c| int(c.minute()))
}

pub(in crate::query) fn second(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    of_clock(args, |c| int(c.second()))
}

pub(in crate::query) fn last_day(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let end = |d: NaiveDate| d.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt();
    dates_of_dates(args, |d| end(d).ok_or_else(out_of_range))
}

fn dates_of_dates(args: &[ArrayRef], op: impl Fn(NaiveDate) -> Result<NaiveDate>) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<Date32Type, Date32Type>(args, |v| Ok(cast_text::days(op(date(v)?)?)))?))
}

/// `(date, days, sign)`.
pub(in crate::query) fn add_days(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let signs = numbers::<Int32Type>(args, 2)?;
    let sign = signs.iter().flatten().next().unwrap_or(1);
    let out = map2::<Date32Type, Int32Type, Date32Type>(args, |date, days| {
        let moved = days.checked_mul(sign).and_then(|d| date.checked_add(d)).ok_or_else(out_of_range)?;
        in_calendar(moved).map(Some)
    })?;
    Ok(Arc::new(out))
}

/// `date_diff(end, start)` in days.
pub(in crate::query) fn date_diff(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let out = map2::<Date32Type, Date32Type, Int32Type>(args, |end, start| {
        end.checked_sub(start).map(Some).ok_or_else(out_of_range)
    })?;
    Ok(Arc::new(out))
}

/// A month's last day stays within the month it lands in.
fn months_later(date: NaiveDate, months: i64) -> Option<NaiveDate> {
    let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { date.checked_sub_months(size) } else { date.checked_add_months(size) };
    moved.filter(|date| (1..=9999).contains(&date.year()))
}

/// `add_months(date, n)`.
pub(in crate::query) fn add_months(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let out = map2::<Date32Type, Int32Type, Date32Type>(args, |day, months| {
        let moved = months_later(date(day)?, months.into()).ok_or_else(out_of_range)?;
        Ok(cast_text::days(moved))
    })?;
    Ok(Arc::new(out))
}

/// A date or timestamp some months later.
pub(in crate::query) fn add_months_to(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_date(returns) {
        let out = map2::<Date32Type, Int64Type, Date32Type>(args, |day, months| {
            let moved = months_later(date(day)?, months).ok_or_else(out_of_range)?;
            Ok(cast_text::days(moved))
        })?;
        return Ok(Arc::new(out));
    }
    let out =
        map2::<TimestampMicrosecondType, Int64Type, TimestampMicrosecondType>(args, |micros, months| {
            let at = clock(micros)?;
            let moved = months_later(at.date(), months).ok_or_else(out_of_range)?;
            Ok(Some(moved.and_time(at.time()).and_utc().timestamp_micros()))
        })?;
    Ok(zoned(out, returns))
}

fn zoned(values: PrimitiveArray<TimestampMicrosecondType>, returns: &DataType) -> ArrayRef {
    let zone = if let DataType::Timestamp(_, zone) = returns { zone.clone() } else { None };
    Arc::new(values.with_timezone_opt(zone))
}

/// A date some whole days later, or a timestamp some microseconds later.
pub(in crate::query) fn add_micros(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_date(returns) {
        let out = map2::<Date32Type, Int64Type, Date32Type>(args, |days, micros| {
            let more = i32::try_from(cast_text::days_of_micros(micros)).map_err(|_| out_of_range())?;
            days.checked_add(more).ok_or_else(out_of_range).and_then(in_calendar).map(Some)
        })?;
        return Ok(Arc::new(out));
    }
    let out = map2::<TimestampMicrosecondType, Int64Type, TimestampMicrosecondType>(args, |at, micros| {
        at.checked_add(micros).ok_or_else(out_of_range).and_then(clock_in_calendar).map(Some)
    })?;
    Ok(zoned(out, returns))
}

/// The first day of the unit a date lies in; none for a unit that is no unit of dates.
fn first_day(day: NaiveDate, unit: &str) -> Option<NaiveDate> {
    match unit {
        "YEAR" | "YYYY" | "YY" => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        "QUARTER" => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
        "MONTH" | "MM" | "MON" => day.with_day(1),
        "WEEK" => day.checked_sub_days(chrono::Days::new(day.weekday().num_days_from_monday().into())),
        _ => None,
    }
}

/// `trunc(date, unit)`: NULL for a unit it does not know.
pub(in crate::query) fn trunc(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let units = text(args, 1)?;
    let zipped = numbers::<Date32Type>(args, 0)?.iter().zip(units.iter());
    let out: PrimitiveArray<Date32Type> = zipped
        .map(|(day, unit)| {
            let (Some(day), Some(unit)) = (day, unit) else { return Ok(None) };
            Ok(first_day(date(day)?, &unit.to_uppercase()).and_then(cast_text::days))
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(out))
}

/// `date_trunc(unit, timestamp)`: NULL for a unit it does not know.
pub(in crate::query) fn date_trunc(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(numbers::<TimestampMicrosecondType>(args, 1)?.iter());
    let out: PrimitiveArray<TimestampMicrosecondType> = zipped
        .map(|(unit, micros)| {
            let (Some(unit), Some(micros)) = (unit, micros) else { return Ok(None) };
            truncated(micros, &unit.to_uppercase())
        })
        .collect::<Result<_>>()?;
    Ok(zoned(out, returns))
}

fn truncated(micros: i64, unit: &str) -> Result<Option<i64>> {
    let step = match unit {
        "MICROSECOND" => 1,
        "MILLISECOND" => 1_000,
        "SECOND" => 1_000_000,
        "MINUTE" => 60_000_000,
        "HOUR" => 3_600_000_000,
        "DAY" | "DD" => 86_400_000_000,
        _ => {
            let day = first_day(clock(micros)?.date(), unit);
            return Ok(day.map(|d| d.and_time(NaiveTime::MIN).and_utc().timestamp_micros()));
        }
    };
    Ok(Some(micros.div_euclid(step) * step))
}

/// Seconds since 1970, towards the past.
pub(in crate::query) fn unix_seconds(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<TimestampMicrosecondType, Int64Type>(args, |v| Ok(Some(v.div_euclid(1_000_000))))?))
}

pub(in crate::query) fn unix_millis(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<TimestampMicrosecondType, Int64Type>(args, |v| Ok(Some(v.div_euclid(1_000))))?))
}

pub(in crate::query) fn unix_micros(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<TimestampMicrosecondType, Int64Type>(args, |v| Ok(Some(v)))?))
}

pub(in crate::query) fn unix_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<Date32Type, Int32Type>(args, |v| Ok(Some(v)))?))
}

pub(in crate::query) fn date_from_unix_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<Int32Type, Date32Type>(args, |v| Ok(Some(v)))?))
}

fn from_epoch(args: &[ArrayRef], returns: &DataType, unit: i64) -> Result<ArrayRef> {
    let out = map1::<Int64Type, TimestampMicrosecondType>(args, |v| {
        v.checked_mul(unit).map(Some).ok_or_else(out_of_range)
    })?;
    Ok(zoned(out, returns))
}

pub(in crate::query) fn timestamp_seconds(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    from_epoch(args, returns, 1_000_000)
}

pub(in crate::query) fn timestamp_millis(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    from_epoch(args, returns, 1_000)
}

pub(in crate::query) fn timestamp_micros(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    from_epoch(args, returns, 1)
}

/// `make_date(year, month, day)`.
pub(in crate::query) fn make_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (years, months, days) =
        (numbers::<Int32Type>(args, 0)?, numbers::<Int32Type>(args, 1)?, numbers::<Int32Type>(args, 2)?);
    let out: PrimitiveArray<Date32Type> = years
        .iter()
        .zip(months.iter())
        .zip(days.iter())
        .map(|((year, month), day)| {
            let (Some(year), Some(month), Some(day)) = (year, month, day) else { return Ok(None) };
            let date = u32::try_from(month)
                .ok()
                .zip(u32::try_from(day).ok())
                .and_then(|(month, day)| NaiveDate::from_ymd_opt(year, month, day));
            let date = date.ok_or_else(|| {
                let message = format!("{year}-{month}-{day} is no date. If necessary set \"ansi_mode\" to \"false\" to bypass this error.");
                LocalError::new("DATETIME_FIELD_OUT_OF_BOUNDS", "22023", message)
            })?;
            Ok(cast_text::days(date))
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(out))
}

/// `date_format(timestamp, pattern)` for the patterns [`pattern`] takes.
pub(in crate::query) fn date_format(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let zipped = numbers::<TimestampMicrosecondType>(args, 0)?.iter().zip(text(args, 1)?.iter());
    let out: StringArray = zipped
        .map(|(micros, format)| {
            let (Some(micros), Some(format)) = (micros, format) else { return Ok(None) };
            let format = pattern(format)?;
            Ok(Some(clock(micros)?.format(&format).to_string()))
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(out))
}

/// A Java date pattern made of fields whose text is the same everywhere, as a chrono format.
///
/// # Errors
/// UNSUPPORTED_FEATURE for any other pattern letter.
pub(in crate::query) fn pattern(java: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = java;
    while let Some(letter) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(letter).len();
        let (field, after) = rest.split_at(run);
        rest = after;
        match field {
            "yyyy" => out.push_str("%Y"),
            "MM" => out.push_str("%m"),
            "dd" => out.push_str("%d"),
            "HH" => out.push_str("%H"),
            "mm" => out.push_str("%M"),
            "ss" => out.push_str("%S"),
            "SSS" => out.push_str("%3f"),
            "SSSSSS" => out.push_str("%6f"),
            "MMM" => out.push_str("%b"),
            "MMMM" => out.push_str("%B"),
            "E" | "EEE" => out.push_str("%a"),
            "EEEE" => out.push_str("%A"),
            "DDD" => out.push_str("%j"),
            "'" => {
                let (quoted, after) = rest.split_once('\'').ok_or_else(|| unknown_pattern(java))?;
                out.push_str(&quoted.replace('%', "%%"));
                rest = after;
            }
            _ if letter.is_ascii_alphabetic() || matches!(letter, '\'' | '[' | ']' | '{' | '}' | '#') => {
                return Err(unknown_pattern(java));
            }
            other => out.push_str(&other.replace('%', "%%")),
        }
    }
    Ok(out)
}

fn unknown_pattern(java: &str) -> LocalError {
    LocalError::unsupported_feature(format!(
        "the datetime pattern '{java}' (known here: yyyy MM dd HH mm ss SSS SSSSSS MMM MMMM E EEEE DDD and quoted text)"
    ))
}

/// `(text, pattern)` -> a timestamp; CANNOT_PARSE_TIMESTAMP for text of another shape.
pub(in crate::query) fn parse_timestamp(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(text(args, 1)?.iter());
    let out: PrimitiveArray<TimestampMicrosecondType> = zipped
        .map(|(value, java)| {
            let (Some(value), Some(java)) = (value, java) else { return Ok(None) };
            parsed(value, java).map(Some)
        })
        .collect::<Result<_>>()?;
    Ok(zoned(out, returns))
}

/// `(text, pattern)` -> a date.
pub(in crate::query) fn parse_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(text(args, 1)?.iter());
    let out: PrimitiveArray<Date32Type> = zipped
        .map(|(value, java)| {
            let (Some(value), Some(java)) = (value, java) else { return Ok(None) };
            Ok(i32::try_from(cast_text::days_of_micros(parsed(value, java)?)).ok())
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(out))
}

fn parsed(value: &str, java: &str) -> Result<i64> {
    let format = pattern(java)?;
    let malformed = || {
        let message = format!(
            "Text '{value}' could not be parsed with the pattern '{java}'. Use `try_to_timestamp` to tolerate invalid input string and return NULL instead."
        );
        LocalError::new("CANNOT_PARSE_TIMESTAMP", "22007", message)
    };
    // Java's fields take exactly as many digits as the pattern has letters: so must the whole text.
    let at = NaiveDateTime::parse_from_str(value, &format)
        .or_else(|_| NaiveDate::parse_from_str(value, &format).map(|day| day.and_time(NaiveTime::MIN)));
    let at = at.map_err(|_| malformed())?;
    if at.format(&format).to_string() != value {
        return Err(malformed());
    }
    Ok(at.and_utc().timestamp_micros())
}
