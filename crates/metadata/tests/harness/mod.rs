//! A controller with a log of its own: what it decides is applied at once, as a driver does it.
#![allow(dead_code)]

use std::sync::Arc;

use metadata::configs::StaticConfig;
use metadata::controller::{
    Context, Controller, ControllerConfig, Outcome, TopicPermissions, bootstrap_records,
};
use metadata::features::{MetadataVersion, record_version, supported_features};
use metadata::image::{Loader, MetadataImage};
use platform::Random;
use protocol::Str;
use protocol::messages::*;
use protocol::records::metadata::MetadataRecord;
use types::Uuid;

pub struct Harness {
    pub controller: Controller,
    pub random: Random,
    pub now_ms: i64,
    pub next_offset: i64,
}

pub fn file(extra: &[(&str, &str)]) -> StaticConfig {
    let mut given = std::collections::BTreeMap::new();
    for (name, value) in [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", "1@localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
    ]
    .iter()
    .chain(extra)
    {
        given.insert((*name).to_owned(), (*value).to_owned());
    }
    StaticConfig::parse(&given).unwrap()
}

impl Harness {
    pub fn new(seed: u64) -> Harness {
        Harness::with(seed, &[])
    }

    pub fn with(seed: u64, extra: &[(&str, &str)]) -> Harness {
        let config = ControllerConfig {
            node_id: 1,
            cluster_id: Arc::from("4L6g3nShT-eMCtK--X86sw"),
            file: Arc::new(file(extra)),
            kraft_version: 0,
            voters: vec![1],
        };
        Harness {
            controller: Controller::new(config, Loader::default()),
            random: Random::new(seed),
            now_ms: 0,
            next_offset: 0,
        }
    }

    /// Brokers 1 to `count`, registered and unfenced.
    pub fn ready(count: i32) -> Harness {
        let mut harness = Harness::new(7);
        harness.activate();
        for id in 1..=count {
            harness.join(id);
        }
        harness
    }

    pub fn join(&mut self, id: i32) {
        self.register(id);
        let epoch = self.epoch(id);
        self.heartbeat(id, epoch, false, false);
    }

    pub fn epoch(&self, id: i32) -> i64 {
        self.controller.image().cluster.broker(id).unwrap().epoch
    }

    pub fn apply<R>(&mut self, outcome: Outcome<R>) -> (Vec<String>, R) {
        let mut lines = Vec::new();
        for record in &outcome.records {
            let version = record_version(record, self.controller.image().metadata_version());
            let bytes = record.encode(version).expect("a record that can be written");
            let (read, _) = MetadataRecord::decode(bytes).expect("a record that can be read");
            self.controller.replay(&read, self.next_offset).expect("a record that follows");
            lines.push(line(self.controller.image(), &read));
            self.next_offset += 1;
        }
        (lines, outcome.reply)
    }

    pub fn run<R>(
        &mut self,
        decide: impl FnOnce(&mut Controller, &mut Context<'_>) -> Outcome<R>,
    ) -> (Vec<String>, R) {
        let mut context =
            Context { now_ms: self.now_ms, next_offset: self.next_offset, random: &mut self.random };
        let outcome = decide(&mut self.controller, &mut context);
        self.apply(outcome)
    }

    pub fn activate(&mut self) -> Vec<String> {
        self.activate_at(MetadataVersion::LATEST_PRODUCTION)
    }

    pub fn activate_at(&mut self, version: MetadataVersion) -> Vec<String> {
        let bootstrap = bootstrap_records(version);
        let outcome = self.controller.activate(&bootstrap).unwrap();
        self.apply(outcome).0
    }

    pub fn registration(&self, id: i32) -> BrokerRegistrationRequest {
        let feature = |(name, least, most): &(&str, i16, i16)| broker_registration_request::Feature {
            name: Str::from(*name),
            min_supported_version: *least,
            max_supported_version: *most,
        };
        let mut incarnation = [id as u8; 16];
        incarnation[1] = self.next_offset as u8;
        BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: Str::from("4L6g3nShT-eMCtK--X86sw"),
            incarnation_id: Uuid(incarnation),
            features: supported_features(false).iter().map(feature).collect(),
            log_dirs: vec![Uuid([100 + id as u8; 16])],
            previous_broker_epoch: -1,
            ..Default::default()
        }
    }

    pub fn register(&mut self, id: i32) -> Vec<String> {
        let request = self.registration(id);
        let (lines, response) =
            self.run(|controller, context| controller.register_broker(&request, 4, context));
        assert_eq!(response.error_code, 0);
        lines
    }

    pub fn heartbeat(
        &mut self,
        id: i32,
        epoch: i64,
        want_fence: bool,
        want_shut_down: bool,
    ) -> (Vec<String>, BrokerHeartbeatResponse) {
        let request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: epoch,
            current_metadata_offset: self.next_offset - 1,
            want_fence,
            want_shut_down,
            ..Default::default()
        };
        let now_ms = self.now_ms;
        self.controller.heartbeat_arrived(&request, now_ms);
        self.run(|controller, context| controller.broker_heartbeat(&request, context))
    }

    /// Raises or lowers a feature, or leaves it as it is.
    pub fn set_level(&mut self, feature: &str, level: i16) -> Vec<String> {
        let present = self.controller.image().feature_level(feature);
        let update = update_features_request::FeatureUpdateKey {
            feature: Str::from(feature),
            max_version_level: level,
            upgrade_type: if level < present { 2 } else { 1 },
            ..Default::default()
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        let (lines, reply) = self.run(|controller, _| controller.update_features(&request, 2));
        assert_eq!(reply.response.error_code, 0);
        lines
    }

    pub fn create(
        &mut self,
        topics: Vec<create_topics_request::CreatableTopic>,
    ) -> (Vec<String>, CreateTopicsResponse) {
        let request = CreateTopicsRequest { topics, ..Default::default() };
        self.run(|controller, context| controller.create_topics(&request, &|_| true, context))
    }

    pub fn delete(&mut self, names: &[&str]) -> (Vec<String>, DeleteTopicsResponse) {
        let state = |name: &&str| delete_topics_request::DeleteTopicState {
            name: Some(Str::from(*name)),
            topic_id: Uuid::ZERO,
        };
        let request = DeleteTopicsRequest { topics: names.iter().map(state).collect(), ..Default::default() };
        let permissions = TopicPermissions { describe: &|_| true, delete: &|_| true };
        self.run(|controller, _| controller.delete_topics(&request, 6, &permissions))
    }
}

fn name_of(image: &MetadataImage, id: Uuid) -> String {
    image.topics.by_id(id).map_or("?".to_owned(), |topic| topic.name.to_string())
}

/// One record for people's eyes; ids of topics as names.
pub fn line(image: &MetadataImage, record: &MetadataRecord) -> String {
    match record {
        MetadataRecord::BeginTransaction(one) => {
            format!("BeginTransaction {}", one.name.as_deref().unwrap_or("null"))
        }
        MetadataRecord::FeatureLevel(one) => format!("FeatureLevel {}={}", one.name, one.feature_level),
        MetadataRecord::Config(one) => format!(
            "Config {}/{} {}={}",
            one.resource_type,
            one.resource_name,
            one.name,
            one.value.as_deref().unwrap_or("null")
        ),
        MetadataRecord::RegisterBroker(one) => format!(
            "RegisterBroker {} epoch={}{}",
            one.broker_id,
            one.broker_epoch,
            if one.fenced { " fenced" } else { "" }
        ),
        MetadataRecord::BrokerRegistrationChange(one) => {
            let mut text = format!("BrokerRegistrationChange {}", one.broker_id);
            if one.fenced != 0 {
                text += &format!(" fenced={}", one.fenced);
            }
            if one.in_controlled_shutdown != 0 {
                text += " inControlledShutdown";
            }
            if !one.log_dirs.is_empty() {
                text += &format!(" logDirs={}", one.log_dirs.len());
            }
            if let Some(cordoned) = &one.cordoned_log_dirs {
                text += &format!(" cordoned={}", cordoned.len());
            }
            text
        }
        MetadataRecord::Topic(one) => format!("Topic {}", one.name),
        MetadataRecord::Partition(one) => format!(
            "Partition {}-{} replicas={:?} isr={:?} leader={}/{} epoch={}",
            name_of(image, one.topic_id),
            one.partition_id,
            one.replicas,
            one.isr,
            one.leader,
            one.leader_epoch,
            one.partition_epoch
        ),
        MetadataRecord::PartitionChange(one) => {
            let mut text = format!("PartitionChange {}-{}", name_of(image, one.topic_id), one.partition_id);
            for (name, list) in [
                ("isr", &one.isr),
                ("replicas", &one.replicas),
                ("removing", &one.removing_replicas),
                ("adding", &one.adding_replicas),
                ("elr", &one.eligible_leader_replicas),
                ("lastKnownElr", &one.last_known_elr),
            ] {
                if let Some(list) = list {
                    text += &format!(" {name}={list:?}");
                }
            }
            if one.leader != -2 {
                text += &format!(" leader={}", one.leader);
            }
            if one.leader_recovery_state != -1 {
                text += &format!(" recovery={}", one.leader_recovery_state);
            }
            if let Some(directories) = &one.directories {
                text += &format!(" directories={}", directories.len());
            }
            text
        }
        MetadataRecord::ClearElr(one) => format!("ClearElr {}", one.topic_name),
        other => other.name().trim_end_matches("Record").to_owned(),
    }
}
