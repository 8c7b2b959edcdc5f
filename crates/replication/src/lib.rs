//! One partition's replicas, Kafka's way: what a leader knows of its followers, the in-sync set and the high
//! watermark; what a follower asks of its leader and where it cuts its log. Pure: no log, no clock, no connection.

mod alteration;
mod brokers;
pub mod fetcher;
mod follower;
mod nearest;
mod state;
mod throttle;
mod truncation;

pub use alteration::{AfterAlteration, Alteration, Altered, Proposal};
pub use brokers::ActiveBrokers;
pub use follower::{Follower, FollowerFetch, FollowerRefused};
pub use nearest::{Candidate, nearest};
pub use state::{Assigned, Assignment, OwnLog, ReplicaState};
pub use throttle::{Throttle, UNLIMITED};
pub use truncation::{LocalEpochEnd, truncation_offset};
