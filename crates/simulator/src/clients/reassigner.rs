//! Somebody who moves partitions while records flow: adds replicas, takes some away, changes his mind, and asks what
//! goes on. One request at a time, to any node.

use protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest,
};
use protocol::{ApiKey, ErrorCode, Request, Response, Str};
use types::TopicIdPartition;

use super::Program;
use super::exchange::Exchange;
use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;
use crate::model::Model;
use crate::world::MachineIndex;

/// What is to become of a partition's replicas.
pub struct Asked {
    id: TopicIdPartition,
    /// None: what is under way is to end.
    target: Option<Vec<MachineIndex>>,
    /// The replicas, where nothing is under way as far as anybody knows.
    before: Option<Vec<MachineIndex>>,
}

impl Asked {
    /// No one else asks for the same partition until there is an answer.
    pub fn new(api: &mut Api<'_>, id: TopicIdPartition, target: Option<Vec<MachineIndex>>) -> Asked {
        let reign = api.model.reigns.get(&id).filter(|reign| !reign.is_reassigning());
        let before = reign.map(|reign| reign.replicas.clone());
        api.tell(|| format!("reassigns {id} to {target:?}"));
        api.model.reassignments.ask(id);
        Asked { id, target, before }
    }

    pub fn request(&self, name: Str, allows_change: bool) -> AlterPartitionReassignmentsRequest {
        let node = |machine: &MachineIndex| *machine as i32 + 1;
        let replicas = self.target.as_ref().map(|target| target.iter().map(node).collect());
        let partition = ReassignablePartition { partition_index: self.id.partition, replicas };
        AlterPartitionReassignmentsRequest {
            timeout_ms: 10_000,
            allow_replication_factor_change: allows_change,
            topics: vec![ReassignableTopic { name, partitions: vec![partition] }],
        }
    }

    /// Gives the error of the answer.
    pub fn answered(&self, api: &mut Api<'_>, response: &AlterPartitionReassignmentsResponse) -> ErrorCode {
        let first = response.responses.first().and_then(|topic| topic.partitions.first());
        let code = match (response.error_code, first) {
            (0, Some(partition)) => partition.error_code,
            (0, None) => ErrorCode::UnknownServerError.code(),
            (code, _) => code,
        };
        api.saw(ApiKey::AlterPartitionReassignments, code);
        let all = &mut api.model.reassignments;
        all.answered(&self.id);
        match (ErrorCode::from(code), &self.target) {
            (ErrorCode::None, Some(target)) => {
                all.begun(self.id, target, self.before.as_deref());
                api.coverage.count("transition", "reassignment asked for");
            }
            (ErrorCode::None, None) => {
                all.cancelled(self.id);
                api.coverage.count("transition", "reassignment cancelled");
            }
            (
                ErrorCode::InvalidReplicaAssignment
                | ErrorCode::InvalidReplicationFactor
                | ErrorCode::UnknownTopicOrPartition,
                _,
            ) => {}
            // passed on twice, the second finds nothing where the first was carried out
            _ => all.unclear(self.id),
        }
        ErrorCode::from(code)
    }

    /// There will be no answer.
    pub fn unanswered(&self, api: &mut Api<'_>) {
        api.model.reassignments.answered(&self.id);
        api.model.reassignments.unclear(self.id);
    }
}

/// In violations.
const WHO: &str = "who moves partitions";

#[derive(Default)]
pub struct Reassigner {
    exchange: Exchange<Option<Asked>>,
}

impl Reassigner {
    pub fn new() -> Reassigner {
        Reassigner::default()
    }

    fn draw_target(api: &mut Api<'_>) -> Vec<MachineIndex> {
        let mut machines = api.model.members();
        let count = (1 + api.random.below(3) as usize).min(machines.len());
        let drawn =
            (0..count).map(|_| machines.swap_remove(api.random.below(machines.len() as u64) as usize));
        drawn.collect()
    }

    fn alter(&mut self, api: &mut Api<'_>) {
        let chosen = api.choose_partition().filter(|(_, id)| !api.model.reassignments.is_asked(id));
        let Some((name, id)) = chosen else { return self.list(api) };
        let is_under_way = api.model.reigns.get(&id).is_some_and(|reign| reign.is_reassigning());
        let cancels = is_under_way && !api.random.one_in(4);
        let target = (!cancels).then(|| Self::draw_target(api));
        let allows_change = !api.random.one_in(4);
        let asked = Asked::new(api, id, target);
        self.ask(api, asked.request(name, allows_change), Some(asked));
    }

    fn list(&mut self, api: &mut Api<'_>) {
        self.ask(api, ListPartitionReassignmentsRequest { timeout_ms: 10_000, topics: None }, None);
    }

    fn ask(&mut self, api: &mut Api<'_>, request: impl Into<Request>, asked: Option<Asked>) {
        let request = request.into();
        // version 0 does not say whether the number of replicas may change: it may
        let version = request.api_key().versions_before().max;
        self.exchange.ask(api, version, request, asked);
    }
}

impl Program for Reassigner {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            api.connect();
        }
        if self.exchange.waits() {
            return;
        }
        match api.model.calm || api.random.one_in(5) {
            true => self.list(api),
            false => self.alter(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(asked) = self.exchange.answered(api, &reply, WHO) else { return };
        match (&reply.response, asked) {
            (Response::AlterPartitionReassignments(response), Some(asked)) => {
                asked.answered(api, response);
            }
            (Response::ListPartitionReassignments(response), None) => {
                api.saw(ApiKey::ListPartitionReassignments, response.error_code);
            }
            _ => api.model.violation("an answer of another kind than who moves partitions asked for"),
        }
        let pause = if api.model.calm { 800_000 } else { 250_000 };
        api.wake_in_about(pause);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        if let Some(Some(asked)) = self.exchange.ended() {
            asked.unanswered(api);
        }
        api.wake_in_about(50_000);
    }

    fn calm(&mut self) {
        self.exchange.calm();
    }

    fn standing(&self, _: &Model) -> Standing {
        self.exchange.standing(WHO)
    }

    fn name(&self) -> &'static str {
        "reassigner"
    }
}
