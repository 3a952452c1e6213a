//! Several messages in the body of one HTTP request or response: docs/http.md, "Agents over HTTP".
//!
//! ```text
//! message = 0x01 ‖ length of jws (2 bytes) ‖ length of body (4) ‖ length of what is presented, plus 1; 0 without (4)
//!           ‖ recipient (56 bytes of its DID) ‖ jws ‖ body ‖ what is presented
//! ```
//!
//! Numbers are big-endian. Nothing stands between messages or after the last.

use std::fmt;
use std::sync::{Arc, Weak};

use xbind::message::MAX_JWS_BYTES;
use xbind::rights::MAX_PRESENTED_BYTES;
use xbind::{Did, ErrorKind, VerifyingKey};
use xbind_runtime::Node;
use xbind_runtime::transport::{Arrival, Departure};

/// The media type of such a body.
pub const MEDIA_TYPE: &str = "application/vnd.xbind.messages";

const MESSAGE: u8 = 1;
const DID_BYTES: usize = 56;
/// What stands before the texts of a message.
pub(crate) const HEAD: usize = 1 + 2 + 4 + 4 + DID_BYTES;

/// Why a body holds no messages. What came before it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Not of this format.
    Malformed,
    /// A body that is longer than is taken, or what is presented is.
    TooLong,
    /// It ends in the middle of a message.
    BrokenOff,
}

impl Unreadable {
    /// As an error: `MALFORMED_MESSAGE`, `PAYLOAD_TOO_LARGE`, `ABORTED`.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Malformed => ErrorKind::MalformedMessage,
            Self::TooLong => ErrorKind::PayloadTooLarge,
            Self::BrokenOff => ErrorKind::Aborted,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "this is no body of messages",
            Self::TooLong => "a message is longer than is taken here",
            Self::BrokenOff => "the body ends in the middle of a message",
        })
    }
}

impl std::error::Error for Unreadable {}

/// Reads messages out of the bytes of a body, in whatever pieces they come. It holds one message at most.
#[derive(Debug)]
pub struct Frames {
    max_body: usize,
    /// Whose agents are known: that a DID of theirs is one need not be found out again.
    node: Weak<Node>,
    /// The beginning of a message.
    rest: Vec<u8>,
    /// What it says of itself, once that has come.
    head: Option<Head>,
    failed: Option<Unreadable>,
}

/// What is kept to be written over.
const KEPT: usize = 64 << 10;

#[derive(Debug)]
struct Head {
    to: Did,
    jws: usize,
    body: usize,
    token: Option<usize>,
}

impl Head {
    fn whole(&self) -> usize {
        HEAD.saturating_add(self.jws).saturating_add(self.body).saturating_add(self.token.unwrap_or_default())
    }
}

impl Frames {
    /// For messages whose own bodies have at most so many bytes.
    #[must_use]
    pub const fn new(max_body: usize) -> Self {
        Self { max_body, node: Weak::new(), rest: Vec::new(), head: None, failed: None }
    }

    /// For what agents of that node take.
    #[must_use]
    pub fn for_node(node: &Arc<Node>) -> Self {
        Self { node: Arc::downgrade(node), ..Self::new(node.longest_body()) }
    }

    /// Takes the next piece of the body, and adds the messages that end in it to `into`.
    ///
    /// # Errors
    /// Why there can be no more of them; from then on always the same.
    pub fn read(&mut self, piece: &[u8], into: &mut Vec<Arrival>) -> Result<(), Unreadable> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        self.read_on(piece, into).inspect_err(|failed| self.failed = Some(*failed))
    }

    fn read_on(&mut self, mut piece: &[u8], into: &mut Vec<Arrival>) -> Result<(), Unreadable> {
        while !piece.is_empty() {
            let wanted = self.head.as_ref().map_or(HEAD, Head::whole);
            let (now, later) = piece.split_at(wanted.saturating_sub(self.rest.len()).min(piece.len()));
            self.rest.extend_from_slice(now);
            piece = later;
            if self.rest.len() < wanted {
                break;
            }
            match self.head.take() {
                Some(head) => into.push(self.take(&head)?),
                None => self.head = Some(self.read_head()?), // no message ends here: its JWS has a byte at least
            }
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// It ended too early, or what [`read`](Self::read) has said.
    pub fn end(&self) -> Result<(), Unreadable> {
        match self.failed {
            Some(failed) => Err(failed),
            None if self.rest.is_empty() => Ok(()),
            None => Err(Unreadable::BrokenOff),
        }
    }

    fn read_head(&self) -> Result<Head, Unreadable> {
        let malformed = Unreadable::Malformed;
        let (kind, rest) = self.rest.split_first().ok_or(malformed)?;
        let (jws, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (body, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (token, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let jws = usize::from(u16::from_be_bytes(*jws));
        let [body, token] =
            [body, token].map(|length| usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX));
        if *kind != MESSAGE || jws == 0 || jws > MAX_JWS_BYTES {
            return Err(malformed);
        }
        let token = token.checked_sub(1);
        if body > self.max_body || token.is_some_and(|token| token > MAX_PRESENTED_BYTES) {
            return Err(Unreadable::TooLong);
        }
        let to = rest.get(..DID_BYTES).and_then(|did| str::from_utf8(did).ok()).ok_or(malformed)?;
        let here = self.node.upgrade().and_then(|node| node.did_here(to));
        let to = here.map_or_else(|| VerifyingKey::from_did(to).map(|key| *key.did()), Ok).map_err(|_| malformed)?;
        Ok(Head { to, jws, body, token })
    }

    fn take(&mut self, head: &Head) -> Result<Arrival, Unreadable> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Unreadable::Malformed);
        let rest = self.rest.get(HEAD..).unwrap_or_default();
        let (jws, rest) = rest.split_at_checked(head.jws).ok_or(Unreadable::Malformed)?;
        let (body, token) = rest.split_at_checked(head.body).ok_or(Unreadable::Malformed)?;
        let token = head.token.map(|_| text(token)).transpose()?;
        let arrival = Arrival { to: head.to, jws: text(jws)?, body: body.to_vec(), token };
        self.rest.clear();
        self.rest.shrink_to(KEPT); // what a large one took is free again
        Ok(arrival)
    }
}

/// Appends a message. False, and nothing appended, for one that the format cannot hold.
pub fn write(message: &Departure, out: &mut Vec<u8>) -> bool {
    let Departure { to, jws, body, token, .. } = message;
    let token_length = token.as_ref().map_or(Some(0), |token| token.len().checked_add(1));
    let lengths = (
        u16::try_from(jws.len()),
        u32::try_from(body.len()),
        token_length.and_then(|length| u32::try_from(length).ok()),
    );
    let (Ok(jws_length), Ok(body_length), Some(token_length)) = lengths else { return false };
    out.push(MESSAGE);
    out.extend_from_slice(&jws_length.to_be_bytes());
    out.extend_from_slice(&body_length.to_be_bytes());
    out.extend_from_slice(&token_length.to_be_bytes());
    out.extend_from_slice(to.as_str().as_bytes());
    out.extend_from_slice(jws.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(token.as_deref().unwrap_or_default().as_bytes());
    true
}
