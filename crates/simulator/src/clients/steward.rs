//! Somebody who looks after the quorum: asks who votes, takes voters out and in again, and raises and lowers the levels of
//! features, while everything else goes on.

use metadata::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, FEATURES};
use protocol::messages::add_raft_voter_request::Listener;
use protocol::messages::describe_quorum_request::TopicData;
use protocol::messages::describe_quorum_response::ReplicaState;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::*;
use protocol::{ApiKey, ErrorCode, Request, Response, Str};
use types::Uuid;

use super::Program;
use super::exchange::Exchange;
use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;
use crate::model::Model;
use crate::node::CONTROLLER_PORT;

const METADATA_VERSION: &str = "metadata.version";
const KRAFT_VERSION: &str = "kraft.version";
/// Between them nothing has to be written anew.
const METADATA_LEVELS: [i16; 2] = [30, 31];

type Replica = (i32, Uuid);

pub struct Steward {
    listener: u16,
    is_astray: bool,
    is_calm: bool,
    described_in_calm: bool,
    voters: Vec<Replica>,
    observers: Vec<Replica>,
    exchange: Exchange<()>,
}

impl Steward {
    pub fn new(listener: u16) -> Steward {
        Steward {
            listener,
            is_astray: false,
            is_calm: false,
            described_in_calm: false,
            voters: Vec::new(),
            observers: Vec::new(),
            exchange: Exchange::default(),
        }
    }

    fn ask(&mut self, api: &mut Api<'_>, version: i16, request: impl Into<Request>) {
        self.exchange.ask(api, version, request, ());
    }

    fn describe(&mut self, api: &mut Api<'_>) {
        let partitions = vec![Default::default()];
        let topics = vec![TopicData { topic_name: "__cluster_metadata".into(), partitions }];
        // directories came with version 2
        let version = api.version(ApiKey::DescribeQuorum, 2, i16::MAX);
        self.ask(api, version, DescribeQuorumRequest { topics });
    }

    /// One voter goes while a majority of all nodes stays, or one that has gone comes back.
    fn change_voters(&mut self, api: &mut Api<'_>) {
        let least = api.model.nodes / 2 + 1;
        let goes = self.voters.len() > least && (self.observers.is_empty() || api.random.one_in(2));
        let from = if goes { &self.voters } else { &self.observers };
        if from.is_empty() {
            return self.describe(api);
        }
        let (id, directory) = from[api.random.below(from.len() as u64) as usize];
        api.tell(|| format!("voter {id} {}", if goes { "goes" } else { "comes" }));
        if goes {
            let version = ApiKey::RemoveRaftVoter.versions_before().max;
            let request =
                RemoveRaftVoterRequest { cluster_id: None, voter_id: id, voter_directory_id: directory };
            return self.ask(api, version, request);
        }
        let version = api.version(ApiKey::AddRaftVoter, 0, i16::MAX);
        let host = Str::from(format!("node{id}"));
        let request = AddRaftVoterRequest {
            cluster_id: None,
            timeout_ms: 5000,
            voter_id: id,
            voter_directory_id: directory,
            listeners: vec![Listener { name: "CONTROLLER".into(), host, port: CONTROLLER_PORT }],
            ack_when_committed: version == 0 || api.random.one_in(2),
        };
        self.ask(api, version, request);
    }

    fn change_level(&mut self, api: &mut Api<'_>) {
        let drawn = api.random.below(FEATURES.len() as u64 + 2) as usize;
        let (name, level) = match FEATURES.get(drawn) {
            Some(feature) => (feature.name, api.random.below(feature.max as u64 + 1) as i16),
            None if drawn == FEATURES.len() => (KRAFT_VERSION, 1),
            // the run's other parts count on it
            None if !api.model.records_directories => return self.describe(api),
            None => (METADATA_VERSION, METADATA_LEVELS[api.random.below(2) as usize]),
        };
        api.tell(|| format!("{name} to {level}"));
        if (name, level) == (ELIGIBLE_LEADER_REPLICAS_VERSION, 0) {
            api.model.survival.unprotect();
        }
        // one of them is right
        let upgrade_type = 1 + api.random.below(2) as i8;
        let update = FeatureUpdateKey {
            feature: Str::from_static(name),
            max_version_level: level,
            upgrade_type,
            ..Default::default()
        };
        let request = UpdateFeaturesRequest {
            timeout_ms: 10_000,
            feature_updates: vec![update],
            validate_only: api.random.one_in(8),
        };
        let version = api.version(ApiKey::UpdateFeatures, 1, i16::MAX);
        self.ask(api, version, request);
    }

    fn on_described(&mut self, api: &mut Api<'_>, response: &DescribeQuorumResponse) -> i16 {
        let partition = response.topics.first().and_then(|topic| topic.partitions.first());
        let code = partition.map_or(response.error_code, |one| one.error_code.max(response.error_code));
        let Some(partition) = partition.filter(|_| code == 0) else { return code };
        let claimed =
            api.model.metadata_log.claim(partition.leader_epoch, partition.leader_id, "DescribeQuorum");
        api.model.violations.extend(claimed.err());
        let is_node = |id: i32| (1..=api.model.nodes as i32).contains(&id);
        let key = |one: &ReplicaState| (one.replica_id, one.replica_directory_id);
        self.voters = partition.current_voters.iter().map(key).collect();
        self.observers = partition.observers.iter().map(key).filter(|(id, _)| is_node(*id)).collect();
        self.described_in_calm |= self.is_calm;
        code
    }

    /// Not done, and perhaps since another node leads.
    fn note(&mut self, api: &mut Api<'_>, api_key: ApiKey, code: i16) {
        api.saw(api_key, code);
        if code == 0 {
            api.coverage.count("transition", format!("{api_key:?} is done"));
        }
        let astray = [ErrorCode::NotLeaderOrFollower, ErrorCode::NotController];
        self.is_astray = astray.contains(&ErrorCode::from(code));
    }
}

impl Program for Steward {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            api.connect();
        }
        if self.exchange.waits() {
            return;
        }
        if self.is_astray {
            self.is_astray = false;
            api.close();
            return self.on_closed(api);
        }
        match api.random.below(5) {
            _ if api.model.calm || self.voters.is_empty() => self.describe(api),
            0 => self.describe(api),
            1 | 2 => self.change_voters(api),
            _ => self.change_level(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(()) = self.exchange.answered(api, &reply, "a steward") else { return };
        match &reply.response {
            Response::DescribeQuorum(response) => {
                let code = self.on_described(api, response);
                self.note(api, ApiKey::DescribeQuorum, code);
            }
            Response::AddRaftVoter(response) => self.note(api, ApiKey::AddRaftVoter, response.error_code),
            Response::RemoveRaftVoter(response) => {
                self.note(api, ApiKey::RemoveRaftVoter, response.error_code);
            }
            Response::UpdateFeatures(response) => self.note(api, ApiKey::UpdateFeatures, response.error_code),
            _ => api.model.violation("an answer of another kind than a steward asked for"),
        }
        // what it knows of voters is old by then
        if !matches!(reply.response, Response::DescribeQuorum(_)) {
            self.voters.clear();
        }
        api.wake_in_about(200_000);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.exchange.ended();
        self.voters.clear();
        api.wake_in_about(30_000);
    }

    fn calm(&mut self) {
        self.is_calm = true;
    }

    fn standing(&self, _: &Model) -> Standing {
        match self.described_in_calm {
            true => Standing::Good,
            false => Standing::Stuck("the quorum is not described".into()),
        }
    }

    fn listener(&self) -> u16 {
        self.listener
    }

    fn name(&self) -> &'static str {
        "steward"
    }
}
