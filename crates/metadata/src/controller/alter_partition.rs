//! AlterPartition: a leader says who is in sync.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::messages::alter_partition_request::{BrokerState, PartitionData};
use protocol::messages::alter_partition_response as response;
use protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use protocol::records::metadata::MetadataRecord;
use types::Uuid;

use super::partition_change::PartitionChange;
use super::{Controller, Outcome};
use crate::image::{LeaderRecoveryState, Partition};

/// What a leader proposes, from either form of the request.
struct Proposal {
    leader: i32,
    isr: Vec<i32>,
    /// Epoch of each member; -1 where the sender does not know it.
    epochs: Vec<i64>,
    recovery: LeaderRecoveryState,
}

impl Controller {
    pub fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
        version: i16,
    ) -> Outcome<AlterPartitionResponse> {
        let mut reply = AlterPartitionResponse::default();
        if let Err(code) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            reply.error_code = code.code();
            return Outcome::nothing(reply);
        }
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        for asked in &request.topics {
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for data in &asked.partitions {
                let again = !seen.insert((asked.topic_id, data.partition_index));
                let outcome = if again {
                    Err(ErrorCode::InvalidUpdateVersion)
                } else {
                    self.alter_one(request.broker_id, asked.topic_id, data, version, &mut records)
                };
                partitions.push(answer(data.partition_index, outcome));
            }
            reply.topics.push(response::TopicData { topic_id: asked.topic_id, partitions });
        }
        Outcome::loose(records, reply)
    }

    fn alter_one(
        &self,
        sender: i32,
        topic_id: Uuid,
        data: &PartitionData,
        version: i16,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<Partition, ErrorCode> {
        let unknown = ErrorCode::UnknownTopicId;
        let topic = self.image().topics.by_id(topic_id).filter(|_| !topic_id.is_zero()).ok_or(unknown)?;
        let index = data.partition_index;
        let partition = topic.partitions.get(&index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let proposal = proposal(sender, data, version).ok_or(ErrorCode::InvalidRequest)?;
        self.check_proposal(partition, data, &proposal)?;
        let surroundings = self.surroundings(topic);
        let election = self.automatic_election(&topic.name);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.isr = proposal.isr;
        change.recovery = proposal.recovery;
        accept(partition, change.build(), sender, records)
    }

    fn check_proposal(
        &self,
        partition: &Partition,
        data: &PartitionData,
        proposal: &Proposal,
    ) -> Result<(), ErrorCode> {
        if data.leader_epoch > partition.leader_epoch || data.partition_epoch > partition.partition_epoch {
            // the sender knows more than this controller: it is not the active one any more
            return Err(ErrorCode::NotController);
        }
        if data.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if proposal.leader != partition.leader {
            return Err(ErrorCode::InvalidRequest);
        }
        if data.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let members: BTreeSet<i32> = proposal.isr.iter().copied().collect();
        let legal = members.len() == proposal.isr.len()
            && members.iter().all(|id| partition.replicas.contains(id))
            && members.contains(&proposal.leader);
        if !legal {
            return Err(ErrorCode::InvalidRequest);
        }
        let recovering = LeaderRecoveryState::Recovering;
        let goes_back = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        if proposal.recovery == recovering && (goes_back || proposal.isr.len() > 1) {
            return Err(ErrorCode::InvalidRequest);
        }
        let eligible = |(id, epoch): (&i32, &i64)| {
            let broker = self.image().cluster.broker(*id);
            broker.is_some_and(|broker| broker.is_active() && (*epoch == -1 || *epoch == broker.epoch))
        };
        let all = proposal.isr.iter().zip(&proposal.epochs).all(eligible);
        if all { Ok(()) } else { Err(ErrorCode::IneligibleReplica) }
    }
}

fn accept(
    partition: &Partition,
    record: Option<MetadataRecord>,
    sender: i32,
    records: &mut Vec<MetadataRecord>,
) -> Result<Partition, ErrorCode> {
    let Some(MetadataRecord::PartitionChange(change)) = record else { return Ok(partition.clone()) };
    let next = partition.merge(&change).map_err(|_| ErrorCode::UnknownServerError)?;
    records.push(MetadataRecord::PartitionChange(change));
    // a reassignment that this completed took the leadership away
    if next.leader == sender { Ok(next) } else { Err(ErrorCode::NewLeaderElected) }
}

fn proposal(sender: i32, data: &PartitionData, version: i16) -> Option<Proposal> {
    let recovery = LeaderRecoveryState::from_wire(data.leader_recovery_state)?;
    let (isr, epochs) = if version >= 3 {
        let members = data.new_isr_with_epochs.iter();
        members.map(|one: &BrokerState| (one.broker_id, one.broker_epoch)).unzip()
    } else {
        (data.new_isr.clone(), vec![-1; data.new_isr.len()])
    };
    Some(Proposal { leader: sender, isr, epochs, recovery })
}

fn answer(partition_index: i32, outcome: Result<Partition, ErrorCode>) -> response::PartitionData {
    match outcome {
        Ok(partition) => response::PartitionData {
            partition_index,
            error_code: 0,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            isr: partition.in_sync_replicas,
            leader_recovery_state: partition.leader_recovery_state as i8,
            partition_epoch: partition.partition_epoch,
        },
        Err(code) => response::PartitionData {
            partition_index,
            error_code: code.code(),
            ..response::PartitionData::default()
        },
    }
}
