//! Things that are known by a number: a place, which is used again, and a generation, which is not, so that a late word
//! about one thing cannot touch another.

/// The lower bits of a number are its place. With the 28 of the generation it fits a double exactly.
const PLACE_BITS: u32 = 24;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;
const GENERATIONS: u64 = 1 << 28;

/// The most things in one table.
pub(crate) const MAX_SLOTS: usize = 1 << PLACE_BITS;

/// The room that stays allocated when the last thing is gone.
const KEPT: usize = 1024;

#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Option<(u64, T)>>,
    free: Vec<u32>,
    filled: usize,
    generation: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), filled: 0, generation: 0 }
    }
}

impl<T> Slots<T> {
    pub(crate) const fn len(&self) -> usize {
        self.filled
    }

    /// None if the table is full.
    pub(crate) fn insert(&mut self, thing: T) -> Option<u64> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.places.len() < MAX_SLOTS => {
                self.places.push(None);
                u32::try_from(self.places.len().saturating_sub(1)).ok()?
            }
            None => return None,
        };
        self.generation = self.generation.wrapping_add(1) % GENERATIONS;
        let number = (self.generation << PLACE_BITS) | u64::from(place);
        *self.places.get_mut(usize::try_from(place).ok()?)? = Some((number, thing));
        self.filled = self.filled.saturating_add(1);
        Some(number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.places.get(place(number))?.as_ref().filter(|(own, _)| *own == number).map(|(_, thing)| thing)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.places.get_mut(place(number))?.as_mut().filter(|(own, _)| *own == number).map(|(_, thing)| thing)
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<T> {
        let (_, thing) = self.places.get_mut(place(number))?.take_if(|(own, _)| *own == number)?;
        self.filled = self.filled.saturating_sub(1);
        if self.filled == 0 && self.places.len() > KEPT {
            (self.places, self.free) = (Vec::new(), Vec::new()); // a burst gives its memory back
        } else {
            self.free.push(u32::try_from(place(number)).ok()?);
        }
        Some(thing)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().flatten().map(|(number, thing)| (*number, thing))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.places.iter_mut().flatten().map(|(number, thing)| (*number, thing))
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number & PLACE_MASK).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_used_again_though_its_place_is() {
        let mut slots = Slots::default();
        let first = slots.insert('a').unwrap();
        assert_eq!(slots.take(first), Some('a'));
        let second = slots.insert('b').unwrap();
        assert_eq!(place(first), place(second));
        assert_eq!((slots.take(first), slots.get(first), slots.get(second)), (None, None, Some(&'b')));
    }

    #[test]
    fn a_burst_gives_its_memory_back_and_old_numbers_stay_dead() {
        let mut slots = Slots::default();
        let numbers: Vec<_> = (0..5000).map(|n| slots.insert(n).unwrap()).collect();
        for number in &numbers {
            assert!(slots.take(*number).is_some());
        }
        assert!(slots.places.is_empty() && slots.free.is_empty());
        let fresh = slots.insert(1).unwrap();
        assert!(!numbers.contains(&fresh));
    }
}
