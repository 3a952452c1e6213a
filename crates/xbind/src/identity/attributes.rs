//! Attributes of a key file (RFC 5958 section 2). They say nothing that we use, and only have to be well formed. `der` knows
//! fewer tags and shorter names than there are, and takes members of a set that stand there twice.

use pkcs8::der::{Decode as _, Length, Reader as _, SliceReader};

const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Context-specific tag 0.
const ATTRIBUTES: u8 = 0xa0;

/// One value: its tag, its contents, and all of its bytes.
struct Value<'a> {
    tag: u8,
    contents: &'a [u8],
    encoded: &'a [u8],
}

/// Whether these are nothing, or attributes and nothing else.
pub(crate) fn are_well_formed(input: &[u8]) -> bool {
    let are_attributes =
        |only: &Value<'_>| only.tag == ATTRIBUTES && set(only.contents).is_some_and(|all| all.iter().all(is_attribute));
    input.is_empty() || matches!(values(input).as_deref(), Some([only]) if are_attributes(only))
}

fn is_attribute(attribute: &Value<'_>) -> bool {
    let members = values(attribute.contents).filter(|_| attribute.tag == SEQUENCE);
    let Some([name, values]) = members.as_deref() else { return false };
    // 0x1f in the lower bits begins a tag of several bytes; 0 is no tag.
    let is_value = |value: &Value<'_>| value.tag & 0x1f != 0x1f && value.tag != 0;
    name.tag == OBJECT_IDENTIFIER
        && is_object_identifier(name.contents)
        && values.tag == SET
        && set(values.contents).is_some_and(|values| values.iter().all(is_value))
}

/// The members of a set, one or more, each greater than the one before it (X.690 section 11.6).
fn set(contents: &[u8]) -> Option<Vec<Value<'_>>> {
    let is_set =
        |members: &Vec<Value<'_>>| !members.is_empty() && members.is_sorted_by(|one, next| one.encoded < next.encoded);
    values(contents).filter(is_set)
}

/// All values, whatever their tags.
fn values(input: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut reader = SliceReader::new(input).ok()?;
    let mut values = Vec::new();
    let mut rest = input;
    while !reader.is_finished() {
        let tag = reader.read_byte().ok()?;
        let length = Length::decode(&mut reader).ok()?;
        let contents = reader.read_slice(length).ok()?;
        let (encoded, behind) =
            rest.split_at_checked(rest.len().checked_sub(reader.remaining_len().try_into().ok()?)?)?;
        values.push(Value { tag, contents, encoded });
        rest = behind;
    }
    Some(values)
}

/// Whether these are the contents of an object identifier (X.690 section 8.19): whole arcs, each in its shortest form.
fn is_object_identifier(contents: &[u8]) -> bool {
    let mut begins = true;
    for byte in contents {
        if begins && *byte == 0x80 {
            return false;
        }
        begins = *byte < 0x80;
    }
    begins && !contents.is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;

    /// A value whose contents take so many bytes.
    fn value(length: usize) -> Vec<u8> {
        let length_bytes = match length {
            0..=0x7f => vec![u8::try_from(length).unwrap()],
            0x80..=0xff => vec![0x81, u8::try_from(length).unwrap()],
            _ => [&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [vec![4], length_bytes, vec![7; length]].concat()
    }

    #[test]
    fn lengths_have_one_spelling() {
        for length in [0, 1, 127, 128, 255, 256, 8000] {
            let encoded = [value(length), value(3)].concat();
            let read = values(&encoded).unwrap();
            assert_eq!((read.len(), read[0].contents.len()), (2, length));
            assert_eq!([read[0].encoded, read[1].encoded].concat(), encoded);
            assert!(values(&encoded[..encoded.len() - 1]).is_none());
        }
        for long in [&[4, 0x81, 1, 7][..], &[4, 0x82, 0, 1, 7], &[4, 0x80, 7, 0, 0], &[4, 0x83, 0, 0, 1, 7], &[4, 0xff]]
        {
            assert!(values(long).is_none(), "{long:?}");
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
