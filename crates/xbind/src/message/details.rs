//! What a message says beside what all of them say: which claim stands on which operation, and the grammar of each.

use crate::message::session::Session;
use crate::message::{Digest, Op};

/// The longest name of a method, in bytes.
pub const MAX_METHOD_BYTES: usize = 128;
/// The method of a call that asks for a [`Session`]: it names none, and no handler ever gets it.
pub const SESSION: &str = "xbind.session";
/// The longest time that a caller can say it waits, in milliseconds.
pub const MAX_DEADLINE_MS: u64 = (1 << 31) - 1;
/// The highest `seq` and `win`, which every language counts exactly.
pub const MAX_COUNT: u64 = (1 << 53) - 1;
/// The longest body of a `progress`, in bytes.
pub const MAX_PROGRESS_BYTES: u64 = 4096;

/// The claims that only some messages have, each of its own meaning; texts are borrowed by those who write, owned by those
/// who have read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details<T> {
    /// The method asked for, 1 to 128 of `A-Z a-z 0-9 _ . -`: claim `mth`, on calls and sends.
    pub method: Option<T>,
    /// How long the caller waits, in milliseconds: claim `dl`, on calls.
    pub deadline_ms: Option<u64>,
    /// Where the message belongs in a trace, by W3C Trace Context; proves nothing: claim `tp`, on all.
    pub traceparent: Option<T>,
    /// Which part of an answer it is, or how many there were, or which word of progress: claim `seq`.
    pub seq: Option<u64>,
    /// How many parts the caller takes, counted from the first: claim `win`, on calls and `more`.
    pub window: Option<u64>,
    /// The replay window of the recipient that is meant: claim `ses`, on calls and sends.
    pub session: Option<Session>,
    /// The SHA-256 of the key that the body is encrypted to, or on answers that of the call: claim `enc`.
    pub encryption: Option<Digest>,
}

impl<T> Default for Details<T> {
    fn default() -> Self {
        Self {
            method: None,
            deadline_ms: None,
            traceparent: None,
            seq: None,
            window: None,
            session: None,
            encryption: None,
        }
    }
}

/// Whether a claim stands on an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Required,
    Optional,
    Forbidden,
}

/// The table of docs/wire-format.md.
#[derive(Clone, Copy)]
struct Rules {
    /// `irt` and `rqd`, which stand together.
    call: Rule,
    token: Rule,
    method: Rule,
    deadline: Rule,
    traceparent: Rule,
    seq: Rule,
    window: Rule,
    session: Rule,
    encryption: Rule,
}

const fn rules(op: Op) -> Rules {
    use Rule::{Forbidden, Optional, Required};
    let reply = Rules {
        call: Required,
        token: Forbidden,
        method: Forbidden,
        deadline: Forbidden,
        traceparent: Optional,
        seq: Forbidden,
        window: Forbidden,
        session: Forbidden,
        encryption: Optional,
    };
    let asked = Rules { call: Forbidden, token: Optional, method: Optional, session: Optional, ..reply };
    match op {
        Op::Call => Rules { deadline: Optional, window: Optional, ..asked },
        Op::Send => asked,
        Op::Mail => Rules { session: Forbidden, ..asked },
        Op::Result | Op::Error => Rules { seq: Optional, ..reply },
        Op::Part | Op::Progress => Rules { seq: Required, ..reply },
        Op::More => Rules { window: Required, encryption: Forbidden, ..reply },
        Op::Receipt | Op::Cancel => Rules { encryption: Forbidden, ..reply },
    }
}

/// What a message is, for [`check`].
pub(crate) struct Shape<'a> {
    pub(crate) op: Op,
    /// How many of `irt` and `rqd` are there.
    pub(crate) names_call: (bool, bool),
    pub(crate) presents: bool,
    pub(crate) details: Details<&'a str>,
    pub(crate) content_type: &'a str,
    pub(crate) body_len: u64,
}

/// Whether each claim stands where it may, within its grammar: what makers and readers of messages check alike.
pub(crate) fn check(shape: &Shape<'_>) -> Result<(), &'static str> {
    let Shape { op, names_call: (id, digest), presents, details, content_type, body_len } = shape;
    let Details { method, deadline_ms, traceparent, seq, window, session, encryption } = details;
    let rules = rules(*op);
    stands(rules.call, *id || *digest, "irt and rqd stand on what is said of a call, and on nothing else")?;
    if id != digest {
        return Err("irt and rqd stand together");
    }
    stands(rules.token, *presents, "ath stands on calls and sends only")?;
    stands(rules.method, method.is_some(), "mth stands on calls and sends only")?;
    stands(rules.deadline, deadline_ms.is_some(), "dl stands on calls only")?;
    stands(rules.traceparent, traceparent.is_some(), "tp does not stand here")?;
    stands(rules.seq, seq.is_some(), "seq stands on parts and progress, and on the end of an answer that had parts")?;
    stands(rules.window, window.is_some(), "win stands on more, and on calls that take parts")?;
    stands(rules.session, session.is_some(), "ses stands on calls and sends only")?;
    stands(rules.encryption, encryption.is_some(), "enc stands where there may be a body that nobody else reads")?;
    if !method.is_none_or(is_method) {
        return Err("a method is 1 to 128 of A-Z a-z 0-9 _ . -");
    }
    if !deadline_ms.is_none_or(|time| (1..=MAX_DEADLINE_MS).contains(&time)) {
        return Err("dl is 1 to 2147483647 ms");
    }
    if !traceparent.is_none_or(is_traceparent) {
        return Err("tp is no traceparent of W3C Trace Context");
    }
    if [*seq, *window].into_iter().flatten().any(|count| count > MAX_COUNT) {
        return Err("seq and win are at most 9007199254740991");
    }
    if matches!(op, Op::Result | Op::Error) && *seq == Some(0) {
        return Err("an answer without parts has no seq");
    }
    if op.is_afterthought() && *body_len > 0 {
        return Err("cancel and more have no body");
    }
    if *op == Op::Progress && *body_len > MAX_PROGRESS_BYTES {
        return Err("a progress is at most 4096 bytes long");
    }
    if *op == Op::Progress && *content_type != super::JSON {
        return Err("a progress is JSON");
    }
    Ok(())
}

const fn stands(rule: Rule, there: bool, why: &'static str) -> Result<(), &'static str> {
    match (rule, there) {
        (Rule::Required, false) | (Rule::Forbidden, true) => Err(why),
        (Rule::Required, true) | (Rule::Forbidden, false) | (Rule::Optional, _) => Ok(()),
    }
}

/// Whether the text can name a method: 1 to 128 of `A-Z a-z 0-9 _ . -`. What a program keeps by such names must not be
/// looked up where names like `__proto__` mean something.
#[must_use]
pub fn is_method(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && text.len() <= MAX_METHOD_BYTES && text.bytes().all(allowed)
}

/// Whether the text is a `traceparent`: version, trace-id, parent-id and flags, by the ABNF of W3C Trace Context
/// (section 3.2.2), where version `ff` and ids of zeros are invalid.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let mut fields = text.split('-');
    let mut hex = |length: usize| {
        let is_hex = |field: &&str| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fields.next().filter(|field| field.len() == length).filter(is_hex)
    };
    let is_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
    let (version, trace, parent, flags) = (hex(2), hex(32), hex(16), hex(2));
    version.is_some_and(|version| version != "ff")
        && trace.is_some_and(|id| !is_zero(id))
        && parent.is_some_and(|id| !is_zero(id))
        && flags.is_some()
        && fields.next().is_none()
}

impl<T> Details<T> {
    /// The same, of other texts.
    pub(crate) fn map<U>(self, mut text: impl FnMut(T) -> U) -> Details<U> {
        Details {
            method: self.method.map(&mut text),
            deadline_ms: self.deadline_ms,
            traceparent: self.traceparent.map(&mut text),
            seq: self.seq,
            window: self.window,
            session: self.session,
            encryption: self.encryption,
        }
    }
}

impl<T: std::ops::Deref<Target = str>> Details<T> {
    /// The same, borrowed.
    #[must_use]
    pub fn as_deref(&self) -> Details<&str> {
        Details {
            method: self.method.as_deref(),
            deadline_ms: self.deadline_ms,
            traceparent: self.traceparent.as_deref(),
            seq: self.seq,
            window: self.window,
            session: self.session,
            encryption: self.encryption,
        }
    }
}
