//! Apache Kafka judges the metadata log: it dumps what Barnabas wrote, starts on a directory that Barnabas formatted,
//! and Barnabas opens the directory afterwards, and one that Kafka formatted and wrote itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::install;
use crate::shell::root;
use crate::subject::{Kind, Settings};

#[derive(Args)]
pub struct MetadataReferee {
    /// Where the directories are made; emptied first
    #[arg(long, default_value = "target/metadata-referee")]
    folder: PathBuf,
}

impl MetadataReferee {
    pub fn run(&self) -> Result<()> {
        let folder = root().join(&self.folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        ours_then_kafka(&folder.join("ours"))?;
        kafka_then_ours(&folder.join("kafka"))?;
        println!("metadata-referee: Kafka and Barnabas read each other's metadata logs");
        Ok(())
    }
}

fn ours_then_kafka(folder: &Path) -> Result<()> {
    let kafka = Settings::new(Kind::Kafka, folder.to_owned())?;
    let data = kafka.data();
    node(&data, &["format"])?;
    node(&data, &["create", "one", "two", "three"])?;
    node(&data, &["create", "four"])?;
    let listed = node(&data, &["list"])?;
    dump(&data)?;
    let broker = kafka.start()?;
    let bootstrap = kafka.bootstrap();
    let described = topics(&bootstrap, &["--list"])?;
    for name in ["one", "two", "three", "four"] {
        if !described.lines().any(|line| line == name) {
            bail!("Kafka does not show topic {name}:\n{described}");
        }
    }
    topics(&bootstrap, &["--create", "--topic", "five", "--partitions", "2"])?;
    broker.stop()?;
    let after = node(&data, &["list"])?;
    let topics_of = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("topic")).map(str::to_owned).collect()
    };
    let kept = topics_of(&after);
    if topics_of(&listed).iter().any(|line| !kept.contains(line)) || !after.contains("topic five ") {
        bail!("before Kafka:\n{listed}\nafter:\n{after}");
    }
    node(&data, &["create", "six"])?;
    dump(&data)?;
    println!("Kafka reads what Barnabas formatted and wrote, and the other way round");
    Ok(())
}

fn kafka_then_ours(folder: &Path) -> Result<()> {
    let kafka = Settings::new(Kind::Kafka, folder.to_owned())?;
    let broker = kafka.start()?;
    topics(&kafka.bootstrap(), &["--create", "--topic", "one", "--partitions", "3"])?;
    broker.stop()?;
    let listed = node(&kafka.data(), &["create", "two"]).and_then(|_| node(&kafka.data(), &["list"]))?;
    for name in ["topic one ", "topic two "] {
        if !listed.contains(name) {
            bail!("{name}is missing:\n{listed}");
        }
    }
    dump(&kafka.data())?;
    let broker = kafka.start()?;
    let described = topics(&kafka.bootstrap(), &["--list"])?;
    broker.stop()?;
    if !described.lines().any(|line| line == "two") {
        bail!("Kafka does not show topic two:\n{described}");
    }
    println!("Barnabas opens what Kafka formatted, and Kafka goes on with it");
    Ok(())
}

/// The metadata side of a node, without its server.
fn node(data: &Path, arguments: &[&str]) -> Result<String> {
    let [command, topics @ ..] = arguments else { bail!("no command") };
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["run", "--quiet", "-p", "broker", "--example", "metadata_node", "--"]);
    cargo.arg(command).arg(data).args(topics);
    output(&mut cargo)
}

fn java(class: &str) -> Result<Command> {
    let logging = root().join("compat/java/log4j2.properties");
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
    command.arg("-cp").arg(install::kafka_class_path()?).arg(class);
    Ok(command)
}

fn topics(bootstrap: &str, arguments: &[&str]) -> Result<String> {
    let mut command = java("org.apache.kafka.tools.TopicCommand")?;
    output(command.args(["--bootstrap-server", bootstrap]).args(arguments))
}

/// Every log and snapshot of the metadata directory through Kafka's own decoder.
fn dump(data: &Path) -> Result<()> {
    let log = data.join("__cluster_metadata-0");
    let mut files = vec![data.join("bootstrap.checkpoint")];
    for entry in fs::read_dir(&log)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log" || extension == "checkpoint") {
            files.push(path);
        }
    }
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let mut command = java("org.apache.kafka.tools.DumpLogSegments")?;
    let text = output(command.args(["--cluster-metadata-decoder", "--files", &names.join(",")]))?;
    let batches = text.matches("isvalid: true").count();
    let refused = ["isvalid: false", "Could not read", "xception"].iter().find(|bad| text.contains(**bad));
    if batches == 0 || refused.is_some() {
        bail!("Kafka's dump of {}: {refused:?}\n{text}", log.display());
    }
    println!("{} files, {batches} batches dumped", files.len());
    Ok(())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} ended with {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
