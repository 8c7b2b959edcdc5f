//! Following: for each leader a fetcher, which copies what it leads of this shard's partitions (`replication::fetcher`
//! decides what is asked; here it is sent, and what comes back is done to the logs).
//! A log is cut by epoch alone, never at the high watermark.

use std::collections::{BTreeMap, BTreeSet};

use platform::Random;
use protocol::{Records, Request, Response};
use replication::fetcher::{Asked, Delivery, Fetcher, FetcherSettings, Position};
use replication::{LocalEpochEnd, truncation_offset};
use storage::{AppendError, ReadError};
use types::{LeaderEpoch, NodeId, Offset};

use super::begin_anew::begins_within;
use super::{Shard, Turn};
use crate::config::NodeConfig;
use crate::event::{Address, DirectoryIndex, Event, Level};
use crate::partitions::Slot;
use crate::peers::{Done, PeerConnections, PeerSettings};

/// Of connections to other brokers' listeners, among all that a shard dials.
const LANE: u8 = 1;
/// The connection to a leader is not given up for new partitions more often than this.
const HURRY_MS: i64 = 250;

/// Connections to other brokers, and what is fetched through them.
pub(crate) struct Following {
    peers: PeerConnections<()>,
    fetchers: BTreeMap<NodeId, Fetcher>,
    settings: FetcherSettings,
    request_timeout_ms: u64,
    /// Fetchers that have got partitions while a request was under way.
    in_a_hurry: BTreeSet<NodeId>,
    /// Monotonic time before which the connection to a leader is not given up for them again.
    spared_until_us: BTreeMap<NodeId, u64>,
}

impl Following {
    pub fn new(node: &NodeConfig, random: Random) -> Following {
        let settings = &node.settings;
        let client_id = format!("broker-{}-fetcher", node.node_id);
        let ms = |ms: i32| u64::try_from(ms).unwrap_or(0);
        Following {
            peers: PeerConnections::new(PeerSettings::new(client_id, LANE), random),
            fetchers: BTreeMap::new(),
            settings: FetcherSettings {
                node: node.node_id,
                partition_bytes_max: settings.replica_fetch_max_bytes,
                response_bytes_max: settings.replica_fetch_response_max_bytes,
                bytes_min: settings.replica_fetch_min_bytes,
                wait_ms_max: settings.replica_fetch_wait_max_ms,
                backoff_us: ms(settings.replica_fetch_backoff_ms).saturating_mul(1000),
            },
            request_timeout_ms: ms(settings.replica_socket_timeout_ms),
            in_a_hurry: BTreeSet::new(),
            spared_until_us: BTreeMap::new(),
        }
    }

    pub fn next_deadline(&self, now: platform::Time) -> Option<u64> {
        let of = |fetcher: &Fetcher| {
            // one without an address waits for the next image
            self.peers.address(fetcher.leader)?;
            let wanted = fetcher.next_deadline_us()?;
            Some(wanted.max(self.peers.paused_until(now, fetcher.leader).unwrap_or(0)))
        };
        let fetchers = self.fetchers.values().filter_map(of);
        let spared_until = |leader: &NodeId| self.spared_until_us.get(leader).copied().unwrap_or(0);
        let hurry = self.in_a_hurry.iter().map(spared_until);
        fetchers.chain(self.peers.deadline()).chain(hurry).min()
    }
}

impl Shard {
    /// An event of a connection that was dialed here; others are given back.
    pub(super) fn on_peer_event(&mut self, turn: &mut Turn, event: Event) -> Option<Event> {
        self.following.peers.on_event(turn.now, event, turn.effects)
    }

    /// Where the other brokers are reached now.
    pub(super) fn note_peers(&mut self, turn: &mut Turn) {
        let listener = self.node.inter_broker_listener();
        let own = self.node.node_id;
        let mut endpoints = self.cluster.all_endpoints(listener);
        endpoints.retain(|endpoint| endpoint.node != own);
        let known: Vec<NodeId> = self.following.peers.known().collect();
        for node in known.into_iter().filter(|node| endpoints.iter().all(|at| at.node != *node)) {
            self.following.peers.forget(node, turn.effects);
        }
        for endpoint in endpoints {
            let address = Address::new(&endpoint.host, endpoint.port);
            self.following.peers.set_address(endpoint.node, address, turn.effects);
        }
    }

    /// Copies the partition from whoever leads it, from the end of its log on; ends that where nobody does or this
    /// node leads.
    pub(crate) fn follow(&mut self, slot: Slot) {
        let Some(partition) = self.partitions.at(slot) else { return };
        let id = partition.id;
        let replica = &partition.replica;
        let leader = (!replica.is_leader() && replica.leader != NodeId::NONE && !partition.offline)
            .then_some(replica.leader);
        if partition.following != leader {
            self.unfollow(slot);
        }
        let Some(leader) = leader else { return };
        let settings = self.following.settings;
        let fetcher = self.following.fetchers.entry(leader).or_insert_with(|| Fetcher::new(leader, settings));
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        if partition.following.replace(leader).is_none() && fetcher.is_under_way() {
            self.following.in_a_hurry.insert(leader);
        }
        let log = &partition.log;
        let position = Position {
            fetch_offset: partition.fetch_offset(),
            log_start_offset: log.log_start_offset(),
            leader_epoch: partition.replica.leader_epoch,
            last_fetched_epoch: log.0.latest_epoch().unwrap_or(LeaderEpoch::NONE),
        };
        fetcher.set(id, &partition.topic, position);
        if partition.may_not_be_fetched() {
            fetcher.hold(&id);
        }
    }

    /// What the partition waited for may be over.
    pub(super) fn follow_on(&mut self, slot: Slot) {
        let follows = self.partitions.at(slot).is_some_and(|at| at.following.is_some());
        if follows {
            self.follow(slot);
        }
    }

    pub(crate) fn unfollow(&mut self, slot: Slot) {
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let (id, Some(leader)) = (partition.id, partition.following.take()) else { return };
        if let Some(fetcher) = self.following.fetchers.get_mut(&leader) {
            fetcher.remove(&id);
        }
    }

    /// Does what was answered and asks for more, until every fetcher waits.
    pub(super) fn run_fetchers(&mut self, turn: &mut Turn) {
        self.hurry(turn);
        loop {
            let done = self.following.peers.take_done();
            if done.is_empty() && !self.poll_fetchers(turn) {
                return;
            }
            done.into_iter().for_each(|done| self.on_fetcher_answer(turn, done));
        }
    }

    /// A leader may hold back an answer for half a second, while producers wait for partitions that are new to this
    /// fetcher: it is asked anew on another connection, now and then.
    fn hurry(&mut self, turn: &mut Turn) {
        let Following { peers, fetchers, in_a_hurry, spared_until_us, .. } = &mut self.following;
        if in_a_hurry.is_empty() {
            return;
        }
        spared_until_us.retain(|_, until| *until > turn.now.monotonic_us);
        let (spared, leaders) =
            std::mem::take(in_a_hurry).into_iter().partition(|leader| spared_until_us.contains_key(leader));
        *in_a_hurry = spared;
        let leaders: BTreeSet<NodeId> = leaders;
        let mut done = Vec::new();
        for leader in leaders {
            spared_until_us.insert(leader, turn.after_ms(HURRY_MS));
            let Some(address) = peers.address(leader).cloned() else { continue };
            done.append(&mut peers.take_done());
            peers.forget(leader, turn.effects);
            peers.set_address(leader, address, turn.effects);
            peers.take_done();
            if let Some(fetcher) = fetchers.get_mut(&leader) {
                fetcher.restart();
            }
        }
        done.into_iter().for_each(|done| self.on_fetcher_answer(turn, done));
    }

    /// True where something was asked.
    fn poll_fetchers(&mut self, turn: &mut Turn) -> bool {
        if self.stopping {
            return false;
        }
        let broker_epoch = self.broker_epoch();
        let Following { peers, fetchers, request_timeout_ms, .. } = &mut self.following;
        fetchers.retain(|_, fetcher| !fetcher.is_empty() || fetcher.is_under_way());
        let mut any = false;
        for (leader, fetcher) in fetchers {
            if !peers.may_send(turn.now, *leader) {
                continue;
            }
            let Some(asked) = fetcher.poll(turn.now.monotonic_us, broker_epoch) else { continue };
            let request = match asked {
                Asked::Fetch(request) => Request::Fetch(request),
                Asked::ListOffsets(request) => Request::ListOffsets(request),
            };
            peers.send(turn.now, *leader, request, (), *request_timeout_ms, turn.effects);
            any = true;
        }
        any
    }

    fn on_fetcher_answer(&mut self, turn: &mut Turn, done: Done<()>) {
        // its next request names them
        self.following.in_a_hurry.remove(&done.peer);
        let Some(fetcher) = self.following.fetchers.get_mut(&done.peer) else { return };
        let now_us = turn.now.monotonic_us;
        let deliveries = match done.result {
            Ok((_, Response::Fetch(response))) => fetcher.on_fetched(now_us, response),
            Ok((_, Response::ListOffsets(response))) => fetcher.on_offsets(now_us, &response),
            Ok(_) | Err(_) => return fetcher.on_failed(now_us),
        };
        for delivery in deliveries {
            self.take_delivery(turn, delivery);
        }
    }

    fn take_delivery(&mut self, turn: &mut Turn, delivery: Delivery) {
        let (Delivery::Records { id, .. }
        | Delivery::Diverged { id, .. }
        | Delivery::LeaderEndsAt { id, .. }
        | Delivery::LeaderStartsAt { id, .. }
        | Delivery::Fenced { id }) = &delivery;
        let Some(slot) = self.partitions.slot(id) else { return };
        match delivery {
            Delivery::Records { records, high_watermark, log_start_offset, .. } => {
                self.append_followed(turn, slot, &records, high_watermark, log_start_offset);
            }
            Delivery::Diverged { leader_epoch, end_offset, .. } => {
                self.cut_diverged(turn, slot, leader_epoch, end_offset);
            }
            Delivery::LeaderEndsAt { offset, .. } => self.cut_followed(turn, slot, offset),
            Delivery::LeaderStartsAt { offset, .. } => self.begin_anew(turn, slot, offset),
            Delivery::Fenced { .. } => {
                let Some(partition) = self.partitions.at(slot) else { return };
                let (name, epoch) = (partition.name(), partition.replica.leader_epoch);
                turn.log(Level::Info, format!("{name}: its leader knows a newer epoch than {epoch}"));
            }
        }
    }

    fn append_followed(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        records: &Records,
        high_watermark: Offset,
        log_start_offset: Offset,
    ) {
        let bytes = records.bytes().unwrap_or_default();
        let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
            return;
        };
        if !bytes.is_empty() {
            let epoch = partition.replica.leader_epoch;
            match partition.log.0.append_as_follower(&bytes, epoch, turn.now.wall_ms) {
                Ok(followed) => {
                    self.metrics.replication_bytes_in += followed.bytes as u64;
                    self.note_unflushed(turn, slot, followed.bytes as u64, followed.rolled);
                }
                Err(AppendError::OutOfOrder { offset, end })
                    if begins_within(partition, &bytes, log_start_offset) =>
                {
                    return self.begin_in_batch(turn, slot, offset, end);
                }
                Err(error) => return self.on_append_refused(turn, slot, &error),
            }
        }
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        if partition.follow_leader(high_watermark, log_start_offset) || !bytes.is_empty() {
            self.partitions.mark_changed(slot);
        }
        let throttled = self.partitions.at(slot).is_some_and(|at| at.throttled_as_follower);
        self.follow(slot);
        if throttled {
            self.throttles.follower.record(turn.now.monotonic_us, bytes.len() as u64);
            self.hold_throttled(turn);
        }
    }

    /// Partitions that lag and are throttled are not fetched before the rate is kept again.
    fn hold_throttled(&mut self, turn: &Turn) {
        let Some(until) = self.throttles.follower.exceeded_until(turn.now.monotonic_us) else { return };
        let node = self.node.node_id;
        for partition in self.partitions.iter() {
            if partition.throttled_as_follower
                && !partition.is_in_sync(node)
                && let Some(leader) = partition.following
                && let Some(fetcher) = self.following.fetchers.get_mut(&leader)
            {
                fetcher.pause_until(&partition.id, until);
                self.throttles.held.insert(partition.id);
            }
        }
    }

    /// An image may have raised the rate, ended the throttle, or set a partition to be fetched anew: those that were
    /// held begin again, and are held by what counts now.
    pub(super) fn hold_throttled_anew(&mut self, turn: &Turn) {
        let held = std::mem::take(&mut self.throttles.held);
        if held.is_empty() {
            return;
        }
        for slot in held.iter().filter_map(|id| self.partitions.slot(id)).collect::<Vec<_>>() {
            self.follow_on(slot);
        }
        self.hold_throttled(turn);
    }

    fn on_append_refused(&mut self, turn: &mut Turn, slot: Slot, error: &AppendError) {
        let Some(partition) = self.partitions.at(slot) else { return };
        let text = format!("{}: what its leader sent is not appended: {error}", partition.name());
        match error {
            AppendError::Storage(failed) if failed.is_directory_failed() => {
                return self.fail_directory_of(turn, slot, failed.to_string());
            }
            AppendError::Storage(_) => self.tell_full(turn, text),
            _ => turn.log(Level::Error, text),
        }
        self.retry_later(turn, slot);
    }

    fn retry_later(&mut self, turn: &Turn, slot: Slot) {
        let Some(partition) = self.partitions.at(slot) else { return };
        let fetcher = partition.following.and_then(|leader| self.following.fetchers.get_mut(&leader));
        if let Some(fetcher) = fetcher {
            fetcher.retry_later(&partition.id, turn.now.monotonic_us);
        }
    }

    fn cut_diverged(&mut self, turn: &mut Turn, slot: Slot, leader_epoch: LeaderEpoch, leader_end: Offset) {
        let Some(partition) = self.partitions.at(slot) else { return };
        let (epoch, end_offset) = partition.log.end_offset_for_epoch(leader_epoch);
        let local = LocalEpochEnd { epoch, end_offset };
        let cut = truncation_offset(leader_epoch, leader_end, local, partition.log.log_end_offset());
        self.cut_followed(turn, slot, cut);
    }

    /// As Kafka did before KIP-101, for the proof that it is found: never there without the feature `planted`.
    pub(super) fn cut_at_high_watermark(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(partition) = self.partitions.at(slot) else { return };
        let high_watermark = partition.replica.high_watermark();
        self.cut_followed(turn, slot, high_watermark);
    }

    /// Drops the log's records from `offset` on.
    fn cut_followed(&mut self, turn: &mut Turn, slot: Slot, offset: Offset) {
        let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
            return;
        };
        let (end, epoch) = (partition.log.log_end_offset(), partition.log.0.latest_epoch());
        let (recovery_point, high_watermark) =
            (partition.log.0.recovery_point(), partition.replica.high_watermark());
        partition.fetch_from = Offset::ZERO;
        let cut = partition.log.0.truncate_to(offset, turn.now.wall_ms);
        match cut {
            Ok(_) => {}
            // nothing was cut: this replica alone stays behind
            Err(ReadError::Corrupt(reason)) => {
                let text = format!("{}: not cut to {offset}: {reason}", partition.name());
                turn.log(Level::Error, text);
                return self.retry_later(turn, slot);
            }
            Err(error) => return self.fail_directory_of(turn, slot, error.to_string()),
        }
        let now = partition.log.log_end_offset();
        if now < end {
            let level = if now < high_watermark { Level::Warning } else { Level::Info };
            let text = format!(
                "{}: cut from {end} to {now}, where its leader's log goes another way (high watermark {high_watermark})",
                partition.name()
            );
            turn.log(level, text);
        }
        let changed = now < end || partition.log.0.latest_epoch() != epoch;
        self.on_log_replaced(turn, slot, recovery_point);
        if !changed {
            // nothing was learned: no rush to ask the same again
            self.retry_later(turn, slot);
        }
    }

    pub(super) fn on_log_replaced(&mut self, turn: &mut Turn, slot: Slot, recovery_point: Offset) {
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        let (start, end) = (partition.log.log_start_offset(), partition.log.log_end_offset());
        partition.replica.on_log_replaced(start, end);
        partition.log.on_high_watermark(partition.replica.high_watermark());
        let (directory, id) = (partition.directory, partition.id);
        self.cut_future(turn, &id);
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        if partition.log.0.recovery_point() < recovery_point {
            // else a start after a crash would take for synced what is appended behind the cut
            partition.awaits_checkpoint = true;
            self.rewrite_recovery_points(turn);
        }
        self.disk.want_flush(directory, slot);
        self.partitions.mark_changed(slot);
        self.follow(slot);
    }

    /// The recovery points of a directory are on the disk as they are now.
    pub(super) fn on_recovery_points_written(&mut self, directory: DirectoryIndex) {
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            let Some(partition) = self.partitions.at_mut(slot) else { continue };
            if partition.directory == directory && std::mem::take(&mut partition.awaits_checkpoint) {
                self.follow_on(slot);
            }
        }
    }

    pub(super) fn stop_following(&mut self, turn: &mut Turn) {
        let known: Vec<NodeId> = self.following.peers.known().collect();
        known.into_iter().for_each(|node| self.following.peers.forget(node, turn.effects));
        self.following.fetchers.clear();
    }

    pub(super) fn tick_fetchers(&mut self, turn: &mut Turn) {
        self.following.peers.on_tick(turn.now, turn.effects);
    }
}
