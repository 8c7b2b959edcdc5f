//! Replicas whose log may be in a log directory that could not be used at the start. None of them is made anew in another:
//! who counts on what it had would be told that it has it still. They are offline, and others lead them, until the directory
//! works again, or is taken out of `log.dirs`.

use std::collections::BTreeSet;

use metadata::image::{Partition, UNASSIGNED, is_reserved_directory};
use types::{TopicIdPartition, Uuid};

use super::{Shard, Turn};
use crate::event::Level;

#[derive(Default)]
pub(super) struct Lost {
    partitions: BTreeSet<TopicIdPartition>,
    /// What the first image does not know is new in this life, and in no directory yet.
    had_image: bool,
}

impl Lost {
    pub fn image_is_applied(&mut self) {
        self.had_image = true;
    }
}

impl Shard {
    /// Of one that has no log open here; `recorded` is where the controller says that it is.
    pub(super) fn is_lost(
        &mut self,
        turn: &mut Turn,
        id: TopicIdPartition,
        state: &Partition,
        recorded: Uuid,
    ) -> bool {
        if self.node.lost_log_directories.is_empty() {
            return false;
        }
        let (is_found, is_online) =
            (self.found_logs.contains_key(&id), self.directories.index_of(recorded).is_some());
        let is_lost = match recorded {
            // what is found of it elsewhere is something else: an old copy
            recorded if !is_online && !is_reserved_directory(recorded) => true,
            _ if is_found => false,
            // it may have been made there, or a move away from there been given up, and nobody been told so before the end
            recorded if is_online || recorded == UNASSIGNED => {
                let is_old = !self.lost.had_image || self.lost.partitions.contains(&id);
                is_old && counts_on(state, self.node.node_id.0)
            }
            // nothing is on record
            _ => true,
        };
        match is_lost {
            true if self.lost.partitions.insert(id) => self.tell_lost(turn, id),
            true => {}
            false => drop(self.lost.partitions.remove(&id)),
        }
        is_lost
    }

    fn tell_lost(&self, turn: &mut Turn, id: TopicIdPartition) {
        let topic = self.cluster.topic_by_id(id.topic_id);
        let name = topic.map_or_else(String::new, |topic| topic.name().to_string());
        let text =
            format!("{name}-{} is offline: it may be in a log directory that cannot be used", id.partition);
        turn.log(Level::Warning, text);
    }
}

/// Whether this replica may be made the leader for what it had.
fn counts_on(state: &Partition, node: i32) -> bool {
    let lists = [&state.in_sync_replicas, &state.eligible_leader_replicas, &state.last_known_elr];
    lists.into_iter().any(|list| list.contains(&node))
}
