//! kafka-verifiable-producer: sends numbers and says of each, as a line of JSON, what became of it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use client::{Cluster, Error, Producer, ProducerConfig, ProducerRecord, Properties, RecordMetadata};
use serde_json::{Value, json};

use crate::argparse::{self, Argument, ArgumentLine, Arguments, value};
use crate::interrupted::interrupted;
use crate::output::say;
use crate::throttle::Throttle;
use crate::{Stop, connecting, dates, java};

const ARGUMENTS: &[Argument] = &[
    value("--topic", "TOPIC", "Where records go.").required(),
    value("--max-messages", "MAX-MESSAGES", "How many records; -1 until the process is ended (-1)."),
    value("--throughput", "THROUGHPUT", "Records a second, roughly; -1 for as many as go (-1)."),
    value("--acks", "ACKS", "Who has a record when it counts as sent (-1).").choices(&["0", "1", "-1"]),
    value("--producer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    value(
        "--message-create-time",
        "CREATE-TIME",
        "Timestamp of the first record; others follow as time goes (-1: now).",
    ),
    value("--value-prefix", "VALUE-PREFIX", "A number that stands before each value, with a dot."),
    value("--repeating-keys", "REPEATING-KEYS", "Keys from 0 up to this number, again and again."),
    value("--command-config", "CONFIG-FILE", "A file of properties, which go before the arguments."),
    value("--bootstrap-server", "HOST1:PORT1[,HOST2:PORT2[...]]", "Where the cluster is found. Needed."),
];

pub static LINE: ArgumentLine = ArgumentLine {
    program: "verifiable-producer",
    about: "This tool produces increasing integers to the specified topic and prints JSON metadata to stdout on each \"send\" request.",
    arguments: ARGUMENTS,
    examples: &["--bootstrap-server localhost:9092 --topic numbers --max-messages 1000 --acks -1"],
};

pub fn main(arguments: Vec<String>) -> ExitCode {
    argparse::main(&LINE, arguments, run)
}

struct Settings {
    topic: Arc<str>,
    /// None: without end.
    records: Option<u64>,
    throughput: i64,
    create_time: i64,
    prefix: Option<i32>,
    keys: Option<i32>,
}

fn run(arguments: &Arguments) -> Result<(), Stop> {
    let records = arguments.integer("--max-messages")?.unwrap_or(-1);
    let throughput = arguments.integer("--throughput")?.unwrap_or(-1);
    let create_time = arguments.long("--message-create-time")?.unwrap_or(-1);
    let (prefix, keys) = (arguments.integer("--value-prefix")?, arguments.integer("--repeating-keys")?);
    let Some(servers) = arguments.value("--bootstrap-server") else {
        return Err(Stop::usage("one of the arguments --bootstrap-server is required"));
    };
    let arguments_first = [
        ("bootstrap.servers", servers),
        ("acks", arguments.value("--acks").unwrap_or("-1")),
        // each loss is to be seen
        ("retries", "0"),
    ];
    let mut properties: Properties =
        arguments_first.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
    properties.extend(file_properties(arguments, "--producer.config")?);
    let constructed = |error: Error| {
        Stop::error(format!(
            "Exception in thread \"main\" org.apache.kafka.common.KafkaException: Failed to construct kafka producer\nCaused by: {}",
            java::thrown(&error)
        ))
    };
    let cluster = Cluster::new(connecting::patient(&properties).map_err(constructed)?);
    let config = ProducerConfig::from_properties(&properties).map_err(constructed)?;
    let settings = Settings {
        topic: arguments.value("--topic").unwrap_or_default().into(),
        records: u64::try_from(records).ok(),
        throughput: throughput.into(),
        create_time,
        prefix,
        keys: keys.filter(|keys| *keys > 0),
    };
    connecting::block_on(async move { produce(Producer::new(cluster, config), settings).await })
}

/// The properties of --command-config or of its old spelling.
pub fn file_properties(arguments: &Arguments, old: &str) -> Result<Properties, Stop> {
    let new = "--command-config";
    if arguments.has(old) && arguments.has(new) {
        return Err(Stop::usage(format!("Options {old} and {new} are mutually exclusive.")));
    }
    if arguments.has(old) {
        say!("Option {old} has been deprecated and will be removed in a future version. Use {new} instead.");
    }
    match arguments.value(old).or(arguments.value(new)) {
        None => Ok(Properties::new()),
        Some(path) => connecting::properties_file(path).map_err(|_| Stop::usage(path)),
    }
}

/// A line of JSON: when, what, and the rest.
pub fn event(name: &str, rest: Value) {
    let mut line = json!({ "timestamp": dates::now_ms(), "name": name });
    if let (Some(line), Value::Object(rest)) = (line.as_object_mut(), rest) {
        line.extend(rest);
    }
    say!("{line}");
}

async fn produce(producer: Producer, settings: Settings) -> Result<(), Stop> {
    event("startup_complete", json!({}));
    let start = Instant::now();
    let (sent, acked) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let told = Arc::new(Mutex::new(()));
    let sending = async {
        let throttle = Throttle::new(settings.throughput as f64);
        for number in 0..settings.records.unwrap_or(u64::MAX) {
            send(&producer, &settings, number, start, &acked, &told).await;
            sent.fetch_add(1, Ordering::Relaxed);
            if number % 256 == 255 {
                tokio::task::yield_now().await;
            }
            throttle.wait(number + 1).await;
        }
    };
    let outcome = tokio::select! {
        () = sending => Ok(()),
        stop = interrupted() => Err(stop),
    };
    producer.close().await;
    event("shutdown_complete", json!({}));
    let acked = acked.load(Ordering::Relaxed);
    let elapsed = start.elapsed().as_millis().max(1) as f64;
    let (target, average) = (settings.throughput, 1000.0 * acked as f64 / elapsed);
    let sent = sent.load(Ordering::Relaxed);
    let data =
        json!({ "sent": sent, "acked": acked, "target_throughput": target, "avg_throughput": average });
    event("tool_data", data);
    outcome
}

async fn send(
    producer: &Producer,
    settings: &Settings,
    number: u64,
    start: Instant,
    acked: &Arc<AtomicU64>,
    told: &Arc<Mutex<()>>,
) {
    let value = match settings.prefix {
        Some(prefix) => format!("{prefix}.{number}"),
        None => number.to_string(),
    };
    let keys = settings.keys.and_then(|keys| u64::try_from(keys).ok());
    let key = keys.and_then(|keys| number.checked_rem(keys)).map(|key| key.to_string());
    let since = i64::try_from(start.elapsed().as_millis()).unwrap_or(0);
    let record = ProducerRecord {
        topic: Arc::clone(&settings.topic),
        timestamp: (settings.create_time >= 0).then(|| settings.create_time.saturating_add(since)),
        key: key.clone().map(bytes::Bytes::from),
        value: Some(bytes::Bytes::from(value.clone())),
        ..Default::default()
    };
    let (topic, acked, told) = (Arc::clone(&settings.topic), Arc::clone(acked), Arc::clone(told));
    let outcome = Arc::new(move |outcome: Result<RecordMetadata, Error>| {
        let _turn = told.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(to) => {
                acked.fetch_add(1, Ordering::Relaxed);
                let data = json!({
                    "key": key, "value": value, "offset": to.offset, "topic": &*topic, "partition": to.partition,
                });
                event("producer_send_success", data);
            }
            Err(error) => {
                let data = json!({
                    "topic": &*topic,
                    "key": key,
                    "value": value,
                    "exception": format!("class {}", java::class(&error)),
                    "message": error.to_string(),
                });
                event("producer_send_error", data);
            }
        }
    });
    let later = Arc::clone(&outcome);
    if let Err(error) = producer.send_with(record, Box::new(move |fate| later(fate))).await {
        outcome(Err(error));
    }
}
