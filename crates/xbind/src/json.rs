//! Strict JSON (RFC 8259) for what tokens and statements say.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

use crate::jws::Text;

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

/// Whether the text is one JSON value without repeated members at any depth, nested at most [`MAX_DEPTH`] deep, whose
/// strings are text (no half of a surrogate pair) and whose numbers a double can hold.
pub(crate) fn is_strict(text: &str) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    Strict { deeper: MAX_DEPTH }.deserialize(&mut json).is_ok() && json.end().is_ok()
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
