//! Fetch: reads what is there, in the order that the session gives, and waits where that is too little. Every
//! shard reads its own partitions; the connection's shard holds the row and puts the answer together.

use protocol::messages::fetch_request::FetchRequest;
use protocol::messages::fetch_response::{FetchResponse, FetchableTopicResponse, NodeEndpoint};
use protocol::{ErrorCode, Records, Response};
use types::TopicIdPartition;

use crate::event::ShardId;
use crate::fetch_session::{Answered, Context, FetchItem, SessionRequest, TopicKey};
use crate::handlers::replica_fetch;
use crate::message::{FetchConditions, FetchPart, Message, Part, PartReply, WorkId};
use crate::partition_read::FetchOutcome;
use crate::purgatory::NEVER;
use crate::shard::{Answer, Call, Origin, Shard, Turn};
use crate::watch::Watcher;

/// A fetch that is not answered yet.
pub(crate) struct FetchWait {
    call: Call,
    context: Context,
    conditions: FetchConditions,
    min_bytes: u64,
    items: Vec<FetchItem>,
    /// For each item: the partition and its owner, or why there is none.
    places: Vec<Result<(TopicIdPartition, ShardId), ErrorCode>>,
    outcomes: Vec<FetchOutcome>,
    /// Other shards that own some of the partitions.
    elsewhere: Vec<ShardId>,
    /// Parts without an answer yet.
    missing: usize,
    expired: bool,
}

pub(crate) fn handle(shard: &mut Shard, turn: &mut Turn, call: Call, request: FetchRequest) -> Answer {
    let replica_id =
        if call.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let session = SessionRequest {
        session: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids: call.api_version >= 13,
        privileged: replica_id >= 0,
    };
    let max_bytes = request.max_bytes.min(shard.node.settings.fetch_max_bytes).max(0);
    let finds_nearest = shard.node.settings.replica_selector_rack_aware && replica_id < 0;
    let conditions = FetchConditions {
        api_version: call.api_version,
        replica_id,
        broker_epoch: if call.api_version >= 15 { request.replica_state.replica_epoch } else { -1 },
        is_first_read: true,
        max_bytes,
        read_committed: request.isolation_level == 1,
        client_rack: (finds_nearest && !request.rack_id.is_empty()).then(|| request.rack_id.detached()),
    };
    if let Some(answer) = replica_fetch::handle(shard, turn, call, &request, conditions.clone()) {
        return answer;
    }
    let (min_bytes, max_wait_ms) = (request.min_bytes.min(max_bytes).max(0) as u64, request.max_wait_ms);
    let forgotten = forgotten(&request);
    let begun = shard.sessions.begin(turn.now, session, items_of(&request).collect(), &forgotten);
    let (context, items) = match begun {
        Ok(begun) => begun,
        Err(error) => return refuse(error),
    };
    let wait = locate(shard, call, context, conditions, min_bytes, items);
    start(shard, turn, wait, max_wait_ms)
}

fn refuse(error: ErrorCode) -> Answer {
    Answer::Response(Response::Fetch(FetchResponse { error_code: error.code(), ..Default::default() }))
}

pub(super) fn items_of(request: &FetchRequest) -> impl Iterator<Item = FetchItem> {
    request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| FetchItem {
            topic: TopicKey { id: topic.topic_id, name: topic.topic.clone() },
            partition: partition.partition,
            fetch_offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
            log_start_offset: partition.log_start_offset,
        })
    })
}

fn forgotten(request: &FetchRequest) -> Vec<(TopicKey, i32)> {
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = TopicKey { id: topic.topic_id, name: topic.topic.clone() };
        forgotten.extend(topic.partitions.iter().map(|&partition| (key.clone(), partition)));
    }
    forgotten
}

fn locate(
    shard: &Shard,
    call: Call,
    context: Context,
    conditions: FetchConditions,
    min_bytes: u64,
    items: Vec<FetchItem>,
) -> FetchWait {
    let mut elsewhere = Vec::new();
    let mut places = Vec::with_capacity(items.len());
    for item in &items {
        let place = shard.cluster.resolve(&item.topic, item.partition);
        if let Ok((_, owner)) = place
            && owner != shard.id
            && !elsewhere.contains(&owner)
        {
            elsewhere.push(owner);
        }
        places.push(place);
    }
    let outcome = |(place, item): (&Result<_, ErrorCode>, &FetchItem)| {
        let error = place.as_ref().err().copied().unwrap_or_default();
        let mut outcome = FetchOutcome::failed(error);
        if error == ErrorCode::NotLeaderOrFollower {
            outcome.leader = shard.cluster.leader_by_key(&item.topic, item.partition);
        }
        outcome
    };
    let outcomes = places.iter().zip(&items).map(outcome).collect();
    FetchWait {
        call,
        context,
        conditions,
        min_bytes,
        items,
        places,
        outcomes,
        elsewhere,
        missing: 0,
        expired: false,
    }
}

fn start(shard: &mut Shard, turn: &mut Turn, mut wait: FetchWait, max_wait_ms: i32) -> Answer {
    wait.read_here(shard, turn);
    let part_conditions = wait.conditions.clone();
    wait.conditions.is_first_read = false;
    if wait.elsewhere.is_empty() && (max_wait_ms <= 0 || wait.is_satisfied()) {
        return Answer::Response(wait.finish(shard, turn));
    }
    let id = shard.new_work();
    let waits = max_wait_ms > 0 && shard.fetches.len() < shard.node.limits.purgatory_rows;
    wait.expired = !waits;
    wait.missing = wait.elsewhere.len();
    for &owner in &wait.elsewhere {
        let part = FetchPart { conditions: part_conditions.clone(), ..wait.part_for(owner, waits) };
        turn.send(owner, Message::Part { id, part: Part::Fetch(part) });
    }
    if waits {
        let is_replica = wait.conditions.is_from_replica();
        shard.watch(Watcher { shard: shard.id, id }, &wait.partitions_of(shard.id), is_replica);
    }
    let deadline = if waits { turn.after_ms(i64::from(max_wait_ms)) } else { NEVER };
    if let Some(connection) = shard.connections.get_mut(&wait.call.connection) {
        connection.fetch = Some(id);
    }
    shard.fetches.insert(id, deadline, wait);
    Answer::Later
}

/// Reads for another shard's fetch.
pub(crate) fn run_part(shard: &mut Shard, turn: &mut Turn, origin: Origin, part: FetchPart) {
    let mut outcomes = Vec::with_capacity(part.items.len());
    let mut left = part.conditions.max_bytes.max(0) as u64;
    let mut partitions = Vec::new();
    let mut any = false;
    for (index, id, item) in part.items {
        let outcome = shard.read_partition(turn, &id, &item, &part.conditions, left, !any);
        any |= outcome.size > 0;
        left = left.saturating_sub(outcome.size);
        if !part.conditions.is_from_replica() {
            shard.count_read_for_other(&id, &outcome);
        }
        outcomes.push((index, outcome));
        partitions.push(id);
    }
    if let (true, Origin::There(from, id)) = (part.watch, origin) {
        shard.watch(Watcher { shard: from, id }, &partitions, part.conditions.is_from_replica());
    }
    shard.reply_part(turn, origin, PartReply::Fetch(outcomes));
}

/// Another shard has read.
pub(crate) fn on_reply(shard: &mut Shard, turn: &mut Turn, id: WorkId, outcomes: Vec<(u32, FetchOutcome)>) {
    let Some(wait) = shard.fetches.get_mut(id) else { return };
    for (index, outcome) in outcomes {
        if let Some(place) = wait.outcomes.get_mut(index as usize) {
            *place = outcome;
        }
    }
    wait.missing = wait.missing.saturating_sub(1);
    complete_if_satisfied(shard, turn, id);
}

/// A partition of this shard has changed.
pub(crate) fn on_wake_here(shard: &mut Shard, turn: &mut Turn, id: WorkId) {
    let Some((deadline, mut wait)) = shard.fetches.take_with_deadline(id) else { return };
    wait.read_here(shard, turn);
    let partitions = wait.partitions_of(shard.id);
    let is_replica = wait.conditions.is_from_replica();
    shard.fetches.insert(id, deadline, wait);
    if !complete_if_satisfied(shard, turn, id) {
        shard.watch(Watcher { shard: shard.id, id }, &partitions, is_replica);
    }
}

/// A partition of another shard has changed: ask it to read again.
pub(crate) fn on_wake_elsewhere(shard: &mut Shard, turn: &mut Turn, owner: ShardId, id: WorkId) {
    let Some(wait) = shard.fetches.get_mut(id) else { return };
    wait.missing += 1;
    let part = wait.part_for(owner, true);
    turn.send(owner, Message::Part { id, part: Part::Fetch(part) });
}

pub(crate) fn on_expired(shard: &mut Shard, turn: &mut Turn, id: WorkId, mut wait: FetchWait) {
    wait.expired = true;
    if wait.conditions.is_from_replica() {
        // what has moved since is told now: high watermarks wake no replica
        wait.read_here(shard, turn);
        wait.missing += wait.elsewhere.len();
        for &owner in &wait.elsewhere {
            turn.send(owner, Message::Part { id, part: Part::Fetch(wait.part_for(owner, false)) });
        }
    }
    shard.fetches.insert(id, NEVER, wait);
    complete_if_satisfied(shard, turn, id);
}

/// Nobody wants the answer any more; a deadline may be far away.
pub(crate) fn abandon(shard: &mut Shard, turn: &mut Turn, id: WorkId) {
    if let Some(wait) = shard.fetches.take(id) {
        forget(shard, turn, id, &wait);
    }
}

fn forget(shard: &mut Shard, turn: &mut Turn, id: WorkId, wait: &FetchWait) {
    shard.unwatch(Watcher { shard: shard.id, id });
    for &owner in &wait.elsewhere {
        turn.send(owner, Message::FetchForget { id });
    }
}

fn complete_if_satisfied(shard: &mut Shard, turn: &mut Turn, id: WorkId) -> bool {
    let Some(wait) = shard.fetches.get(id) else { return true };
    if wait.missing > 0 || !(wait.expired || wait.is_satisfied()) {
        return false;
    }
    if let Some(wait) = shard.fetches.take(id) {
        forget(shard, turn, id, &wait);
        let call = wait.call;
        let response = wait.finish(shard, turn);
        shard.answer(turn, call, Answer::Response(response));
    }
    true
}

impl FetchWait {
    fn read_here(&mut self, shard: &mut Shard, turn: &mut Turn) {
        let mut left = self.conditions.max_bytes.max(0) as u64;
        let mut any = false;
        for ((item, place), outcome) in self.items.iter().zip(&self.places).zip(&mut self.outcomes) {
            if let Ok((id, owner)) = place
                && *owner == shard.id
            {
                *outcome = shard.read_partition(turn, id, item, &self.conditions, left, !any);
                any |= outcome.size > 0;
                left = left.saturating_sub(outcome.size);
            }
        }
    }

    fn partitions_of(&self, owner: ShardId) -> Vec<TopicIdPartition> {
        let here = |place: &Result<(TopicIdPartition, ShardId), ErrorCode>| match place {
            Ok((id, at)) if *at == owner => Some(*id),
            _ => None,
        };
        self.places.iter().filter_map(here).collect()
    }

    fn part_for(&self, owner: ShardId, watch: bool) -> FetchPart {
        let mut items = Vec::new();
        for (index, (item, place)) in self.items.iter().zip(&self.places).enumerate() {
            if let Ok((id, at)) = place
                && *at == owner
            {
                items.push((index as u32, *id, item.clone()));
            }
        }
        FetchPart { items, conditions: self.conditions.clone(), watch }
    }

    /// Nothing to wait for: enough bytes, or something that the client should know at once.
    fn is_satisfied(&self) -> bool {
        let bytes: u64 = self.outcomes.iter().map(|outcome| outcome.size).sum();
        self.items.is_empty() || bytes >= self.min_bytes || self.outcomes.iter().any(FetchOutcome::is_urgent)
    }

    /// Shards read without knowing of each other: what is too much is left for the next fetch. The first that
    /// has records keeps them, however large.
    fn keep_within_limit(&mut self) {
        let mut left = self.conditions.max_bytes.max(0) as u64;
        let mut first = true;
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.size > 0) {
            if !first && outcome.size > left {
                outcome.records = Records::Empty;
                outcome.size = 0;
                continue;
            }
            first = false;
            left = left.saturating_sub(outcome.size);
        }
    }

    fn finish(mut self, shard: &mut Shard, turn: &mut Turn) -> Response {
        if !self.elsewhere.is_empty() {
            self.keep_within_limit();
        }
        let session_id = match self.context {
            Context::Sessionless => 0,
            Context::Incremental { session } => session,
            Context::Full { .. } => {
                let answered: Vec<_> =
                    self.items.iter().cloned().zip(self.outcomes.iter().map(answered)).collect();
                shard.sessions.create(turn.now, &mut shard.random, self.context, answered.into_iter())
            }
        };
        let mut response = FetchResponse { session_id, ..Default::default() };
        // Before that version an answer cannot say where a new leader is, and a client that does not know may fail of it.
        let names_leaders = self.call.api_version >= 16;
        let mut leaders = Vec::new();
        let places = self.places.into_iter();
        for ((item, mut outcome), place) in self.items.into_iter().zip(self.outcomes).zip(places) {
            if let Context::Incremental { session } = self.context
                && !shard.sessions.must_answer(session, &item, answered(&outcome))
            {
                continue;
            }
            match self.conditions.is_from_replica() {
                true => shard.metrics.replication_bytes_out += outcome.size,
                false => shard.count_read(place.ok(), &outcome),
            }
            if !names_leaders {
                outcome.leader = None;
            }
            leaders.extend(outcome.leader.map(|(node, _)| node));
            let data = outcome.into_data(item.partition, self.conditions.read_committed);
            match response.responses.last_mut() {
                Some(last) if last.topic == item.topic.name && last.topic_id == item.topic.id => {
                    last.partitions.push(data);
                }
                _ => response.responses.push(FetchableTopicResponse {
                    topic: item.topic.name,
                    topic_id: item.topic.id,
                    partitions: vec![data],
                }),
            }
        }
        if !leaders.is_empty() {
            response.node_endpoints = endpoints(shard, &self.call, &leaders);
        }
        Response::Fetch(response)
    }
}

fn answered(outcome: &FetchOutcome) -> Answered {
    Answered {
        error: outcome.error,
        high_watermark: outcome.high_watermark,
        log_start_offset: outcome.log_start_offset,
        has_records: outcome.size > 0,
        has_advice: outcome.has_advice(),
    }
}

fn endpoints(shard: &Shard, call: &Call, leaders: &[types::NodeId]) -> Vec<NodeEndpoint> {
    let endpoints = shard.cluster.endpoints(leaders, shard.listener_name(call));
    let endpoint = |endpoint: crate::cluster::Endpoint| NodeEndpoint {
        node_id: endpoint.node.0,
        host: endpoint.host,
        port: i32::from(endpoint.port),
        rack: endpoint.rack,
    };
    endpoints.into_iter().map(endpoint).collect()
}
