//! Why a producer's batch or marker is refused: Kafka's error code and text.

use std::fmt::Display;

use types::{Offset, ProducerEpoch, ProducerId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerRefusal {
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    #[error("sequence {sequence} of producer {producer_id} does not follow {last}")]
    OutOfOrderSequence { producer_id: ProducerId, offset: Offset, sequence: i32, last: i32 },
    /// DUPLICATE_SEQUENCE_NUMBER: it was appended, at an offset below this one that is not kept any more.
    #[error("sequence {sequence} of producer {producer_id} was appended before")]
    DuplicateSequence { producer_id: ProducerId, sequence: i32, below: Offset },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    #[error("sequence {sequence} of producer {producer_id} in the new epoch {epoch}")]
    NewEpochSequence {
        producer_id: ProducerId,
        offset: Offset,
        epoch: ProducerEpoch,
        sequence: i32,
        current: ProducerEpoch,
    },
    /// INVALID_PRODUCER_EPOCH
    #[error("epoch {epoch} of producer {producer_id} is below {last}")]
    Epoch { producer_id: ProducerId, offset: Offset, epoch: ProducerEpoch, last: ProducerEpoch },
    /// INVALID_TXN_STATE
    #[error("producer {producer_id} wrote outside of its transaction")]
    NotTransactional { producer_id: ProducerId, offset: Offset },
    /// TRANSACTION_COORDINATOR_FENCED
    #[error("coordinator epoch {coordinator_epoch} is below {last}")]
    CoordinatorEpoch { producer_id: ProducerId, offset: Offset, coordinator_epoch: i32, last: i32 },
}

impl ProducerRefusal {
    /// The number of Kafka's error.
    pub fn error_code(&self) -> i16 {
        match self {
            ProducerRefusal::OutOfOrderSequence { .. } | ProducerRefusal::NewEpochSequence { .. } => 45,
            ProducerRefusal::DuplicateSequence { .. } => 46,
            ProducerRefusal::Epoch { .. } => 47,
            ProducerRefusal::NotTransactional { .. } => 48,
            ProducerRefusal::CoordinatorEpoch { .. } => 52,
        }
    }

    /// Kafka's text for `error_message`.
    pub fn message(&self, partition: &dyn Display) -> String {
        match self {
            ProducerRefusal::OutOfOrderSequence { producer_id, offset, sequence, last } => format!(
                "Out of order sequence number for producer {producer_id} at offset {offset} in partition {partition}: \
                 {sequence} (incoming seq. number), {last} (current end sequence number)"
            ),
            ProducerRefusal::DuplicateSequence { producer_id, sequence, below } => format!(
                "Duplicate sequence number for producer {producer_id} in partition {partition}: {sequence} (incoming seq. \
                 number) was appended below offset {below}"
            ),
            ProducerRefusal::NewEpochSequence { producer_id, offset, epoch, sequence, current } => format!(
                "Invalid sequence number for new epoch of producer {producer_id} at offset {offset} in partition \
                 {partition}: {epoch} (request epoch), {sequence} (seq. number), {current} (current producer epoch)"
            ),
            ProducerRefusal::Epoch { producer_id, offset, epoch, last } => format!(
                "Epoch of producer {producer_id} at offset {offset} in {partition} is {epoch}, which is smaller than \
                 the last seen epoch {last}"
            ),
            ProducerRefusal::NotTransactional { producer_id, offset } => format!(
                "Expected transactional write from producer {producer_id} at offset {offset} in partition {partition}"
            ),
            ProducerRefusal::CoordinatorEpoch { producer_id, offset, coordinator_epoch, last } => format!(
                "Invalid coordinator epoch for producerId {producer_id} at offset {offset} in partition {partition}: \
                 {coordinator_epoch} (zombie), {last} (current)"
            ),
        }
    }
}
