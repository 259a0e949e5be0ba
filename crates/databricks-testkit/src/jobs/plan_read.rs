//! Reading fields of settings in place: the settings themselves stay as they were sent.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::fields::wrong;
use crate::api_error::ApiFailure;

/// A year: longer waits are a slip of the pen, and tokio's timers end not far behind.
pub(super) const LONGEST_MILLIS: u64 = 366 * 24 * 60 * 60 * 1000;

/// A field that is there and not null.
pub(super) fn present<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).filter(|value| !value.is_null())
}

pub(super) fn required<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ApiFailure> {
    present(map, name).ok_or_else(|| ApiFailure::invalid(format!("Missing required field: {name}")))
}

pub(super) fn object(value: &Value, what: &str) -> Result<Map<String, Value>, ApiFailure> {
    let message =
        || ApiFailure::invalid(format!("{what} is an object, not {}.", super::fields::shown(value)));
    value.as_object().cloned().ok_or_else(message)
}

pub(super) fn text(map: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiFailure> {
    let as_text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a string", value));
    present(map, name).map(as_text).transpose()
}

pub(super) fn required_text(map: &Map<String, Value>, name: &str) -> Result<String, ApiFailure> {
    required(map, name)?;
    text(map, name).map(Option::unwrap_or_default)
}

pub(super) fn flag(map: &Map<String, Value>, name: &str) -> Result<bool, ApiFailure> {
    match present(map, name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| wrong(name, "true or false", value)),
    }
}

/// An array; one that is absent is empty.
pub(super) fn list<'a>(map: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], ApiFailure> {
    match present(map, name) {
        None => Ok(&[]),
        Some(value) => value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(name, "a list", value)),
    }
}

/// A whole number within bounds, where given.
pub(super) fn number(
    map: &Map<String, Value>,
    name: &str,
    bounds: RangeInclusive<u64>,
) -> Result<Option<u64>, ApiFailure> {
    let Some(value) = present(map, name) else { return Ok(None) };
    match value.as_u64().filter(|number| bounds.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
            Err(wrong(name, &wanted, value))
        }
    }
}

/// A timeout in seconds; 0 is none, as documented.
pub(super) fn seconds(map: &Map<String, Value>, name: &str) -> Result<Option<Duration>, ApiFailure> {
    let seconds = number(map, name, 0..=LONGEST_MILLIS / 1000)?;
    Ok(seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs))
}
