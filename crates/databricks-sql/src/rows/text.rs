//! Cells that have no serde type of their own, as text that chrono, jiff and decimal types read.
//!
//! The text is written on the stack: a row costs no memory but what the Rust type keeps.

use std::fmt::{self, Write};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

/// The longest of them: sign, point, and the 39 digits that an `i128` may have behind 38 places.
const CAPACITY: usize = 48;

/// A short text on the stack.
pub(super) struct Text {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Text {
    const EMPTY: Self = Self { bytes: [0; CAPACITY], length: 0 };

    pub(super) fn as_str(&self) -> &str {
        // Only whole texts are written to it.
        self.bytes.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// The last `width` digits of a number, with zeros in front.
    fn push_digits(&mut self, mut number: u64, width: usize) {
        let end = self.length + width;
        let Some(places) = self.bytes.get_mut(self.length..end) else { return };
        for place in places.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.length = end;
    }

    /// `2024-02-29`
    fn push_date(&mut self, date: NaiveDate) -> Option<()> {
        let year = u64::try_from(date.year()).ok().filter(|year| *year <= 9999)?;
        self.push_digits(year, 4);
        self.push(b'-');
        self.push_digits(date.month().into(), 2);
        self.push(b'-');
        self.push_digits(date.day().into(), 2);
        Some(())
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let places = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        places.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn written(write: impl FnOnce(&mut Text) -> fmt::Result) -> Option<Text> {
    let mut text = Text::EMPTY;
    write(&mut text).ok()?;
    Some(text)
}

/// `2024-02-29`; years that are not 1 to 9999 as chrono writes them.
pub(super) fn date(days: i32) -> Option<Text> {
    let date = NaiveDate::from_epoch_days(days)?;
    let mut text = Text::EMPTY;
    match text.push_date(date) {
        Some(()) => Some(text),
        None => written(|text| write!(text, "{date}")),
    }
}

/// `2024-02-29T01:02:03.000004`, with a `Z` behind it if it is an instant.
pub(super) fn timestamp(micros: i64, instant: bool) -> Option<Text> {
    let clock = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let mut text = Text::EMPTY;
    match text.push_date(clock.date()) {
        Some(()) => text.push(b'T'),
        None => text = written(|text| write!(text, "{}T", clock.date()))?,
    }
    push_time(&mut text, clock);
    if instant {
        text.push(b'Z');
    }
    Some(text)
}

fn push_time(text: &mut Text, clock: NaiveDateTime) {
    text.push_digits(clock.hour().into(), 2);
    text.push(b':');
    text.push_digits(clock.minute().into(), 2);
    text.push(b':');
    text.push_digits(clock.second().into(), 2);
    text.push(b'.');
    text.push_digits((clock.nanosecond() / 1_000).into(), 6);
}

/// All digits of an unscaled value, with its point. `None` for a scale that no DECIMAL has.
pub(super) fn decimal(value: i128, scale: i8) -> Option<Text> {
    let scale = usize::try_from(scale).ok().filter(|scale| *scale <= 38)?;
    let mut text = Text::EMPTY;
    if value < 0 {
        text.push(b'-');
    }
    // Split where machine words end: dividing 128 bits at every digit is slow.
    const WORD: u128 = 10_u128.pow(19);
    let digits = value.unsigned_abs();
    let (high, low) = (digits / WORD, (digits % WORD) as u64);
    // 39 digits at most; the first of them has a place of its own.
    let (highest, high) = ((high / WORD) as u64, (high % WORD) as u64);
    let mut all = Text::EMPTY;
    all.push_digits(highest, 1);
    all.push_digits(high, 19);
    all.push_digits(low, 19);
    let all = all.as_str();
    let count = digits.checked_ilog10().map_or(1, |log| log as usize + 1).max(scale + 1);
    let (whole, fraction) = all.get(all.len().checked_sub(count)?..)?.split_at_checked(count - scale)?;
    text.write_str(whole).ok()?;
    if scale > 0 {
        text.push(b'.');
        text.write_str(fraction).ok()?;
    }
    Some(text)
}

/// The number nearest to a decimal.
pub(super) fn float(value: i128, scale: i8) -> Option<f64> {
    /// Up to here integers and powers of ten are exact, so that one division rounds once.
    const EXACT: u128 = 1 << 53;
    const POWERS: usize = 22;
    let places = usize::try_from(scale).ok()?;
    if value.unsigned_abs() <= EXACT && places <= POWERS {
        return Some(value as f64 / 10_f64.powi(places as i32));
    }
    decimal(value, scale)?.as_str().parse().ok()
}

/// `1-2`: years and months.
pub(super) fn months(months: i32) -> Option<Text> {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    written(|text| write!(text, "{sign}{}-{}", months / 12, months % 12))
}

/// `1 02:03:04.000005`: days and time of day.
pub(super) fn duration(micros: i64) -> Option<Text> {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    written(|text| {
        write!(text, "{sign}{days} {hours:02}:{minutes:02}:{seconds:02}")?;
        if micros > 0 {
            write!(text, ".{micros:06}")?;
        }
        Ok(())
    })
}

/// `00FF`
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let digits = [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)));
        text.extend(digits.into_iter().flatten());
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn shown(text: Option<Text>) -> String {
        text.unwrap().as_str().to_owned()
    }

    #[test]
    fn calendar_is_written_from_end_to_end() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-719_162, "0001-01-01"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (-719_529, "-0001-12-31"),
        ] {
            assert_eq!(shown(date(days)), text);
        }
        assert!(date(i32::MAX).is_none());
        for (micros, text) in [
            (-1, "1969-12-31T23:59:59.999999"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999"),
            (253_402_300_800_000_000, "+10000-01-01T00:00:00.000000"),
            (-62_198_755_200_000_000, "-0001-01-01T00:00:00.000000"),
        ] {
            assert_eq!(shown(timestamp(micros, false)), text);
            assert_eq!(shown(timestamp(micros, true)), format!("{text}Z"));
        }
        assert!(timestamp(i64::MAX, true).is_none());
    }

    #[test]
    fn decimals_have_all_their_digits() {
        for (value, scale, text) in [
            (0, 0, "0"),
            (0, 3, "0.000"),
            (-5, 2, "-0.05"),
            (12_345, 2, "123.45"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
            (1, 38, "0.00000000000000000000000000000000000001"),
        ] {
            assert_eq!(shown(decimal(value, scale)), text);
        }
        assert!(decimal(1, -1).is_none() && decimal(1, 39).is_none());
    }

    #[test]
    fn intervals_and_bytes() {
        assert_eq!(shown(months(-14)), "-1-2");
        assert_eq!(shown(months(i32::MIN)), "-178956970-8");
        assert_eq!(shown(duration(93_784_000_005)), "1 02:03:04.000005");
        assert_eq!(shown(duration(i64::MIN)), "-106751991 04:00:54.775808");
        assert_eq!(hexadecimal(&[0, 255, 16]), "00FF10");
    }

    proptest! {
        #[test]
        fn decimals_read_back(value: i128, scale in 0_i8..=38) {
            let text = shown(decimal(value, scale));
            let digits: String = text.chars().filter(|c| *c != '.').collect();
            prop_assert_eq!(digits.parse::<i128>().unwrap(), value);
            prop_assert_eq!(text.find('.').map_or(0, |at| text.len() - at - 1), scale as usize);
        }

        #[test]
        fn floats_are_the_nearest_ones(value: i64, wide: i128, scale in 0_i8..=38) {
            for value in [i128::from(value >> 12), value.into(), wide] {
                let nearest: f64 = shown(decimal(value, scale)).parse().unwrap();
                prop_assert_eq!(float(value, scale), Some(nearest));
            }
        }

        #[test]
        fn timestamps_are_as_chrono_has_them(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let clock = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            prop_assert_eq!(shown(timestamp(micros, false)), clock.format("%Y-%m-%dT%H:%M:%S%.6f").to_string());
            let days = (micros / 86_400_000_000) as i32;
            prop_assert_eq!(shown(date(days)), NaiveDate::from_epoch_days(days).unwrap().to_string());
        }
    }
}
