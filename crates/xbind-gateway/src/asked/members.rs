//! The members of a JSON object as they were written. The text has been found to be strict JSON before.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object taken apart, in its order: each name read, each value as it was written.
pub(super) struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members, if it is an object.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The value of that member, as it was written; `null` is none.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value).filter(|value| *value != "null")
    }

    /// Every member.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.0.as_ref(), value.get()))
    }

    /// Whether every name is of small letters, digits and `_`. Some upstreams take `Name` for `name`, so what is read here
    /// must not be there in another spelling.
    pub(super) fn is_plain(&self) -> bool {
        self.iter().all(|(name, _)| name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')))
    }
}

/// A text.
pub(super) fn text(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// `true` or `false`.
pub(super) fn boolean(value: &str) -> Option<bool> {
    serde_json::from_str(value).ok()
}

/// A list, each value as it was written.
pub(super) fn list(value: &str) -> Option<Vec<&str>> {
    let values: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    Some(values.into_iter().map(RawValue::get).collect())
}

/// A whole number from 1 to `most`, without fraction or exponent.
pub(super) fn count(value: &str, most: u64) -> Option<u64> {
    value.parse().ok().filter(|count| (1..=most).contains(count))
}

/// The text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One object of those members, with some changed where they stand and those that are missing at the end.
pub(super) fn written(members: Option<&Members<'_>>, changes: &[(&str, String)]) -> String {
    let mut json = String::from("{");
    let mut push = |name: &str, value: &str| {
        let comma = if json.len() > 1 { "," } else { "" };
        json.extend([comma, &quoted(name), ":", value]);
    };
    let changed = |name: &str| changes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    for (name, value) in members.into_iter().flat_map(Members::iter) {
        push(name, changed(name).unwrap_or(value));
    }
    let is_there = |name: &str| members.is_some_and(|members| members.iter().any(|(known, _)| known == name));
    for (name, value) in changes.iter().filter(|(name, _)| !is_there(name)) {
        push(name, value);
    }
    json.push('}');
    json
}

/// A name, which borrows where it can.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        json.deserialize_str(NameVisitor)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(MembersVisitor)
    }
}
