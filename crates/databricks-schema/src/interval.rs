//! The qualifiers of INTERVAL types.

use std::fmt;
use std::str::FromStr;

use crate::SchemaError;

/// The fields an INTERVAL spans, from the larger to the smaller.
///
/// The first three count months, the others microseconds: the two families do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntervalKind {
    /// `YEAR`
    Year,
    /// `YEAR TO MONTH`
    YearToMonth,
    /// `MONTH`
    Month,
    /// `DAY`
    Day,
    /// `DAY TO HOUR`
    DayToHour,
    /// `DAY TO MINUTE`
    DayToMinute,
    /// `DAY TO SECOND`
    DayToSecond,
    /// `HOUR`
    Hour,
    /// `HOUR TO MINUTE`
    HourToMinute,
    /// `HOUR TO SECOND`
    HourToSecond,
    /// `MINUTE`
    Minute,
    /// `MINUTE TO SECOND`
    MinuteToSecond,
    /// `SECOND`
    Second,
}

impl IntervalKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Year,
        Self::YearToMonth,
        Self::Month,
        Self::Day,
        Self::DayToHour,
        Self::DayToMinute,
        Self::DayToSecond,
        Self::Hour,
        Self::HourToMinute,
        Self::HourToSecond,
        Self::Minute,
        Self::MinuteToSecond,
        Self::Second,
    ];

    /// The qualifier as SQL writes it: `DAY TO SECOND`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::YearToMonth => "YEAR TO MONTH",
            Self::Month => "MONTH",
            Self::Day => "DAY",
            Self::DayToHour => "DAY TO HOUR",
            Self::DayToMinute => "DAY TO MINUTE",
            Self::DayToSecond => "DAY TO SECOND",
            Self::Hour => "HOUR",
            Self::HourToMinute => "HOUR TO MINUTE",
            Self::HourToSecond => "HOUR TO SECOND",
            Self::Minute => "MINUTE",
            Self::MinuteToSecond => "MINUTE TO SECOND",
            Self::Second => "SECOND",
        }
    }

    /// Whether it counts months (`YEAR`, `YEAR TO MONTH`, `MONTH`) rather than microseconds.
    pub const fn is_year_month(&self) -> bool {
        matches!(self, Self::Year | Self::YearToMonth | Self::Month)
    }

    /// The kind with this first and last field, in any case; `None` when no INTERVAL has them.
    pub(crate) fn from_fields(first: &str, last: Option<&str>) -> Option<Self> {
        let text = match last {
            Some(last) => format!("{first} TO {last}"),
            None => first.to_owned(),
        };
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(&text))
    }
}

impl fmt::Display for IntervalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IntervalKind {
    type Err = SchemaError;

    /// Reads `DAY TO SECOND`, in any case, as `type_interval_type` of a result column names it.
    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let kind = match words.as_slice() {
            [first] => Self::from_fields(first, None),
            [first, to, last] if to.eq_ignore_ascii_case("TO") => Self::from_fields(first, Some(last)),
            _ => None,
        };
        kind.ok_or_else(|| SchemaError::UnreadableType {
            text: text.chars().take(80).collect(),
            position: 0,
            reason: "no such interval qualifier; write for example `YEAR TO MONTH` or `DAY TO SECOND`".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_reads_what_it_prints_in_any_case() {
        for kind in IntervalKind::ALL {
            assert_eq!(kind.to_string().parse::<IntervalKind>().unwrap(), kind);
            assert_eq!(kind.to_string().to_lowercase().parse::<IntervalKind>().unwrap(), kind);
        }
    }

    #[test]
    fn families_do_not_mix() {
        let error = "MONTH TO DAY".parse::<IntervalKind>().unwrap_err();
        assert!(error.to_string().contains("MONTH TO DAY"), "{error}");
    }
}
