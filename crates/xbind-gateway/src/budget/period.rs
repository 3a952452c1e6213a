//! Periods in UTC, as the clock of the world counts: without leap seconds.

use serde::Deserialize;

const DAY: u64 = 86_400;
/// As many days as the longest month has.
const LONGEST_MONTH: u64 = 31;
/// Days from March 1st of the year 0 to 1970.
const EPOCH: u64 = 719_468;
/// Days after which the calendar is the same again: 400 years.
const ERA: u64 = 146_097;

/// How long a budget counts before it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Period {
    /// A minute of the clock.
    Minute,
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
    /// It never begins anew.
    Total,
}

impl Period {
    /// Its first second at that time, and the first one after it.
    pub(crate) fn around(self, now: u64) -> (u64, Option<u64>) {
        let length = match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => DAY,
            Self::Month => return month(now / DAY),
            Self::Total => return (0, None),
        };
        let from = now.saturating_sub(now.checked_rem(length).unwrap_or_default());
        (from, Some(from.saturating_add(length)))
    }

    /// How tables name it.
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Month => 3,
            Self::Total => 4,
        }
    }
}

fn month(day: u64) -> (u64, Option<u64>) {
    let first = day.saturating_sub(days_before(day));
    let in_next = first.saturating_add(LONGEST_MONTH);
    let next = in_next.saturating_sub(days_before(in_next));
    (first.saturating_mul(DAY), Some(next.saturating_mul(DAY)))
}

/// How many days of its month were before that one, which is counted from 1970. Years begin in March here, so that the leap day
/// is the last of one.
#[expect(clippy::arithmetic_side_effects, reason = "all of it is less than 400 years in days, times 153")]
const fn days_before(day: u64) -> u64 {
    let of_era = day.saturating_add(EPOCH) % ERA;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5
}
