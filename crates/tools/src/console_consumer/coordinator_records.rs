//! Records of `__consumer_offsets` and `__transaction_state` as JSON, with the names and the order of Kafka's schemas.

use bytes::Bytes;
use client::ConsumerRecord;
use protocol::records::group::{GroupKey, GroupValue};
use protocol::records::transaction::{TransactionKey, TransactionValue};
use serde_json::{Map, Value, json};

/// Which records are shown; others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Offsets,
    Groups,
    Transactions,
}

impl Kind {
    /// None where the record is not of this kind, or newer than what we know.
    pub fn json(self, record: &ConsumerRecord) -> Option<String> {
        let key = record.key.clone()?;
        let (record_type, key) = match self {
            Kind::Transactions => transaction_key(key)?,
            _ => group_key(self, key)?,
        };
        let value = match record.value.clone() {
            None => Value::Null,
            Some(value) => {
                let (version, data) = match self {
                    Kind::Transactions => transaction_value(record_type, value)?,
                    _ => group_value(record_type, value)?,
                };
                json!({ "version": version, "data": data })
            }
        };
        Some(json!({ "key": { "type": record_type, "data": key }, "value": value }).to_string())
    }
}

fn group_key(kind: Kind, bytes: Bytes) -> Option<(i16, Value)> {
    let key = GroupKey::decode(bytes).ok()?;
    let data = match (&key, kind) {
        (GroupKey::OffsetCommit(key), Kind::Offsets) => {
            json!({ "group": key.group.as_str(), "topic": key.topic.as_str(), "partition": key.partition })
        }
        (GroupKey::LegacyOffsetCommit(key), Kind::Offsets) => {
            json!({ "group": key.group.as_str(), "topic": key.topic.as_str(), "partition": key.partition })
        }
        (GroupKey::GroupMetadata(key), Kind::Groups) => json!({ "group": key.group.as_str() }),
        _ => return None,
    };
    Some((key.record_type(), data))
}

fn group_value(record_type: i16, bytes: Bytes) -> Option<(i16, Value)> {
    let (value, version) = GroupValue::decode(record_type, bytes).ok()?;
    let data = match value {
        GroupValue::OffsetCommit(value) => {
            let mut data = Map::new();
            data.insert("offset".into(), json!(value.offset));
            if version >= 3 {
                data.insert("leaderEpoch".into(), json!(value.leader_epoch));
            }
            data.insert("metadata".into(), json!(value.metadata.as_str()));
            data.insert("commitTimestamp".into(), json!(value.commit_timestamp));
            if version == 1 {
                data.insert("expireTimestamp".into(), json!(value.expire_timestamp));
            }
            if version >= 4 {
                data.insert("topicId".into(), json!(value.topic_id.to_string()));
            }
            Value::Object(data)
        }
        GroupValue::LegacyOffsetCommit(value) => json!({
            "offset": value.offset,
            "metadata": value.metadata.as_str(),
            "commitTimestamp": value.commit_timestamp,
        }),
        GroupValue::GroupMetadata(value) => {
            let mut data = Map::new();
            data.insert("protocolType".into(), json!(value.protocol_type.as_str()));
            data.insert("generation".into(), json!(value.generation));
            data.insert("protocol".into(), json!(value.protocol.as_deref()));
            data.insert("leader".into(), json!(value.leader.as_deref()));
            if version >= 2 {
                data.insert("currentStateTimestamp".into(), json!(value.current_state_timestamp));
            }
            let members: Vec<Value> =
                value.members.iter().map(|member| self::member(member, version)).collect();
            data.insert("members".into(), Value::Array(members));
            Value::Object(data)
        }
        _ => return None,
    };
    Some((version, data))
}

fn member(member: &protocol::records::group::group_metadata_value::MemberMetadata, version: i16) -> Value {
    let mut data = Map::new();
    data.insert("memberId".into(), json!(member.member_id.as_str()));
    if version >= 3 {
        data.insert("groupInstanceId".into(), json!(member.group_instance_id.as_deref()));
    }
    data.insert("clientId".into(), json!(member.client_id.as_str()));
    data.insert("clientHost".into(), json!(member.client_host.as_str()));
    if version >= 1 {
        data.insert("rebalanceTimeout".into(), json!(member.rebalance_timeout));
    }
    data.insert("sessionTimeout".into(), json!(member.session_timeout));
    data.insert("subscription".into(), json!(base64(&member.subscription)));
    data.insert("assignment".into(), json!(base64(&member.assignment)));
    Value::Object(data)
}

fn transaction_key(bytes: Bytes) -> Option<(i16, Value)> {
    let key = TransactionKey::decode(bytes).ok()?;
    let record_type = key.record_type();
    let TransactionKey::TransactionLog(key) = key;
    Some((record_type, json!({ "transactionalId": key.transactional_id.as_str() })))
}

fn transaction_value(record_type: i16, bytes: Bytes) -> Option<(i16, Value)> {
    let (value, version) = TransactionValue::decode(record_type, bytes).ok()?;
    let TransactionValue::TransactionLog(value) = value;
    let partitions = value.transaction_partitions.as_ref().map(|partitions| {
        let shown = partitions.iter().map(|partitions| {
            json!({ "topic": partitions.topic.as_str(), "partitionIds": partitions.partition_ids })
        });
        shown.collect::<Vec<_>>()
    });
    let data = json!({
        "producerId": value.producer_id,
        "producerEpoch": value.producer_epoch,
        "transactionTimeoutMs": value.transaction_timeout_ms,
        "transactionStatus": value.transaction_status,
        "transactionPartitions": partitions,
        "transactionLastUpdateTimestampMs": value.transaction_last_update_timestamp_ms,
        "transactionStartTimestampMs": value.transaction_start_timestamp_ms,
    });
    Some((version, data))
}

/// Base64 with padding, as JSON has bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            out.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Str;
    use protocol::records::group::{GroupMetadataKey, OffsetCommitKey, OffsetCommitValue};

    fn record(key: &GroupKey, value: Option<Bytes>) -> ConsumerRecord {
        ConsumerRecord {
            topic: "__consumer_offsets".into(),
            partition: 0,
            offset: 0,
            timestamp: 0,
            timestamp_type: client::TimestampType::CreateTime,
            leader_epoch: None,
            key: Some(key.encode().unwrap()),
            value,
            headers: Vec::new(),
        }
    }

    #[test]
    fn commits_are_json() {
        let key = OffsetCommitKey { group: Str::from("g"), topic: Str::from("t"), partition: 1 };
        let value = OffsetCommitValue { offset: 5, commit_timestamp: 9, ..Default::default() };
        let value = GroupValue::OffsetCommit(value).encode(3).unwrap();
        let shown = Kind::Offsets.json(&record(&GroupKey::OffsetCommit(key.clone()), Some(value))).unwrap();
        let expected = concat!(
            r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":1}},"#,
            r#""value":{"version":3,"data":{"offset":5,"leaderEpoch":-1,"metadata":"","commitTimestamp":9}}}"#
        );
        assert_eq!(shown, expected);
        let gone = Kind::Offsets.json(&record(&GroupKey::OffsetCommit(key), None)).unwrap();
        assert!(gone.ends_with(r#""value":null}"#));
        let other = GroupKey::GroupMetadata(GroupMetadataKey { group: Str::from("g") });
        assert_eq!(Kind::Offsets.json(&record(&other, None)), None);
    }

    #[test]
    fn base64_has_padding() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
