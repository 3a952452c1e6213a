//! Answers in parts: in order, whole or failed, within bounds at both ends; what hostile sides make of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use common::calls::{call, join, ok, options};
use common::streams::{
    Puppet, Read, carried, count_up, deliver, numbers, ops, read, reference, segment, seq, stream, window, windowed,
};
use common::{World, json, sleep};
use xbind::{Details, ErrorKind, Op};
use xbind_runtime::{AgentOptions, Allow, Key, WINDOW};

/// Reader and answerer: on one node, and on two.
const PLACES: [(usize, usize); 2] = [(0, 0), (0, 1)];

#[test]
fn all_parts_come_in_order_and_then_the_end() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, at, 1, None), join(&world, there, 2, Some("source")));
        for count in [0, 1, 31, 32, 33, 500] {
            count_up(&world, &source, count);
            let got = stream(&world, &reader, "source", 10_000);
            world.settle();
            assert_eq!(got.end(), Ok("\"end\"".to_owned()), "{count} parts");
            assert_eq!(got.parts(), numbers(count));
            world.drop_tasks(1);
        }
    }
}

#[test]
fn a_caller_that_takes_no_parts_gets_them_together() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, at, 1, None), join(&world, there, 2, Some("source")));
        for (count, list) in [(0, "[]"), (1, "[0]"), (3, "[0,1,2]")] {
            count_up(&world, &source, count);
            let answer = call(&world, &reader, "source", "null", 10_000);
            world.settle();
            assert_eq!(ok(&answer), list);
            world.drop_tasks(1);
        }
        assert!(!ops(&world, there).contains(&"part".to_owned()));
    }
}

#[test]
fn what_is_gathered_has_a_bound() {
    let mut world = World::calm(1);
    let reader = join(&world, 0, 1, None);
    let small = AgentOptions { max_payload_bytes: 100, ..AgentOptions::default() };
    let source = common::calls::join_with(&world, 0, 2, Some("source"), small);
    source.handle(Some(Allow::Everyone)).unwrap();
    let (handle, sent) = (source.clone(), std::rc::Rc::new(std::cell::Cell::new(0)));
    let count = sent.clone();
    world.spawn(1, async move {
        let mut incoming = handle.next().await.unwrap();
        while let Ok(()) = incoming.part(json(&format!("\"{}\"", "x".repeat(20)))).await {
            count.set(count.get() + 1);
        }
    });
    let answer = call(&world, &reader, "source", "null", 10_000);
    world.settle();
    assert_eq!(common::calls::err(&answer), ErrorKind::HandlerFailed);
    assert_eq!(sent.get(), 4);
}

#[test]
fn a_generator_that_never_ends_waits_for_a_reader_that_never_reads() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, at, 1, None), join(&world, there, 2, Some("source")));
        let (sent, stopped) = count_up(&world, &source, usize::MAX);
        let unread = reader.stream("source", json("null"), options(60_000)).unwrap();
        world.run_for(30_000);
        assert_eq!(
            u64::try_from(sent.get()).unwrap(),
            WINDOW,
            "no more than the window leaves, however long nobody reads"
        );
        drop(unread);
        world.settle();
        assert_eq!(stopped.get(), 1, "its generator was stopped");
    }
}

#[test]
fn a_slow_reader_sets_the_pace() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, at, 1, None), join(&world, there, 2, Some("source")));
        let (sent, _) = count_up(&world, &source, 100);
        let mut slow = reader.stream("source", json("null"), windowed(4, 60_000)).unwrap();
        let (net, got) = (world.net.clone(), Read::default());
        let (into, counter) = (got.clone(), sent.clone());
        world.spawn(0, async move {
            let mut taken = 0;
            while let Some(part) = slow.next().await.unwrap() {
                into.parts.borrow_mut().push(common::text(&part));
                taken += 1;
                assert!(counter.get() <= taken + 4, "{} sent, {taken} read", counter.get());
                sleep(net.clone(), 10).await;
            }
        });
        world.run_for(5_000);
        assert_eq!(got.parts(), numbers(100));
    }
}

#[test]
fn a_stream_whose_answerer_goes_ends_with_what_became_of_it() {
    for (closes, expected) in [(true, ErrorKind::AgentClosed), (false, ErrorKind::HandlerFailed)] {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("source")));
        source.handle(Some(Allow::Everyone)).unwrap();
        let handle = source.clone();
        world.spawn(1, async move {
            let mut incoming = handle.next().await.unwrap();
            for n in 0..3 {
                incoming.part(json(&n.to_string())).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let got = stream(&world, &reader, "source", 60_000);
        world.settle();
        assert_eq!(got.parts(), numbers(3));
        if closes {
            world.nodes[1].close();
        } else {
            world.drop_tasks(1);
        }
        world.settle();
        assert_eq!((got.parts(), got.end()), (numbers(3), Err(expected)));
    }
}

/// A reader at node 0 whose answerer is the test; the call as it left.
fn asked() -> (World, std::sync::Arc<xbind_runtime::Handle>, Puppet, Read, xbind::InReplyTo) {
    let mut world = World::calm(2);
    let reader = join(&world, 0, 1, None);
    let puppet = Puppet::new(&world, 2, Some("puppet"));
    let got = Read::default();
    let stream = reader.stream("puppet", json("null"), windowed(4, 10_000)).unwrap();
    world.spawn(0, read(stream, got.clone()));
    world.settle();
    let call = carried(&world, 0).remove(0);
    assert_eq!((call.op(), call.claims["win"].as_u64()), ("call", Some(4)));
    let about = call.reference();
    (world, reader, puppet, got, about)
}

#[test]
fn parts_of_others_of_other_calls_and_replayed_change_nothing() {
    let (mut world, reader, puppet, got, about) = asked();
    let to = *reader.did();
    let stranger = Puppet::new(&world, 3, None);
    let first = puppet.say(&mut world, Op::Part, &to, Some(about), "0", seq(0));
    stranger.say(&mut world, Op::Part, &to, Some(about), "\"forged\"", seq(1));
    let other = xbind::InReplyTo { digest: xbind::Digest::of(b"another"), ..about };
    puppet.say(&mut world, Op::Part, &to, Some(other), "\"of another call\"", seq(1));
    let unknown = xbind::InReplyTo { id: xbind::MessageId::from_bytes([9; 16]), ..about };
    puppet.say(&mut world, Op::Part, &to, Some(unknown), "\"of no call\"", seq(1));
    deliver(&mut world, first.clone());
    puppet.say(&mut world, Op::Part, &to, Some(about), "\"0 again\"", seq(0));
    puppet.say(&mut world, Op::Part, &to, Some(about), "1", seq(1));
    deliver(&mut world, first);
    stranger.say(&mut world, Op::Result, &to, Some(about), "\"forged\"", seq(2));
    puppet.say(&mut world, Op::Result, &to, Some(about), "\"end\"", seq(2));
    assert_eq!((got.parts(), got.end()), (numbers(2), Ok("\"end\"".to_owned())));
    puppet.say(&mut world, Op::Part, &to, Some(about), "2", seq(2));
    puppet.say(&mut world, Op::Result, &to, Some(about), "\"another end\"", seq(3));
    assert_eq!(got.parts(), numbers(2), "nothing comes after the end");
}

#[test]
fn a_missing_part_is_an_error_and_never_just_an_end() {
    for (op, place) in
        [(Op::Part, 2), (Op::Part, 9_007_199_254_740_991), (Op::Result, 2), (Op::Result, 7), (Op::Error, 3)]
    {
        let (mut world, reader, puppet, got, about) = asked();
        let to = *reader.did();
        puppet.say(&mut world, Op::Part, &to, Some(about), "0", seq(0));
        puppet.say(&mut world, op, &to, Some(about), "{}", seq(place));
        assert_eq!((got.parts(), got.end()), (numbers(1), Err(ErrorKind::ReplyMismatch)), "{op:?} {place}");
        let cancelled = ops(&world, 0).contains(&"cancel".to_owned());
        assert_eq!(cancelled, op == Op::Part, "who goes on is told that nobody reads");
        puppet.say(&mut world, Op::Part, &to, Some(about), "1", seq(1));
        assert_eq!(got.parts(), numbers(1));
    }
    let (mut world, reader, puppet, got, about) = asked();
    puppet.say(&mut world, Op::Part, reader.did(), Some(about), "0", seq(0));
    puppet.say(&mut world, Op::Result, reader.did(), Some(about), "1", Details::default());
    assert_eq!(got.end(), Err(ErrorKind::ReplyMismatch), "an end that knows of no parts");
}

#[test]
fn a_cut_stream_ends_with_its_time_or_its_connection() {
    let (mut world, reader, puppet, got, about) = asked();
    puppet.say(&mut world, Op::Part, reader.did(), Some(about), "0", seq(0));
    world.run_for(60_000);
    assert_eq!((got.parts(), got.end()), (numbers(1), Err(ErrorKind::Timeout)));
    assert_eq!(ops(&world, 0).last().unwrap(), "cancel");

    let (mut world, reader, puppet, got, about) = asked();
    puppet.say(&mut world, Op::Part, reader.did(), Some(about), "0", seq(0));
    world.net.cut(0, 1);
    world.settle();
    assert_eq!((got.parts(), got.end()), (numbers(1), Err(ErrorKind::AgentClosed)));
}

#[test]
fn an_answerer_that_ignores_the_window_is_not_read() {
    let mut world = World::calm(2);
    let reader = join(&world, 0, 1, None);
    let puppet = Puppet::new(&world, 2, Some("puppet"));
    let mut unread = reader.stream("puppet", json("null"), windowed(4, 10_000)).unwrap();
    world.settle();
    let about = carried(&world, 0)[0].reference();
    for n in 0..100 {
        puppet.say(&mut world, Op::Part, reader.did(), Some(about), "1", seq(n));
    }
    let got = Read::default();
    let into = got.clone();
    world.spawn(0, async move {
        let end = loop {
            match unread.next().await {
                Ok(Some(_)) => into.parts.borrow_mut().push(String::new()),
                Ok(None) => panic!("it ended well"),
                Err(error) => break error.kind(),
            }
        };
        *into.end.borrow_mut() = Some(Err(end));
    });
    world.settle();
    assert_eq!((got.parts().len(), got.end()), (4, Err(ErrorKind::ReplyMismatch)));
}

/// A source at node 0 whose caller is the test; what it may say of its call.
fn asks(parts: u64) -> (World, std::sync::Arc<xbind_runtime::Handle>, Puppet, xbind::InReplyTo) {
    let mut world = World::calm(2);
    let source = join(&world, 0, 1, None);
    count_up(&world, &source, 1000);
    let puppet = Puppet::new(&world, 2, None);
    let call = puppet.say(&mut world, Op::Call, source.did(), None, "null", window(parts));
    (world, source, puppet, reference(&call))
}

fn parts_sent(world: &World) -> usize {
    ops(world, 0).iter().filter(|op| *op == "part").count()
}

#[test]
fn credit_is_absolute_and_never_shrinks() {
    let (mut world, source, puppet, about) = asks(3);
    let to = *source.did();
    assert_eq!(parts_sent(&world), 3);
    let stranger = Puppet::new(&world, 3, None);
    stranger.say(&mut world, Op::More, &to, Some(about), "", window(100));
    let other = xbind::InReplyTo { digest: xbind::Digest::of(b"another"), ..about };
    puppet.say(&mut world, Op::More, &to, Some(other), "", window(100));
    puppet.say(&mut world, Op::More, &to, Some(about), "", window(0));
    puppet.say(&mut world, Op::More, &to, Some(about), "", window(3));
    assert_eq!(parts_sent(&world), 3);
    let more = puppet.say(&mut world, Op::More, &to, Some(about), "", window(5));
    assert_eq!(parts_sent(&world), 5);
    for _ in 0..10 {
        deliver(&mut world, more.clone());
    }
    puppet.say(&mut world, Op::More, &to, Some(about), "", window(4));
    assert_eq!(parts_sent(&world), 5, "said again it says nothing new");
    let places: Vec<_> = carried(&world, 0).iter().map(|part| part.claims["seq"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
}

#[test]
fn whatever_credit_says_what_waits_to_be_sent_is_bounded() {
    let mut world = World::calm(2);
    let source = join(&world, 0, 1, None);
    let (sent, _) = count_up(&world, &source, usize::MAX);
    let puppet = Puppet::new(&world, 2, None);
    world.net.block(0, 1, 0);
    puppet.say(&mut world, Op::Call, source.did(), None, "null", window(9_007_199_254_740_991));
    world.run_for(5_000);
    assert!(sent.get() > 0 && sent.get() <= 2 * 4096, "{} parts wait", sent.get());
    let before = sent.get();
    world.run_for(5_000);
    assert_eq!(sent.get(), before, "the way is blocked, and nothing more is made");
}

#[test]
fn who_cancels_is_who_called() {
    let (mut world, source, puppet, about) = asks(3);
    let to = *source.did();
    let stranger = Puppet::new(&world, 3, None);
    stranger.say(&mut world, Op::Cancel, &to, Some(about), "", Details::default());
    let other = xbind::InReplyTo { digest: xbind::Digest::of(b"another"), ..about };
    puppet.say(&mut world, Op::Cancel, &to, Some(other), "", Details::default());
    puppet.say(&mut world, Op::More, &to, Some(about), "", window(4));
    assert_eq!(parts_sent(&world), 4, "it goes on");
    let cancel = puppet.say(&mut world, Op::Cancel, &to, Some(about), "", Details::default());
    puppet.say(&mut world, Op::More, &to, Some(about), "", window(50));
    deliver(&mut world, cancel);
    assert_eq!(parts_sent(&world), 4, "it has stopped");
    assert!(!ops(&world, 0).contains(&"error".to_owned()), "nothing is answered");
}

#[test]
fn under_load_parts_share_signatures() {
    let mut world = World::calm(2);
    let (reader, source) = (join(&world, 0, 1, None), join(&world, 1, 2, Some("source")));
    count_up(&world, &source, 32);
    let got = stream(&world, &reader, "source", 10_000);
    world.settle();
    assert_eq!(got.parts(), numbers(32));
    let parts = carried(&world, 1).into_iter().filter(|message| message.op() == "part");
    let batched = parts.filter(|part| segment(&part.arrival.jws, 0)["alg"] == "Ed25519-MT-SHA256");
    assert!(batched.count() > 16);
}

#[test]
fn a_key_elsewhere_streams_too() {
    let mut world = World::calm(2);
    let reader = join(&world, 0, 1, None);
    let key = common::key(2);
    let provider = common::Provider { net: world.net.clone(), did: *key.did(), key, faults: [50, 0, 0, 0] };
    let source = world.nodes[1].join(
        Key::Elsewhere(std::sync::Arc::new(provider)),
        Some("source".to_owned()),
        AgentOptions::default(),
    );
    let source = std::sync::Arc::new(source.unwrap());
    world.list(1, Some("source"), source.did());
    world.run_for(3_000);
    count_up(&world, &source, 100);
    let got = stream(&world, &reader, "source", 60_000);
    world.run_for(60_000);
    assert_eq!((got.parts(), got.end()), (numbers(100), Ok("\"end\"".to_owned())));
}

#[test]
fn a_reader_that_is_slower_than_its_timeout_gets_all_the_same() {
    for (at, there) in PLACES {
        let mut world = World::calm(2);
        let (reader, source) = (join(&world, at, 1, None), join(&world, there, 2, Some("source")));
        count_up(&world, &source, 20);
        let mut slow = reader.stream("source", json("null"), windowed(4, 1_000)).unwrap();
        let (net, got) = (world.net.clone(), Read::default());
        let into = got.clone();
        world.spawn(0, async move {
            while let Some(part) = slow.next().await.unwrap() {
                into.parts.borrow_mut().push(common::text(&part));
                sleep(net.clone(), 3_000).await;
            }
        });
        world.run_for(100_000);
        assert_eq!(got.parts(), numbers(20));
    }
}

#[test]
fn who_takes_nothing_does_not_hold_a_handler_for_ever() {
    let (mut world, source, puppet, about) = asks(3);
    world.run_for(200_000);
    puppet.say(&mut world, Op::More, source.did(), Some(about), "", window(4));
    world.run_for(299_000);
    assert_eq!(ops(&world, 0), ["part", "part", "part", "part"]);
    world.run_for(2_000);
    let end = carried(&world, 0).pop().unwrap();
    assert_eq!((end.op(), end.claims["seq"].as_u64()), ("error", Some(4)));
    puppet.say(&mut world, Op::More, source.did(), Some(about), "", window(100));
    assert_eq!(parts_sent(&world), 4);
}
