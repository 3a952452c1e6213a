//! Reads a flat JSON object (RFC 8259), member by member: the claims of a message hold nothing but strings and whole numbers,
//! and every message is read at least once.

use memchr::memchr2;

use crate::message::jws::Text;

/// What a member may be.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(Text<'a>),
    Number(u64),
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Option<Text<'a>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

/// Hands on each member; `None` for anything else than such an object, and when `take` says so.
pub(crate) fn read<'a>(json: &'a [u8], mut take: impl FnMut(&str, Value<'a>) -> Option<()>) -> Option<()> {
    let json = str::from_utf8(json).ok()?;
    let is_plain = is_plain(json.as_bytes());
    let mut rest = skip(skip(json).strip_prefix('{')?);
    let mut more = !rest.starts_with('}');
    while more {
        let (name, after) = string(rest, is_plain)?;
        let (value, after) = value(skip(skip(after).strip_prefix(':')?), is_plain)?;
        take(&name, value)?;
        rest = skip(after);
        more = rest.starts_with(',');
        rest = if more { skip(rest.strip_prefix(',')?) } else { rest };
    }
    skip(rest.strip_prefix('}')?).is_empty().then_some(())
}

/// Whether no byte is a control character. Eight at a time: no compiler does that by itself where code is made small.
fn is_plain(text: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = text.as_chunks::<8>();
    // The high bit of a byte of `below` is set where that byte, or a lower one, is less than b' '.
    let below = |word: u64| word.wrapping_sub(EACH.wrapping_mul(0x20)) & !word & EACH.wrapping_mul(0x80);
    words.iter().fold(0, |found, word| found | below(u64::from_le_bytes(*word))) == 0
        && rest.iter().all(|byte| *byte >= b' ')
}

/// What follows white space.
fn skip(text: &str) -> &str {
    if text.as_bytes().first().is_some_and(|byte| *byte > b' ') {
        return text; // nearly always
    }
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn value(text: &str, is_plain: bool) -> Option<(Value<'_>, &str)> {
    if text.starts_with('"') {
        return string(text, is_plain).map(|(text, after)| (Value::Text(text), after));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = text.split_at_checked(digits)?;
    let is_canonical = number == "0" || !number.starts_with('0');
    is_canonical.then_some((Value::Number(number.parse().ok()?), after))
}

/// A string, and what follows it. Only text that is not plain can hold control characters.
fn string(text: &str, is_plain: bool) -> Option<(Text<'_>, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut end = memchr2(b'"', b'\\', inside.as_bytes())?;
    let is_escaped = inside.as_bytes().get(end) == Some(&b'\\');
    while inside.as_bytes().get(end) == Some(&b'\\') {
        let next = end.checked_add(2)?;
        end = next.checked_add(memchr2(b'"', b'\\', inside.as_bytes().get(next..)?)?)?;
    }
    let (raw, after) = inside.split_at_checked(end)?;
    let after = after.strip_prefix('"')?;
    if is_escaped {
        let quoted = text.get(..end.checked_add(2)?)?;
        return Some((Text::from(serde_json::from_str::<String>(quoted).ok()?), after));
    }
    let is_text = is_plain || self::is_plain(raw.as_bytes());
    is_text.then_some((Text::from(raw), after))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The members as `read` gives them, none twice.
    fn flat(json: &str) -> Option<BTreeMap<String, String>> {
        let mut members = BTreeMap::new();
        read(json.as_bytes(), |name, value| {
            let value = match value {
                Value::Text(text) => format!("{:?}", &*text),
                Value::Number(number) => number.to_string(),
            };
            members.insert(name.to_owned(), value).is_none().then_some(())
        })?;
        Some(members)
    }

    /// The same by serde, which refuses with `deny_unknown_fields` and the like what this reader refuses by itself.
    fn by_serde(json: &str) -> Option<BTreeMap<String, String>> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        if !crate::json::is_strict(json) {
            return None; // a member twice
        }
        let members: BTreeMap<String, Either> = serde_json::from_str(json).ok()?;
        let shown = |value| match value {
            Either::Number(number) => u64::to_string(&number),
            Either::Text(text) => format!("{text:?}"),
        };
        Some(members.into_iter().map(|(name, value)| (name, shown(value))).collect())
    }

    #[test]
    fn reads_what_json_is_and_nothing_else() {
        let good = [
            r"{}",
            " \t\r\n{ } ",
            r#"{"a":"b","c":0,"d":18446744073709551615}"#,
            "{ \"a\" : \"b\" ,\n\t\"c\" : 7 }\r\n",
            r#"{"\u0061":"\"\\\/\b\f\n\r\t\ud83d\ude00é"}"#,
            "{\"a\":\"\u{7f}é\"}",
        ];
        for json in good {
            assert!(flat(json).is_some(), "{json}");
            assert_eq!(flat(json), by_serde(json), "{json}");
        }
        let bad = [
            "",
            "{",
            "}",
            "[]",
            "{}{}",
            "{} x",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":-1}"#,
            r#"{"a":+1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e2}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{a:1}"#,
            r#"{'a':1}"#,
            r#"{"a":"b}"#,
            r#"{"a":"b\"}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            r#"{"a":"\u12"}"#,
            "{\"a\":\"\n\"}",
            "{\"\t\":1}",
            "{\"a\":\"\\\n\"}",
            "\u{a0}{}",
            "\u{feff}{}",
            "{\"a\":1}\0",
            "{\"a\":\"\\",
            "{\"a\":\"\\\\",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
        ];
        for json in bad {
            assert_eq!((flat(json), by_serde(json)), (None, None), "{json}");
        }
        assert!(read(b"{\"a\":\"\xff\"}", |_, _| Some(())).is_none());
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for length in 0..40 {
            for other in [b' ', b'~', 0x7f, 0x80, 0xa0, 0xff] {
                let plain = vec![other; length];
                assert!(is_plain(&plain), "{length} {other}");
                for (at, control) in (0..length).flat_map(|at| [0, 1, b'\n', 0x1f].map(|control| (at, control))) {
                    let mut text = plain.clone();
                    text[at] = control;
                    assert!(!is_plain(&text), "{length} {other} {at} {control}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What was changed anywhere is read as serde reads it, or by neither.
        #[test]
        fn agrees_with_serde(
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, r#"[ \t\n"\\{}\[\],:0-9a-fu.+é\-]"#), 0..4)
        ) {
            let mut text = r#"{"v":1,"op":"call","exp":1700000000, "pt":"a\u0041\\\"é","\u006eam":"x", "z" : 0}"#.to_owned();
            for (place, kind, piece) in edits {
                let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let at = *place.get(&places);
                let next = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                match kind {
                    0 => text.insert_str(at, &piece),
                    1 => text.replace_range(at..next, &piece),
                    2 => text.replace_range(at..next, ""),
                    _ => text.truncate(at),
                }
            }
            prop_assert_eq!(flat(&text), by_serde(&text), "{}", text);
        }
    }
}
