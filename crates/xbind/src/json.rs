//! Strict JSON (RFC 8259) for what tokens and statements say.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

use crate::message::jws::Text;

/// How deep the values of further claims may nest.
pub(crate) const MAX_DEPTH: usize = 16;

/// Writes one JSON object, member by member, without white space.
pub(crate) struct Members(String);

impl Members {
    pub(crate) fn new() -> Self {
        Self(String::with_capacity(512))
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_quoted(&mut self.0, value);
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    /// `json` is the text of one value.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.push_str(json);
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_quoted(&mut self.0, name);
        self.0.push(':');
    }
}

/// Appends a JSON string.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Whether the text is one JSON value without repeated members at any depth, nested at most 16 deep, whose
/// strings are text (no half of a surrogate pair) and whose numbers a double can hold. An array or object is itself the
/// first level.
#[must_use]
pub fn is_strict(text: &str) -> bool {
    is_strict_within(text, MAX_DEPTH)
}

/// The same, with another limit to nesting. Each level takes stack, so it has to be small: up to 128.
///
/// ```
/// assert!(xbind::is_strict_json_within("[[1]]", 2));
/// assert!(!xbind::is_strict_json_within("[[1]]", 1));
/// ```
#[must_use]
pub fn is_strict_within(text: &str, max_depth: usize) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    json.disable_recursion_limit(); // ours is at hand, and exact
    Strict { deeper: max_depth }.deserialize(&mut json).is_ok() && json.end().is_ok()
}

/// Whether every number of a JSON text is one that a double holds, digit for digit: what is shown of it is what it says.
pub(crate) fn has_exact_numbers(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (_, from) = rest.split_at(at);
        rest = if let Some(string) = from.strip_prefix('"') {
            after_string(string)
        } else {
            let end = from.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(from.len());
            let (number, after) = from.split_at(end);
            if !is_exact(number) {
                return false;
            }
            after
        };
    }
    true
}

fn after_string(text: &str) -> &str {
    let mut rest = text;
    loop {
        let end = rest.find(['"', '\\']).unwrap_or(rest.len());
        let (_, from) = rest.split_at(end);
        let mut chars = from.chars();
        if chars.next() != Some('\\') {
            return chars.as_str();
        }
        chars.next();
        rest = chars.as_str();
    }
}

fn is_exact(number: &str) -> bool {
    let Ok(value) = number.parse::<f64>() else { return false };
    let exact = digits(number).is_some_and(|said| digits(&format!("{value:e}")) == Some(said));
    value.is_finite() && exact
}

/// The digits that count, and the power of ten of the last of them; of zero, none and 0.
fn digits(number: &str) -> Option<(String, i64)> {
    let number = number.strip_prefix('-').unwrap_or(number);
    let (mantissa, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let counted = all.trim_start_matches('0').trim_end_matches('0');
    if counted.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = i64::try_from(all.len().checked_sub(all.trim_end_matches('0').len())?).ok()?;
    let power = power.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
    Some((counted.to_owned(), power))
}

#[derive(Clone, Copy)]
struct Strict {
    deeper: usize,
}

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let deeper = self.deeper.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { deeper })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while array.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut names = HashSet::new();
        while let Some(name) = object.next_key::<Text<'de>>()? {
            if !names.insert(name.into_cow()) {
                return Err(A::Error::custom("a member is repeated"));
            }
            object.next_value_seed(inside)?;
        }
        Ok(())
    }
}
