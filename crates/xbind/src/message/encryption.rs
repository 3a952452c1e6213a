//! Encrypted bodies: HPKE (RFC 9180) to a key of the recipient's process, and answers under what both know from the call.
//! First encrypted, then signed: what messages say of their bodies is said of what travels.

use std::convert::Infallible;
use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305 as Cipher, Key, Nonce};
use hkdf::Hkdf;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, setup_receiver, setup_sender_with_rng};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::scrub;
use crate::message::open::VerifiedMessage;
use crate::message::{Digest, MessageId, Op};

/// By how many bytes a body grows that asks something: the encapsulated key, and what shows that nobody changed it.
pub const ASKED_OVERHEAD: usize = 48;
/// By how many bytes a body grows that answers.
pub const ANSWER_OVERHEAD: usize = 16;
/// How the context of a call begins.
const BODY_CONTEXT: &[u8] = b"xbind-body-v1\0";
/// How what answers are encrypted with is named.
const ANSWER_CONTEXT: &[u8] = b"xbind-answer-v1\0";
/// An X25519 public key.
const KEY_BYTES: usize = 32;

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// The public key to which a process takes encrypted bodies (RFC 9180 section 4.1, X25519).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncryptionKey([u8; KEY_BYTES]);

impl EncryptionKey {
    /// The key of these bytes. Whether anything can be encrypted to it shows when that is tried.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Its SHA-256, as in the claim `enc`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// The private key of a process, made when it starts and wiped when dropped. It is in no file: what was encrypted to it cannot
/// be read after it.
pub struct DecryptionKey {
    private: Box<Private>,
    public: EncryptionKey,
}

/// Whose message it is, to whom, and which: what its ciphertext is bound to, so that nobody can sign another's as his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender.
    pub from: Did,
    /// The recipient.
    pub to: Did,
    /// The message's id, which its sender never uses twice: an answer's key is made of it.
    pub id: MessageId,
}

/// What travels in place of a body and of what is presented.
pub struct Encrypted {
    /// The body.
    pub body: Vec<u8>,
    /// What is presented.
    pub token: Option<String>,
    /// The claim `enc`: [`Details::encryption`](crate::Details::encryption).
    pub key: Digest,
    /// What opens the answers.
    pub answers: AnswerKey,
}

/// What was encrypted.
pub struct Decrypted {
    /// The body.
    pub body: Vec<u8>,
    /// What is presented.
    pub token: Option<String>,
    /// What the answers are sealed with.
    pub answers: AnswerKey,
}

/// What both sides of a call know from it, and nobody else; wiped when dropped.
pub struct AnswerKey(Box<Zeroizing<[u8; 32]>>);

/// Encrypts a body, and what is presented beside it, to a key of the recipient. `randomness` is fresh.
///
/// # Errors
/// `INVALID_KEY` for a key to which nothing can be encrypted: one of small order.
pub fn encrypt(
    key: &EncryptionKey,
    envelope: &Envelope,
    body: &[u8],
    token: Option<&str>,
    randomness: &[u8; 32],
) -> Result<Encrypted> {
    let unusable = |_| Error::new(ErrorKind::InvalidKey, "nothing can be encrypted to that key");
    let internal = |_| Error::new(ErrorKind::Internal, "the body could not be encrypted");
    scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
        let public = Public::from_bytes(&key.0).map_err(unusable)?;
        let mut once = Once { left: randomness };
        let (encapsulated, mut context) = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            &envelope.info(BODY_CONTEXT),
            &mut once,
        )
        .map_err(unusable)?;
        let mut text = encapsulated.to_bytes().to_vec();
        text.extend(context.seal(body, &[]).map_err(internal)?);
        let token = token.map(|token| context.seal(token.as_bytes(), &[]).map_err(internal)).transpose()?;
        let answers = AnswerKey::filled(|secret| context.export(ANSWER_CONTEXT, secret)).map_err(internal)?;
        Ok(Encrypted { body: text, token: token.map(|token| base64::encode(&token)), key: key.digest(), answers })
    })
}

impl DecryptionKey {
    /// The key made of 32 random bytes (RFC 9180 section 7.1.3).
    #[must_use]
    pub fn derive(ikm: &[u8; 32]) -> Self {
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let (private, public) = X25519HkdfSha256::derive_keypair(ikm);
            let mut bytes = [0; KEY_BYTES];
            public.write_exact(&mut bytes);
            Self { private: Box::new(private), public: EncryptionKey(bytes) }
        })
    }

    /// The public half, which stands in presence.
    #[must_use]
    pub const fn public(&self) -> &EncryptionKey {
        &self.public
    }

    /// Decrypts a call, send or mail that was opened, and what came beside it. Who signed it has encrypted it, or at least knew
    /// what: the ciphertext is bound to him.
    ///
    /// # Errors
    /// `DECRYPTION_FAILED` if it is encrypted to another key, or does not open with this one.
    pub fn decrypt<B: AsRef<[u8]>>(&self, message: &VerifiedMessage<B>, token: Option<&str>) -> Result<Decrypted> {
        if message.encryption() != Some(&self.public.digest()) {
            return Err(failed("the body is not encrypted to this key"));
        }
        self.open(&Envelope::of(message), message.body().as_ref(), token)
    }

    /// The same, of a message that is read from then on: with the plain body in its place; what is presented; and what its answers
    /// are sealed with.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt).
    pub fn decrypt_message(
        &self,
        mut message: VerifiedMessage<Vec<u8>>,
        token: Option<&str>,
    ) -> Result<(VerifiedMessage<Vec<u8>>, Option<String>, AnswerKey)> {
        let Decrypted { body, token, answers } = self.decrypt(&message, token)?;
        message.body = body;
        Ok((message, token, answers))
    }

    fn open(&self, envelope: &Envelope, body: &[u8], token: Option<&str>) -> Result<Decrypted> {
        let refuse = || failed("the body does not open with the key that it is encrypted to");
        let (encapsulated, text) = body.split_at_checked(KEY_BYTES).ok_or_else(refuse)?;
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| refuse())?;
            let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &self.private,
                &encapsulated,
                &envelope.info(BODY_CONTEXT),
            )
            .map_err(|_| refuse())?;
            let body = context.open(text, &[]).map_err(|_| refuse())?;
            let token = match token.map(base64::decode) {
                Some(text) => {
                    let token = context.open(&text.ok_or_else(refuse)?, &[]).map_err(|_| refuse())?;
                    Some(String::from_utf8(token).map_err(|_| refuse())?)
                }
                None => None,
            };
            let answers = AnswerKey::filled(|secret| context.export(ANSWER_CONTEXT, secret)).map_err(|_| refuse())?;
            Ok(Decrypted { body, token, answers })
        })
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptionKey(..)")
    }
}

impl AnswerKey {
    fn filled<E>(fill: impl FnOnce(&mut [u8]) -> std::result::Result<(), E>) -> std::result::Result<Self, E> {
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        fill(secret.as_mut_slice())?;
        Ok(Self(secret))
    }

    /// The same once more, for whoever else answers; wiped when dropped as well.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Encrypts the body of an answer. Its id must never be used twice.
    ///
    /// # Errors
    /// `INTERNAL` for a body longer than 256 GiB.
    pub fn seal(&self, answer: &Envelope, body: &[u8]) -> Result<Vec<u8>> {
        let too_long = || Error::new(ErrorKind::Internal, "the answer could not be encrypted");
        self.with(answer, |cipher, nonce| cipher.encrypt(nonce, body).ok()).ok_or_else(too_long)
    }

    /// Decrypts the body of an answer that was opened.
    ///
    /// # Errors
    /// `DECRYPTION_FAILED` if it was not encrypted with this key, or for another message.
    pub fn open(&self, answer: &Envelope, body: &[u8]) -> Result<Vec<u8>> {
        let refuse = || failed("the answer does not open with the key of its call");
        self.with(answer, |cipher, nonce| cipher.decrypt(nonce, body).ok()).ok_or_else(refuse)
    }

    /// The same, of an answer that is read from then on.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn decrypt_message(&self, mut answer: VerifiedMessage<Vec<u8>>) -> Result<VerifiedMessage<Vec<u8>>> {
        answer.body = self.open(&Envelope::of(&answer), &answer.body)?;
        Ok(answer)
    }

    /// With key and nonce of this one message (RFC 5869): both are used once, because its id is.
    fn with<T>(&self, answer: &Envelope, work: impl FnOnce(&Cipher, &Nonce) -> Option<T>) -> Option<T> {
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let mut derived = Zeroizing::new([0; 44]);
            let hkdf = Hkdf::<Sha256>::new(Some(answer.id.as_bytes()), self.0.as_slice());
            hkdf.expand(&answer.info(ANSWER_CONTEXT), derived.as_mut_slice()).ok()?;
            let (key, nonce) = derived.split_at_checked(32)?;
            let (key, nonce) = (Key::try_from(key).ok()?, Nonce::try_from(nonce).ok()?);
            work(&Cipher::new(&key), &nonce)
        })
    }
}

impl fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerKey(..)")
    }
}

impl Envelope {
    /// That of a message that was opened.
    #[must_use]
    pub fn of<B>(message: &VerifiedMessage<B>) -> Self {
        Self { from: *message.from(), to: *message.to(), id: *message.id() }
    }

    /// The context, sender and recipient as in their claims, and the 16 bytes of the id: each of one length.
    fn info(&self, context: &[u8]) -> Vec<u8> {
        [context, self.from.as_str().as_bytes(), self.to.as_str().as_bytes(), self.id.as_bytes()].concat()
    }
}

/// Which bodies a recipient takes, on calls, sends and mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrecy {
    /// Plain ones: it has no key.
    #[default]
    None,
    /// Plain ones, and those encrypted to the key of that digest.
    Offered(Digest),
    /// Those encrypted to the key of that digest alone.
    Required(Digest),
}

impl Secrecy {
    /// Whether a message whose claim `enc` is that may come in.
    pub(crate) fn check(&self, op: Op, named: Option<Digest>) -> Result<()> {
        if !matches!(op, Op::Call | Op::Send | Op::Mail) {
            return Ok(()); // answers fit their call: see `PendingCall`
        }
        match (self, named) {
            (Self::None | Self::Offered(_), None) => Ok(()),
            (Self::Offered(own) | Self::Required(own), Some(named)) if *own == named => Ok(()),
            (Self::Required(_), None) => {
                let why = "the recipient takes encrypted bodies alone";
                Err(Error::new(ErrorKind::EncryptionRequired, why).with_hint("encrypt to the key of its presence"))
            }
            (_, Some(_)) => Err(failed("the body is encrypted to another key than the recipient has")),
        }
    }
}

/// Random bytes that are there already; asked for more, it gives zeros, which nobody does.
struct Once<'a> {
    left: &'a [u8],
}

impl TryRng for Once<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> std::result::Result<(), Infallible> {
        let (now, later) = self.left.split_at(self.left.len().min(to.len()));
        self.left = later;
        for (to, from) in to.iter_mut().zip(now) {
            *to = *from;
        }
        Ok(())
    }
}

impl TryCryptoRng for Once<'_> {}

fn failed(why: &'static str) -> Error {
    Error::new(ErrorKind::DecryptionFailed, why)
}
