//! Nothing makes the readers of logs and heads panic; a line has one spelling, and no log holds but as it was written.
#![no_main]

mod forge;

use forge::{header, segments, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::record::{Chain, Entry, Head, KeptHead, MAX_LINE_BYTES, Reader, Record, Verdict, digest, read};
use xbind::{MessageId, Result, SigningKey};

const NOW: u64 = 1_735_689_600;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[1; 32]));
/// An honest log.
static LOG: LazyLock<String> = LazyLock::new(|| {
    let (mut chain, mut text) = begun();
    for token in ["one", "two\n\u{2028}\"\\"] {
        chain.add(record(token, &["three"]), NOW, &mut text).expect("a record");
        seal(&mut chain, &mut text);
    }
    text
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 6 {
        0 => as_line(rest),
        1 => as_change(rest),
        2 => as_record(rest),
        3 => as_claims(rest),
        4 => as_kept(rest),
        _ => as_last_line(rest),
    }
});

/// A line is read in one spelling, and a log takes it nowhere but where it belongs.
fn as_line(line: &[u8]) {
    let Some(place) = read(line, |line| (line.seq, line.time)) else { return };
    assert!(line.len() <= MAX_LINE_BYTES && !line.contains(&b'\n'));
    let spaced = [b" ", line].concat();
    assert!(read(&spaced, |_| ()).is_none(), "a second spelling of {place:?}");
    let mut reader = Reader::new(None, None);
    let _ = reader.take(line, true, |_, of| assert_eq!(of, digest(line)));
    let _ = reader.take(line, false, |_, _| ());
    let _ = reader.end();
}

/// The honest log, some of whose bytes are others: it holds if nothing was changed.
fn as_change(changes: &[u8]) {
    let mut text = LOG.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % text.len();
        text[at] = change[2];
    }
    assert_eq!(holds(&text).is_ok(), text == LOG.as_bytes());
}

/// Token and links, parted by zero bytes: what can be added is read again, and is what it was.
fn as_record(texts: &[u8]) {
    let Ok(texts) = str::from_utf8(texts) else { return };
    let mut texts = texts.split('\0');
    let (token, links) = (texts.next().unwrap_or_default(), texts.collect::<Vec<_>>());
    let (mut chain, mut text) = begun();
    let record = record(token, &links);
    assert_eq!(chain.add(record, NOW, &mut text).is_err(), record.misfit().is_some());
    seal(&mut chain, &mut text);
    holds(text.as_bytes()).expect("what was written");
    if record.misfit().is_none() {
        let line = text.lines().nth(1).expect("the record");
        assert_eq!(
            read(line.as_bytes(), |line| matches!(line.entry, Entry::Record(again) if again == record)),
            Some(true)
        );
    }
}

/// Whatever its key signs as a head is read as one, or refused.
fn as_claims(json: &[u8]) {
    for typ in ["agent-audit+jwt", "agent-audit-witness+jwt"] {
        let jws = signed(&KEY, &header(&KEY, typ), json);
        let (own, seen) = (Head::read(&jws), Head::witnessed(&jws, KEY.did()));
        assert!(own.is_err() || seen.is_err(), "one statement has one meaning");
        if let Ok(head) = own {
            assert_eq!(head.did, *KEY.did());
        }
    }
    let (header, claims) = segments(json);
    let _ = Head::read(&signed(&KEY, header, claims));
    let _ = str::from_utf8(json).map(Head::read);
}

/// What was kept of a head says nothing but what was signed of it, whatever was kept; also an honest one that was changed.
fn as_kept(bytes: &[u8]) {
    let (chain, _) = begun();
    let (head, unsigned) = chain.head(NOW);
    let signature = KEY.sign(unsigned.to_sign().as_bytes());
    let honest = head.json(&unsigned.finish(&signature));
    let mut changed = honest.clone().into_bytes();
    for change in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
    }
    for json in [bytes, &changed] {
        let Ok(Ok(kept)) = str::from_utf8(json).map(KeptHead::read) else { continue };
        let Ok(signed) = kept.signed() else { continue };
        assert_eq!((kept.did, kept.log), (Some(signed.did), Some(signed.log)));
        assert_eq!((kept.seq, kept.digest), (signed.seq, signed.digest));
    }
    assert!(KeptHead::read(&honest).is_ok_and(|kept| kept.signed().is_ok_and(|signed| *signed == head)));
}

/// Nothing but the last line of the log is gone on behind.
fn as_last_line(line: &[u8]) {
    let _ = Chain::behind(line, KEY.did());
    let last = LOG.lines().last().expect("a log").as_bytes();
    let mut changed = last.to_vec();
    for change in line.chunks_exact(2) {
        changed[usize::from(change[0]) * 2 % last.len()] ^= change[1];
    }
    assert_eq!(Chain::behind(&changed, KEY.did()).is_ok(), changed == last);
}

fn holds(text: &[u8]) -> Result<()> {
    let mut reader = Reader::new(Some(*KEY.did()), None);
    let lines = text.strip_suffix(b"\n").unwrap_or(&[]);
    for (i, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        reader.take(line, i == 0, |_, _| ())?;
    }
    reader.end().map(|_| ())
}

fn begun() -> (Chain, String) {
    let mut text = String::new();
    (Chain::begin(*KEY.did(), MessageId::from_bytes([7; 16]), NOW, &mut text), text)
}

fn seal(chain: &mut Chain, text: &mut String) {
    let (_, unsigned) = chain.head(NOW);
    let signature = KEY.sign(unsigned.to_sign().as_bytes());
    chain.seal(&unsigned.finish(&signature), NOW, text);
}

fn record<'a>(token: &'a str, chain: &'a [&'a str]) -> Record<'a> {
    Record {
        event: "call",
        outcome: Verdict::Accepted,
        by: KEY.did().as_str(),
        from: None,
        to: None,
        method: None,
        message_id: None,
        digest: None,
        token: Some(token),
        chain,
        code: None,
        note: None,
    }
}
