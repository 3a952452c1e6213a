//! Bodies of type `application/x-www-form-urlencoded`, read strictly.

use crate::http::pipeline::percent_decoded;
use crate::oauth::error::Code;
use crate::problem::{Problem, Result};

/// The most parameters of a request, and the longest name of one, in bytes.
const MAX_PARAMETERS: usize = 64;
const MAX_NAME: usize = 128;
/// Of which there may be several (RFC 8707 section 2, RFC 8693 section 2.1): where one is asked for, each counts.
const REPEATED: [&str; 2] = ["resource", "audience"];

/// Parameters, decoded, in their order. One without a value is as if it were left out (RFC 6749 section 3.2).
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body. Parameters that nobody knows are passed over later on, but stand once like the others.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self> {
        let wrong = |why: &'static str| Problem::oauth(Code::InvalidRequest, why);
        let text = str::from_utf8(body).map_err(|_| wrong("the body is no form"))?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("the body holds characters that have to be percent-encoded"));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            if parameters.len() >= MAX_PARAMETERS {
                return Err(wrong("the body has more than 64 parameters"));
            }
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = decoded(name)
                .zip(decoded(value))
                .filter(|(name, value)| !name.chars().chain(value.chars()).any(char::is_control))
                .ok_or_else(|| wrong("a parameter is not percent-encoded UTF-8 without control characters"))?;
            if name.is_empty() || name.len() > MAX_NAME {
                return Err(wrong("a parameter's name is empty or longer than 128 bytes"));
            }
            if !REPEATED.contains(&name.as_str()) && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Problem::oauth(Code::InvalidRequest, format!("the parameter {name} stands twice")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// A parameter that may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// One that may not.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str> {
        self.get(name).ok_or_else(|| Problem::oauth(Code::InvalidRequest, format!("the parameter {name} is missing")))
    }

    /// Each value of a parameter.
    pub(crate) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decoded(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_reading() {
        let form = Form::parse(b"a=1+2%2B&b=&c&d=%C3%A9&&resource=x&resource=y&e=a=b").unwrap();
        assert_eq!(form.get("a"), Some("1 2+"));
        assert_eq!((form.get("b"), form.get("c"), form.get("z")), (None, None, None));
        assert_eq!((form.get("d"), form.get("e")), (Some("é"), Some("a=b")));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        let many = "a".repeat(129);
        let all = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        for body in [
            "a=1&a=1",
            "a=&a=1",
            "a&a",
            "a=1&%61=2",
            "a=%",
            "a=%1",
            "a=%+1",
            "a=%0g",
            "a=%ff",
            "a=%00",
            "a=%0a",
            "=1",
            "a=b c",
            "a=é",
            "scope=a&scope=b",
            &many,
            &all,
        ] {
            assert!(Form::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Form::parse(b"a=\xff").is_err());
    }
}
