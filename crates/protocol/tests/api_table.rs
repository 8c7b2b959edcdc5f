//! The table of APIs against what a real Kafka 4.3.1 node listed, and against Kafka's own list of what brokers forward.

use protocol::{ApiKey, Listener, Versions};

/// Name, key, versions as `kafka-broker-api-versions` printed them. Telemetry was off and is not among them; Produce is
/// listed from 0 and served from 3.
const KAFKA_4_3_1: &[(&str, i16, i16, i16)] = &[
    ("Fetch", 1, 4, 18),
    ("ListOffsets", 2, 1, 11),
    ("Metadata", 3, 0, 13),
    ("OffsetCommit", 8, 2, 10),
    ("OffsetFetch", 9, 1, 10),
    ("FindCoordinator", 10, 0, 6),
    ("JoinGroup", 11, 0, 9),
    ("Heartbeat", 12, 0, 4),
    ("LeaveGroup", 13, 0, 5),
    ("SyncGroup", 14, 0, 5),
    ("DescribeGroups", 15, 0, 6),
    ("ListGroups", 16, 0, 5),
    ("SaslHandshake", 17, 0, 1),
    ("ApiVersions", 18, 0, 4),
    ("CreateTopics", 19, 2, 7),
    ("DeleteTopics", 20, 1, 6),
    ("DeleteRecords", 21, 0, 2),
    ("InitProducerId", 22, 0, 5),
    ("OffsetForLeaderEpoch", 23, 2, 4),
    ("AddPartitionsToTxn", 24, 0, 5),
    ("AddOffsetsToTxn", 25, 0, 4),
    ("EndTxn", 26, 0, 5),
    ("WriteTxnMarkers", 27, 1, 2),
    ("TxnOffsetCommit", 28, 0, 5),
    ("DescribeAcls", 29, 1, 3),
    ("CreateAcls", 30, 1, 3),
    ("DeleteAcls", 31, 1, 3),
    ("DescribeConfigs", 32, 1, 4),
    ("AlterConfigs", 33, 0, 2),
    ("AlterReplicaLogDirs", 34, 1, 2),
    ("DescribeLogDirs", 35, 1, 5),
    ("SaslAuthenticate", 36, 0, 2),
    ("CreatePartitions", 37, 0, 3),
    ("CreateDelegationToken", 38, 1, 3),
    ("RenewDelegationToken", 39, 1, 2),
    ("ExpireDelegationToken", 40, 1, 2),
    ("DescribeDelegationToken", 41, 1, 3),
    ("DeleteGroups", 42, 0, 2),
    ("ElectLeaders", 43, 0, 2),
    ("IncrementalAlterConfigs", 44, 0, 1),
    ("AlterPartitionReassignments", 45, 0, 1),
    ("ListPartitionReassignments", 46, 0, 0),
    ("OffsetDelete", 47, 0, 0),
    ("DescribeClientQuotas", 48, 0, 1),
    ("AlterClientQuotas", 49, 0, 1),
    ("DescribeUserScramCredentials", 50, 0, 0),
    ("AlterUserScramCredentials", 51, 0, 0),
    ("DescribeQuorum", 55, 0, 2),
    ("UpdateFeatures", 57, 0, 2),
    ("DescribeCluster", 60, 0, 2),
    ("DescribeProducers", 61, 0, 0),
    ("UnregisterBroker", 64, 0, 0),
    ("DescribeTransactions", 65, 0, 0),
    ("ListTransactions", 66, 0, 2),
    ("ConsumerGroupHeartbeat", 68, 0, 1),
    ("ConsumerGroupDescribe", 69, 0, 1),
    ("ListConfigResources", 74, 0, 1),
    ("DescribeTopicPartitions", 75, 0, 0),
    ("ShareGroupHeartbeat", 76, 1, 1),
    ("ShareGroupDescribe", 77, 1, 1),
    ("ShareFetch", 78, 1, 2),
    ("ShareAcknowledge", 79, 1, 2),
    ("AddRaftVoter", 80, 0, 1),
    ("RemoveRaftVoter", 81, 0, 0),
    ("InitializeShareGroupState", 83, 0, 0),
    ("ReadShareGroupState", 84, 0, 0),
    ("WriteShareGroupState", 85, 0, 1),
    ("DeleteShareGroupState", 86, 0, 0),
    ("ReadShareGroupStateSummary", 87, 0, 1),
    ("StreamsGroupHeartbeat", 88, 0, 0),
    ("StreamsGroupDescribe", 89, 0, 0),
    ("DescribeShareGroupOffsets", 90, 0, 1),
    ("AlterShareGroupOffsets", 91, 0, 0),
    ("DeleteShareGroupOffsets", 92, 0, 0),
];

const FORWARDED: &[i16] =
    &[19, 20, 30, 31, 33, 37, 38, 39, 40, 43, 44, 45, 46, 49, 51, 55, 57, 64, 67, 80, 81, 94];

#[test]
fn brokers_list_what_kafka_lists() {
    let listed: Vec<_> = ApiKey::ALL
        .iter()
        .filter(|key| key.listeners().contains(Listener::Broker) && key.versions_before().max >= 0)
        .filter(|key| {
            !matches!(key, ApiKey::Produce | ApiKey::GetTelemetrySubscriptions | ApiKey::PushTelemetry)
        })
        .map(|key| (key.name(), key.code(), key.versions_before().min, key.versions_before().max))
        .collect();
    assert_eq!(listed, KAFKA_4_3_1);
}

#[test]
fn brokers_forward_what_kafka_forwards() {
    let forwarded: Vec<_> =
        ApiKey::ALL.iter().filter(|key| key.is_forwarded()).map(|key| key.code()).collect();
    assert_eq!(forwarded, FORWARDED);
}

#[test]
fn versions_that_are_not_for_general_use() {
    for (api_key, stable, all) in [
        (ApiKey::InitProducerId, Versions::new(0, 5), Versions::new(0, 6)),
        (ApiKey::Fetch, Versions::new(4, 18), Versions::new(4, 18)),
    ] {
        assert_eq!((api_key.stable_versions(), api_key.versions()), (stable, all));
    }
}

#[test]
fn header_versions() {
    for (api_key, version, request, response) in [
        (ApiKey::Produce, 8, 1, 0),
        (ApiKey::Produce, 9, 2, 1),
        (ApiKey::ApiVersions, 2, 1, 0),
        (ApiKey::ApiVersions, 3, 2, 0),
        (ApiKey::SaslHandshake, 1, 1, 0),
        (ApiKey::Vote, 0, 2, 1),
    ] {
        assert_eq!(api_key.request_header_version(version), request, "{api_key} v{version}");
        assert_eq!(api_key.response_header_version(version), response, "{api_key} v{version}");
    }
}
