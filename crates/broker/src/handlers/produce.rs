//! Produce: appends each partition's batch where it is led. With acks=all the answer waits until every in-sync
//! replica has the records; with `flush.messages=1` until they are on disk. acks=0 is answered by silence, or by
//! the end of the connection where something went wrong.

use protocol::messages::produce_request::ProduceRequest;
use protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse};
use protocol::{ErrorCode, Response};
use types::{Offset, TopicIdPartition};

use crate::event::ShardId;
use crate::message::{Part, PartReply, Place, ProduceItem, ProducePart};
use crate::metrics::TopicCounts;
use crate::partition::AckNeed;
use crate::partitions::Slot;
use crate::shard::{Answer, Call, Origin, Shard, Turn};

/// An append whose answer must wait.
pub(crate) struct Pending {
    pub place: Place,
    pub slot: Slot,
    pub need: AckNeed,
    pub required: Offset,
}

/// A request on its way through its partitions.
struct Progress {
    acks: i16,
    api_version: i16,
    /// Only Kafka's own admin client may write to internal topics.
    may_write_internal: bool,
    pending: Vec<Pending>,
    elsewhere: Vec<(ShardId, Vec<ProduceItem>)>,
}

pub(crate) fn handle(shard: &mut Shard, turn: &mut Turn, call: Call, request: ProduceRequest) -> Answer {
    let refused = refused_whole(&request);
    let mut progress = Progress {
        acks: request.acks,
        api_version: call.api_version,
        may_write_internal: shard.client_id(&call).is_some_and(|id| **id == *"__admin_client"),
        pending: Vec::new(),
        elsewhere: Vec::new(),
    };
    let mut response = ProduceResponse::default();
    response.responses.reserve_exact(request.topic_data.len());
    for (t, topic) in request.topic_data.into_iter().enumerate() {
        let topic_id = match refused {
            Some(error) => Err(error),
            None if call.api_version >= 13 => Ok(topic.topic_id),
            None => match shard.cluster.topic_by_name(&topic.name) {
                Some(found) => Ok(found.id()),
                None => Err(ErrorCode::UnknownTopicOrPartition),
            },
        };
        let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
        for (p, data) in topic.partition_data.into_iter().enumerate() {
            let mut answer = empty_answer(data.index);
            let partition = topic_id.map(|topic_id| TopicIdPartition { topic_id, partition: data.index });
            let done = partition.and_then(|partition| {
                let records = data.records.unwrap_or_default();
                let item = ProduceItem { place: (t as u32, p as u32), partition, records };
                progress.append_or_pass_on(shard, turn, item)
            });
            match done {
                Err(error) => fail(&mut answer, error),
                Ok(Some(done)) => answer = done,
                Ok(None) => {}
            }
            partition_responses.push(answer);
        }
        let (name, topic_id) = (topic.name, topic.topic_id);
        response.responses.push(TopicProduceResponse { name, topic_id, partition_responses });
    }
    progress.end(shard, turn, call, response, request.timeout_ms)
}

impl Progress {
    /// The answer where the partition is on this shard; None where another one is to give it.
    fn append_or_pass_on(
        &mut self,
        shard: &mut Shard,
        turn: &mut Turn,
        item: ProduceItem,
    ) -> Result<Option<PartitionProduceResponse>, ErrorCode> {
        let id = item.partition;
        // what is here needs no look at the cluster
        if let Some(partition) = shard.partitions.get(&id) {
            if partition.is_internal && !self.may_write_internal {
                return Err(ErrorCode::InvalidTopicException);
            }
            return Ok(Some(append(shard, turn, self.acks, self.api_version, item, &mut self.pending)));
        }
        let topic = shard.cluster.topic_by_id(id.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        if topic.is_internal() && !self.may_write_internal {
            return Err(ErrorCode::InvalidTopicException);
        }
        let owner = shard.cluster.owner(&id)?;
        if owner == shard.id {
            return Err(ErrorCode::KafkaStorageError);
        }
        push(&mut self.elsewhere, owner, item);
        Ok(None)
    }

    fn end(
        self,
        shard: &mut Shard,
        turn: &mut Turn,
        call: Call,
        response: ProduceResponse,
        timeout_ms: i32,
    ) -> Answer {
        let Progress { acks, api_version, pending, elsewhere, .. } = self;
        if elsewhere.is_empty() && pending.is_empty() {
            return finish(shard, &call, acks, response);
        }
        let parts = elsewhere.len() + usize::from(!pending.is_empty());
        let id = shard.begin_gather(call, Response::Produce(response), parts);
        if let Some(gather) = shard.gathers.get_mut(id) {
            gather.acks = acks;
        }
        for (owner, items) in elsewhere {
            let part = ProducePart { acks, timeout_ms, api_version, items };
            shard.send_part(turn, owner, id, Part::Produce(part));
        }
        if !pending.is_empty() {
            shard.wait_for_acks(turn, Origin::Gather(id), Vec::new(), pending, timeout_ms);
        }
        Answer::Later
    }
}

/// Errors that hold for every partition of the request.
fn refused_whole(request: &ProduceRequest) -> Option<ErrorCode> {
    if !(-1..=1).contains(&request.acks) {
        return Some(ErrorCode::InvalidRequiredAcks);
    }
    // Transactions are not served: no client got a producer id for one from here.
    request.transactional_id.is_some().then_some(ErrorCode::TransactionalIdAuthorizationFailed)
}

fn push(parts: &mut Vec<(ShardId, Vec<ProduceItem>)>, owner: ShardId, item: ProduceItem) {
    match parts.iter_mut().find(|(shard, _)| *shard == owner) {
        Some((_, items)) => items.push(item),
        None => parts.push((owner, vec![item])),
    }
}

pub(crate) fn run_part(shard: &mut Shard, turn: &mut Turn, origin: Origin, part: ProducePart) {
    let ProducePart { acks, timeout_ms, api_version, items } = part;
    let mut pending = Vec::new();
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let place = item.place;
        results.push((place, append(shard, turn, acks, api_version, item, &mut pending)));
    }
    if pending.is_empty() {
        shard.reply_part(turn, origin, PartReply::Produce(results));
    } else {
        shard.wait_for_acks(turn, origin, results, pending, timeout_ms);
    }
}

fn append(
    shard: &mut Shard,
    turn: &mut Turn,
    acks: i16,
    api_version: i16,
    item: ProduceItem,
    pending: &mut Vec<Pending>,
) -> PartitionProduceResponse {
    let ProduceItem { place, partition: id, records } = item;
    let mut answer = empty_answer(id.partition);
    let Some(slot) = shard.partitions.slot(&id) else {
        let all = &mut shard.metrics.all_topics;
        all.produce_requests += 1;
        all.failed_produce_requests += 1;
        fail(&mut answer, shard.cluster.absent(&id));
        return answer;
    };
    let bytes = records.len() as u64;
    let mut counts = TopicCounts { produce_requests: 1, ..TopicCounts::default() };
    match shard.append_from_client(turn, slot, &records, acks, api_version) {
        Ok(appended) => {
            counts.bytes_in = bytes;
            counts.messages_in = (appended.end_offset.0 - appended.base_offset.0).unsigned_abs();
            answer.base_offset = appended.base_offset.0;
            answer.log_append_time_ms = appended.log_append_time_ms;
            answer.log_start_offset = appended.log_start_offset.0;
            if let Some(need) = appended.need {
                pending.push(Pending { place, slot, need, required: appended.end_offset });
            }
        }
        Err(refusal) => {
            counts.failed_produce_requests = 1;
            if matches!(refusal.error, ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge) {
                counts.bytes_rejected = bytes;
            }
            refusal.describe(&mut answer);
        }
    }
    shard.metrics.all_topics.add(&counts);
    if let Some(partition) = shard.partitions.at_mut(slot) {
        partition.counts.add(&counts);
    }
    answer
}

fn empty_answer(index: i32) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        ..Default::default()
    }
}

pub(crate) fn fail(answer: &mut PartitionProduceResponse, error: ErrorCode) {
    answer.error_code = error.code();
    answer.base_offset = -1;
    answer.log_append_time_ms = -1;
    answer.log_start_offset = -1;
}

/// Puts the results of one part in their places.
pub(crate) fn fill(response: &mut ProduceResponse, results: Vec<(Place, PartitionProduceResponse)>) {
    for ((t, p), result) in results {
        let topic = response.responses.get_mut(t as usize);
        if let Some(answer) = topic.and_then(|topic| topic.partition_responses.get_mut(p as usize)) {
            *answer = result;
        }
    }
}

/// The answer of the whole request.
pub(crate) fn finish(shard: &mut Shard, call: &Call, acks: i16, mut response: ProduceResponse) -> Answer {
    if acks == 0 {
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        let failed = partitions.any(|answer| answer.error_code != 0);
        return if failed { Answer::Close } else { Answer::Silence };
    }
    if call.api_version >= 10 {
        name_leaders(shard, call, &mut response);
    }
    Answer::Response(Response::Produce(response))
}

/// From version 10 a client that came to the wrong broker is told the right one (KIP-951).
fn name_leaders(shard: &Shard, call: &Call, response: &mut ProduceResponse) {
    let mut leaders = Vec::new();
    for topic in &mut response.responses {
        for answer in &mut topic.partition_responses {
            if answer.error_code != ErrorCode::NotLeaderOrFollower.code() {
                continue;
            }
            let found = match topic.topic_id.is_zero() {
                true => shard.cluster.topic_by_name(&topic.name),
                false => shard.cluster.topic_by_id(topic.topic_id),
            };
            let leader = found.and_then(|found| shard.cluster.leader_of(&found.partition(answer.index)));
            if let Some((leader, epoch)) = leader {
                answer.current_leader.leader_id = leader.0;
                answer.current_leader.leader_epoch = epoch.0;
                leaders.push(leader);
            }
        }
    }
    response.node_endpoints = shard
        .cluster
        .endpoints(&leaders, shard.listener_name(call))
        .into_iter()
        .map(|endpoint| protocol::messages::produce_response::NodeEndpoint {
            node_id: endpoint.node.0,
            host: endpoint.host,
            port: i32::from(endpoint.port),
            rack: endpoint.rack,
        })
        .collect();
}
