//! A program at the controller's listener: follows the metadata log as an observer does, with Fetch, and asks what may
//! be asked there. It claims to be brokers that it is not, which must change nothing.

use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use protocol::messages::*;
use protocol::{ApiKey, ErrorCode, Request, Response};
use types::Uuid;

use super::Program;
use super::exchange::Exchange;
use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;
use crate::model::Model;

/// Ids that no node has.
const OBSERVER: i32 = 77;
const STRANGER: i32 = 99;

#[derive(Default)]
pub struct Observer {
    is_calm: bool,
    fetched_in_calm: bool,
    /// This node does not lead.
    is_astray: bool,
    exchange: Exchange<()>,
    offset: i64,
    /// Of the last batch that it has.
    last_epoch: i32,
    /// What the leader was last said to reign in.
    epoch: i32,
}

impl Observer {
    pub fn new() -> Observer {
        Observer::default()
    }

    fn fetch(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::Fetch, 17, i16::MAX);
        let partition = FetchPartition {
            partition: 0,
            current_leader_epoch: self.epoch,
            fetch_offset: self.offset,
            last_fetched_epoch: self.last_epoch,
            log_start_offset: -1,
            replica_directory_id: Uuid::from_halves(77, 77),
            ..Default::default()
        };
        let request = FetchRequest {
            replica_state: ReplicaState { replica_id: OBSERVER, replica_epoch: -1 },
            max_wait_ms: [0, 100, 500][api.random.below(3) as usize],
            max_bytes: if api.random.one_in(4) { 200 } else { 1 << 20 },
            topics: vec![FetchTopic {
                topic_id: Uuid::METADATA_TOPIC,
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.exchange.ask(api, version, request, ());
    }

    /// Questions that change nothing, and claims that nobody may believe.
    fn ask_around(&mut self, api: &mut Api<'_>) {
        let request: Request = match api.random.below(9) {
            0 => DescribeClusterRequest { endpoint_type: 2, ..Default::default() }.into(),
            1 => DescribeQuorumRequest {
                topics: vec![describe_quorum_request::TopicData {
                    topic_name: "__cluster_metadata".into(),
                    partitions: vec![Default::default()],
                }],
            }
            .into(),
            2 => ApiVersionsRequest {
                client_software_name: "simulator".into(),
                client_software_version: "1".into(),
                ..Default::default()
            }
            .into(),
            3 => BrokerHeartbeatRequest { broker_id: STRANGER, broker_epoch: 1, ..Default::default() }.into(),
            4 => BrokerHeartbeatRequest {
                broker_id: 1,
                broker_epoch: 0,
                want_fence: true,
                ..Default::default()
            }
            .into(),
            5 => UnregisterBrokerRequest { broker_id: STRANGER }.into(),
            6 => AllocateProducerIdsRequest { broker_id: 1, broker_epoch: 0 }.into(),
            7 => FetchSnapshotRequest {
                replica_id: OBSERVER,
                topics: vec![fetch_snapshot_request::TopicSnapshot {
                    name: "__cluster_metadata".into(),
                    partitions: vec![fetch_snapshot_request::PartitionSnapshot {
                        current_leader_epoch: self.epoch,
                        snapshot_id: fetch_snapshot_request::SnapshotId { end_offset: 3, epoch: 1 },
                        ..Default::default()
                    }],
                }],
                max_bytes: 1000,
                ..Default::default()
            }
            .into(),
            _ => ListPartitionReassignmentsRequest { timeout_ms: 1000, topics: None }.into(),
        };
        let version = request.api_key().versions_before().max;
        self.exchange.ask(api, version, request, ());
    }

    fn on_fetched(&mut self, api: &mut Api<'_>, response: &FetchResponse) {
        api.saw(ApiKey::Fetch, response.error_code);
        let Some(data) = response.responses.first().and_then(|topic| topic.partitions.first()) else {
            return;
        };
        api.saw(ApiKey::Fetch, data.error_code);
        // an old leader may answer still
        self.epoch = data.current_leader.leader_epoch.max(self.epoch);
        if data.error_code != 0 {
            // another node leads, perhaps
            let code = ErrorCode::from(data.error_code);
            self.is_astray = matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownLeaderEpoch);
            return;
        }
        if data.diverging_epoch.end_offset >= 0 {
            self.offset = data.diverging_epoch.end_offset.min(self.offset);
            self.last_epoch = data.diverging_epoch.epoch;
            return;
        }
        if data.snapshot_id.end_offset >= 0 {
            self.offset = data.snapshot_id.end_offset;
            self.last_epoch = data.snapshot_id.epoch;
            return;
        }
        self.fetched_in_calm |= self.is_calm;
        let bytes = data.records.bytes().unwrap_or_default();
        match api.model.metadata_log.check(&bytes, data.high_watermark, "an observer") {
            Ok(Some(read)) => (self.offset, self.last_epoch) = (read.next, read.epoch),
            Ok(None) => {}
            Err(text) => api.model.violation(text),
        }
    }

    /// Claims of others' identity were refused.
    fn check_refused(&mut self, api: &mut Api<'_>, api_key: ApiKey, code: i16) {
        api.saw(api_key, code);
        if code == 0 {
            api.model.violation(format!("{api_key:?} of somebody who is no broker is believed"));
        }
    }
}

impl Program for Observer {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            api.connect();
        }
        match self.exchange.waits() {
            true => {}
            false if self.is_astray => {
                api.close();
                self.is_astray = false;
                self.on_closed(api);
            }
            false if api.random.one_in(4) => self.ask_around(api),
            false => self.fetch(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(()) = self.exchange.answered(api, &reply, "an observer") else { return };
        match &reply.response {
            Response::Fetch(response) => self.on_fetched(api, response),
            Response::BrokerHeartbeat(response) => {
                self.check_refused(api, ApiKey::BrokerHeartbeat, response.error_code);
            }
            Response::UnregisterBroker(response) => {
                self.check_refused(api, ApiKey::UnregisterBroker, response.error_code);
            }
            Response::AllocateProducerIds(response) => {
                self.check_refused(api, ApiKey::AllocateProducerIds, response.error_code);
            }
            Response::DescribeQuorum(response) => {
                let partition = response.topics.first().and_then(|topic| topic.partitions.first());
                let code = partition.map_or(response.error_code, |one| one.error_code);
                api.saw(ApiKey::DescribeQuorum, code);
            }
            _ => {}
        }
        api.wake_in_about(60_000);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.exchange.ended();
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {
        self.is_calm = true;
    }

    fn standing(&self, _: &Model) -> Standing {
        match self.fetched_in_calm {
            true => Standing::Good,
            false => Standing::Stuck("the metadata log is not shown".into()),
        }
    }

    fn listener(&self) -> u16 {
        super::CONTROLLERS
    }

    fn name(&self) -> &'static str {
        "observer"
    }
}
