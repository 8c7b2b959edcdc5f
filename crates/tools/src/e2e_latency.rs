//! kafka-e2e-latency: a record is sent and read back, one after the other, and each such trip is timed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{
    Cluster, Consumer, ConsumerConfig, Error, Header, LATEST, Producer, ProducerConfig, ProducerRecord,
    Properties,
};
use protocol::Str;
use protocol::messages::CreateTopicsRequest;
use protocol::messages::create_topics_request::CreatableTopic;
use types::TopicPartition;

use crate::latencies::Latencies;
use crate::options::{self, CommandLine, Opt, Parsed, integer, text};
use crate::output::say;
use crate::{Stop, connecting, dates, java};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,...", "Where the cluster is found. Needed."),
    text("command-config", "file", "Properties of the clients.").optional(),
    integer("num-headers", "number", "Headers of each record.").optional().or("0"),
    integer("num-records", "number", "How many records. Needed."),
    text("producer-acks", "acks", "1 or all. Needed."),
    integer("record-header-key-size", "bytes", "Size of each header's key.").optional().or("0"),
    integer("record-header-size", "bytes", "Size of each header's value; -1 for null.").optional().or("0"),
    integer("record-key-size", "bytes", "Size of each key; none where it is 0.").optional().or("0"),
    integer("record-size", "bytes", "Size of each value. Needed."),
    text("topic", "name", "The topic; made where there is none. Needed."),
];

pub const LINE: CommandLine = CommandLine {
    name: "e2e-latency",
    about: "This tool measures end-to-end latency in Kafka by sending messages and timing their reception.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic latency --num-records 10000 --producer-acks all --record-size 100",
    ],
};

const POSITIONS: [&str; 6] =
    ["bootstrap-server", "topic", "num-records", "producer-acks", "record-size", "command-config"];

pub fn main(arguments: Vec<String>) -> ExitCode {
    let named = arguments.iter().any(|argument| argument.starts_with("--") && argument != "--help");
    if arguments.is_empty() || named {
        return options::main(&LINE, arguments, run);
    }
    if !(5..=6).contains(&arguments.len()) {
        eprintln!(
            "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: bootstrap-server topic num-records producer-acks record-size [optional] command-config",
            arguments.len()
        );
        return ExitCode::FAILURE;
    }
    say!(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments instead: --{}",
        POSITIONS.join(", --")
    );
    let named = POSITIONS.iter().zip(arguments).map(|(name, value)| format!("--{name}={value}"));
    options::main(&LINE, named.collect(), run)
}

struct Settings {
    topic: String,
    records: u64,
    value: usize,
    key: usize,
    headers: usize,
    header_key: usize,
    /// None: null.
    header_value: Option<usize>,
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    for name in ["bootstrap-server", "topic", "num-records", "producer-acks", "record-size"] {
        parsed.needed(name)?;
    }
    let settings = settings(parsed)?;
    let acks = parsed.needed("producer-acks")?;
    if acks != "1" && acks != "all" {
        return Err(Stop::usage(
            "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or 'all'.",
        ));
    }
    let mut properties = match parsed.value("command-config")? {
        Some(path) => connecting::properties_file(path)?,
        None => Properties::new(),
    };
    properties.insert("bootstrap.servers".to_owned(), parsed.needed("bootstrap-server")?.to_owned());
    let with = |more: &[(&str, &str)]| {
        let mut all = properties.clone();
        all.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        all
    };
    let group = format!("test-group-{}", dates::now_ms());
    let reading = with(&[
        ("group.id", &group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "latest"),
        ("fetch.max.wait.ms", "0"),
    ]);
    let writing = with(&[("linger.ms", "0"), ("max.block.ms", "9223372036854775807"), ("acks", acks)]);
    let failed = |error: Error| Stop::error(java::thrown(&error));
    let client = connecting::patient(&properties).map_err(failed)?;
    let reading = ConsumerConfig::from_properties(&reading).map_err(failed)?;
    let writing = ProducerConfig::from_properties(&writing).map_err(failed)?;
    connecting::block_on(async move {
        // apart, as they would be in life: a long fetch must not hold a produce back
        let producer = Producer::new(Cluster::new(client.clone()), writing);
        let cluster = Cluster::new(client);
        make_topic(&cluster, &settings.topic).await.map_err(failed)?;
        measure(producer, Consumer::new(cluster.clone(), reading), &cluster, &settings).await
    })
}

fn settings(parsed: &Parsed) -> Result<Settings, Stop> {
    let number = |name: &str| Ok::<i32, Stop>(parsed.number(name)?.unwrap_or(0));
    if number("num-records")? <= 0 {
        return Err(Stop::usage("Value for --num-records must be a positive integer."));
    }
    for name in ["record-size", "record-key-size", "num-headers", "record-header-key-size"] {
        if number(name)? < 0 {
            return Err(Stop::usage(format!("Value for --{name} must be a non-negative integer.")));
        }
    }
    let header_value = number("record-header-size")?;
    if header_value < -1 {
        return Err(Stop::usage("Value for --record-header-size must be a non-negative integer or -1."));
    }
    let size = |name: &str| Ok::<usize, Stop>(usize::try_from(number(name)?).unwrap_or(0));
    Ok(Settings {
        topic: parsed.needed("topic")?.to_owned(),
        records: number("num-records")?.unsigned_abs().into(),
        value: size("record-size")?,
        key: size("record-key-size")?,
        headers: size("num-headers")?,
        header_key: size("record-header-key-size")?,
        header_value: usize::try_from(header_value).ok(),
    })
}

async fn make_topic(cluster: &Cluster, topic: &str) -> Result<(), Error> {
    let known = cluster.refresh(Some(&[topic])).await?;
    if known.topics.iter().any(|found| found.name.as_deref() == Some(topic) && found.error_code == 0) {
        return Ok(());
    }
    say!(
        "Topic \"{topic}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1"
    );
    let creatable = CreatableTopic {
        name: Str::from(topic),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![creatable], timeout_ms: 30_000, ..Default::default() };
    let answer = cluster.any().await?.call(&request).await?;
    let refused =
        answer.topics.iter().map(|topic| Error::check(topic.error_code, topic.error_message.as_ref()));
    refused.collect::<Result<Vec<()>, Error>>().map(drop)
}

async fn measure(
    producer: Producer,
    mut consumer: Consumer,
    cluster: &Cluster,
    settings: &Settings,
) -> Result<(), Stop> {
    let failed = |error: Error| Stop::error(java::thrown(&error));
    assign_at_end(&mut consumer, cluster, settings).await.map_err(failed)?;
    let mut latencies = Latencies::of(settings.records);
    let mut total = 0.0;
    let mut seed = 1;
    for number in 0..settings.records {
        let record = record(settings, &mut seed);
        let (key, value) = (record.key.clone(), record.value.clone());
        let begin = Instant::now();
        let sent = producer.send(record).await.map_err(failed)?;
        sent.wait().await.map_err(failed)?;
        let records = consumer.poll(Duration::from_secs(60)).await.map_err(failed)?;
        let elapsed = begin.elapsed();
        match records.as_slice() {
            [] => {
                return Err(Stop::error(
                    "java.lang.RuntimeException: poll() timed out before finding a result (timeout:[60000ms])",
                ));
            }
            [read] if read.key == key && read.value == value => {}
            [_] => {
                return Err(Stop::error(
                    "java.lang.RuntimeException: The record read is not the one that was sent",
                ));
            }
            several => {
                let text = format!(
                    "java.lang.RuntimeException: Only one result was expected during this test. We found [{}]",
                    several.len()
                );
                return Err(Stop::error(text));
            }
        }
        let millis = elapsed.as_nanos() as f64 / 1e6;
        if number % 1000 == 0 {
            say!("{number}\t{millis:?}");
        }
        total += millis;
        latencies.record(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX), settings.value);
    }
    let [p50, p99, p999] = latencies.percentiles([0.5, 0.99, 0.999]);
    say!("Avg latency: {:.4} ms", total / settings.records as f64);
    say!("Percentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}");
    producer.close().await;
    consumer.close().await;
    Ok(())
}

/// All partitions, from where their logs end now.
async fn assign_at_end(consumer: &mut Consumer, cluster: &Cluster, settings: &Settings) -> Result<(), Error> {
    cluster.leader(&settings.topic, 0).await?;
    let topic = cluster.topic(&settings.topic).await?;
    let named = |p: &client::PartitionMetadata| TopicPartition {
        topic: settings.topic.as_str().into(),
        partition: p.partition,
    };
    let partitions: Vec<TopicPartition> = topic.partitions.iter().map(named).collect();
    consumer.assign(partitions.clone());
    for partition in &partitions {
        consumer.seek_to_time(partition, LATEST);
    }
    while partitions.iter().any(|partition| consumer.position(partition).is_none()) {
        consumer.poll(Duration::from_millis(100)).await?;
    }
    Ok(())
}

fn record(settings: &Settings, seed: &mut u64) -> ProducerRecord {
    let header = |_| Header {
        key: String::from_utf8_lossy(&letters(settings.header_key, &mut 7)).into_owned(),
        value: settings.header_value.map(|size| letters(size, &mut 9)),
    };
    ProducerRecord {
        topic: settings.topic.as_str().into(),
        key: (settings.key > 0).then(|| letters(settings.key, seed)),
        value: Some(letters(settings.value, seed)),
        headers: (0..settings.headers).map(header).collect(),
        ..Default::default()
    }
}

/// Capital letters, other ones each time.
fn letters(size: usize, seed: &mut u64) -> Bytes {
    let mut letter = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'A' + ((*seed >> 33) % 26) as u8
    };
    (0..size).map(|_| letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Settings, Stop> {
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        settings(&Parsed::parse(OPTIONS, &arguments)?)
    }

    #[test]
    fn sizes_are_checked() {
        let line = "--topic t --num-records 3 --record-size 5";
        let good =
            read(&format!("{line} --num-headers 2 --record-header-size -1 --record-header-key-size 3")).ok();
        let made = record(&good.unwrap(), &mut 1);
        assert_eq!(made.value.unwrap().len(), 5);
        assert_eq!(made.headers.len(), 2);
        assert_eq!((made.headers[0].key.len(), made.headers[0].value.is_none()), (3, true));
        for wrong in ["--record-key-size -1", "--record-header-size -2", "--num-headers x"] {
            assert!(read(&format!("{line} {wrong}")).is_err(), "{wrong}");
        }
        assert!(read("--topic t --num-records 0 --record-size 5").is_err());
    }
}
