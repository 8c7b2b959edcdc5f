//! The consumer protocol's subscription: only its topics matter to the coordinator.
//! Version int16 (0 to 3, later ones begin alike), then topics as an array of strings; non-flexible.

use std::collections::BTreeSet;

use protocol::Str;

/// The topics of one member's subscription, or None where the bytes are not one.
pub(crate) fn topics(bytes: &[u8]) -> Option<Vec<Str>> {
    let (version, mut rest) = int16(bytes)?;
    if version < 0 {
        return None;
    }
    let (count, after) = int32(rest)?;
    rest = after;
    // each topic takes at least its two bytes of length
    let count =
        usize::try_from(count).ok().filter(|count| count.checked_mul(2).is_some_and(|n| n <= rest.len()))?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = int16(rest)?;
        let (text, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        topics.push(Str::from(std::str::from_utf8(text).ok()?));
        rest = after;
    }
    Some(topics)
}

/// The union of all members' topics; None where one of them cannot be read.
pub(crate) fn union<'a>(members: impl Iterator<Item = &'a [u8]>) -> Option<BTreeSet<Str>> {
    let mut all = BTreeSet::new();
    for member in members {
        all.extend(topics(member)?);
    }
    Some(all)
}

fn int16(bytes: &[u8]) -> Option<(i16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((i16::from_be_bytes(*head), rest))
}

fn int32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((i32::from_be_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_a_subscription() {
        for (bytes, expected) in [
            (&b"\0\0\0\0\0\0\xff\xff\xff\xff"[..], Some(vec![])),
            (b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0", Some(vec!["a", "bc"])),
            (b"\0\x09\0\0\0\x01\0\x01z", Some(vec!["z"])),
            (b"", None),
            (b"\xff\xff\0\0\0\0", None),
            (b"\0\0\x7f\xff\xff\xff\0\x01a", None),
            (b"\0\0\xff\xff\xff\xff", None),
            (b"\0\0\0\0\0\x01\0\x05ab", None),
            (b"\0\0\0\0\0\x01\0\x01\xff", None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(Str::from).collect::<Vec<_>>());
            assert_eq!(topics(bytes), expected, "{bytes:?}");
        }
    }
}
