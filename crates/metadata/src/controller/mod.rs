//! What the active controller decides. Every operation takes the newest state, a request and a context, and gives
//! records and a reply; it changes nothing. The driver gives the records their offsets, applies them with
//! `replay` at once, appends them, and lets the reply out when they are committed. When leadership is lost the
//! state is built anew from what was committed.

mod acls;
mod activation;
mod alter_configs;
mod alter_partition;
mod assignment;
mod broker_events;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
mod elect_leaders;
mod eligible_level;
mod error;
mod heartbeat;
mod list_reassignments;
mod partition_change;
mod periodic;
mod placement;
mod producer_ids;
mod quotas;
mod reassignment;
mod registration;
mod scram;
mod sessions;
mod unregister;
mod update_features;

use std::sync::Arc;

use platform::Random;
use protocol::records::metadata::MetadataRecord;
use types::Uuid;

use crate::configs::StaticConfig;
use crate::features::MetadataVersion;
use crate::image::{ApplyError, ConfigResource, Delta, Loader, MetadataImage, Topic};
use partition_change::Surroundings;
use sessions::Sessions;

pub use activation::{ActivationError, bootstrap_records};
pub use delete_topics::TopicPermissions;
pub use error::ApiError;
pub use list_reassignments::list_partition_reassignments;
pub use partition_change::Election;
pub use periodic::{Schedule, Task};
pub use placement::{Usable, place};
pub use scram::{ScramKeys, ScramMechanism};
pub use update_features::FeaturesReply;

/// Most records one user's request may cause, and most in one batch.
pub const RECORDS_MAX: usize = 10_000;

/// What an operation gives. `atomic`: all records in one batch, else cut every [`RECORDS_MAX`].
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<R> {
    pub records: Vec<MetadataRecord>,
    pub atomic: bool,
    pub reply: R,
}

impl<R> Outcome<R> {
    fn atomic(records: Vec<MetadataRecord>, reply: R) -> Outcome<R> {
        Outcome { records, atomic: true, reply }
    }

    fn loose(records: Vec<MetadataRecord>, reply: R) -> Outcome<R> {
        Outcome { records, atomic: false, reply }
    }

    fn nothing(reply: R) -> Outcome<R> {
        Outcome { records: Vec::new(), atomic: false, reply }
    }
}

/// What the world looks like while one operation is decided.
pub struct Context<'a> {
    /// Of a clock that is never set back.
    pub now_ms: i64,
    /// Offset the first record of the outcome will get.
    pub next_offset: i64,
    pub random: &'a mut Random,
}

impl Context<'_> {
    fn new_id(&mut self) -> Uuid {
        loop {
            if let Some(id) = Uuid::from_random(self.random.bytes16()) {
                return id;
            }
        }
    }
}

/// What is fixed while the node runs.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    pub node_id: i32,
    pub cluster_id: Arc<str>,
    pub file: Arc<StaticConfig>,
    /// The quorum's `kraft.version`, which is not among the records.
    pub kraft_version: i16,
    /// Ids of the quorum's voters.
    pub voters: Vec<i32>,
}

#[derive(Clone, Debug)]
pub struct Controller {
    pub config: ControllerConfig,
    state: Loader,
    sessions: Sessions,
}

impl Controller {
    /// `committed`: everything up to the last stable offset, with an open transaction if there is one.
    pub fn new(config: ControllerConfig, committed: Loader) -> Controller {
        let timeout_ms = config.file.i64("broker.session.timeout.ms");
        Controller { config, state: committed, sessions: Sessions::new(timeout_ms) }
    }

    /// Applies one record at its offset: an own one when it is decided, another's when it is committed.
    pub fn replay(&mut self, record: &MetadataRecord, offset: i64) -> Result<(), ApplyError> {
        self.state.apply(record, offset)
    }

    /// Forgets what was never committed.
    pub fn revert(&mut self, committed: Loader) {
        self.state = committed;
        self.sessions.clear();
    }

    /// The newest state, committed or not.
    pub fn image(&self) -> &MetadataImage {
        self.state.head()
    }

    /// What may be shown of the newest state, and what changed since this was last asked.
    pub fn publish(&mut self) -> (MetadataImage, Delta) {
        self.state.publish()
    }

    fn metadata_version(&self) -> MetadataVersion {
        self.image().metadata_version()
    }

    fn topic_config(&self, topic: &str, name: &str) -> Option<String> {
        let image = self.image();
        if let Some(value) = image.properties(&ConfigResource::topic(topic)).get(name) {
            return Some(value.clone());
        }
        // the controller judges by its own file, whoever leads the partition
        let layers = image.layers(self.config.node_id, &self.config.file.given);
        crate::configs::lookup(crate::configs::Scope::Topic, name).and_then(|row| layers.topic_default(row).0)
    }

    fn unclean_election_enabled(&self, topic: &str) -> bool {
        self.topic_config(topic, "unclean.leader.election.enable")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    fn automatic_election(&self, topic: &str) -> Election {
        if self.unclean_election_enabled(topic) { Election::Unclean } else { Election::Online }
    }

    fn min_in_sync_replicas(&self, topic: &str) -> usize {
        let value = self.topic_config(topic, "min.insync.replicas");
        value.and_then(|text| text.trim().parse().ok()).unwrap_or(1)
    }

    /// What a change of one of this topic's partitions has to know.
    fn surroundings(&self, topic: &Topic) -> Surroundings<'_> {
        let image = self.image();
        let version = self.metadata_version();
        let replicas = topic.partitions.get(&0).map_or(usize::MAX, |first| first.replicas.len());
        Surroundings {
            cluster: &image.cluster,
            elr_enabled: image.eligible_leader_replicas_enabled(),
            directories_supported: version.supports_directories(),
            bumps_on_shrink: version.bumps_leader_epoch_on_shrink(),
            min_in_sync: self.min_in_sync_replicas(&topic.name).min(replicas),
            leaving: None,
            returning: None,
        }
    }
}
