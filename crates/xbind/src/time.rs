//! Whether it is time for what somebody else has signed.

/// By how many seconds it is not.
pub(crate) enum Untimely {
    /// It begins then.
    Early(u64),
    /// It ended then.
    Late(u64),
}

/// Whether `now` is between these times, the second exclusive, by a clock that may differ by `skew`. Saturating, since the
/// times are a stranger's.
pub(crate) const fn check(begins: u64, ends: u64, now: u64, skew: u64) -> Result<(), Untimely> {
    if begins > now.saturating_add(skew) {
        return Err(Untimely::Early(begins.saturating_sub(now)));
    }
    if now >= ends.saturating_add(skew) {
        return Err(Untimely::Late(now.saturating_sub(ends)));
    }
    Ok(())
}
