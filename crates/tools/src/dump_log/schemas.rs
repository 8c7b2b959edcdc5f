//! The schema files that the decoders of kafka-dump-log read.

pub const GROUP: &[&str] = &[
    include_str!("../../../protocol/schemas/group/ConsumerGroupCurrentMemberAssignment.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupMemberMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupPartitionMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupRegularExpression.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupTargetAssignmentMember.schema"),
    include_str!("../../../protocol/schemas/group/ConsumerGroupTargetAssignmentMetadata.schema"),
    include_str!("../../../protocol/schemas/group/GroupMetadata.schema"),
    include_str!("../../../protocol/schemas/group/LegacyOffsetCommit.schema"),
    include_str!("../../../protocol/schemas/group/OffsetCommit.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupCurrentMemberAssignment.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupMemberMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupStatePartitionMetadata.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupTargetAssignmentMember.schema"),
    include_str!("../../../protocol/schemas/group/ShareGroupTargetAssignmentMetadata.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupCurrentMemberAssignment.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupMemberMetadata.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupMetadata.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupTargetAssignmentMember.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupTargetAssignmentMetadata.schema"),
    include_str!("../../../protocol/schemas/group/StreamsGroupTopology.schema"),
];

pub const METADATA: &[&str] = &[
    include_str!("../../../protocol/schemas/metadata/AbortTransactionRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/AccessControlEntryRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/BeginTransactionRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/BrokerRegistrationChangeRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/ClearElrRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/ClientQuotaRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/ConfigRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/DelegationTokenRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/EndTransactionRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/FeatureLevelRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/FenceBrokerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/NoOpRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/PartitionChangeRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/PartitionRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/ProducerIdsRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RegisterBrokerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RegisterControllerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RemoveAccessControlEntryRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RemoveDelegationTokenRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RemoveTopicRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/RemoveUserScramCredentialRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/TopicRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/UnfenceBrokerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/UnregisterBrokerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/UnregisterControllerRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/UserScramCredentialRecord.schema"),
    include_str!("../../../protocol/schemas/metadata/ZkMigrationStateRecord.schema"),
];

pub const TRANSACTION: &[&str] = &[
    include_str!("../../../protocol/schemas/transaction/TransactionLog.schema"),
];

pub const SHARE: &[&str] = &[
    include_str!("../../../protocol/schemas/share/ShareSnapshot.schema"),
    include_str!("../../../protocol/schemas/share/ShareUpdate.schema"),
];

pub const REMOTE_LOG: &[&str] = &[
    include_str!("../../../protocol/schemas/remote_log/RemoteLogSegmentMetadataRecord.schema"),
    include_str!("../../../protocol/schemas/remote_log/RemoteLogSegmentMetadataSnapshotRecord.schema"),
    include_str!("../../../protocol/schemas/remote_log/RemoteLogSegmentMetadataUpdateRecord.schema"),
    include_str!("../../../protocol/schemas/remote_log/RemotePartitionDeleteMetadataRecord.schema"),
];

pub const CONSUMER: &[&str] = &[
    include_str!("../../../protocol/schemas/data/ConsumerProtocolAssignment.schema"),
    include_str!("../../../protocol/schemas/data/ConsumerProtocolSubscription.schema"),
];
