//! Writes a log: whole batches, each behind its signature, or nothing of them.

use std::path::PathBuf;
use std::sync::Mutex;

use xbind::record::{Chain, Entry, Head, Line};
use xbind::{Did, Error, ErrorKind, Result};

use crate::record::Decided;
use crate::record::files::Place;
use crate::record::index::Index;
use crate::sync::Lock;
use crate::sync::clock;

/// Signs with the key of a log; none if that is gone.
pub type Sign = Box<dyn Fn(&[u8]) -> Option<[u8; 64]> + Send>;

/// A head, and the JWS that the log signed for it.
pub(crate) type Signed = (Head, String);

/// What was found when a log was opened.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// How many records it holds.
    pub records: u64,
    /// The number of its first line; above 0 where earlier files are elsewhere.
    pub first: u64,
    /// How many bytes behind the last signature were cut off: nobody was told that they were on record.
    pub lost_bytes: u64,
    /// The file where these are kept.
    pub lost_to: Option<PathBuf>,
}

impl Opened {
    /// Why a log does not open, though its end was cut off before: where that is kept.
    pub(crate) fn naming(&self, error: Error) -> Error {
        let Some(path) = &self.lost_to else { return error };
        let (lost, why) = (self.lost_bytes, error.message());
        let named = format!("{why}; {lost} bytes were cut off its end before, and are kept in {}", path.display());
        let named = Error::new(error.kind(), named);
        match error.hint() {
            Some(hint) => named.with_hint(hint.to_owned()),
            None => named,
        }
    }

    /// The same of the log of that DID, as JSON.
    #[must_use]
    pub fn json(&self, did: &Did) -> String {
        let Self { records, first, lost_bytes, lost_to } = self;
        let kept = lost_to.as_ref().map(|path| serde_json::Value::from(path.to_string_lossy()));
        let kept = kept.map_or_else(String::new, |path| format!(r#","lostTo":{path}"#));
        format!(r#"{{"did":"{did}","records":{records},"first":{first},"lostBytes":{lost_bytes}{kept}}}"#)
    }
}

/// Lines that belong together, the last of them the signature of all before.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The lines, a line feed behind each.
    pub text: &'a str,
    /// The number of the first.
    pub first: u64,
    /// What the log signs in the last.
    pub head: &'a Head,
    /// The JWS there.
    pub jws: &'a str,
}

/// Where the lines of a log go.
pub(crate) trait Sink: Send {
    /// Takes them, all and for good, or none of them: then the next begin with the same number.
    fn write(&mut self, batch: &Batch<'_>) -> Result<()>;

    /// The number of the file, and the byte, where the next line will stand; none where nothing can be read again.
    fn place(&self) -> Option<(u64, u64)> {
        None
    }

    /// The number of the next file, if the log has to go on in one; what comes next is its beginning, and then [`Sink::moved`].
    fn next(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Whether the next file is begun; if not, the one before is gone on with.
    fn moved(&mut self, begun: Result<()>) -> Result<()> {
        begun
    }
}

pub(crate) struct Writer {
    sink: Box<dyn Sink>,
    chain: Chain,
    sign: Sign,
    text: String,
}

impl Writer {
    /// Goes on with a log behind that end, from which so many bytes were lost, or begins one.
    pub(crate) fn begin(
        sink: Box<dyn Sink>,
        did: Did,
        sign: Sign,
        end: Option<Chain>,
        lost: u64,
        now: u64,
    ) -> Result<(Self, Signed)> {
        let mut text = String::new();
        let (chain, first) = match end {
            Some(mut chain) => {
                let first = next(&chain);
                chain.opened(lost, now, &mut text);
                (chain, first)
            }
            None => (Chain::begin(did, clock::message_id()?, now, &mut text), 0),
        };
        let mut writer = Self { sink, chain: chain.clone(), sign, text };
        let signed = writer.finish(chain, first, now)?;
        Ok((writer, signed))
    }

    /// Puts these on record, in this order: all of them, or none.
    pub(crate) fn commit(&mut self, decided: &[&Decided], now: u64, index: &Mutex<Index>) -> Result<Signed> {
        if let Some(number) = self.sink.next()? {
            self.go_on(number, now)?;
        }
        self.text.clear();
        let mut chain = self.chain.clone();
        let first = next(&chain);
        let mut ends = Vec::with_capacity(decided.len());
        for decision in decided {
            decision.with_record(|record| chain.add(record, decision.time, &mut self.text))?;
            ends.push((self.text.len(), chain.last().1));
        }
        let place = self.sink.place();
        let signed = self.finish(chain, first, now)?;
        if let Some((file, start)) = place {
            self.note(decided, &ends, (file, start, first), index);
        }
        Ok(signed)
    }

    /// What was written can be found.
    fn note(
        &self,
        decided: &[&Decided],
        ends: &[(usize, xbind::Digest)],
        (file, start, first): (u64, u64, u64),
        index: &Mutex<Index>,
    ) {
        let mut index = index.guard();
        let (mut from, mut seq) = (start, first);
        for (decision, (end, digest)) in decided.iter().zip(ends) {
            let end = start.saturating_add(u64::try_from(*end).unwrap_or(u64::MAX));
            let at = Place { file, start: from, end, digest: *digest };
            decision.with_names(|record| {
                let line = Line { seq, time: decision.time, previous: "", entry: Entry::Record(record) };
                index.add(at, &line);
            });
            from = end;
            seq = seq.saturating_add(1);
        }
        if let Some((_, end)) = self.sink.place() {
            index.reach(end, self.chain.last().1);
        }
    }

    /// Signs what was appended to the text, lines from that number on, and writes it.
    fn finish(&mut self, mut chain: Chain, first: u64, now: u64) -> Result<Signed> {
        let (head, unsigned) = chain.head(now);
        let gone = || {
            Error::new(ErrorKind::AuditFailed, "the key of the log is gone")
                .with_hint("keep the identity that signs the log until the log is closed")
        };
        let signature = (self.sign)(unsigned.to_sign().as_bytes()).ok_or_else(gone)?;
        let jws = unsigned.finish(&signature);
        chain.seal(&jws, now, &mut self.text);
        self.sink.write(&Batch { text: &self.text, first, head: &head, jws: &jws })?;
        self.chain = chain;
        Ok((head, jws))
    }

    /// Goes on in the next file.
    fn go_on(&mut self, number: u64, now: u64) -> Result<()> {
        self.text.clear();
        let mut chain = self.chain.clone();
        chain.continued(number, now, &mut self.text);
        let begun = self.finish(chain, next(&self.chain), now).map(|_| ());
        self.sink.moved(begun)
    }
}

/// The number of the line that comes behind that end.
const fn next(end: &Chain) -> u64 {
    end.last().0.saturating_add(1)
}
