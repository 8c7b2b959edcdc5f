//! The image as records, in Kafka's order, and back.

use protocol::Str;
use protocol::records::metadata::client_quota_record::EntityData;
use protocol::records::metadata::*;

use super::{ApplyError, Delta, MetadataImage};
use crate::features::METADATA_VERSION;

impl MetadataImage {
    /// Every record of a snapshot between its header and its footer: `metadata.version` first, never anything that
    /// only changes what another record said. Version by [`crate::features::record_version`].
    pub fn snapshot_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        self.feature_records(&mut records);
        let cluster = &self.cluster;
        records.extend(cluster.brokers.values().map(|one| MetadataRecord::RegisterBroker(one.to_record())));
        let controllers = cluster.controllers.values();
        records.extend(controllers.map(|one| MetadataRecord::RegisterController(one.as_ref().clone())));
        for topic in self.topics.by_id.values() {
            records.push(MetadataRecord::Topic(TopicRecord { name: topic.name.clone(), topic_id: topic.id }));
            let partitions = topic.partitions.iter();
            records.extend(
                partitions.map(|(index, one)| MetadataRecord::Partition(one.to_record(topic.id, *index))),
            );
        }
        self.config_records(&mut records);
        self.quota_records(&mut records);
        if self.next_producer_id > 0 {
            records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id: self.next_producer_id,
            }));
        }
        records.extend(self.acls.values().cloned().map(MetadataRecord::AccessControlEntry));
        records.extend(self.scram.values().cloned().map(MetadataRecord::UserScramCredential));
        records.extend(self.delegation_tokens.values().cloned().map(MetadataRecord::DelegationToken));
        records
    }

    fn feature_records(&self, records: &mut Vec<MetadataRecord>) {
        let level = |name: &Str, level: i16| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.clone(), feature_level: level })
        };
        let first = self.features.iter().filter(|(name, _)| **name == METADATA_VERSION);
        let others = self.features.iter().filter(|(name, _)| **name != METADATA_VERSION);
        records.extend(first.chain(others).map(|(name, value)| level(name, *value)));
    }

    fn config_records(&self, records: &mut Vec<MetadataRecord>) {
        for (resource, properties) in self.configs.iter() {
            for (name, value) in properties.iter() {
                records.push(MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.resource_type,
                    resource_name: resource.name.clone(),
                    name: Str::from(name),
                    value: Some(Str::from(value)),
                }));
            }
        }
    }

    fn quota_records(&self, records: &mut Vec<MetadataRecord>) {
        for (entity, quotas) in self.client_quotas.iter() {
            let part = |(kind, name): &(Str, Option<Str>)| EntityData {
                entity_type: kind.clone(),
                entity_name: name.clone(),
            };
            for (key, value) in quotas {
                records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                    entity: entity.iter().map(part).collect(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                }));
            }
        }
    }

    /// The image of a snapshot that holds everything up to `last_contained_offset`.
    pub fn from_snapshot<'a>(
        records: impl IntoIterator<Item = &'a MetadataRecord>,
        last_contained_offset: i64,
    ) -> Result<MetadataImage, ApplyError> {
        let mut image = MetadataImage::default();
        let mut delta = Delta::default();
        for record in records {
            image.apply(record, last_contained_offset, &mut delta)?;
        }
        Ok(image)
    }
}
