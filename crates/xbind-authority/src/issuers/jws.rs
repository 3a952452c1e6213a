//! What an issuer has signed: a compact JWS (RFC 7515), read strictly. The header only selects; nothing in it leads to a key.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};
use xbind::ErrorKind;

use crate::issuers::Refused;
use crate::issuers::keys::{Algorithm, Key};

/// The longest token of a user, in bytes.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;
/// The longest name of an audience that is shown, in bytes.
const MAX_SHOWN: usize = 128;
/// Header members that would bring a key, another reading, or more that must be understood.
const NEVER: [&str; 7] = ["b64", "crit", "enc", "jku", "jwk", "x5u", "zip"];

/// A name: 1 to 512 bytes without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=512).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// One whose signature was not looked at yet.
pub(crate) struct Unverified<'a> {
    /// What is signed: header and claims. Of one such text there can be several signatures.
    pub(crate) input: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    /// Which key of its issuer.
    pub(crate) kid: String,
    /// `typ`, in lower case, without `application/`; `jwt` where there is none.
    pub(crate) typ: String,
    claims: Claims,
}

/// What it says.
pub(crate) struct Claims(Map<String, Value>);

impl<'a> Unverified<'a> {
    /// Takes one apart.
    ///
    /// # Errors
    /// What is no JWS in this form.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refused> {
        if text.len() > MAX_TOKEN {
            return Err(Refused::token("the token is longer than 16 KiB"));
        }
        let form =
            || Refused::token("the token is not three segments of base64url, with header and claims in strict JSON");
        let mut segments = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(form());
        };
        let input_length = header.len().saturating_add(1).saturating_add(claims.len());
        let input = text.get(..input_length).ok_or_else(form)?;
        let header = object(header).ok_or_else(form)?;
        let claims = Claims(object(claims).ok_or_else(form)?);
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| form())?;
        if let Some(never) = NEVER.iter().find(|never| header.contains_key(**never)) {
            return Err(Refused::token(format!("the header of the token has {never}")));
        }
        let member = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = member("alg").and_then(Algorithm::of);
        let algorithm = algorithm.ok_or_else(|| Refused::token("the alg of the token is not RS256, ES256 or EdDSA"))?;
        let kid = member("kid").filter(|kid| is_name(kid));
        let kid = kid.ok_or_else(|| Refused::token("the header of the token has no kid"))?.to_owned();
        let typ = header.get("typ").map_or(Some("jwt"), Value::as_str);
        let typ = typ.ok_or_else(|| Refused::token("the typ of the token is no text"))?.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").map_or_else(|| typ.clone(), str::to_owned);
        Ok(Self { input, signature, algorithm, kid, typ, claims })
    }

    /// Who is said to have signed it.
    pub(crate) fn issuer(&self) -> Result<&str, Refused> {
        self.claims.required("iss")
    }

    /// What it says, if that key has signed it, by the algorithm that is the key's.
    pub(crate) fn verified(self, key: &Key) -> Result<Claims, Refused> {
        if self.algorithm != key.algorithm() {
            return Err(Refused::token("the alg of the token is another than that of the key"));
        }
        if !key.verifies(self.input.as_bytes(), &self.signature) {
            return Err(Refused::token("the signature of the token does not hold"));
        }
        Ok(self.claims)
    }
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    let json = String::from_utf8(BASE64URL_NOPAD.decode(segment.as_bytes()).ok()?).ok()?;
    if !xbind::is_strict_json(&json) {
        return None;
    }
    serde_json::from_str(&json).ok()
}

impl Claims {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a name.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Refused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text = value.as_str().filter(|text| is_name(text));
        text.map(Some).ok_or_else(|| Refused::token(format!("{name} of the token is no name")))
    }

    /// The same, where it must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Refused> {
        self.text(name)?.ok_or_else(|| Refused::token(format!("the token has no {name}")))
    }

    /// A claim that is a time: a whole number.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<u64>, Refused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| Refused::token(format!("{name} of the token is no time")))
    }

    /// The same, where it must be there.
    pub(crate) fn required_time(&self, name: &'static str) -> Result<u64, Refused> {
        self.time(name)?.ok_or_else(|| Refused::token(format!("the token has no {name}")))
    }

    /// Why it is not for that one: whom it names, if that can be shown.
    pub(crate) fn not_for(&self, wanted: &str) -> Refused {
        let audiences = self.audiences().unwrap_or_default();
        let is_plain = |name: &&&str| name.len() <= MAX_SHOWN && name.bytes().all(|byte| byte.is_ascii_graphic());
        let named = audiences.iter().find(is_plain).map(|name| format!(", {name},")).unwrap_or_default();
        Refused::because(ErrorKind::WrongAudience, format!("the token is for another audience{named} than {wanted}"))
    }

    /// For whom it is: one or several.
    pub(crate) fn audiences(&self) -> Result<Vec<&str>, Refused> {
        let wrong = || Refused::token("aud of the token is neither a name nor several");
        match self.0.get("aud") {
            Some(Value::String(one)) if is_name(one) => Ok(vec![one]),
            Some(Value::Array(all)) if (1..=16).contains(&all.len()) => {
                all.iter().map(|one| one.as_str().filter(|one| is_name(one)).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
            None => Err(Refused::token("the token has no aud")),
        }
    }
}
