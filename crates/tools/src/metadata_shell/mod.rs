//! kafka-metadata-shell: the metadata of a cluster as a tree of files, of a snapshot or of a running quorum.
//!
//! `source` replays records into an image, `tree` shows the image as nodes, `walk` finds nodes by paths and patterns,
//! `commands` are ls, cat, find and the others.

mod commands;
mod source;
mod text;
mod tree;
mod walk;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use client::{ClientConfig, Cluster, Properties};

use crate::Stop;
use crate::admin::{Admin, java_text};
use crate::argparse::{self, ArgumentLine, value};
use crate::connecting::{block_on, properties_file};
use crate::output::say;
use commands::{Outcome, Shell, split};
use source::Replayed;
use tree::Node;

pub const LINE: ArgumentLine = ArgumentLine {
    program: "kafka-metadata-shell",
    about: "Walks through the metadata of a cluster; with a command behind the options runs that one alone.",
    arguments: &[
        value(
            "--snapshot",
            "SNAPSHOT",
            "A file of a metadata log: a snapshot (.checkpoint) or a segment (.log).",
        ),
        value("--bootstrap-server", "host:port", "The brokers of a running cluster, in place of a file."),
        value(
            "--bootstrap-controller",
            "host:port",
            "The controllers of a running cluster, in place of a file.",
        ),
        value("--command-config", "file", "Properties of the client."),
    ],
    examples: &[
        "--snapshot /data/__cluster_metadata-0/00000000000000007000-0000000002.checkpoint",
        "--bootstrap-controller localhost:9093 ls /image/topics/byName",
        "--bootstrap-server localhost:9092 cat /image/topics/byName/orders/0",
    ],
};

/// Names that stand for others.
const SHORT: &[(&str, &str)] = &[("-s", "--snapshot")];

pub fn main(arguments: Vec<String>) -> ExitCode {
    let (options, command) = match part(&arguments) {
        Ok(parted) => parted,
        Err(text) => return argparse::refuse(&LINE, &text),
    };
    if options.help {
        println!("{}", argparse::help(&LINE));
        // as argparse4j's help, which ends the tool as an error does
        return ExitCode::FAILURE;
    }
    match run(&options, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Usage(text)) => argparse::refuse(&LINE, &text),
        Err(stop) => stop.end(String::new),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    help: bool,
    given: Vec<(&'static str, String)>,
}

impl Options {
    fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
    }
}

/// The options, and the command that stands behind or between them.
fn part(arguments: &[String]) -> Result<(Options, Vec<String>), String> {
    let (mut options, mut command) = (Options::default(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if word == "-h" || word == "--help" {
            options.help = true;
            continue;
        }
        if !word.starts_with('-') || word.len() == 1 {
            command.push(word.clone());
            continue;
        }
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        let known = LINE.arguments.iter().find(|argument| argument.name == name);
        let known = known.ok_or_else(|| format!("unrecognized arguments: '{word}'"))?;
        let value = inline.or_else(|| rest.next().cloned());
        let value = value.ok_or_else(|| format!("argument {}: expected one argument", known.name))?;
        options.given.push((known.name, value));
    }
    Ok((options, command))
}

fn run(options: &Options, command: &[String]) -> Result<(), Stop> {
    let cluster = cluster(options)?;
    let file = options.value("--snapshot");
    if cluster.is_some() && file.is_some() {
        return Err(Stop::usage("argument --snapshot/-s: not allowed beside a running cluster"));
    }
    let Some(cluster) = cluster else {
        let file = file.ok_or_else(|| Stop::usage("argument --snapshot/-s is required"))?;
        let replayed =
            Replayed::read(file).map_err(|error| Stop::error(format!("Unexpected error: {error}")))?;
        let root = tree::root(replayed.image(), replayed.provenance);
        return shell(command, || Ok(root.clone()));
    };
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeMetadataQuorum").await?;
        let mut replayed = Replayed::default();
        follow(&mut replayed, &admin).await?;
        let mut shell = Lines::new(command);
        // anew before each command, so that what is shown is what is
        while let Some(words) = shell.next() {
            follow(&mut replayed, &admin).await?;
            let root = tree::root(replayed.image(), replayed.provenance);
            if shell.answer(&root, &words) {
                break;
            }
        }
        Ok(())
    })
}

fn shell(command: &[String], root: impl Fn() -> Result<Node, Stop>) -> Result<(), Stop> {
    let mut shell = Lines::new(command);
    while let Some(words) = shell.next() {
        if shell.answer(&root()?, &words) {
            break;
        }
    }
    Ok(())
}

async fn follow(replayed: &mut Replayed, admin: &Admin) -> Result<(), Stop> {
    replayed
        .follow(admin)
        .await
        .map_err(|error| Stop::error(format!("Unexpected error: {}", java_text(&error))))
}

fn cluster(options: &Options) -> Result<Option<Cluster>, Stop> {
    let keys =
        [("--bootstrap-server", "bootstrap.servers"), ("--bootstrap-controller", "bootstrap.controllers")];
    if !keys.iter().any(|(option, _)| options.value(option).is_some()) {
        return Ok(None);
    }
    let mut properties = match options.value("--command-config") {
        Some(path) => properties_file(path)?,
        None => Properties::new(),
    };
    for (option, key) in keys {
        if let Some(servers) = options.value(option) {
            properties.insert(key.to_owned(), servers.to_owned());
        }
    }
    Ok(Some(Cluster::new(ClientConfig::from_properties(&properties)?)))
}

/// Where commands come from: one of the command line, or lines that are typed until there are no more.
struct Lines {
    shell: Shell,
    only: Option<Vec<String>>,
    interactive: bool,
    banner: bool,
}

impl Lines {
    fn new(command: &[String]) -> Lines {
        let only = (!command.is_empty()).then(|| command.to_vec());
        Lines { shell: Shell::default(), interactive: only.is_none(), only, banner: false }
    }

    fn next(&mut self) -> Option<Vec<String>> {
        if !self.interactive {
            return self.only.take();
        }
        if !std::mem::replace(&mut self.banner, true) {
            say!("[ Kafka Metadata Shell ]");
        }
        print!(">> ");
        std::io::stdout().flush().ok()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).ok()? == 0 {
            // so that the terminal's next prompt begins a line
            if std::io::stdin().is_terminal() {
                say!("");
            }
            return None;
        }
        let line = line.trim_end_matches(['\n', '\r']);
        if !line.trim().is_empty() {
            self.shell.history.push(line.to_owned());
        }
        Some(split(line))
    }

    /// True where that was the last.
    fn answer(&mut self, root: &Node, words: &[String]) -> bool {
        match self.shell.run(root, words) {
            Outcome::Left => true,
            Outcome::Said(text) => {
                if !text.is_empty() {
                    say!("{text}");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use metadata::image::{Loader, MetadataImage};
    use protocol::Str;
    use protocol::records::metadata::{
        ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord, TopicRecord,
    };
    use types::Uuid;

    use super::tree::Provenance;
    use super::*;

    const GOLDEN: &str = include_str!("../../testdata/metadata_shell.txt");

    fn image() -> MetadataImage {
        let mut loader = Loader::default();
        let id = Uuid([1; 16]);
        let config = |resource_type, resource: &'static str, name: &'static str, value: &'static str| {
            MetadataRecord::Config(ConfigRecord {
                resource_type,
                resource_name: Str::from(resource),
                name: Str::from(name),
                value: Some(Str::from(value)),
            })
        };
        let partition = |partition_id| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id: id,
                replicas: vec![3, 1],
                isr: vec![3],
                leader: 3,
                directories: vec![Uuid([2; 16]), Uuid([3; 16])],
                adding_replicas: vec![1],
                ..PartitionRecord::default()
            })
        };
        let level = |name: &'static str, feature_level| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name: Str::from(name), feature_level })
        };
        let records = [
            level("metadata.version", 30),
            level("group.version", 1),
            MetadataRecord::Topic(TopicRecord { name: Str::from("orders"), topic_id: id }),
            partition(0),
            partition(10),
            partition(2),
            config(2, "orders", "retention.ms", "1000"),
            config(4, "", "log.cleaner.threads", "2"),
            config(4, "3", "log.cleaner.threads", "1"),
            MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: 1,
                broker_epoch: 1,
                next_producer_id: 1000,
            }),
        ];
        for (offset, record) in (0..).zip(records) {
            loader.apply(&record, offset).unwrap();
        }
        loader.head().clone()
    }

    /// The file holds lines that are typed, each behind `>> `, and what the shell says to them, which is what Kafka's
    /// says on such a log.
    #[test]
    fn a_session_reads_as_with_kafkas_shell() {
        let provenance = Provenance { offset: 9, epoch: 1, timestamp: 1_795_286_599_399 };
        let root = tree::root(&image(), provenance);
        let mut shell = Shell::default();
        let mut session = String::new();
        for line in GOLDEN.lines().filter_map(|line| line.strip_prefix(">> ")) {
            session.push_str(&format!(">> {line}\n"));
            shell.history.push(line.to_owned());
            match shell.run(&root, &split(line)) {
                Outcome::Said(text) if text.is_empty() => {}
                Outcome::Said(text) => session.push_str(&format!("{text}\n")),
                Outcome::Left => session.push_str("(left)\n"),
            }
        }
        if std::env::var_os("REWRITE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/metadata_shell.txt");
            std::fs::write(path, &session).unwrap();
            return;
        }
        assert_eq!(session, GOLDEN);
    }

    #[test]
    fn commands_stand_behind_options() {
        let parted = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(String::from).collect();
            part(&words)
                .map(|(options, command)| (options.value("--snapshot").map(str::to_owned), command.join(" ")))
        };
        let file = Some("f".to_owned());
        for (line, expected) in [
            ("--snapshot f ls /", Ok((file.clone(), "ls /".to_owned()))),
            ("ls -s f /", Ok((file.clone(), "ls /".to_owned()))),
            ("--snapshot=f", Ok((file, String::new()))),
            ("--snapshot", Err("argument --snapshot: expected one argument".to_owned())),
            ("--snapshot f ls -l", Err("unrecognized arguments: '-l'".to_owned())),
        ] {
            assert_eq!(parted(line), expected, "{line}");
        }
    }
}
