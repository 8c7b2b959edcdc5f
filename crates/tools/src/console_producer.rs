//! kafka-console-producer: lines of standard input become records of a topic.

mod reader;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use client::{Cluster, Error, Producer, ProducerConfig, ProducerRecord, Properties};

use crate::interrupted::interrupted;
use crate::options::{self, CommandLine, Opt, Parsed, flag, integer, long, text};
use crate::{Stop, connecting, java};
use reader::LineReader;

const OPTIONS: &[Opt] = &[
    integer(
        "batch-size",
        "bytes",
        "How large a batch of one partition grows before it is sent (batch.size).",
    )
    .or("16384"),
    text("bootstrap-server", "host:port,...", "Where the cluster is found. Needed."),
    text("command-config", "file", "Properties of the producer; --command-property goes before them."),
    text("command-property", "key=value", "A property of the producer; may be given again."),
    text("compression-codec", "codec", "none, gzip, snappy, lz4 or zstd; gzip where none is named.")
        .optional(),
    text("line-reader", "class", "How lines are read: there is one way.")
        .or("org.apache.kafka.tools.LineMessageReader"),
    long("max-block-ms", "ms", "How long a record waits for memory or metadata (max.block.ms).").or("60000"),
    long("max-memory-bytes", "bytes", "Memory for records that wait (buffer.memory).").or("33554432"),
    integer("max-partition-memory-bytes", "bytes", "Deprecated: use --batch-size.").or("16384"),
    integer("message-send-max-retries", "times", "How often a failed send is tried again (retries).").or("3"),
    long("metadata-expiry-ms", "ms", "Age at which metadata is asked for again (metadata.max.age.ms).")
        .or("300000"),
    text("producer-property", "key=value", "Deprecated: use --command-property."),
    text("producer.config", "file", "Deprecated: use --command-config."),
    text("property", "key=value", "Deprecated: use --reader-property."),
    text("reader-config", "file", "Properties of the reader; --reader-property goes before them."),
    text(
        "reader-property",
        "key=value",
        "A property of the reader; may be given again: parse.key=false, key.separator=\\t, parse.headers=false, \
         headers.delimiter=\\t, headers.separator=, (comma), headers.key.separator=:, null.marker= (none), \
         ignore.error=false. A line is headers, key and value, as far as they are parsed.",
    ),
    text("request-required-acks", "acks", "Who has a record when it counts as sent: all, 1 or 0 (acks).")
        .or("-1"),
    integer("request-timeout-ms", "ms", "How long an answer may take (request.timeout.ms).").or("1500"),
    long("retry-backoff-ms", "ms", "Pause before another try (retry.backoff.ms).").or("100"),
    integer("socket-buffer-size", "bytes", "Taken for compatibility (send.buffer.bytes).").or("102400"),
    flag("sync", "Wait for each record's answer before the next is sent."),
    long("timeout", "ms", "How long a batch waits to fill up (linger.ms).").or("1000"),
    text("topic", "name", "Where records go. Needed."),
];

pub const LINE: CommandLine = CommandLine {
    name: "console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic quickstart-events",
        "--bootstrap-server localhost:9092 --topic orders --reader-property parse.key=true --reader-property key.separator=:",
        "--bootstrap-server localhost:9092 --topic orders --compression-codec zstd --request-required-acks all < orders.txt",
    ],
};

pub fn main(arguments: Vec<String>) -> ExitCode {
    options::main(&LINE, arguments, run)
}

/// Properties of the producer that have an option of their own; the option given goes before everything.
const MERGED: &[(&str, &str)] = &[
    ("timeout", "linger.ms"),
    ("request-required-acks", "acks"),
    ("request-timeout-ms", "request.timeout.ms"),
    ("message-send-max-retries", "retries"),
    ("retry-backoff-ms", "retry.backoff.ms"),
    ("socket-buffer-size", "send.buffer.bytes"),
    ("max-memory-bytes", "buffer.memory"),
    ("batch-size", "batch.size"),
    ("metadata-expiry-ms", "metadata.max.age.ms"),
    ("max-block-ms", "max.block.ms"),
];

fn run(parsed: &Parsed) -> Result<(), Stop> {
    let topic = parsed.needed("topic")?;
    connecting::check_servers(parsed.value("bootstrap-server")?.unwrap_or_default())?;
    let properties = producer_properties(parsed)?;
    let reader = LineReader::new(&reader_properties(parsed)?).map_err(kafka_exception)?;
    if let Some(class) = parsed.value("line-reader")?
        && class != "org.apache.kafka.tools.LineMessageReader"
    {
        return Err(Stop::error(format!("java.lang.ClassNotFoundException: {class}")));
    }
    let thrown = |error: Error| Stop::error(java::thrown(&error));
    let cluster = Cluster::new(connecting::patient(&properties).map_err(thrown)?);
    let config = ProducerConfig::from_properties(&properties).map_err(thrown)?;
    let sync = parsed.has("sync");
    connecting::block_on(produce(cluster, config, reader, topic.into(), sync))
}

fn producer_properties(parsed: &Parsed) -> Result<Properties, Stop> {
    let file = parsed.spelling("command-config", "producer.config")?;
    let property = parsed.spelling("command-property", "producer-property")?;
    let mut properties = match parsed.value(file)? {
        Some(path) => connecting::properties_file(path)?,
        None => Properties::new(),
    };
    properties.extend(connecting::key_values(&parsed.values(property), true)?);
    if let Some(servers) = parsed.value("bootstrap-server")? {
        properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }
    let codec = parsed.has("compression-codec").then(|| parsed.values("compression-codec"));
    if let Some(named) = codec {
        let name = named.first().copied().unwrap_or("gzip");
        properties.insert("compression.type".to_owned(), name.to_owned());
    }
    properties.entry("client.id".to_owned()).or_insert_with(|| "console-producer".to_owned());
    let batch_size =
        if parsed.has("max-partition-memory-bytes") { "max-partition-memory-bytes" } else { "batch-size" };
    for (option, key) in MERGED {
        let option = if *option == "batch-size" { batch_size } else { option };
        // all but the acks are numbers
        if *key != "acks" {
            parsed.number::<i64>(option)?;
        }
        let Some(mut value) = parsed.value(option)? else { continue };
        if *key == "linger.ms" && parsed.has("sync") && !parsed.has(option) {
            // nothing comes that a batch could wait for
            value = "0";
        }
        if parsed.has(option) || !properties.contains_key(*key) {
            properties.insert((*key).to_owned(), value.to_owned());
        }
    }
    Ok(properties)
}

fn reader_properties(parsed: &Parsed) -> Result<Properties, Stop> {
    let property = parsed.spelling("reader-property", "property")?;
    let mut properties = match parsed.value("reader-config")? {
        Some(path) => connecting::properties_file(path)?,
        None => Properties::new(),
    };
    properties.extend(connecting::key_values(&parsed.values(property), true)?);
    Ok(properties)
}

fn kafka_exception(text: String) -> Stop {
    Stop::error(format!("org.apache.kafka.common.KafkaException: {text}"))
}

async fn produce(
    cluster: Cluster,
    config: ProducerConfig,
    mut reader: LineReader,
    topic: Arc<str>,
    sync: bool,
) -> Result<(), Stop> {
    let producer = Producer::new(cluster, config);
    let mut lines = lines();
    let sending = async {
        while let Some(line) = lines.recv().await {
            let record = reader.record(&line, &topic).map_err(kafka_exception)?;
            send(&producer, record, sync).await;
        }
        Ok(())
    };
    // what was typed is sent, whatever ends the tool
    let outcome = tokio::select! {
        outcome = sending => outcome,
        stop = interrupted() => Err(stop),
    };
    producer.close().await;
    outcome
}

/// A failed record is told and the next one goes on, as with Kafka's tool.
async fn send(producer: &Producer, record: ProducerRecord, sync: bool) {
    let size = |bytes: &Option<bytes::Bytes>| match bytes {
        Some(bytes) => format!("{} bytes", bytes.len()),
        None => "null".to_owned(),
    };
    let text = format!(
        "Error when sending message to topic {} with key: {}, value: {} with error:",
        record.topic,
        size(&record.key),
        size(&record.value)
    );
    let told = move |error: &Error| {
        let logger = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback";
        java::log_error(&text, logger, Some(&java::thrown(error)));
    };
    if sync {
        let outcome = match producer.send(record).await {
            Ok(delivery) => delivery.wait().await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            told(&error);
        }
        return;
    }
    let told = Arc::new(told);
    let later = Arc::clone(&told);
    let completion = Box::new(move |outcome| {
        if let Err(error) = outcome {
            later(&error);
        }
    });
    if let Err(error) = producer.send_with(record, completion).await {
        told(&error);
    }
}

/// Lines of standard input, read by a thread of their own so that batches go out while nobody types. On a terminal
/// each is asked for with `>`.
fn lines() -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1024);
    let read = move || {
        let mut input = std::io::stdin().lock();
        let asks = std::io::stdin().is_terminal();
        loop {
            if asks {
                print!(">");
                let _ = std::io::stdout().flush();
            }
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.pop_if(|byte| *byte == b'\n').is_some() {
                line.pop_if(|byte| *byte == b'\r');
            }
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::spawn(read);
    receiver
}
