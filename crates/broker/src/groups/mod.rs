//! The group coordinators of a shard's partitions of `__consumer_offsets`, and what drives them: requests in,
//! records to the log, replies out when the records are committed. What a group decides is in `coordinator`.

mod drive;
mod load;

pub(crate) use drive::refuse;

use std::collections::{BTreeMap, VecDeque};

use coordinator::group::{GroupConfig, GroupShard, Token, Topics, WriteId};
use protocol::Str;
use types::{Offset, Uuid};

use crate::cluster::Cluster;
use crate::config::NodeConfig;
use crate::partitions::Slot;
use crate::shard::Origin;

/// Who waits for a reply of a group.
pub(crate) struct Waiting {
    pub origin: Origin,
    /// DescribeGroups asked for the operations that the client may do.
    pub with_operations: bool,
}

/// The groups of one partition.
pub(crate) struct GroupPartition {
    pub coordinator: GroupShard,
    /// Where reading goes on while the log is replayed; None when all is read.
    pub loading: Option<Offset>,
    /// All is read, but not all of it is known to be committed: a predecessor's records that only this log has would
    /// be shown to clients and might be gone after the next change of leader.
    pub awaits_commit: bool,
    /// Topics, by name and id, whose offsets are to be forgotten then.
    pub deleted_while_loading: Vec<(Str, Uuid)>,
    /// Appended writes: committed when the high watermark has reached the first offset here, which begin at the second.
    pub writes: VecDeque<(Offset, Offset, WriteId)>,
}

/// All groups of a shard.
pub(crate) struct Groups {
    pub config: GroupConfig,
    pub partitions: BTreeMap<Slot, GroupPartition>,
    pub waiting: BTreeMap<Token, Waiting>,
    pub next_token: u64,
    /// A group may want to be called at another time than `deadline` says.
    pub touched: bool,
    deadline: Option<u64>,
}

impl Groups {
    pub fn new(node: &NodeConfig) -> Groups {
        let settings = &node.settings;
        Groups {
            config: GroupConfig {
                min_session_timeout_ms: settings.group_min_session_timeout_ms,
                max_session_timeout_ms: settings.group_max_session_timeout_ms,
                initial_rebalance_delay_ms: settings.group_initial_rebalance_delay_ms,
                max_size: usize::try_from(settings.group_max_size).unwrap_or(0),
                offset_metadata_max: usize::try_from(settings.offset_metadata_max_bytes).unwrap_or(0),
                offsets_retention_ms: i64::from(settings.offsets_retention_minutes) * 60_000,
                offsets_retention_check_interval_ms: settings.offsets_retention_check_interval_ms,
                ..GroupConfig::default()
            },
            partitions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_token: 0,
            touched: false,
            deadline: None,
        }
    }

    /// The earliest time at which a group wants to be called; 0 while a log is being replayed.
    pub fn next_deadline(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.touched) {
            return self.deadline;
        }
        let wanted = self.partitions.values().filter_map(|partition| match partition.loading {
            Some(_) if partition.awaits_commit => None,
            Some(_) => Some(0),
            None => partition.coordinator.next_deadline(),
        });
        self.deadline = wanted.min();
        self.deadline
    }
}

impl Topics for Cluster {
    fn id(&self, name: &str) -> Option<Uuid> {
        self.topic_by_name(name).map(|topic| topic.id())
    }

    fn name(&self, id: Uuid) -> Option<Str> {
        self.topic_by_id(id).map(|topic| topic.name().clone())
    }

    fn has_partition(&self, name: &str, partition: i32) -> bool {
        self.topic_by_name(name).is_some_and(|topic| topic.state(partition).is_some())
    }
}
