//! All stops that one reader knows, and whether it can be sure to know them.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::cluster::heartbeat::Heartbeat;
use crate::cluster::namespace::Namespace;
use crate::cluster::stop::{Stop, Stopped, Verb};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::Digest;
use crate::rights::revocation::Standing;

/// How the digest of all that an operator says begins.
const CONTEXT: &[u8] = b"xbind-stops-v1\0";

/// What operators say of agents and tokens, taken from a broker that may keep things to itself, double or reorder them.
///
/// With operators, every one of them must have a fresh heartbeat that fits what is known of its stops; else nobody knows, and
/// nothing is served. A stop never goes away but by a newer word of the same operator.
pub struct Stops {
    namespace: Namespace,
    books: BTreeMap<Did, Book>,
    operators: Vec<Did>,
    capacity: usize,
    clock_skew: u64,
}

/// What one operator says.
#[derive(Default)]
struct Book {
    /// The latest word of each, by the end of its key.
    words: BTreeMap<String, Word>,
    /// The last heartbeat that fitted.
    beat: Option<Beat>,
    /// One that does not fit yet, and when it came.
    early: Option<(Heartbeat, u64)>,
}

struct Word {
    /// The newer of two, the stronger of one second, and then whichever: all readers choose alike.
    rank: (u64, Verb, [u8; 32]),
}

struct Beat {
    seq: u64,
    /// When it came, by the reader's clock.
    from: u64,
    until: u64,
}

impl Stops {
    /// What these operators say in that namespace: of `capacity` agents and tokens at most.
    #[must_use]
    pub fn new(namespace: Namespace, operators: &[Did], capacity: usize, clock_skew: u64) -> Self {
        let books = operators.iter().map(|operator| (*operator, Book::default())).collect();
        Self { namespace, books, operators: operators.to_vec(), capacity, clock_skew }
    }

    /// Takes in a stop; gives it if it says something new. Older words, and the same again, change nothing.
    ///
    /// # Errors
    /// Those of [`Stop::verify`]; `INVALID_CONFIG` if there is no room: then no heartbeat fits any more, and nothing is served.
    pub fn take(&mut self, text: &str, now: u64) -> Result<Option<Stop>> {
        let stop = Stop::verify(text, &self.namespace, &self.operators, now, self.clock_skew)?;
        let token = stop.stopped().token();
        let word = Word { rank: (stop.issued_at(), stop.verb(), *Digest::of(text.as_bytes()).as_bytes()) };
        let held: usize = self.books.values().map(|book| book.words.len()).sum();
        let Some(book) = self.books.get_mut(stop.operator()) else { return Ok(None) };
        match book.words.get(&token) {
            Some(known) if known.rank >= word.rank => return Ok(None),
            None if held >= self.capacity => {
                let why = format!("there are stops of more than {} agents and tokens", self.capacity);
                return Err(Error::new(ErrorKind::InvalidConfig, why));
            }
            _ => book.words.insert(token, word),
        };
        if let Some((beat, from)) = book.early.take_if(|(beat, _)| book_fits(&book.words, beat)) {
            book.beat = Some(Beat::of(&beat, from, self.clock_skew));
        }
        Ok(Some(stop))
    }

    /// Takes in a heartbeat. One that does not fit what is known is kept until the missing stops have come.
    ///
    /// # Errors
    /// Those of [`Heartbeat::verify`]; `REPLAYED` for one before the last; `REVOCATION_UNKNOWN` for one that does not fit yet.
    pub fn beat(&mut self, text: &str, now: u64) -> Result<Heartbeat> {
        let beat = Heartbeat::verify(text, &self.namespace, &self.operators, now, self.clock_skew)?;
        let Some(book) = self.books.get_mut(beat.operator()) else { return Ok(beat) };
        let last = book.beat.as_ref().map(|beat| beat.seq).max(book.early.as_ref().map(|(beat, _)| beat.seq));
        match last {
            Some(last) if beat.seq < last => {
                let why = format!("heartbeat {} came after {last}", beat.seq);
                return Err(Error::new(ErrorKind::Replayed, why));
            }
            Some(last) if beat.seq == last && book.early.is_none() => return Ok(beat), // the same again is no fresher
            _ => {}
        }
        if book_fits(&book.words, &beat) {
            book.early = None;
            book.beat = Some(Beat::of(&beat, now, self.clock_skew));
            return Ok(beat);
        }
        let why = format!("the heartbeat tells of {} stops, and {} others are known", beat.count, book.words.len());
        book.early = Some((beat, now));
        Err(Error::new(ErrorKind::RevocationUnknown, why).with_hint("what is missing may be on its way"))
    }

    /// Whether anything of that agent may be served.
    #[must_use]
    pub fn of_agent(&self, did: &Did, now: u64) -> Standing {
        self.standing(&Stopped::agent_token(did), now)
    }

    /// Whether a token of that id stands, as far as operators say.
    #[must_use]
    pub fn of_token(&self, id: &str, now: u64) -> Standing {
        self.standing(&Stopped::token_token(id), now)
    }

    /// Until when the heartbeats at hand hold, exclusive; none where one is missing. Without operators, always.
    #[must_use]
    pub fn fresh_until(&self, now: u64) -> Option<u64> {
        let fresh = |beat: &&Beat| now.saturating_add(self.clock_skew) >= beat.from && now < beat.until;
        let until = |book: &Book| book.beat.as_ref().filter(fresh).map(|beat| beat.until);
        self.books.values().map(until).try_fold(u64::MAX, |all, until| until.map(|until| until.min(all)))
    }

    /// Count and digest of what an operator says, for its next heartbeat: the operator keeps its own stops like any reader.
    #[must_use]
    pub fn tally(&self, operator: &Did) -> Option<(u64, Digest)> {
        self.books.get(operator).map(|book| tally(&book.words))
    }

    fn standing(&self, token: &str, now: u64) -> Standing {
        let stopped =
            |book: &Book| book.words.get(token).is_some_and(|Word { rank: (_, verb, _) }| *verb == Verb::Stop);
        if self.books.values().any(stopped) {
            Standing::Revoked
        } else if self.fresh_until(now).is_some() {
            Standing::Valid
        } else {
            Standing::Unknown
        }
    }
}

impl Beat {
    /// It holds for its own life from when it came; whoever holds it back gains the difference of the clocks at most.
    fn of(beat: &Heartbeat, now: u64, clock_skew: u64) -> Self {
        let life = beat.expires_at.saturating_sub(beat.issued_at);
        let until = now.saturating_add(life).min(beat.expires_at.saturating_add(clock_skew));
        Self { seq: beat.seq, from: now, until }
    }
}

fn book_fits(words: &BTreeMap<String, Word>, beat: &Heartbeat) -> bool {
    tally(words) == (beat.count, beat.set)
}

/// `xbind-stops-v1`, a zero byte, and the SHA-256 of the latest word of each, in the order of their keys.
fn tally(words: &BTreeMap<String, Word>) -> (u64, Digest) {
    let all = words
        .values()
        .fold(Sha256::new_with_prefix(CONTEXT), |all, Word { rank: (_, _, digest) }| all.chain_update(digest));
    (u64::try_from(words.len()).unwrap_or(u64::MAX), Digest::from_bytes(all.finalize().into()))
}
