//! BINARY as text. This is the only place that knows how it is written.
//!
//! Shipped drivers disagree: some read hexadecimal digits, some base64, and no recording settles it. So a column is
//! read as what it can only be: as base64 if any cell is not hexadecimal, as hexadecimal if any cell is not base64.
//! A column that is both (such as the one cell `CAFE`) is refused rather than guessed: results by link carry the
//! bytes themselves.

use arrow::array::BinaryArray;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

type Decode = fn(&str) -> Option<Vec<u8>>;

pub(super) fn from_text(cells: &[Option<&str>]) -> Result<BinaryArray, String> {
    let bytes = match (decoded(cells, from_hex), decoded(cells, from_base64)) {
        (Some(hex), Some(base64)) if hex != base64 => {
            let cell = cells.iter().flatten().find(|cell| !cell.is_empty()).unwrap_or(&"");
            return Err(format!(
                "`{cell}` may be hexadecimal or base64, and which the server means is not known; read this statement \
                 with `external()`, which carries the bytes themselves"
            ));
        }
        (Some(bytes), _) | (None, Some(bytes)) => bytes,
        (None, None) => {
            let strange =
                cells.iter().flatten().find(|cell| from_hex(cell).is_none() && from_base64(cell).is_none());
            return Err(format!("`{}` is neither hexadecimal nor base64", strange.unwrap_or(&"the column")));
        }
    };
    Ok(bytes.into_iter().collect())
}

fn decoded(cells: &[Option<&str>], decode: Decode) -> Option<Vec<Option<Vec<u8>>>> {
    cells.iter().map(|cell| cell.map_or(Some(None), |text| decode(text).map(Some))).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn column_is_read_as_what_it_can_only_be() {
        for (cells, expected) in [
            (
                vec![Some("CAFE"), None, Some("00ff01")],
                vec![Some(vec![0xca, 0xfe]), None, Some(vec![0, 255, 1])],
            ),
            (vec![Some("CAFE"), Some("aGk=")], vec![Some(vec![0x08, 0x01, 0x44]), Some(b"hi".to_vec())]),
            (vec![Some(""), None], vec![Some(vec![]), None]),
        ] {
            let expected: BinaryArray = expected.into_iter().collect();
            assert_eq!(from_text(&cells).unwrap(), expected, "{cells:?}");
        }
    }

    #[test]
    fn column_that_may_be_either_is_refused_with_the_remedy() {
        for cell in ["CAFE", "AAAA", "0123456789abcdef"] {
            let message = from_text(&[None, Some(cell)]).unwrap_err();
            assert!(message.contains(cell) && message.contains("external()"), "{message}");
        }
    }

    #[test]
    fn other_text_is_an_error() {
        assert!(from_text(&[Some("not bytes!")]).unwrap_err().contains("`not bytes!`"));
        assert!(from_text(&[Some("aGk="), Some("00FF01")]).unwrap_err().contains("the column"));
    }
}
