//! Which partition a record goes to.

use crate::random::Random;

/// Kafka's murmur2 of a key's bytes (seed 0x9747b28c), the same in all its clients.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c_u32 ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail: u32, byte| tail << 8 | u32::from(*byte));
        h = (h ^ tail).wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    (h ^ (h >> 15)) as i32
}

/// The partition of a key.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}

/// Where the keyless records of one topic go.
#[derive(Clone, Debug, Default)]
pub struct Sticky {
    partition: Option<i32>,
    bytes: usize,
    turn: u32,
}

impl Sticky {
    /// One partition until `batch_bytes` have gone there, so that batches fill up (KIP-794).
    /// `available` are the partitions that have a leader; without any, all are taken.
    pub fn next(&mut self, available: &[i32], batch_bytes: usize, size: usize, random: &Random) -> i32 {
        if self.bytes >= batch_bytes {
            self.partition = None;
        }
        let partition = match self.partition.filter(|partition| available.contains(partition)) {
            Some(partition) => partition,
            None => {
                self.bytes = 0;
                available.get(random.below(available.len())).copied().unwrap_or(0)
            }
        };
        self.partition = Some(partition);
        self.bytes += size;
        partition
    }

    /// One after the other.
    pub fn round_robin(&mut self, available: &[i32]) -> i32 {
        let turn = self.turn as usize;
        self.turn = self.turn.wrapping_add(1);
        turn.checked_rem(available.len()).and_then(|index| available.get(index)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // values that Kafka's own test of its function expects
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn keyless_records_stay_until_a_batch_is_full() {
        let (mut sticky, random) = (Sticky::default(), Random::seeded(7));
        let parts = [0, 1, 2, 3];
        let first = sticky.next(&parts, 100, 60, &random);
        assert_eq!(sticky.next(&parts, 100, 60, &random), first);
        let later: Vec<i32> = (0..40).map(|_| sticky.next(&parts, 100, 100, &random)).collect();
        assert!(parts.iter().all(|partition| later.contains(partition)));
        assert_eq!(sticky.next(&[2], 100, 1, &random), 2);
    }

    #[test]
    fn round_robin_takes_turns() {
        let mut sticky = Sticky::default();
        let turns: Vec<i32> = (0..5).map(|_| sticky.round_robin(&[0, 1, 2])).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1]);
    }
}
