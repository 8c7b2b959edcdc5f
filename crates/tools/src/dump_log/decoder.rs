//! Keys and values of records as text or, with a decoder, as JSON.

use records::Record;
use serde_json::{Value, json};

use super::json::{Source, decode};
use super::schema::{Message, parse};
use super::schemas;
use crate::options::Parsed;

pub enum Decoder {
    /// Type and version stand before key and value.
    Coordinator { messages: Vec<Message>, consumer: Vec<Message> },
    /// One frame with type and version before the value.
    Framed { messages: Vec<Message> },
}

impl Decoder {
    pub fn choose(parsed: &Parsed) -> Option<Decoder> {
        let coordinator = |texts: &[&str]| Decoder::Coordinator {
            messages: parse(texts),
            consumer: parse(schemas::CONSUMER),
        };
        if parsed.has("offsets-decoder") {
            Some(coordinator(schemas::GROUP))
        } else if parsed.has("transaction-log-decoder") {
            Some(coordinator(schemas::TRANSACTION))
        } else if parsed.has("cluster-metadata-decoder") {
            Some(Decoder::Framed { messages: parse(schemas::METADATA) })
        } else if parsed.has("remote-log-metadata-decoder") {
            Some(Decoder::Framed { messages: parse(schemas::REMOTE_LOG) })
        } else if parsed.has("share-group-state-decoder") {
            Some(coordinator(schemas::SHARE))
        } else {
            None
        }
    }

    /// What is printed for the key and for the value.
    pub fn texts(&self, record: &Record<'_>) -> (Option<String>, Option<String>) {
        match self {
            Decoder::Framed { messages } => (None, Some(framed(messages, record.value.unwrap_or_default()))),
            Decoder::Coordinator { messages, consumer } => coordinator(messages, consumer, record),
        }
    }
}

fn framed(messages: &[Message], bytes: &[u8]) -> String {
    let mut source = Source(bytes);
    let frame = || {
        let (_, key, version) = (source.uvarint()?, source.uvarint()?, source.uvarint()?);
        let (key, version) = (i16::try_from(key).ok()?, i16::try_from(version).ok()?);
        let message = messages.iter().find(|message| message.key == key)?;
        let data = decode(message, version, &mut source)?;
        Some(json!({ "type": constant(&message.name), "version": version, "data": data }).to_string())
    };
    let decoded: Option<String> = { frame }();
    decoded.unwrap_or_else(|| format!("Error: {} bytes that are no record of this topic", bytes.len()))
}

/// `TopicRecord` to `TOPIC_RECORD`.
fn constant(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn coordinator(
    messages: &[Message],
    consumer: &[Message],
    record: &Record<'_>,
) -> (Option<String>, Option<String>) {
    let mut key = Source(record.key.unwrap_or_default());
    let Some(key_type) = key.int16() else { return (None, None) };
    let offset = record.offset.0;
    let of = |suffix: &str| messages.iter().find(|one| one.key == key_type && one.name.ends_with(suffix));
    let Some(key_data) = of("Key").and_then(|message| decode(message, 0, &mut key)) else {
        return (Some(format!("Unknown record type {key_type} at offset {offset}, skipping.")), None);
    };
    let key = json!({ "type": key_type.to_string(), "data": key_data }).to_string();
    let Some(value) = record.value else { return (Some(key), Some("<DELETE>".to_owned())) };
    let mut source = Source(value);
    let value = source.int16().and_then(|version| {
        let mut data = decode(of("Value")?, version, &mut source)?;
        members(&mut data, consumer);
        Some(json!({ "version": version.to_string(), "data": data }).to_string())
    });
    let unknown = || format!("Unknown record version at offset {offset}, skipping.");
    (Some(key), Some(value.unwrap_or_else(unknown)))
}

/// Subscriptions and assignments of consumers within a classic group's members, which are bytes to the coordinator.
fn members(data: &mut Value, consumer: &[Message]) {
    if data.get("protocolType").and_then(Value::as_str) != Some("consumer") {
        return;
    }
    let Some(members) = data.get_mut("members").and_then(Value::as_array_mut) else { return };
    for member in members {
        for (name, field) in
            [("ConsumerProtocolSubscription", "subscription"), ("ConsumerProtocolAssignment", "assignment")]
        {
            let Some(slot) = member.get_mut(field) else { continue };
            let Some(bytes) = slot.as_str().and_then(unbase64) else { continue };
            let mut source = Source(&bytes);
            let message = consumer.iter().find(|message| message.name == name);
            let decoded = source.int16().and_then(|version| decode(message?, version.min(3), &mut source));
            *slot = decoded.unwrap_or(Value::Null);
        }
    }
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|of| *of == letter)?;
        bits = (bits << 6 | value as u32) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}
