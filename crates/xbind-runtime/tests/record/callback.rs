//! Logs whose lines somebody else takes.

use super::*;
use std::sync::Mutex;
use xbind_runtime::Callback;

type Batches = Arc<Mutex<Vec<(u64, String)>>>;
pub(super) type Hands = std::sync::mpsc::Receiver<(u32, u64, String)>;

pub(super) fn open_with(
    callback: &Arc<Callback>,
    last: Option<&str>,
    durability: Durability,
    settle: impl FnOnce(),
) -> Result<Arc<AuditLog>> {
    let (tell, told) = channel();
    let own = key();
    let sign = Box::new(move |bytes: &[u8]| Some(own.sign(bytes)));
    let opened = Box::new(move |log| tell.send(log).unwrap());
    AuditLog::hand_over(callback.clone(), did(1), sign, last, durability, opened);
    settle();
    told.recv().unwrap()
}

/// Whoever takes is asked on another thread, as JavaScript is.
pub(super) fn asked(patience: Duration) -> (Arc<Callback>, Hands) {
    let (hand, hands) = channel();
    let hand =
        move |number, batch: &xbind_runtime::Batch<'_>| hand.send((number, batch.first, batch.text.to_owned())).is_ok();
    (Callback::new(Box::new(hand), patience), hands)
}

/// One that keeps all lines, in the place of those with the same numbers.
fn keeping(durability: Durability, last: Option<&str>, kept: &Batches) -> Result<Arc<AuditLog>> {
    let (callback, hands) = asked(Duration::from_secs(60));
    let (own, kept) = (callback.clone(), kept.clone());
    std::thread::spawn(move || {
        for (number, first, text) in hands {
            kept.lock().unwrap().push((first, text));
            own.settle(number, None);
            own.settle(number, Some("a second word does not count"));
        }
    });
    open_with(&callback, last, durability, || ())
}

fn text(kept: &Batches) -> String {
    kept.lock().unwrap().iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn its_lines_are_those_of_a_file() {
    let folder = Folder::new("taken");
    let kept = Batches::default();
    for round in 0..3 {
        let before = text(&kept);
        let log = keeping(Durability::Always, before.lines().last(), &kept).unwrap();
        let (send, receive) = channel();
        for n in 0..10 {
            let send = send.clone();
            assert_eq!(log.take(call(n), Some(Box::new(move |there| send.send(there).unwrap()))), Taken::Later);
        }
        assert!((0..10).all(|_| receive.recv().unwrap()));
        let (head, _) = log.close().unwrap();
        fs::write(folder.log(), text(&kept)).unwrap();
        let verified = verify(&folder.log(), Some(did(1)), Some((head.seq, head.digest))).unwrap();
        assert_eq!((verified.records, verified.first), ((round + 1) * 10, 0));
        assert_eq!(log.query(&Query::default()).unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
    let mut next = 0;
    for (first, lines) in kept.lock().unwrap().iter() {
        assert_eq!(*first, next);
        next += u64::try_from(lines.lines().count()).unwrap();
    }
    // What a file holds can be gone on with as well, and the other way round.
    let log = keeping(Durability::Batch, text(&kept).lines().last(), &kept).unwrap();
    log.close().unwrap();
    fs::write(folder.log(), text(&kept)).unwrap();
    assert_eq!(open(&folder.log()).1.records, 30);
}

#[test]
fn it_goes_on_behind_its_own_last_line_alone() {
    let kept = Batches::default();
    keeping(Durability::Batch, None, &kept).unwrap().close().unwrap();
    let all = text(&kept);
    let (first, last) = (all.lines().next().unwrap(), all.lines().last().unwrap());
    let other = SigningKey::from_seed(&[9; 32]);
    let mut foreign = String::new();
    let mut chain = xbind::record::Chain::begin(*other.did(), xbind_runtime::message_id().unwrap(), 1, &mut foreign);
    let (_, unsigned) = chain.head(1);
    let signature = other.sign(unsigned.to_sign().as_bytes());
    chain.seal(&unsigned.finish(&signature), 1, &mut foreign);
    let changed = last.replace("\"time\":", "\"time\":1");
    let moved = last.replace("\"seq\":1,", "\"seq\":7,");
    for wrong in ["", "x", first, &changed, &moved, foreign.lines().last().unwrap(), &format!("{last}\n")] {
        let error = keeping(Durability::Batch, Some(wrong), &kept).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAudit, "{wrong}");
    }
    assert_eq!(text(&kept), all, "nobody was given anything");
}

#[test]
fn what_is_not_taken_comes_again_and_work_is_refused() {
    let (callback, hands) = asked(Duration::from_secs(60));
    let begin = || {
        let (number, ..) = hands.recv().unwrap();
        callback.settle(number, None);
    };
    let log = open_with(&callback, None, Durability::Always, begin).unwrap();
    let (send, receive) = channel();
    let ask = |n| {
        log.take(
            call(n),
            Some(Box::new({
                let send = send.clone();
                move |there| send.send(there).unwrap()
            })),
        )
    };
    assert_eq!(ask(1), Taken::Later);
    let (number, refused, _) = hands.recv().unwrap();
    assert_eq!(log.take(call(2), None), Taken::Yes, "it has happened");
    callback.settle(number.wrapping_add(1), None); // nobody's
    callback.settle(number, Some("the database is gone"));
    assert!(!receive.recv().unwrap());
    assert!(!log.can_write());
    assert_eq!(ask(3), Taken::No);
    let (number, again, text) = hands.recv().unwrap();
    assert_eq!(again, refused, "the same numbers");
    assert_eq!(text.lines().count(), 2, "what has not happened is not in it: {text}");
    callback.settle(number, None);
    flush(&log).unwrap();
    assert!(log.can_write());
    log.flush(Box::new(|_| ()));
    drop(hands);
    assert_eq!(log.take(call(4), None), Taken::Yes);
    let error = log.close().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuditFailed);
}

#[test]
fn who_never_says_anything_is_not_waited_for_and_gets_nothing_more() {
    let (callback, hands) = asked(Duration::from_millis(20));
    let refused = open_with(&callback, None, Durability::Always, || ()).map(|_| ()).unwrap_err();
    assert!(refused.message().contains("not taken in time"), "{refused}");
    drop(hands);
    let (callback, hands) = asked(Duration::from_millis(200));
    let begin = || {
        let (number, ..) = hands.recv().unwrap();
        callback.settle(number, None);
    };
    let log = open_with(&callback, None, Durability::Always, begin).unwrap();
    assert_eq!(log.take(call(1), None), Taken::Yes);
    let (late, first, _) = hands.recv().unwrap();
    assert_eq!(flush(&log).unwrap_err().kind(), ErrorKind::AuditFailed);
    assert!(flush(&log).unwrap_err().message().contains("still at those before"));
    assert!(hands.try_recv().is_err(), "one batch at a time");
    callback.settle(late, None); // too late: it comes again, with the same numbers
    let (number, again, _) = hands.recv().unwrap();
    assert_eq!(again, first);
    callback.settle(number, None);
    flush(&log).unwrap();
    log.close().unwrap();
    assert_eq!(log.close().unwrap().0.seq, log.close().unwrap().0.seq, "closed once more");
    assert!(flush(&log).is_err());
}
