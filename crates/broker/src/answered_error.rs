//! The error that an answer is counted under: the first that it holds, of all its parts.

use protocol::{ErrorCode, Response};

/// `None` where all went well, and for answers that hold no error.
pub(crate) fn first_error(response: &Response) -> ErrorCode {
    let code = match response {
        Response::Produce(_) | Response::Fetch(_) | Response::ListOffsets(_) | Response::Metadata(_) => {
            data(response)
        }
        Response::Vote(_)
        | Response::BeginQuorumEpoch(_)
        | Response::EndQuorumEpoch(_)
        | Response::FetchSnapshot(_)
        | Response::DescribeQuorum(_) => quorum(response),
        _ => group(response)
            .or_else(|| administration(response))
            .or_else(|| security(response))
            .or_else(|| node(response))
            .unwrap_or(0),
    };
    ErrorCode::from(code)
}

fn data(response: &Response) -> i16 {
    match response {
        Response::Produce(answer) => {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            first(partitions.map(|partition| partition.error_code))
        }
        Response::Fetch(answer) => {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::ListOffsets(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(partitions.map(|partition| partition.error_code))
        }
        Response::Metadata(answer) => first(answer.topics.iter().map(|topic| topic.error_code)),
        _ => 0,
    }
}

fn quorum(response: &Response) -> i16 {
    match response {
        Response::Vote(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::BeginQuorumEpoch(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::EndQuorumEpoch(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::FetchSnapshot(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::DescribeQuorum(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        _ => 0,
    }
}

fn group(response: &Response) -> Option<i16> {
    Some(match response {
        Response::OffsetCommit(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(partitions.map(|partition| partition.error_code))
        }
        Response::OffsetFetch(answer) => {
            either(answer.error_code, answer.groups.iter().map(|group| group.error_code))
        }
        Response::FindCoordinator(answer) => {
            either(answer.error_code, answer.coordinators.iter().map(|one| one.error_code))
        }
        Response::JoinGroup(answer) => answer.error_code,
        Response::SyncGroup(answer) => answer.error_code,
        Response::Heartbeat(answer) => answer.error_code,
        Response::LeaveGroup(answer) => {
            either(answer.error_code, answer.members.iter().map(|member| member.error_code))
        }
        Response::ListGroups(answer) => answer.error_code,
        Response::DescribeGroups(answer) => first(answer.groups.iter().map(|group| group.error_code)),
        Response::DeleteGroups(answer) => first(answer.results.iter().map(|group| group.error_code)),
        Response::OffsetDelete(answer) => answer.error_code,
        Response::InitProducerId(answer) => answer.error_code,
        _ => return None,
    })
}

fn administration(response: &Response) -> Option<i16> {
    Some(match response {
        Response::CreateTopics(answer) => first(answer.topics.iter().map(|topic| topic.error_code)),
        Response::DeleteTopics(answer) => first(answer.responses.iter().map(|topic| topic.error_code)),
        Response::CreatePartitions(answer) => first(answer.results.iter().map(|topic| topic.error_code)),
        Response::DeleteRecords(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(partitions.map(|partition| partition.error_code))
        }
        Response::DescribeConfigs(answer) => first(answer.results.iter().map(|one| one.error_code)),
        Response::AlterConfigs(answer) => first(answer.responses.iter().map(|one| one.error_code)),
        Response::IncrementalAlterConfigs(answer) => first(answer.responses.iter().map(|one| one.error_code)),
        Response::ElectLeaders(answer) => {
            let topics = answer.replica_election_results.iter();
            let partitions = topics.flat_map(|topic| &topic.partition_result);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::ListPartitionReassignments(answer) => answer.error_code,
        Response::UpdateFeatures(answer) => {
            either(answer.error_code, answer.results.iter().map(|feature| feature.error_code))
        }
        Response::DescribeTopicPartitions(answer) => {
            first(answer.topics.iter().map(|topic| topic.error_code))
        }
        _ => return None,
    })
}

fn security(response: &Response) -> Option<i16> {
    Some(match response {
        Response::DescribeAcls(answer) => answer.error_code,
        Response::CreateAcls(answer) => first(answer.results.iter().map(|one| one.error_code)),
        Response::DeleteAcls(answer) => first(answer.filter_results.iter().map(|one| one.error_code)),
        Response::DescribeUserScramCredentials(answer) => {
            either(answer.error_code, answer.results.iter().map(|one| one.error_code))
        }
        Response::AlterUserScramCredentials(answer) => first(answer.results.iter().map(|one| one.error_code)),
        Response::SaslHandshake(answer) => answer.error_code,
        Response::SaslAuthenticate(answer) => answer.error_code,
        Response::CreateDelegationToken(answer) => answer.error_code,
        Response::RenewDelegationToken(answer) => answer.error_code,
        Response::ExpireDelegationToken(answer) => answer.error_code,
        Response::DescribeDelegationToken(answer) => answer.error_code,
        _ => return None,
    })
}

fn node(response: &Response) -> Option<i16> {
    Some(match response {
        Response::ApiVersions(answer) => answer.error_code,
        Response::DescribeCluster(answer) => answer.error_code,
        Response::DescribeLogDirs(answer) => {
            either(answer.error_code, answer.results.iter().map(|one| one.error_code))
        }
        Response::BrokerRegistration(answer) => answer.error_code,
        Response::BrokerHeartbeat(answer) => answer.error_code,
        Response::UnregisterBroker(answer) => answer.error_code,
        Response::AllocateProducerIds(answer) => answer.error_code,
        Response::ControllerRegistration(answer) => answer.error_code,
        Response::AlterPartition(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            either(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::AddRaftVoter(answer) => answer.error_code,
        Response::RemoveRaftVoter(answer) => answer.error_code,
        Response::UpdateRaftVoter(answer) => answer.error_code,
        _ => return None,
    })
}

fn first(mut errors: impl Iterator<Item = i16>) -> i16 {
    errors.find(|error| *error != 0).unwrap_or(0)
}

fn either(of_all: i16, errors: impl Iterator<Item = i16>) -> i16 {
    first(std::iter::once(of_all).chain(errors))
}
