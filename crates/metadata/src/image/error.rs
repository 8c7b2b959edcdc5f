//! Records that cannot be: whoever meets one stops, as Kafka does, because its picture of the cluster is wrong.

use types::Uuid;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    #[error("topic {name} exists already")]
    TopicExists { name: String },
    #[error("topic id {topic_id} is not known")]
    UnknownTopicId { topic_id: Uuid },
    #[error("partition {topic_id}:{partition} is not known")]
    UnknownPartition { topic_id: Uuid, partition: i32 },
    #[error("broker {broker_id} is not registered")]
    UnknownBroker { broker_id: i32 },
    #[error("broker {broker_id} is registered with epoch {registered}, not {epoch}")]
    WrongBrokerEpoch { broker_id: i32, epoch: i64, registered: i64 },
    #[error("directory {directory} of broker {broker_id} belongs to broker {owner}")]
    DirectoryTaken { directory: Uuid, broker_id: i32, owner: i32 },
    #[error("partition {topic_id}:{partition} has {replicas} replicas and {directories} directories")]
    DirectoryCount { topic_id: Uuid, partition: i32, replicas: usize, directories: usize },
    #[error("feature {name} cannot have level {level}")]
    FeatureLevel { name: String, level: i16 },
    #[error("producer ids cannot go back from {present} to {next}")]
    ProducerIdsGoBack { present: i64, next: i64 },
    #[error("there is no SCRAM credential of {name} to remove")]
    UnknownScramCredential { name: String },
    #[error("there is no access control entry {id} to remove")]
    UnknownAcl { id: Uuid },
    #[error("controller {controller_id} is not registered")]
    UnknownController { controller_id: i32 },
    #[error("a metadata transaction {0}")]
    Transaction(&'static str),
    #[error("leader recovery state {0} is not known")]
    LeaderRecoveryState(i8),
    #[error("broker registration change {0} is not known")]
    RegistrationChange(i8),
    #[error("a record of ZooKeeper's time: {0}")]
    Legacy(&'static str),
}
