//! Mail: opened, given back or handed on, and answered by nobody.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{block_on, key, text};
use xbind::{Details, Did, Draft, ErrorKind, MessageId, Op, seal};
use xbind_runtime::transport::Arrival;
use xbind_runtime::{AgentOptions, Handle, Key, Node, NodeOptions, now};

const SKEW: u64 = 30;

fn reader(messages: usize) -> (Arc<Node>, Handle) {
    let node = Node::new(NodeOptions::default());
    let options = AgentOptions { inbox_messages: messages, ..AgentOptions::default() };
    let reader = node.join(Key::Local(key(2)), None, options).unwrap();
    (node, reader)
}

fn mail(op: Op, id: u8, ttl: u32) -> Arrival {
    sent_at(op, id, ttl, now())
}

fn sent_at(op: Op, id: u8, ttl: u32, issued_at: u64) -> Arrival {
    let (to, body): (Did, &[u8]) = (*key(2).did(), b"1");
    let id = MessageId::from_bytes([id; 16]);
    let content_type = "application/json";
    let details = Details::default();
    let draft = Draft { op, to, id, issued_at, ttl, content_type, body, token: None, in_reply_to: None, details };
    Arrival { to, jws: seal(&key(1), &draft).unwrap().jws, body: body.to_vec(), token: None }
}

#[test]
fn mail_is_in_the_inbox_once_it_was_handed_on_and_never_again() {
    let (node, reader) = reader(9);
    let opened = node.open_mail(mail(Op::Mail, 1, 604_800), SKEW).unwrap();
    assert!(block_on(reader.receive(0)).unwrap().is_empty());
    let again = node.open_mail(mail(Op::Mail, 1, 604_800), SKEW).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Replayed, "while nobody knows yet what becomes of it, too");
    opened.give_back();
    node.open_mail(mail(Op::Mail, 1, 604_800), SKEW).unwrap().hand_on();
    let letters = block_on(reader.receive(9)).unwrap();
    let read: Vec<_> = letters.iter().map(|letter| (text(&letter.payload), letter.one_way)).collect();
    assert_eq!(read, [("1".to_owned(), true)]);
    assert_eq!(node.open_mail(mail(Op::Mail, 1, 604_800), SKEW).unwrap_err().kind(), ErrorKind::Replayed);
}

#[test]
fn nothing_else_comes_in_as_mail_and_mail_comes_in_no_other_way() {
    let (node, reader) = reader(9);
    for (arrival, kind) in [
        (mail(Op::Send, 1, 30), ErrorKind::MalformedMessage),
        (mail(Op::Call, 2, 30), ErrorKind::MalformedMessage),
        (sent_at(Op::Mail, 3, 60, now() - 1000), ErrorKind::MessageExpired),
        (Arrival { body: b"2".to_vec(), ..mail(Op::Mail, 4, 60) }, ErrorKind::InvalidSignature),
        (Arrival { to: *key(3).did(), ..mail(Op::Mail, 5, 60) }, ErrorKind::AgentClosed),
    ] {
        assert_eq!(node.open_mail(arrival, SKEW).unwrap_err().kind(), kind);
    }
    drop(reader);
    assert_eq!(node.open_mail(mail(Op::Mail, 6, 60), SKEW).unwrap_err().kind(), ErrorKind::AgentClosed);
}

#[test]
fn mail_for_which_there_is_no_room_can_be_opened_later() {
    let (node, reader) = reader(1);
    let first = node.open_mail(mail(Op::Mail, 1, 60), SKEW).unwrap();
    assert_eq!(node.open_mail(mail(Op::Mail, 2, 60), SKEW).unwrap_err().kind(), ErrorKind::InboxFull);
    first.hand_on();
    assert_eq!(block_on(reader.receive(1)).unwrap().len(), 1);
    node.open_mail(mail(Op::Mail, 2, 60), SKEW).unwrap().hand_on();
    assert_eq!(block_on(reader.receive(1)).unwrap().len(), 1);
    node.stop(key(1).did());
    assert_eq!(node.open_mail(mail(Op::Mail, 3, 60), SKEW).unwrap_err().kind(), ErrorKind::Revoked);
}
