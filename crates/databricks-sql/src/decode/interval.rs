//! INTERVAL from text: `INTERVAL '1-2' YEAR TO MONTH`, or the bare `1-2`, `1 02:03:04.5` that drivers print.

const MICROS: i64 = 1_000_000;
/// The fields of a day-time interval and their sizes in microseconds.
const DAY_TIME: [(&str, i64); 4] =
    [("DAY", 86_400 * MICROS), ("HOUR", 3_600 * MICROS), ("MINUTE", 60 * MICROS), ("SECOND", MICROS)];

/// Months of a year-month interval; `sql_type` says what a single number counts.
pub(super) fn months(text: &str, sql_type: &str) -> Result<i32, String> {
    let (negative, value, unit) = parts(text, sql_type);
    let months = match value.split_once('-') {
        Some((years, months)) => {
            number(years).zip(number(months)).and_then(|(y, m)| y.checked_mul(12)?.checked_add(m))
        }
        None if unit.starts_with("YEAR") => number(value).and_then(|years| years.checked_mul(12)),
        None if unit.starts_with("MONTH") => number(value),
        // Nothing says what is counted.
        None => None,
    };
    let months = months.map(|months| if negative { -months } else { months });
    months.and_then(|months| i32::try_from(months).ok()).ok_or_else(|| no_interval(text, sql_type))
}

/// Microseconds of a day-time interval; `sql_type` says what its first number counts.
pub(super) fn micros(text: &str, sql_type: &str) -> Result<i64, String> {
    let (negative, value, unit) = parts(text, sql_type);
    // With a day in front the fields are clear; else the type names the first.
    let first = if value.contains(' ') { "DAY" } else { unit };
    let first = DAY_TIME.iter().position(|(name, _)| first.starts_with(name));
    let micros = first.and_then(|first| sum(value, DAY_TIME.get(first..)?));
    // The least of all has no counterpart above zero.
    let micros = micros.map(|micros| if negative { -micros } else { micros });
    micros.and_then(|micros| i64::try_from(micros).ok()).ok_or_else(|| no_interval(text, sql_type))
}

fn sum(value: &str, fields: &[(&str, i64)]) -> Option<i128> {
    let numbers: Vec<&str> = value.split([' ', ':']).collect();
    if numbers.len() > fields.len() {
        return None;
    }
    let mut total: i128 = 0;
    for (text, (name, size)) in numbers.into_iter().zip(fields) {
        let field = if *name == "SECOND" { seconds(text)? } else { number(text)?.checked_mul(*size)? };
        total = total.checked_add(field.into())?;
    }
    Some(total)
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros = fraction.get(..6).unwrap_or(fraction);
    let micros = if micros.is_empty() { 0 } else { number(&format!("{micros:0<6}"))? };
    let rest_is_zero = fraction.get(6..).unwrap_or_default().bytes().all(|byte| byte == b'0');
    rest_is_zero.then(|| number(whole)?.checked_mul(MICROS)?.checked_add(micros)).flatten()
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Sign, digits, and the fields that the literal or the type names.
fn parts<'a>(text: &'a str, sql_type: &'a str) -> (bool, &'a str, &'a str) {
    let of_type = sql_type.trim_start_matches("INTERVAL").trim_start();
    let literal = text.strip_prefix("INTERVAL '").and_then(|rest| rest.split_once('\''));
    let (value, unit) = literal.unwrap_or((text, of_type));
    match value.strip_prefix('-') {
        Some(value) => (true, value, unit.trim_start()),
        None => (false, value.strip_prefix('+').unwrap_or(value), unit.trim_start()),
    }
}

fn no_interval(text: &str, sql_type: &str) -> String {
    format!("`{text}` is not an {sql_type}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn year_month_intervals_are_months() {
        for (text, sql_type, expected) in [
            ("INTERVAL '1-2' YEAR TO MONTH", "INTERVAL YEAR TO MONTH", Some(14)),
            ("INTERVAL '-1-2' YEAR TO MONTH", "INTERVAL YEAR TO MONTH", Some(-14)),
            ("1-2", "INTERVAL YEAR TO MONTH", Some(14)),
            ("3", "INTERVAL YEAR", Some(36)),
            ("INTERVAL '3' YEAR", "INTERVAL YEAR", Some(36)),
            ("3", "INTERVAL MONTH", Some(3)),
            ("3", "ARRAY<INTERVAL YEAR>", None),
            ("INTERVAL '3' YEAR", "ARRAY<INTERVAL YEAR>", Some(36)),
            ("178956970-8", "INTERVAL YEAR TO MONTH", None),
            ("1 2", "INTERVAL YEAR TO MONTH", None),
            ("", "INTERVAL MONTH", None),
        ] {
            assert_eq!(months(text, sql_type).ok(), expected, "{text}");
        }
    }

    #[test]
    fn day_time_intervals_are_microseconds() {
        for (text, sql_type, expected) in [
            ("INTERVAL '1 02:03:04.000005' DAY TO SECOND", "INTERVAL DAY TO SECOND", Some(93_784_000_005)),
            ("-1 02:03:04.000005000", "INTERVAL DAY TO SECOND", Some(-93_784_000_005)),
            ("1 02", "INTERVAL DAY TO HOUR", Some(93_600_000_000)),
            ("02:03", "INTERVAL HOUR TO MINUTE", Some(7_380_000_000)),
            ("02:03.5", "INTERVAL MINUTE TO SECOND", Some(123_500_000)),
            ("4", "INTERVAL DAY", Some(345_600_000_000)),
            ("4.25", "INTERVAL SECOND", Some(4_250_000)),
            ("4.0000001", "INTERVAL SECOND", None),
            ("1:2:3:4:5", "INTERVAL DAY TO SECOND", None),
            ("106751992 00:00:00", "INTERVAL DAY TO SECOND", None),
            ("-106751991 04:00:54.775808", "INTERVAL DAY TO SECOND", Some(i64::MIN)),
            ("106751991 04:00:54.775808", "INTERVAL DAY TO SECOND", None),
        ] {
            assert_eq!(micros(text, sql_type).ok(), expected, "{text}");
        }
    }
}
