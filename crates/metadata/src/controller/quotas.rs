//! AlterClientQuotas.

use protocol::ErrorCode;
use protocol::Str;
use protocol::messages::alter_client_quotas_request::{EntityData as RequestEntity, EntryData};
use protocol::messages::alter_client_quotas_response as response;
use protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use protocol::records::metadata::client_quota_record::EntityData;
use protocol::records::metadata::{ClientQuotaRecord, MetadataRecord};

use super::{ApiError, Controller, Outcome};
use crate::image::QuotaEntity;

const USER: &str = "user";
const CLIENT: &str = "client-id";
const IP: &str = "ip";

/// Key, and whether it takes fractions.
const CLIENT_KEYS: &[(&str, bool)] = &[
    ("producer_byte_rate", false),
    ("consumer_byte_rate", false),
    ("request_percentage", true),
    ("controller_mutation_rate", true),
];
const IP_KEYS: &[(&str, bool)] = &[("connection_creation_rate", false)];

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

impl Controller {
    pub fn alter_client_quotas(
        &self,
        request: &AlterClientQuotasRequest,
    ) -> Outcome<AlterClientQuotasResponse> {
        let mut reply = AlterClientQuotasResponse::default();
        let mut records = Vec::new();
        for entry in &request.entries {
            let outcome = self.alter_quotas(entry);
            let error = match outcome {
                Ok(changes) => {
                    records.extend(changes);
                    None
                }
                Err(error) => Some(error),
            };
            let entity = entry.entity.iter().map(|part| response::EntityData {
                entity_type: part.entity_type.clone(),
                entity_name: part.entity_name.clone(),
            });
            reply.entries.push(response::EntryData {
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.as_ref().and_then(ApiError::text),
                entity: entity.collect(),
            });
        }
        if request.validate_only {
            records.clear();
        }
        Outcome::atomic(records, reply)
    }

    fn alter_quotas(&self, entry: &EntryData) -> Result<Vec<MetadataRecord>, ApiError> {
        let keys = allowed_keys(&entry.entity)?;
        let mut entity: QuotaEntity = entry
            .entity
            .iter()
            .map(|part| (part.entity_type.detached(), part.entity_name.as_ref().map(Str::detached)))
            .collect();
        entity.sort();
        let present = self.image().client_quotas.get(&entity);
        let mut records = Vec::new();
        for op in &entry.ops {
            let key = keys.iter().find(|(key, _)| op.key == *key);
            let fractions = key.ok_or_else(|| refuse(format!("Invalid configuration key {}", op.key)))?.1;
            let old = present.and_then(|values| values.get(&op.key)).copied();
            if op.remove {
                if old.is_none() {
                    continue;
                }
            } else {
                check_value(&op.key, op.value, fractions)?;
                if old == Some(op.value) {
                    continue;
                }
            }
            records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: entity
                    .iter()
                    .map(|(kind, name)| EntityData { entity_type: kind.clone(), entity_name: name.clone() })
                    .collect(),
                key: op.key.detached(),
                value: if op.remove { 0.0 } else { op.value },
                remove: op.remove,
            }));
        }
        Ok(records)
    }
}

fn check_value(key: &str, value: f64, fractions: bool) -> Result<(), ApiError> {
    if value <= 0.0 || value.is_nan() {
        return Err(refuse(format!("Quota {key} must be greater than 0")));
    }
    if !fractions && value.fract() != 0.0 {
        return Err(refuse(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}

fn allowed_keys(entity: &[RequestEntity]) -> Result<&'static [(&'static str, bool)], ApiError> {
    if entity.is_empty() {
        return Err(refuse("Invalid empty client quota entity"));
    }
    for (position, part) in entity.iter().enumerate() {
        let kind = part.entity_type.as_str();
        if entity.iter().skip(position + 1).any(|other| other.entity_type == *kind) {
            return Err(refuse(format!("Invalid client quota entity, contains duplicate {kind}")));
        }
        if ![USER, CLIENT, IP].contains(&kind) {
            return Err(refuse(format!("Unhandled client quota entity type: {kind}")));
        }
        if part.entity_name.as_deref() == Some("") {
            return Err(refuse(format!("Empty {kind} not supported")));
        }
    }
    let ip = entity.iter().find(|part| part.entity_type == IP);
    match ip {
        None => Ok(CLIENT_KEYS),
        Some(_) if entity.len() > 1 => Err(refuse(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        )),
        Some(part) => match part.entity_name.as_deref() {
            Some(host) if !is_host(host) => {
                Err(refuse(format!("{host} is not a valid IP or resolvable host.")))
            }
            _ => Ok(IP_KEYS),
        },
    }
}

/// An address, or a name that could be one's: names are not looked up here.
fn is_host(host: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    host.parse::<std::net::IpAddr>().is_ok() || host.bytes().all(legal)
}
