//! A new metadata image: logs are opened, made and deleted, leaderships begin and end, configurations change.

use std::collections::BTreeMap;
use std::sync::Arc;

use metadata::configs::LogConfig;
use metadata::image::{ConfigResource, Delta, MetadataImage};
use platform::{Planted, is_planted};
use replication::{Assigned, ReplicaState};
use storage::DirectoryKind;
use types::{Offset, TopicIdPartition, TopicPartition, Uuid};

use super::{Shard, Turn};
use crate::event::{DirectoryIndex, DiskFailure, Level};
use crate::handlers::find_coordinator::OFFSETS_TOPIC;
use crate::log::{ReplicaLog, log_config};
use crate::partition::Partition;
use crate::partitions::Slot;
use crate::routing::shard_of;

/// What is in force for a topic, in the broker's words and in the log's.
#[derive(Clone)]
pub(super) struct TopicConfigs {
    pub config: Arc<LogConfig>,
    pub for_log: Arc<storage::LogConfig>,
}

impl Shard {
    pub(super) fn on_image(
        &mut self,
        turn: &mut Turn,
        image: Arc<MetadataImage>,
        changes: Option<Arc<Delta>>,
        offset: i64,
    ) {
        let first = self.cluster.offset() < 0;
        let old = self.cluster.replace(image, offset);
        self.topic_configs = None;
        self.note_peers(turn);
        self.note_active_brokers(turn);
        self.look_after_deletions();
        self.renew_throttles();
        if first {
            self.start_timers(turn);
            self.put_strays_aside(turn);
        }
        match changes {
            Some(changes) if !first => self.apply(turn, &old, &changes),
            _ => {
                let changes = Delta::between(&old, &self.cluster.image);
                self.apply(turn, &old, &changes);
            }
        }
        self.lost.image_is_applied();
        self.tell_applied(turn, offset);
    }

    fn apply(&mut self, turn: &mut Turn, old: &MetadataImage, changes: &Delta) {
        for topic_id in &changes.topics_deleted {
            self.moves.forget_topic(*topic_id);
            let gone: Vec<_> = self.partitions.of_topic(*topic_id).map(|(id, _)| *id).collect();
            gone.into_iter().for_each(|id| self.delete_partition(turn, &id));
        }
        if !changes.topics_deleted.is_empty() {
            self.untold.forgets = true;
            self.forget_in_checkpoints(turn);
        }
        let topics = changes.topics_deleted.iter().filter_map(|id| old.topics.by_id(*id));
        let deleted: Vec<_> = topics.map(|topic| (topic.name.clone(), topic.id)).collect();
        self.forget_offsets(turn, &deleted);
        for (&topic_id, partitions) in &changes.partitions {
            for &partition in partitions {
                let id = TopicIdPartition { topic_id, partition };
                if shard_of(&id, self.node.shards) == self.id {
                    self.assign_partition(turn, id);
                }
            }
        }
        self.warn_of_compaction(turn, changes);
        for resource in &changes.configs {
            match resource.resource_type {
                ConfigResource::TOPIC => {
                    let Some(topic_id) = self.cluster.topic_by_name(&resource.name).map(|topic| topic.id())
                    else {
                        continue;
                    };
                    let slots: Vec<Slot> = self.partitions.of_topic(topic_id).map(|(_, slot)| slot).collect();
                    self.reconfigure(turn, slots);
                }
                ConfigResource::BROKER => self.reconfigure(turn, self.partitions.all_slots().collect()),
                _ => {}
            }
        }
        self.hold_throttled_anew(turn);
    }

    /// Opens or makes the log if this node is a replica, and takes or leaves the leadership.
    fn assign_partition(&mut self, turn: &mut Turn, id: TopicIdPartition) {
        let Some(topic) = self.cluster.topic_by_id(id.topic_id) else { return };
        let Some(state) = topic.state(id.partition).cloned() else { return };
        let name = topic.name().clone();
        let Some(place) = state.replicas.iter().position(|&node| node == self.node.node_id.0) else {
            return self.delete_partition(turn, &id);
        };
        let directory = state.directories.get(place).copied().unwrap_or(Uuid::ZERO);
        if self.partitions.slot(&id).is_none()
            && (self.is_lost(turn, id, &state, directory) || !self.add_partition(turn, id, &name, directory))
        {
            return;
        }
        let Some(slot) = self.partitions.slot(&id) else { return };
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let before = partition.replica.in_sync_replicas.len();
        let assigned = partition.assign(turn.now, &state);
        let after = partition.replica.in_sync_replicas.len();
        let begins = assigned == Assigned::BeginsToLead;
        let leads = partition.replica.is_leader();
        if assigned == Assigned::Stale {
            return;
        }
        if assigned == Assigned::Leads {
            self.metrics.in_sync_shrinks += u64::from(after < before);
            self.metrics.in_sync_expansions += u64::from(after > before);
        }
        if partition.propose_any_expansion() {
            self.want_alteration(id);
        }
        if leads || assigned == Assigned::NewLeader || begins {
            self.partitions.mark_changed(slot);
        }
        if assigned == Assigned::NewLeader && is_planted(Planted::TruncatedToHighWatermark) {
            self.cut_at_high_watermark(turn, slot);
        }
        self.follow(slot);
        self.resume_move(turn, &id);
        self.compare_directory(id, directory);
        // what was recovered counts only when it is flushed, where that is asked for
        self.note_unflushed(turn, slot, 0, false);
        if *name == *OFFSETS_TOPIC {
            if begins {
                // a reign may have ended and begun again in one image: nobody answers for the old one then
                self.abandon_groups(turn, slot);
                self.begin_groups(slot);
            } else if !leads {
                self.abandon_groups(turn, slot);
            }
        }
    }

    /// False where there is no log to be had.
    fn add_partition(&mut self, turn: &mut Turn, id: TopicIdPartition, name: &str, directory: Uuid) -> bool {
        // nobody would sync it any more, and the next start would believe that a clean stop has
        if self.stopping {
            return false;
        }
        let partition = TopicPartition { topic: Arc::from(name), partition: id.partition };
        let config = Arc::new(self.cluster.log_config(name));
        let for_log = Arc::new(log_config(&config, i64::from(self.node.settings.producer_id_expiration_ms)));
        let found = self.found_logs.remove(&id);
        let was_found = found.is_some();
        let wanted = self.moves.take_wanted(&id).filter(|index| !self.disk.failed.contains(index));
        let index = found.as_ref().map(|found| found.directory).or(wanted);
        let index = index.or_else(|| self.directory_for(directory));
        let Some(index) = index.filter(|index| !self.disk.failed.contains(index)) else { return false };
        let directories = self.directories.clone();
        let Some(started) = directories.get(index) else { return false };
        let now_ms = turn.now.wall_ms;
        let opened = match found {
            Some(_) => started
                .directory
                .open_log(&partition, for_log, &started.points, started.clean, now_ms)
                .map(|(log, opened)| {
                    if opened.truncated_bytes > 0 || opened.removed_segments > 0 {
                        let text = format!(
                            "{partition}: {} bytes and {} segments were cut off in recovery",
                            opened.truncated_bytes, opened.removed_segments
                        );
                        turn.log(Level::Warning, text);
                    }
                    log
                }),
            None => started.directory.create_log(&partition, Some(id.topic_id), for_log, now_ms),
        };
        match opened {
            Ok(log) => {
                // of a log that was made now, the file of the start can tell only of another of that name
                let checkpointed =
                    was_found.then(|| started.points.high_watermarks.get(&partition).copied()).flatten();
                let high_watermark = checkpointed.unwrap_or(Offset::ZERO);
                let name = protocol::Str::from(name);
                let log = ReplicaLog(log);
                let lag_max_ms = u64::try_from(self.node.settings.replica_lag_time_max_ms).unwrap_or(0);
                let lag_max_us = lag_max_ms.saturating_mul(1000);
                let mut replica = ReplicaState::new(self.node.node_id, high_watermark, lag_max_us);
                replica.brokers = self.active_brokers.clone();
                self.partitions.insert(Partition::new(id, name, index, log, config, replica));
                true
            }
            Err(error) => {
                if error.is_directory_failed() {
                    self.on_directory_failed(
                        turn,
                        &DiskFailure { directory: index, reason: error.to_string(), no_room: false },
                    );
                } else {
                    let first = self.without_log.insert(id);
                    if first {
                        turn.log(Level::Error, format!("{partition} is not available: {error}"));
                    }
                }
                false
            }
        }
    }

    /// Partitions that found no room for their log may find some now.
    pub(super) fn add_missing_partitions(&mut self, turn: &mut Turn) {
        for id in std::mem::take(&mut self.without_log) {
            self.assign_partition(turn, id);
            match self.partitions.get(&id) {
                Some(partition) => turn.log(Level::Info, format!("{} is available", partition.name())),
                // told once, tried again, as long as the topic is there
                None if self.cluster.topic_by_id(id.topic_id).is_some() => drop(self.without_log.insert(id)),
                None => {}
            }
        }
    }

    /// The one that the controller named, or the one with the fewest logs.
    fn directory_for(&self, id: Uuid) -> Option<DirectoryIndex> {
        let count = |index: DirectoryIndex| self.partitions.iter().filter(|at| at.directory == index).count();
        let usable = |index: &DirectoryIndex| !self.disk.failed.contains(index);
        match self.directories.index_of(id) {
            Some(index) => Some(index),
            None => {
                let usable = self.directories.indexes().filter(usable);
                usable.min_by_key(|&index| (self.is_cordoned(index), count(index), index))
            }
        }
    }

    fn delete_partition(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        let Some(slot) = self.partitions.slot(id) else { return };
        self.unfollow(slot);
        if let Some(partition) = self.partitions.at_mut(slot) {
            // tells those who wait that nobody leads it here
            partition.replica.leader = types::NodeId::NONE;
        }
        self.settle_waiters(turn, slot);
        self.settle_deletions(turn, slot);
        self.abandon_groups(turn, slot);
        self.wake_watchers(turn, slot);
        self.end_move(turn, id);
        let Some(partition) = self.partitions.remove(id) else { return };
        if is_planted(Planted::NamesakeInherits) {
            return;
        }
        let directories = self.directories.clone();
        let Some(started) = directories.get(partition.directory) else { return };
        let delay_ms = partition.config.file_delete_delay_ms;
        let unique = self.unique_name();
        match started.directory.rename_partition(partition.log.0, DirectoryKind::Delete, unique) {
            Ok(path) => {
                self.doomed.push((turn.now.wall_ms.saturating_add(delay_ms), partition.directory, path));
                self.untold.renamed_in.insert(partition.directory);
            }
            Err(error) => {
                let (directory, reason) = (partition.directory, error.to_string());
                let failure = DiskFailure { directory, reason, no_room: false };
                self.on_directory_failed(turn, &failure);
            }
        }
    }

    /// Logs of topics that nobody knows are renamed and kept, as Kafka does. Before any log is made: a topic that was
    /// deleted and made again before a crash must not find the old one's records under its name.
    fn put_strays_aside(&mut self, turn: &mut Turn) {
        self.settle_twins(turn);
        let node = self.node.node_id.0;
        let is_known = |id: &TopicIdPartition| {
            let state = self.cluster.topic_by_id(id.topic_id).and_then(|topic| topic.state(id.partition));
            state.is_some_and(|state| state.replicas.contains(&node))
        };
        let (known, strays): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.found_logs).into_iter().partition(|(id, _)| is_known(id));
        self.found_logs = known;
        self.settle_futures(turn);
        for stray in strays.into_values().chain(std::mem::take(&mut self.nobodys_logs)) {
            let unique = self.unique_name();
            let Some(started) = self.directories.get(stray.directory) else { continue };
            let text = match started.directory.rename_directory(&stray.found, DirectoryKind::Stray, unique) {
                Ok(path) => format!(
                    "{} belongs to no topic and is set aside as {}",
                    stray.found.partition,
                    path.display()
                ),
                Err(error) => error.to_string(),
            };
            turn.log(Level::Warning, text);
        }
    }

    pub(super) fn unique_name(&mut self) -> Uuid {
        Uuid(self.random.bytes16())
    }

    fn configs_of(&mut self, topic_id: Uuid, name: &str) -> TopicConfigs {
        if let Some((id, configs)) = &self.topic_configs
            && *id == topic_id
        {
            return configs.clone();
        }
        let config = Arc::new(self.cluster.log_config(name));
        let for_log = log_config(&config, i64::from(self.node.settings.producer_id_expiration_ms));
        let configs = TopicConfigs { config, for_log: Arc::new(for_log) };
        self.topic_configs = Some((topic_id, configs.clone()));
        configs
    }

    /// Their configuration may have changed.
    fn reconfigure(&mut self, turn: &mut Turn, slots: Vec<Slot>) {
        for slot in slots {
            let Some(partition) = self.partitions.at(slot) else { continue };
            let (topic_id, name) = (partition.id.topic_id, partition.topic.clone());
            let TopicConfigs { config, for_log } = self.configs_of(topic_id, &name);
            if let Some(partition) = self.partitions.at_mut(slot) {
                partition.replica.min_in_sync_replicas =
                    usize::try_from(config.min_insync_replicas).unwrap_or(1);
                partition.log.0.set_config(for_log);
                partition.config = config;
                partition.note_throttled();
                partition.advance_high_watermark(turn.now);
                self.partitions.mark_changed(slot);
                self.note_unflushed(turn, slot, 0, false);
            }
        }
    }
}
