//! What a face that makes objects of its own for DIDs need not make again.

use xbind::Did;

/// The DIDs that a face keeps as its own strings: making one for every call would cost more. A public key has one place where
/// it may be kept, and drives out the one that was there.
#[derive(Debug, Default)]
pub struct Senders {
    kept: Vec<[u8; 32]>,
}

impl Senders {
    /// How many it keeps.
    pub const SLOTS: u16 = 4096;

    /// The place of a DID below [`SLOTS`](Self::SLOTS), and whether it is the one that is kept there already; if not, it is
    /// from now on.
    pub fn slot_of(&mut self, did: &Did) -> (u16, bool) {
        if self.kept.is_empty() {
            self.kept.resize(Self::SLOTS.into(), [0; 32]);
        }
        let key = did.public_key();
        let slot = key.first_chunk().map_or(0, |bytes| u16::from_ne_bytes(*bytes)) % Self::SLOTS;
        let Some(kept) = self.kept.get_mut(usize::from(slot)) else { return (0, false) };
        (slot, std::mem::replace(kept, *key) == *key)
    }
}
