//! The claims of tokens and delegations, read strictly.

use crate::base64;
use crate::error::Result;
use crate::json::{self, Members};
use crate::message::jws::{self, Text};
use crate::rights::grant::{Grant, Link, MAX_FURTHER_CLAIMS, Parent, invalid, is_name};
use crate::rights::quota::Quota;
use crate::rights::revocation::StatusRef;
use crate::rights::scope::ScopeSet;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// As they stand in the JSON.
#[derive(Default)]
pub(crate) struct Claims<'a> {
    iss: Option<Text<'a>>,
    sub: Option<Text<'a>>,
    aud: Option<Audience<'a>>,
    client_id: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    scope: Option<Text<'a>>,
    iat: Option<u64>,
    exp: Option<u64>,
    nbf: Option<u64>,
    prf: Option<Text<'a>>,
    act: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    cnf: Option<&'a RawValue>,
    quota: Option<&'a RawValue>,
    further: Vec<(Text<'a>, &'a RawValue)>,
}

impl<'a> Claims<'a> {
    /// RFC 9068 section 2.2. `act` and `may_act` (RFC 8693) tell of the past there, and are handed on unjudged.
    pub(crate) fn token(mut self) -> Result<Grant> {
        if self.prf.is_some() {
            return Err(invalid("only a delegation carries prf"));
        }
        let client = name(self.client_id.take(), "the claim client_id is missing or empty")?;
        let bound_to = match self.cnf.take() {
            None => None,
            Some(cnf) => Some(thumbprint(cnf).ok_or_else(|| invalid("the claim cnf is not exactly one jkt"))?),
        };
        let on_behalf_of = self.on_behalf_of(&client);
        let mut further = Members::new();
        if let Some(act) = self.act.take() {
            if self.further.len() >= MAX_FURTHER_CLAIMS {
                return Err(invalid("the token has more than 64 further claims"));
            }
            self.further.push((Text::from("act"), act));
        }
        for (name, value) in &self.further {
            if !json::is_strict(value.get()) {
                return Err(invalid(
                    "a further claim repeats a member, nests deeper than 16 levels or is no JSON text",
                ));
            }
            further.raw(name, value.get());
        }
        let mut grant = self.common()?;
        if on_behalf_of.is_some() {
            grant.link.subject.clone_from(&client);
        }
        Ok(Grant { client: Some(client), bound_to, on_behalf_of, further: further.finish(), ..grant })
    }

    /// For whom the client acts, of a token by a DID for somebody who is none: `act` (RFC 8693 section 4.1) and `sub_id` say so
    /// exactly, and are taken out. Whatever says it otherwise does not say it.
    fn on_behalf_of(&mut self, client: &str) -> Option<(String, String)> {
        let subject = self.sub.as_ref().filter(|sub| !sub.starts_with("did:"))?;
        self.iss.as_ref().filter(|iss| iss.starts_with("did:"))?;
        if actors(self.act?.get())? != [client] {
            return None;
        }
        let at = self.further.iter().position(|(name, _)| **name == *"sub_id")?;
        let named = self.further.get(at).and_then(|(_, value)| named(value))?;
        if named.1 != **subject {
            return None;
        }
        self.further.remove(at);
        self.act = None;
        Some(named)
    }

    /// Exactly the claims of a link: one that nobody here can judge might be a limit that nobody here keeps.
    pub(crate) fn link(mut self) -> Result<Grant> {
        if self.client_id.is_some() || self.nbf.is_some() || self.cnf.is_some() || !self.further.is_empty() {
            return Err(invalid("the delegation has a claim that is none of a delegation"));
        }
        let text = self.prf.take().ok_or_else(|| invalid("the delegation carries no prf"))?.into_cow().into_owned();
        let actors = self.act.take().and_then(|act| actors(act.get()));
        let actors = actors.ok_or_else(|| invalid("the delegation's act is missing or malformed"))?;
        Ok(Grant { parent: Some(Parent { text, actors }), ..self.common()? })
    }

    fn add<E: serde::de::Error>(&mut self, name: Text<'a>, value: &'a RawValue) -> std::result::Result<(), E> {
        if self.further.len() >= MAX_FURTHER_CLAIMS {
            return Err(E::custom("too many claims"));
        }
        if self.further.iter().any(|(known, _)| **known == *name) {
            return Err(E::custom("a member is repeated"));
        }
        self.further.push((name, value));
        Ok(())
    }

    /// Whether a member of this format is among them.
    fn names_reserved(&self) -> bool {
        let texts = [&self.iss, &self.sub, &self.client_id, &self.jti, &self.scope, &self.prf];
        texts.iter().any(|claim| claim.is_some())
            || [self.iat, self.exp, self.nbf].iter().any(Option::is_some)
            || [self.act, self.status, self.cnf, self.quota].iter().any(Option::is_some)
            || self.aud.is_some()
            || self.further.iter().any(|(name, _)| **name == *"may_act")
    }

    fn common(self) -> Result<Grant> {
        let issued_at = self.iat.ok_or_else(|| invalid("the claim iat is missing"))?;
        let expires_at = self.exp.ok_or_else(|| invalid("the claim exp is missing"))?;
        if issued_at >= expires_at {
            return Err(invalid("the token expires before it is issued"));
        }
        let scopes = match self.scope {
            None => ScopeSet::empty(),
            Some(text) if text.is_empty() => return Err(invalid("the claim scope is empty")),
            Some(text) => ScopeSet::parse(&text).map_err(|_| invalid("the claim scope is not a list of scopes"))?,
        };
        let status = match self.status {
            None => None,
            Some(status) => Some(status_ref(status).ok_or_else(|| invalid("the claim status is not one status_list"))?),
        };
        // A limit that cannot be read is one that nobody would keep.
        let quota = match self.quota {
            None => None,
            Some(quota) => Some(
                serde_json::from_str::<Quota>(quota.get())
                    .map_err(|_| invalid("the claim quota is not 1 to 16 limits by their names"))?,
            ),
        };
        Ok(Grant {
            link: Link {
                id: name(self.jti, "the claim jti is missing or empty")?,
                issuer: name(self.iss, "the claim iss is missing or empty")?,
                subject: name(self.sub, "the claim sub is missing or empty")?,
                issued_at,
                status,
                quota,
            },
            audience: name(self.aud.map(|aud| aud.0), "the claim aud is missing or empty")?,
            scopes,
            expires_at,
            not_before: issued_at.max(self.nbf.unwrap_or(0)),
            ..Grant::default()
        })
    }
}

fn name(claim: Option<Text<'_>>, why: &'static str) -> Result<String> {
    claim.filter(|text| is_name(text)).map(|text| text.into_cow().into_owned()).ok_or_else(|| invalid(why))
}

/// Adds the claims that an issuer wants in its token beyond those of this format: the text of a JSON object.
pub(crate) fn push_further(claims: &mut Members, object: &str) -> Option<()> {
    let parsed: Claims<'_> = jws::parse_object(object.as_bytes())?;
    if parsed.names_reserved() {
        return None;
    }
    for (name, value) in &parsed.further {
        json::is_strict(value.get()).then(|| claims.raw(name, value.get()))?;
    }
    Some(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Claims<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        struct ClaimsVisitor;
        impl<'de> Visitor<'de> for ClaimsVisitor {
            type Value = Claims<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Claims<'de>, A::Error> {
                let mut claims = Claims::default();
                while let Some(name) = object.next_key::<Text<'de>>()? {
                    match &*name {
                        "iss" => once(&mut claims.iss, &mut object)?,
                        "sub" => once(&mut claims.sub, &mut object)?,
                        "aud" => once(&mut claims.aud, &mut object)?,
                        "client_id" => once(&mut claims.client_id, &mut object)?,
                        "jti" => once(&mut claims.jti, &mut object)?,
                        "scope" => once(&mut claims.scope, &mut object)?,
                        "iat" => once(&mut claims.iat, &mut object)?,
                        "exp" => once(&mut claims.exp, &mut object)?,
                        "nbf" => once(&mut claims.nbf, &mut object)?,
                        "prf" => once(&mut claims.prf, &mut object)?,
                        "act" => once(&mut claims.act, &mut object)?,
                        "status" => once(&mut claims.status, &mut object)?,
                        "cnf" => once(&mut claims.cnf, &mut object)?,
                        "quota" => once(&mut claims.quota, &mut object)?,
                        _ => claims.add(name, object.next_value()?)?,
                    }
                }
                Ok(claims)
            }
        }
        json.deserialize_map(ClaimsVisitor)
    }
}

/// Reads a member that stands once, and has a value.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    object: &mut A,
) -> std::result::Result<(), A::Error> {
    match slot.replace(object.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a member is repeated")),
    }
}

/// One audience, alone or as the one element of an array (RFC 7519 section 4.1.3): a token for several would let each
/// of them use it with the others.
pub(crate) struct Audience<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(json)?.get();
        let one = if json.starts_with('[') {
            serde_json::from_str::<[Text<'de>; 1]>(json).map(|[one]| one)
        } else {
            serde_json::from_str(json)
        };
        one.map(Audience).map_err(D::Error::custom)
    }
}

fn status_ref(json: &RawValue) -> Option<StatusRef> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
    struct Status<'a> {
        status_list: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
    struct List<'a> {
        idx: u64,
        uri: Text<'a>,
    }
    let status: Status<'_> = jws::parse_object(json.get().as_bytes())?;
    let list: List<'_> = jws::parse_object(status.status_list.get().as_bytes())?;
    is_name(&list.uri).then(|| StatusRef { index: list.idx, uri: list.uri.into_cow().into_owned() })
}

/// `{"jkt":…}` alone, with the SHA-256 thumbprint of a key (RFC 9449 section 6.1).
fn thumbprint(json: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
    struct Confirmation<'a> {
        jkt: Text<'a>,
    }
    let Confirmation { jkt } = jws::parse_object(json.get().as_bytes())?;
    base64::decode_array::<32>(&jkt).map(|_| jkt.into_cow().into_owned())
}

/// Issuer and subject of a subject identifier of the format `iss_sub`.
fn named(json: &RawValue) -> Option<(String, String)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
    struct SubjectId<'a> {
        format: Text<'a>,
        iss: Text<'a>,
        sub: Text<'a>,
    }
    let SubjectId { format, iss, sub } = jws::parse_object(json.get().as_bytes())?;
    let fits = *format == *"iss_sub" && is_name(&iss) && is_name(&sub);
    fits.then(|| (iss.into_cow().into_owned(), sub.into_cow().into_owned()))
}

/// The subjects of nested `act` objects that hold nothing else, outermost first.
fn actors(json: &str) -> Option<Vec<String>> {
    if !json::is_strict(json) {
        return None;
    }
    let act: serde_json::Value = serde_json::from_str(json).ok()?;
    let mut actors = Vec::new();
    let mut next = Some(&act);
    while let Some(act) = next {
        let act = act.as_object()?;
        actors.push(act.get("sub")?.as_str()?.to_owned());
        next = act.get("act");
        if act.len() != if next.is_some() { 2 } else { 1 } {
            return None;
        }
    }
    Some(actors)
}
