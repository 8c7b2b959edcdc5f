//! The `.snapshot` file: the producers as of an offset. Version 1, guarded by a checksum.

use records::crc32c;
use types::{Offset, ProducerEpoch, ProducerId};

use super::entry::{BatchMetadata, ProducerEntry};

const VERSION: i16 = 1;
/// Version and checksum, which the checksum does not cover.
const PREFIX: usize = 6;
const ENTRY: usize = 46;

pub fn encode<'a>(entries: impl ExactSizeIterator<Item = (ProducerId, &'a ProducerEntry)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + 4 + entries.len() * ENTRY);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(entries.len() as i32).to_be_bytes());
    for (id, entry) in entries {
        let last = entry.last_batch().copied();
        out.extend_from_slice(&id.0.to_be_bytes());
        out.extend_from_slice(&entry.epoch.0.to_be_bytes());
        out.extend_from_slice(&entry.last_sequence().to_be_bytes());
        out.extend_from_slice(&entry.last_offset().0.to_be_bytes());
        out.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        out.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(
            &entry.current_transaction_first_offset.map_or(-1, |first| first.0).to_be_bytes(),
        );
    }
    let crc = crc32c(out.get(PREFIX..).unwrap_or_default());
    if let Some(place) = out.get_mut(2..PREFIX) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
    out
}

/// None where version, checksum or size is wrong: an older snapshot is tried.
pub fn decode(bytes: &[u8]) -> Option<Vec<(ProducerId, ProducerEntry)>> {
    let (prefix, body) = bytes.split_at_checked(PREFIX)?;
    let version = i16::from_be_bytes(*prefix.first_chunk()?);
    let crc = u32::from_be_bytes(*prefix.last_chunk()?);
    if version != VERSION || crc != crc32c(body) {
        return None;
    }
    let (count, entries) = body.split_first_chunk()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    if entries.len() != count.checked_mul(ENTRY)? {
        return None;
    }
    entries.chunks_exact(ENTRY).map(decode_entry).collect()
}

fn decode_entry(bytes: &[u8]) -> Option<(ProducerId, ProducerEntry)> {
    let mut rest = bytes;
    let id = ProducerId(i64::from_be_bytes(take(&mut rest)?));
    let epoch = ProducerEpoch(i16::from_be_bytes(take(&mut rest)?));
    let last_sequence = i32::from_be_bytes(take(&mut rest)?);
    let last_offset = Offset(i64::from_be_bytes(take(&mut rest)?));
    let offset_delta = i32::from_be_bytes(take(&mut rest)?);
    let timestamp = i64::from_be_bytes(take(&mut rest)?);
    let coordinator_epoch = i32::from_be_bytes(take(&mut rest)?);
    let first = i64::from_be_bytes(take(&mut rest)?);

    let mut entry = ProducerEntry::new(epoch, coordinator_epoch);
    // a producer of which only a marker was seen has no batch
    if last_offset.0 >= 0 {
        entry.add_batch(BatchMetadata { last_sequence, last_offset, offset_delta, timestamp });
    }
    entry.last_timestamp = timestamp;
    entry.current_transaction_first_offset = (first >= 0).then_some(Offset(first));
    Some((id, entry))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<(ProducerId, ProducerEntry)> {
        let mut first = ProducerEntry::new(ProducerEpoch(3), -1);
        first.add_batch(BatchMetadata {
            last_sequence: 9,
            last_offset: Offset(99),
            offset_delta: 4,
            timestamp: 77,
        });
        first.current_transaction_first_offset = Some(Offset(95));
        let mut marker_only = ProducerEntry::new(ProducerEpoch(1), 5);
        marker_only.last_timestamp = 8;
        vec![(ProducerId(1), first), (ProducerId(7), marker_only)]
    }

    #[test]
    fn written_and_read() {
        for count in 0..=2 {
            let some = entries().into_iter().take(count).collect::<Vec<_>>();
            let bytes = encode(some.iter().map(|(id, entry)| (*id, entry)));
            assert_eq!(bytes.len(), 10 + 46 * count);
            assert_eq!(decode(&bytes), Some(some));
        }
    }

    #[test]
    fn damage_is_seen() {
        let all = entries();
        let good = encode(all.iter().map(|(id, entry)| (*id, entry)));
        for at in 0..good.len() {
            assert_eq!(decode(&good[..at]), None);
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "{at}");
        }
    }
}
