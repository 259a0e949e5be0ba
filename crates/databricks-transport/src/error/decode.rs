//! The text of an answer's bytes, whatever wrote them.

use std::borrow::Cow;

/// UTF-8, or UTF-16 that says so by its mark; the mark goes. What is neither is read as far as it can be.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit);
    char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn marks_decide_and_go() {
        for (bytes, expected) in [
            (&b"plain"[..], "plain"),
            (b"\xef\xbb\xbf{}", "{}"),
            (b"\xff\xfeh\0\xe9\0", "hé"),
            (b"\xfe\xff\0h\0\xe9", "hé"),
            (b"\xff\xfe\x3d\xd8\0\xdeodd", "\u{1f600}摯"),
            (b"\xff\xfe\x3d\xd8", "\u{fffd}"),
            (b"\xff broken", "\u{fffd} broken"),
            (b"\xef\xbb", "\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(text(bytes), expected, "{bytes:?}");
        }
    }
}
