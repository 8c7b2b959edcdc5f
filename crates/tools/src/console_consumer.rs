//! kafka-console-consumer: records of topics to standard output.

mod coordinator_records;
mod deserializer;
mod formatter;
mod options_of;

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use client::{Cluster, Consumer, ConsumerConfig, ConsumerRecord, Error, Pattern};
use types::TopicPartition;

use crate::interrupted::interrupted;
use crate::options::{self, Parsed};
use crate::output::say;
use crate::{Stop, connecting, java};
use formatter::Formatter;
pub use options_of::LINE;
use options_of::{Begin, Settings};

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

pub fn main(arguments: Vec<String>) -> ExitCode {
    options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    let settings = Settings::read(parsed)?;
    let failed = |error: Error| unknown_error(&java::thrown(&error));
    let client = connecting::patient(&settings.properties).map_err(failed)?;
    let config = ConsumerConfig::from_properties(&settings.properties).map_err(failed)?;
    connecting::block_on(consume(Cluster::new(client), config, settings))
}

/// What Kafka's tool logs before it exits with 1.
fn unknown_error(exception: &str) -> Stop {
    java::log_error("Unknown error when running consumer: ", LOGGER, Some(exception));
    Stop::Code(1)
}

async fn consume(cluster: Cluster, config: ConsumerConfig, settings: Settings) -> Result<(), Stop> {
    let mut consumer = Consumer::new(cluster, config);
    begin(&mut consumer, &settings)?;
    let (mut written, mut asked) = (0, None);
    let outcome = tokio::select! {
        outcome = print(&mut consumer, &settings, &mut written) => outcome,
        stop = interrupted() => {
            asked = Some(stop);
            Ok(())
        }
    };
    eprintln!("Processed a total of {written} messages");
    // what is printed counts, whatever becomes of the group
    let _ = tokio::time::timeout(Duration::from_secs(10), consumer.close()).await;
    if settings.systest_events {
        say!("shutdown_complete");
    }
    outcome.map_err(|exception| unknown_error(&exception))?;
    asked.map_or(Ok(()), Err)
}

fn begin(consumer: &mut Consumer, settings: &Settings) -> Result<(), Stop> {
    let failed = |error: Error| unknown_error(&java::thrown(&error));
    match (&settings.topic, settings.partition) {
        (Some(topic), Some(partition)) => {
            let partition = TopicPartition { topic: topic.as_str().into(), partition };
            consumer.assign([partition.clone()]);
            match settings.begin {
                Begin::Earliest => consumer.seek_to_time(&partition, client::EARLIEST),
                Begin::Latest => consumer.seek_to_time(&partition, client::LATEST),
                Begin::At(offset) => consumer.seek(&partition, offset),
            }
            Ok(())
        }
        (Some(topic), None) => consumer.subscribe(vec![topic.clone()]).map_err(failed),
        (None, _) => {
            let pattern = settings.include.clone().unwrap_or_default();
            let whole = regex::Regex::new(&format!("^(?:{pattern})$"));
            let whole = whole.map_err(|error| {
                unknown_error(&format!("java.util.regex.PatternSyntaxException: {error}"))
            })?;
            consumer.subscribe_pattern(Pattern::new(move |topic| whole.is_match(topic))).map_err(failed)
        }
    }
}

/// Prints until there is enough, or nothing comes for too long. The error is an exception's text.
async fn print(consumer: &mut Consumer, settings: &Settings, written: &mut u64) -> Result<(), String> {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout());
    let wait = settings.timeout.unwrap_or(Duration::from_secs(1 << 30));
    while settings.max_messages.is_none_or(|max| *written < max) {
        let records = match next(consumer, wait).await {
            Ok(records) if !records.is_empty() => records,
            Ok(_) => {
                stopped("org.apache.kafka.common.errors.TimeoutException");
                break;
            }
            Err(error) => {
                stopped(&java::thrown(&error));
                return Err(java::thrown(&error));
            }
        };
        for record in records {
            if settings.max_messages.is_some_and(|max| *written >= max) {
                // those that are not printed are not read either
                let partition = TopicPartition { topic: record.topic.clone(), partition: record.partition };
                let position = consumer.position(&partition).unwrap_or(i64::MAX);
                consumer.seek(&partition, record.offset.min(position));
                continue;
            }
            *written += 1;
            write(&mut out, &settings.formatter, &record, settings.skip_on_error)?;
        }
        if out.flush().is_err() {
            eprintln!("Unable to write to standard out, closing consumer.");
            break;
        }
    }
    Ok(())
}

/// Records, or none after `wait`; that partitions came or went is no end.
async fn next(consumer: &mut Consumer, wait: Duration) -> Result<Vec<ConsumerRecord>, Error> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let records = consumer.poll(left).await?;
        if !records.is_empty() || left.is_zero() {
            return Ok(records);
        }
        drop(consumer.take_rebalances());
    }
}

fn stopped(exception: &str) {
    java::log_error("Error processing message, terminating consumer process: ", LOGGER, Some(exception));
}

fn write(
    out: &mut impl Write,
    formatter: &Formatter,
    record: &ConsumerRecord,
    skip_on_error: bool,
) -> Result<(), String> {
    let mut text = Vec::with_capacity(128);
    let Err(error) = formatter.write(record, &mut text) else {
        // that nobody reads any more is seen when it is flushed
        let _ = out.write_all(&text);
        return Ok(());
    };
    let exception = format!("org.apache.kafka.common.errors.SerializationException: {error}");
    if !skip_on_error {
        return Err(exception);
    }
    java::log_error("Error processing message, skipping this message: ", LOGGER, Some(&exception));
    Ok(())
}
