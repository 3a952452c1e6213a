//! Making messages: claims, digest of the body, signature.

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::SigningKey;
use crate::message::batch::{self, Tree};
use crate::message::content::Content;
use crate::message::details::{self, Details, Shape};
use crate::message::{self, ALG_BATCH, ALG_SINGLE, DIGEST_PREFIX, Digest, InReplyTo, MessageId, Op, TYPE};
use sha2::{Digest as _, Sha256};
use std::borrow::{Borrow, Cow};

use crate::message::batch::MAX_BATCH;

/// One message to be signed.
#[derive(Debug)]
pub struct Draft<'a, B: ?Sized = [u8]> {
    /// What it is for.
    pub op: Op,
    /// The one recipient; never the sender.
    pub to: Did,
    /// Fresh random bytes.
    pub id: MessageId,
    /// Now, in seconds since the epoch.
    pub issued_at: u64,
    /// How long it lives, 1 to [`MAX_TTL`](message::MAX_TTL) seconds; mail up to [`MAX_MAIL_TTL`](message::MAX_MAIL_TTL).
    pub ttl: u32,
    /// Media type of the body, at most 127 bytes (RFC 6838 section 4.2).
    pub content_type: &'a str,
    /// The bytes that travel beside the JWS.
    pub body: &'a B,
    /// A token to present, on a call or a send; it travels beside the message too.
    pub token: Option<&'a str>,
    /// The call that it answers or says something of; on all but calls and sends.
    pub in_reply_to: Option<InReplyTo>,
    /// What only some messages say.
    pub details: Details<&'a str>,
}

impl<B: ?Sized> Clone for Draft<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: ?Sized> Copy for Draft<'_, B> {}

/// A signed message; body and token travel beside the JWS.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The compact JWS, at most 4 KiB of ASCII.
    pub jws: String,
    /// Its id.
    pub id: MessageId,
}

impl Sealed {
    /// What an answer to this message must name.
    #[must_use]
    pub fn reference(&self) -> InReplyTo {
        InReplyTo::of(self.id, &self.jws)
    }
}

/// What answers to messages of one sender must name: what their headers have in common is hashed once.
#[derive(Clone, Debug)]
pub struct References {
    header: Box<str>,
    begun: Sha256,
}

impl References {
    /// For messages that begin like this one.
    #[must_use]
    pub fn like(sealed: &Sealed) -> Self {
        let header = sealed.jws.split('.').next().unwrap_or_default();
        Self { header: header.into(), begun: Sha256::new_with_prefix(header) }
    }

    /// The same as [`Sealed::reference`].
    #[must_use]
    pub fn to(&self, sealed: &Sealed) -> InReplyTo {
        let Some(rest) = sealed.jws.strip_prefix(&*self.header) else { return sealed.reference() };
        let digest = self.begun.clone().chain_update(rest).finalize();
        InReplyTo { id: sealed.id, digest: Digest::from_bytes(digest.into()) }
    }
}

/// Signs one message.
///
/// # Errors
/// `WRONG_AUDIENCE` for a message to oneself, `MALFORMED_MESSAGE` for a draft outside the format.
pub fn seal<B: Content + ?Sized>(key: &SigningKey, draft: &Draft<'_, B>) -> Result<Sealed> {
    let unsigned = Unsigned::new(key.did(), std::slice::from_ref(draft))?;
    let signature = key.sign(unsigned.to_sign());
    unsigned.finish(&signature).pop().ok_or_else(|| Error::new(ErrorKind::Internal, "the message was lost"))
}

/// Drafts of one sender that wait for one signature: plain EdDSA for a single draft, a Merkle tree for 2 to 4096.
pub struct Unsigned {
    messages: Vec<Half>,
    /// None for a message alone.
    batch: Option<Batch>,
}

/// A message up to its last full stop.
struct Half {
    jws: String,
    id: MessageId,
}

struct Batch {
    tree: Tree,
    size: u32,
    to_sign: [u8; 51],
}

impl Unsigned {
    /// Prepares the drafts, in this order.
    ///
    /// # Errors
    /// That of the first draft outside the format: `WRONG_AUDIENCE` for a message to oneself, else `MALFORMED_MESSAGE`.
    /// Also `MALFORMED_MESSAGE` for no draft at all, or more than 4096.
    pub fn new<'a, B: Content + ?Sized + 'a>(
        sender: &Did,
        drafts: impl IntoIterator<Item = impl Borrow<Draft<'a, B>>, IntoIter: ExactSizeIterator>,
    ) -> Result<Self> {
        let drafts = drafts.into_iter();
        let count = drafts.len();
        if count == 0 || count > MAX_BATCH {
            return Err(malformed(format!("a batch holds 1 to {MAX_BATCH} messages, this one {count}")));
        }
        let alone = count == 1;
        let header = header(sender, if alone { ALG_SINGLE } else { ALG_BATCH });
        let mut claims = Vec::with_capacity(640);
        let mut messages = Vec::with_capacity(count);
        for draft in drafts {
            let draft = draft.borrow();
            claims.clear();
            write_claims(sender, draft, &mut claims)?;
            let mut jws = String::with_capacity(if alone { 1024 } else { 1536 });
            jws.push_str(&header);
            base64::encode_into(&claims, &mut jws);
            messages.push(Half { jws, id: draft.id });
        }
        let batch = Batch::over(&messages, &header);
        Ok(Self { messages, batch })
    }

    /// What the sender's key signs.
    #[must_use]
    pub fn to_sign(&self) -> &[u8] {
        match &self.batch {
            Some(batch) => &batch.to_sign,
            None => self.messages.first().map_or(&[], |message| message.jws.as_bytes()),
        }
    }

    /// How many messages wait.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages, in the order of their drafts. The signature is not checked here.
    #[must_use]
    pub fn finish(self, signature: &[u8; 64]) -> Vec<Sealed> {
        let mut proof = Vec::with_capacity(512);
        let seal = |(Half { mut jws, id }, index)| {
            proof.clear();
            proof.extend_from_slice(signature);
            if let Some(batch) = &self.batch {
                batch.append_place(index, &mut proof);
            }
            jws.push('.');
            base64::encode_into(&proof, &mut jws);
            Sealed { jws, id }
        };
        self.messages.into_iter().zip(0..).map(seal).collect()
    }
}

impl Batch {
    /// `None` for a message alone.
    fn over(messages: &[Half], header: &str) -> Option<Self> {
        // All leaves begin alike, so that part is hashed once.
        let prefix = batch::leaf_hasher().chain_update(header);
        let leaf = |message: &Half| {
            let claims = message.jws.strip_prefix(header).unwrap_or_default();
            prefix.clone().chain_update(claims).finalize().into()
        };
        let tree = Tree::new(messages.iter().map(leaf).collect())?;
        let size = u32::try_from(messages.len()).ok()?;
        let to_sign = batch::signed_bytes(size, &tree.root());
        Some(Self { tree, size, to_sign })
    }

    /// What follows the root signature in the third segment: size, index, proof.
    fn append_place(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&index.to_be_bytes());
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        out.extend(self.tree.proof(index).as_flattened());
    }
}

/// The protected header, encoded, and the full stop after it; the same for all messages of a sender.
fn header(sender: &Did, alg: &str) -> String {
    let json = format!(r#"{{"alg":"{alg}","kid":"{}#{}","typ":"{TYPE}"}}"#, sender.as_str(), sender.multibase());
    let mut text = String::with_capacity(256);
    base64::encode_into(json.as_bytes(), &mut text);
    text.push('.');
    text
}

/// How a claim begins that is not the first.
macro_rules! claim {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The claims, in the order of the known answers. Only the media type can hold a character that JSON escapes.
fn write_claims<B: Content + ?Sized>(sender: &Did, draft: &Draft<'_, B>, out: &mut Vec<u8>) -> Result<()> {
    if draft.to == *sender {
        return Err(Error::new(ErrorKind::WrongAudience, "an agent cannot address itself"));
    }
    let longest = draft.op.max_ttl();
    if !(1..=longest).contains(&draft.ttl) {
        return Err(malformed(format!("a message lives 1 to {longest} s, not {}", draft.ttl)));
    }
    let Some(expires_at) = draft.issued_at.checked_add(draft.ttl.into()) else {
        return Err(malformed("the time of issue is out of range"));
    };
    if !message::is_content_type(draft.content_type) {
        return Err(malformed("the content type is not a media type of at most 127 bytes"));
    }
    let body_len = u64::try_from(draft.body.bytes().len()).unwrap_or(u64::MAX);
    let names_call = draft.in_reply_to.is_some();
    details::check(&Shape {
        op: draft.op,
        names_call: (names_call, names_call),
        presents: draft.token.is_some(),
        details: draft.details,
        content_type: draft.content_type,
        body_len,
    })
    .map_err(malformed)?;

    out.extend_from_slice(b"{\"v\":1");
    string(out, claim!("op"), draft.op.as_str());
    string(out, claim!("iss"), sender.as_bytes());
    string(out, claim!("aud"), draft.to.as_bytes());
    encoded(out, claim!("jti"), "", draft.id.as_bytes());
    number(out, claim!("iat"), draft.issued_at);
    number(out, claim!("exp"), expires_at);
    if let Some(call) = &draft.in_reply_to {
        encoded(out, claim!("irt"), "", call.id.as_bytes());
        encoded(out, claim!("rqd"), DIGEST_PREFIX, call.digest.as_bytes());
    }
    if draft.content_type.contains(['"', '\\']) {
        string(out, claim!("pt"), draft.content_type.replace('\\', "\\\\").replace('"', "\\\""));
    } else {
        string(out, claim!("pt"), draft.content_type);
    }
    number(out, claim!("pl"), body_len);
    encoded(out, claim!("pd"), DIGEST_PREFIX, draft.body.digest().as_bytes());
    if let Some(token) = draft.token {
        encoded(out, claim!("ath"), "", Digest::of(token.as_bytes()).as_bytes());
    }
    let Details { method, deadline_ms, traceparent, seq, window, session, encryption } = draft.details;
    for (claim, text) in [(claim!("mth"), method), (claim!("tp"), traceparent)] {
        if let Some(text) = text {
            string(out, claim, text);
        }
    }
    for (claim, value) in [(claim!("dl"), deadline_ms), (claim!("seq"), seq), (claim!("win"), window)] {
        if let Some(value) = value {
            number(out, claim, value);
        }
    }
    if let Some(session) = session {
        encoded(out, claim!("ses"), "", session.as_bytes());
    }
    if let Some(key) = encryption {
        encoded(out, claim!("enc"), "", key.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

fn string(out: &mut Vec<u8>, claim: &str, value: impl AsRef<[u8]>) {
    out.extend_from_slice(claim.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_ref());
    out.push(b'"');
}

fn encoded(out: &mut Vec<u8>, claim: &str, prefix: &str, value: &[u8]) {
    out.extend_from_slice(claim.as_bytes());
    out.push(b'"');
    out.extend_from_slice(prefix.as_bytes());
    base64::encode_into(value, out);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, claim: &str, value: u64) {
    out.extend_from_slice(claim.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::MalformedMessage, message)
}
