//! The one table of what a broker's listener serves: API to handler. What is not in it is not advertised.

use std::sync::Arc;

use bytes::Bytes;
use protocol::{ApiKey, Request, RequestHeader, Versions};

use crate::connection::Connection;
use crate::handlers;
use crate::shard::{Answer, Call, Shard, Turn};

/// Why a frame does not become a call.
pub(crate) enum Refused {
    /// Not a request, or not one that is served: the connection is closed, as Kafka does.
    Close,
    /// ApiVersions of a version that is not known, which is answered all the same.
    Version(RequestHeader),
}

/// What is served, in the order of the keys.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::UnregisterBroker,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];

/// Kafka 4.3's versions: those of a newer release come with the features that they belong to.
pub(crate) const fn served_versions(api_key: ApiKey) -> Versions {
    api_key.versions_before()
}

/// What a listener of this kind serves, in the order of the keys, for documents and tools.
pub fn served(listener: protocol::Listener) -> impl Iterator<Item = (ApiKey, Versions)> {
    let keys = match listener {
        protocol::Listener::Broker => SERVED,
        protocol::Listener::Controller => crate::quorum::SERVED,
    };
    keys.iter().map(|&api_key| (api_key, served_versions(api_key)))
}

/// Reads a request. The connection's client id is kept, so that it is copied once and not for each request.
pub(crate) fn decode(
    connection: &mut Connection,
    frame: Bytes,
) -> Result<(RequestHeader, ApiKey, Request), Refused> {
    let (header, mut reader) = RequestHeader::from_frame(frame).map_err(|_| Refused::Close)?;
    let api_key = ApiKey::try_from(header.api_key).map_err(|()| Refused::Close)?;
    if connection.client_id.as_deref() != header.client_id.as_deref() {
        connection.client_id = header.client_id.as_deref().map(Arc::from);
    }
    if !served_versions(api_key).contains(header.api_version) {
        return Err(if api_key == ApiKey::ApiVersions { Refused::Version(header) } else { Refused::Close });
    }
    if SERVED.binary_search(&api_key).is_err() {
        return Err(Refused::Close);
    }
    let request = Request::decode(api_key, header.api_version, &mut reader).map_err(|_| Refused::Close)?;
    Ok((header, api_key, request))
}

/// Does what the request asks.
pub(crate) fn dispatch(shard: &mut Shard, turn: &mut Turn, call: Call, request: Request) -> Answer {
    match request {
        Request::Produce(request) => handlers::produce::handle(shard, turn, call, request),
        Request::Fetch(request) => handlers::fetch::handle(shard, turn, call, request),
        Request::ListOffsets(request) => handlers::list_offsets::handle(shard, turn, call, request),
        Request::Metadata(request) => handlers::metadata::handle(shard, turn, call, request),
        Request::ApiVersions(request) => handlers::api_versions::handle(shard, &call, &request),
        Request::InitProducerId(request) => handlers::init_producer_id::handle(shard, turn, call, request),
        Request::OffsetForLeaderEpoch(request) => {
            handlers::offset_for_leader_epoch::handle(shard, turn, call, request)
        }
        Request::DeleteRecords(request) => handlers::delete_records::handle(shard, turn, call, request),
        Request::DescribeProducers(request) => {
            handlers::describe_producers::handle(shard, turn, call, request)
        }
        Request::DescribeCluster(request) => handlers::describe_cluster::handle(shard, &call, &request),
        Request::DescribeTopicPartitions(request) => {
            handlers::describe_topic_partitions::handle(shard, request)
        }
        Request::DescribeConfigs(request) => handlers::describe_configs::handle(shard, &request),
        Request::ListConfigResources(request) => {
            handlers::list_config_resources::handle(shard, &call, &request)
        }
        Request::AlterReplicaLogDirs(request) => {
            handlers::alter_replica_log_dirs::handle(shard, turn, call, request)
        }
        Request::DescribeLogDirs(request) => handlers::describe_log_dirs::handle(shard, turn, call, request),
        Request::DescribeClientQuotas(_) => handlers::empty::describe_client_quotas(),
        Request::DescribeUserScramCredentials(request) => handlers::scram::handle(shard, &request),
        Request::DescribeAcls(_) => Answer::Response(handlers::empty::no_acls()),
        Request::FindCoordinator(request) => handlers::find_coordinator::handle(shard, turn, call, request),
        Request::ListGroups(request) => handlers::groups::list(shard, turn, call, request),
        Request::DescribeGroups(request) => handlers::groups::describe(shard, turn, call, request),
        Request::DeleteGroups(request) => handlers::groups::delete(shard, turn, call, request),
        Request::OffsetDelete(request) => handlers::groups::offset_delete(shard, turn, call, request),
        Request::OffsetFetch(request) => handlers::groups::offset_fetch(shard, turn, call, request),
        request @ (Request::JoinGroup(_)
        | Request::SyncGroup(_)
        | Request::Heartbeat(_)
        | Request::LeaveGroup(_)
        | Request::OffsetCommit(_)) => handlers::groups::one(shard, turn, call, request),
        request @ (Request::AlterConfigs(_) | Request::IncrementalAlterConfigs(_)) => {
            handlers::alter_configs::handle(shard, turn, call, request)
        }
        request => handlers::controller::forward(shard, turn, call, request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_served_by_brokers() {
        assert!(SERVED.is_sorted());
        for api_key in SERVED {
            assert!(api_key.listeners().broker, "{api_key:?}");
        }
    }
}
