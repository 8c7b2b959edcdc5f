//! One record into the image. Strict: a record that cannot follow what is there is an error, never skipped.

use std::sync::Arc;

use protocol::Str;
use protocol::records::metadata::*;
use types::Uuid;

use super::cluster::{Broker, sorted_directories};
use super::partition::Partition;
use super::topics::Topic;
use super::{ApplyError, ConfigResource, Delta, MetadataImage, QuotaEntity};
use crate::configs::Properties;
use crate::features::{KRAFT_VERSION, METADATA_VERSION, MetadataVersion};

impl MetadataImage {
    /// `offset`: the record's own, or the last one a snapshot holds. Transactions are the loader's.
    pub fn apply(
        &mut self,
        record: &MetadataRecord,
        offset: i64,
        delta: &mut Delta,
    ) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.register_broker(record, offset, delta),
            MetadataRecord::UnregisterBroker(record) => {
                self.registered(record.broker_id, record.broker_epoch)?;
                self.cluster.brokers.remove(&record.broker_id);
                delta.brokers.insert(record.broker_id);
                Ok(())
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record, delta),
            MetadataRecord::FenceBroker(record) => {
                self.broker_mut(record.id, record.epoch, delta)?.fenced = true;
                Ok(())
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.broker_mut(record.id, record.epoch, delta)?.fenced = false;
                Ok(())
            }
            MetadataRecord::Topic(record) => self.create_topic(record, delta),
            MetadataRecord::Partition(record) => self.put_partition(record, delta),
            MetadataRecord::PartitionChange(record) => self.change_partition(record, delta),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic_id, delta),
            MetadataRecord::ClearElr(record) => self.clear_elr(&record.topic_name, delta),
            MetadataRecord::Config(record) => {
                self.set_config(record, delta);
                Ok(())
            }
            MetadataRecord::FeatureLevel(record) => self.set_feature(record, delta),
            MetadataRecord::ProducerIds(record) => {
                let present = self.next_producer_id;
                if record.next_producer_id <= present {
                    return Err(ApplyError::ProducerIdsGoBack { present, next: record.next_producer_id });
                }
                self.next_producer_id = record.next_producer_id;
                delta.producer_ids = true;
                Ok(())
            }
            MetadataRecord::RegisterController(record) => {
                self.cluster.controllers.insert(record.controller_id, Arc::new(record.clone()));
                delta.controllers = true;
                Ok(())
            }
            MetadataRecord::UnregisterController(record) => {
                let controller_id = record.controller_id;
                let removed = self.cluster.controllers.remove(&controller_id);
                delta.controllers = true;
                removed.map(drop).ok_or(ApplyError::UnknownController { controller_id })
            }
            MetadataRecord::NoOp(_) => Ok(()),
            MetadataRecord::ZkMigrationState(_) => Ok(()),
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => Err(ApplyError::Transaction("marker outside a log")),
            other => self.apply_security(other, delta),
        }
    }

    fn apply_security(&mut self, record: &MetadataRecord, delta: &mut Delta) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::ClientQuota(record) => {
                self.set_quota(record);
                delta.client_quotas = true;
                Ok(())
            }
            MetadataRecord::AccessControlEntry(record) => {
                Arc::make_mut(&mut self.acls).insert(record.id, record.clone());
                delta.acls = true;
                Ok(())
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                delta.acls = true;
                let removed = Arc::make_mut(&mut self.acls).remove(&record.id);
                removed.map(drop).ok_or(ApplyError::UnknownAcl { id: record.id })
            }
            MetadataRecord::UserScramCredential(record) => {
                let key = (record.name.detached(), record.mechanism);
                Arc::make_mut(&mut self.scram).insert(key, record.clone());
                delta.scram = true;
                Ok(())
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                delta.scram = true;
                let key = (record.name.clone(), record.mechanism);
                let removed = Arc::make_mut(&mut self.scram).remove(&key);
                let name = record.name.to_string();
                removed.map(drop).ok_or(ApplyError::UnknownScramCredential { name })
            }
            MetadataRecord::DelegationToken(record) => {
                Arc::make_mut(&mut self.delegation_tokens).insert(record.token_id.detached(), record.clone());
                delta.delegation_tokens = true;
                Ok(())
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                Arc::make_mut(&mut self.delegation_tokens).remove(&record.token_id);
                delta.delegation_tokens = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn registered(&self, broker_id: i32, epoch: i64) -> Result<&Arc<Broker>, ApplyError> {
        let broker = self.cluster.brokers.get(&broker_id).ok_or(ApplyError::UnknownBroker { broker_id })?;
        if broker.epoch != epoch {
            return Err(ApplyError::WrongBrokerEpoch { broker_id, epoch, registered: broker.epoch });
        }
        Ok(broker)
    }

    fn broker_mut(&mut self, id: i32, epoch: i64, delta: &mut Delta) -> Result<&mut Broker, ApplyError> {
        self.registered(id, epoch)?;
        delta.brokers.insert(id);
        let broker = self.cluster.brokers.get_mut(&id).ok_or(ApplyError::UnknownBroker { broker_id: id })?;
        Ok(Arc::make_mut(broker))
    }

    fn register_broker(
        &mut self,
        record: &RegisterBrokerRecord,
        offset: i64,
        delta: &mut Delta,
    ) -> Result<(), ApplyError> {
        for directory in &record.log_dirs {
            if let Some(owner) = self.directory_owner(*directory, record.broker_id) {
                let (directory, broker_id) = (*directory, record.broker_id);
                return Err(ApplyError::DirectoryTaken { directory, broker_id, owner });
            }
        }
        let broker = Broker::from_record(record, offset);
        self.cluster.brokers.insert(record.broker_id, Arc::new(broker));
        delta.brokers.insert(record.broker_id);
        Ok(())
    }

    /// Another broker that has `directory`.
    pub(crate) fn directory_owner(&self, directory: Uuid, except: i32) -> Option<i32> {
        let others = self.cluster.brokers.values().filter(|broker| broker.id != except);
        others.filter(|broker| broker.log_dirs.contains(&directory)).map(|broker| broker.id).next()
    }

    fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
        delta: &mut Delta,
    ) -> Result<(), ApplyError> {
        let broker = self.broker_mut(record.broker_id, record.broker_epoch, delta)?;
        match record.fenced {
            0 => {}
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            other => return Err(ApplyError::RegistrationChange(other)),
        }
        match record.in_controlled_shutdown {
            0 => {}
            1 => broker.in_controlled_shutdown = true,
            other => return Err(ApplyError::RegistrationChange(other)),
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs = sorted_directories(&record.log_dirs);
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            broker.cordoned_log_dirs = Some(sorted_directories(cordoned));
        }
        Ok(())
    }

    fn create_topic(&mut self, record: &TopicRecord, delta: &mut Delta) -> Result<(), ApplyError> {
        if self.topics.id(&record.name).is_some() || self.topics.by_id(record.topic_id).is_some() {
            return Err(ApplyError::TopicExists { name: record.name.to_string() });
        }
        let topic =
            Topic { name: record.name.detached(), id: record.topic_id, partitions: Default::default() };
        self.topics.insert(topic);
        delta.topics_created.insert(record.topic_id);
        Ok(())
    }

    fn put_partition(&mut self, record: &PartitionRecord, delta: &mut Delta) -> Result<(), ApplyError> {
        let topic_id = record.topic_id;
        let partition = Partition::from_record(record)?;
        let topic = self.topics.topic_mut(topic_id).ok_or(ApplyError::UnknownTopicId { topic_id })?;
        topic.partitions.insert(record.partition_id, Arc::new(partition));
        delta.partition(topic_id, record.partition_id);
        Ok(())
    }

    fn change_partition(
        &mut self,
        record: &PartitionChangeRecord,
        delta: &mut Delta,
    ) -> Result<(), ApplyError> {
        let (topic_id, partition) = (record.topic_id, record.partition_id);
        let topic = self.topics.topic_mut(topic_id).ok_or(ApplyError::UnknownTopicId { topic_id })?;
        let present = topic
            .partitions
            .get_mut(&partition)
            .ok_or(ApplyError::UnknownPartition { topic_id, partition })?;
        *present = Arc::new(present.merge(record)?);
        delta.partition(topic_id, partition);
        Ok(())
    }

    fn remove_topic(&mut self, topic_id: Uuid, delta: &mut Delta) -> Result<(), ApplyError> {
        let topic = self.topics.remove(topic_id).ok_or(ApplyError::UnknownTopicId { topic_id })?;
        // a topic's configs go with it, no record says so
        let resource = ConfigResource { resource_type: ConfigResource::TOPIC, name: topic.name.clone() };
        if self.configs.contains_key(&resource) {
            Arc::make_mut(&mut self.configs).remove(&resource);
            delta.configs.insert(resource);
        }
        delta.topic_deleted(topic_id);
        Ok(())
    }

    /// Every partition it touches gets a new epoch, though no record names it. An empty name is every topic.
    fn clear_elr(&mut self, name: &str, delta: &mut Delta) -> Result<(), ApplyError> {
        let ids: Vec<Uuid> = match name {
            "" => self.topics.iter().map(|topic| topic.id).collect(),
            name => self.topics.id(name).into_iter().collect(),
        };
        for id in ids {
            let has_elr = |partition: &Arc<Partition>| {
                !partition.eligible_leader_replicas.is_empty() || !partition.last_known_elr.is_empty()
            };
            let touched: Vec<i32> = match self.topics.by_id(id) {
                Some(topic) => {
                    topic.partitions.iter().filter(|(_, p)| has_elr(p)).map(|(index, _)| *index).collect()
                }
                None => continue,
            };
            if touched.is_empty() {
                continue;
            }
            let Some(topic) = self.topics.topic_mut(id) else { continue };
            for index in touched {
                if let Some(partition) = topic.partitions.get_mut(&index) {
                    let partition = Arc::make_mut(partition);
                    partition.eligible_leader_replicas.clear();
                    partition.last_known_elr.clear();
                    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
                    delta.partition(id, index);
                }
            }
        }
        Ok(())
    }

    fn set_config(&mut self, record: &ConfigRecord, delta: &mut Delta) {
        let resource =
            ConfigResource { resource_type: record.resource_type, name: record.resource_name.detached() };
        delta.configs.insert(resource.clone());
        let configs = Arc::make_mut(&mut self.configs);
        match &record.value {
            Some(value) => {
                let properties = configs.entry(resource).or_default();
                Arc::make_mut(properties).insert(record.name.to_string(), value.to_string());
            }
            None => {
                let Some(properties) = configs.get_mut(&resource) else { return };
                let properties: &mut Properties = Arc::make_mut(properties);
                properties.remove(record.name.as_str());
                if properties.is_empty() {
                    configs.remove(&resource);
                }
            }
        }
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord, delta: &mut Delta) -> Result<(), ApplyError> {
        let (name, level) = (record.name.as_str(), record.feature_level);
        let refuse = || ApplyError::FeatureLevel { name: name.to_owned(), level };
        if name == KRAFT_VERSION {
            // the quorum keeps this one in its own records
            return Ok(());
        }
        let known = MetadataVersion::MINIMUM.0..=MetadataVersion::MAXIMUM.0;
        if level < 0 || (name == METADATA_VERSION && !known.contains(&level)) {
            return Err(refuse());
        }
        delta.features = true;
        if level == 0 {
            self.features.remove(name);
        } else {
            self.features.insert(record.name.detached(), level);
        }
        Ok(())
    }

    fn set_quota(&mut self, record: &ClientQuotaRecord) {
        let mut entity: QuotaEntity = record
            .entity
            .iter()
            .map(|part| (part.entity_type.detached(), part.entity_name.as_ref().map(Str::detached)))
            .collect();
        entity.sort();
        let quotas = Arc::make_mut(&mut self.client_quotas);
        if record.remove {
            if let Some(values) = quotas.get_mut(&entity) {
                values.remove(&record.key);
                if values.is_empty() {
                    quotas.remove(&entity);
                }
            }
        } else {
            quotas.entry(entity).or_default().insert(record.key.detached(), record.value);
        }
    }
}
