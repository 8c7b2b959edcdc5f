//! A Kafka client for Rust: producer, consumer and admin, on tokio.
//! `Cluster` knows the brokers and who leads what; everything else asks through it.

mod cluster;
mod config;
mod connection;
mod error;
mod metadata;
mod properties;

pub use cluster::{Cluster, CoordinatorKind};
pub use config::ClientConfig;
pub use connection::Connection;
pub use error::Error;
pub use metadata::{Broker, Metadata, PartitionMetadata, TopicMetadata};
pub use properties::{Properties, parse_properties};
