//! Reads the message specifications out of Kafka's jars: names, types, versions and defaults, none of the prose.
//! The newest release among the jars is taken; where the one before has other versions, they are noted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Files;
use super::notation::{parse_versions, print};
use super::schema::{Field, FieldType, Message, Struct, Versions};

/// Jar file name without its release, and the release.
fn split_name(path: &Path) -> Option<(String, String)> {
    let name = path.file_stem()?.to_str()?;
    let at = name.rfind('-')?;
    let release = &name[at + 1..];
    release.starts_with(|c: char| c.is_ascii_digit()).then(|| (name[..at].to_owned(), release.to_owned()))
}

pub fn import(folder: &Path) -> Result<Files> {
    let mut releases: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if let Some((jar, release)) =
            split_name(&path).filter(|_| path.extension().is_some_and(|e| e == "jar"))
        {
            releases.entry(release).or_default().push((jar, path));
        }
    }
    let mut newest: BTreeMap<(String, String), Message> = BTreeMap::new();
    for (index, jars) in releases.values().enumerate() {
        for (jar, path) in jars {
            for message in read_jar(jar, path)? {
                let key = (group(jar, &message), message.name.clone());
                let old = newest.get(&key).map(|old| old.versions);
                let before = old.filter(|versions| *versions != message.versions);
                newest.insert(key, Message { before, new: index > 0 && old.is_none(), ..message });
            }
        }
    }
    Ok(files(&newest))
}

/// One file for a request and its response, or for a key and its value.
fn files(messages: &BTreeMap<(String, String), Message>) -> Files {
    let mut files = Files::new();
    for ((group, name), message) in messages {
        let stem = ["Request", "Response", "Key", "Value"].iter().find_map(|end| name.strip_suffix(end));
        let path = format!("{group}/{}.schema", stem.unwrap_or(name));
        files.entry(path.into()).or_default().push_str(&print(message));
    }
    files
}

fn group(jar: &str, message: &Message) -> String {
    let group = match (message.kind.as_str(), jar, message.name.as_str()) {
        ("request" | "response", ..) => "api",
        (_, "kafka-group-coordinator", _) => "group",
        (_, "kafka-transaction-coordinator", _) => "transaction",
        (_, "kafka-share-coordinator", _) => "share",
        (_, "kafka-storage", name) if name.starts_with("Remote") => "remote_log",
        ("metadata", ..) => "metadata",
        (_, _, "ProducerSnapshot" | "AbortedTxn") => "storage",
        (
            _,
            _,
            "QuorumStateData" | "LeaderChangeMessage" | "SnapshotHeaderRecord" | "SnapshotFooterRecord",
        ) => "raft",
        (_, _, "KRaftVersionRecord" | "VotersRecord") => "raft",
        _ => "data",
    };
    group.to_owned()
}

fn read_jar(jar: &str, path: &Path) -> Result<Vec<Message>> {
    let output = Command::new("unzip").arg("-Z1").arg(path).output().context("unzip is needed")?;
    let listing = String::from_utf8(output.stdout)?;
    let mut messages = Vec::new();
    for entry in listing.lines().filter(|entry| is_specification(entry)) {
        let output = Command::new("unzip").arg("-p").arg(path).arg(entry).output()?;
        ensure!(output.status.success(), "{entry} in {}", path.display());
        let text = without_comments(&String::from_utf8(output.stdout)?);
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{jar}: {entry}"))?;
        messages.extend(read_message(&value).with_context(|| format!("{jar}: {entry}"))?);
    }
    Ok(messages)
}

fn is_specification(entry: &str) -> bool {
    let folder = ["common/message/", "common/metadata/", "message/"].iter().any(|f| entry.starts_with(f));
    folder && entry.ends_with(".json")
}

/// Comments run from `//` to the end of the line, outside strings.
fn without_comments(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let bytes = line.as_bytes();
        let end = (0..bytes.len()).find(|&i| {
            in_string ^= bytes[i] == b'"';
            !in_string && bytes[i..].starts_with(b"//")
        });
        result.push_str(&line[..end.unwrap_or(line.len())]);
        result.push('\n');
    }
    result
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn versions(value: &Value, name: &str) -> Result<Option<Versions>> {
    text(value, name).map_or(Ok(None), parse_versions)
}

/// None for messages without any version left, and for the headers, which are written by hand.
fn read_message(value: &Value) -> Result<Option<Message>> {
    let name = text(value, "name").context("no name")?;
    let kind = match text(value, "type").context("no type")? {
        "header" => return Ok(None),
        "coordinator-key" => "key",
        "coordinator-value" => "value",
        kind => kind,
    };
    let Some(valid) = versions(value, "validVersions")? else { return Ok(None) };
    let strings = |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut structs = Vec::new();
    for shared in strings("commonStructs") {
        structs.push(Struct {
            name: text(shared, "name").context("struct name")?.to_owned(),
            fields: read_fields(shared)?,
        });
    }
    Ok(Some(Message {
        kind: kind.to_owned(),
        name: name.to_owned(),
        key: value.get("apiKey").and_then(Value::as_i64).map(i16::try_from).transpose()?,
        versions: valid,
        before: None,
        new: false,
        flexible: versions(value, "flexibleVersions")?,
        listeners: strings("listeners").filter_map(Value::as_str).map(str::to_owned).collect(),
        unstable: value.get("latestVersionUnstable") == Some(&Value::Bool(true)),
        fields: read_fields(value)?,
        structs,
    }))
}

fn read_fields(value: &Value) -> Result<Vec<Field>> {
    let fields = value.get("fields").and_then(Value::as_array).into_iter().flatten();
    fields.map(|field| read_field(field).with_context(|| format!("{:?}", field.get("name")))).collect()
}

fn read_field(value: &Value) -> Result<Field> {
    let tag = match (value.get("tag").and_then(Value::as_u64), versions(value, "taggedVersions")?) {
        (Some(tag), Some(versions)) => Some((u32::try_from(tag)?, versions)),
        (None, None) => None,
        _ => bail!("a tag and its versions come together"),
    };
    let default = match value.get("default") {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    Ok(Field {
        name: text(value, "name").context("no name")?.to_owned(),
        kind: FieldType::parse(text(value, "type").context("no type")?),
        versions: versions(value, "versions")?
            .or(tag.map(|(_, versions)| versions))
            .context("no versions")?,
        nullable: versions(value, "nullableVersions")?,
        tag,
        default: default.filter(|text| !text.is_empty()),
        ignorable: value.get("ignorable").is_some_and(|v| v == &Value::Bool(true) || v == "true"),
        fields: read_fields(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_at_the_line_and_strings_keep_their_slashes() {
        let text = "// a\n{ \"b\": \"c://d\" } // e\n";
        assert_eq!(without_comments(text), "\n{ \"b\": \"c://d\" } \n");
    }

    #[test]
    fn jars_are_named_with_their_release() {
        let split = split_name(Path::new("x/kafka-group-coordinator-4.3.1.jar"));
        assert_eq!(split, Some(("kafka-group-coordinator".into(), "4.3.1".into())));
        assert_eq!(split_name(Path::new("kafka-clients-4.3.1-test.jar")), None);
    }
}
