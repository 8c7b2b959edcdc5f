//! How a record is printed.

use client::{ConsumerRecord, Properties, TimestampType};

use super::coordinator_records;
use super::deserializer::Deserializer;

pub enum Formatter {
    Default(Box<Plain>),
    NoOp,
    Coordinator(coordinator_records::Kind),
}

/// The default formatter's settings.
pub struct Plain {
    timestamp: bool,
    partition: bool,
    offset: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Deserializer,
    value_deserializer: Deserializer,
    headers_deserializer: Deserializer,
}

impl Formatter {
    /// By the class name; the refusal is what Kafka's tool says.
    pub fn new(class: &str, properties: &Properties) -> Result<Formatter, String> {
        let name = class.strip_prefix("org.apache.kafka.tools.consumer.").unwrap_or_default();
        match name {
            // what the second one logs beside is below the level that Kafka's tools show
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => {
                Ok(Formatter::Default(Box::new(Plain::new(properties)?)))
            }
            "NoOpMessageFormatter" => Ok(Formatter::NoOp),
            "OffsetsMessageFormatter" => Ok(Formatter::Coordinator(coordinator_records::Kind::Offsets)),
            "GroupMetadataMessageFormatter" => Ok(Formatter::Coordinator(coordinator_records::Kind::Groups)),
            "TransactionLogMessageFormatter" => {
                Ok(Formatter::Coordinator(coordinator_records::Kind::Transactions))
            }
            _ => Err(class.to_owned()),
        }
    }

    pub fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Formatter::Default(plain) => plain.write(record, out),
            Formatter::NoOp => Ok(()),
            Formatter::Coordinator(kind) => {
                if let Some(json) = kind.json(record) {
                    out.extend_from_slice(json.as_bytes());
                }
                Ok(())
            }
        }
    }
}

fn timestamp_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

impl Plain {
    fn new(properties: &Properties) -> Result<Plain, String> {
        let is_true = |key: &str, default: bool| {
            properties.get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key: &str, default: &str| {
            properties.get(key).map_or(default, String::as_str).as_bytes().to_vec()
        };
        let deserializer = |key: &str| match properties.get(key) {
            Some(class) => Deserializer::named(class),
            None => Ok(Deserializer::Bytes),
        };
        Ok(Plain {
            timestamp: is_true("print.timestamp", false),
            partition: is_true("print.partition", false),
            offset: is_true("print.offset", false),
            epoch: is_true("print.epoch", false),
            headers: is_true("print.headers", false),
            key: is_true("print.key", false),
            value: is_true("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer")?,
            value_deserializer: deserializer("value.deserializer")?,
            headers_deserializer: deserializer("headers.deserializer")?,
        })
    }

    fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        let mut separate = Separator { plain: self, first: true };
        if self.timestamp {
            separate.before(out);
            match record.timestamp {
                -1 => out.extend_from_slice(b"NO_TIMESTAMP"),
                time => {
                    let name = timestamp_name(record.timestamp_type);
                    out.extend_from_slice(format!("{name}:{time}").as_bytes());
                }
            }
        }
        if self.partition {
            separate.before(out);
            out.extend_from_slice(format!("Partition:{}", record.partition).as_bytes());
        }
        if self.offset {
            separate.before(out);
            out.extend_from_slice(format!("Offset:{}", record.offset).as_bytes());
        }
        if self.epoch {
            separate.before(out);
            let epoch =
                record.leader_epoch.map_or_else(|| "NOT_PRESENT".to_owned(), |epoch| epoch.to_string());
            out.extend_from_slice(format!("Epoch:{epoch}").as_bytes());
        }
        if self.headers {
            separate.before(out);
            self.write_headers(record, out)?;
        }
        if self.key {
            separate.before(out);
            self.write_bytes(record.key.as_deref(), self.key_deserializer, out)?;
        }
        if self.value {
            separate.before(out);
            self.write_bytes(record.value.as_deref(), self.value_deserializer, out)?;
        }
        if !separate.first {
            out.extend_from_slice(&self.line_separator);
        }
        Ok(())
    }

    fn write_headers(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        if record.headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (index, header) in record.headers.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.headers_separator);
            }
            out.extend_from_slice(header.key.as_bytes());
            out.push(b':');
            self.write_bytes(header.value.as_deref(), self.headers_deserializer, out)?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        bytes: Option<&[u8]>,
        deserializer: Deserializer,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match bytes {
            Some(bytes) => deserializer.write(bytes, out),
            None => {
                out.extend_from_slice(&self.null_literal);
                Ok(())
            }
        }
    }
}

/// Stands between the parts.
struct Separator<'a> {
    plain: &'a Plain,
    first: bool,
}

impl Separator<'_> {
    fn before(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.first) {
            out.extend_from_slice(&self.plain.key_separator);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use client::Header;

    fn printed(properties: &str) -> String {
        let record = ConsumerRecord {
            topic: "t".into(),
            partition: 1,
            offset: 2,
            timestamp: 3,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: Some(0),
            key: None,
            value: Some(Bytes::from("v")),
            headers: vec![
                Header { key: "a".into(), value: Some(Bytes::from("x")) },
                Header { key: "b".into(), value: None },
            ],
        };
        let properties = client::parse_properties(properties.as_bytes()).unwrap();
        let formatter =
            Formatter::new("org.apache.kafka.tools.consumer.DefaultMessageFormatter", &properties);
        let mut out = Vec::new();
        formatter.ok().unwrap().write(&record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_come_in_kafkas_order() {
        let all = "print.timestamp=true\nprint.partition=true\nprint.offset=true\nprint.epoch=true\n\
                   print.headers=true\nprint.key=true\n";
        for (properties, line) in [
            ("", "v\n"),
            ("print.key=true", "null\tv\n"),
            (all, "CreateTime:3\tPartition:1\tOffset:2\tEpoch:0\ta:x,b:null\tnull\tv\n"),
            ("print.key=true\nkey.separator=-\nnull.literal=0\nline.separator=;", "0-v;"),
            ("print.value=false\nprint.offset=true", "Offset:2\n"),
            ("print.value=false", ""),
        ] {
            assert_eq!(printed(properties), line);
        }
    }
}
