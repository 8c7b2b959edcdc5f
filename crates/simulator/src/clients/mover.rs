//! Somebody who moves replicas between the log directories of their machines, asks how far they are, closes directories
//! to new replicas, and has machines crash or directories fail in the midst of it.

use protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    IncrementalAlterConfigsRequest,
};
use protocol::{ApiKey, ErrorCode, Response, Str};
use types::TopicIdPartition;

use super::Program;
use super::exchange::Exchange;
use crate::commands::{Api, Reply};
use crate::faults::Fault;
use crate::invariants::liveness::Standing;
use crate::invariants::moves;
use crate::model::Model;
use crate::node::directory_path;
use crate::world::MachineIndex;

const BROKER: i8 = 4;

enum Question {
    Move { machine: MachineIndex, id: TopicIdPartition, directory: usize },
    Describe,
    Cordon,
}

/// In violations.
const WHO: &str = "who moves replicas";

#[derive(Default)]
pub struct Mover {
    machine: MachineIndex,
    exchange: Exchange<Question>,
}

fn path(directory: usize) -> Str {
    Str::from(directory_path(directory).display().to_string())
}

impl Mover {
    pub fn new() -> Mover {
        Mover::default()
    }

    /// Mostly one of the machine's replicas.
    fn choose(&self, api: &mut Api<'_>) -> Option<(Str, TopicIdPartition)> {
        let has_it = |model: &Model, id: &TopicIdPartition| {
            model.reigns.get(id).is_some_and(|reign| reign.replicas.contains(&self.machine))
        };
        for _ in 0..4 {
            let chosen = api.choose_partition();
            if chosen.as_ref().is_some_and(|(_, id)| has_it(api.model, id)) {
                return chosen;
            }
        }
        api.choose_partition()
    }

    fn alter(&mut self, api: &mut Api<'_>) {
        let Some((name, id)) = self.choose(api) else { return self.describe(api) };
        let machine = self.machine;
        let directory = api.random.below(api.model.directories as u64) as usize;
        api.tell(|| format!("{id} of machine {machine} is to move to directory {directory}"));
        let topics = vec![AlterReplicaLogDirTopic { name, partitions: vec![id.partition] }];
        let dirs = vec![AlterReplicaLogDir { path: path(directory), topics }];
        let version = api.version(ApiKey::AlterReplicaLogDirs, 1, i16::MAX);
        let question = Question::Move { machine, id, directory };
        self.exchange.ask(api, version, AlterReplicaLogDirsRequest { dirs }, question);
    }

    fn describe(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::DescribeLogDirs, 1, i16::MAX);
        self.exchange.ask(api, version, DescribeLogDirsRequest { topics: None }, Question::Describe);
    }

    /// One directory of the machine is to get no new replicas, or each may again.
    fn cordon(&mut self, api: &mut Api<'_>) {
        let one = path(api.random.below(api.model.directories as u64) as usize);
        let is_set = api.random.one_in(2);
        let config = AlterableConfig {
            name: "cordoned.log.dirs".into(),
            config_operation: if is_set { 0 } else { 1 },
            value: is_set.then_some(one),
        };
        let resource = AlterConfigsResource {
            resource_type: BROKER,
            resource_name: Str::from((self.machine + 1).to_string()),
            configs: vec![config],
        };
        let version = api.version(ApiKey::IncrementalAlterConfigs, 0, 1);
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.exchange.ask(api, version, request, Question::Cordon);
    }

    /// Now and then in the midst of a move.
    fn strike(&self, api: &mut Api<'_>) {
        if api.model.calm || !api.random.one_in(16) {
            return;
        }
        const ALL: [Fault; 6] = [
            Fault::Kill,
            Fault::KillInCall,
            Fault::PowerLoss,
            Fault::PowerLossInCall,
            Fault::DirectoryFails,
            Fault::DirectoryFails,
        ];
        let kinds = if api.model.is_cluster && api.model.is_strict { 2 } else { ALL.len() as u64 };
        let fault = ALL[api.random.below(kinds) as usize];
        let after = api.random.below(8000);
        api.fault_of_machine_in(after, fault, self.machine);
    }

    fn on_altered(
        &mut self,
        api: &mut Api<'_>,
        (machine, id, directory): (MachineIndex, TopicIdPartition, usize),
        response: &AlterReplicaLogDirsResponse,
    ) {
        let first = response.results.first().and_then(|topic| topic.partitions.first());
        let code = first.map_or(ErrorCode::UnknownServerError.code(), |partition| partition.error_code);
        api.saw(ApiKey::AlterReplicaLogDirs, code);
        if ErrorCode::from(code) == ErrorCode::None {
            api.model.moves.accepted(machine, id, directory);
            api.coverage.count("transition", "replica is to move to another directory");
            self.strike(api);
        }
    }
}

impl Program for Mover {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            let members = api.model.members();
            self.machine = members[api.random.below(members.len() as u64) as usize];
            api.connect_to(Some(self.machine));
        }
        if self.exchange.waits() {
            return;
        }
        if api.random.one_in(5) {
            api.close();
            return self.on_closed(api);
        }
        match api.random.below(12) {
            _ if api.model.calm => self.describe(api),
            0..3 => self.describe(api),
            3 => self.cordon(api),
            _ => self.alter(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, WHO) else { return };
        match (&reply.response, question) {
            (Response::AlterReplicaLogDirs(response), Question::Move { machine, id, directory }) => {
                self.on_altered(api, (machine, id, directory), response);
            }
            (Response::DescribeLogDirs(response), Question::Describe) => {
                match moves::check_described(response) {
                    Ok(0) => {}
                    Ok(_) => api.coverage.count("transition", "replica seen to move"),
                    Err(text) => api.model.violation(text),
                }
            }
            (Response::IncrementalAlterConfigs(response), Question::Cordon) => {
                let code = response.responses.first().map_or(0, |resource| resource.error_code);
                api.saw(ApiKey::IncrementalAlterConfigs, code);
                if code == 0 {
                    api.coverage.count("transition", "directories cordoned or not");
                }
            }
            _ => api.model.violation("an answer of another kind than who moves replicas asked for"),
        }
        api.wake_in_about(if api.model.calm { 800_000 } else { 60_000 });
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        if let Some(Question::Move { machine, id, .. }) = self.exchange.ended() {
            api.model.moves.unclear(machine, id);
        }
        api.wake_in_about(30_000);
    }

    fn calm(&mut self) {
        self.exchange.calm();
    }

    fn standing(&self, _: &Model) -> Standing {
        self.exchange.standing(WHO)
    }

    fn name(&self) -> &'static str {
        "mover"
    }
}
