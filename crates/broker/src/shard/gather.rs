//! Requests with parts on several shards: the parts are sent, their answers put where they belong, and the whole
//! is answered when none is missing. Parts never time out by themselves: their owner answers always.

use protocol::Response;

use super::{Answer, Call, Origin, Shard, Turn};
use crate::event::ShardId;
use crate::handlers;
use crate::message::{Message, Part, PartReply, PartitionOperation, Place, WorkId};
use crate::purgatory::NEVER;
use types::TopicIdPartition;

/// A response that is being put together.
#[derive(Debug)]
pub(crate) struct Gather {
    pub call: Call,
    pub response: Response,
    /// Parts without an answer yet.
    pub missing: usize,
    /// Of a Produce.
    pub acks: i16,
}

/// Operations on partitions by the shard that owns them.
pub(crate) type Scattered = Vec<(ShardId, Vec<(Place, TopicIdPartition, PartitionOperation)>)>;

impl Shard {
    /// Begins to wait for `missing` parts.
    pub(crate) fn begin_gather(&mut self, call: Call, response: Response, missing: usize) -> WorkId {
        let id = self.new_work();
        self.gathers.insert(id, NEVER, Gather { call, response, missing, acks: 1 });
        id
    }

    pub(crate) fn send_part(&mut self, turn: &mut Turn, to: ShardId, id: WorkId, part: Part) {
        if to == self.id {
            self.on_part(turn, Origin::Gather(id), part);
        } else {
            turn.send(to, Message::Part { id, part });
        }
    }

    /// Does the operations that are at home here, sends the others to their owners, and answers when all are done.
    pub(crate) fn scatter(
        &mut self,
        turn: &mut Turn,
        call: Call,
        mut response: Response,
        parts: Scattered,
    ) -> Answer {
        let mut elsewhere = Vec::new();
        for (owner, operations) in parts {
            if owner == self.id {
                let outcomes = self.run_operations(turn, operations);
                handlers::fill(&mut response, PartReply::Partitions(outcomes));
            } else {
                elsewhere.push((owner, operations));
            }
        }
        if elsewhere.is_empty() {
            return Answer::Response(response);
        }
        let id = self.begin_gather(call, response, elsewhere.len());
        for (owner, operations) in elsewhere {
            turn.send(owner, Message::Part { id, part: Part::Partitions(operations) });
        }
        Answer::Later
    }

    pub(super) fn on_part(&mut self, turn: &mut Turn, origin: Origin, part: Part) {
        match part {
            Part::Produce(part) => handlers::produce::run_part(self, turn, origin, part),
            Part::Fetch(part) => handlers::fetch::run_part(self, turn, origin, part),
            Part::ReplicaFetch(part) => handlers::replica_fetch::run_part(self, turn, origin, part),
            Part::DeleteRecords(part) => handlers::delete_records::run_part(self, turn, origin, part),
            Part::Partitions(operations) => {
                let outcomes = self.run_operations(turn, operations);
                self.reply_part(turn, origin, PartReply::Partitions(outcomes));
            }
            Part::Group { partition, context, request } => {
                self.run_group_request(turn, origin, &partition, &context, *request);
            }
            Part::DescribeLogDirs(request) => {
                let response = handlers::describe_log_dirs::describe(self, &request);
                self.answer_origin(turn, origin, Response::DescribeLogDirs(response));
            }
        }
    }

    pub(crate) fn reply_part(&mut self, turn: &mut Turn, origin: Origin, reply: PartReply) {
        match origin {
            Origin::Gather(id) => self.on_part_reply(turn, id, reply),
            Origin::There(shard, id) => turn.send(shard, Message::PartReply { id, reply }),
        }
    }

    pub(super) fn on_part_reply(&mut self, turn: &mut Turn, id: WorkId, reply: PartReply) {
        let reply = match reply {
            PartReply::Fetch(outcomes) => return handlers::fetch::on_reply(self, turn, id, outcomes),
            PartReply::ReplicaFetch(outcomes) => {
                handlers::replica_fetch::on_outcomes(self, turn, id, outcomes, true);
                return;
            }
            other => other,
        };
        let Some(gather) = self.gathers.get_mut(id) else { return };
        handlers::fill(&mut gather.response, reply);
        gather.missing = gather.missing.saturating_sub(1);
        if gather.missing > 0 {
            return;
        }
        if let Some(Gather { call, response, acks, .. }) = self.gathers.take(id) {
            let answer = handlers::finished(self, &call, acks, response);
            self.answer(turn, call, answer);
        }
    }

    fn run_operations(
        &mut self,
        turn: &mut Turn,
        operations: Vec<(Place, TopicIdPartition, PartitionOperation)>,
    ) -> Vec<(Place, crate::message::PartitionOutcome)> {
        let mut run = |(place, id, operation)| (place, handlers::operate(self, turn, id, operation));
        operations.into_iter().map(&mut run).collect()
    }
}
