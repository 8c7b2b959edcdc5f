//! Rust for records that tell their own type: those of the quorum (a frame with type and version) and those of the
//! coordinators (a key with its type, a value with its version).

use anyhow::{Context, Result};

use super::schema::Message;

pub fn record_enums(group: &str, messages: &[Message]) -> Result<String> {
    match group {
        "metadata" => framed("MetadataRecord", messages),
        "remote_log" => framed("RemoteLogRecord", messages),
        "group" => coordinator("Group", messages),
        "transaction" => coordinator("Transaction", messages),
        "share" => coordinator("Share", messages),
        _ => Ok(String::new()),
    }
}

const USES: &str =
    "\nuse bytes::Bytes;\n\nuse crate::{DecodeError, EncodeError, Message, Reader, Versions, Writer};\n";

/// The variants: name without its last word, type's number, message.
fn variants<'a>(
    messages: &'a [Message],
    kind: &str,
    ends: &[&str],
) -> Result<Vec<(String, i16, &'a Message)>> {
    let mut rows = Vec::new();
    for message in messages.iter().filter(|message| message.kind == kind) {
        let stem = ends.iter().find_map(|end| message.name.strip_suffix(end)).unwrap_or(&message.name);
        rows.push((stem.to_owned(), message.key.context("a record needs a key")?, message));
    }
    rows.sort_by_key(|row| row.1);
    Ok(rows)
}

fn arms(rows: &[(String, i16, &Message)], arm: impl Fn(&str, i16, &str) -> String) -> String {
    rows.iter()
        .map(|(stem, key, message)| format!("            {}\n", arm(stem, *key, &message.name)))
        .collect()
}

fn framed(name: &str, messages: &[Message]) -> Result<String> {
    let kind = &messages.first().context("an empty group")?.kind;
    let rows = variants(messages, kind, &["Record"])?;
    let mut text = String::from(USES);
    text.push_str(&format!("\n/// A record with its type. On disk: frame version 1, type, version, each an unsigned varint, then the fields.\n#[derive(Clone, Debug, PartialEq)]\npub enum {name} {{\n"));
    for (stem, _, message) in &rows {
        text.push_str(&format!("    {stem}({}),\n", message.name));
    }
    text.push_str("}\n\n");
    text.push_str(&format!("impl {name} {{\n"));
    text.push_str("    pub fn record_type(&self) -> i16 {\n        match self {\n");
    text.push_str(&arms(&rows, |stem, key, _| format!("Self::{stem}(_) => {key},")));
    text.push_str("        }\n    }\n\n    pub fn versions(&self) -> Versions {\n        match self {\n");
    text.push_str(&arms(&rows, |stem, _, message| format!("Self::{stem}(_) => {message}::VERSIONS,")));
    text.push_str("        }\n    }\n\n    pub fn name(&self) -> &'static str {\n        match self {\n");
    text.push_str(&arms(&rows, |stem, _, message| format!("Self::{stem}(_) => {message}::NAME,")));
    text.push_str("        }\n    }\n\n    fn decode_body(record_type: i16, r: &mut Reader, version: i16) -> Result<Self, DecodeError> {\n        Ok(match record_type {\n");
    text.push_str(&arms(&rows, |stem, key, message| {
        format!("{key} => Self::{stem}({message}::decode(r, version)?),")
    }));
    text.push_str("            other => return Err(DecodeError::UnknownRecordType(other)),\n        })\n    }\n\n    fn encode_body(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {\n        match self {\n");
    text.push_str(&arms(&rows, |stem, _, _| format!("Self::{stem}(m) => m.encode(w, version),")));
    text.push_str(
        "        }
    }

    /// The record and the version in which it was written.
    pub fn decode(bytes: Bytes) -> Result<(Self, i16), DecodeError> {
        let mut r = Reader::new(bytes);
        let (record_type, version) = crate::records::read_frame(&mut r)?;
        Ok((Self::decode_body(record_type, &mut r, version)?, version))
    }

    pub fn encode(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new();
        crate::records::write_frame(&mut w, self.record_type(), version);
        self.encode_body(&mut w, version)?;
        w.into_bytes()
    }
}
",
    );
    for (stem, _, message) in &rows {
        text.push_str(&format!(
            "\nimpl From<{0}> for {name} {{\n    fn from(m: {0}) -> Self {{\n        Self::{stem}(m)\n    }}\n}}\n",
            message.name
        ));
    }
    Ok(text)
}

fn coordinator(name: &str, messages: &[Message]) -> Result<String> {
    let keys = variants(messages, "key", &["Key"])?;
    let values = variants(messages, "value", &["Value"])?;
    let mut text = String::from(USES);
    for (kind, rows) in [("Key", &keys), ("Value", &values)] {
        text.push_str(&format!("\n#[derive(Clone, Debug, PartialEq)]\npub enum {name}{kind} {{\n"));
        for (stem, _, message) in rows {
            text.push_str(&format!("    {stem}({}),\n", message.name));
        }
        text.push_str("}\n");
    }
    text.push_str(&format!(
        "\nimpl {name}Key {{\n    pub fn record_type(&self) -> i16 {{\n        match self {{\n"
    ));
    text.push_str(&arms(&keys, |stem, key, _| format!("Self::{stem}(_) => {key},")));
    text.push_str("        }\n    }\n\n    /// The type, then the fields. `UnknownRecordType` is to be skipped: a later release wrote it.\n    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {\n        let mut r = Reader::new(bytes);\n        let record_type = r.i16();\n        r.check()?;\n        Ok(match record_type {\n");
    text.push_str(&arms(&keys, |stem, key, message| {
        format!("{key} => Self::{stem}({message}::decode(&mut r, {message}::VERSIONS.min)?),")
    }));
    text.push_str("            other => return Err(DecodeError::UnknownRecordType(other)),\n        })\n    }\n\n    pub fn encode(&self) -> Result<Bytes, EncodeError> {\n        let mut w = Writer::new();\n        w.i16(self.record_type());\n        match self {\n");
    text.push_str(&arms(&keys, |stem, _, message| {
        format!("Self::{stem}(m) => m.encode(&mut w, {message}::VERSIONS.min)?,")
    }));
    text.push_str("        }\n        w.into_bytes()\n    }\n}\n");
    text.push_str(&format!(
        "\nimpl {name}Value {{\n    pub fn record_type(&self) -> i16 {{\n        match self {{\n"
    ));
    text.push_str(&arms(&values, |stem, key, _| format!("Self::{stem}(_) => {key},")));
    text.push_str("        }\n    }\n\n    /// The version, then the fields of the value that belongs to keys of this type.\n    pub fn decode(record_type: i16, bytes: Bytes) -> Result<(Self, i16), DecodeError> {\n        let mut r = Reader::new(bytes);\n        let version = r.i16();\n        r.check()?;\n        let value = match record_type {\n");
    text.push_str(&arms(&values, |stem, key, message| {
        format!("{key} => Self::{stem}({message}::decode(&mut r, version)?),")
    }));
    text.push_str("            other => return Err(DecodeError::UnknownRecordType(other)),\n        };\n        Ok((value, version))\n    }\n\n    pub fn encode(&self, version: i16) -> Result<Bytes, EncodeError> {\n        let mut w = Writer::new();\n        w.i16(version);\n        match self {\n");
    text.push_str(&arms(&values, |stem, _, _| format!("Self::{stem}(m) => m.encode(&mut w, version)?,")));
    text.push_str("        }\n        w.into_bytes()\n    }\n}\n");
    Ok(text)
}
