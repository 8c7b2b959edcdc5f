//! A node without its shell: actors that take events and give effects. One `Quorum` and some `Shard`s, each
//! owned by one thread; they share nothing but immutable values and exchange `Message`s.

pub mod config;
pub mod event;
pub mod message;
pub mod metrics;

mod answered_error;
mod append;
mod authorizer;
mod cluster;
mod connection;
pub mod directories;
mod dispatch;
mod fetch_session;
mod groups;
mod handlers;
mod log;
mod partition;
mod partition_read;
mod partitions;
pub mod peers;
mod purgatory;
pub mod quorum;
mod replica_sessions;
mod routing;
pub mod shard;
mod watch;

pub use directories::{
    Directories, FoundLog, LostDirectory, ShardLogs, Start, StartedDirectory, open_directories,
    start_directories,
};
pub use dispatch::served;
pub use fetch_session::{FetchItem, TopicKey};
pub use partition_read::FetchOutcome;
pub use protocol::Chunk;
pub use routing::shard_of;
pub use shard::{Shard, ShardOptions};
