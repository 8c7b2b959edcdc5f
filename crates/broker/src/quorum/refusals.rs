//! Answers that say one thing of the whole request: this node does not decide, or not now. Shaped as Kafka shapes them,
//! so that clients see the error where they look for it.

use std::collections::BTreeSet;

use protocol::messages as m;
use protocol::{ErrorCode, Request, Response, Str};

/// None for requests that the controller does not decide.
pub(super) fn refusal(request: &Request, error: ErrorCode) -> Option<Response> {
    let code = error.code();
    let text = || Some(Str::from(error.message()));
    Some(match request {
        Request::CreateTopics(request) => {
            let topic = |one: &m::create_topics_request::CreatableTopic| {
                m::create_topics_response::CreatableTopicResult {
                    name: one.name.clone(),
                    error_code: code,
                    error_message: text(),
                    ..Default::default()
                }
            };
            let topics = request.topics.iter().map(topic).collect();
            Response::CreateTopics(m::CreateTopicsResponse { topics, ..Default::default() })
        }
        Request::DeleteTopics(request) => Response::DeleteTopics(delete_topics(request, code)),
        Request::CreatePartitions(request) => {
            let result = |one: &m::create_partitions_request::CreatePartitionsTopic| {
                m::create_partitions_response::CreatePartitionsTopicResult {
                    name: one.name.clone(),
                    error_code: code,
                    error_message: text(),
                }
            };
            let results = request.topics.iter().map(result).collect();
            Response::CreatePartitions(m::CreatePartitionsResponse { results, ..Default::default() })
        }
        Request::AlterConfigs(request) => {
            let resource = |one: &m::alter_configs_request::AlterConfigsResource| {
                m::alter_configs_response::AlterConfigsResourceResponse {
                    error_code: code,
                    error_message: text(),
                    resource_type: one.resource_type,
                    resource_name: one.resource_name.clone(),
                }
            };
            let responses = request.resources.iter().map(resource).collect();
            Response::AlterConfigs(m::AlterConfigsResponse { responses, ..Default::default() })
        }
        Request::IncrementalAlterConfigs(request) => {
            let resource = |one: &m::incremental_alter_configs_request::AlterConfigsResource| {
                m::incremental_alter_configs_response::AlterConfigsResourceResponse {
                    error_code: code,
                    error_message: text(),
                    resource_type: one.resource_type,
                    resource_name: one.resource_name.clone(),
                }
            };
            let responses = request.resources.iter().map(resource).collect();
            Response::IncrementalAlterConfigs(m::IncrementalAlterConfigsResponse {
                responses,
                ..Default::default()
            })
        }
        other => return whole(other, code, text),
    })
}

fn delete_topics(request: &m::DeleteTopicsRequest, code: i16) -> m::DeleteTopicsResponse {
    let result = |name: Option<Str>, topic_id| m::delete_topics_response::DeletableTopicResult {
        name,
        topic_id,
        error_code: code,
        ..Default::default()
    };
    let named = request.topic_names.iter().map(|name| result(Some(name.clone()), types::Uuid::ZERO));
    let topics = request.topics.iter().map(|topic| result(topic.name.clone(), topic.topic_id));
    m::DeleteTopicsResponse { responses: named.chain(topics).collect(), ..Default::default() }
}

/// Those with one error for everything.
fn whole(request: &Request, error_code: i16, text: impl Fn() -> Option<Str>) -> Option<Response> {
    let error_message = text();
    Some(match request {
        Request::CreateAcls(request) => {
            let result =
                |_: &_| m::create_acls_response::AclCreationResult { error_code, error_message: text() };
            let results = request.creations.iter().map(result).collect();
            Response::CreateAcls(m::CreateAclsResponse { results, ..Default::default() })
        }
        Request::DeleteAcls(request) => {
            let result = |_: &_| m::delete_acls_response::DeleteAclsFilterResult {
                error_code,
                error_message: text(),
                ..Default::default()
            };
            let filter_results = request.filters.iter().map(result).collect();
            Response::DeleteAcls(m::DeleteAclsResponse { filter_results, ..Default::default() })
        }
        Request::ElectLeaders(_) => {
            Response::ElectLeaders(m::ElectLeadersResponse { error_code, ..Default::default() })
        }
        Request::AlterPartitionReassignments(_) => {
            Response::AlterPartitionReassignments(m::AlterPartitionReassignmentsResponse {
                error_code,
                error_message,
                ..Default::default()
            })
        }
        Request::ListPartitionReassignments(_) => {
            Response::ListPartitionReassignments(m::ListPartitionReassignmentsResponse {
                error_code,
                error_message,
                ..Default::default()
            })
        }
        Request::UpdateFeatures(_) => Response::UpdateFeatures(m::UpdateFeaturesResponse {
            error_code,
            error_message,
            ..Default::default()
        }),
        Request::UnregisterBroker(_) => Response::UnregisterBroker(m::UnregisterBrokerResponse {
            error_code,
            error_message,
            ..Default::default()
        }),
        Request::AllocateProducerIds(_) => {
            Response::AllocateProducerIds(m::AllocateProducerIdsResponse { error_code, ..Default::default() })
        }
        Request::AlterPartition(_) => {
            Response::AlterPartition(m::AlterPartitionResponse { error_code, ..Default::default() })
        }
        Request::AssignReplicasToDirs(_) => Response::AssignReplicasToDirs(m::AssignReplicasToDirsResponse {
            error_code,
            ..Default::default()
        }),
        Request::BrokerRegistration(_) => {
            Response::BrokerRegistration(m::BrokerRegistrationResponse { error_code, ..Default::default() })
        }
        Request::BrokerHeartbeat(_) => {
            Response::BrokerHeartbeat(m::BrokerHeartbeatResponse { error_code, ..Default::default() })
        }
        Request::ControllerRegistration(_) => {
            Response::ControllerRegistration(m::ControllerRegistrationResponse {
                error_code,
                error_message,
                ..Default::default()
            })
        }
        Request::AddRaftVoter(_) => Response::AddRaftVoter(m::AddRaftVoterResponse {
            error_code,
            error_message,
            ..Default::default()
        }),
        Request::RemoveRaftVoter(_) => Response::RemoveRaftVoter(m::RemoveRaftVoterResponse {
            error_code,
            error_message,
            ..Default::default()
        }),
        Request::DescribeQuorum(_) => {
            Response::DescribeQuorum(m::DescribeQuorumResponse { error_code, ..Default::default() })
        }
        Request::AlterClientQuotas(request) => {
            let entry = |one: &m::alter_client_quotas_request::EntryData| {
                let entity = one.entity.iter().map(|part| m::alter_client_quotas_response::EntityData {
                    entity_type: part.entity_type.clone(),
                    entity_name: part.entity_name.clone(),
                });
                m::alter_client_quotas_response::EntryData {
                    error_code,
                    error_message: text(),
                    entity: entity.collect(),
                }
            };
            let entries = request.entries.iter().map(entry).collect();
            Response::AlterClientQuotas(m::AlterClientQuotasResponse { entries, ..Default::default() })
        }
        Request::AlterUserScramCredentials(request) => {
            let deleted = request.deletions.iter().map(|one| &one.name);
            let users: BTreeSet<&Str> =
                deleted.chain(request.upsertions.iter().map(|one| &one.name)).collect();
            let result =
                |user: &Str| m::alter_user_scram_credentials_response::AlterUserScramCredentialsResult {
                    user: user.clone(),
                    error_code,
                    error_message: text(),
                };
            let results = users.into_iter().map(result).collect();
            Response::AlterUserScramCredentials(m::AlterUserScramCredentialsResponse {
                results,
                ..Default::default()
            })
        }
        _ => return None,
    })
}

/// Whether an answer says anywhere that its sender does not decide: whoever passed the request on looks for the one
/// who does.
pub(super) fn says_not_controller(response: &Response) -> bool {
    let not = ErrorCode::NotController.code();
    match response {
        Response::CreateTopics(r) => r.topics.iter().any(|one| one.error_code == not),
        Response::DeleteTopics(r) => r.responses.iter().any(|one| one.error_code == not),
        Response::CreatePartitions(r) => r.results.iter().any(|one| one.error_code == not),
        Response::AlterConfigs(r) => r.responses.iter().any(|one| one.error_code == not),
        Response::IncrementalAlterConfigs(r) => r.responses.iter().any(|one| one.error_code == not),
        Response::CreateAcls(r) => r.results.iter().any(|one| one.error_code == not),
        Response::DeleteAcls(r) => r.filter_results.iter().any(|one| one.error_code == not),
        Response::AlterClientQuotas(r) => r.entries.iter().any(|one| one.error_code == not),
        Response::AlterUserScramCredentials(r) => r.results.iter().any(|one| one.error_code == not),
        Response::ElectLeaders(r) => r.error_code == not,
        Response::AlterPartitionReassignments(r) => r.error_code == not,
        Response::ListPartitionReassignments(r) => r.error_code == not,
        Response::UpdateFeatures(r) => r.error_code == not,
        Response::UnregisterBroker(r) => r.error_code == not,
        Response::AllocateProducerIds(r) => r.error_code == not,
        Response::AlterPartition(r) => r.error_code == not,
        Response::AssignReplicasToDirs(r) => r.error_code == not,
        Response::BrokerRegistration(r) => r.error_code == not,
        Response::BrokerHeartbeat(r) => r.error_code == not,
        Response::ControllerRegistration(r) => r.error_code == not,
        Response::Envelope(r) => r.error_code == not,
        Response::AddRaftVoter(r) => is_not_leader(r.error_code),
        Response::RemoveRaftVoter(r) => is_not_leader(r.error_code),
        Response::DescribeQuorum(r) => {
            let partitions = r.topics.iter().flat_map(|topic| &topic.partitions);
            is_not_leader(r.error_code) || partitions.into_iter().any(|one| is_not_leader(one.error_code))
        }
        _ => false,
    }
}

fn is_not_leader(code: i16) -> bool {
    matches!(ErrorCode::from(code), ErrorCode::NotLeaderOrFollower | ErrorCode::NotController)
}
