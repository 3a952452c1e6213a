//! Numbers, as languages have them whose only number is a double. The one place where they are converted.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xbind::{Error, ErrorKind, Result};

/// A count, size, time or place: a whole number of at least 0. What is none counts as 0, what is larger as the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whole(pub u64);

impl Whole {
    /// As a size in memory.
    #[must_use]
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// As a life in seconds.
    #[must_use]
    pub fn life(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// Of milliseconds.
    #[must_use]
    pub const fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<f64> for Whole {
    #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    fn from(value: f64) -> Self {
        Self(value as u64)
    }
}

impl<'de> Deserialize<'de> for Whole {
    /// JSON has no number for what is none: it is `null` there.
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.unwrap_or_default().into())
    }
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

/// The whole number in a double.
#[must_use]
pub fn whole(value: f64) -> u64 {
    Whole::from(value).0
}

/// The same as a size in memory.
#[must_use]
pub fn size(value: f64) -> usize {
    Whole::from(value).size()
}

/// A whole number as a double: exact below 2^53.
#[must_use]
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "times and counts: below 2^53")]
pub const fn number(value: u64) -> f64 {
    value as f64
}

/// A time from a clock of the face's user.
///
/// # Errors
/// `INVALID_CONFIG` for what is no time.
pub fn seconds(now: f64) -> Result<u64> {
    let no_time = || Error::new(ErrorKind::InvalidConfig, "the clock gave no time");
    Some(now).filter(|now| now.is_finite() && *now >= 0.0).map(whole).ok_or_else(no_time)
}

/// A time that was checked before, or the system's.
#[must_use]
pub fn time(seconds: Option<f64>) -> u64 {
    seconds.map_or_else(xbind_runtime::now, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_whole_number_is_the_nearest() {
        for (given, is) in [(1.9, 1), (-1.0, 0), (f64::NAN, 0), (f64::INFINITY, u64::MAX), (1e300, u64::MAX)] {
            assert_eq!(whole(given), is);
        }
        let read = |json| serde_json::from_str::<Whole>(json).ok().map(|Whole(value)| value);
        let said = ["7", "7.5", "-7", "1e21", "null", "18446744073709551615"].map(read);
        assert_eq!(said, [Some(7), Some(7), Some(0), Some(u64::MAX), Some(0), Some(u64::MAX)]);
        assert_eq!(["\"7\"", "true", "[7]", "{}"].map(read), [None; 4]);
        assert_eq!(Whole(1 << 40).life(), u32::MAX);
    }

    #[test]
    fn a_clock_gives_times() {
        assert_eq!([0.0, 5.9, 1e300].map(|now| seconds(now).ok()), [Some(0), Some(5), Some(u64::MAX)]);
        for now in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(seconds(now).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }
}
