//! All producers of one log: checks before an append, changes after it, open transactions.
//!
//! A transaction is open from its first batch to its marker, and unstable until the marker is below the high
//! watermark; what consumers of committed records may read ends at the first unstable offset.

use std::collections::BTreeMap;

use records::{Header, NO_SEQUENCE};
use types::{Offset, ProducerEpoch, ProducerId};

use super::entry::{BatchMetadata, ProducerEntry};
use super::refusal::ProducerRefusal;

/// A transaction that a marker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    /// The marker's.
    pub last_offset: Offset,
    pub aborted: bool,
    /// What the last stable offset was with all others still open; `.txnindex` keeps it.
    pub last_stable_offset: Offset,
}

/// The answer to a client's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    New,
    /// Appended before: answered as it was then.
    Duplicate(BatchMetadata),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerState {
    producers: BTreeMap<i64, ProducerEntry>,
    /// First offset to producer.
    open: BTreeMap<Offset, ProducerId>,
    /// Ended, first offset to the marker's, not known to be below the high watermark.
    ended: BTreeMap<Offset, Offset>,
}

impl ProducerState {
    /// From a snapshot, without those that have expired.
    pub fn new(entries: Vec<(ProducerId, ProducerEntry)>, now_ms: i64, expiration_ms: i64) -> ProducerState {
        let mut state = ProducerState::default();
        for (id, entry) in entries {
            if let Some(first) = entry.current_transaction_first_offset {
                state.open.insert(first, id);
            }
            state.producers.insert(id.0, entry);
        }
        state.expire(now_ms, expiration_ms);
        state
    }

    pub fn entries(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (ProducerId(*id), entry))
    }

    pub fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id.0)
    }

    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    pub fn clear(&mut self) {
        *self = ProducerState::default();
    }

    /// Forgets producers that were silent too long; never one with an open transaction.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, entry| {
            entry.current_transaction_first_offset.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
    }

    /// Judges a client's batch that would be appended at `offset`.
    pub fn check(&self, header: &Header<'_>, offset: Offset) -> Result<Checked, ProducerRefusal> {
        let Some(entry) = self.get(header.producer_id()) else { return Ok(Checked::New) };
        if let Some(batch) = entry.duplicate_of(header) {
            return Ok(Checked::Duplicate(*batch));
        }
        check_epoch(entry, header, offset)?;
        check_sequence(entry, header, offset)?;
        let producer_id = header.producer_id();
        if entry.current_transaction_first_offset.is_some() && !header.is_transactional() {
            return Err(ProducerRefusal::NotTransactional { producer_id, offset });
        }
        Ok(Checked::New)
    }

    /// Judges a coordinator's marker that would be appended at `offset`.
    pub fn check_marker(
        &self,
        header: &Header<'_>,
        coordinator_epoch: i32,
        offset: Offset,
    ) -> Result<(), ProducerRefusal> {
        let Some(entry) = self.get(header.producer_id()) else { return Ok(()) };
        check_epoch(entry, header, offset)?;
        if entry.coordinator_epoch > coordinator_epoch {
            let (producer_id, last) = (header.producer_id(), entry.coordinator_epoch);
            return Err(ProducerRefusal::CoordinatorEpoch { producer_id, offset, coordinator_epoch, last });
        }
        Ok(())
    }

    /// A batch of data was appended; `header` has its offsets.
    pub fn appended(&mut self, header: &Header<'_>) {
        let (id, first) = (header.producer_id(), header.base_offset());
        let entry = self.producers.entry(id.0).or_default();
        entry.set_epoch(header.producer_epoch());
        entry.add_batch(BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta(),
            timestamp: header.max_timestamp(),
        });
        if header.is_transactional() && entry.current_transaction_first_offset.is_none() {
            entry.current_transaction_first_offset = Some(first);
            self.open.insert(first, id);
        }
    }

    /// A marker was appended. Some where it ended a transaction that had written here.
    pub fn marker_appended(
        &mut self,
        header: &Header<'_>,
        coordinator_epoch: i32,
        aborted: bool,
    ) -> Option<CompletedTransaction> {
        let (producer_id, last_offset) = (header.producer_id(), header.base_offset());
        let entry = self.producers.entry(producer_id.0).or_default();
        entry.set_epoch(header.producer_epoch());
        entry.coordinator_epoch = coordinator_epoch;
        entry.last_timestamp = header.max_timestamp();
        let first_offset = entry.current_transaction_first_offset.take()?;
        self.open.remove(&first_offset);
        let last_stable_offset = self.open.keys().next().copied().unwrap_or(last_offset.plus(1));
        self.ended.insert(first_offset, last_offset);
        Some(CompletedTransaction { producer_id, first_offset, last_offset, aborted, last_stable_offset })
    }

    /// Transactions whose marker is below the high watermark are stable.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        if !self.ended.is_empty() {
            self.ended.retain(|_, last| *last >= high_watermark);
        }
    }

    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let open = self.open.keys().next();
        let ended = self.ended.keys().next();
        open.into_iter().chain(ended).min().copied()
    }

    /// The log starts at `start` now: transactions ended before it are of no interest.
    pub fn truncate_from_start(&mut self, start: Offset) {
        self.ended.retain(|_, last| *last >= start);
    }
}

fn check_epoch(entry: &ProducerEntry, header: &Header<'_>, offset: Offset) -> Result<(), ProducerRefusal> {
    let (producer_id, epoch, last) = (header.producer_id(), header.producer_epoch(), entry.epoch);
    if epoch < last {
        return Err(ProducerRefusal::Epoch { producer_id, offset, epoch, last });
    }
    Ok(())
}

fn check_sequence(entry: &ProducerEntry, header: &Header<'_>, offset: Offset) -> Result<(), ProducerRefusal> {
    let (producer_id, epoch, sequence) =
        (header.producer_id(), header.producer_epoch(), header.base_sequence());
    let current = entry.epoch;
    if current == ProducerEpoch::NONE {
        return Ok(());
    }
    if epoch != current {
        if sequence != 0 {
            return Err(ProducerRefusal::NewEpochSequence { producer_id, offset, epoch, sequence, current });
        }
        return Ok(());
    }
    let last = entry.last_sequence();
    let next = if last == NO_SEQUENCE { 0 } else { last.wrapping_add(1) & i32::MAX };
    if sequence != next {
        // a client may have gone on with another leader while those it had sent to the one before were unanswered; Kafka's
        // broker knows nothing of them after five more
        if let Some(below) = entry.had_below(header) {
            return Err(ProducerRefusal::DuplicateSequence { producer_id, sequence, below });
        }
        return Err(ProducerRefusal::OutOfOrderSequence { producer_id, offset, sequence, last });
    }
    Ok(())
}
