//! What is known about the revocation of a token, by whom, and how good it is.

use crate::rights::grant::Link;
use crate::rights::revocation::{RevocationList, Standing, StatusRef};
use crate::rights::status_lists::{Evidence, StatusLists};
use std::cell::Cell;
use std::sync::Arc;

/// How good the evidence about a token's revocation is, the best first. Only fresh evidence is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nobody was to be asked.
    Unchecked,
    /// Everybody has answered, out of what holds now.
    Fresh,
    /// A status list is out of date, or dated in the future.
    Stale,
    /// A status list is not at hand.
    Absent,
    /// A status list cannot be read, or does not reach as far as the token's index.
    Unreadable,
    /// A source has no answer.
    Unknown,
}

impl Grade {
    /// Its name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
        }
    }

    const fn of(evidence: Evidence) -> Self {
        match evidence {
            Evidence::Fresh(_) => Self::Fresh,
            Evidence::Stale => Self::Stale,
            Evidence::Absent => Self::Absent,
            Evidence::Unreadable => Self::Unreadable,
        }
    }
}

/// Where it is known here what was revoked.
#[derive(Clone, Default)]
pub struct Revocations {
    /// Each can revoke; none need know of a token.
    pub lists: Vec<Arc<RevocationList>>,
    /// The status lists at hand; the best of them answers.
    pub status: Vec<Arc<StatusLists>>,
    /// Accepts what nobody can tell. Dangerous: whoever can cut the sources off brings revoked tokens back to life.
    pub accept_unknown: bool,
}

impl Revocations {
    /// The strongest evidence at hand: fresh evidence of one source decides, whatever the others lack.
    pub(crate) fn evidence(&self, issuer: &str, status: &StatusRef, now: u64) -> Evidence {
        let mut best = Evidence::Absent;
        for lists in &self.status {
            match lists.ask(issuer, status, now) {
                fresh @ Evidence::Fresh(_) => return fresh,
                Evidence::Absent => {}
                other @ (Evidence::Stale | Evidence::Unreadable) => best = other,
            }
        }
        best
    }
}

/// What is known of each link of a token, one after the other, and how good the worst of it is.
pub(crate) struct Weighing<'a> {
    revocations: &'a Revocations,
    /// What sources elsewhere said of each link: whether it was revoked, where they know. None if there are no sources.
    answers: Option<&'a [Option<bool>]>,
    next: Cell<usize>,
    worst: Cell<Grade>,
    now: u64,
}

impl<'a> Weighing<'a> {
    pub(crate) const fn new(revocations: &'a Revocations, answers: Option<&'a [Option<bool>]>, now: u64) -> Self {
        Self { revocations, answers, next: Cell::new(0), worst: Cell::new(Grade::Unchecked), now }
    }

    pub(crate) const fn grade(&self) -> Grade {
        self.worst.get()
    }

    fn note(&self, grade: Grade) {
        self.worst.set(self.worst.get().max(grade));
    }

    pub(crate) fn standing(&self, link: &Link) -> Standing {
        let Revocations { lists, accept_unknown, .. } = self.revocations;
        let place = self.next.replace(self.next.get().saturating_add(1));
        let answer = self.answers.map(|answers| answers.get(place).copied().flatten());
        let listed = lists.iter().any(|list| list.standing(link) == Standing::Revoked);
        if !lists.is_empty() || answer.is_some() {
            self.note(Grade::Fresh);
        }
        match answer {
            _ if listed => Standing::Revoked,
            None | Some(Some(false)) => Standing::Valid,
            Some(Some(true)) => Standing::Revoked,
            Some(None) => {
                self.note(Grade::Unknown);
                if *accept_unknown { Standing::Valid } else { Standing::Unknown }
            }
        }
    }

    pub(crate) fn status(&self, issuer: &str, status: &StatusRef) -> Evidence {
        let evidence = self.revocations.evidence(issuer, status, self.now);
        let grade = Grade::of(evidence);
        self.note(grade);
        if self.revocations.accept_unknown && grade != Grade::Fresh { Evidence::Fresh(0) } else { evidence }
    }
}
