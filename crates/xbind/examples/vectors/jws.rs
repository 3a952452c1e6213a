//! Compact JWS that no honest signer would make.

use data_encoding::BASE64URL_NOPAD;
use xbind::{Did, SigningKey};

/// A JSON object, member by member, so that it can be wrong in one place only.
#[derive(Clone)]
pub struct Object(pub Vec<(String, String)>);

impl Object {
    /// Members with the JSON text of their values.
    pub fn of(members: &[(&str, String)]) -> Self {
        Self(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    pub fn set(&self, name: &str, value: impl ToString) -> Self {
        let mut members = self.0.clone();
        members.iter_mut().find(|(member, _)| member == name).unwrap().1 = value.to_string();
        Self(members)
    }

    pub fn add(&self, name: &str, value: impl ToString) -> Self {
        let mut members = self.0.clone();
        members.push((name.to_owned(), value.to_string()));
        Self(members)
    }

    pub fn without(&self, name: &str) -> Self {
        let mut members = self.0.clone();
        members.retain(|(member, _)| member != name);
        Self(members)
    }

    pub fn json(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

pub fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

pub fn kid(did: &Did) -> String {
    format!("{}#{}", did.as_str(), did.multibase())
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

pub fn signing_input(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

/// Signs whatever the two segments hold.
pub fn sign(key: &SigningKey, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let input = signing_input(header, claims);
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", encode(signature))
}

/// The segments of a JWS, to be put together differently.
pub fn segments(jws: &str) -> [&str; 3] {
    jws.split('.').collect::<Vec<_>>().try_into().unwrap()
}
