//! Ids and offsets that every crate shares. No logic, no dependencies.

mod ids;
mod uuid;

pub use ids::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, TopicIdPartition, TopicPartition};
pub use uuid::Uuid;
