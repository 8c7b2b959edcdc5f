//! Which shard owns a partition. A fixed function: every actor computes it alone and all agree.

use types::TopicIdPartition;

use crate::event::ShardId;

/// Consecutive partitions of a topic stand on consecutive shards, and topics begin on different ones.
pub fn shard_of(partition: &TopicIdPartition, shards: u16) -> ShardId {
    if shards <= 1 {
        return ShardId(0);
    }
    let (most, least) = partition.topic_id.halves();
    let first = mix(most as u64 ^ mix(least as u64)) % u64::from(shards);
    let index = u64::from(partition.partition.unsigned_abs());
    ShardId(((first + index) % u64::from(shards)) as u16)
}

/// The finalizer of splitmix64: every bit of the input reaches every bit of the output.
fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;

    #[test]
    fn partitions_of_a_topic_are_spread_evenly() {
        for shards in [1u16, 2, 3, 16] {
            let mut counts = vec![0; usize::from(shards)];
            for partition in 0..48 {
                let id = TopicIdPartition { topic_id: Uuid([7; 16]), partition };
                counts[usize::from(shard_of(&id, shards).0)] += 1;
            }
            assert!(counts.iter().all(|&n| n == 48 / usize::from(shards)), "{counts:?}");
        }
    }

    #[test]
    fn first_partitions_of_topics_are_spread() {
        let mut counts = [0; 4];
        for n in 0..400u64 {
            let topic_id = Uuid::from_halves(n as i64, 1);
            counts[usize::from(shard_of(&TopicIdPartition { topic_id, partition: 0 }, 4).0)] += 1;
        }
        assert!(counts.iter().all(|&n| n > 60), "{counts:?}");
    }
}
