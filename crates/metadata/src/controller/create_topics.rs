//! CreateTopics: every topic is judged alone, all good ones go into one batch.

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use protocol::records::metadata::*;
use protocol::{ErrorCode, Str};
use types::Uuid;

use super::{ApiError, Context, Controller, Outcome, RECORDS_MAX};
use crate::configs::resource::null_values;
use crate::configs::{Properties, Scope, describe, resource, topic};
use crate::image::ConfigResource;

/// A topic that will be: its records, and what the answer says of it.
struct Created {
    records: Vec<MetadataRecord>,
    result: CreatableTopicResult,
}

impl Controller {
    /// `describable`: whether the caller may see a topic's configs.
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest,
        describable: &dyn Fn(&str) -> bool,
        context: &mut Context<'_>,
    ) -> Outcome<CreateTopicsResponse> {
        let topics = &request.topics;
        let mut response = CreateTopicsResponse::default();
        if let Err(error) = self.check_partition_count(topics) {
            response.topics = topics.iter().map(|topic| failed(&topic.name, &error)).collect();
            return Outcome::nothing(response);
        }
        let twice = named_twice(topics);
        let mut records = Vec::new();
        let mut told = BTreeSet::new();
        for topic in topics {
            if twice.contains(&topic.name) {
                if told.insert(&topic.name) {
                    let error = ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
                    response.topics.push(failed(&topic.name, &error));
                }
                continue;
            }
            match self.create_topic(topic, describable, context) {
                Ok(created) => {
                    records.extend(created.records);
                    response.topics.push(created.result);
                }
                Err(error) => response.topics.push(failed(&topic.name, &error)),
            }
        }
        if records.len() > RECORDS_MAX {
            let error = excessive();
            response.topics = topics.iter().map(|topic| failed(&topic.name, &error)).collect();
            return Outcome::nothing(response);
        }
        if request.validate_only {
            records.clear();
        }
        Outcome::atomic(records, response)
    }

    fn default_partitions(&self) -> i32 {
        self.config.file.i32("num.partitions")
    }

    fn check_partition_count(&self, topics: &[CreatableTopic]) -> Result<(), ApiError> {
        let count = |topic: &CreatableTopic| match topic.num_partitions {
            _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
            -1 => i64::from(self.default_partitions()),
            count => i64::from(count.max(0)),
        };
        let total: i64 = topics.iter().map(count).sum();
        if total > RECORDS_MAX as i64 { Err(excessive()) } else { Ok(()) }
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        describable: &dyn Fn(&str) -> bool,
        context: &mut Context<'_>,
    ) -> Result<Created, ApiError> {
        self.check_name(&topic.name)?;
        let configs = self.check_configs(topic)?;
        let placed = if topic.assignments.is_empty() {
            self.place_topic(topic, context)?
        } else {
            self.take_assignments(topic)?
        };
        let topic_id = context.new_id();
        let mut records = vec![MetadataRecord::Topic(TopicRecord { name: topic.name.detached(), topic_id })];
        records.extend(config_records(topic));
        if self.image().eligible_leader_replicas_enabled() && configs.contains_key("min.insync.replicas") {
            let topic_name = topic.name.detached();
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic_name }));
        }
        let partitions = placed.iter().enumerate();
        records
            .extend(partitions.map(|(index, replicas)| self.new_partition(topic_id, index as i32, replicas)));
        let result = self.describe_created(topic, topic_id, &placed, &configs, describable(&topic.name));
        Ok(Created { records, result })
    }

    fn check_name(&self, name: &Str) -> Result<(), ApiError> {
        if *name == "__cluster_metadata" {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        let topics = &self.image().topics;
        if topics.id(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, message));
        }
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidTopicException, message);
        topic::validate_name(name).map_err(invalid)?;
        // '.' and '_' are one and the same in the names of metrics
        if name.contains(['.', '_']) {
            let flat = name.replace('.', "_");
            if let Some(other) = topics.iter().find(|topic| topic.name.replace('.', "_") == flat) {
                let message = format!("Topic '{name}' collides with existing topic: {}", other.name);
                return Err(invalid(message));
            }
        }
        Ok(())
    }

    fn check_configs(&self, topic: &CreatableTopic) -> Result<Properties, ApiError> {
        let nulls: Vec<&str> = topic
            .configs
            .iter()
            .filter(|config| config.value.is_none())
            .map(|config| config.name.as_str())
            .collect();
        if !nulls.is_empty() {
            return Err(null_values("topic", &nulls).into());
        }
        let configs: Properties = topic
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
            .collect();
        for value in configs.values() {
            super::alter_configs::check_length(value)?;
        }
        resource::validate(Scope::Topic, &topic.name, &configs, &self.config.file)?;
        Ok(configs)
    }

    fn place_topic(
        &self,
        topic: &CreatableTopic,
        context: &mut Context<'_>,
    ) -> Result<Vec<Vec<i32>>, ApiError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let partitions =
            if topic.num_partitions == -1 { self.default_partitions() } else { topic.num_partitions };
        let replication_factor = match topic.replication_factor {
            -1 => i16::try_from(self.config.file.i64("default.replication.factor")).unwrap_or(i16::MAX),
            given => given,
        };
        self.place_partitions(usize::try_from(partitions).unwrap_or(0), replication_factor, context)
    }

    fn take_assignments(&self, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, ApiError> {
        let request = |message: &str| ApiError::new(ErrorCode::InvalidRequest, message);
        let assignment = |message: String| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
        if topic.replication_factor != -1 {
            return Err(request(
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if topic.num_partitions != -1 {
            return Err(request(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let mut placed: BTreeMap<i32, &Vec<i32>> = BTreeMap::new();
        let mut replication_factor = None;
        for one in &topic.assignments {
            if placed.insert(one.partition_index, &one.broker_ids).is_some() {
                return Err(assignment(format!(
                    "Found multiple manual partition assignments for partition {}",
                    one.partition_index
                )));
            }
            self.validate_assignment(&one.broker_ids, replication_factor)?;
            replication_factor = Some(one.broker_ids.len());
            if self.active_of(&one.broker_ids).is_empty() {
                return Err(assignment(format!(
                    "All brokers specified in the manual partition assignment for partition {} are fenced or in \
                     controlled shutdown.",
                    one.partition_index
                )));
            }
        }
        if placed.keys().copied().ne(0..placed.len() as i32) {
            let message = "partitions should be a consecutive 0-based integer sequence";
            return Err(assignment(message.to_owned()));
        }
        Ok(placed.into_values().cloned().collect())
    }

    fn describe_created(
        &self,
        topic: &CreatableTopic,
        topic_id: Uuid,
        placed: &[Vec<i32>],
        configs: &Properties,
        describable: bool,
    ) -> CreatableTopicResult {
        let mut result = CreatableTopicResult {
            name: topic.name.clone(),
            topic_id,
            error_message: None,
            ..CreatableTopicResult::default()
        };
        if !describable {
            result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
            result.num_partitions = -1;
            result.replication_factor = -1;
            return result;
        }
        result.num_partitions = placed.len() as i32;
        result.replication_factor = placed.first().map_or(0, |replicas| replicas.len() as i16);
        let layers = self.image().layers(self.config.node_id, &self.config.file.given);
        let entries = describe::effective_topic(configs, layers);
        let entry = |entry: crate::configs::Entry| CreatableTopicConfigs {
            name: Str::from(entry.name),
            value: entry.value.map(Str::from),
            read_only: entry.read_only,
            config_source: entry.source as i8,
            is_sensitive: entry.sensitive,
        };
        result.configs = Some(entries.into_iter().map(entry).collect());
        result
    }
}

fn config_records(topic: &CreatableTopic) -> impl Iterator<Item = MetadataRecord> {
    topic.configs.iter().map(|config| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: ConfigResource::TOPIC,
            resource_name: topic.name.detached(),
            name: config.name.detached(),
            value: config.value.as_ref().map(Str::detached),
        })
    })
}

fn excessive() -> ApiError {
    ApiError::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request.")
}

fn named_twice(topics: &[CreatableTopic]) -> BTreeSet<Str> {
    let mut seen = BTreeSet::new();
    topics.iter().filter(|topic| !seen.insert(&topic.name)).map(|topic| topic.name.clone()).collect()
}

fn failed(name: &Str, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: error.code.code(),
        error_message: error.text(),
        ..CreatableTopicResult::default()
    }
}
