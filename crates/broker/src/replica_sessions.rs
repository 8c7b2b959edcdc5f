//! Fetch sessions of followers (KIP-227), as the shard that owns their partitions sees them: where each follower
//! stands, what it was told last, and which partitions may have news for it. A fetch looks at those alone, so that a
//! partition that nobody writes to costs nothing.
//! Invariant: a partition with something to tell, or whose follower was told something that its next fetch may confirm
//! without naming it, is in `ready`.

use std::collections::{BTreeMap, VecDeque};

use protocol::ErrorCode;
use types::TopicIdPartition;

use crate::event::ShardId;
use crate::fetch_session::FetchItem;
use crate::message::{FetchConditions, ReplicaFetchPart, WorkId};
use crate::partition_read::FetchOutcome;
use crate::partitions::Slot;
use crate::shard::{Shard, Turn};

/// A follower's session, by the shard that holds its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    pub shard: ShardId,
    pub session: i32,
}

#[derive(Debug)]
struct Entry {
    item: FetchItem,
    /// As answered last; -1 where that was an error.
    high_watermark: i64,
    log_start_offset: i64,
    is_ready: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct ReplicaSession {
    broker_epoch: i64,
    entries: BTreeMap<TopicIdPartition, Entry>,
    /// In the order in which they are read: those that had records go to the end, so that none starves.
    ready: VecDeque<TopicIdPartition>,
    /// The fetch that waits for news, and how it reads.
    waiting: Option<(WorkId, FetchConditions)>,
}

impl ReplicaSession {
    fn make_ready(&mut self, id: TopicIdPartition) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !entry.is_ready
        {
            entry.is_ready = true;
            self.ready.push_back(id);
        }
    }

    fn note_broker_epoch(&mut self, broker_epoch: i64) {
        if std::mem::replace(&mut self.broker_epoch, broker_epoch) != broker_epoch {
            let all: Vec<_> = self.entries.keys().copied().collect();
            all.into_iter().for_each(|id| self.make_ready(id));
        }
    }
}

impl Entry {
    /// Whether the follower is to be told; remembers what.
    fn tell(&mut self, outcome: &mut FetchOutcome, names_all: bool) -> bool {
        let failed = outcome.error != ErrorCode::None;
        let high_watermark = if failed { -1 } else { outcome.high_watermark };
        let starts_elsewhere = self.log_start_offset != outcome.log_start_offset;
        // others may wait for the follower to have deleted as much
        outcome.is_news = starts_elsewhere && !failed && !names_all;
        let tells = names_all
            || failed
            || outcome.size > 0
            || outcome.has_advice()
            || starts_elsewhere
            || self.high_watermark != high_watermark;
        self.high_watermark = high_watermark;
        self.log_start_offset = outcome.log_start_offset;
        tells
    }
}

impl Shard {
    /// Takes over what the fetch says, and reads what may be news.
    pub(crate) fn look_for_replica(
        &mut self,
        turn: &mut Turn,
        key: SessionKey,
        id: WorkId,
        part: ReplicaFetchPart,
    ) -> Vec<(TopicIdPartition, FetchOutcome)> {
        let ReplicaFetchPart { is_new, items, forgotten, conditions, watch, .. } = part;
        if is_new {
            self.end_replica_session(key);
            let session = ReplicaSession {
                broker_epoch: conditions.broker_epoch,
                entries: BTreeMap::new(),
                ready: VecDeque::new(),
                waiting: None,
            };
            self.replica_sessions.insert(key, session);
        }
        for id in &forgotten {
            self.forget_replica(key, id);
        }
        let Some(session) = self.replica_sessions.get_mut(&key) else { return Vec::new() };
        session.note_broker_epoch(conditions.broker_epoch);
        for (id, item) in items {
            match session.entries.get_mut(&id) {
                Some(entry) => entry.item = item,
                None => {
                    let entry = Entry { item, high_watermark: -1, log_start_offset: -1, is_ready: false };
                    session.entries.insert(id, entry);
                }
            }
            session.make_ready(id);
        }
        let outcomes = self.read_ready(turn, key, &conditions, is_new);
        if let Some(session) = self.replica_sessions.get_mut(&key) {
            let later = FetchConditions { is_first_read: false, ..conditions };
            session.waiting = watch.then_some((id, later));
        }
        outcomes
    }

    /// Reads every partition that may have news. Those that have none leave `ready`.
    fn read_ready(
        &mut self,
        turn: &mut Turn,
        key: SessionKey,
        conditions: &FetchConditions,
        names_all: bool,
    ) -> Vec<(TopicIdPartition, FetchOutcome)> {
        let Some(mut session) = self.replica_sessions.remove(&key) else { return Vec::new() };
        let (mut starved, mut told) = (VecDeque::new(), VecDeque::new());
        let mut outcomes = Vec::new();
        let mut left = conditions.max_bytes.max(0) as u64;
        let mut any = false;
        for id in std::mem::take(&mut session.ready) {
            let Some(entry) = session.entries.get_mut(&id) else { continue };
            let mut outcome = self.read_partition(turn, &id, &entry.item, conditions, left, !any);
            any |= outcome.size > 0;
            left = left.saturating_sub(outcome.size);
            let has_more = self.subscribe(key, &id, entry.item.fetch_offset);
            let tells = entry.tell(&mut outcome, names_all);
            match (has_more && outcome.size == 0 && !outcome.error.is_error(), tells) {
                (true, _) => starved.push_back(id),
                (false, true) => told.push_back(id),
                (false, false) => entry.is_ready = false,
            }
            if tells {
                outcomes.push((id, outcome));
            }
        }
        starved.append(&mut told);
        session.ready = starved;
        self.replica_sessions.insert(key, session);
        outcomes
    }

    /// The partition's changes are news for the session. True where its log goes on behind the offset.
    fn subscribe(&mut self, key: SessionKey, id: &TopicIdPartition, fetch_offset: i64) -> bool {
        let Some(partition) = self.partitions.get_mut(id) else { return false };
        if !partition.sessions.contains(&key) {
            partition.sessions.push(key);
        }
        partition.replica.is_leader() && partition.log.log_end_offset().0 > fetch_offset
    }

    fn forget_replica(&mut self, key: SessionKey, id: &TopicIdPartition) {
        if let Some(session) = self.replica_sessions.get_mut(&key)
            && let Some(entry) = session.entries.remove(id)
            && entry.is_ready
        {
            session.ready.retain(|ready| ready != id);
        }
        if let Some(partition) = self.partitions.get_mut(id) {
            partition.sessions.retain(|one| *one != key);
        }
    }

    pub(crate) fn end_replica_session(&mut self, key: SessionKey) {
        let Some(session) = self.replica_sessions.remove(&key) else { return };
        for id in session.entries.keys() {
            if let Some(partition) = self.partitions.get_mut(id) {
                partition.sessions.retain(|one| *one != key);
            }
        }
    }

    /// The partition has changed; `wakes`: so that a fetch that waits should look.
    pub(crate) fn tell_replica_sessions(&mut self, slot: Slot, wakes: bool) {
        let Some(partition) = self.partitions.at(slot) else { return };
        for key in &partition.sessions {
            let Some(session) = self.replica_sessions.get_mut(key) else { continue };
            session.make_ready(partition.id);
            if wakes && session.waiting.is_some() {
                self.replica_wakes.insert(*key);
            }
        }
    }

    /// At the end of a turn: fetches that wait look at what has changed in it.
    pub(crate) fn wake_replica_sessions(&mut self, turn: &mut Turn) {
        for key in std::mem::take(&mut self.replica_wakes) {
            let waiting = self.replica_sessions.get_mut(&key).and_then(|session| session.waiting.take());
            let Some((id, conditions)) = waiting else { continue };
            if key.shard != self.id {
                turn.send(key.shard, crate::message::Message::FetchWake { id });
                continue;
            }
            let outcomes = self.read_ready(turn, key, &conditions, false);
            if !crate::handlers::replica_fetch::on_outcomes(self, turn, id, outcomes, false)
                && let Some(session) = self.replica_sessions.get_mut(&key)
            {
                session.waiting = Some((id, conditions));
            }
        }
    }
}
