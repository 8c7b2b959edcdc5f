//! The administrator: makes, changes and deletes topics, deletes records, asks for everything there is to be asked, and
//! holds Metadata against what was acknowledged.

use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::*;
use protocol::{ApiKey, ErrorCode, Request, Response, Str};
use types::Uuid;

use super::Program;
use super::exchange::Exchange;
use crate::commands::{Api, Reply};
use crate::faults::Fault;
use crate::invariants::liveness::Standing;
use crate::invariants::topics::{self, Settled};
use crate::model::{Model, Nature, Stage, Topic};

const TOPICS_MAX: usize = 7;
/// Several nodes are too few at first for those that are to last.
const REFUSED_MAX: usize = 30;
/// Topics that are never deleted: groups and readers can count on them. Several nodes may be too few at first, and refuse.
const LASTING: usize = 2;

enum Question {
    Create(usize),
    Delete(usize),
    Partitions(usize, i32),
    Metadata(Settled),
    DeleteRecords,
    Other,
}

/// In violations.
const WHO: &str = "the administrator";

#[derive(Default)]
pub struct Admin {
    exchange: Exchange<Question>,
    /// The next of that name follows at once.
    deleted_just_now: bool,
}

/// A name of its own, or one of a few that come again and again.
fn name_for(api: &mut Api<'_>, number: usize, lasts: bool) -> (Str, bool) {
    let again = format!("again-{}", api.random.below(3));
    let is_reused = !lasts && api.random.one_in(2) && !api.model.is_taken(&again);
    (Str::from(if is_reused { again } else { format!("topic-{number}") }), is_reused)
}

impl Admin {
    pub fn new() -> Admin {
        Admin::default()
    }

    fn ask(&mut self, api: &mut Api<'_>, version: i16, request: impl Into<Request>, question: Question) {
        self.exchange.ask(api, version, request, question);
    }

    fn create(&mut self, api: &mut Api<'_>) {
        let number = api.model.topics.len();
        let lasts = number < LASTING || lacks_lasting(api.model);
        let nature = Nature {
            flushed: api.random.one_in(3),
            loses_old: !lasts && api.random.one_in(3),
            append_time: api.random.one_in(8),
            recompressed: api.random.one_in(8),
            min_in_sync: if api.model.is_cluster { 1 + number % 2 } else { 1 },
        };
        let (name, is_reused) = name_for(api, number, lasts);
        let comes_again = api.model.topics.iter().any(|topic| topic.name == name);
        let partitions = 1 + api.random.below(4) as i32;
        let mut configs = vec![("file.delete.delay.ms", "1000".to_owned())];
        if nature.flushed {
            configs.push(("flush.messages", "1".into()));
        } else if api.random.one_in(4) {
            configs.push(("flush.ms", (50 + api.random.below(1000)).to_string()));
        }
        if nature.loses_old {
            configs.push(("retention.ms", (3000 + api.random.below(20_000)).to_string()));
        }
        if nature.append_time {
            configs.push(("message.timestamp.type", "LogAppendTime".into()));
        }
        if nature.recompressed {
            configs.push(("compression.type", ["lz4", "gzip", "zstd"][api.random.below(3) as usize].into()));
        }
        if nature.min_in_sync > 1 {
            configs.push(("min.insync.replicas", nature.min_in_sync.to_string()));
        }
        if api.random.one_in(2) {
            configs.push(("internal.segment.bytes", (1500 + api.random.below(30_000)).to_string()));
        }
        if api.random.one_in(4) {
            configs.push(("segment.ms", (1000 + api.random.below(5000)).to_string()));
        }
        if api.random.one_in(4) {
            configs.push(("index.interval.bytes", "300".into()));
        }
        let config = |(name, value)| CreatableTopicConfig {
            name: Str::from_static(name),
            value: Some(Str::from(value)),
        };
        let topic = CreatableTopic {
            name: name.clone(),
            num_partitions: partitions,
            replication_factor: api.replication_factor(),
            configs: configs.into_iter().map(config).collect(),
            ..Default::default()
        };
        api.model.topics.push(Topic {
            name,
            lasts,
            is_reused,
            id: Uuid::ZERO,
            nature,
            stage: Stage::Creating,
            partitions: 0,
            partitions_wanted: partitions,
        });
        let version = api.version(ApiKey::CreateTopics, 7, 7);
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
        self.ask(api, version, request, Question::Create(number));
        if comes_again {
            api.coverage.count("transition", "a name comes again");
            self.strike(api);
        }
    }

    /// Now and then the machine goes down while a topic comes or goes.
    fn strike(&mut self, api: &mut Api<'_>) {
        if !api.model.calm && api.random.one_in(8) {
            let crashes = [Fault::Kill, Fault::KillInCall, Fault::PowerLoss, Fault::PowerLossInCall];
            let kinds = if api.model.is_cluster && api.model.is_strict { 2 } else { 4 };
            let fault = crashes[api.random.below(kinds) as usize];
            let after = api.random.below(6000);
            api.fault_in(after, fault);
        }
    }

    fn delete(&mut self, api: &mut Api<'_>, number: usize) {
        // by name the next of that name might be hit
        let is_reused = api.model.topics[number].is_reused;
        let version = api.version(ApiKey::DeleteTopics, if is_reused { 6 } else { 1 }, 6);
        let topic = &mut api.model.topics[number];
        topic.stage = Stage::Deleting;
        let mut request = DeleteTopicsRequest { timeout_ms: 10_000, ..Default::default() };
        if version >= 6 {
            request.topics = vec![DeleteTopicState { name: None, topic_id: topic.id }];
        } else {
            request.topic_names = vec![topic.name.clone()];
        }
        self.ask(api, version, request, Question::Delete(number));
        if is_reused {
            self.strike(api);
        }
    }

    fn add_partitions(&mut self, api: &mut Api<'_>, number: usize) {
        let version = api.version(ApiKey::CreatePartitions, 0, 3);
        let topic = &mut api.model.topics[number];
        let count = topic.partitions_wanted + 1;
        topic.partitions_wanted = count;
        let wanted = CreatePartitionsTopic { name: topic.name.clone(), count, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![wanted], timeout_ms: 10_000, validate_only: false };
        self.ask(api, version, request, Question::Partitions(number, count));
    }

    fn alter(&mut self, api: &mut Api<'_>, number: usize) {
        let (name, value) = match api.random.below(3) {
            0 => ("internal.segment.bytes", 1500 + api.random.below(60_000)),
            1 => ("segment.ms", 500 + api.random.below(10_000)),
            _ => ("index.interval.bytes", 200 + api.random.below(5000)),
        };
        let config = AlterableConfig {
            name: Str::from_static(name),
            config_operation: 0,
            value: Some(Str::from(value.to_string())),
        };
        let resource = AlterConfigsResource {
            resource_type: 2,
            resource_name: api.model.topics[number].name.clone(),
            configs: vec![config],
        };
        let version = api.version(ApiKey::IncrementalAlterConfigs, 0, 1);
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.ask(api, version, request, Question::Other);
    }

    fn delete_records(&mut self, api: &mut Api<'_>, number: usize) {
        let topic = &api.model.topics[number];
        let (id, name) = (topic.id, topic.name.clone());
        let partition_index = api.random.below(topic.partitions.max(1) as u64) as i32;
        let partition = types::TopicIdPartition { topic_id: id, partition: partition_index };
        let end = api.model.log(partition).visible_end;
        let offset = if api.random.one_in(4) { -1 } else { api.random.below(end.max(0) as u64 + 1) as i64 };
        let partitions = vec![DeleteRecordsPartition { partition_index, offset }];
        let version = api.version(ApiKey::DeleteRecords, 0, 2);
        let topics = vec![DeleteRecordsTopic { name, partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
        self.ask(api, version, request, Question::DeleteRecords);
    }

    fn ask_metadata(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::Metadata, 10, 13);
        let settled = topics::settled(api.model);
        let request = MetadataRequest { topics: None, ..Default::default() };
        self.ask(api, version, request, Question::Metadata(settled));
    }

    /// Questions whose answers are not looked at closely: they must not disturb anything.
    fn ask_around(&mut self, api: &mut Api<'_>) {
        let name = api.model.topics.first().map(|topic| topic.name.clone()).unwrap_or_default();
        let request: Request = match api.random.below(9) {
            0 => DescribeClusterRequest::default().into(),
            1 => ListGroupsRequest::default().into(),
            2 => DescribeGroupsRequest { groups: vec!["group-0".into()], ..Default::default() }.into(),
            3 => DescribeLogDirsRequest { topics: None }.into(),
            4 => DescribeConfigsRequest {
                resources: vec![DescribeConfigsResource {
                    resource_type: 2,
                    resource_name: name,
                    configuration_keys: None,
                }],
                ..Default::default()
            }
            .into(),
            5 => DescribeQuorumRequest {
                topics: vec![describe_quorum_request::TopicData {
                    topic_name: "__cluster_metadata".into(),
                    partitions: vec![Default::default()],
                }],
            }
            .into(),
            6 => ApiVersionsRequest {
                client_software_name: "simulator".into(),
                client_software_version: "1".into(),
                ..Default::default()
            }
            .into(),
            7 => DescribeProducersRequest {
                topics: vec![describe_producers_request::TopicRequest { name, partition_indexes: vec![0] }],
            }
            .into(),
            _ => OffsetForLeaderEpochRequest {
                replica_id: -1,
                topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
                    topic: name,
                    partitions: vec![offset_for_leader_epoch_request::OffsetForLeaderPartition {
                        partition: 0,
                        current_leader_epoch: -1,
                        leader_epoch: 0,
                    }],
                }],
            }
            .into(),
        };
        let version = request.api_key().versions_before().max;
        self.ask(api, version, request, Question::Other);
    }

    fn on_answer(&mut self, api: &mut Api<'_>, question: Question, response: &Response) {
        match (question, response) {
            (Question::Create(number), Response::CreateTopics(response)) => {
                let Some(answer) = response.topics.first() else { return };
                api.saw(ApiKey::CreateTopics, answer.error_code);
                if answer.error_code != 0 {
                    forgo(api.model, number);
                }
                let topic = &mut api.model.topics[number];
                if answer.error_code == 0 {
                    topic.id = answer.topic_id;
                    topic.stage = Stage::Live;
                    topic.partitions = topic.partitions_wanted;
                } else if ErrorCode::from(answer.error_code) == ErrorCode::InvalidReplicationFactor {
                    // too few nodes are there
                    topic.stage = Stage::Deleted;
                }
            }
            (Question::Delete(number), Response::DeleteTopics(response)) => {
                let Some(answer) = response.responses.first() else { return };
                api.saw(ApiKey::DeleteTopics, answer.error_code);
                let gone = [ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::UnknownTopicId.code(), 0];
                if gone.contains(&answer.error_code) {
                    api.model.topics[number].stage = Stage::Deleted;
                    self.deleted_just_now = api.model.topics[number].is_reused && !api.model.calm;
                }
            }
            (Question::Partitions(number, count), Response::CreatePartitions(response)) => {
                let code = response.results.first().map_or(0, |result| result.error_code);
                api.saw(ApiKey::CreatePartitions, code);
                if code == 0 {
                    api.model.topics[number].partitions = count;
                }
            }
            (Question::Metadata(settled), Response::Metadata(response)) => {
                topics::check(api.model, &settled, response);
                adopt(api.model, response);
            }
            (Question::DeleteRecords, Response::DeleteRecords(response)) => {
                let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.for_each(|answer| api.saw(ApiKey::DeleteRecords, answer.error_code));
            }
            _ => {}
        }
    }

    fn change(&mut self, api: &mut Api<'_>) {
        let live = api.model.live_topics();
        let any = live[api.random.below(live.len() as u64) as usize];
        let deleting = api.model.topics.iter().position(|topic| topic.stage == Stage::Deleting);
        match (api.random.below(12), deleting) {
            (0..4, Some(number)) => self.delete(api, number),
            (0..8, _) if self.deleted_just_now => {
                self.deleted_just_now = false;
                self.create(api);
            }
            (0..3, _) if live.len() < TOPICS_MAX => self.create(api),
            (3, _) if !api.model.topics[any].lasts && live.len() > 3 => self.delete(api, any),
            (8, _) if api.model.topics[any].is_reused => self.delete(api, any),
            (4, _) if api.model.topics[any].partitions < 6 => self.add_partitions(api, any),
            (5 | 6, _) => self.alter(api, any),
            (7, _) if api.model.topics[any].nature.loses_old && !api.model.topics[any].is_reused => {
                self.delete_records(api, any);
            }
            (8 | 9, _) => self.ask_around(api),
            _ => self.ask_metadata(api),
        }
    }
}

/// Nobody knows whether it was made: of several nodes another one is to last.
fn forgo(model: &mut Model, number: usize) {
    model.topics[number].lasts &= !model.is_cluster;
}

/// The first of several nodes are too few for the replicas that were asked for.
fn lacks_lasting(model: &Model) -> bool {
    let may_be_there = |topic: &&Topic| topic.lasts && topic.stage != Stage::Deleted;
    model.is_cluster && model.topics.iter().filter(may_be_there).count() < LASTING
}

/// Topics whose creation had no answer show here whether they were made.
fn adopt(model: &mut Model, response: &MetadataResponse) {
    for shown in &response.topics {
        let named =
            |topic: &&mut Topic| topic.stage == Stage::Creating && shown.name.as_ref() == Some(&topic.name);
        if let Some(topic) = model.topics.iter_mut().find(named) {
            topic.id = shown.topic_id;
            topic.partitions = topic.partitions_wanted;
            topic.stage = Stage::Live;
        }
    }
}

impl Program for Admin {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            api.connect();
        }
        if self.exchange.waits() {
            return;
        }
        if api.model.live_topics().len() < LASTING && api.model.topics.len() < LASTING {
            return self.create(api);
        }
        if lacks_lasting(api.model) && api.model.topics.len() < REFUSED_MAX && !api.model.calm {
            return self.create(api);
        }
        let none = api.model.live_topics().is_empty();
        // nobody has answered: what became of those is not known, and there must be something to write to
        if none && !api.model.images.is_alone && api.random.one_in(2) {
            return self.create(api);
        }
        if api.model.calm || none {
            return self.ask_metadata(api);
        }
        self.change(api);
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, WHO) else { return };
        self.on_answer(api, question, &reply.response);
        let hurries = api.model.topics.len() < LASTING || self.deleted_just_now;
        let pause = if hurries { 1000 } else { 150_000 };
        api.wake_in_about(pause);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        if let Some(Question::Create(number)) = self.exchange.ended() {
            forgo(api.model, number);
        }
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {
        self.exchange.calm();
    }

    fn standing(&self, _: &Model) -> Standing {
        self.exchange.standing(WHO)
    }

    fn name(&self) -> &'static str {
        "admin"
    }
}
