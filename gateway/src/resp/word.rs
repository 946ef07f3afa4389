//! Words to values.

/// A decimal integer written the one canonical way, as Redis wants it: no `+`, no leading zero.
pub(super) fn integer(word: &[u8]) -> Option<i64> {
    match word {
        [b'+', ..] | [b'0', _, ..] | [b'-', b'0', ..] => None,
        _ => std::str::from_utf8(word).ok()?.parse().ok(),
    }
}

/// Text of visible ASCII: no space, no control character.
pub(super) fn visible(word: &[u8]) -> Option<&str> {
    let visible = word.iter().all(u8::is_ascii_graphic);
    if visible { std::str::from_utf8(word).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_canonical() {
        let table: [(&[u8], Option<i64>); 12] = [
            (b"0", Some(0)),
            (b"7", Some(7)),
            (b"-1", Some(-1)),
            (b"9223372036854775807", Some(i64::MAX)),
            (b"-9223372036854775808", Some(i64::MIN)),
            (b"9223372036854775808", None),
            (b"", None),
            (b"-", None),
            (b"+1", None),
            (b"01", None),
            (b"-0", None),
            (b"1 ", None),
        ];
        for (text, expected) in table {
            assert_eq!(integer(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn visible_text_has_neither_spaces_nor_controls_nor_other_scripts() {
        for byte in 0..=255u8 {
            let expected = (0x21..=0x7e).contains(&byte);
            assert_eq!(visible(&[b'a', byte, b'z']).is_some(), expected, "{byte:#x}");
        }
        assert_eq!(visible(b""), Some(""));
    }
}
