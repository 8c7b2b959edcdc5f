//! Every config of brokers, topics, groups and client metrics: definitions, parsing, effective values, and the
//! typed forms the rest of the node reads. Error texts are Kafka's, because tools and their users compare them.

mod allowed;
pub mod broker;
pub mod definition;
pub mod describe;
pub mod dynamic;
mod entry;
mod error;
pub mod group;
mod java;
mod listener;
mod log_config;
pub mod registry;
pub mod resource;
mod static_config;
mod static_rules;
mod suggestion;
pub mod synonyms;
mod tables;
pub mod topic;
mod validator;
mod value;

pub use definition::{Definition, Importance, Kind, UpdateMode};
pub use entry::{ConfigLayers, ConfigSource, Entry, Properties, Synonym};
pub use error::ConfigError;
pub use listener::{Listener, ListenerSecurity, SecurityProtocol, Voter};
pub use log_config::{CleanupPolicy, CompressionType, LogConfig, TimestampType};
pub use registry::{Scope, lookup};
pub use static_config::{Roles, StaticConfig, unknown_names};
pub use suggestion::did_you_mean;
pub use value::Value;
