//! The log on disk, in Kafka's layout: segments, indexes, producer state, recovery, retention. Synchronous, over
//! `platform`; syncs are planned here and done by whoever is asked to (`FlushPlan`).
//!
//! `LogDirectory` is one entry of `log.dirs`; the `Log`s it opens are values that their owner keeps.

mod checkpoint;
mod config;
mod directory;
mod error;
mod leader_epochs;
mod log;
mod names;
mod partition_metadata;
mod producer;
mod segment;

pub use checkpoint::{
    HIGH_WATERMARK, LEADER_EPOCH, LOG_START_OFFSET, PartitionOffset, RECOVERY_POINT, read_epochs,
    read_offsets, write_offsets,
};
pub use config::LogConfig;
pub use directory::{
    CleanShutdown, LogDirectory, MetaProperties, OpenError, PartitionDirectory, StartPoints,
};
pub use error::{AppendError, Error, ReadError, Result, is_disk_full};
pub use leader_epochs::{EpochEnd, LeaderEpochs};
pub use log::{
    AppendContext, Appended, FlushPlan, FlushedTo, Followed, Log, LogOptions, Marker, Opened, Read, Retained,
    TimestampAndOffset,
};
pub use names::{DirectoryKind, parse_partition_directory, partition_directory};
pub use producer::{
    BatchMetadata, Checked, CompletedTransaction, ProducerEntry, ProducerRefusal, ProducerState,
    decode_snapshot, encode_snapshot,
};
pub use segment::AbortedTransaction;
