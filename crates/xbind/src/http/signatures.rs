//! `Signature-Input` and `Signature`: the one signature of a profile among those that a message bears (RFC 9421 section 4).

use std::borrow::Cow;

use super::base::Component;
use super::message::{Fields, malformed};
use super::sfv::{self, Bare, InnerList, Item, Member};
use super::{MAX_PARAMETER_BYTES, MAX_SIGNATURES, MAX_STRUCTURED_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// The two fields, to be borrowed from.
pub(crate) struct Texts<'a> {
    input: Cow<'a, str>,
    signature: Cow<'a, str>,
}

/// A signature as it claims to be.
pub(crate) struct Claimed<'a> {
    pub(crate) label: &'a str,
    /// The components and parameters, as they are signed.
    pub(crate) list: InnerList<'a>,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) nonce: Option<Cow<'a, str>>,
    pub(crate) keyid: Cow<'a, str>,
    pub(crate) signature: [u8; 64],
}

impl<'a> Texts<'a> {
    pub(crate) fn read(fields: Fields<'a>) -> Result<Self> {
        let text = |name: &'static str| match fields.joined(name)? {
            Some(text) if text.len() > MAX_STRUCTURED_BYTES => {
                Err(malformed(format!("{name} is longer than {MAX_STRUCTURED_BYTES} bytes")))
            }
            Some(text) => Ok(text),
            None => Err(unsigned()),
        };
        Ok(Self { input: text("signature-input")?, signature: text("signature")? })
    }

    /// The signature with that tag, which must be the only one.
    pub(crate) fn with_tag(&self, tag: &str) -> Result<Claimed<'_>> {
        let inputs = read_members(&self.input, "Signature-Input")?;
        let mut signatures = read_members(&self.signature, "Signature")?;
        let mut ours = inputs.into_iter().filter_map(|(label, member)| match member {
            Member::List(list) => Some((label, list)).filter(|(_, list)| has_tag(list, tag)),
            Member::Item(_) => None,
        });
        let (label, list) = ours.next().ok_or_else(unsigned)?;
        if ours.next().is_some() {
            return Err(malformed(format!("more than one signature with the tag {tag}")));
        }
        let place = signatures.iter().position(|(other, _)| *other == label);
        let member = place.map(|place| signatures.swap_remove(place).1);
        let Some(Member::Item(Item { value: Bare::Bytes(bytes), .. })) = member else {
            return Err(malformed("Signature does not hold what Signature-Input names"));
        };
        let wrong = |_| malformed("the signature is not 64 bytes long");
        claimed(label, list, bytes.as_slice().try_into().map_err(wrong)?)
    }

    /// Whether there is one of that label, or nobody can tell.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        [&self.input, &self.signature]
            .into_iter()
            .any(|text| sfv::dictionary(text).is_none_or(|members| members.iter().any(|(other, _)| *other == label)))
    }
}

fn read_members<'a>(text: &'a str, name: &str) -> Result<sfv::Dictionary<'a>> {
    let members = sfv::dictionary(text).ok_or_else(|| malformed(format!("{name} is no dictionary")))?;
    if members.len() > MAX_SIGNATURES {
        return Err(malformed(format!("more than {MAX_SIGNATURES} signatures")));
    }
    Ok(members)
}

fn unsigned() -> Error {
    Error::new(ErrorKind::InvalidSignature, "the message bears no signature of this profile")
        .with_hint("sign it with signRequest, createFetch or signResponse, in the profile that is verified")
}

fn has_tag(list: &InnerList<'_>, tag: &str) -> bool {
    list.parameters.iter().any(|(key, value)| *key == "tag" && matches!(value, Bare::String(text) if text == tag))
}

fn claimed<'a>(label: &'a str, list: InnerList<'a>, signature: [u8; 64]) -> Result<Claimed<'a>> {
    let (mut created, mut expires, mut nonce, mut keyid) = (None, None, None, None);
    for (key, value) in &list.parameters {
        match (*key, value) {
            ("created", Bare::Integer(seconds)) => created = u64::try_from(*seconds).ok(),
            ("expires", Bare::Integer(seconds)) => expires = u64::try_from(*seconds).ok(),
            ("nonce", Bare::String(text)) if fits(text) => nonce = Some(text.clone()),
            ("keyid", Bare::String(text)) if fits(text) => keyid = Some(text.clone()),
            ("alg", Bare::String(text)) if text == "ed25519" => {}
            ("tag", _) => {}
            ("created" | "expires" | "nonce" | "keyid", _) => {
                return Err(malformed(format!("the signature parameter {key} is not what it should be")));
            }
            ("alg", _) => return Err(malformed("the signature is not by ed25519")),
            _ => return Err(malformed(format!("an unknown signature parameter {key}"))),
        }
    }
    let missing = |what: &'static str| move || malformed(format!("the signature has no parameter {what}"));
    let (created, expires) = (created.ok_or_else(missing("created"))?, expires.ok_or_else(missing("expires"))?);
    if created >= expires {
        return Err(malformed("the signature expires before it was created"));
    }
    Ok(Claimed { label, keyid: keyid.ok_or_else(missing("keyid"))?, list, created, expires, nonce, signature })
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_PARAMETER_BYTES
}

/// # Errors
/// `INVALID_SIGNATURE` unless the component is covered as it is, of this message.
pub(crate) fn must_cover(covered: &[Component<'_>], name: &str) -> Result<()> {
    if covered.contains(&Component::plain(name)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidSignature, format!("the signature does not cover {name}")))
}

/// Whether it is time for it: created and expired within the skew, and no older than `max_age`. The last second in which it
/// may be accepted.
pub(crate) fn check_time(claimed: &Claimed<'_>, skew: u64, max_age: u64, now: u64) -> Result<u64> {
    let Claimed { created, expires, .. } = *claimed;
    if created > now.saturating_add(skew) {
        let why = format!("the signature is {} s from the future", created.saturating_sub(now));
        return Err(Error::new(ErrorKind::MessageNotYetValid, why).with_hint("compare the clocks of both sides"));
    }
    let until = expires.min(created.saturating_add(max_age)).saturating_add(skew);
    check_until(until, now)?;
    Ok(until)
}

pub(crate) fn check_until(until: u64, now: u64) -> Result<()> {
    if now <= until {
        return Ok(());
    }
    let why = format!("the signature expired {} s ago", now.saturating_sub(until));
    Err(Error::new(ErrorKind::MessageExpired, why)
        .with_hint("sign each request when it is sent, and compare the clocks of both sides"))
}
