//! Quotas: limits in numbers that tokens and delegations carry. They only shrink on their way.

use crate::error::{Error, ErrorKind, Result};
use crate::json::Members;
use crate::message::jws::Text;
use crate::rights::grant::Link;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// How many limits a quota holds at most.
pub const MAX_LIMITS: usize = 16;
/// The longest name of a limit, in bytes.
pub const MAX_LIMIT_NAME_BYTES: usize = 64;
/// The largest limit: every language has the whole numbers up to this one.
pub const MAX_LIMIT: u64 = (1 << 53) - 1;

/// Limits by their names, in the order given: claim `quota`.
///
/// 1 to 16, none twice, each named by 1 to 64 bytes of `a-z 0-9 . _ -`, each at most 2^53 − 1. What a name means, and what counts
/// towards it, is for the recipient to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    limits: Vec<(String, u64)>,
}

impl Quota {
    /// The quota of these limits.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for none, too many, a name outside the grammar or given twice, and a limit that is too large.
    pub fn of<S: AsRef<str>>(limits: impl IntoIterator<Item = (S, u64)>) -> Result<Self> {
        let mut quota = Self { limits: Vec::new() };
        let filled = limits.into_iter().try_for_each(|(name, most)| quota.add(name.as_ref(), most));
        filled.and_then(|()| quota.filled()).map_err(|why| {
            Error::new(ErrorKind::InvalidConfig, why).with_hint(
                "give 1 to 16 names like llm.tokens of at most 64 bytes, each with a whole number up to 2^53 - 1",
            )
        })
    }

    /// The limit of that name, if the quota says one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.iter().find(|(known, _)| *known == name).map(|(_, most)| most)
    }

    /// Each name with its limit, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.limits.iter().map(|(name, most)| (name.as_str(), *most))
    }

    /// Adds claim `quota`.
    pub(crate) fn push_to(&self, claims: &mut Members) {
        let mut quota = Members::new();
        self.iter().for_each(|(name, most)| quota.number(name, most));
        claims.raw("quota", &quota.finish());
    }

    fn add(&mut self, name: &str, most: u64) -> std::result::Result<(), &'static str> {
        if self.limits.len() >= MAX_LIMITS {
            return Err("a quota has more than 16 limits");
        }
        if !is_limit_name(name) {
            return Err("the name of a limit is not 1 to 64 of a-z 0-9 . _ -");
        }
        if most > MAX_LIMIT {
            return Err("a limit is larger than 2^53 - 1");
        }
        if self.get(name).is_some() {
            return Err("a limit is given twice");
        }
        self.limits.push((name.to_owned(), most));
        Ok(())
    }

    fn filled(self) -> std::result::Result<Self, &'static str> {
        if self.limits.is_empty() { Err("a quota has no limit") } else { Ok(self) }
    }
}

/// The limit of that name that holds after these links: the smallest that any of them says.
pub(crate) fn effective<'a>(links: impl IntoIterator<Item = &'a Link>, name: &str) -> Option<u64> {
    links.into_iter().filter_map(|link| link.quota.as_ref()?.get(name)).min()
}

/// All of them.
pub(crate) fn all_effective(links: &[Link]) -> BTreeMap<&str, u64> {
    let mut all = BTreeMap::new();
    for (name, most) in links.iter().filter_map(|link| link.quota.as_ref()).flat_map(Quota::iter) {
        all.entry(name).and_modify(|held| *held = most.min(*held)).or_insert(most);
    }
    all
}

fn is_limit_name(text: &str) -> bool {
    (1..=MAX_LIMIT_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

impl<'de> Deserialize<'de> for Quota {
    /// An object of numbers in plain digits.
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        struct QuotaVisitor;
        impl<'de> Visitor<'de> for QuotaVisitor {
            type Value = Quota;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("limits by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Quota, A::Error> {
                let mut quota = Quota { limits: Vec::new() };
                while let Some(name) = object.next_key::<Text<'de>>()? {
                    quota.add(&name, object.next_value()?).map_err(A::Error::custom)?;
                }
                quota.filled().map_err(A::Error::custom)
            }
        }
        json.deserialize_map(QuotaVisitor)
    }
}
