//! AlterConfigs (replaces everything) and IncrementalAlterConfigs: each resource is judged alone with all configs it
//! would have, the good ones go into one batch.

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::alter_configs_response::AlterConfigsResourceResponse as LegacyResult;
use protocol::messages::incremental_alter_configs_request::AlterableConfig;
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use protocol::records::metadata::{ClearElrRecord, ConfigRecord, MetadataRecord};
use protocol::{ErrorCode, Str};

use super::{ApiError, Controller, Outcome};
use crate::configs::{Kind, Properties, Scope, broker, lookup, resource};
use crate::image::ConfigResource;

const VALUE_LENGTH_MAX: usize = i16::MAX as usize;
const MIN_IN_SYNC: &str = "min.insync.replicas";
const CORDONED: &str = "cordoned.log.dirs";

/// One key's new value; None removes it.
type Change = (Str, Option<Str>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_wire(operation: i8) -> Option<Operation> {
        Some(match operation {
            0 => Operation::Set,
            1 => Operation::Delete,
            2 => Operation::Append,
            3 => Operation::Subtract,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Operation::Set => "SET",
            Operation::Delete => "DELETE",
            Operation::Append => "APPEND",
            Operation::Subtract => "SUBTRACT",
        }
    }
}

pub(super) fn check_length(value: &str) -> Result<(), ApiError> {
    if value.encode_utf16().count() <= VALUE_LENGTH_MAX {
        return Ok(());
    }
    let message = format!(
        "The configuration value cannot be added because it exceeds the maximum value size of {VALUE_LENGTH_MAX} bytes."
    );
    Err(ApiError::new(ErrorCode::InvalidConfig, message))
}

impl Controller {
    /// `forwarded`: the broker that was asked has looked at it already.
    pub fn incremental_alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest,
        forwarded: bool,
    ) -> Outcome<IncrementalAlterConfigsResponse> {
        let resources = request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone()));
        let repeated = repeated(resources);
        let mut batch = Batch::default();
        let mut responses = Vec::new();
        for one in &request.resources {
            let resource = ConfigResource::new(one.resource_type, one.resource_name.detached());
            let key = (one.resource_type, one.resource_name.clone());
            let outcome = if repeated.contains(&key) {
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate resource."))
            } else {
                self.incremental_changes(&resource, &one.configs)
                    .and_then(|changes| self.alter(&resource, changes, forwarded, &mut batch))
            };
            let error = outcome.err();
            responses.push(AlterConfigsResourceResponse {
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.as_ref().and_then(ApiError::text),
                resource_type: one.resource_type,
                resource_name: one.resource_name.clone(),
            });
        }
        let records = if request.validate_only { Vec::new() } else { batch.finish() };
        Outcome::atomic(records, IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses })
    }

    /// Keys that are not named lose their value.
    pub fn alter_configs(
        &self,
        request: &AlterConfigsRequest,
        forwarded: bool,
    ) -> Outcome<AlterConfigsResponse> {
        let resources = request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone()));
        let repeated = repeated(resources);
        let mut batch = Batch::default();
        let mut responses = Vec::new();
        for one in &request.resources {
            let resource = ConfigResource::new(one.resource_type, one.resource_name.detached());
            let outcome = if repeated.contains(&(one.resource_type, one.resource_name.clone())) {
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate resource."))
            } else {
                let given = one.configs.iter().map(|config| (config.name.detached(), config.value.clone()));
                let given: BTreeMap<Str, Option<Str>> = given.collect();
                let present = self.image().properties(&resource);
                let gone = present.keys().map(|name| (Str::from(name), None));
                let gone = gone.filter(|(name, _)| !given.contains_key(name));
                let set = given.iter().map(|(name, value)| (name.clone(), value.clone()));
                let changes = set.chain(gone).collect();
                self.alter(&resource, changes, forwarded, &mut batch)
            };
            let error = outcome.err();
            responses.push(LegacyResult {
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.as_ref().and_then(ApiError::text),
                resource_type: one.resource_type,
                resource_name: one.resource_name.clone(),
            });
        }
        let records = if request.validate_only { Vec::new() } else { batch.finish() };
        Outcome::atomic(records, AlterConfigsResponse { throttle_time_ms: 0, responses })
    }

    /// What each operation comes to, as set or removed values.
    fn incremental_changes(
        &self,
        resource: &ConfigResource,
        configs: &[AlterableConfig],
    ) -> Result<Vec<Change>, ApiError> {
        let mut values: BTreeMap<Str, Option<Str>> = BTreeMap::new();
        let mut order = Vec::new();
        for config in configs {
            let Some(operation) = Operation::from_wire(config.config_operation) else {
                let message = format!("Unknown config operation type {}", config.config_operation);
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            };
            let name = config.name.detached();
            let given = config.value.as_deref().unwrap_or_default();
            let value = match operation {
                Operation::Set => config.value.as_ref().map(Str::detached),
                Operation::Delete => None,
                Operation::Append | Operation::Subtract => {
                    let present = match values.get(&name) {
                        Some(pending) => pending.as_ref().map(|text| text.to_string()),
                        None => self.image().properties(resource).get(name.as_str()).cloned(),
                    };
                    Some(Str::from(edit_list(resource, &name, operation, present, given)?))
                }
            };
            if values.insert(name.clone(), value).is_none() {
                order.push(name);
            }
        }
        Ok(order.into_iter().filter_map(|name| values.remove(&name).map(|value| (name, value))).collect())
    }

    fn alter(
        &self,
        resource: &ConfigResource,
        changes: Vec<Change>,
        forwarded: bool,
        batch: &mut Batch,
    ) -> Result<(), ApiError> {
        let Some(scope) = Scope::from_wire(resource.resource_type) else {
            let message = format!("Unexpected resource type {}", resource.resource_type);
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        };
        let present = self.image().properties(resource);
        let mut merged: Properties = present.clone();
        let mut records = Vec::new();
        let mut clear_elr = false;
        for (name, value) in changes {
            // a broker rereads its files on every record, so one is written though nothing changes
            let same = present.get(name.as_str()).map(String::as_str) == value.as_deref();
            match &value {
                Some(text) => drop(merged.insert(name.to_string(), text.to_string())),
                None => drop(merged.remove(name.as_str())),
            }
            if same && scope != Scope::Broker {
                continue;
            }
            self.check_record(scope, resource, &name, value.as_deref(), forwarded)?;
            clear_elr |= name == MIN_IN_SYNC;
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type,
                resource_name: resource.name.clone(),
                name,
                value: value.as_ref().map(Str::detached),
            }));
        }
        resource::validate(scope, &resource.name, &merged, &self.config.file)?;
        self.check_existence(scope, resource)?;
        batch.records.extend(records);
        if clear_elr && self.image().eligible_leader_replicas_enabled() {
            let topic_name = if scope == Scope::Topic { resource.name.clone() } else { Str::default() };
            batch.clear_elr.extend(self.before_eligible_are_forgotten(&topic_name));
            let record = MetadataRecord::ClearElr(ClearElrRecord { topic_name });
            batch.clear_elr.push(record);
        }
        Ok(())
    }

    fn check_record(
        &self,
        scope: Scope,
        resource: &ConfigResource,
        name: &Str,
        value: Option<&str>,
        forwarded: bool,
    ) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidConfig, message));
        if scope == Scope::Broker && *name == MIN_IN_SYNC && self.image().eligible_leader_replicas_enabled() {
            if !resource.name.is_empty() {
                return refuse(format!("Broker-level {MIN_IN_SYNC} cannot be altered while ELR is enabled."));
            }
            if value.is_none() {
                return refuse(format!(
                    "Cluster-level {MIN_IN_SYNC} cannot be removed while ELR is enabled."
                ));
            }
        }
        if scope == Scope::Broker && *name == CORDONED {
            self.check_cordoned(resource, value, forwarded)?;
        }
        value.map_or(Ok(()), check_length)
    }

    fn check_cordoned(
        &self,
        resource: &ConfigResource,
        value: Option<&str>,
        forwarded: bool,
    ) -> Result<(), ApiError> {
        let refuse = |message: &str| Err(ApiError::new(ErrorCode::InvalidConfig, message));
        if !self.metadata_version().supports_cordoned_directories() {
            return refuse(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0",
            );
        }
        if forwarded {
            return Ok(());
        }
        // only the broker knows its directories: directly, they can but be opened again
        let present = self.image().properties(resource).get(CORDONED).map_or("", String::as_str);
        let present: BTreeSet<&str> = items(present).collect();
        if items(value.unwrap_or_default()).all(|item| present.contains(item)) {
            return Ok(());
        }
        refuse(
            "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current configuration value.",
        )
    }

    fn check_existence(&self, scope: Scope, resource: &ConfigResource) -> Result<(), ApiError> {
        match scope {
            Scope::Topic if self.image().topics.id(&resource.name).is_none() => {
                let message = format!("The topic '{}' does not exist.", resource.name);
                Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message))
            }
            Scope::Broker => {
                let Ok(Some(id)) = broker::parse_resource_name(&resource.name) else { return Ok(()) };
                let cluster = &self.image().cluster;
                let known = cluster.brokers.contains_key(&id)
                    || cluster.controllers.contains_key(&id)
                    || self.config.voters.contains(&id);
                let message = format!("No node with id {id} found.");
                if known { Ok(()) } else { Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, message)) }
            }
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Batch {
    records: Vec<MetadataRecord>,
    clear_elr: Vec<MetadataRecord>,
}

impl Batch {
    fn finish(mut self) -> Vec<MetadataRecord> {
        self.records.append(&mut self.clear_elr);
        self.records
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn edit_list(
    resource: &ConfigResource,
    name: &Str,
    operation: Operation,
    present: Option<String>,
    given: &str,
) -> Result<String, ApiError> {
    // Kafka's schema of lists knows topics, brokers and groups
    let scope = Scope::from_wire(resource.resource_type).filter(|scope| *scope != Scope::ClientMetrics);
    let row = scope.and_then(|scope| lookup(scope, name)).filter(|row| row.kind == Kind::List);
    let Some(row) = row else {
        let message = format!("Can't {} to key {name} because its type is not LIST.", operation.name());
        return Err(ApiError::new(ErrorCode::InvalidConfig, message));
    };
    let base = present.or_else(|| row.default_text().map(str::to_owned)).unwrap_or_default();
    let mut list: Vec<&str> = items(&base).collect();
    for item in items(given) {
        match operation {
            Operation::Append if !list.contains(&item) => list.push(item),
            Operation::Subtract => list.retain(|one| *one != item),
            _ => {}
        }
    }
    Ok(list.join(","))
}

fn repeated(resources: impl Iterator<Item = (i8, Str)>) -> BTreeSet<(i8, Str)> {
    let mut seen = BTreeSet::new();
    resources.filter(|resource| !seen.insert(resource.clone())).collect()
}
