//! Who sends a request, and what proves it: a signature of its DID, a token that is presented with a proof of its key, or a
//! token that is bound to nobody.

use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use xbind::http::message::RequestHead;
use xbind::http::target::Scheme;
use xbind::http::verify::{AuthenticRequest, RequestVerifier};
use xbind::{Did, DpopProof, DpopRequest};

use crate::problem::{Kind, Problem, Result};

/// What of a request says who sends it. Nothing of it goes on to a model's server.
pub(crate) struct Caller {
    /// The token that it presents.
    pub(crate) token: String,
    proof: Proof,
}

enum Proof {
    /// The head is signed; the body was not looked at.
    Signed(Box<AuthenticRequest>),
    /// Of the key that the token is bound to.
    Dpop(DpopProof),
    /// The token alone.
    Bearer,
}

/// Something that counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// By which the database knows it.
    pub(crate) claim: String,
    /// The last second in which it could be accepted.
    pub(crate) until: u64,
}

/// How clients reach this gateway, and what it takes.
pub(crate) struct Door {
    pub(crate) verifier: RequestVerifier,
    pub(crate) scheme: Scheme,
    pub(crate) url: String,
    pub(crate) bearer: bool,
    pub(crate) clock_skew: u64,
}

impl Door {
    /// Who sends the request of that head. A signature is all that counts where there is one: clients of models send a key in
    /// any case.
    ///
    /// # Errors
    /// `not-proven`, `malformed`; those of the signature.
    pub(crate) fn caller(&self, parts: &Parts, now: u64) -> Result<Caller> {
        if parts.headers.contains_key("signature-input") || parts.headers.contains_key("signature") {
            return self.signed(parts, now);
        }
        let keys = [one(&parts.headers, "authorization")?, one(&parts.headers, "x-api-key")?];
        let (authorization, key) = match keys {
            [Some(_), Some(_)] => {
                return Err(Problem::new(Kind::NotProven, "the request has both Authorization and x-api-key"));
            }
            [None, None] => {
                return Err(Problem::new(Kind::NotProven, "the request has neither a signature nor a token"));
            }
            [authorization, key] => (authorization, key),
        };
        let proof = one(&parts.headers, "dpop")?;
        let (scheme, token) = match (authorization, key) {
            (Some(text), _) => text.split_once(' ').unwrap_or((text, "")),
            (None, key) => ("Bearer", key.unwrap_or_default()),
        };
        let token = token.trim_matches(' ').to_owned();
        if scheme.eq_ignore_ascii_case("dpop") {
            let proof = proof.ok_or_else(|| Problem::new(Kind::NotProven, "the request has no DPoP proof"))?;
            let url = format!("{}{}", self.url, parts.uri.path());
            let asked = DpopRequest { method: parts.method.as_str(), url: &url, token: Some(&token) };
            let proof = DpopProof::verify(proof, &asked, now, self.clock_skew)?;
            return Ok(Caller { token, proof: Proof::Dpop(proof) });
        }
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Problem::new(Kind::NotProven, "the credentials are neither Bearer nor DPoP with a token"));
        }
        if proof.is_some() {
            return Err(Problem::new(Kind::NotProven, "a DPoP proof goes with the scheme DPoP, not with Bearer"));
        }
        if !self.bearer {
            let why = "tokens alone are not taken here: sign the request, or bring a DPoP proof";
            return Err(Problem::new(Kind::NotProven, why));
        }
        Ok(Caller { token, proof: Proof::Bearer })
    }

    fn signed(&self, parts: &Parts, now: u64) -> Result<Caller> {
        let text = |value: &'_ hyper::header::HeaderValue| str::from_utf8(value.as_bytes()).ok().map(str::to_owned);
        let fields: Option<Vec<_>> =
            parts.headers.iter().map(|(name, value)| Some((name.as_str(), text(value)?))).collect();
        let fields = fields.ok_or_else(|| Problem::malformed("a header field is not UTF-8"))?;
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let head = RequestHead {
            method: parts.method.as_str(),
            scheme: self.scheme,
            authority: None,
            target,
            fields: &fields,
        };
        let signed = self.verifier.authenticate(&head, now)?;
        let token = signed.token().map(str::to_owned);
        let token = token
            .ok_or_else(|| Problem::new(Kind::NotProven, "the signed request presents no token in Xbind-Token"))?;
        Ok(Caller { token, proof: Proof::Signed(Box::new(signed)) })
    }

    /// Takes the body of a request, once as far as this process remembers; what counts once beyond it is given back.
    ///
    /// # Errors
    /// Those of [`RequestVerifier::accept`].
    pub(crate) fn accept(&self, caller: &Caller, body: &[u8], now: u64) -> Result<Option<Once>> {
        match &caller.proof {
            Proof::Signed(signed) => {
                self.verifier.accept(signed, body, now)?;
                Ok(Some(Once { claim: format!("request {}", signed.claim()), until: signed.until() }))
            }
            Proof::Dpop(proof) => {
                Ok(Some(Once { claim: format!("dpop {}", proof.claim()), until: proof.until(self.clock_skew) }))
            }
            Proof::Bearer => Ok(None),
        }
    }
}

impl Caller {
    /// Whose key was proven: the token has to be its.
    pub(crate) fn presenter(&self) -> Option<&Did> {
        match &self.proof {
            Proof::Signed(signed) => Some(signed.from()),
            Proof::Dpop(proof) => Some(proof.did()),
            Proof::Bearer => None,
        }
    }

    /// The signed request, which alone can bring an approval along.
    pub(crate) fn as_signed(&self) -> Option<&AuthenticRequest> {
        match &self.proof {
            Proof::Signed(signed) => Some(signed),
            Proof::Dpop(_) | Proof::Bearer => None,
        }
    }

    /// How records name what proved it.
    pub(crate) const fn how(&self) -> &'static str {
        match self.proof {
            Proof::Signed(_) => "signature",
            Proof::Dpop(_) => "dpop",
            Proof::Bearer => "bearer",
        }
    }
}

/// A field that stands there once at most.
fn one<'a>(fields: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let mut all = fields.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(Problem::malformed(format!("the field {name} stands there twice")));
    }
    let text =
        first.map(|value| value.to_str().map_err(|_| Problem::malformed(format!("the field {name} is not ASCII"))));
    text.transpose()
}
