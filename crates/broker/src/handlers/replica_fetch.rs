//! Fetch of a follower that has a session and names topics by id: what it says goes to the shards that own the
//! partitions (`replica_sessions`), which give back what is news for it. Other fetches of replicas are `fetch`'s.
//! A session lives as long as its connection.

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::fetch_request::FetchRequest;
use protocol::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use protocol::{ErrorCode, Response};
use types::{TopicIdPartition, Uuid};

use crate::event::{ConnectionId, ShardId};
use crate::fetch_session::{FetchItem, TopicKey};
use crate::handlers::fetch;
use crate::message::{FetchConditions, Message, Part, PartReply, ReplicaFetchPart, WorkId};
use crate::partition_read::FetchOutcome;
use crate::purgatory::NEVER;
use crate::replica_sessions::SessionKey;
use crate::shard::{Answer, Call, Origin, Shard, Turn};

/// A session as the shard of its connection sees it.
#[derive(Debug)]
pub(crate) struct Front {
    connection: ConnectionId,
    /// Of the next request.
    epoch: i32,
    partitions: BTreeSet<TopicIdPartition>,
    /// Shards that were told of some of them.
    owners: BTreeSet<ShardId>,
    /// What this node does not know, yet or any more, or is no replica of.
    unresolved: BTreeMap<TopicIdPartition, FetchItem>,
    waiting: Option<WorkId>,
}

impl Front {
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }
}

/// A fetch that is not answered yet.
#[derive(Debug)]
pub(crate) struct ReplicaWait {
    call: Call,
    session: i32,
    conditions: FetchConditions,
    min_bytes: u64,
    /// What is told so far.
    outcomes: BTreeMap<TopicIdPartition, FetchOutcome>,
    /// Shards without an answer yet.
    missing: usize,
    expired: bool,
}

/// None where this is no fetch of this kind.
pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: &FetchRequest,
    conditions: FetchConditions,
) -> Option<Answer> {
    if !conditions.is_from_replica() || call.api_version < 13 {
        return None;
    }
    let (session, epoch) = (request.session_id, request.session_epoch);
    let is_new = epoch <= 0;
    // nobody ends or uses another's: an id may come from before the follower, or this node, began anew
    let is_own = |shard: &Shard| {
        shard.replica_fronts.get(&session).is_some_and(|front| front.connection == call.connection)
    };
    let session = if is_new {
        if is_own(shard) {
            end(shard, turn, session);
        }
        if epoch < 0 || request.topics.is_empty() {
            return None;
        }
        begin(shard, call.connection)?
    } else if is_own(shard) {
        session
    } else {
        return None;
    };
    let front = shard.replica_fronts.get_mut(&session)?;
    if !is_new && front.epoch != epoch {
        let error_code = ErrorCode::InvalidFetchSessionEpoch.code();
        return Some(Response::Fetch(FetchResponse { error_code, ..Default::default() }).into());
    }
    front.epoch = if front.epoch == i32::MAX { 1 } else { front.epoch + 1 };
    let mut wait = ReplicaWait {
        call,
        session,
        min_bytes: request.min_bytes.min(conditions.max_bytes).max(0) as u64,
        conditions,
        outcomes: BTreeMap::new(),
        missing: 0,
        expired: request.max_wait_ms <= 0,
    };
    let parts = parts_of(shard, &mut wait, request);
    let id = shard.new_work();
    let deadline = if wait.expired { NEVER } else { turn.after_ms(i64::from(request.max_wait_ms)) };
    wait.missing = parts.len();
    // there is nothing that could come
    wait.expired |= shard.replica_fronts.get(&session).is_some_and(|front| front.partitions.is_empty());
    wait.conditions.is_first_read = false;
    if let Some(front) = shard.replica_fronts.get_mut(&session) {
        front.waiting = Some(id);
    }
    shard.replica_fetches.insert(id, deadline, wait);
    for (owner, part) in parts {
        shard.send_part(turn, owner, id, Part::ReplicaFetch(part));
    }
    // where nobody was asked
    complete(shard, turn, id);
    Some(Answer::Later)
}

/// None where there is no room for a session.
fn begin(shard: &mut Shard, connection: ConnectionId) -> Option<i32> {
    let sessions = shard.replica_fronts.len() + shard.sessions.len();
    if sessions >= shard.sessions.slots() {
        return None;
    }
    let id = loop {
        let id = (shard.random.below(i32::MAX as u64 - 1) + 1) as i32;
        if !shard.replica_fronts.contains_key(&id) && !shard.sessions.contains(id) {
            break id;
        }
    };
    let front = Front {
        connection,
        epoch: 0,
        partitions: BTreeSet::new(),
        owners: BTreeSet::new(),
        unresolved: BTreeMap::new(),
        waiting: None,
    };
    shard.replica_fronts.insert(id, front);
    Some(id)
}

/// What each shard is to be told and asked.
fn parts_of(
    shard: &mut Shard,
    wait: &mut ReplicaWait,
    request: &FetchRequest,
) -> Vec<(ShardId, ReplicaFetchPart)> {
    // of a session that is older, too: none of their partitions was in it before
    let mut new_owners = BTreeSet::new();
    let mut items: BTreeMap<ShardId, Vec<(TopicIdPartition, FetchItem)>> = BTreeMap::new();
    let mut gone: BTreeMap<ShardId, Vec<TopicIdPartition>> = BTreeMap::new();
    let Some(front) = shard.replica_fronts.get_mut(&wait.session) else { return Vec::new() };
    for topic in &request.forgotten_topics_data {
        for &partition in &topic.partitions {
            let id = TopicIdPartition { topic_id: topic.topic_id, partition };
            front.partitions.remove(&id);
            if front.unresolved.remove(&id).is_none() {
                gone.entry(crate::routing::shard_of(&id, shard.node.shards)).or_default().push(id);
            }
        }
    }
    let named = fetch::items_of(request).map(|item| (id_of(&item), item));
    let wanted: Vec<_> = std::mem::take(&mut front.unresolved).into_iter().chain(named).collect();
    for (id, item) in wanted {
        front.partitions.insert(id);
        match shard.cluster.resolve(&item.topic, id.partition) {
            Ok((_, owner)) => {
                if front.owners.insert(owner) {
                    new_owners.insert(owner);
                }
                items.entry(owner).or_default().push((id, item));
            }
            Err(error) => {
                let mut outcome = FetchOutcome::failed(error);
                if error == ErrorCode::NotLeaderOrFollower {
                    outcome.leader = shard.cluster.leader_by_key(&item.topic, id.partition);
                }
                wait.outcomes.insert(id, outcome);
                front.unresolved.insert(id, item);
            }
        }
    }
    let conditions = wait.conditions.for_shares(front.owners.len());
    wait.conditions = conditions.clone();
    let part = |&owner: &ShardId| {
        let part = ReplicaFetchPart {
            session: wait.session,
            is_new: new_owners.contains(&owner),
            items: items.remove(&owner).unwrap_or_default(),
            forgotten: gone.remove(&owner).unwrap_or_default(),
            conditions: conditions.clone(),
            watch: !wait.expired,
        };
        (owner, part)
    };
    front.owners.iter().map(part).collect()
}

fn id_of(item: &FetchItem) -> TopicIdPartition {
    let TopicKey { id: topic_id, .. } = item.topic;
    TopicIdPartition { topic_id, partition: item.partition }
}

/// The owner's side.
pub(crate) fn run_part(shard: &mut Shard, turn: &mut Turn, origin: Origin, part: ReplicaFetchPart) {
    let (at, id) = match origin {
        Origin::Gather(id) => (shard.id, id),
        Origin::There(from, id) => (from, id),
    };
    let key = SessionKey { shard: at, session: part.session };
    let outcomes = shard.look_for_replica(turn, key, id, part);
    match origin {
        Origin::Gather(id) => {
            on_outcomes(shard, turn, id, outcomes, true);
        }
        Origin::There(from, id) => {
            turn.send(from, Message::PartReply { id, reply: PartReply::ReplicaFetch(outcomes) });
        }
    }
}

/// News for a fetch that waits; `answers`: the shard was asked for it. True where the fetch is over.
pub(crate) fn on_outcomes(
    shard: &mut Shard,
    turn: &mut Turn,
    id: WorkId,
    outcomes: Vec<(TopicIdPartition, FetchOutcome)>,
    answers: bool,
) -> bool {
    let Some(wait) = shard.replica_fetches.get_mut(id) else { return true };
    wait.outcomes.extend(outcomes);
    if answers {
        wait.missing = wait.missing.saturating_sub(1);
    }
    complete(shard, turn, id)
}

/// A partition of another shard has changed: that is asked again.
pub(crate) fn on_wake_elsewhere(shard: &mut Shard, turn: &mut Turn, owner: ShardId, id: WorkId) {
    if let Some(wait) = shard.replica_fetches.get_mut(id) {
        wait.missing += 1;
        let part = wait.next_look(true);
        shard.send_part(turn, owner, id, Part::ReplicaFetch(part));
    }
}

/// What has moved since is told now: high watermarks wake nobody.
pub(crate) fn on_expired(shard: &mut Shard, turn: &mut Turn, id: WorkId, mut wait: ReplicaWait) {
    let front = shard.replica_fronts.get(&wait.session);
    let owners: Vec<ShardId> = front.map(|front| front.owners.iter().copied().collect()).unwrap_or_default();
    wait.expired = true;
    wait.missing += owners.len();
    let part = wait.next_look(false);
    shard.replica_fetches.insert(id, NEVER, wait);
    for owner in owners {
        shard.send_part(turn, owner, id, Part::ReplicaFetch(part.clone()));
    }
    complete(shard, turn, id);
}

/// The connection is gone, and its session with it.
pub(crate) fn on_closed(shard: &mut Shard, turn: &mut Turn, connection: ConnectionId) {
    let of = |(id, front): (&i32, &Front)| (front.connection == connection).then_some(*id);
    let sessions: Vec<i32> = shard.replica_fronts.iter().filter_map(of).collect();
    sessions.into_iter().for_each(|session| end(shard, turn, session));
}

fn end(shard: &mut Shard, turn: &mut Turn, session: i32) {
    let Some(front) = shard.replica_fronts.remove(&session) else { return };
    if let Some(id) = front.waiting {
        shard.replica_fetches.take(id);
    }
    for owner in front.owners {
        if owner == shard.id {
            shard.end_replica_session(SessionKey { shard: owner, session });
        } else {
            turn.send(owner, Message::SessionEnded { session });
        }
    }
}

/// Answers where enough is known. True where that is done.
fn complete(shard: &mut Shard, turn: &mut Turn, id: WorkId) -> bool {
    let Some(wait) = shard.replica_fetches.get(id) else { return true };
    if wait.missing > 0 || !(wait.expired || wait.is_satisfied()) {
        return false;
    }
    let Some(wait) = shard.replica_fetches.take(id) else { return true };
    let ReplicaWait { call, session, outcomes, .. } = wait;
    let mut session_id = session;
    match shard.replica_fronts.get_mut(&session) {
        // a session without partitions is none
        Some(front) if front.partitions.is_empty() => {
            front.waiting = None;
            end(shard, turn, session);
            session_id = 0;
        }
        Some(front) => front.waiting = None,
        None => session_id = 0,
    }
    let mut response = FetchResponse { session_id, ..Default::default() };
    for (id, outcome) in outcomes {
        shard.metrics.replication_bytes_out += outcome.size;
        push(&mut response.responses, id.topic_id, outcome.into_data(id.partition, false));
    }
    shard.answer(turn, call, Answer::Response(Response::Fetch(response)));
    true
}

fn push(topics: &mut Vec<FetchableTopicResponse>, topic_id: Uuid, data: PartitionData) {
    match topics.last_mut().filter(|last| last.topic_id == topic_id) {
        Some(last) => last.partitions.push(data),
        None => topics.push(FetchableTopicResponse {
            topic_id,
            partitions: vec![data],
            ..FetchableTopicResponse::default()
        }),
    }
}

impl ReplicaWait {
    fn is_satisfied(&self) -> bool {
        let bytes: u64 = self.outcomes.values().map(|outcome| outcome.size).sum();
        bytes >= self.min_bytes || self.outcomes.values().any(FetchOutcome::is_urgent)
    }

    fn next_look(&self, watch: bool) -> ReplicaFetchPart {
        ReplicaFetchPart {
            session: self.session,
            is_new: false,
            items: Vec::new(),
            forgotten: Vec::new(),
            conditions: self.conditions.clone(),
            watch,
        }
    }
}
