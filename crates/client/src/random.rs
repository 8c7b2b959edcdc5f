//! Numbers that need not be secret: which partition, which broker first, how long to wait.

use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence (splitmix64) that begins elsewhere in each process.
#[derive(Debug)]
pub struct Random {
    state: AtomicU64,
}

impl Random {
    pub fn new() -> Random {
        use std::hash::{BuildHasher, RandomState};
        Random::seeded(RandomState::new().hash_one(std::process::id()))
    }

    pub fn seeded(seed: u64) -> Random {
        Random { state: AtomicU64::new(seed) }
    }

    pub fn next(&self) -> u64 {
        let state = self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub fn below(&self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }
}

impl Default for Random {
    fn default() -> Random {
        Random::new()
    }
}
