//! kafka-producer-perf-test: how many records a second a producer sends, and how long each takes.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use client::{Cluster, Error, Producer, ProducerConfig, ProducerRecord, Properties};

use crate::argparse::{self, Argument, ArgumentLine, Arguments, switch, value};
use crate::latencies::{Latencies, rates};
use crate::output::say;
use crate::throttle::Throttle;
use crate::{Stop, connecting, java};

const ARGUMENTS: &[Argument] = &[
    value(
        "--bootstrap-server",
        "BOOTSTRAP-SERVER",
        "Where the cluster is found; goes before bootstrap.servers.",
    ),
    value("--topic", "TOPIC", "Where records go.").required(),
    value("--num-records", "NUM-RECORDS", "How many records.").required(),
    value(
        "--payload-delimiter",
        "PAYLOAD-DELIMITER",
        "What stands between the payloads of --payload-file (\\n).",
    ),
    value("--throughput", "THROUGHPUT", "Records a second, roughly; -1 for as many as go.").required(),
    value("--producer-props", "PROP-NAME=PROP-VALUE", "Deprecated: use --command-property.").many(),
    value("--command-property", "PROP-NAME=PROP-VALUE", "Properties of the producer, such as linger.ms=10.")
        .many(),
    value("--producer.config", "CONFIG-FILE", "Deprecated: use --command-config."),
    value("--command-config", "CONFIG-FILE", "A file of properties; --command-property goes before them."),
    switch("--print-metrics", "Say at the end what the producer counted."),
    value("--transactional-id", "TRANSACTIONAL-ID", "Not supported yet."),
    value("--transaction-duration-ms", "TRANSACTION-DURATION", "Not supported yet."),
    value(
        "--warmup-records",
        "WARMUP-RECORDS",
        "How many of the first records are left out of a second summary (0).",
    ),
    value("--reporting-interval", "INTERVAL-MS", "Milliseconds between two lines of progress (5000)."),
    value(
        "--record-size",
        "RECORD-SIZE",
        "Bytes of a record. This, --payload-file or --payload-monotonic is needed.",
    ),
    value("--payload-file", "PAYLOAD-FILE", "A file of payloads, drawn at random."),
    switch("--payload-monotonic", "Payloads are numbers that grow."),
];

pub static LINE: ArgumentLine = ArgumentLine {
    program: "kafka-producer-perf-test",
    about: "This tool is used to verify the producer performance.",
    arguments: ARGUMENTS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic perf --num-records 1000000 --record-size 1024 --throughput -1",
        "--bootstrap-server localhost:9092 --topic perf --num-records 100000 --record-size 100 --throughput 10000 --command-property acks=1 linger.ms=10",
    ],
};

pub fn main(arguments: Vec<String>) -> ExitCode {
    argparse::main(&LINE, arguments, run)
}

struct Settings {
    topic: Arc<str>,
    records: u64,
    throughput: f64,
    warmup: u64,
    interval_ms: i64,
    print_metrics: bool,
}

fn run(arguments: &Arguments) -> Result<(), Stop> {
    let records = arguments.long("--num-records")?.unwrap_or(0);
    let throughput = arguments.value("--throughput").unwrap_or("-1");
    let throughput: f64 = throughput.parse().map_err(|_| {
        let why = format!("could not convert '{throughput}' to Double (For input string: \"{throughput}\")");
        Stop::usage(format!("argument --throughput: {why}"))
    })?;
    let record_size = arguments.integer("--record-size")?;
    let warmup = arguments.long("--warmup-records")?.unwrap_or(0);
    let interval_ms = arguments.long("--reporting-interval")?.unwrap_or(5000);
    arguments.exclusive(&["--record-size", "--payload-file", "--payload-monotonic"], true)?;
    if records <= 0 {
        return Err(Stop::usage("--num-records should be greater than zero."));
    }
    if warmup >= records {
        return Err(Stop::usage(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
        ));
    }
    if record_size.is_some_and(|size| size <= 0) {
        return Err(Stop::usage("--record-size should be greater than zero."));
    }
    if interval_ms <= 0 {
        return Err(Stop::usage("--reporting-interval should be greater than zero."));
    }
    if arguments.has("--transactional-id") || arguments.has("--transaction-duration-ms") {
        return Err(Stop::error("transactions are not supported yet"));
    }
    let properties = properties(arguments)?;
    let payloads = Payloads::new(arguments, record_size)?;
    let thrown = |error: Error| Stop::error(in_main(&java::thrown(&error)));
    let client = connecting::patient(&properties).map_err(thrown)?;
    let config = ProducerConfig::from_properties(&properties).map_err(thrown)?;
    let settings = Settings {
        topic: arguments.value("--topic").unwrap_or_default().into(),
        records: records.unsigned_abs(),
        throughput,
        warmup: warmup.max(0).unsigned_abs(),
        interval_ms,
        print_metrics: arguments.has("--print-metrics"),
    };
    connecting::block_on(send_all(move || Producer::new(Cluster::new(client), config), payloads, settings))
}

fn in_main(exception: &str) -> String {
    format!("Exception in thread \"main\" {exception}")
}

fn properties(arguments: &Arguments) -> Result<Properties, Stop> {
    let sources = [
        "--bootstrap-server",
        "--command-property",
        "--producer-props",
        "--producer.config",
        "--command-config",
    ];
    if !sources.iter().any(|source| arguments.has(source)) {
        return Err(Stop::usage(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.",
        ));
    }
    let pairs = [("--command-property", "--producer-props"), ("--command-config", "--producer.config")];
    for (new, old) in pairs {
        if arguments.has(new) && arguments.has(old) {
            return Err(Stop::usage(format!("{new} and {old} cannot be specified together.")));
        }
        if arguments.has(old) {
            say!(
                "Option {old} has been deprecated and will be removed in a future version. Use {new} instead."
            );
        }
    }
    let mut properties = Properties::new();
    for name in ["--producer.config", "--command-config"] {
        if let Some(path) = arguments.value(name) {
            properties.extend(connecting::properties_file(path).map_err(|stop| match stop {
                Stop::Error(text) => Stop::Error(in_main(&text)),
                other => other,
            })?);
        }
    }
    for property in [arguments.values("--producer-props"), arguments.values("--command-property")].concat() {
        let Some((key, value)) = property.split_once('=') else {
            let text = format!("java.lang.IllegalArgumentException: Invalid property: {property}");
            return Err(Stop::error(in_main(&text)));
        };
        properties.insert(key.to_owned(), value.to_owned());
    }
    if let Some(servers) = arguments.value("--bootstrap-server") {
        properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }
    properties.entry("client.id".to_owned()).or_insert_with(|| "perf-producer-client".to_owned());
    Ok(properties)
}

/// What records hold.
enum Payloads {
    Same(Bytes),
    FromFile(Vec<Bytes>, u64),
    Growing,
}

impl Payloads {
    fn new(arguments: &Arguments, record_size: Option<i32>) -> Result<Payloads, Stop> {
        if let Some(size) = record_size {
            let mut state = 1;
            // capital letters, as Kafka's tool sends them: they compress a little
            let letters = (0..size).map(|_| b'A' + (random(&mut state) % 26) as u8);
            return Ok(Payloads::Same(letters.collect()));
        }
        let Some(path) = arguments.value("--payload-file") else { return Ok(Payloads::Growing) };
        say!("Reading payloads from: {}", path);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.is_empty() {
            let text = "java.lang.IllegalArgumentException: File does not exist or empty file provided.";
            return Err(Stop::error(in_main(text)));
        }
        let delimiter = arguments.value("--payload-delimiter").unwrap_or("\n").replace("\\n", "\n");
        let mut payloads: Vec<Bytes> =
            text.split(&delimiter).map(|part| Bytes::from(part.to_owned())).collect();
        while payloads.last().is_some_and(Bytes::is_empty) {
            payloads.pop();
        }
        say!("Number of records read: {}", payloads.len());
        Ok(Payloads::FromFile(payloads, 1))
    }

    fn next(&mut self, number: u64) -> Bytes {
        match self {
            Payloads::Same(payload) => payload.clone(),
            Payloads::Growing => Bytes::from(number.to_string()),
            Payloads::FromFile(payloads, state) => {
                let index = (random(state) as usize).checked_rem(payloads.len()).unwrap_or(0);
                payloads.get(index).cloned().unwrap_or_default()
            }
        }
    }
}

/// xorshift64*.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
}

/// What completions write into.
struct Progress {
    all: Latencies,
    steady: Option<(Latencies, Instant)>,
    warmup: u64,
    expected: u64,
    window: Latencies,
    window_start: Instant,
    interval_ms: i64,
    start: Instant,
}

impl Progress {
    fn new(settings: &Settings) -> Progress {
        let now = Instant::now();
        Progress {
            all: Latencies::of(settings.records),
            steady: None,
            warmup: settings.warmup,
            expected: settings.records,
            window: Latencies::default(),
            window_start: now,
            interval_ms: settings.interval_ms,
            start: now,
        }
    }

    fn record(&mut self, sent: Instant, bytes: usize) {
        let now = Instant::now();
        let latency = millis(sent, now);
        if self.warmup > 0 && self.all.count >= self.warmup {
            let expected = self.expected - self.warmup;
            let (steady, _) = self.steady.get_or_insert_with(|| (Latencies::of(expected), now));
            steady.record(latency, bytes);
        }
        self.all.record(latency, bytes);
        self.window.record(latency, bytes);
        let elapsed = millis(self.window_start, now);
        if elapsed >= self.interval_ms {
            let (records, megabytes) = rates(self.window.count, self.window.bytes, elapsed);
            say!(
                "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.",
                self.window.count,
                self.window.average(),
                self.window.max as f64
            );
            self.window = Latencies::default();
            self.window_start = now;
        }
    }

    fn say_total(&self) {
        total("", &self.all, self.start);
        if let Some((steady, start)) = &self.steady {
            total(" steady state", steady, *start);
        }
    }
}

fn millis(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

fn total(kind: &str, latencies: &Latencies, start: Instant) {
    let (records, megabytes) = rates(latencies.count, latencies.bytes, millis(start, Instant::now()).max(1));
    let [p50, p95, p99, p999] = latencies.percentiles([0.5, 0.95, 0.99, 0.999]);
    say!(
        "{}{kind} records sent, {records:.6} records/sec ({megabytes:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, {p50} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th.",
        latencies.count,
        latencies.average(),
        latencies.max as f64
    );
}

async fn send_all(
    producer: impl FnOnce() -> Producer,
    mut payloads: Payloads,
    settings: Settings,
) -> Result<(), Stop> {
    let producer = producer();
    if settings.warmup > 0 {
        say!(
            "Warmup first {} records. Steady state results will print after the complete test summary.",
            settings.warmup
        );
    }
    let progress = Arc::new(Mutex::new(Progress::new(&settings)));
    let throttle = Throttle::new(settings.throughput);
    for number in 0..settings.records {
        let payload = payloads.next(number);
        let bytes = payload.len();
        let record =
            ProducerRecord { topic: Arc::clone(&settings.topic), value: Some(payload), ..Default::default() };
        let (progress, sent) = (Arc::clone(&progress), Instant::now());
        let done = move |outcome: Result<_, Error>| match outcome {
            Ok(_) => progress.lock().unwrap_or_else(PoisonError::into_inner).record(sent, bytes),
            Err(error) => eprintln!("{}", java::thrown(&error)),
        };
        if let Err(error) = producer.send_with(record, Box::new(done)).await {
            eprintln!("{}", java::thrown(&error));
        }
        // answers are taken in though nothing here waits
        if number % 256 == 255 {
            tokio::task::yield_now().await;
        }
        throttle.wait(number + 1).await;
    }
    producer.close().await;
    let progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
    progress.say_total();
    if settings.print_metrics {
        say_metrics(&progress.all, settings.records);
    }
    Ok(())
}

fn say_metrics(all: &Latencies, asked: u64) {
    let tag = "{client-id=perf-producer-client}";
    say!("\n{:<80} Value", "Metric Name");
    for (name, value) in [
        ("producer-metrics:record-send-total", all.count as f64),
        ("producer-metrics:record-error-total", asked.saturating_sub(all.count) as f64),
        ("producer-metrics:request-latency-avg", all.average()),
        ("producer-metrics:request-latency-max", all.max as f64),
    ] {
        say!("{:<80}: {value:.3}", format!("{name}:{tag}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_of_their_kind() {
        let mut same = Payloads::new(&Arguments::default(), Some(30)).unwrap();
        let payload = same.next(0);
        assert_eq!((payload.len(), same.next(9)), (30, payload.clone()));
        assert!(payload.iter().all(u8::is_ascii_uppercase));
        assert_eq!(Payloads::Growing.next(7), "7");
        let parts = vec![Bytes::from("a"), Bytes::from("b")];
        let mut file = Payloads::FromFile(parts.clone(), 1);
        assert!((0..20).all(|number| parts.contains(&file.next(number))));
    }
}
