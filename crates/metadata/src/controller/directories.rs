//! AssignReplicasToDirs: a broker tells where it keeps its replicas.

use protocol::ErrorCode;
use protocol::messages::assign_replicas_to_dirs_response as response;
use protocol::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use protocol::records::metadata::MetadataRecord;
use types::Uuid;

use super::partition_change::PartitionChange;
use super::{Controller, Outcome};
use crate::image::{Broker, Partition, Topic};

impl Controller {
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Outcome<AssignReplicasToDirsResponse> {
        let mut reply = AssignReplicasToDirsResponse::default();
        if !self.metadata_version().supports_directories() {
            reply.error_code = ErrorCode::UnsupportedVersion.code();
            return Outcome::nothing(reply);
        }
        let broker = self.image().cluster.broker(request.broker_id);
        let Some(broker) = broker.filter(|broker| broker.epoch == request.broker_epoch) else {
            reply.error_code = ErrorCode::StaleBrokerEpoch.code();
            return Outcome::nothing(reply);
        };
        let mut records = Vec::new();
        let mut offline = Vec::new();
        for directory in &request.directories {
            let mut topics = Vec::with_capacity(directory.topics.len());
            for asked in &directory.topics {
                let mut partitions = Vec::with_capacity(asked.partitions.len());
                for one in &asked.partitions {
                    let index = one.partition_index;
                    let outcome = self.replica_of(broker, asked.topic_id, index).map(|(topic, partition)| {
                        records.extend(self.assign(topic, index, partition, broker, directory.id));
                        if !broker.has_online_directory(directory.id) {
                            offline.push((topic, index, partition));
                        }
                    });
                    let error_code = outcome.err().map_or(0, ErrorCode::code);
                    partitions.push(response::PartitionData { partition_index: index, error_code });
                }
                topics.push(response::TopicData { topic_id: asked.topic_id, partitions });
            }
            reply.directories.push(response::DirectoryData { id: directory.id, topics });
        }
        // a directory that is unknown or gone: the replica there is not in sync
        for (topic, index, partition) in offline {
            if partition.in_sync_replicas.contains(&broker.id) {
                records.extend(self.leave_one(topic, index, partition, broker.id));
            }
        }
        Outcome::loose(records, reply)
    }

    fn replica_of(
        &self,
        broker: &Broker,
        topic_id: Uuid,
        index: i32,
    ) -> Result<(&Topic, &Partition), ErrorCode> {
        let topic = self.image().topics.by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partitions.get(&index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&broker.id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        Ok((topic, partition))
    }

    fn assign(
        &self,
        topic: &Topic,
        index: i32,
        partition: &Partition,
        broker: &Broker,
        directory: Uuid,
    ) -> Option<MetadataRecord> {
        let surroundings = self.surroundings(topic);
        let election = self.automatic_election(&topic.name);
        let mut change = PartitionChange::new(topic.id, index, partition, &surroundings, election);
        change.directories.insert(broker.id, directory);
        change.build()
    }
}
