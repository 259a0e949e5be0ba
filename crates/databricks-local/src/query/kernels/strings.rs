//! Functions of text. Positions count characters from 1; a negative one counts from the end.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Int32Type};

use super::{argument, numbers, text};
use crate::error::Result;

/// Text of text.
fn each(args: &[ArrayRef], op: impl Fn(&str) -> String) -> Result<ArrayRef> {
    Ok(Arc::new(text(args, 0)?.iter().map(|v| v.map(&op)).collect::<StringArray>()))
}

/// Text of two texts.
fn pairs(args: &[ArrayRef], op: impl Fn(&str, &str) -> String) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(text(args, 1)?.iter());
    Ok(Arc::new(zipped.map(|(a, b)| Some(op(a?, b?))).collect::<StringArray>()))
}

/// Text of text and a number.
fn with_number(args: &[ArrayRef], op: impl Fn(&str, i32) -> String) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(numbers::<Int32Type>(args, 1)?.iter());
    Ok(Arc::new(zipped.map(|(a, b)| Some(op(a?, b?))).collect::<StringArray>()))
}

/// Text of three texts.
fn triples(args: &[ArrayRef], op: impl Fn(&str, &str, &str) -> String) -> Result<ArrayRef> {
    let (a, b, c) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let zipped = a.iter().zip(b.iter()).zip(c.iter());
    Ok(Arc::new(zipped.map(|((a, b), c)| Some(op(a?, b?, c?))).collect::<StringArray>()))
}

fn test(args: &[ArrayRef], op: impl Fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(text(args, 1)?.iter());
    Ok(Arc::new(zipped.map(|(a, b)| Some(op(a?, b?))).collect::<BooleanArray>()))
}

fn count(chars: usize) -> i32 {
    i32::try_from(chars).unwrap_or(i32::MAX)
}

/// A count of characters; none for a negative number.
fn size(n: i32) -> usize {
    usize::try_from(n).unwrap_or_default()
}

pub(in crate::query) fn concat(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let columns: Vec<_> = (0..args.len()).map(|n| text(args, n)).collect::<Result<_>>()?;
    let rows = args.first().map_or(0, |a| a.len());
    let joined = (0..rows).map(|row| {
        let parts = columns.iter().map(|c| (!c.is_null(row)).then(|| c.value(row)));
        parts.collect::<Option<String>>()
    });
    Ok(Arc::new(joined.collect::<StringArray>()))
}

/// `concat_ws(separator, ..)`: NULL parts are left out.
pub(in crate::query) fn concat_ws(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let separators = text(args, 0)?;
    let columns: Vec<_> = (1..args.len()).map(|n| text(args, n)).collect::<Result<_>>()?;
    let joined = separators.iter().enumerate().map(|(row, separator)| {
        let parts: Vec<_> = columns.iter().filter(|c| !c.is_null(row)).map(|c| c.value(row)).collect();
        separator.map(|s| parts.join(s))
    });
    Ok(Arc::new(joined.collect::<StringArray>()))
}

pub(in crate::query) fn upper(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, str::to_uppercase)
}

pub(in crate::query) fn lower(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, str::to_lowercase)
}

/// Words are parted by blanks.
pub(in crate::query) fn initcap(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, |v| {
        let mut start = true;
        let capital = |c: char| {
            let out: String = if start { c.to_uppercase().collect() } else { c.to_lowercase().collect() };
            start = c == ' ';
            out
        };
        v.chars().map(capital).collect()
    })
}

pub(in crate::query) fn reverse(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, |v| v.chars().rev().collect())
}

/// Blanks only: not tabs, not newlines.
pub(in crate::query) fn trim(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, |v| v.trim_matches(' ').to_owned())
}

pub(in crate::query) fn ltrim(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, |v| v.trim_start_matches(' ').to_owned())
}

pub(in crate::query) fn rtrim(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    each(args, |v| v.trim_end_matches(' ').to_owned())
}

/// `TRIM(characters FROM text)` as (text, characters).
pub(in crate::query) fn trim_characters(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    pairs(args, |v, set| v.trim_matches(|c| set.contains(c)).to_owned())
}

pub(in crate::query) fn ltrim_characters(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    pairs(args, |v, set| v.trim_start_matches(|c| set.contains(c)).to_owned())
}

pub(in crate::query) fn rtrim_characters(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    pairs(args, |v, set| v.trim_end_matches(|c| set.contains(c)).to_owned())
}

/// Characters, not bytes.
pub(in crate::query) fn length(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(text(args, 0)?.iter().map(|v| v.map(|v| count(v.chars().count()))).collect::<Int32Array>()))
}

pub(in crate::query) fn octet_length(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(text(args, 0)?.iter().map(|v| v.map(|v| count(v.len()))).collect::<Int32Array>()))
}

/// `substring(text, position[, length])`.
pub(in crate::query) fn substring(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (values, starts) = (text(args, 0)?, numbers::<Int32Type>(args, 1)?);
    let lengths = if args.len() > 2 { Some(numbers::<Int32Type>(args, 2)?) } else { None };
    let out = values.iter().zip(starts.iter()).enumerate().map(|(row, (value, start))| {
        let length = match lengths {
            None => i64::MAX,
            Some(lengths) if lengths.is_null(row) => return None,
            Some(lengths) => lengths.value(row).into(),
        };
        Some(slice(value?, start?.into(), length))
    });
    Ok(Arc::new(out.collect::<StringArray>()))
}

fn slice(value: &str, start: i64, length: i64) -> String {
    let chars = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
    let from = match start {
        1.. => start - 1,
        0 => 0,
        _ => chars + start,
    };
    let to = from.saturating_add(length).clamp(0, chars);
    let from = from.clamp(0, chars);
    let skip = usize::try_from(from).unwrap_or_default();
    let take = usize::try_from(to - from).unwrap_or_default();
    value.chars().skip(skip).take(take).collect()
}

pub(in crate::query) fn left(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    with_number(args, |v, n| v.chars().take(size(n)).collect())
}

pub(in crate::query) fn right(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    with_number(args, |v, n| v.chars().skip(v.chars().count().saturating_sub(size(n))).collect())
}

pub(in crate::query) fn repeat(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    with_number(args, |v, n| v.repeat(size(n)))
}

/// Every occurrence; an empty search text replaces nothing.
pub(in crate::query) fn replace(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    triples(args, |v, from, to| if from.is_empty() { v.to_owned() } else { v.replace(from, to) })
}

/// Character by character; one without a counterpart is dropped.
pub(in crate::query) fn translate(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    triples(args, |v, from, to| {
        v.chars()
            .filter_map(|c| match from.chars().position(|f| f == c) {
                Some(at) => to.chars().nth(at),
                None => Some(c),
            })
            .collect()
    })
}

fn pad(args: &[ArrayRef], join: impl Fn(String, String) -> String) -> Result<ArrayRef> {
    let (values, lengths, pads) = (text(args, 0)?, numbers::<Int32Type>(args, 1)?, text(args, 2)?);
    let zipped = values.iter().zip(lengths.iter()).zip(pads.iter());
    let out = zipped.map(|((value, length), pad)| {
        let (value, length, pad) = (value?, size(length?), pad?);
        let kept: String = value.chars().take(length).collect();
        let missing = length.saturating_sub(value.chars().count());
        Some(join(kept, pad.chars().cycle().take(if pad.is_empty() { 0 } else { missing }).collect()))
    });
    Ok(Arc::new(out.collect::<StringArray>()))
}

pub(in crate::query) fn lpad(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    pad(args, |kept, padding| padding + &kept)
}

pub(in crate::query) fn rpad(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    pad(args, |kept, padding| kept + &padding)
}

/// `instr(text, part)`: the first place, from 1; 0 without.
pub(in crate::query) fn instr(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let zipped = text(args, 0)?.iter().zip(text(args, 1)?.iter());
    let place = |value: &str, part: &str| {
        let at = value.find(part).and_then(|at| value.get(..at));
        at.map_or(0, |before| count(before.chars().count()) + 1)
    };
    Ok(Arc::new(zipped.map(|(v, p)| Some(place(v?, p?))).collect::<Int32Array>()))
}

/// `locate(part, text)`.
pub(in crate::query) fn locate(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    instr(&[argument(args, 1)?.clone(), argument(args, 0)?.clone()], returns)
}

pub(in crate::query) fn starts_with(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    test(args, |v, part| v.starts_with(part))
}

pub(in crate::query) fn ends_with(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    test(args, |v, part| v.ends_with(part))
}

pub(in crate::query) fn contains(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    test(args, |v, part| v.contains(part))
}

/// The first character's code; 0 of nothing.
pub(in crate::query) fn ascii(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let code = |v: &str| v.chars().next().map_or(0, |c| i32::try_from(u32::from(c)).unwrap_or_default());
    Ok(Arc::new(text(args, 0)?.iter().map(|v| v.map(code)).collect::<Int32Array>()))
}

/// `split_part(text, delimiter, n)`: the n-th part from 1, from the end when negative; empty when there is none.
pub(in crate::query) fn split_part(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (values, delimiters, places) = (text(args, 0)?, text(args, 1)?, numbers::<Int32Type>(args, 2)?);
    let zipped = values.iter().zip(delimiters.iter()).zip(places.iter());
    let out = zipped.map(|((value, delimiter), n)| {
        let (Some(value), Some(delimiter), Some(n)) = (value, delimiter, n) else { return Ok(None) };
        nth_part(value, delimiter, n).map(Some)
    });
    Ok(Arc::new(out.collect::<Result<StringArray>>()?))
}

fn nth_part(value: &str, delimiter: &str, n: i32) -> Result<String> {
    let parts: Vec<&str> = if delimiter.is_empty() { vec![value] } else { value.split(delimiter).collect() };
    let places = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    let at = match n {
        0 => {
            let message = "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).";
            return Err(crate::error::LocalError::new("INVALID_INDEX_OF_ZERO", "22003", message));
        }
        1.. => n - 1,
        _ => places + n,
    };
    let part = usize::try_from(at).ok().and_then(|at| parts.get(at));
    Ok(part.map(|p| (*p).to_owned()).unwrap_or_default())
}
