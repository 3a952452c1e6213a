//! A list whose numbers stand beside it, where an element of a list of the face's costs more than what it holds.

use crate::events::{List, Value};

/// What a word says of a value: it stands in the list.
const THERE: u16 = 0;
/// There is none.
const NONE: u16 = 1;
/// It is the next two words.
const SMALL: u16 = 2;
/// It is the next four words.
const NUMBER: u16 = 3;

/// The first number that not all doubles around hold.
const EXACT: u64 = 1 << 53;

/// Words of 16 bits, for each value what it is, and for a whole number the number itself, the lowest first; a list of all else.
#[derive(Debug)]
pub struct Tape<L> {
    list: L,
    words: Vec<u16>,
}

impl<L: List> Tape<L> {
    /// Beside that list.
    pub const fn new(list: L) -> Self {
        Self { list, words: Vec::new() }
    }

    /// Both.
    pub fn finish(self) -> (L, Vec<u16>) {
        (self.list, self.words)
    }
}

impl<L: List> List for Tape<L> {
    type Error = L::Error;
    type Mark = (usize, L::Mark);

    fn push(&mut self, value: Value<'_>) -> Result<(), L::Error> {
        match value {
            Value::None => self.words.push(NONE),
            Value::Small(number) => {
                let [a, b, c, d] = number.to_le_bytes();
                self.words.extend([SMALL, u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]);
            }
            Value::Whole(number) if number < EXACT => {
                let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
                self.words.extend([NUMBER.to_le_bytes(), [a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes));
            }
            Value::Whole(_) | Value::Number(_) | Value::Text(_) | Value::Bytes(_) | Value::Failure(_) => {
                self.list.push(value)?;
                self.words.push(THERE);
            }
        }
        Ok(())
    }

    fn mark(&self) -> Self::Mark {
        (self.words.len(), self.list.mark())
    }

    fn cut(&mut self, (words, list): Self::Mark) {
        self.words.truncate(words);
        self.list.cut(list);
    }
}
