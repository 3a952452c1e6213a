//! Agent identities, signed messages and their verification: no I/O, no clock, no global random source.
#![forbid(unsafe_code)]

mod base64;
mod cache;
pub mod cluster;
mod error;
pub mod http;
pub mod identity;
mod json;
pub mod message;
pub mod record;
pub mod rights;
mod time;

pub use error::{Error, ErrorKind, Handled, Result};
pub use identity::did::Did;
pub use identity::jwks::JwkSet;
pub use identity::key::{KeyCache, SigningKey, VerifyingKey};
pub use json::{is_strict as is_strict_json, is_strict_within as is_strict_json_within};
pub use message::card::{Card, CardDraft, CardMethod};
pub use message::content::{Content, Hashed};
pub use message::details::Details;
pub use message::encryption::{
    AnswerKey, Decrypted, DecryptionKey, Encrypted, EncryptionKey, Envelope, Secrecy, encrypt,
};
pub use message::jws::UnsignedJws;
pub use message::open::{Authentic, VerifiedMessage, authenticate, open};
pub use message::recipient::{Caches, PendingCall, Policy, Recipient};
pub use message::replay::{ReplayWindow, Reservation};
pub use message::roots::RootCache;
pub use message::seal::{Draft, References, Sealed, Unsigned, seal};
pub use message::sender::SenderCache;
pub use message::session::Session;
pub use message::verifier::{MessageVerifier, Opening};
pub use message::{Digest, InReplyTo, MessageId, Op};
pub use rights::approval::{Approval, ApprovalDraft, ApprovedCall, Decision, Shown, approve};
pub use rights::approval_request::{approval_in, approval_request};
pub use rights::assertion::ClientAssertion;
pub use rights::authorities::AuthorityKey;
pub use rights::bits::Bits;
pub use rights::delegation::{DelegationDraft, delegate};
pub use rights::dpop::{DpopProof, DpopRequest, dpop_proof};
pub use rights::evidence::{Grade, Revocations};
pub use rights::grant::Link;
pub use rights::issuer_keys::{KeysOf, KeysState};
pub use rights::judge::{Answers, Held, Judge, Need, Presentation, Refused, Ruling};
pub use rights::key_history::{KeyHistory, KeyState};
pub use rights::presented::Presented;
pub use rights::quota::Quota;
pub use rights::revocation::{RevocationList, Standing, StatusRef};
pub use rights::rotation::{Rotation, UnsignedRotation};
pub use rights::scope::{Scope, ScopeSet};
pub use rights::status_list::{ListSigner, SignedList, StatusList, StatusListDraft, read_status_list};
pub use rights::status_lists::{Evidence, StatusLists};
pub use rights::token::{TokenDraft, issue};
pub use rights::trust::Trust;
pub use rights::verifier::{Asked, TokenPolicy, TokenVerifier, VerifiedToken};
