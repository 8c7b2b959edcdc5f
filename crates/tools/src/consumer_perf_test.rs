//! kafka-consumer-perf-test: how many records a second a consumer reads.

use std::process::ExitCode;
use std::time::Duration;

use client::{Cluster, Consumer, ConsumerConfig, Error, Pattern, Properties, Rebalance};
use tokio::time::Instant;

use crate::options::{self, CommandLine, Opt, Parsed, flag, integer, long, text};
use crate::output::say;
use crate::{Stop, connecting, dates, java};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,...", "Where the cluster is found. Needed."),
    text("command-config", "file", "Properties of the consumer."),
    text("command-property", "key=value", "A property of the consumer; may be given again."),
    text("consumer.config", "file", "Deprecated: use --command-config."),
    text("date-format", "pattern", "How times are written, as SimpleDateFormat has it (in UTC).")
        .or("yyyy-MM-dd HH:mm:ss:SSS"),
    integer("fetch-size", "bytes", "Most bytes of one partition in an answer.").or("1048576"),
    flag("from-latest", "Begin with the next record where nothing is committed, not with the first."),
    text("group", "name", "The consumer group (default: one of its own)."),
    flag("hide-header", "Leave out the line of titles."),
    text("include", "regex", "Read all topics whose names match."),
    long("messages", "number", "Deprecated: use --num-records."),
    long("num-records", "number", "How many records to read. Needed."),
    flag("print-metrics", "Say at the end what the consumer counted."),
    long("reporting-interval", "ms", "Time between two lines of --show-detailed-stats.").or("5000"),
    flag("show-detailed-stats", "A line for each reporting interval."),
    integer("socket-buffer-size", "bytes", "Taken for compatibility (receive.buffer.bytes).").or("2097152"),
    long("timeout", "ms", "End when no record has come for so long.").optional().or("10000"),
    text("topic", "name", "The topic to read."),
];

pub const LINE: CommandLine = CommandLine {
    name: "consumer-perf-test",
    about: "This tool is used to verify the consumer performance.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic perf --num-records 1000000",
        "--bootstrap-server localhost:9092 --topic perf --num-records 1000000 --show-detailed-stats --reporting-interval 1000",
    ],
};

pub fn main(arguments: Vec<String>) -> ExitCode {
    options::main(&LINE, arguments, run)
}

struct Settings {
    topic: Option<String>,
    include: Option<String>,
    records: u64,
    timeout: Duration,
    interval: Duration,
    date_format: String,
    detailed: bool,
    print_metrics: bool,
}

const TITLES: &str = "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";

fn run(parsed: &Parsed) -> Result<(), Stop> {
    for (one, other) in [("topic", "include"), ("messages", "num-records")] {
        if parsed.has(one) == parsed.has(other) {
            let text = format!("Exactly one of the following arguments is required: [{one}], [{other}]");
            return Err(Stop::usage(text));
        }
    }
    connecting::check_servers(parsed.needed("bootstrap-server")?)?;
    let pairs = [("messages", "num-records"), ("consumer.config", "command-config")];
    for (old, new) in pairs {
        if parsed.has(old) && parsed.has(new) {
            return Err(Stop::usage(format!("Option \"[{old}]\" can't be used with option \"[{new}]\"")));
        }
        if parsed.has(old) {
            say!("Warning: --{old} is deprecated. Use --{new} instead.");
        }
    }
    let detailed = parsed.has("show-detailed-stats");
    if !parsed.has("hide-header") {
        let times = if detailed { "time, threadId" } else { "start.time, end.time" };
        say!("{times}, {TITLES}");
    }
    let settings = settings(parsed, detailed)?;
    let properties = properties(parsed)?;
    let thrown = |error: Error| Stop::error(java::thrown(&error));
    let cluster = Cluster::new(connecting::patient(&properties).map_err(thrown)?);
    let config = ConsumerConfig::from_properties(&properties).map_err(thrown)?;
    connecting::block_on(consume(cluster, config, settings))
}

fn settings(parsed: &Parsed, detailed: bool) -> Result<Settings, Stop> {
    let option = if parsed.has("messages") { "messages" } else { "num-records" };
    let records: i64 = parsed.number(option)?.unwrap_or(0);
    let interval: i64 = parsed.number("reporting-interval")?.unwrap_or(5000);
    if interval <= 0 {
        let text = "Reporting interval must be greater than 0.";
        return Err(Stop::error(format!("{text}\njava.lang.IllegalArgumentException: {text}")));
    }
    let timeout: i64 = parsed.number("timeout")?.unwrap_or(10_000);
    let text = |name: &str| parsed.value(name).map(|value| value.map(String::from));
    Ok(Settings {
        topic: text("topic")?,
        include: text("include")?,
        records: records.max(0).unsigned_abs(),
        timeout: Duration::from_millis(timeout.max(0).unsigned_abs()),
        interval: Duration::from_millis(interval.unsigned_abs()),
        date_format: text("date-format")?.unwrap_or_default(),
        detailed,
        print_metrics: parsed.has("print-metrics"),
    })
}

fn properties(parsed: &Parsed) -> Result<Properties, Stop> {
    let file = if parsed.has("consumer.config") { "consumer.config" } else { "command-config" };
    let mut properties = match parsed.value(file)? {
        Some(path) => connecting::properties_file(path).map_err(|stop| match stop {
            Stop::Error(text) => Stop::Error(format!("{path}\n{text}")),
            other => other,
        })?,
        None => Properties::new(),
    };
    properties.extend(connecting::key_values(&parsed.values("command-property"), true)?);
    let mut put = |key: &str, value: String| drop(properties.insert(key.to_owned(), value));
    put("bootstrap.servers", parsed.needed("bootstrap-server")?.to_owned());
    let group = format!("perf-consumer-{}", dates::now_ms() % 100_000);
    put("group.id", parsed.value("group")?.map_or(group, String::from));
    put("receive.buffer.bytes", parsed.value("socket-buffer-size")?.unwrap_or_default().to_owned());
    let fetch_size: i32 = parsed.number("fetch-size")?.unwrap_or(1 << 20);
    put("max.partition.fetch.bytes", fetch_size.to_string());
    put("auto.offset.reset", if parsed.has("from-latest") { "latest" } else { "earliest" }.to_owned());
    put("check.crcs", "false".to_owned());
    properties.entry("client.id".to_owned()).or_insert_with(|| "perf-consumer-client".to_owned());
    Ok(properties)
}

/// What was read, and when; times in milliseconds.
struct Progress {
    start: Instant,
    bytes: u64,
    records: u64,
    rebalance_ms: f64,
    rebalancing_since: Option<Instant>,
    last: Reported,
}

#[derive(Clone, Copy)]
struct Reported {
    at: Instant,
    bytes: u64,
    records: u64,
    rebalance_ms: f64,
}

impl Progress {
    fn new() -> Progress {
        let start = Instant::now();
        let last = Reported { at: start, bytes: 0, records: 0, rebalance_ms: 0.0 };
        Progress { start, bytes: 0, records: 0, rebalance_ms: 0.0, rebalancing_since: Some(start), last }
    }

    fn rebalanced(&mut self, rebalances: &[Rebalance]) {
        for rebalance in rebalances {
            match rebalance {
                Rebalance::Assigned(_) => {
                    let since = self.rebalancing_since.take();
                    self.rebalance_ms += since.map_or(0.0, |since| whole_millis(since.elapsed()));
                }
                Rebalance::Revoked(_) | Rebalance::Lost(_) => self.rebalancing_since = Some(Instant::now()),
            }
        }
    }

    /// One line: since the last one, or since the start.
    fn columns(&self, since: Reported) -> String {
        let elapsed = whole_millis(since.at.elapsed());
        let (megabytes, before) = (mebibytes(self.bytes), mebibytes(since.bytes));
        let records = (self.records - since.records) as f64;
        let rebalance = self.rebalance_ms - since.rebalance_ms;
        let fetch = elapsed - rebalance;
        let per = |amount: f64, ms: f64| if ms > 0.0 { amount * 1000.0 / ms } else { 0.0 };
        format!(
            "{megabytes:.4}, {:.4}, {}, {:.4}, {rebalance}, {fetch}, {:.4}, {:.4}",
            per(megabytes - before, elapsed),
            self.records,
            per(records, elapsed),
            per(megabytes - before, fetch),
            per(records, fetch)
        )
    }

    fn reported(&mut self) {
        let (bytes, records, rebalance_ms) = (self.bytes, self.records, self.rebalance_ms);
        self.last = Reported { at: Instant::now(), bytes, records, rebalance_ms };
    }
}

fn whole_millis(duration: Duration) -> f64 {
    duration.as_millis() as f64
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

async fn consume(cluster: Cluster, config: ConsumerConfig, settings: Settings) -> Result<(), Stop> {
    let mut consumer = Consumer::new(cluster, config);
    let subscribed = match (&settings.topic, &settings.include) {
        (Some(topic), _) => consumer.subscribe(vec![topic.clone()]),
        (None, pattern) => {
            let whole = regex::Regex::new(&format!("^(?:{})$", pattern.clone().unwrap_or_default()));
            let whole = whole
                .map_err(|error| Stop::error(format!("java.util.regex.PatternSyntaxException: {error}")))?;
            consumer.subscribe_pattern(Pattern::new(move |topic| whole.is_match(topic)))
        }
    };
    subscribed.map_err(|error| Stop::error(java::thrown(&error)))?;
    let start_ms = dates::now_ms();
    let mut progress = Progress::new();
    read(&mut consumer, &settings, &mut progress).await?;
    let whole = Reported { at: progress.start, bytes: 0, records: 0, rebalance_ms: 0.0 };
    if !settings.detailed {
        let columns = progress.columns(whole);
        let date = |ms| dates::format(ms, &settings.date_format);
        say!("{}, {}, {columns}", date(start_ms), date(dates::now_ms()));
    }
    if settings.print_metrics {
        let tag = "{client-id=perf-consumer-client}";
        say!("\n{:<80} Value", "Metric Name");
        for (name, value) in [
            ("consumer-fetch-manager-metrics:bytes-consumed-total", progress.bytes),
            ("consumer-fetch-manager-metrics:records-consumed-total", progress.records),
        ] {
            say!("{:<80}: {value}.000", format!("{name}:{tag}"));
        }
    }
    consumer.close().await;
    Ok(())
}

async fn read(consumer: &mut Consumer, settings: &Settings, progress: &mut Progress) -> Result<(), Stop> {
    let mut last_record = Instant::now();
    while progress.records < settings.records {
        if last_record.elapsed() > settings.timeout {
            say!(
                "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use the --timeout option to increase the timeout.",
                settings.timeout.as_millis()
            );
            return Ok(());
        }
        let records = consumer.poll(Duration::from_millis(100)).await;
        let records = records.map_err(|error| Stop::error(java::thrown(&error)))?;
        let rebalances = consumer.take_rebalances();
        progress.rebalanced(&rebalances);
        if !rebalances.is_empty() && progress.records == 0 {
            // Kafka's tool counts from when it has partitions
            last_record = Instant::now();
        }
        for record in &records {
            progress.records += 1;
            let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            progress.bytes += size(&record.key) + size(&record.value);
        }
        if !records.is_empty() {
            last_record = Instant::now();
        }
        if settings.detailed && progress.last.at.elapsed() >= settings.interval {
            let columns = progress.columns(progress.last);
            say!("{}, 0, {columns}", dates::format(dates::now_ms(), &settings.date_format));
            progress.reported();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_has_kafkas_columns() {
        let mut progress = Progress::new();
        tokio::time::advance(Duration::from_millis(400)).await;
        progress.rebalanced(&[Rebalance::Assigned(Vec::new())]);
        tokio::time::advance(Duration::from_millis(1600)).await;
        progress.records = 1000;
        progress.bytes = 1 << 20;
        let whole = Reported { at: progress.start, bytes: 0, records: 0, rebalance_ms: 0.0 };
        let columns = "1.0000, 0.5000, 1000, 500.0000, 400, 1600, 0.6250, 625.0000";
        assert_eq!(progress.columns(whole), columns);
        progress.reported();
        tokio::time::advance(Duration::from_millis(1000)).await;
        progress.records = 1500;
        assert_eq!(
            progress.columns(progress.last),
            "1.0000, 0.0000, 1500, 500.0000, 0, 1000, 0.0000, 500.0000"
        );
    }
}
