//! DER (X.690) as far as key files need it: tags of one byte, lengths of at most two, each in its shortest form.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Reads values one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// One value: its tag, its contents, and all of its bytes.
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) encoded: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// The tag of the next value.
    pub(crate) fn next_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever its tag.
    pub(crate) fn any(&mut self) -> Option<Value<'a>> {
        let (&tag, behind_tag) = self.rest.split_first()?;
        let (&first, behind_length) = behind_tag.split_first()?;
        let (length, contents) = match (first, behind_length) {
            (0..=0x7f, rest) => (usize::from(first), rest),
            (0x81, [length @ 0x80..=0xff, rest @ ..]) => (usize::from(*length), rest),
            (0x82, [high @ 1..=0xff, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return None,
        };
        let (contents, rest) = contents.split_at_checked(length)?;
        let (encoded, _) = self.rest.split_at_checked(self.rest.len().saturating_sub(rest.len()))?;
        self.rest = rest;
        Some(Value { tag, contents, encoded })
    }

    /// The contents of the next value, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|value| value.tag == tag).map(|value| value.contents)
    }

    /// The same, where such a value may be left out.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.next_tag() == Some(tag) { self.value(tag).map(Some) } else { Some(None) }
    }

    /// The members of the sequence that is next.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.value(SEQUENCE).map(Self::new)
    }

    /// A number from 0 to 2^64 − 1.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let magnitude = match self.value(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => rest,
            shortest @ ([0] | [0x01..=0x7f, ..]) => shortest,
            _ => return None,
        };
        (magnitude.len() <= 8).then(|| magnitude.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The same, where it may be left out.
    pub(crate) fn optional_number(&mut self) -> Option<Option<u64>> {
        if self.next_tag() == Some(INTEGER) { self.number().map(Some) } else { Some(None) }
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

/// The members of the one sequence that the input is.
pub(crate) fn only_sequence(input: &[u8]) -> Option<Reader<'_>> {
    let mut reader = Reader::new(input);
    let members = reader.sequence()?;
    reader.end()?;
    Some(members)
}

/// The members of a set, one or more, each greater than the one before it (section 11.6).
pub(crate) fn set_members(contents: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut reader = Reader::new(contents);
    let mut members: Vec<Value<'_>> = Vec::new();
    loop {
        let member = reader.any()?;
        if members.last().is_some_and(|last| last.encoded >= member.encoded) {
            return None;
        }
        members.push(member);
        if reader.end().is_some() {
            return Some(members);
        }
    }
}

/// Whether these are the contents of an object identifier (section 8.19): whole arcs, each in its shortest form.
pub(crate) fn is_object_identifier(contents: &[u8]) -> bool {
    let mut begins = true;
    for byte in contents {
        if begins && *byte == 0x80 {
            return false;
        }
        begins = *byte < 0x80;
    }
    begins && !contents.is_empty()
}

/// Appends a value.
pub(crate) fn push(tag: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    match u16::try_from(contents.len()).map(u16::to_be_bytes) {
        Ok([0, low @ 0..=0x7f]) => out.push(low),
        Ok([0, low]) => out.extend([0x81, low]),
        Ok([high, low]) => out.extend([0x82, high, low]),
        Err(_) => {} // no key file is that long
    }
    out.extend_from_slice(contents);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        for length in [0, 1, 127, 128, 255, 256, 8000] {
            let mut encoded = Vec::new();
            push(OCTET_STRING, &vec![7; length], &mut encoded);
            assert_eq!(Reader::new(&encoded).value(OCTET_STRING).unwrap().len(), length);
            assert!(Reader::new(&encoded[..encoded.len() - 1]).any().is_none());
        }
        for long in [&[4, 0x81, 1, 7][..], &[4, 0x82, 0, 1, 7], &[4, 0x80, 7, 0, 0], &[4, 0x83, 0, 0, 1, 7], &[4, 0xff]]
        {
            assert!(Reader::new(long).any().is_none(), "{long:?}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        let number = |contents: &[u8]| {
            let mut encoded = Vec::new();
            push(INTEGER, contents, &mut encoded);
            Reader::new(&encoded).number()
        };
        for (contents, value) in [
            (&[0][..], 0),
            (&[0x7f], 127),
            (&[0, 0x80], 128),
            (&[1, 0], 256),
            (&[0, 255, 255, 255, 255, 255, 255, 255, 255], u64::MAX),
        ] {
            assert_eq!(number(contents), Some(value));
        }
        for wrong in [&[][..], &[0, 0], &[0, 0x7f], &[0x80], &[0xff, 0xff], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn object_identifiers_have_one_spelling() {
        assert!(is_object_identifier(&[0x2b, 0x65, 0x70]) && is_object_identifier(&[0x2a, 0x86, 0x48]));
        for wrong in [&[][..], &[0x2a, 0x80, 0x01], &[0x80], &[0x2a, 0x86]] {
            assert!(!is_object_identifier(wrong), "{wrong:?}");
        }
    }
}
