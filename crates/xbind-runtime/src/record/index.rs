//! Where in a log to look: for each stretch of it, when it was written, and whom and what it may name.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use xbind::record::{Entry, Line, Record};
use xbind::{Digest, Error, ErrorKind, Result};

use crate::record::files::Place;

/// Bytes of a log that share an entry.
const STRETCH: u64 = 256 << 10;
/// Bits of the filter of a stretch: it may name more than it does, never less.
const BITS: u64 = 8192;
const WORDS: usize = 128;

/// A stretch of a file.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    place: Place,
    times: (u64, u64),
    last: u64,
    names: Box<[u64; WORDS]>,
}

/// 1 KiB for each 256 KiB of a log.
#[derive(Debug, Default)]
pub(crate) struct Index {
    stretches: Vec<Stretch>,
}

/// What to look for in a log: what fits all that is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// A DID that decided, asked, was asked, or on whose behalf it was.
    pub agent: Option<String>,
    /// The id of a token.
    pub token: Option<String>,
    /// Not before that second.
    pub since: Option<u64>,
    /// Before that second.
    pub until: Option<u64>,
    /// Behind the record of that number.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl Query {
    /// What a JSON object says, whose members are those here.
    ///
    /// # Errors
    /// `INVALID_CONFIG`.
    pub fn read(json: &str) -> Result<Self> {
        let none = |_| Error::new(ErrorKind::InvalidConfig, "that is no query");
        serde_json::from_str(json).map_err(none)
    }

    /// Whether a line is a record that fits.
    pub(crate) fn fits(&self, line: &Line<'_>) -> bool {
        let Entry::Record(record) = &line.entry else { return false };
        let names = |record: &Record<'_>, did: &str| {
            let one = [Some(record.by), record.from, record.to].into_iter().flatten();
            one.chain(record.chain.iter().copied()).any(|named| named == did)
        };
        self.agent.as_ref().is_none_or(|did| names(record, did))
            && self.token.as_ref().is_none_or(|token| record.token == Some(token.as_str()))
            && self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time < until)
            && self.after.is_none_or(|after| line.seq > after)
    }

    fn may_fit(&self, stretch: &Stretch) -> bool {
        let (first, last) = stretch.times;
        self.agent.as_ref().is_none_or(|did| stretch.may_name("did", did))
            && self.token.as_ref().is_none_or(|token| stretch.may_name("token", token))
            && self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| first < until)
            && self.after.is_none_or(|after| stretch.last > after)
    }
}

impl Index {
    /// A line stands there.
    pub(crate) fn add(&mut self, place: Place, line: &Line<'_>) {
        let fits = |stretch: &&mut Stretch| {
            let Place { file, start, end, .. } = stretch.place;
            file == place.file && end == place.start && place.end.saturating_sub(start) <= STRETCH
        };
        if self.stretches.last_mut().filter(fits).is_none() {
            let times = (line.time, line.time);
            self.stretches.push(Stretch { place, times, last: line.seq, names: Box::new([0; WORDS]) });
        }
        let Some(stretch) = self.stretches.last_mut() else { return };
        (stretch.place.end, stretch.place.digest) = (place.end, place.digest);
        stretch.last = line.seq;
        stretch.times = (stretch.times.0.min(line.time), stretch.times.1.max(line.time));
        let Entry::Record(record) = &line.entry else { return };
        let dids = [Some(record.by), record.from, record.to].into_iter().flatten();
        for did in dids.chain(record.chain.iter().copied()) {
            stretch.note("did", did);
        }
        if let Some(token) = record.token {
            stretch.note("token", token);
        }
    }

    /// The stretches that may hold what is looked for, in order.
    pub(crate) fn find(&self, query: &Query) -> Vec<Place> {
        self.stretches.iter().filter(|stretch| query.may_fit(stretch)).map(|stretch| stretch.place).collect()
    }

    /// What stands up to there belongs to the last stretch: a signature names nobody.
    pub(crate) fn reach(&mut self, end: u64, digest: Digest) {
        if let Some(stretch) = self.stretches.last_mut() {
            (stretch.place.end, stretch.place.digest) = (end, digest);
        }
    }

    /// Nothing of that file behind that place, where the line of that digest ends, stands any more.
    pub(crate) fn cut(&mut self, file: u64, end: u64, digest: Digest) {
        self.stretches.retain(|Stretch { place, .. }| (place.file, place.start) < (file, end));
        if self.stretches.last().is_some_and(|stretch| stretch.place.file == file) {
            self.reach(end, digest);
        }
    }
}

impl Stretch {
    fn note(&mut self, kind: &str, name: &str) {
        for (word, bit) in places(kind, name) {
            if let Some(word) = self.names.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn may_name(&self, kind: &str, name: &str) -> bool {
        places(kind, name).all(|(word, bit)| self.names.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// Three places in the filter.
fn places(kind: &str, name: &str) -> impl Iterator<Item = (usize, u64)> {
    let mut hasher = DefaultHasher::new();
    (kind, name).hash(&mut hasher);
    let hash = hasher.finish();
    [0, 21, 42].into_iter().map(move |shift| {
        let place = (hash >> shift) % BITS;
        (usize::try_from(place / 64).unwrap_or_default(), 1 << (place % 64))
    })
}
