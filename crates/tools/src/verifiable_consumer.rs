//! kafka-verifiable-consumer: reads as a member of a group and says, as lines of JSON, what it was given and did.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use client::{Cluster, Committed, Consumer, ConsumerConfig, ConsumerRecord, Error, Rebalance};
use serde_json::{Value, json};
use types::TopicPartition;

use crate::argparse::{self, Argument, ArgumentLine, Arguments, switch, value};
use crate::interrupted::interrupted;
use crate::verifiable_producer::{event, file_properties};
use crate::{Stop, connecting, java};

const ARGUMENTS: &[Argument] = &[
    value("--topic", "TOPIC", "The topic to read.").required(),
    value("--group-protocol", "GROUP-PROTOCOL", "classic (consumer is not supported yet)."),
    value("--group-remote-assignor", "GROUP-REMOTE-ASSIGNOR", "Of the consumer protocol."),
    value("--group-id", "GROUP-ID", "The consumer group.").required(),
    value("--group-instance-id", "GROUP-INSTANCE-ID", "Which member this is, over restarts."),
    value("--max-messages", "MAX-MESSAGES", "How many records; -1 until the process is ended (-1)."),
    value("--session-timeout", "TIMEOUT-MS", "How long the group waits for a heartbeat."),
    switch("--verbose", "A line for each record."),
    switch("--enable-autocommit", "Commit every few seconds, not after each batch."),
    value(
        "--reset-policy",
        "RESET-POLICY",
        "Where to begin without commit: earliest, latest or none (earliest).",
    ),
    value("--assignment-strategy", "ASSIGNMENT-STRATEGY", "Classes of assignors (RangeAssignor)."),
    value("--consumer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    value("--command-config", "CONFIG-FILE", "A file of properties; the arguments go before them."),
    value("--bootstrap-server", "HOST1:PORT1[,HOST2:PORT2[...]]", "Where the cluster is found. Needed."),
];

pub static LINE: ArgumentLine = ArgumentLine {
    program: "verifiable-consumer",
    about: "This tool consumes messages from a specific topic and emits consumer events as JSON objects to stdout.",
    arguments: ARGUMENTS,
    examples: &["--bootstrap-server localhost:9092 --topic numbers --group-id readers --max-messages 1000"],
};

pub fn main(arguments: Vec<String>) -> ExitCode {
    argparse::main(&LINE, arguments, run)
}

struct Settings {
    topic: String,
    /// None: without end.
    records: Option<u64>,
    verbose: bool,
    auto_commit: bool,
}

fn run(arguments: &Arguments) -> Result<(), Stop> {
    let records = arguments.integer("--max-messages")?.unwrap_or(-1);
    let session_timeout = arguments.integer("--session-timeout")?;
    let Some(servers) = arguments.value("--bootstrap-server") else {
        return Err(Stop::usage("one of the arguments --bootstrap-server is required"));
    };
    let in_main = |text: String| Stop::error(format!("Exception in thread \"main\" {text}"));
    match arguments.value("--group-protocol").unwrap_or("classic").to_uppercase().as_str() {
        "CLASSIC" => {}
        "CONSUMER" => return Err(in_main("the consumer group protocol is not supported yet".to_owned())),
        other => {
            let class = "org.apache.kafka.clients.consumer.GroupProtocol";
            return Err(in_main(format!(
                "java.lang.IllegalArgumentException: No enum constant {class}.{other}"
            )));
        }
    }
    let auto_commit = arguments.has("--enable-autocommit");
    let mut properties = file_properties(arguments, "--consumer.config")?;
    let range = "org.apache.kafka.clients.consumer.RangeAssignor";
    let mut put = |key: &str, value: &str| drop(properties.insert(key.to_owned(), value.to_owned()));
    put("bootstrap.servers", servers);
    put("group.id", arguments.value("--group-id").unwrap_or_default());
    put("enable.auto.commit", if auto_commit { "true" } else { "false" });
    put("auto.offset.reset", arguments.value("--reset-policy").unwrap_or("earliest"));
    put("partition.assignment.strategy", arguments.value("--assignment-strategy").unwrap_or(range));
    if let Some(instance) = arguments.value("--group-instance-id") {
        put("group.instance.id", instance);
    }
    if let Some(timeout) = session_timeout {
        put("session.timeout.ms", &timeout.to_string());
    }
    let thrown = |error: Error| in_main(java::thrown(&error));
    let cluster = Cluster::new(connecting::patient(&properties).map_err(thrown)?);
    let config = ConsumerConfig::from_properties(&properties).map_err(thrown)?;
    let settings = Settings {
        topic: arguments.value("--topic").unwrap_or_default().to_owned(),
        records: u64::try_from(records).ok(),
        verbose: arguments.has("--verbose"),
        auto_commit,
    };
    connecting::block_on(async move { consume(Consumer::new(cluster, config), settings).await })
}

async fn consume(mut consumer: Consumer, settings: Settings) -> Result<(), Stop> {
    event("startup_complete", json!({}));
    let failed = |error: Error| Stop::error(format!("Exception in thread \"main\" {}", java::thrown(&error)));
    consumer.subscribe(vec![settings.topic.clone()]).map_err(failed)?;
    let (outcome, asked) = tokio::select! {
        outcome = read(&mut consumer, &settings) => (outcome, Ok(())),
        stop = interrupted() => (Ok(()), Err(stop)),
    };
    if asked.is_err() {
        event("shutdown_requested", json!({}));
    }
    let given: Vec<TopicPartition> = consumer.assignment().cloned().collect();
    consumer.close().await;
    if !given.is_empty() {
        partitions_event("partitions_revoked", &given);
    }
    event("shutdown_complete", json!({}));
    if asked.is_ok() {
        // Kafka's tool says so when its process ends
        event("shutdown_requested", json!({}));
    }
    outcome.map_err(failed)?;
    asked
}

async fn read(consumer: &mut Consumer, settings: &Settings) -> Result<(), Error> {
    let mut consumed = 0;
    while settings.records.is_none_or(|max| consumed < max) {
        let records = consumer.poll(Duration::from_secs(3600)).await?;
        for rebalance in consumer.take_rebalances() {
            match rebalance {
                Rebalance::Assigned(partitions) => partitions_event("partitions_assigned", &partitions),
                Rebalance::Revoked(partitions) | Rebalance::Lost(partitions) => {
                    partitions_event("partitions_revoked", &partitions);
                }
            }
        }
        if records.is_empty() {
            continue;
        }
        let left =
            settings.records.map_or(usize::MAX, |max| usize::try_from(max - consumed).unwrap_or(usize::MAX));
        let offsets = records_event(&records, left, settings.verbose);
        consumed += records.len().min(left) as u64;
        if !settings.auto_commit {
            commit(consumer, offsets).await;
        }
    }
    Ok(())
}

/// Tells of the first `left` records; gives what is to be committed for them.
fn records_event(
    records: &[ConsumerRecord],
    left: usize,
    verbose: bool,
) -> BTreeMap<TopicPartition, Committed> {
    let mut rows: BTreeMap<TopicPartition, (u64, i64, i64)> = BTreeMap::new();
    for record in records.iter().take(left) {
        if verbose {
            let text = |bytes: &Option<bytes::Bytes>| {
                bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let data = json!({
                "key": text(&record.key),
                "value": text(&record.value),
                "topic": &*record.topic,
                "partition": record.partition,
                "offset": record.offset,
            });
            event("record_data", data);
        }
        let partition = TopicPartition { topic: record.topic.clone(), partition: record.partition };
        let row = rows.entry(partition).or_insert((0, record.offset, record.offset));
        *row = (row.0 + 1, row.1, record.offset);
    }
    let shown: Vec<Value> = rows
        .iter()
        .map(|(partition, (count, min, max))| {
            json!({
                "topic": &*partition.topic,
                "partition": partition.partition,
                "count": count,
                "minOffset": min,
                "maxOffset": max,
            })
        })
        .collect();
    event("records_consumed", json!({ "count": records.len(), "partitions": shown }));
    let committed = |(partition, (_, _, max)): (TopicPartition, (u64, i64, i64))| {
        (partition, Committed { offset: max + 1, leader_epoch: None, metadata: String::new() })
    };
    rows.into_iter().map(committed).collect()
}

async fn commit(consumer: &mut Consumer, offsets: BTreeMap<TopicPartition, Committed>) {
    let outcome = consumer.commit(&offsets).await;
    let shown: Vec<Value> = offsets
        .iter()
        .map(|(partition, committed)| {
            json!({
                "topic": &*partition.topic,
                "partition": partition.partition,
                "offset": committed.offset,
            })
        })
        .collect();
    let mut data = json!({ "offsets": shown, "success": outcome.is_ok() });
    if let (Err(error), Some(data)) = (outcome, data.as_object_mut()) {
        data.insert("error".to_owned(), json!(error.to_string()));
    }
    event("offsets_committed", data);
}

fn partitions_event(name: &str, partitions: &[TopicPartition]) {
    let shown: Vec<Value> = partitions
        .iter()
        .map(|partition| json!({ "topic": &*partition.topic, "partition": partition.partition }))
        .collect();
    event(name, json!({ "partitions": shown }));
}
