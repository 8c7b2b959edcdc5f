//! kafka-get-offsets: the offsets of partitions at a time or at one of the ends.

use std::process::ExitCode;

use client::Error;
use protocol::ErrorCode;
use regex::Regex;

use crate::Stop;
use crate::admin::{Admin, Place, java_text};
use crate::connecting::block_on;
use crate::options::{CommandLine, Opt, Parsed, flag, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "get-offsets",
    about: "An interactive shell for getting topic-partition offsets.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic events",
        "--bootstrap-server localhost:9092 --topic-partitions events:0-2,orders.*:1 --time earliest",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
    text("topic", "name", "The topics, a regular expression. All where it is left out."),
    text("partitions", "0,1,…", "Partitions of the topics. All where it is left out."),
    text("topic-partitions", "topic:0-2,…", "Topics and partitions: a number, or a range whose end is not in it."),
    text(
        "time",
        "time",
        "A timestamp, or -1 or latest, -2 or earliest, -3 or max-timestamp, -4 or earliest-local, -5 or latest-tiered, -6 \
         or earliest-pending-upload.",
    )
    .or("latest"),
    flag("exclude-internal-topics", "Leaves the internal topics out."),
];

const SENTINELS: [(&str, i64); 6] = [
    ("latest", -1),
    ("earliest", -2),
    ("max-timestamp", -3),
    ("earliest-local", -4),
    ("latest-tiered", -5),
    ("earliest-pending-upload", -6),
];

/// Which partitions one rule means: topic, then first number and the one behind the last.
type Rule = (Regex, i64, i64);

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    parsed.needed("bootstrap-server")?;
    let occurred = |text: &str| Stop::error(format!("Error occurred: {text}"));
    if parsed.has("topic-partitions") && (parsed.has("topic") || parsed.has("partitions")) {
        return Err(occurred("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let timestamp = timestamp(parsed.value("time")?.unwrap_or("latest")).map_err(|text| occurred(&text))?;
    let rules = rules(parsed)?.map_err(|text| occurred(&text))?;
    let excluded = parsed.has("exclude-internal-topics");
    let cluster = crate::connecting::cluster(parsed)
        .map_err(|_| Stop::usage("Please provide valid host:port like host1:9091,host2:9092"))?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "listTopics").await?;
        let places = places(&admin, &rules, excluded).await?;
        if places.is_empty() {
            return Err(occurred("Could not match any topic-partitions with the specified filters"));
        }
        let asked: Vec<(Place, i64)> = places.into_iter().map(|place| (place, timestamp)).collect();
        let mut found = crate::admin::offsets(&admin, &asked).await?;
        for ((topic, partition), _) in &asked {
            match found.remove(&(topic.clone(), *partition)) {
                Some(Ok(offset)) if offset >= 0 => say!("{topic}:{partition}:{offset}"),
                Some(Err(error)) => eprintln!(
                    "Skip getting offsets for topic-partition {topic}-{partition} due to error: {}",
                    java_text(&known(error))
                ),
                _ => {}
            }
        }
        Ok(())
    })
}

/// A sentinel that the broker does not know.
fn known(error: Error) -> Error {
    match error.code() {
        Some(ErrorCode::UnsupportedVersion) | None => Error::Broker(
            ErrorCode::UnsupportedVersion,
            Some("The version of API is not supported.".to_owned()),
        ),
        Some(_) => error,
    }
}

fn timestamp(text: &str) -> Result<i64, String> {
    let named = SENTINELS.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    named.or_else(|| text.parse().ok()).ok_or_else(|| {
        let all: Vec<String> = SENTINELS.iter().map(|(name, value)| format!("{value} or {name}")).collect();
        format!(
            "Malformed time argument {text}. Please use {}, or a specified long format timestamp",
            all.join(" / ")
        )
    })
}

fn rules(parsed: &Parsed) -> Result<Result<Vec<Rule>, String>, Stop> {
    if let Some(list) = parsed.value("topic-partitions")? {
        return Ok(list.split(',').map(rule).collect());
    }
    let topic = parsed.value("topic")?.unwrap_or(".*");
    let Some(topic) = whole(topic) else { return Ok(Err(format!("{topic} is an invalid regex."))) };
    let Some(list) = parsed.value("partitions")? else { return Ok(Ok(vec![(topic, 0, i64::MAX)])) };
    let number = |text: &str| text.trim().parse::<i64>().ok();
    let numbers: Option<Vec<i64>> = list.split(',').map(number).collect();
    let wrong =
        format!("--partitions expects a comma separated list of numeric partition ids, but received: {list}");
    let rules =
        numbers.map(|all| all.into_iter().map(|one| (topic.clone(), one, one.saturating_add(1))).collect());
    Ok(rules.ok_or(wrong))
}

fn whole(expression: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{expression})$")).ok()
}

/// `topic`, `topic:1`, `topic:1-3`, `topic:1-`, `topic:-3`, `:1`.
fn rule(text: &str) -> Result<Rule, String> {
    let wrong = || format!("org.apache.kafka.tools.TerseException: Invalid rule specification: {text}");
    let (topic, range) = text.split_once(':').unwrap_or((text, ""));
    let topic = whole(if topic.is_empty() { ".*" } else { topic }).ok_or_else(wrong)?;
    let number = |text: &str, empty: i64| {
        if text.is_empty() { Ok(empty) } else { text.parse::<u32>().map(i64::from).map_err(|_| wrong()) }
    };
    let (first, end) = match range.split_once('-') {
        Some((first, end)) => (number(first, 0)?, number(end, i64::MAX)?),
        None if range.is_empty() => (0, i64::MAX),
        None => {
            let one = number(range, 0)?;
            (one, one + 1)
        }
    };
    Ok((topic, first, end))
}

async fn places(admin: &Admin, rules: &[Rule], excluded: bool) -> Result<Vec<Place>, Stop> {
    let mut places = Vec::new();
    for topic in admin.metadata(None).await?.topics {
        let Some(name) = topic.name.filter(|_| !(excluded && topic.is_internal)) else { continue };
        for partition in topic.partitions {
            let number = i64::from(partition.partition_index);
            let fits = |(topic, first, end): &Rule| topic.is_match(&name) && (*first..*end).contains(&number);
            if rules.iter().any(fits) {
                places.push((name.to_string(), partition.partition_index));
            }
        }
    }
    places.sort_unstable();
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_ranges_without_their_end() {
        for (text, topic, range) in [
            ("t", "t", Some((0, i64::MAX))),
            ("t:1", "t", Some((1, 2))),
            ("t:1-3", "t", Some((1, 3))),
            ("t:1-", "t", Some((1, i64::MAX))),
            ("t:-3", "t", Some((0, 3))),
            (":0", "any", Some((0, 1))),
            ("t:a", "t", None),
        ] {
            let found = rule(text).ok();
            assert!(found.as_ref().is_none_or(|(regex, ..)| regex.is_match(topic)), "{text}");
            assert_eq!(found.map(|(_, first, end)| (first, end)), range, "{text}");
        }
    }
}
