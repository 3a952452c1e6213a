//! Bodies of messages: what is written is read, in whatever pieces it comes, and nothing else is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;
use xbind::SigningKey;
use xbind_net::agents::{Frames, Unreadable, write};
use xbind_runtime::transport::{Arrival, Departure};
use xbind_runtime::{AgentOptions, Key, Node, NodeOptions};

fn departure(jws: &str, body: &[u8], token: Option<&str>) -> Departure {
    let did = *SigningKey::from_seed(&[1; 32]).did();
    let token = token.map(str::to_owned);
    Departure { from: did, to: did, call: None, jws: jws.to_owned(), body: body.to_vec(), token, hold: None }
}

fn written(messages: &[Departure]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(messages.iter().all(|message| write(message, &mut out)));
    out
}

fn read(pieces: &[&[u8]]) -> (Vec<Arrival>, Result<(), Unreadable>) {
    let (mut frames, mut arrivals) = (Frames::new(1000), Vec::new());
    let read = pieces.iter().try_for_each(|piece| frames.read(piece, &mut arrivals));
    (arrivals, read.and_then(|()| frames.end()))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in prop::collection::vec(("[a-z.]{1,50}", prop::collection::vec(any::<u8>(), 0..200), prop::option::of("[a-z]{0,50}")), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let messages: Vec<_> = messages.iter().map(|(jws, body, token)| departure(jws, body, token.as_deref())).collect();
        let bytes = written(&messages);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        let (arrivals, whole) = read(&pieces);
        prop_assert_eq!(whole, Ok(()));
        prop_assert_eq!(arrivals.len(), messages.len());
        for (arrival, message) in arrivals.iter().zip(&messages) {
            prop_assert_eq!(arrival.to, message.to);
            prop_assert_eq!(&arrival.jws, &message.jws);
            prop_assert_eq!(&arrival.body, &message.body);
            prop_assert_eq!(&arrival.token, &message.token);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (arrivals, whole) = read(&[&bytes]);
        prop_assert_eq!(whole.is_ok(), bytes.is_empty() || !arrivals.is_empty());
    }
}

#[test]
fn a_body_that_ends_early_holds_what_came_before() {
    let bytes = written(&[departure("a", b"one", None), departure("b", b"two", Some(""))]);
    for end in 0..bytes.len() {
        let (arrivals, whole) = read(&[&bytes[..end]]);
        let first = bytes.len() / 2 - 1;
        let is_between = end == 0 || (whole.is_ok() && arrivals.len() == 1);
        assert!(is_between || whole == Err(Unreadable::BrokenOff), "{end} of {first}");
    }
    assert_eq!(read(&[&bytes]).0[1].token.as_deref(), Some(""), "no text is another than an empty one");
}

#[test]
fn whose_agents_are_known_reads_the_same() -> xbind::Result<()> {
    let node = Node::new(NodeOptions::default());
    let key = Key::Local(SigningKey::from_seed(&[1; 32]));
    let here = node.join(key, None, AgentOptions::default())?;
    let other = *SigningKey::from_seed(&[2; 32]).did();
    let bytes = written(&[departure("a", b"one", None), Departure { to: other, ..departure("b", b"two", None) }]);
    let nobody = bytes.len() / 2 + 11 + 55;
    for pieces in [vec![&bytes[..]], bytes.chunks(7).collect()] {
        let (mut frames, mut arrivals) = (Frames::for_node(&node), Vec::new());
        for piece in pieces {
            frames.read(piece, &mut arrivals).unwrap();
        }
        assert_eq!(frames.end(), Ok(()));
        assert_eq!(arrivals.iter().map(|arrival| arrival.to).collect::<Vec<_>>(), [*here.did(), other]);
    }
    let mut changed = bytes.clone();
    changed[nobody] ^= 1;
    let (mut frames, mut arrivals) = (Frames::for_node(&node), Vec::new());
    assert_eq!(frames.read(&changed, &mut arrivals), Err(Unreadable::Malformed), "no DID");
    assert_eq!(arrivals.len(), 1);
    Ok(())
}

#[test]
fn lengths_are_looked_at_before_what_they_tell_comes() {
    let honest = written(&[departure("a", b"one", Some("t"))]);
    let changed = |at: usize, with: &[u8]| {
        let mut bytes = honest[..67].to_vec();
        bytes[at..at + with.len()].copy_from_slice(with);
        read(&[&bytes]).1
    };
    assert_eq!(changed(0, &[1]), Err(Unreadable::BrokenOff));
    for kind in [0, 2, 255] {
        assert_eq!(changed(0, &[kind]), Err(Unreadable::Malformed));
    }
    for (jws, said) in [(0, Unreadable::Malformed), (4096, Unreadable::BrokenOff), (4097, Unreadable::Malformed)] {
        assert_eq!(changed(1, &u16::to_be_bytes(jws)), Err(said));
    }
    for (body, said) in [(1000, Unreadable::BrokenOff), (1001, Unreadable::TooLong), (u32::MAX, Unreadable::TooLong)] {
        assert_eq!(changed(3, &u32::to_be_bytes(body)), Err(said));
    }
    assert_eq!(changed(7, &u32::MAX.to_be_bytes()), Err(Unreadable::TooLong));
    assert_eq!(changed(11, b"did:web:"), Err(Unreadable::Malformed));
    assert_eq!(changed(20, &[0xff]), Err(Unreadable::Malformed));
}

#[test]
fn what_failed_once_fails_for_ever() {
    let (mut frames, mut arrivals) = (Frames::new(10), Vec::new());
    assert!(frames.read(&[0; 67], &mut arrivals).is_err());
    let honest = written(&[departure("a", b"one", None)]);
    assert_eq!(frames.read(&honest, &mut arrivals), Err(Unreadable::Malformed));
    assert_eq!((frames.end(), arrivals.len()), (Err(Unreadable::Malformed), 0));
}
