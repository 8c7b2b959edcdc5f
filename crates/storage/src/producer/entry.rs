//! One producer's last batches and open transaction.

use platform::{Planted, is_planted};
use records::Header;
use types::{Offset, ProducerEpoch};

/// Batches kept for recognizing retries: as many as a client may have in flight.
const BATCHES: usize = 5;
/// Counted no further: half of all sequences, so that before and after are told apart.
const UNBROKEN_MAX: u32 = 1 << 30;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl BatchMetadata {
    pub fn first_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }

    /// Before 0 comes 2147483647.
    pub fn first_sequence(&self) -> i32 {
        self.last_sequence.wrapping_sub(self.offset_delta) & i32::MAX
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub epoch: ProducerEpoch,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    pub current_transaction_first_offset: Option<Offset>,
    batches: [BatchMetadata; BATCHES],
    count: u8,
    /// How many sequences up to the last one the log has had one after the other, as far as is known.
    unbroken: u32,
}

impl Default for ProducerEntry {
    /// Nothing known: any sequence is taken.
    fn default() -> ProducerEntry {
        ProducerEntry {
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: -1,
            current_transaction_first_offset: None,
            batches: [BatchMetadata::default(); BATCHES],
            count: 0,
            unbroken: 0,
        }
    }
}

impl ProducerEntry {
    pub fn new(epoch: ProducerEpoch, coordinator_epoch: i32) -> ProducerEntry {
        ProducerEntry { epoch, coordinator_epoch, ..ProducerEntry::default() }
    }

    /// Oldest first.
    pub fn batches(&self) -> &[BatchMetadata] {
        self.batches.get(..usize::from(self.count)).unwrap_or_default()
    }

    pub fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches().last()
    }

    /// -1 where there are no batches.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(-1, |batch| batch.last_sequence)
    }

    /// -1 where there are no batches.
    pub fn last_offset(&self) -> Offset {
        self.last_batch().map_or(Offset(-1), |batch| batch.last_offset)
    }

    /// The kept batch that has this one's epoch and sequences.
    pub fn duplicate_of(&self, header: &Header<'_>) -> Option<&BatchMetadata> {
        if header.producer_epoch() != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence(), header.last_sequence());
        self.batches().iter().find(|batch| batch.last_sequence == last && batch.first_sequence() == first)
    }

    /// The log has had this epoch's batch, of which no more is known than that it came before those that are kept:
    /// below the offset that is given.
    pub fn had_below(&self, header: &Header<'_>) -> Option<Offset> {
        let oldest = self.batches().first()?;
        let up_to_last = |sequence: i32| (self.last_sequence().wrapping_sub(sequence) & i32::MAX) as u32;
        let behind = up_to_last(header.last_sequence());
        let length = u32::try_from(header.last_offset_delta()).ok()?.saturating_add(1);
        let is_known = header.producer_epoch() == self.epoch
            && behind > up_to_last(oldest.first_sequence())
            && (behind.saturating_add(length) <= self.unbroken || is_planted(Planted::DuplicateUnproven));
        is_known.then(|| oldest.first_offset())
    }

    /// Another epoch begins without batches.
    pub fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }

    pub fn add_batch(&mut self, batch: BatchMetadata) {
        let length = u32::try_from(batch.offset_delta).unwrap_or(0).saturating_add(1);
        let follows = self
            .last_batch()
            .is_some_and(|last| last.last_sequence.wrapping_add(1) & i32::MAX == batch.first_sequence());
        let before = if follows { self.unbroken } else { 0 };
        self.unbroken = before.saturating_add(length).min(UNBROKEN_MAX);
        if usize::from(self.count) == BATCHES {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        if let Some(place) = self.batches.get_mut(usize::from(self.count)) {
            *place = batch;
            self.count += 1;
        }
        self.last_timestamp = batch.timestamp;
    }
}
