//! The statuses of a list in memory: how many bits each takes, and where it stands.

use crate::error::{Error, ErrorKind, Result};

/// How many bits each status takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// 0 and 1.
    One,
    /// 0 to 3.
    Two,
    /// 0 to 15.
    Four,
    /// 0 to 255.
    Eight,
}

impl Bits {
    /// The width of that many bits.
    #[must_use]
    pub const fn of(bits: u64) -> Option<Self> {
        match bits {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    /// 1, 2, 4 or 8.
    #[must_use]
    pub const fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The largest status.
    #[must_use]
    pub const fn largest(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 3,
            Self::Four => 15,
            Self::Eight => 255,
        }
    }

    const fn per_byte(self) -> u64 {
        match self {
            Self::One => 8,
            Self::Two => 4,
            Self::Four => 2,
            Self::Eight => 1,
        }
    }

    /// The status at an index of a list in memory, or `None` beyond its end.
    #[must_use]
    pub fn get(self, list: &[u8], index: u64) -> Option<u8> {
        let (byte, shift) = self.place(index)?;
        Some(list.get(byte)?.checked_shr(shift)? & self.largest())
    }

    /// Sets the status at an index of a list in memory.
    ///
    /// # Errors
    /// `INVALID_CONFIG` beyond the end, or for a status that the bits cannot hold.
    pub fn set(self, list: &mut [u8], index: u64, status: u8) -> Result<()> {
        if status > self.largest() {
            return Err(config("the list's bits cannot hold that status"));
        }
        let outside = || config("the index is beyond the end of the list");
        let (at, shift) = self.place(index).ok_or_else(outside)?;
        let byte = list.get_mut(at).ok_or_else(outside)?;
        *byte = *byte & !(self.largest() << shift) | status << shift;
        Ok(())
    }

    /// How many tokens a list of so many bytes has room for.
    #[must_use]
    pub fn room(self, bytes: usize) -> u64 {
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(self.per_byte())
    }

    /// The byte that holds a status, and how far left in it.
    fn place(self, index: u64) -> Option<(usize, u32)> {
        let byte = index.checked_div(self.per_byte())?;
        let shift = index.checked_rem(self.per_byte())?.checked_mul(u64::from(self.count()))?;
        Some((usize::try_from(byte).ok()?, u32::try_from(shift).ok()?))
    }
}

pub(crate) fn config(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}
