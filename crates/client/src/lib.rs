//! A Kafka client for Rust: producer, consumer and admin, on tokio.
//! `Cluster` knows the brokers and who leads what; everything else asks through it.

mod admin;
mod cluster;
mod config;
mod connection;
mod consumer;
mod error;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;
mod metadata;
mod producer;
mod properties;
mod random;
mod record;

pub use admin::Admin;
pub use cluster::{Cluster, CoordinatorKind};
pub use config::ClientConfig;
pub use connection::Connection;
pub use consumer::{
    Assignor, Committed, Consumer, ConsumerConfig, EARLIEST, IsolationLevel, LATEST, ListedOffset,
    OffsetReset, Pattern, Rebalance, iso_duration, list_offsets,
};
pub use error::Error;
pub use metadata::{Broker, Metadata, PartitionMetadata, TopicMetadata};
pub use producer::{
    Acks, Completion, Delivery, Partitioning, Producer, ProducerConfig, murmur2, partition_of_key,
};
pub use properties::{Properties, parse_properties};
pub use record::{ConsumerRecord, Header, ProducerRecord, RecordMetadata};
pub use records::TimestampType;
