//! Changes of in-sync sets on their way to the controller. Partitions say that they want one; those of one turn go in
//! one AlterPartition, and the next is sent when that is answered, so that no two overtake each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use protocol::messages::alter_partition_response;
use protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use protocol::{ErrorCode, Request, Response};
use replication::{AfterAlteration, Altered};
use types::{LeaderEpoch, NodeId, TopicIdPartition};

use super::{ControllerWait, Shard, Turn};
use crate::event::Level;
use crate::message::{Message, RequestContext};
use crate::partitions::Slot;
use crate::purgatory::NEVER;

/// Of the request: members with the epochs of their registrations (KIP-903).
const VERSION: i16 = 3;
/// After the controller could not decide.
const RETRY_MS: i64 = 50;

/// A partition's change that the controller was asked for, and its number.
pub(crate) type AskedAlteration = (TopicIdPartition, u64);

#[derive(Default)]
pub(crate) struct Alterations {
    wanted: BTreeSet<TopicIdPartition>,
    under_way: bool,
    /// Monotonic time before which nothing is asked again.
    again_at: u64,
}

impl Alterations {
    pub fn next_deadline(&self) -> Option<u64> {
        (!self.under_way && !self.wanted.is_empty()).then_some(self.again_at)
    }
}

impl Shard {
    /// The partition has a change to propose.
    pub(crate) fn want_alteration(&mut self, id: TopicIdPartition) {
        self.alterations.wanted.insert(id);
    }

    pub(super) fn ask_for_alterations(&mut self, turn: &mut Turn) {
        let idle = self.alterations.wanted.is_empty() || self.alterations.under_way;
        if idle || self.stopping || turn.now.monotonic_us < self.alterations.again_at {
            return;
        }
        let own_epoch = self.broker_epoch();
        let mut request = AlterPartitionRequest {
            broker_id: self.node.node_id.0,
            broker_epoch: own_epoch,
            topics: Vec::new(),
        };
        let mut asked = Vec::new();
        for id in std::mem::take(&mut self.alterations.wanted) {
            let Some(partition) = self.partitions.get_mut(&id).filter(|partition| !partition.offline) else {
                continue;
            };
            let Some(proposal) = partition.replica.take_proposal(own_epoch) else { continue };
            asked.push((id, proposal.number));
            push(&mut request.topics, id, &proposal);
        }
        if asked.is_empty() {
            return;
        }
        self.alterations.under_way = true;
        let id = self.new_work();
        self.controller_calls.insert(id, NEVER, ControllerWait::Alterations(asked));
        let context = RequestContext::of_broker(VERSION);
        let request = Box::new(Request::AlterPartition(request));
        turn.send_quorum(Message::ControllerRequest { id, context, request });
    }

    pub(crate) fn on_alterations(
        &mut self,
        turn: &mut Turn,
        asked: Vec<AskedAlteration>,
        response: Response,
    ) {
        self.alterations.under_way = false;
        let failed = ErrorCode::RequestTimedOut.code();
        let answer = match response {
            Response::AlterPartition(answer) => answer,
            _ => AlterPartitionResponse { error_code: failed, ..Default::default() },
        };
        let mut again = false;
        for (id, number) in asked {
            let Some(slot) = self.partitions.slot(&id) else { continue };
            let altered = match ErrorCode::from(answer.error_code) {
                ErrorCode::None => altered(&answer, id),
                error => Err(error),
            };
            again |= self.on_altered(turn, slot, number, altered);
        }
        if again {
            self.alterations.again_at = turn.after_ms(RETRY_MS);
        }
    }

    /// True where it has to be asked for again.
    fn on_altered(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        number: u64,
        answer: Result<Altered, ErrorCode>,
    ) -> bool {
        let Some(partition) = self.partitions.at_mut(slot) else { return false };
        let id = partition.id;
        let error = answer.as_ref().err().copied();
        let before = partition.replica.in_sync_replicas.clone();
        let after = partition.replica.on_altered(number, answer);
        if after == AfterAlteration::Settled {
            let now = &partition.replica.in_sync_replicas;
            if *now != before {
                self.metrics.in_sync_shrinks += u64::from(now.len() < before.len());
                self.metrics.in_sync_expansions += u64::from(now.len() > before.len());
                let text = format!("{}: in sync are {}", partition.name(), list(now));
                turn.log(Level::Info, text);
            }
            partition.advance_high_watermark(turn.now);
            // who came in meanwhile; one whom the controller has refused comes with its next fetch
            if error.is_none() && partition.propose_any_expansion() {
                self.want_alteration(id);
            }
            self.partitions.mark_changed(slot);
        }
        if after == AfterAlteration::Again {
            self.want_alteration(id);
        } else {
            self.metrics.in_sync_refusals += u64::from(error.is_some());
        }
        after == AfterAlteration::Again
    }

    /// By the clock: who has not kept up leaves the in-sync set.
    pub(super) fn shrink_in_sync_sets(&mut self, turn: &mut Turn) {
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
                continue;
            };
            let id = partition.id;
            let end = partition.log.log_end_offset();
            if partition.replica.propose_shrinking(end, turn.now.monotonic_us) {
                let set = partition.replica.alteration().map(|change| list(&change.in_sync_replicas));
                let text = format!("{}: only {} keep up", partition.name(), set.unwrap_or_default());
                turn.log(Level::Warning, text);
                self.want_alteration(id);
            } else if partition.advance_high_watermark(turn.now) {
                // who was waited for since it had just been caught up is so no more
                self.partitions.mark_changed(slot);
            }
        }
    }

    /// Who may be in an in-sync set has changed: brokers came, went, or were fenced.
    pub(super) fn note_active_brokers(&mut self, turn: &Turn) {
        let active = self.cluster.active_brokers();
        if *self.active_brokers == active {
            return;
        }
        self.active_brokers = Arc::new(active);
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            let Some(partition) = self.partitions.at_mut(slot) else { continue };
            partition.replica.brokers = self.active_brokers.clone();
            let id = partition.id;
            if partition.propose_any_expansion() {
                self.want_alteration(id);
            } else if self.partitions.at_mut(slot).is_some_and(|at| at.advance_high_watermark(turn.now)) {
                self.partitions.mark_changed(slot);
            }
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn push(topics: &mut Vec<TopicData>, id: TopicIdPartition, proposal: &replication::Proposal) {
    let member = |&(node, broker_epoch): &(NodeId, i64)| BrokerState { broker_id: node.0, broker_epoch };
    let data = PartitionData {
        partition_index: id.partition,
        leader_epoch: proposal.leader_epoch.0,
        new_isr_with_epochs: proposal.in_sync_replicas.iter().map(member).collect(),
        partition_epoch: proposal.partition_epoch,
        ..PartitionData::default()
    };
    match topics.last_mut().filter(|last| last.topic_id == id.topic_id) {
        Some(last) => last.partitions.push(data),
        None => topics.push(TopicData { topic_id: id.topic_id, partitions: vec![data] }),
    }
}

fn altered(answer: &AlterPartitionResponse, id: TopicIdPartition) -> Result<Altered, ErrorCode> {
    let of_topic = answer.topics.iter().filter(|topic| topic.topic_id == id.topic_id);
    let mut partitions = of_topic.flat_map(|topic| &topic.partitions);
    let found = partitions.find(|one| one.partition_index == id.partition);
    let one: &alter_partition_response::PartitionData = found.ok_or(ErrorCode::UnknownServerError)?;
    match ErrorCode::from(one.error_code) {
        ErrorCode::None => Ok(Altered {
            leader_epoch: LeaderEpoch(one.leader_epoch),
            partition_epoch: one.partition_epoch,
            in_sync_replicas: one.isr.iter().map(|&node| NodeId(node)).collect(),
        }),
        error => Err(error),
    }
}
