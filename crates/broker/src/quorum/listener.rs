//! The controller's listeners: frames in, answers in their order, and what only they serve.

use bytes::Bytes;
use protocol::messages::api_versions_response::ApiVersionsResponse;
use protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use protocol::messages::{ApiVersionsRequest, DescribeClusterRequest};
use protocol::{ApiKey, ErrorCode, Listener, Request, RequestHeader, Response, Str, Versions, api_versions};
use raft::{Answer, Input, Token};

use super::reply::Caller;
use super::{Quorum, Turn, wire};
use crate::connection::Departure;
use crate::event::{ConnectionId, Effect};
use crate::shard::Call;

/// What is served, in the order of the keys.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Fetch,
    ApiKey::SaslHandshake,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::SaslAuthenticate,
    ApiKey::CreatePartitions,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::DescribeDelegationToken,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::Vote,
    ApiKey::BeginQuorumEpoch,
    ApiKey::EndQuorumEpoch,
    ApiKey::DescribeQuorum,
    ApiKey::AlterPartition,
    ApiKey::UpdateFeatures,
    ApiKey::Envelope,
    ApiKey::FetchSnapshot,
    ApiKey::DescribeCluster,
    ApiKey::BrokerRegistration,
    ApiKey::BrokerHeartbeat,
    ApiKey::UnregisterBroker,
    ApiKey::AllocateProducerIds,
    ApiKey::ControllerRegistration,
    ApiKey::AssignReplicasToDirs,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
    ApiKey::UpdateRaftVoter,
];

const CONTROLLERS: i8 = 2;

fn versions(api_key: ApiKey) -> Versions {
    api_key.versions_before()
}

impl Quorum {
    pub(super) fn on_frame(&mut self, id: ConnectionId, frame: Bytes, turn: &mut Turn<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.push_frame(frame);
        self.start_calls(id, turn);
    }

    fn start_calls(&mut self, id: ConnectionId, turn: &mut Turn<'_>) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let Some(frame) = connection.next_frame() else { return };
            let sequence = connection.start(false);
            let listener = connection.listener;
            let listener = self.node.listener(listener).map_or(String::new(), |one| one.name.to_string());
            let Ok((header, mut reader)) = RequestHeader::from_frame(frame) else {
                return self.close_at(id, sequence, turn);
            };
            let Ok(api_key) = ApiKey::try_from(header.api_key) else {
                return self.close_at(id, sequence, turn);
            };
            let RequestHeader { correlation_id, api_version, .. } = header;
            let call = Call { connection: id, sequence, correlation_id, api_key, api_version };
            if api_key == ApiKey::ApiVersions && !versions(api_key).contains(api_version) {
                let response = api_versions::unsupported_version(versions(api_key));
                let call = Call { api_version: 0, ..call };
                self.answer(Caller::Connection(call, listener), Response::ApiVersions(response), turn);
                continue;
            }
            let served = SERVED.contains(&api_key) && versions(api_key).contains(api_version);
            let request = served.then(|| Request::decode(api_key, api_version, &mut reader));
            let Some(Ok(request)) = request else { return self.close_at(id, sequence, turn) };
            self.on_call(Caller::Connection(call, listener), request, turn);
        }
    }

    fn on_call(&mut self, caller: Caller, request: Request, turn: &mut Turn<'_>) {
        match request {
            Request::ApiVersions(request) => {
                let response = self.api_versions(&request, caller.version());
                self.answer(caller, Response::ApiVersions(response), turn);
            }
            Request::DescribeCluster(request) => {
                let response = self.describe_cluster(&request, &caller);
                self.answer(caller, Response::DescribeCluster(response), turn);
            }
            request => self.on_controller_request(caller, Box::new(request), turn),
        }
    }

    fn close_at(&mut self, id: ConnectionId, sequence: u64, turn: &mut Turn<'_>) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.close(sequence);
        }
        self.depart(id, turn);
    }

    /// Hands the shell what is due of a connection; the next frame may start then.
    pub(super) fn depart(&mut self, id: ConnectionId, turn: &mut Turn<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut any = false;
        while let Some(departure) = connection.depart() {
            any = true;
            match departure {
                Departure::Reply(chunks) => turn.effects.push(Effect::Reply { connection: id, chunks }),
                Departure::Silence => turn.effects.push(Effect::NoReply { connection: id }),
                Departure::Close => {
                    turn.effects.push(Effect::Close { connection: id });
                    self.connections.remove(&id);
                    // the shell does not tell of what is closed here
                    return self.speaker_closed(id, turn);
                }
            }
        }
        if any {
            self.start_calls(id, turn);
        }
    }

    fn api_versions(&self, request: &ApiVersionsRequest, version: i16) -> ApiVersionsResponse {
        let named = api_versions::is_software_name(&request.client_software_name)
            && api_versions::is_software_name(&request.client_software_version);
        if version >= 3 && !named {
            let error_code = ErrorCode::InvalidRequest.code();
            return ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
        }
        let features: Vec<_> = self
            .supported_features()
            .into_iter()
            .map(|(name, min, max)| api_versions::SupportedFeature {
                name: Str::from_static(name),
                levels: Versions::new(min, max),
            })
            .collect();
        let image = self.loader.head();
        let kraft_version = (Str::from_static("kraft.version"), self.raft.quorum().kraft_version());
        let levels = image.features.iter().map(|(name, level)| (name, *level));
        let levels = levels.chain([(&kraft_version.0, kraft_version.1)]);
        ApiVersionsResponse {
            api_keys: SERVED
                .iter()
                .map(|api_key| api_versions::listed(*api_key, versions(*api_key), Listener::Controller))
                .collect(),
            supported_features: api_versions::supported_features(&features, version),
            finalized_features_epoch: self.applied.0 - 1,
            finalized_features: api_versions::finalized_features(levels),
            ..ApiVersionsResponse::default()
        }
    }

    /// The controllers that are registered or vote, by the listener that the request came in on.
    fn describe_cluster(&self, request: &DescribeClusterRequest, caller: &Caller) -> DescribeClusterResponse {
        let mut response = DescribeClusterResponse {
            cluster_id: Str::from(&*self.node.cluster_id),
            controller_id: self.raft.leader().map_or(-1, |id| id.0),
            endpoint_type: CONTROLLERS,
            cluster_authorized_operations: i32::MIN,
            ..DescribeClusterResponse::default()
        };
        if request.endpoint_type != CONTROLLERS {
            response.error_code = ErrorCode::MismatchedEndpointType.code();
            response.error_message = Some(Str::from_static(
                "The request was sent to an endpoint of type CONTROLLER, but we wanted an endpoint of type BROKER",
            ));
            return response;
        }
        let listener = caller.listener().unwrap_or_default();
        for voter in self.raft.voters().iter() {
            let endpoint = voter.endpoints.iter().find(|one| one.listener.eq_ignore_ascii_case(listener));
            if let Some(endpoint) = endpoint.or(voter.endpoints.first()) {
                response.brokers.push(DescribeClusterBroker {
                    broker_id: voter.key.id.0,
                    host: Str::from(endpoint.host.clone()),
                    port: i32::from(endpoint.port),
                    ..DescribeClusterBroker::default()
                });
            }
        }
        response
    }

    /// A request of the quorum's own protocol, or why it is none.
    pub(super) fn ask_raft(
        &mut self,
        caller: Caller,
        asked: Result<raft::Request, Response>,
        turn: &mut Turn<'_>,
    ) {
        let request = match asked {
            Ok(request) => request,
            Err(refusal) => return self.answer(caller, refusal, turn),
        };
        let listener = caller.listener().unwrap_or(self.raft.listener()).to_owned();
        self.last_token += 1;
        self.asked.insert(self.last_token, caller);
        self.raft_step(Input::Request { token: Token(self.last_token), listener, request }, turn);
    }

    pub(super) fn on_raft_answer(&mut self, token: Token, answer: Answer, turn: &mut Turn<'_>) {
        let Some(caller) = self.asked.remove(&token.0) else { return };
        let api_key = match &caller {
            Caller::Connection(call, _) => call.api_key,
            Caller::Enveloped(_, _, inner) => inner.api_key,
            _ => wire::api_key(&answer),
        };
        let response = wire::from_raft(api_key, answer, caller.version());
        self.answer(caller, response, turn);
    }
}
