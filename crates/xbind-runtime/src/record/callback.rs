//! Where the lines of a log go that is kept elsewhere: to somebody who says when they are there for good.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xbind::Result;

use crate::record::files::failed;
use crate::record::writer::{Batch, Sink};
use crate::sync::Lock;

/// Hands lines over, under a number that [`Callback::settle`] is told; false if there is nobody any more. It calls nobody.
pub type HandOver = Box<dyn Fn(u32, &Batch<'_>) -> bool + Send>;

/// Why lines were not taken, or nothing.
type Told = Option<String>;

/// Who takes the lines of a log: one batch at a time.
pub struct Callback {
    hand: Mutex<Option<HandOver>>,
    waits: Mutex<Option<(u32, Sender<Told>)>>,
    patience: Duration,
}

impl Callback {
    /// What is not settled in that time counts as not taken.
    #[must_use]
    pub fn new(hand: HandOver, patience: Duration) -> Arc<Self> {
        Arc::new(Self { hand: Mutex::new(Some(hand)), waits: Mutex::new(None), patience })
    }

    /// The batch of that number is there for good, or is not, and why. Only the first word counts.
    pub fn settle(&self, number: u32, refused: Option<&str>) {
        let waiting = self.waits.guard().take_if(|(waiting, _)| *waiting == number);
        if let Some((_, tell)) = waiting {
            drop(tell.send(refused.map(str::to_owned)));
        }
    }
}

/// The end of it that writes.
pub(crate) struct Taker {
    callback: Arc<Callback>,
    number: u32,
    /// Of a batch that nobody has settled in time: while somebody may be at it, he gets no other.
    late: Option<Receiver<Told>>,
}

impl Taker {
    pub(crate) const fn new(callback: Arc<Callback>) -> Self {
        Self { callback, number: 0, late: None }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        drop(self.callback.hand.guard().take()); // whoever takes may hold this itself
    }
}

impl Sink for Taker {
    fn write(&mut self, batch: &Batch<'_>) -> Result<()> {
        let unwritten = |why: &str| Err(failed("cannot be written", &io::Error::other(why.to_owned())));
        if let Some(late) = &self.late
            && matches!(late.try_recv(), Err(TryRecvError::Empty))
        {
            return unwritten("what takes its lines is still at those before");
        }
        self.late = None;
        self.number = self.number.wrapping_add(1);
        let (tell, told) = channel();
        *self.callback.waits.guard() = Some((self.number, tell));
        let is_handed = self.callback.hand.guard().as_ref().is_some_and(|hand| hand(self.number, batch));
        if !is_handed {
            return unwritten("there is nobody who takes its lines");
        }
        match told.recv_timeout(self.callback.patience) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => unwritten(&why),
            Err(RecvTimeoutError::Disconnected) => unwritten("there is nobody who takes its lines"),
            Err(RecvTimeoutError::Timeout) => {
                self.late = Some(told);
                unwritten("its lines were not taken in time")
            }
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}
