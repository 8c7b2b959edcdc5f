//! Requests that the controller decides, from shards and from the controller's own listeners.

use metadata::controller::{Outcome, TopicPermissions, list_partition_reassignments};
use protocol::messages::{
    AllocateProducerIdsRequest, BrokerHeartbeatRequest, BrokerHeartbeatResponse, EnvelopeRequest,
};
use protocol::{ErrorCode, Request, Response, Str};
use raft::RoleName;

use super::remote::Asker;
use super::reply::Caller;
use super::{Quorum, Turn, envelope};
use crate::event::{Level, ShardId};
use crate::shard::Call;

/// Bytes that must be left on the disk for a change.
const CHANGE: u64 = 256 << 10;

impl Quorum {
    pub(super) fn on_controller_request(
        &mut self,
        caller: Caller,
        request: Box<Request>,
        turn: &mut Turn<'_>,
    ) {
        if self.stopping {
            return self.refuse(caller, turn);
        }
        if let Some(asked) = super::wire::to_raft(&request, caller.version(), &self.node.cluster_id) {
            if caller.is_own() && self.raft.role() != RoleName::Leader {
                return self.ask_controller(Asker::Caller(caller), request, turn);
            }
            if let (Ok(raft::Request::Fetch(fetch)), Caller::Connection(call, _)) = (&asked, &caller) {
                self.follower_spoke(call.connection, fetch.replica.id);
            }
            return self.ask_raft(caller, asked, turn);
        }
        if let Request::Envelope(envelope) = &*request {
            return self.on_envelope(caller, envelope, turn);
        }
        if let Some(response) = self.told_by_any(&request, &caller) {
            return self.answer(caller, response, turn);
        }
        if self.active.is_none() {
            return self.on_request_to_standby(caller, request, turn);
        }
        let version = caller.version();
        let forwarded = caller.is_forwarded();
        let all = |_: &str| true;
        let permissions = TopicPermissions { describe: &all, delete: &all };
        match *request {
            Request::CreateTopics(request) => {
                let outcome = self.decide(turn, |c, context| c.create_topics(&request, &all, context));
                self.carry_out(outcome, caller, Response::CreateTopics, turn);
            }
            Request::DeleteTopics(request) => {
                let outcome = self.decide(turn, |c, _| c.delete_topics(&request, version, &permissions));
                self.carry_out(outcome, caller, Response::DeleteTopics, turn);
            }
            Request::CreatePartitions(request) => {
                let outcome = self.decide(turn, |c, context| c.create_partitions(&request, context));
                self.carry_out(outcome, caller, Response::CreatePartitions, turn);
            }
            Request::AlterConfigs(request) => {
                let outcome = self.decide(turn, |c, _| c.alter_configs(&request, forwarded));
                self.carry_out(outcome, caller, Response::AlterConfigs, turn);
            }
            Request::IncrementalAlterConfigs(request) => {
                let outcome = self.decide(turn, |c, _| c.incremental_alter_configs(&request, forwarded));
                self.carry_out(outcome, caller, Response::IncrementalAlterConfigs, turn);
            }
            Request::ElectLeaders(request) => {
                let outcome = self.decide(turn, |c, _| c.elect_leaders(&request));
                self.carry_out(outcome, caller, Response::ElectLeaders, turn);
            }
            Request::ListPartitionReassignments(request) => {
                let response = list_partition_reassignments(self.loader.head(), &request);
                self.answer(caller, Response::ListPartitionReassignments(response), turn);
            }
            Request::UpdateFeatures(request) => self.update_features(&request, caller, turn),
            Request::UnregisterBroker(request) => {
                let outcome = self.decide(turn, |c, _| c.unregister_broker(&request));
                self.carry_out(outcome, caller, Response::UnregisterBroker, turn);
            }
            Request::AllocateProducerIds(request) => {
                let outcome = self.decide(turn, |c, _| c.allocate_producer_ids(&request));
                self.carry_out(outcome, caller, Response::AllocateProducerIds, turn);
            }
            Request::AlterPartitionReassignments(request) => {
                let outcome = self.decide(turn, |c, _| c.alter_partition_reassignments(&request));
                self.carry_out(outcome, caller, Response::AlterPartitionReassignments, turn);
            }
            Request::CreateAcls(request) => {
                let outcome = self.decide(turn, |c, context| c.create_acls(&request, context));
                self.carry_out(outcome, caller, Response::CreateAcls, turn);
            }
            Request::DeleteAcls(request) => {
                let outcome = self.decide(turn, |c, _| c.delete_acls(&request));
                self.carry_out(outcome, caller, Response::DeleteAcls, turn);
            }
            Request::AlterClientQuotas(request) => {
                let outcome = self.decide(turn, |c, _| c.alter_client_quotas(&request));
                self.carry_out(outcome, caller, Response::AlterClientQuotas, turn);
            }
            Request::AlterUserScramCredentials(request) => {
                let keys = &super::security::scram_keys;
                let outcome = self.decide(turn, |c, _| c.alter_user_scram_credentials(&request, keys));
                self.carry_out(outcome, caller, Response::AlterUserScramCredentials, turn);
            }
            other => self.on_broker_request(other, caller, turn),
        }
    }

    /// Another node decides, or nobody yet: this node's own requests go there, others are told to.
    fn on_request_to_standby(&mut self, caller: Caller, request: Box<Request>, turn: &mut Turn<'_>) {
        if caller.is_own() {
            return self.ask_controller(Asker::Caller(caller), request, turn);
        }
        if let Request::ListPartitionReassignments(request) = &*request {
            let response = list_partition_reassignments(self.loader.head(), request);
            return self.answer(caller, Response::ListPartitionReassignments(response), turn);
        }
        self.answer_refusal(caller, &request, ErrorCode::NotController, turn);
    }

    fn on_envelope(&mut self, caller: Caller, request: &EnvelopeRequest, turn: &mut Turn<'_>) {
        let Caller::Connection(call, listener) = caller else { return self.refuse(caller, turn) };
        match envelope::unwrap(request) {
            Ok((inner, request)) => {
                let caller = Caller::Enveloped(call, listener, inner);
                self.on_controller_request(caller, Box::new(request), turn);
            }
            Err(error) => self.answer(Caller::Connection(call, listener), envelope::refuse(error), turn),
        }
    }

    /// What other brokers and controllers tell the controller.
    fn on_broker_request(&mut self, request: Request, caller: Caller, turn: &mut Turn<'_>) {
        let version = caller.version();
        match request {
            Request::BrokerRegistration(request) => {
                let outcome = self.decide(turn, |c, context| c.register_broker(&request, version, context));
                self.carry_out(outcome, caller, Response::BrokerRegistration, turn);
            }
            Request::BrokerHeartbeat(request) => {
                if let Caller::Connection(call, _) = &caller {
                    self.absent.spoke(call.connection, &request);
                }
                // a broker goes when all others know who leads in its place, and this node's says so to nobody
                let own = self.own.epoch().filter(|_| request.want_shut_down);
                let own = own.map(|epoch| self.own_heartbeat(epoch));
                let outcome = self.decide(turn, |c, context| {
                    if let Some(own) = &own {
                        c.heartbeat_arrived(own, context.now_ms);
                    }
                    c.heartbeat_arrived(&request, context.now_ms);
                    c.broker_heartbeat(&request, context)
                });
                if let Some(outcome) = &outcome
                    && self.is_old_news(&request, outcome)
                {
                    let reply = Response::BrokerHeartbeat(outcome.reply.clone());
                    return self.answer(caller, reply, turn);
                }
                self.carry_out(outcome, caller, Response::BrokerHeartbeat, turn);
            }
            Request::ControllerRegistration(request) => {
                let outcome = self.decide(turn, |c, _| c.register_controller(&request));
                self.carry_out(outcome, caller, Response::ControllerRegistration, turn);
            }
            Request::AlterPartition(request) => {
                let outcome = self.decide(turn, |c, _| c.alter_partition(&request, version));
                self.carry_out(outcome, caller, Response::AlterPartition, turn);
            }
            Request::AssignReplicasToDirs(request) => {
                let outcome = self.decide(turn, |c, _| c.assign_replicas_to_dirs(&request));
                self.carry_out(outcome, caller, Response::AssignReplicasToDirs, turn);
            }
            _ => self.refuse(caller, turn),
        }
    }

    /// The answer says nothing but what is committed. Then it need not wait for what is not, nor for this node's shards: a
    /// broker sends its next heartbeat after the answer, and on saturated disks both may take longer than a session.
    fn is_old_news(
        &self,
        request: &BrokerHeartbeatRequest,
        outcome: &Outcome<BrokerHeartbeatResponse>,
    ) -> bool {
        let reply = &outcome.reply;
        let committed = self.loader.head().cluster.broker(request.broker_id);
        outcome.records.is_empty()
            && reply.error_code == 0
            && !request.want_shut_down
            && committed
                .is_some_and(|known| known.epoch == request.broker_epoch && known.fenced == reply.is_fenced)
    }

    pub(super) fn refuse(&mut self, caller: Caller, turn: &mut Turn<'_>) {
        if let Caller::Connection(call, _) | Caller::Enveloped(call, _, _) = caller {
            self.close_call(&call, turn);
        }
    }

    fn carry_out<R>(
        &mut self,
        outcome: Option<Outcome<R>>,
        caller: Caller,
        wrap: impl FnOnce(R) -> Response,
        turn: &mut Turn<'_>,
    ) {
        let Some(outcome) = outcome else { return self.refuse(caller, turn) };
        let Outcome { records, atomic, reply } = outcome;
        let response = wrap(reply);
        if !records.is_empty() && !self.has_room_for(&response) {
            turn.log(Level::Info, "a change is refused: the disk of the metadata log is full".to_owned());
            return self.answer(caller, refused_with(&response, ErrorCode::KafkaStorageError), turn);
        }
        if let Some((response, offset)) = self.append(Outcome { records, atomic, reply: response }, turn) {
            self.answer_after(offset, caller, response);
        }
    }

    /// Room is left for those that help to free some.
    fn has_room_for(&self, response: &Response) -> bool {
        match response {
            Response::DeleteTopics(_) | Response::AlterConfigs(_) | Response::IncrementalAlterConfigs(_) => {
                self.log.has_reserve()
            }
            _ => self.log.has_room(CHANGE),
        }
    }

    fn update_features(
        &mut self,
        request: &protocol::messages::UpdateFeaturesRequest,
        caller: Caller,
        turn: &mut Turn<'_>,
    ) {
        let version = caller.version();
        let Some(mut outcome) = self.decide(turn, |c, _| c.update_features(request, version)) else {
            return self.refuse(caller, turn);
        };
        if let Some(level) = outcome.reply.kraft_version {
            let raised = self.raft.upgrade_kraft_version(turn.now, level, &mut self.log, &mut self.outputs);
            match raised {
                Err(fatal) => return self.fail(fatal.to_string(), turn),
                Ok(Ok(_)) => self.note_kraft_version(),
                Ok(Err(code)) => {
                    let error = ErrorCode::from(code.0);
                    outcome.records.clear();
                    outcome.reply.response.error_code = code.0;
                    outcome.reply.response.error_message = Some(Str::from(error.message()));
                    outcome.reply.response.results.clear();
                }
            }
        }
        if let Some((reply, offset)) = self.append(outcome, turn) {
            self.answer_after(offset, caller, Response::UpdateFeatures(reply.response));
        }
    }

    fn note_kraft_version(&mut self) {
        let level = self.raft.quorum().kraft_version();
        if let Some(active) = &mut self.active {
            active.controller.config.kraft_version = level;
        }
    }

    pub(super) fn allocate_producer_ids(&mut self, shard: ShardId, turn: &mut Turn<'_>) {
        let broker_epoch = self.own.epoch().unwrap_or(-1);
        let request = AllocateProducerIdsRequest { broker_id: self.node.node_id.0, broker_epoch };
        let caller = Caller::ProducerIds(shard);
        self.on_controller_request(caller, Box::new(Request::AllocateProducerIds(request)), turn);
    }

    pub(super) fn close_call(&mut self, call: &Call, turn: &mut Turn<'_>) {
        if let Some(connection) = self.connections.get_mut(&call.connection) {
            connection.close(call.sequence);
        }
        self.depart(call.connection, turn);
    }
}

/// The same answer, saying that nothing of it was done.
pub(super) fn refused_with(response: &Response, error: ErrorCode) -> Response {
    let code = error.code();
    let mut response = response.clone();
    match &mut response {
        Response::CreateTopics(reply) => reply.topics.iter_mut().for_each(|one| one.error_code = code),
        Response::DeleteTopics(reply) => reply.responses.iter_mut().for_each(|one| one.error_code = code),
        Response::CreatePartitions(reply) => reply.results.iter_mut().for_each(|one| one.error_code = code),
        Response::AlterConfigs(reply) => reply.responses.iter_mut().for_each(|one| one.error_code = code),
        Response::IncrementalAlterConfigs(reply) => {
            reply.responses.iter_mut().for_each(|one| one.error_code = code)
        }
        Response::ElectLeaders(reply) => reply.error_code = code,
        Response::UpdateFeatures(reply) => reply.error_code = code,
        Response::UnregisterBroker(reply) => reply.error_code = code,
        Response::AllocateProducerIds(reply) => reply.error_code = code,
        Response::BrokerRegistration(reply) => reply.error_code = code,
        Response::BrokerHeartbeat(reply) => reply.error_code = code,
        Response::ControllerRegistration(reply) => reply.error_code = code,
        Response::AlterPartition(reply) => reply.error_code = code,
        Response::AssignReplicasToDirs(reply) => reply.error_code = code,
        Response::AlterPartitionReassignments(reply) => reply.error_code = code,
        Response::CreateAcls(reply) => reply.results.iter_mut().for_each(|one| one.error_code = code),
        Response::DeleteAcls(reply) => reply.filter_results.iter_mut().for_each(|one| one.error_code = code),
        Response::AlterClientQuotas(reply) => reply.entries.iter_mut().for_each(|one| one.error_code = code),
        Response::AlterUserScramCredentials(reply) => {
            reply.results.iter_mut().for_each(|one| one.error_code = code)
        }
        _ => {}
    }
    response
}
