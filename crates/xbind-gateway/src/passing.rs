//! An answer on its way: byte for byte as it comes, measured while it passes, and cut off where it may not go on.

use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use xbind::Digest;
use xbind_net::upstream::ReplyBody;

use crate::answer::Piece;
use crate::api::Api;
use crate::books::End;
use crate::budget::Charge;
use crate::carry::{CLIENT_GONE, broken_off};
use crate::config::Limits;
use crate::money::Price;
use crate::problem::{Kind, Problem};
use crate::running::Place;
use crate::usage::{Kind as Form, Meter};

/// As many bytes as say where a reader is.
const LAST: usize = 4;

/// What reads, measures and passes on.
pub(crate) struct Passing {
    api: Api,
    form: Form,
    pieces: mpsc::Sender<Piece>,
    meter: Meter,
    hash: Sha256,
    passed: u64,
    /// The last bytes that were passed on.
    last: Vec<u8>,
}

/// Why an answer does not go on.
enum Broken {
    /// Nobody reads it.
    Gone,
    /// Something is wrong.
    Wrong(Problem),
}

impl Passing {
    pub(crate) fn new(api: Api, form: Form, hides_usage: bool, pieces: mpsc::Sender<Piece>) -> Self {
        let meter = Meter::new(api, form, hides_usage);
        Self { api, form, pieces, meter, hash: Sha256::new(), passed: 0, last: Vec::new() }
    }

    /// Passes on what comes, to its end, and says in `end` how that was.
    pub(crate) async fn run(
        mut self,
        limits: &Limits,
        price: &Price,
        (first, mut body): (Option<Bytes>, ReplyBody),
        mut place: Place,
        end: &mut End,
    ) {
        let deadline = Instant::now().checked_add(limits.answer).unwrap_or_else(Instant::now);
        let mut out = Vec::new();
        first.into_iter().for_each(|first| self.meter.take(first, &mut out));
        let mut broken = loop {
            if let Some(broken) = self.pass(limits, deadline, &mut out, &mut place).await {
                break Some(broken);
            }
            let piece = tokio::select! {
                piece = timeout_at(deadline, body.next()) => piece,
                problem = place.cut() => break Some(Broken::Wrong(problem)),
                () = self.pieces.closed() => break Some(Broken::Gone),
            };
            match piece {
                Ok(Some(Ok(piece))) => self.meter.take(piece, &mut out),
                Ok(None) => break None,
                Ok(Some(Err(why))) => break Some(Broken::Wrong(broken_off(why))),
                Err(_) => break Some(Broken::Wrong(late())),
            }
        };
        drop(body); // nobody works for an answer that nobody reads
        let usage = std::mem::replace(&mut self.meter, Meter::new(self.api, self.form, false)).end(&mut out);
        if broken.is_none() {
            broken = self.pass(limits, deadline, &mut out, &mut place).await;
        }
        if self.conclude(broken.as_ref(), deadline).await {
            drop(timeout_at(deadline, self.pieces.send(Piece::End)).await);
        } else if matches!(broken, Some(Broken::Wrong(_))) {
            self.leave().await;
        }
        end.code = broken.map(|broken| match broken {
            Broken::Gone => CLIENT_GONE.to_owned(),
            Broken::Wrong(problem) => problem.record_code(),
        });
        end.answer = Some(Digest::from_bytes(self.hash.finalize().into()).text());
        end.used = usage.map(|usage| {
            let tokens = usage.input.saturating_add(usage.output);
            (usage, Charge { tokens, money: price.of(&usage) })
        });
    }

    /// Passes on what the meter lets through.
    async fn pass(
        &mut self,
        limits: &Limits,
        deadline: Instant,
        out: &mut Vec<Bytes>,
        place: &mut Place,
    ) -> Option<Broken> {
        for piece in out.drain(..) {
            self.passed = self.passed.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if self.passed > limits.answer_bytes {
                return Some(Broken::Wrong(Problem::new(Kind::UpstreamFailed, "the answer is longer than it may be")));
            }
            self.hash.update(&piece);
            self.last.extend_from_slice(piece.get(piece.len().saturating_sub(LAST)..).unwrap_or_default());
            self.last.drain(..self.last.len().saturating_sub(LAST));
            let sent = tokio::select! {
                sent = timeout_at(deadline, self.pieces.send(Piece::Bytes(piece))) => sent,
                problem = place.cut() => return Some(Broken::Wrong(problem)),
            };
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Some(Broken::Gone),
                Err(_) => return Some(Broken::Wrong(late())),
            }
        }
        None
    }

    /// Whether the answer ends as one that is whole. A reader who waits for the next event hears why it does not come; any other
    /// sees his connection end.
    async fn conclude(&self, broken: Option<&Broken>, deadline: Instant) -> bool {
        match broken {
            None => true,
            Some(Broken::Gone) => false,
            Some(Broken::Wrong(problem)) => {
                let word = self.form.last_word(self.api, problem).filter(|_| self.form.is_between(&self.last));
                let Some(word) = word else { return false };
                // There is a moment for it, however long the answer took.
                let deadline = deadline.max(Instant::now().checked_add(MOMENT).unwrap_or(deadline));
                matches!(timeout_at(deadline, self.pieces.send(Piece::Bytes(word))).await, Ok(Ok(())))
            }
        }
    }

    /// What was passed on goes out before it breaks off: who reads it must not think that there was no answer, and ask again.
    async fn leave(&self) {
        if matches!(timeout(MOMENT, self.pieces.reserve_many(self.pieces.max_capacity())).await, Ok(Ok(_))) {
            sleep(FLUSH).await;
        }
    }
}

/// For what was taken to be written.
const FLUSH: std::time::Duration = std::time::Duration::from_millis(20);
/// For the last word.
const MOMENT: std::time::Duration = std::time::Duration::from_secs(1);

fn late() -> Problem {
    Problem::new(Kind::UpstreamSlow, "the answer took longer than it may")
}
