//! Appending to a partition of this shard, for clients and for coordinators.

use bytes::Bytes;
use protocol::messages::produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse};
use protocol::{ErrorCode, Str};
use types::Offset;

use crate::event::Level;
use crate::handlers::produce::fail;
use crate::log::{AppendRefused, Origin};
use crate::partition::AckNeed;
use crate::partitions::Slot;
use crate::shard::{Shard, Turn};

/// What was appended, or had been before by the same producer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub base_offset: Offset,
    /// The offset after the last record.
    pub end_offset: Offset,
    /// -1 where the records keep their own time.
    pub log_append_time_ms: i64,
    pub log_start_offset: Offset,
    /// What the acknowledgement still waits for.
    pub need: Option<AckNeed>,
    /// A segment was closed: it is to be flushed.
    pub rolled: bool,
}

impl AppendRefused {
    pub fn describe(self, answer: &mut PartitionProduceResponse) {
        fail(answer, self.error);
        answer.error_message = self.message.map(Str::from);
        answer.record_errors = self
            .records
            .into_iter()
            .map(|(batch_index, message)| BatchIndexAndErrorMessage {
                batch_index,
                batch_index_error_message: Some(Str::from(message)),
            })
            .collect();
    }
}

impl Shard {
    pub(crate) fn append_from_client(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        records: &Bytes,
        acks: i16,
        api_version: i16,
    ) -> Result<Appended, AppendRefused> {
        self.append(turn, slot, records, acks, Origin::Client { api_version })
    }

    /// One line a minute, however many clients are refused.
    pub(crate) fn tell_full(&mut self, turn: &mut Turn, text: String) {
        if turn.now.monotonic_us >= self.told_full_until {
            self.told_full_until = turn.after_ms(60_000);
            turn.log(Level::Error, text);
        }
    }

    pub(crate) fn append_from_coordinator(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        records: &Bytes,
    ) -> Result<Appended, ErrorCode> {
        self.append(turn, slot, records, -1, Origin::Coordinator).map_err(|refused| refused.error)
    }

    fn append(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        records: &Bytes,
        acks: i16,
        origin: Origin,
    ) -> Result<Appended, AppendRefused> {
        let Some(partition) = self.partitions.at_mut(slot) else {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        };
        partition.check_leader(-1)?;
        if acks == -1 && !partition.replica.has_enough_in_sync() {
            return Err(ErrorCode::NotEnoughReplicas.into());
        }
        let epoch = partition.replica.leader_epoch;
        let end_before = partition.log.log_end_offset();
        let appended = partition.log.append_as_leader(records, epoch, turn.now, origin);
        let mut appended = match appended {
            Ok(appended) => appended,
            Err(mut refused) => {
                // told only once it is acknowledged; until then the client is to ask again
                if refused.appended_below.is_some_and(|below| partition.need_for(acks, below).is_some()) {
                    refused.error = ErrorCode::NotEnoughReplicasAfterAppend;
                }
                let reason = || refused.message.clone().unwrap_or_default();
                if refused.directory_failed {
                    self.fail_directory_of(turn, slot, reason());
                } else if refused.error == ErrorCode::KafkaStorageError {
                    let text = format!("producers are refused, consumers served: {}", reason());
                    self.tell_full(turn, text);
                }
                return Err(refused);
            }
        };
        partition.replica.on_append(end_before, turn.now.monotonic_us);
        partition.advance_high_watermark(turn.now);
        appended.need = partition.need_for(acks, appended.end_offset);
        self.partitions.mark_changed(slot);
        self.note_unflushed(turn, slot, records.len() as u64, appended.rolled);
        Ok(appended)
    }
}
