//! Our own idempotent producer, which begins right after each kill: what it hears first may name the dead node as a leader.
//! At the end the topic is read: each record that was acknowledged is there once, and where it was said to be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::quorum_nodes::tool;

const RECORDS: usize = 600;

/// Partition and offset.
type Place = (i64, i64);

pub struct OwnProducer {
    topic: String,
    /// What the tool does not do by itself: it tries again.
    properties: PathBuf,
    rounds: usize,
    /// By value: where it was said to be, when it was acknowledged.
    acknowledged: BTreeMap<String, Place>,
}

impl OwnProducer {
    pub fn new(topic: String, folder: &Path) -> Result<OwnProducer> {
        let properties = folder.join(format!("{topic}.properties"));
        fs::write(&properties, "retries=2147483647\n")?;
        Ok(OwnProducer { topic, properties, rounds: 0, acknowledged: BTreeMap::new() })
    }

    /// Sends the records of one round; no other round has the same.
    pub fn send(&mut self, bootstrap: &str) -> Result<()> {
        self.rounds += 1;
        let (round, records) = (self.rounds.to_string(), RECORDS.to_string());
        let to = ["--bootstrap-server", bootstrap, "--topic", &self.topic];
        let what = ["--max-messages", &records, "--repeating-keys", "64", "--value-prefix", &round];
        let file = self.properties.display().to_string();
        let how = ["--command-config", &file];
        let text = tool(&[&["kafka-verifiable-producer"][..], &to, &what, &how].concat())?;
        let acknowledged = acknowledged(&text)?;
        if acknowledged.len() != RECORDS {
            let last = text.lines().last().unwrap_or_default();
            bail!("our producer: of {RECORDS} records not all were acknowledged: {last}");
        }
        self.acknowledged.extend(acknowledged);
        Ok(())
    }

    /// Reads the topic from the beginning.
    pub fn check(&self, bootstrap: &str) -> Result<()> {
        let from = ["--bootstrap-server", bootstrap, "--topic", &self.topic, "--from-beginning"];
        let how = ["--timeout-ms", "10000", "--formatter-property", "print.partition=true"];
        let more = ["--formatter-property", "print.offset=true"];
        let text = tool(&[&["kafka-console-consumer"][..], &from, &how, &more].concat())?;
        let there = there(&text);
        match first_wrong(&self.acknowledged, &there) {
            None => Ok(()),
            Some(wrong) => bail!("our producer's topic {}: {wrong}", self.topic),
        }
    }
}

/// The verifiable producer's lines of success.
fn acknowledged(text: &str) -> Result<BTreeMap<String, Place>> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("\"producer_send_success\"")) {
        let event: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let number = |name: &str| event[name].as_i64().with_context(|| line.to_owned());
        let value = event["value"].as_str().with_context(|| line.to_owned())?;
        if found.insert(value.to_owned(), (number("partition")?, number("offset")?)).is_some() {
            bail!("our producer was told twice of {value}");
        }
    }
    Ok(found)
}

/// `Partition:0<TAB>Offset:7<TAB>value`, every place of each value.
fn there(text: &str) -> BTreeMap<String, Vec<Place>> {
    let mut found: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, '\t');
        let mut number = |name: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(name));
            field.and_then(|field| field.parse().ok())
        };
        let (partition, offset) = (number("Partition:"), number("Offset:"));
        if let (Some(partition), Some(offset), Some(value)) = (partition, offset, fields.next()) {
            found.entry(value.to_owned()).or_default().push((partition, offset));
        }
    }
    found
}

fn first_wrong(
    acknowledged: &BTreeMap<String, Place>,
    there: &BTreeMap<String, Vec<Place>>,
) -> Option<String> {
    for (value, said) in acknowledged {
        match there.get(value).map(Vec::as_slice) {
            None | Some([]) => return Some(format!("{value}, acknowledged at {said:?}, is not there")),
            // a duplicate's answer may not say where the first one is
            Some([place]) if place == said || said.1 < 0 => {}
            Some([place]) => return Some(format!("{value}, acknowledged at {said:?}, is at {place:?}")),
            Some(places) => return Some(format!("{value} is there {} times: {places:?}", places.len())),
        }
    }
    let unknown = there.keys().find(|value| !acknowledged.contains_key(*value));
    unknown.map(|value| format!("{value} was never acknowledged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_must_be_there_once() {
        let success = |value: &str, offset: i64| {
            let rest = format!(r#""offset":{offset},"topic":"t","partition":1}}"#);
            format!(r#"{{"timestamp":1,"name":"producer_send_success","key":"0","value":"{value}",{rest}"#)
        };
        let told = [r#"{"timestamp":1,"name":"startup_complete"}"#, &success("1.0", 4), &success("1.1", -1)];
        let told = acknowledged(&told.join("\n")).unwrap();
        for (lines, expected) in [
            (&["Partition:1\tOffset:4\t1.0", "Partition:1\tOffset:5\t1.1"][..], None),
            (&["Partition:1\tOffset:4\t1.0"], Some("1.1, acknowledged at (1, -1), is not there")),
            (
                &["Partition:1\tOffset:3\t1.0", "Partition:1\tOffset:5\t1.1"],
                Some("1.0, acknowledged at (1, 4), is at (1, 3)"),
            ),
            (
                &["Partition:1\tOffset:4\t1.0", "Partition:1\tOffset:5\t1.1", "Partition:1\tOffset:6\t1.1"],
                Some("1.1 is there 2 times: [(1, 5), (1, 6)]"),
            ),
            (
                &["Partition:1\tOffset:4\t1.0", "Partition:1\tOffset:5\t1.1", "Partition:1\tOffset:6\tx"],
                Some("x was never acknowledged"),
            ),
        ] {
            let found = first_wrong(&told, &there(&lines.join("\n")));
            assert_eq!(found.as_deref(), expected);
        }
        assert!(acknowledged(&[success("1.0", 4), success("1.0", 5)].join("\n")).is_err());
    }
}
