//! What one NATS message between two hosts holds: docs/nats.md, "Messages between hosts".
//!
//! ```text
//! nothing                                        are you there?
//! 0x01 ‖ key of the sending host (56) ‖ messages as over HTTP, one after the other
//! 0x02 ‖ key of the sending host (56) ‖ signature by that key (64) ‖ the presence of one of its agents
//! ```
//!
//! The signature covers `xbind-host-v1`, a zero byte and the presence. So agent and host have both said that the agent is there,
//! and nobody has answers sent to a host that knows nothing of him.

use xbind_runtime::transport::{Arrival, Departure};

use crate::agents::{Frames, write};
use xbind::SigningKey;
use xbind::cluster::{MAX_STATEMENT_BYTES, NKey, Namespace, Role};

const MESSAGES: u8 = 1;
const PRESENCE: u8 = 2;
const CONTEXT: &[u8] = b"xbind-host-v1\0";
const LEAVE: &[u8] = b"xbind-left-v1\0";
const SIGNATURE: usize = 64;
/// What stands before the content.
pub(super) const HEAD: usize = 1 + NKey::LEN;
/// What stands before one message.
pub(super) const MESSAGE_HEAD: usize = crate::agents::HEAD;

/// What has come.
#[derive(Debug)]
pub(super) enum Envelope<'a> {
    /// Nothing but a question.
    Knock,
    /// Messages of agents of that host, or so it says.
    Messages(NKey, Vec<Arrival>),
    /// Where an agent is, as it has signed it, and that host too.
    Presence(NKey, &'a str),
}

/// Begins an envelope with messages.
pub(super) fn of_messages(host: &NKey) -> Vec<u8> {
    head(MESSAGES, host)
}

/// Adds a message; false for one that the format cannot hold.
pub(super) fn push(envelope: &mut Vec<u8>, message: &Departure) -> bool {
    write(message, envelope)
}

/// An envelope with a presence.
pub(super) fn of_presence(host: &NKey, key: &SigningKey, presence: &str) -> Vec<u8> {
    let mut envelope = head(PRESENCE, host);
    envelope.extend_from_slice(&key.sign(&signed(presence.as_bytes())));
    envelope.extend_from_slice(presence.as_bytes());
    envelope
}

/// What a host leaves in the place of a presence: that its agent has left, and when.
pub(super) fn of_leave(key: &SigningKey, namespace: &Namespace, entry: &str, now: u64) -> Vec<u8> {
    let time = now.to_be_bytes();
    [&time[..], &key.sign(&left(namespace, entry, &time))].concat()
}

/// When the agent of that entry has left, by the word of its host: a server publishes for others what they may not, so an entry that
/// was taken away proves nothing.
pub(super) fn read_leave(host: &NKey, namespace: &Namespace, entry: &str, payload: &[u8]) -> Option<u64> {
    let (time, signature) = payload.split_first_chunk::<8>()?;
    let signature = signature.try_into().ok()?;
    host.verify(&left(namespace, entry, time), signature).then_some(u64::from_be_bytes(*time))
}

fn left(namespace: &Namespace, entry: &str, time: &[u8; 8]) -> Vec<u8> {
    [LEAVE, namespace.as_str().as_bytes(), b"\0", entry.as_bytes(), b"\0", time].concat()
}

fn signed(presence: &[u8]) -> Vec<u8> {
    [CONTEXT, presence].concat()
}

fn head(kind: u8, host: &NKey) -> Vec<u8> {
    let mut envelope = vec![kind];
    envelope.extend_from_slice(host.as_str().as_bytes());
    envelope
}

/// Reads an envelope; none for anything else. Of messages those before a broken one stand, as over HTTP. `known` are hosts whose
/// keys need not be looked at again.
pub(super) fn read(
    payload: &[u8],
    mut frames: Frames,
    known: impl FnOnce(&str) -> Option<NKey>,
) -> Option<Envelope<'_>> {
    let Some((kind, rest)) = payload.split_first() else { return Some(Envelope::Knock) };
    let (host, content) = rest.split_at_checked(NKey::LEN)?;
    let host = str::from_utf8(host).ok()?;
    let host = known(host).or_else(|| NKey::parse(Role::User, host).ok())?;
    match *kind {
        MESSAGES => {
            let mut arrivals = Vec::new();
            let _ = frames.read(content, &mut arrivals);
            Some(Envelope::Messages(host, arrivals))
        }
        PRESENCE => {
            let (signature, presence) = content.split_first_chunk::<SIGNATURE>()?;
            let text = str::from_utf8(presence).ok().filter(|text| text.len() <= MAX_STATEMENT_BYTES)?;
            host.verify(&signed(presence), signature).then_some(Envelope::Presence(host, text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use xbind::VerifyingKey;

    use super::*;

    fn read(payload: &[u8]) -> Option<Envelope<'_>> {
        super::read(payload, Frames::new(0), |_| None)
    }

    fn host(seed: u8) -> (SigningKey, NKey) {
        let key = SigningKey::from_seed(&[seed; 32]);
        let host = NKey::of(Role::User, &VerifyingKey::from_did(key.did().as_str()).unwrap());
        (key, host)
    }

    #[test]
    fn a_presence_is_read_only_with_the_word_of_its_host() {
        let ((key, own), (_, other)) = (host(1), host(2));
        let envelope = of_presence(&own, &key, "a.b.c");
        assert!(matches!(read(&envelope), Some(Envelope::Presence(host, "a.b.c")) if host == own));
        assert!(read(&of_presence(&other, &key, "a.b.c")).is_none(), "another host is named");
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            assert!(!matches!(read(&changed), Some(Envelope::Presence(..))), "byte {at}");
            assert!(!matches!(read(&envelope[..at]), Some(Envelope::Presence(..))), "{at} bytes");
        }
        let long = "x".repeat(MAX_STATEMENT_BYTES + 1);
        assert!(read(&of_presence(&own, &key, &long)).is_none());
    }

    #[test]
    fn that_an_agent_has_left_is_said_by_its_host_alone() {
        let ((key, own), (other_key, other), main) = (host(1), host(2), Namespace::parse("main").unwrap());
        let left = of_leave(&key, &main, "H.M", 7);
        assert_eq!(read_leave(&own, &main, "H.M", &left), Some(7));
        for at in 0..left.len() {
            let mut changed = left.clone();
            changed[at] ^= 1;
            assert_eq!(read_leave(&own, &main, "H.M", &changed), None, "byte {at}");
            assert_eq!(read_leave(&own, &main, "H.M", &left[..at]), None, "{at} bytes");
        }
        assert_eq!(read_leave(&own, &main, "H.N", &left), None, "another entry");
        assert_eq!(read_leave(&own, &Namespace::parse("mai").unwrap(), "nH.M", &left), None, "another namespace");
        assert_eq!(read_leave(&other, &main, "H.M", &left), None, "another host");
        assert_eq!(read_leave(&own, &main, "H.M", &of_leave(&other_key, &main, "H.M", 7)), None, "by another host");
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        let (_, own) = host(1);
        assert!(matches!(read(b""), Some(Envelope::Knock)));
        assert!(matches!(read(&of_messages(&own)), Some(Envelope::Messages(_, all)) if all.is_empty()));
        let mut unknown = of_messages(&own);
        unknown[0] = 3;
        for bytes in [&unknown[..], b"\x01", b"\x01U", &[1; 57], &[2; 200]] {
            assert!(read(bytes).is_none());
        }
    }
}
