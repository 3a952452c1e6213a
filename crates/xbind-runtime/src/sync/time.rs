//! Where a node's time comes from: the system, or a program that owns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::clock;

/// The time of a node and of the ports whose agents live there.
#[derive(Clone, Debug, Default)]
pub enum Time {
    /// That of the machine.
    #[default]
    System,
    /// That of whoever calls [`Node::drive`](crate::Node::drive), for simulations.
    Driven(Arc<Driven>),
    /// The system's, but for so many seconds in messages: as on a machine whose clock is wrong.
    Wrong(i64),
}

/// A time that moves when it is told to.
#[derive(Debug)]
pub struct Driven {
    began: Instant,
    /// Seconds since the epoch when it began.
    epoch: u64,
    /// Nanoseconds since it began.
    passed: AtomicU64,
}

impl Time {
    /// A time of its own, which begins now and stands still until it is driven.
    #[must_use]
    pub fn driven() -> Self {
        Self::Driven(Arc::new(Driven { began: Instant::now(), epoch: clock::now(), passed: AtomicU64::new(0) }))
    }

    /// For deadlines.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self {
            Self::System | Self::Wrong(_) => Instant::now(),
            Self::Driven(driven) => driven.began.checked_add(driven.passed()).unwrap_or(driven.began),
        }
    }

    /// Seconds since the epoch, for messages.
    #[must_use]
    pub fn unix(&self) -> u64 {
        match self {
            Self::System => clock::now(),
            Self::Wrong(by) => clock::now().saturating_add_signed(*by),
            Self::Driven(driven) => driven.epoch.saturating_add(driven.passed().as_secs()),
        }
    }

    /// Whether it moves only when it is told to.
    pub(crate) const fn is_driven(&self) -> bool {
        matches!(self, Self::Driven(_))
    }

    /// Moves a driven time on; it never goes back.
    pub(crate) fn set(&self, now: Instant) {
        if let Self::Driven(driven) = self {
            let passed = u64::try_from(now.saturating_duration_since(driven.began).as_nanos()).unwrap_or(u64::MAX);
            driven.passed.fetch_max(passed, Ordering::AcqRel);
        }
    }
}

impl Driven {
    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Acquire))
    }
}
