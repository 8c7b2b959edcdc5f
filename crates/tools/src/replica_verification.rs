//! kafka-replica-verification: fetches the same records from all replicas of each partition and holds them against each
//! other, batch by batch, up to what is committed; tells how far the slowest partition is behind.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use client::Cluster;
use protocol::Str;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{FetchRequest, FetchResponse};
use records::Batches;
use tokio::time::Instant;
use types::NodeId;

use crate::Stop;
use crate::admin::{Admin, Place, offsets, topic_filter};
use crate::connecting::block_on;
use crate::options::{CommandLine, Opt, Parsed, integer, long, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "replica-verification",
    about: "Validate that all replicas for a set of topics have the same data.",
    options: OPTIONS,
    examples: &[
        "--broker-list localhost:9092 --topics-include 'orders.*' --time -2 --report-interval-ms 5000",
    ],
};

const OPTIONS: &[Opt] = &[
    text("broker-list", "host:port,…", "Required. The brokers to connect to."),
    text("topics-include", "regex", "The topics.").or(".*"),
    long("time", "ms", "Where to begin: a timestamp, -1 at the end, -2 at the beginning.").or("-1"),
    integer("fetch-size", "bytes", "How much is fetched of a partition at once.").or("1048576"),
    integer("max-wait-ms", "ms", "How long a fetch waits for records.").or("1000"),
    long("report-interval-ms", "ms", "How often it is told how far it is.").or("30000"),
];

/// A reader that may ask followers too.
const DEBUGGING_REPLICA: i32 = -2;
/// The last version that names topics; the replica's id has its own field up to 14.
const FETCH_VERSION_MAX: i16 = 12;
/// Of a replica that said nothing.
const NO_HIGH_WATERMARK: i64 = -1;

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    let servers = parsed.needed("broker-list")?;
    crate::connecting::check_servers(servers)?;
    let wanted = parsed.value("topics-include")?.unwrap_or("");
    let filter = topic_filter(wanted).map_err(|_| Stop::error(format!("{wanted} is an invalid regex")))?;
    let time: i64 = parsed.number("time")?.unwrap_or(-1);
    let limits = Limits {
        fetch_bytes: parsed.number("fetch-size")?.unwrap_or(1 << 20),
        max_wait_ms: parsed.number("max-wait-ms")?.unwrap_or(1000),
    };
    let interval: i64 = parsed.number("report-interval-ms")?.unwrap_or(30_000);
    let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(0));
    let mut properties = client::Properties::new();
    properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    let cluster = Cluster::new(crate::connecting::patient(&properties)?);
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "listTopics").await?;
        let mut verification = Verification::begin(&admin, &filter, time).await?;
        say!("{}: verification process is started", now());
        let mut reported = Instant::now();
        let verify = async {
            loop {
                let fetched = fetch(&admin, &verification, &limits).await;
                let seen = verification.hold(&fetched);
                for line in seen.lines {
                    say!("{}: {line}", now());
                }
                if seen.apart {
                    return Err(Stop::Code(1));
                }
                if reported.elapsed() >= interval {
                    say!("{}: {}", now(), verification.report());
                    reported = Instant::now();
                }
            }
        };
        tokio::select! {
            ended = verify => ended,
            stop = crate::interrupted::interrupted() => Err(stop),
        }
    })
}

fn now() -> String {
    crate::dates::format(crate::dates::now_ms(), "yyyy-MM-dd HH:mm:ss,SSS")
}

struct Limits {
    fetch_bytes: i32,
    max_wait_ms: i32,
}

/// Partitions and where each is.
#[derive(Debug, Default)]
struct Verification {
    replicas: BTreeMap<Place, Vec<i32>>,
    /// The next offset that is held against each other.
    offsets: BTreeMap<Place, i64>,
    /// The partition that was the furthest behind when it was last known of any, and its offset then.
    slowest: Option<(Place, i64)>,
    /// Its lag in this round; -1 where no replica of any partition said how far it is.
    lag: i64,
}

/// What one replica gave of a partition.
#[derive(Clone, Debug)]
struct Given {
    high_watermark: i64,
    bytes: Bytes,
}

impl Default for Given {
    fn default() -> Given {
        Given { high_watermark: NO_HIGH_WATERMARK, bytes: Bytes::new() }
    }
}

/// By partition and broker.
type Fetched = BTreeMap<Place, BTreeMap<i32, Given>>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    lines: Vec<String>,
    /// The replicas have different offsets: nothing more can be said.
    apart: bool,
}

impl Verification {
    async fn begin(admin: &Admin, filter: &regex::Regex, time: i64) -> Result<Verification, Stop> {
        let mut verification = Verification::default();
        for topic in admin.metadata(None).await?.topics {
            let name = topic.name.as_deref().unwrap_or_default();
            if filter.is_match(name) {
                let partitions = topic.partitions.into_iter();
                let places =
                    partitions.map(|one| ((name.to_owned(), one.partition_index), one.replica_nodes));
                verification.replicas.extend(places);
            }
        }
        if verification.replicas.is_empty() {
            // Kafka's tool says it in its log alone
            return Err(Stop::Code(1));
        }
        let wanted: Vec<(Place, i64)> =
            verification.replicas.keys().map(|place| (place.clone(), time)).collect();
        let mut found = offsets(admin, &wanted).await?;
        // where no record is as late as that, the end
        let late: Vec<(Place, i64)> = wanted
            .iter()
            .filter(|(place, _)| matches!(found.get(place), Some(Ok(offset)) if *offset < 0))
            .map(|(place, _)| (place.clone(), -1))
            .collect();
        found.extend(offsets(admin, &late).await?);
        for (place, offset) in found {
            verification.offsets.insert(place, offset?);
        }
        Ok(verification)
    }

    /// Holds what the replicas gave against each other, and goes on behind it.
    fn hold(&mut self, fetched: &Fetched) -> Seen {
        let mut seen = Seen::default();
        self.lag = -1;
        for (place, replicas) in fetched {
            let next = hold(place, replicas, &mut seen);
            let offset = self.offsets.entry(place.clone()).or_default();
            *offset = next.unwrap_or(*offset);
            let furthest = replicas.values().map(|given| given.high_watermark).max();
            let lag = furthest.unwrap_or(NO_HIGH_WATERMARK).saturating_sub(*offset);
            if lag > self.lag {
                self.lag = lag;
                self.slowest = Some((place.clone(), *offset));
            }
        }
        seen
    }

    /// Of the last round.
    fn report(&self) -> String {
        let (place, offset) = match &self.slowest {
            Some(((topic, partition), offset)) => (format!("{topic}-{partition}"), *offset),
            None => ("null".to_owned(), -1),
        };
        let (lag, count) = (self.lag, self.replicas.len());
        format!("max lag is {lag} for partition {place} at offset {offset} among {count} partitions")
    }
}

/// Batch by batch, as long as every replica has one that is committed; the offset behind the last.
fn hold(place: &Place, replicas: &BTreeMap<i32, Given>, seen: &mut Seen) -> Option<i64> {
    let of = format!("partition {}-{}", place.0, place.1);
    let mut batches: Vec<(i32, i64, Batches<'_>)> =
        replicas.iter().map(|(id, given)| (*id, given.high_watermark, Batches::new(&given.bytes))).collect();
    let mut next = None;
    loop {
        let mut first: Option<(i32, i64, u32)> = None;
        for (id, high_watermark, batches) in &mut batches {
            let Some(Ok(batch)) = batches.next() else { return next };
            let (offset, crc) = (batch.header().last_offset().0, batch.header().crc());
            if offset >= *high_watermark {
                return next;
            }
            match first {
                None => first = Some((*id, offset, crc)),
                Some((other, at, _)) if at != offset => {
                    seen.lines.push(format!(
                        "{of}: replica {other}'s offset {at} doesn't match replica {id}'s offset {offset}"
                    ));
                    seen.apart = true;
                    return next;
                }
                Some((other, _, sum)) if sum != crc => seen.lines.push(format!(
                    "{of} has unmatched checksum at offset {offset}; replica {other}'s checksum {sum}; replica {id}'s \
                     checksum {crc}"
                )),
                Some(_) => {}
            }
        }
        let (_, offset, _) = first?;
        next = Some(offset.saturating_add(1));
    }
}

/// Asks every broker for what it has of its partitions; one that does not answer gives nothing.
async fn fetch(admin: &Admin, verification: &Verification, limits: &Limits) -> Fetched {
    let brokers: BTreeSet<i32> = verification.replicas.values().flatten().copied().collect();
    let mut fetched: Fetched = BTreeMap::new();
    let mut asked = Vec::new();
    for id in brokers {
        let request = request(verification, id, limits);
        let cluster = admin.cluster.clone();
        // all at once: each may wait for records
        asked.push((
            id,
            tokio::spawn(async move {
                cluster.node(NodeId(id)).await?.call_at_most(&request, FETCH_VERSION_MAX).await
            }),
        ));
    }
    let mut silent = false;
    for (id, answer) in asked {
        let answer = match answer.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let response = answer.unwrap_or_else(|error| {
            crate::java::warn(&format!("Fetch from node {id} failed: {error}"));
            silent = true;
            FetchResponse::default()
        });
        take(verification, id, response, &mut fetched);
    }
    if silent {
        tokio::time::sleep(Duration::from_millis(u64::try_from(limits.max_wait_ms).unwrap_or(0))).await;
    }
    fetched
}

fn request(verification: &Verification, broker: i32, limits: &Limits) -> FetchRequest {
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    let held = verification.replicas.iter().filter(|(_, replicas)| replicas.contains(&broker));
    for (place, _) in held {
        topics.entry(&place.0).or_default().push(FetchPartition {
            partition: place.1,
            current_leader_epoch: -1,
            fetch_offset: verification.offsets.get(place).copied().unwrap_or(0),
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: limits.fetch_bytes,
            ..FetchPartition::default()
        });
    }
    let topic = |(name, partitions): (&str, Vec<FetchPartition>)| FetchTopic {
        topic: Str::from(name),
        partitions,
        ..FetchTopic::default()
    };
    FetchRequest {
        replica_id: DEBUGGING_REPLICA,
        max_wait_ms: limits.max_wait_ms,
        min_bytes: 1,
        max_bytes: i32::MAX,
        session_epoch: -1,
        topics: topics.into_iter().map(topic).collect(),
        ..FetchRequest::default()
    }
}

fn take(verification: &Verification, broker: i32, response: FetchResponse, fetched: &mut Fetched) {
    for (place, _) in verification.replicas.iter().filter(|(_, replicas)| replicas.contains(&broker)) {
        fetched.entry(place.clone()).or_default().entry(broker).or_default();
    }
    for topic in response.responses {
        for one in topic.partitions.into_iter().filter(|one| one.error_code == 0) {
            let place = (topic.topic.to_string(), one.partition_index);
            let Some(given) = fetched.get_mut(&place).and_then(|of| of.get_mut(&broker)) else { continue };
            *given =
                Given { high_watermark: one.high_watermark, bytes: one.records.bytes().unwrap_or_default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{ApiKey, Message, Writer};
    use records::{BatchBuilder, BatchOptions};
    use types::Offset;

    use super::*;

    fn place() -> Place {
        ("t".to_owned(), 0)
    }

    /// A batch of one record at this offset.
    fn batch(offset: i64, value: &str) -> Vec<u8> {
        let options = BatchOptions { base_offset: Offset(offset), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        builder.append(0, None, Some(value.as_bytes()), &[]).unwrap();
        builder.build_vec().unwrap()
    }

    /// What is said, the next offset and the report after two replicas gave this.
    fn verify(one: (&[Vec<u8>], i64), two: (&[Vec<u8>], i64)) -> (Seen, i64, String) {
        let mut verification =
            Verification { replicas: BTreeMap::from([(place(), vec![1, 2])]), ..Verification::default() };
        let given = |(batches, high_watermark): (&[Vec<u8>], i64)| Given {
            high_watermark,
            bytes: batches.concat().into(),
        };
        let fetched = Fetched::from([(place(), BTreeMap::from([(1, given(one)), (2, given(two))]))]);
        let seen = verification.hold(&fetched);
        (seen, verification.offsets[&place()], verification.report())
    }

    #[test]
    fn equal_replicas_are_followed_up_to_what_is_committed() {
        let three = [batch(0, "a"), batch(1, "b"), batch(2, "c")];
        let (seen, next, report) = verify((&three, 3), (&three[..2], 3));
        assert_eq!((seen, next), (Seen::default(), 2));
        assert_eq!(report, "max lag is 1 for partition t-0 at offset 2 among 1 partitions");
        let (_, next, _) = verify((&three, 1), (&three, 1));
        assert_eq!(next, 1);
    }

    #[test]
    fn a_report_is_of_the_last_round() {
        let mut verification =
            Verification { replicas: BTreeMap::from([(place(), vec![1, 2])]), ..Verification::default() };
        let mut round = |one: Given, two: Given| {
            let fetched = Fetched::from([(place(), BTreeMap::from([(1, one), (2, two)]))]);
            assert_eq!(verification.hold(&fetched), Seen::default());
            verification.report()
        };
        let some = || Given { high_watermark: 1, bytes: batch(0, "a").into() };
        let nothing = "max lag is -1 for partition null at offset -1 among 1 partitions";
        let behind = "max lag is 1 for partition t-0 at offset 0 among 1 partitions";
        let equal = "max lag is 0 for partition t-0 at offset 1 among 1 partitions";
        let silent = "max lag is -1 for partition t-0 at offset 1 among 1 partitions";
        for (one, two, report) in [
            (Given::default(), Given::default(), nothing),
            (some(), Given::default(), behind),
            (some(), some(), equal),
            (Given::default(), Given::default(), silent),
        ] {
            assert_eq!(round(one, two), report);
        }
    }

    /// The encoder refuses a field that a version does not have: such a request never leaves.
    #[test]
    fn a_request_can_be_sent_in_each_version_that_names_topics() {
        let verification =
            Verification { replicas: BTreeMap::from([(place(), vec![1])]), ..Verification::default() };
        let sent = request(&verification, 1, &Limits { fetch_bytes: 1 << 20, max_wait_ms: 1000 });
        for version in ApiKey::Fetch.versions().min..=FETCH_VERSION_MAX {
            let mut writer = Writer::new();
            assert_eq!(sent.encode(&mut writer, version).err(), None, "version {version}");
            assert!(writer.into_bytes().is_ok(), "version {version}");
        }
    }

    #[test]
    fn differences_are_told() {
        let (seen, next, _) = verify((&[batch(0, "a")], 1), (&[batch(0, "b")], 1));
        let [line] = seen.lines.as_slice() else { panic!("{seen:?}") };
        let begin = "partition t-0 has unmatched checksum at offset 0; replica 1's checksum ";
        assert!(line.starts_with(begin) && line.contains("; replica 2's checksum "), "{line}");
        assert_eq!((seen.apart, next), (false, 1));
        let (seen, _, _) = verify((&[batch(0, "a")], 9), (&[batch(1, "a")], 9));
        let line = "partition t-0: replica 1's offset 0 doesn't match replica 2's offset 1";
        assert_eq!(seen, Seen { lines: vec![line.to_owned()], apart: true });
    }
}
