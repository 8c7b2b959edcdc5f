//! Writes a batch anew: with another codec, or with its records numbered one after the other.

use bytes::Bytes;
use types::{LeaderEpoch, Offset};

use crate::batch::Batch;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::compression::Compression;
use crate::{BuildError, RecordError};

/// What the new batch has of its own; all else is the old one's.
#[derive(Clone, Copy, Debug)]
pub struct RebuildOptions {
    pub compression: Compression,
    /// The first record's offset; the others follow without gap.
    pub base_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// Set where the topic has LogAppendTime.
    pub log_append_time: Option<i64>,
    /// What the old batch may grow to when decompressed.
    pub decompressed_bytes_max: usize,
}

/// A batch that cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The batch with `options`, keeping records, headers, timestamps and producer.
pub fn rebuild(batch: &Batch<'_>, options: &RebuildOptions) -> Result<Bytes, RebuildError> {
    let data = batch.data(options.decompressed_bytes_max)?;
    let mut builder = BatchBuilder::with_capacity(
        BatchOptions {
            compression: options.compression,
            base_offset: options.base_offset,
            leader_epoch: options.leader_epoch,
            log_append_time: options.log_append_time,
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            transactional: batch.is_transactional(),
            control: batch.is_control(),
            delete_horizon_ms: batch.delete_horizon_ms(),
        },
        data.len(),
    );
    for record in batch.records(&data) {
        builder.append_renumbered(&record?)?;
    }
    Ok(builder.build()?)
}
