//! A cluster of three Apache Kafka nodes and one of ours are given the same requests by `compat/alike/Alike.java`, first with
//! all nodes there, then with the third killed; their answers must be the same, but for those that
//! `compat/alike/differences.txt` lists with the reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cluster::several;
use crate::install;
use crate::quorum_nodes::Nodes;
use crate::shell::root;
use crate::subject::{self, Kind};

/// What was asked and what came, in order.
type Answers = Vec<(String, String)>;

const PROPERTIES: &[(&str, &str)] = &[
    ("num.partitions", "2"),
    ("default.replication.factor", "2"),
    ("min.insync.replicas", "1"),
    ("offsets.topic.replication.factor", "3"),
    ("offsets.topic.num.partitions", "3"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("auto.leader.rebalance.enable", "false"),
    ("replica.lag.time.max.ms", "5000"),
];

pub fn run(folder: &Path) -> Result<()> {
    subject::build(Kind::Barnabas)?;
    let kafka = answers(Kind::Kafka, &folder.join("kafka"))?;
    let ours = answers(Kind::Barnabas, &folder.join("barnabas"))?;
    for (name, rows) in [("kafka.txt", &kafka), ("barnabas.txt", &ours)] {
        let lines: Vec<String> = rows.iter().map(|(asked, answer)| format!("{asked}\t{answer}\n")).collect();
        fs::write(folder.join(name), lines.concat())?;
    }
    let listed = fs::read_to_string(root().join("compat/alike/differences.txt"))?;
    let (unlisted, stale) = compare(&kafka, &ours, &listed_differences(&listed));
    for (asked, theirs, mine) in &unlisted {
        println!("{asked}\n  Kafka:    {theirs}\n  Barnabas: {mine}");
    }
    for asked in &stale {
        println!("{asked}: listed as different, and is not");
    }
    println!(
        "{} requests, {} answered otherwise than Kafka does and not listed",
        kafka.len(),
        unlisted.len()
    );
    if !unlisted.is_empty() || !stale.is_empty() {
        bail!("the answers are in {}", folder.display());
    }
    Ok(())
}

fn answers(kind: Kind, folder: &Path) -> Result<Answers> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    println!("==> {} with 3 nodes, logs in {}", kind.name(), folder.display());
    let mut nodes = several(kind, folder, 3, PROPERTIES)?;
    let mut answers = ask(&nodes, "up")?;
    nodes.node(3)?.kill();
    answers.extend(ask(&nodes, "down")?);
    Ok(answers)
}

fn ask(nodes: &Nodes, when: &str) -> Result<Answers> {
    let mut command = Command::new("timeout");
    let logging =
        format!("-Dlog4j2.configurationFile={}", root().join("compat/tools/log4j2-off.properties").display());
    command.args(["300", "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &logging, "-cp"]);
    command.arg(install::kafka_class_path()?).arg(root().join("compat/alike/Alike.java"));
    let text = install::quietly(command.arg(nodes.bootstrap(None)).arg(when))?;
    let rows = text.lines().map(|line| {
        let (asked, answer) = line.split_once('\t').with_context(|| format!("not a row: {line}"))?;
        Ok((asked.to_owned(), answer.to_owned()))
    });
    rows.collect()
}

/// What was asked, and why the answers differ: a line each, with a tab between.
fn listed_differences(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
}

/// A question asked several times keeps its place: `describe assigned` and `describe assigned (2)`.
fn numbered(rows: &Answers) -> BTreeMap<String, &str> {
    let mut numbered = BTreeMap::new();
    for (asked, answer) in rows {
        let name = (1..)
            .map(|number| if number == 1 { asked.clone() } else { format!("{asked} ({number})") })
            .find(|name| !numbered.contains_key(name));
        numbered.insert(name.unwrap_or_default(), answer.as_str());
    }
    numbered
}

type Difference = (String, String, String);

/// The differences that are not listed, and those listed that are none.
fn compare(kafka: &Answers, ours: &Answers, listed: &BTreeMap<&str, &str>) -> (Vec<Difference>, Vec<String>) {
    let (kafka, ours) = (numbered(kafka), numbered(ours));
    let (mut unlisted, mut stale) = (Vec::new(), Vec::new());
    for (asked, theirs) in &kafka {
        let mine = ours.get(asked).copied().unwrap_or("(not asked)");
        match (*theirs == mine, listed.contains_key(asked.as_str())) {
            (false, false) => unlisted.push((asked.clone(), (*theirs).to_owned(), mine.to_owned())),
            (true, true) => stale.push(asked.clone()),
            _ => {}
        }
    }
    (unlisted, stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_new_listed_or_gone() {
        let rows = |answers: &[(&str, &str)]| -> Answers {
            answers.iter().map(|(asked, answer)| ((*asked).to_owned(), (*answer).to_owned())).collect()
        };
        let kafka = rows(&[("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]);
        let ours = rows(&[("a", "1"), ("a", "3"), ("b", "2"), ("c", "1")]);
        let listed = listed_differences("# why\nb\tis known\nc\twas mended\n");
        let (unlisted, stale) = compare(&kafka, &ours, &listed);
        assert_eq!(unlisted, [("a (2)".to_owned(), "2".to_owned(), "3".to_owned())]);
        assert_eq!(stale, ["c"]);
    }
}
