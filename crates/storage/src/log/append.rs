//! Appends: a client's batch with checks, a replica's as they are, trusted ones of our own, markers.
//! The order is: everything that may refuse, then the write, then what is known in memory.

use std::borrow::Cow;
use std::io::IoSlice;

use platform::{Planted, is_planted};
use records::control::{ControlRecord, ControlType, EndTransactionMarker, control_batch};
use records::{
    Batch, BatchOptions, Batches, Compression, Header, PatchedHeader, RebuildError, RebuildOptions, Refusal,
    Rules, TimestampType, Validated, rebuild, validate,
};
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::Log;
use crate::error::{AppendError, Result};
use crate::producer::{BatchMetadata, Checked, CompletedTransaction};
use crate::segment::{AbortedTransaction, append_aborted};

/// The circumstances of a client's append.
#[derive(Clone, Copy, Debug)]
pub struct AppendContext {
    pub now_ms: i64,
    /// Of the Produce request.
    pub api_version: i16,
}

/// What an append has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub max_timestamp: i64,
    /// For `log_append_time` of the response; -1 where the batch kept its own times.
    pub log_append_time: i64,
    pub log_start_offset: Offset,
    /// Nothing was appended: the batch was there already.
    pub duplicate: bool,
    /// A segment was closed: a flush of it is due (`flush_plan`).
    pub rolled: bool,
}

/// What was taken of a leader's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    pub end_offset: Offset,
    /// Bytes taken; less than given where the last batch was cut or an epoch too high.
    pub bytes: usize,
    pub records: u64,
    pub rolled: bool,
}

/// The end of a transaction, as its coordinator tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub coordinator_epoch: i32,
    pub commit: bool,
}

impl Log {
    /// Appends one client's batch: exactly as it came, but for the header fields that a leader sets.
    pub fn append_as_leader(
        &mut self,
        bytes: &[u8],
        leader_epoch: LeaderEpoch,
        context: &AppendContext,
    ) -> std::result::Result<Appended, AppendError> {
        let rules = self.rules(context);
        let valid = validate(bytes, &rules)?;
        let offset = self.end_offset;
        if valid.batch.has_producer_id()
            && let Checked::Duplicate(batch) = self.producers.check(&valid.batch.header(), offset)?
        {
            return Ok(self.duplicate(&batch));
        }
        let rebuilt;
        let (header, payload) = match valid.rebuild {
            false => (valid.header(offset, leader_epoch), valid.batch.payload()),
            true => {
                rebuilt = self.rebuild(&valid, leader_epoch, &rules)?;
                let batch =
                    Batch::exact(&rebuilt).map_err(|error| AppendError::Corrupt(error.to_string()))?;
                (PatchedHeader::new(batch.header()), batch.payload())
            }
        };
        let rolled = self.write_batch(&header, payload, context.now_ms)?;
        let header = header.header();
        let append_time = header.timestamp_type() == TimestampType::LogAppendTime;
        Ok(Appended {
            base_offset: offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp(),
            log_append_time: if append_time { context.now_ms } else { -1 },
            log_start_offset: self.start_offset,
            duplicate: false,
            rolled,
        })
    }

    /// Appends batches that were built here, control batches among them: each gets the next offsets and the
    /// epoch. Nothing is checked but their shape. All of them or none: together they are no larger than a segment.
    pub fn append_trusted(
        &mut self,
        bytes: &[u8],
        leader_epoch: LeaderEpoch,
        now_ms: i64,
    ) -> std::result::Result<Followed, AppendError> {
        let (mut batches, mut end, mut left, mut records) = (Vec::new(), self.end_offset, bytes.len(), 0);
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(|error| AppendError::Corrupt(error.to_string()))?;
            let mut header = PatchedHeader::new(batch.header());
            header.set_base_offset(end);
            header.set_leader_epoch(leader_epoch);
            end = header.header().next_offset();
            left = left.saturating_sub(batch.size());
            records += batch.record_count().max(0) as u64;
            batches.push((header, batch.payload()));
        }
        if left > 0 {
            return Err(AppendError::Corrupt("a batch is cut off".into()));
        }
        let rolled = self.write_batches(&batches, bytes.len(), now_ms)?;
        Ok(Followed { end_offset: self.end_offset, bytes: bytes.len(), records, rolled })
    }

    /// Appends the marker that ends a producer's transaction.
    pub fn append_marker(
        &mut self,
        marker: &Marker,
        leader_epoch: LeaderEpoch,
        now_ms: i64,
    ) -> std::result::Result<Appended, AppendError> {
        let coordinator_epoch = marker.coordinator_epoch;
        let end = EndTransactionMarker { coordinator_epoch };
        let record = if marker.commit { ControlRecord::Commit(end) } else { ControlRecord::Abort(end) };
        let options = BatchOptions {
            base_offset: self.end_offset,
            leader_epoch,
            producer_id: marker.producer_id,
            producer_epoch: marker.producer_epoch,
            transactional: true,
            ..BatchOptions::default()
        };
        let bytes = control_batch(options, now_ms, &[record]);
        let bytes = bytes.map_err(|error| AppendError::Corrupt(error.to_string()))?;
        let batch = Batch::exact(&bytes).map_err(|error| AppendError::Corrupt(error.to_string()))?;
        self.producers.check_marker(&batch.header(), coordinator_epoch, self.end_offset)?;
        let base_offset = self.end_offset;
        let rolled = self.write_batch(&PatchedHeader::new(batch.header()), batch.payload(), now_ms)?;
        Ok(Appended {
            base_offset,
            last_offset: base_offset,
            max_timestamp: now_ms,
            log_append_time: -1,
            log_start_offset: self.start_offset,
            duplicate: false,
            rolled,
        })
    }

    /// Appends what a leader has sent, as it is. Stops before a cut batch and before an epoch above `epoch_max`.
    pub fn append_as_follower(
        &mut self,
        bytes: &[u8],
        epoch_max: LeaderEpoch,
        now_ms: i64,
    ) -> std::result::Result<Followed, AppendError> {
        let (taken, records) = self.check_followed(bytes, epoch_max)?;
        let mut followed = Followed { end_offset: self.end_offset, bytes: taken, records, rolled: false };
        let mut rest = bytes.get(..taken).unwrap_or_default();
        while !rest.is_empty() {
            let run = self.write_run(rest, now_ms, &mut followed.rolled)?;
            rest = rest.get(run..).unwrap_or_default();
        }
        followed.end_offset = self.end_offset;
        Ok(followed)
    }

    /// How many bytes of whole, good, following batches there are, and their records.
    fn check_followed(
        &self,
        bytes: &[u8],
        epoch_max: LeaderEpoch,
    ) -> std::result::Result<(usize, u64), AppendError> {
        let (mut end, mut taken, mut records) = (self.end_offset, 0, 0);
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(|error| AppendError::Corrupt(error.to_string()))?;
            if batch.leader_epoch() > epoch_max {
                break;
            }
            batch.verify_crc().map_err(|error| AppendError::Corrupt(error.to_string()))?;
            if batch.base_offset() < end || batch.last_offset_delta() < 0 {
                return Err(AppendError::OutOfOrder { offset: batch.base_offset(), end });
            }
            // one larger than a segment is taken: its leader took it, perhaps when segments were larger
            end = batch.next_offset();
            taken += batch.size();
            records += batch.record_count().max(0) as u64;
        }
        Ok((taken, records))
    }

    /// Writes as many of the batches, one at least, as go into one segment in one write. Gives their bytes.
    fn write_run(
        &mut self,
        bytes: &[u8],
        now_ms: i64,
        rolled: &mut bool,
    ) -> std::result::Result<usize, AppendError> {
        let mut batches = Batches::new(bytes).flatten();
        let Some(first) = batches.next() else { return Ok(bytes.len()) };
        *rolled |= self.roll_for(&first.header(), now_ms)?;
        let room = self.config.segment_bytes.saturating_sub(self.active().size) as usize;
        let base = self.active_segment_base();
        let mut run = first.size();
        for batch in batches {
            let span = batch.last_offset().0.saturating_sub(base.0);
            if run + batch.size() > room || span > i64::from(i32::MAX) {
                break;
            }
            run += batch.size();
        }
        let bytes = bytes.get(..run).unwrap_or_default();
        self.write_to_active(&mut [IoSlice::new(bytes)])?;
        for batch in Batches::new(bytes).flatten() {
            self.note_written(&batch.header(), batch.payload())?;
        }
        if is_planted(Planted::FollowerForgetsProducers) {
            self.producers.clear();
        }
        Ok(run)
    }

    fn rules(&self, context: &AppendContext) -> Rules {
        let config = &self.config;
        Rules {
            api_version: context.api_version,
            now_ms: context.now_ms,
            timestamp_type: config.message_timestamp_type,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            compacted: config.compact,
            batch_bytes_max: config.max_message_bytes as usize,
            codec: config.target_codec(),
            decompressed_bytes_max: config.decompressed_bytes_max,
            trust_compressed: config.trust_compressed,
        }
    }

    fn duplicate(&self, batch: &BatchMetadata) -> Appended {
        Appended {
            base_offset: batch.first_offset(),
            last_offset: batch.last_offset,
            max_timestamp: batch.timestamp,
            // Kafka answers a retry so, whatever the topic's timestamp type
            log_append_time: batch.timestamp,
            log_start_offset: self.start_offset,
            duplicate: true,
            rolled: false,
        }
    }

    fn rebuild(
        &self,
        valid: &Validated<'_>,
        leader_epoch: LeaderEpoch,
        rules: &Rules,
    ) -> std::result::Result<Cow<'static, [u8]>, AppendError> {
        let own = valid.batch.codec().map_or(Compression::NONE, Compression::new);
        let options = RebuildOptions {
            compression: self.config.compression.unwrap_or(own),
            base_offset: self.end_offset,
            leader_epoch,
            log_append_time: (valid.timestamp_type == TimestampType::LogAppendTime)
                .then_some(valid.max_timestamp),
            decompressed_bytes_max: rules.decompressed_bytes_max,
        };
        let bytes = rebuild(&valid.batch, &options).map_err(|error| match error {
            RebuildError::Record(error) => AppendError::Refused(Refusal::Structure(error)),
            RebuildError::Build(error) => AppendError::Corrupt(error.to_string()),
        })?;
        if bytes.len() > rules.batch_bytes_max {
            return Err(Refusal::TooLarge { size: bytes.len(), max: rules.batch_bytes_max }.into());
        }
        Ok(Cow::Owned(bytes.to_vec()))
    }

    /// Rolls if need be, writes the batch and takes it into account. True where a segment was closed.
    fn write_batch(
        &mut self,
        header: &PatchedHeader,
        payload: &[u8],
        now_ms: i64,
    ) -> std::result::Result<bool, AppendError> {
        let (size, max) = (header.header().size(), self.config.segment_bytes as usize);
        if size > max {
            return Err(AppendError::LargerThanSegment { size, max });
        }
        let rolled = self.roll_for(&header.header(), now_ms)?;
        self.write_to_active(&mut [IoSlice::new(header.bytes()), IoSlice::new(payload)])?;
        self.note_written(&header.header(), payload)?;
        Ok(rolled)
    }

    /// The same for several, in one write.
    fn write_batches(
        &mut self,
        batches: &[(PatchedHeader, &[u8])],
        size: usize,
        now_ms: i64,
    ) -> std::result::Result<bool, AppendError> {
        let [(first, _), .., (last, _)] = batches else {
            let [(header, payload)] = batches else { return Ok(false) };
            return self.write_batch(header, payload, now_ms);
        };
        let max = self.config.segment_bytes as usize;
        if size > max {
            return Err(AppendError::LargerThanSegment { size, max });
        }
        let mut rolled = self.roll_for(&first.header(), now_ms)?;
        let active = self.active();
        let fits =
            active.size as usize + size <= max && active.relative(last.header().last_offset()).is_some();
        if !fits {
            rolled |= self.roll(now_ms)?;
        }
        let mut buffers = Vec::with_capacity(2 * batches.len());
        for (header, payload) in batches {
            buffers.extend([IoSlice::new(header.bytes()), IoSlice::new(payload)]);
        }
        self.write_to_active(&mut buffers)?;
        for (header, payload) in batches {
            self.note_written(&header.header(), payload)?;
        }
        Ok(rolled)
    }

    fn write_to_active(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<()> {
        let place = &self.place;
        let active = self.segments.back_mut().expect("a log has a segment");
        active.prepare_append(place)?;
        active.write(place, buffers)
    }

    /// The batch is in the file: the log ends behind it.
    fn note_written(&mut self, header: &Header<'_>, payload: &[u8]) -> Result<()> {
        let interval = self.config.index_interval_bytes;
        self.active().note_batch(header, interval);
        self.end_offset = header.next_offset();
        self.epochs.assign(header.leader_epoch(), header.base_offset());
        if let Some(completed) = self.note_producer(header, payload)
            && completed.aborted
        {
            self.index_aborted(&completed)?;
        }
        Ok(())
    }

    /// Some where the batch is a marker that ends a transaction.
    pub(super) fn note_producer(
        &mut self,
        header: &Header<'_>,
        payload: &[u8],
    ) -> Option<CompletedTransaction> {
        if !header.has_producer_id() {
            return None;
        }
        if !header.is_control() {
            self.producers.appended(header);
            return None;
        }
        let (coordinator_epoch, aborted) = read_marker(header, payload)?;
        self.producers.marker_appended(header, coordinator_epoch, aborted)
    }

    pub(super) fn index_aborted(&mut self, completed: &CompletedTransaction) -> Result<()> {
        let aborted = AbortedTransaction {
            producer_id: completed.producer_id,
            first_offset: completed.first_offset,
            last_offset: completed.last_offset,
            last_stable_offset: completed.last_stable_offset,
        };
        let place = &self.place;
        let active = self.segments.back_mut().expect("a log has a segment");
        active.unsynced_aborted = Some(append_aborted(place, active.base, &aborted)?);
        active.has_aborted = true;
        self.unsynced_names = true;
        Ok(())
    }
}

/// Coordinator epoch, and whether it aborts; None where it is no marker of a transaction.
fn read_marker(header: &Header<'_>, payload: &[u8]) -> Option<(i32, bool)> {
    let mut bytes = header.bytes().to_vec();
    bytes.extend_from_slice(payload);
    let batch = Batch::exact(&bytes).ok()?;
    let data = batch.data(payload.len().saturating_mul(64).max(1024)).ok()?;
    let record = batch.records(&data).next()?.ok()?;
    let decoded = ControlRecord::decode(record.key?, record.value?).ok()??;
    match decoded {
        ControlRecord::Commit(end) => Some((end.coordinator_epoch, false)),
        ControlRecord::Abort(end) => Some((end.coordinator_epoch, true)),
        other => {
            debug_assert!(!matches!(other.control_type(), ControlType::Abort | ControlType::Commit));
            None
        }
    }
}
