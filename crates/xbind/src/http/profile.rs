//! What a signature must cover and how its key is named: the profile that signer and verifier agree upon.

use super::base::Component;
use super::message::{APPROVAL, Request, TOKEN, malformed};
use super::sfv::{self, Bare, Item, Member};
use super::{MAX_STRUCTURED_BYTES, signatures};
use crate::error::{Error, ErrorKind, Result};

/// The rules of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The key is named by its DID; method, authority, path, query and body are covered.
    Xbind,
    /// Web Bot Auth (draft-ietf-webbotauth-httpsig-protocol-01): the key is named by its thumbprint, and `Signature-Agent`,
    /// a dictionary, says where it is published.
    Wba,
    /// Its older form, where `Signature-Agent` is one string, or not there.
    WbaLegacy,
}

impl Profile {
    /// The profile of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Xbind, Self::Wba, Self::WbaLegacy].into_iter().find(|profile| profile.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xbind => "xbind",
            Self::Wba => "wba",
            Self::WbaLegacy => "wba-legacy",
        }
    }

    /// Parameter `tag` of its signatures, by which a verifier finds them.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Xbind => "xbind",
            Self::Wba | Self::WbaLegacy => "web-bot-auth",
        }
    }

    /// The label of signatures made here; verifiers take any.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Xbind => "xbind",
            Self::Wba | Self::WbaLegacy => "sig1",
        }
    }

    /// Whether keys are named by their DID, and not by their thumbprint.
    #[must_use]
    pub const fn names_dids(self) -> bool {
        matches!(self, Self::Xbind)
    }

    /// Whether the signature covers what it must, but for the body, which comes later.
    pub(super) fn check(self, request: &Request<'_>, covered: &[Component<'_>]) -> Result<()> {
        let must = |name: &str| signatures::must_cover(covered, name);
        match self {
            Self::Xbind => {
                for name in DERIVED {
                    must(name)?;
                }
            }
            Self::Wba | Self::WbaLegacy => {
                if must("@authority").is_err() {
                    must("@target-uri")?;
                }
                self.check_agent(request, covered)?;
            }
        }
        for name in PRESENT {
            if (self == Self::Xbind || name == "content-digest") && request.fields.has(name) {
                must(name)?;
            }
        }
        Ok(())
    }

    fn check_agent(self, request: &Request<'_>, covered: &[Component<'_>]) -> Result<()> {
        let wrong = || {
            malformed("Signature-Agent is none of its profile: an https URL, which Web Bot Auth wants in a dictionary")
        };
        let Some(value) = request.fields.joined(AGENT)? else {
            return if self == Self::WbaLegacy { Ok(()) } else { Err(malformed("no Signature-Agent field")) };
        };
        if value.len() > MAX_STRUCTURED_BYTES {
            return Err(wrong());
        }
        if self == Self::WbaLegacy {
            let Item { value, .. } = sfv::item(&value).ok_or_else(wrong)?;
            return if is_https(&value) { signatures::must_cover(covered, AGENT) } else { Err(wrong()) };
        }
        let agents = sfv::dictionary(&value).ok_or_else(wrong)?;
        let fits = |member: &Member<'_>| matches!(member, Member::Item(Item { value, .. }) if is_https(value));
        if agents.is_empty() || !agents.iter().all(|(_, member)| fits(member)) {
            return Err(wrong());
        }
        let names = |component: &Component<'_>| component.name == AGENT && !component.req;
        if covered.iter().any(names) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidSignature, "the signature does not cover signature-agent"))
    }
}

/// Always covered in `xbind`.
pub(super) const DERIVED: [&str; 4] = ["@method", "@authority", "@path", "@query"];
/// Covered in `xbind` where they are there: they say what the body is and what the sender may do.
pub(super) const PRESENT: [&str; 6] =
    ["content-digest", "content-type", "content-encoding", "authorization", TOKEN, APPROVAL];
/// Where the keys of a bot are published.
pub(super) const AGENT: &str = "signature-agent";

fn is_https(value: &Bare<'_>) -> bool {
    matches!(value, Bare::String(url) if is_agent_url(url))
}

/// An https URL of printable ASCII.
pub(super) fn is_agent_url(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 2048 && rest.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
    })
}
