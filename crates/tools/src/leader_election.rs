//! kafka-leader-election: makes the preferred replica of partitions their leader again, or any replica where none of the
//! in-sync ones is left.

use std::collections::BTreeMap;
use std::process::ExitCode;

use client::{ClientConfig, Cluster, Error};
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use protocol::{ErrorCode, Str};
use serde_json::Value;

use crate::admin::{Admin, Place, java_text};
use crate::connecting::{block_on, properties_file};
use crate::options::{CommandLine, Opt, Parsed, cannot_parse, flag, integer, text};
use crate::output::say;
use crate::{Stop, json_input};

pub const LINE: CommandLine = CommandLine {
    name: "leader-election",
    about: "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are \
            preferred replicas and unclean replicas.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions",
        "--bootstrap-server localhost:9092 --election-type unclean --topic orders --partition 3",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
    text("admin.config", "file", "The old name of --command-config."),
    text(
        "election-type",
        "preferred|unclean",
        "Required. preferred: the first of a partition's replicas shall lead it. unclean: where nobody leads, a replica \
         that is not in sync may, and what only others had is lost.",
    ),
    text("topic", "name", "The topic of one partition; with --partition."),
    integer("partition", "number", "The partition; with --topic."),
    flag("all-topic-partitions", "All partitions that need it."),
    text("path-to-json-file", "file", "{\"partitions\": [{\"topic\": \"orders\", \"partition\": 1}]}"),
];

/// How long the brokers may take, `default.api.timeout.ms` of this tool.
const TIMEOUT_MS: i32 = 30_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
enum Kind {
    Preferred = 0,
    Unclean = 1,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Preferred => "PREFERRED",
            Kind::Unclean => "UNCLEAN",
        }
    }
}

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    check(parsed)?;
    let kind = match parsed.value("election-type")?.unwrap_or("").to_ascii_lowercase().as_str() {
        "preferred" => Kind::Preferred,
        "unclean" => Kind::Unclean,
        _ => return Err(cannot_parse("election-type", parsed.value("election-type")?.unwrap_or(""))),
    };
    let places = places(parsed)?;
    // a file that is not there is named without the kind of the error
    let cluster = cluster(parsed).map_err(|stop| match stop {
        Stop::Error(text) => {
            Stop::error(text.strip_prefix("java.nio.file.NoSuchFileException: ").unwrap_or(&text))
        }
        stop => stop,
    })?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "electLeaders").await?;
        let response = elect(&admin, kind, places.as_deref()).await?;
        let (lines, failed) = outcome(kind, &response);
        for line in lines {
            say!("{line}");
        }
        match failed {
            0 => Ok(()),
            failed => Err(Stop::error(format!("{failed} replica(s) could not be elected"))),
        }
    })
}

fn check(parsed: &Parsed) -> Result<(), Stop> {
    let missing: Vec<&str> =
        ["bootstrap-server", "election-type"].into_iter().filter(|name| !parsed.has(name)).collect();
    if !missing.is_empty() {
        return Err(Stop::error(format!("Missing required option(s): {}", missing.join(", "))));
    }
    parsed.check_invalid("admin.config", &["command-config"])?;
    const PLACES: [&str; 3] = ["topic", "all-topic-partitions", "path-to-json-file"];
    if PLACES.iter().filter(|name| parsed.has(name)).count() != 1 {
        let text = format!("One and only one of the following options is required: {}", PLACES.join(", "));
        return Err(Stop::error(text));
    }
    match (parsed.has("topic"), parsed.has("partition")) {
        (true, false) => Err(Stop::error("Missing required option(s): partition")),
        (false, true) => Err(Stop::error("Option partition is only allowed if topic is used")),
        _ => Ok(()),
    }
}

/// None for all partitions.
fn places(parsed: &Parsed) -> Result<Option<Vec<Place>>, Stop> {
    if let Some(path) = parsed.value("path-to-json-file")? {
        let text =
            json_input::file(path).map_err(|words| Stop::error(format!("java.io.IOException: {words}")))?;
        return read(&text).map(Some).map_err(Stop::Error);
    }
    match (parsed.value("topic")?, parsed.number::<i32>("partition")?) {
        (Some(topic), Some(partition)) => Ok(Some(vec![(topic.to_owned(), partition)])),
        _ => Ok(None),
    }
}

fn read(text: &str) -> Result<Vec<Place>, String> {
    let json: Value = serde_json::from_str(text).map_err(|_| "Replica election data is empty".to_owned())?;
    let mapping = |words: String| format!("com.fasterxml.jackson.databind.JsonMappingException: {words}");
    if !json.is_object() {
        return Err(mapping(format!("Expected JSON object, received {json}")));
    }
    let rows = json.get("partitions");
    let rows = rows.ok_or_else(|| "Replica election data is missing \"partitions\" field".to_owned())?;
    let place = |row: &Value| -> Result<Place, String> {
        let topic = json_input::field(row, "topic").and_then(json_input::text)?;
        let partition = json_input::field(row, "partition").and_then(json_input::integer)?;
        Ok((topic.to_owned(), partition))
    };
    let rows = json_input::array(rows).map_err(mapping)?;
    let places: Vec<Place> = rows.iter().map(place).collect::<Result<_, _>>().map_err(mapping)?;
    let twice = json_input::twice(&places);
    match twice.is_empty() {
        true => Ok(places),
        false => {
            let twice = names(&twice);
            Err(format!("Replica election data contains duplicate partitions: [{twice}]"))
        }
    }
}

fn names(places: &[Place]) -> String {
    let names: Vec<String> = places.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
    names.join(", ")
}

fn cluster(parsed: &Parsed) -> Result<Cluster, Stop> {
    let mut properties = crate::connecting::client_properties(parsed)?;
    if let Some(path) = parsed.value("admin.config")? {
        say!(
            "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config \
             instead."
        );
        let mut of_file = properties_file(path)?;
        of_file.extend(properties);
        properties = of_file;
    }
    Ok(Cluster::new(ClientConfig::from_properties(&properties)?))
}

async fn elect(admin: &Admin, kind: Kind, places: Option<&[Place]>) -> Result<ElectLeadersResponse, Stop> {
    let topic_partitions = places.map(|places| {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in places {
            topics.entry(topic).or_default().push(*partition);
        }
        let topic =
            |(topic, partitions): (&str, Vec<i32>)| TopicPartitions { topic: Str::from(topic), partitions };
        topics.into_iter().map(topic).collect()
    });
    let request = ElectLeadersRequest { election_type: kind as i8, topic_partitions, timeout_ms: TIMEOUT_MS };
    let answer = admin.call(&request).await;
    let answer = answer.and_then(|answer| Error::check(answer.error_code, None).map(|()| answer));
    answer.map_err(|error| match error {
        Error::TimedOut(_) => Stop::error("Timeout waiting for election results"),
        error if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => {
            Stop::error("Not authorized to perform leader election")
        }
        error => Stop::error(java_text(&error)),
    })
}

/// What is said, and how many partitions got no leader.
fn outcome(kind: Kind, response: &ElectLeadersResponse) -> (Vec<String>, usize) {
    let (mut elected, mut not_needed, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for topic in &response.replica_election_results {
        for one in &topic.partition_result {
            let place = (topic.topic.to_string(), one.partition_id);
            match Error::check(one.error_code, one.error_message.as_ref()) {
                Ok(()) => elected.push(place),
                Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => not_needed.push(place),
                Err(error) => failed.push((place, error)),
            }
        }
    }
    let kind = kind.name();
    let mut lines = Vec::new();
    if !elected.is_empty() {
        elected.sort();
        lines.push(format!(
            "Successfully completed leader election ({kind}) for partitions {}",
            names(&elected)
        ));
    }
    if !not_needed.is_empty() {
        not_needed.sort();
        lines.push(format!("Valid replica already elected for partitions {}", names(&not_needed)));
    }
    for ((topic, partition), error) in &failed {
        let why = java_text(error);
        lines.push(format!(
            "Error completing leader election ({kind}) for partition: {topic}-{partition}: {why}"
        ));
    }
    (lines, failed.len())
}

#[cfg(test)]
mod tests {
    use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};

    use super::*;

    #[test]
    fn files_name_partitions() {
        const MAPPING: &str = "com.fasterxml.jackson.databind.JsonMappingException: ";
        for (text, expected) in [
            (r#"{"partitions":[{"topic":"t","partition":1}]}"#, Ok(vec![("t".to_owned(), 1)])),
            (r#"{"partitions":[]}"#, Ok(vec![])),
            ("", Err("Replica election data is empty".to_owned())),
            ("{}", Err("Replica election data is missing \"partitions\" field".to_owned())),
            (
                r#"{"partitions":[{"topic":"t","partition":1},{"topic":"t","partition":1}]}"#,
                Err("Replica election data contains duplicate partitions: [t-1]".to_owned()),
            ),
            (r#"{"partitions":[{"topic":"t"}]}"#, Err(format!("{MAPPING}No such field exists: `partition`"))),
            (
                r#"{"partitions":[{"topic":"t","partition":"x"}]}"#,
                Err(format!("{MAPPING}Expected `Integer` value, received \"x\"")),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn outcomes_are_told_by_kind() {
        let row = |partition_id, code: ErrorCode, text: &str| PartitionResult {
            partition_id,
            error_code: code.code(),
            error_message: (!text.is_empty()).then(|| Str::from(text)),
        };
        let topic = |topic: &str, partition_result| ReplicaElectionResult {
            topic: Str::from(topic),
            partition_result,
        };
        let response = ElectLeadersResponse {
            replica_election_results: vec![
                topic("b", vec![row(1, ErrorCode::None, ""), row(0, ErrorCode::None, "")]),
                topic("a", vec![row(2, ErrorCode::ElectionNotNeeded, "")]),
                topic("c", vec![row(7, ErrorCode::UnknownTopicOrPartition, "No such topic as c")]),
            ],
            ..ElectLeadersResponse::default()
        };
        let (lines, failed) = outcome(Kind::Preferred, &response);
        assert_eq!(failed, 1);
        assert_eq!(
            lines,
            [
                "Successfully completed leader election (PREFERRED) for partitions b-0, b-1",
                "Valid replica already elected for partitions a-2",
                "Error completing leader election (PREFERRED) for partition: c-7: \
                 org.apache.kafka.common.errors.UnknownTopicOrPartitionException: No such topic as c",
            ]
        );
    }
}
