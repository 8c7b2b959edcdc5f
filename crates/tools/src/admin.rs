//! What the administrative tools share: reaching a cluster, and how errors are named.

use std::collections::BTreeMap;
use std::time::Duration;

pub use client::Admin;
use client::{Cluster, Error};
use protocol::ErrorCode;
use types::TopicPartition;

use crate::Stop;
use crate::options::Parsed;

/// How long a tool looks for a broker that answers, `default.api.timeout.ms` of Kafka's clients.
const PATIENCE: Duration = Duration::from_secs(60);

/// One partition by topic and number.
pub type Place = (String, i32);

/// Waits for a broker that answers, telling of those that do not. `call` is named where none does.
pub async fn reach(parsed: &Parsed, call: &str) -> Result<Admin, Stop> {
    reach_cluster(crate::connecting::cluster(parsed)?, call).await
}

pub async fn reach_cluster(cluster: Cluster, call: &str) -> Result<Admin, Stop> {
    let end = tokio::time::Instant::now() + PATIENCE;
    let mut said = false;
    for tries in 0.. {
        match cluster.any().await {
            Ok(node) => {
                // controllers know no topics: Kafka's client, which asks any broker for them first, stops there
                if !cluster.config().of_controllers {
                    node.version(protocol::ApiKey::Metadata)
                        .map_err(|error| Stop::error(java_text(&error)))?;
                }
                break;
            }
            Err(error @ Error::Broker(..)) if !error.is_retriable() => {
                return Err(Stop::error(java_text(&error)));
            }
            Err(error) if !error.is_retriable() => return Err(error.into()),
            Err(error) if !said => {
                eprintln!("WARN {error}. The node may not be available yet; trying again.");
                said = true;
            }
            Err(_) => {}
        }
        if tokio::time::Instant::now() >= end {
            return Err(Stop::error(format!("Timed out waiting for a node assignment. Call: {call}")));
        }
        tokio::time::sleep(cluster.config().backoff(tries)).await;
    }
    Ok(Admin::new(cluster))
}

/// `Admin::offsets` by the names that the tools use.
pub async fn offsets(
    admin: &Admin,
    wanted: &[(Place, i64)],
) -> Result<BTreeMap<Place, Result<i64, Error>>, Error> {
    let partition =
        |(topic, partition): &Place| TopicPartition { topic: topic.as_str().into(), partition: *partition };
    let wanted: Vec<_> = wanted.iter().map(|(place, time)| (partition(place), *time)).collect();
    let found = admin.offsets(&wanted).await?;
    Ok(found.into_iter().map(|(one, outcome)| ((one.topic.to_string(), one.partition), outcome)).collect())
}

/// Name of the Java exception of an error code, as Kafka's tools print it.
pub fn exception(code: ErrorCode) -> String {
    let name = match code {
        ErrorCode::UnknownServerError => "UnknownServer".to_owned(),
        _ => match code.name() {
            "NON_EMPTY_GROUP" => "GroupNotEmpty".to_owned(),
            "INVALID_CONFIG" => "InvalidConfiguration".to_owned(),
            "TOPIC_ALREADY_EXISTS" => "TopicExists".to_owned(),
            "REQUEST_TIMED_OUT" => "Timeout".to_owned(),
            "INVALID_TOPIC_EXCEPTION" => "InvalidTopic".to_owned(),
            "TOPIC_AUTHORIZATION_FAILED" => "TopicAuthorization".to_owned(),
            "GROUP_AUTHORIZATION_FAILED" => "GroupAuthorization".to_owned(),
            "CLUSTER_AUTHORIZATION_FAILED" => "ClusterAuthorization".to_owned(),
            "KAFKA_STORAGE_ERROR" => "KafkaStorage".to_owned(),
            name => name.split('_').map(capitalized).collect(),
        },
    };
    format!("org.apache.kafka.common.errors.{name}Exception")
}

/// An error as Java's `toString` shows it: the exception's name, then its message.
pub fn java_text(error: &Error) -> String {
    let name = match error {
        Error::Broker(code, _) => exception(*code),
        Error::TimedOut(_) | Error::Disconnected(_) => exception(ErrorCode::RequestTimedOut),
        Error::Unsupported(_) | Error::Unwritable(_) => exception(ErrorCode::UnsupportedVersion),
        Error::Config(_) | Error::Malformed(_) => "org.apache.kafka.common.KafkaException".to_owned(),
    };
    match error {
        Error::Unsupported(api_key) => {
            format!("{name}: The node does not support {}", shouted(api_key.name()))
        }
        error => format!("{name}: {error}"),
    }
}

/// `ListGroups` to `LIST_GROUPS`.
fn shouted(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// `SHOUTED` to `Shouted`.
pub fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect()
}

/// Numbers joined by commas.
pub fn joined(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// The topics that a tool's --topic means: a regular expression for the whole name, several joined by commas.
pub fn topic_filter(text: &str) -> Result<regex::Regex, Stop> {
    let text = text.trim().replace(',', "|").replace([' ', '"', '\''], "");
    regex::Regex::new(&format!("^(?:{text})$"))
        .map_err(|_| Stop::error(format!("{text} is an invalid regex.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_have_javas_names() {
        for (code, name) in [
            (ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException"),
            (ErrorCode::GroupIdNotFound, "GroupIdNotFoundException"),
            (ErrorCode::NonEmptyGroup, "GroupNotEmptyException"),
            (ErrorCode::OffsetOutOfRange, "OffsetOutOfRangeException"),
        ] {
            assert_eq!(exception(code), format!("org.apache.kafka.common.errors.{name}"));
        }
    }

    #[test]
    fn filters_match_whole_names() {
        let filter = topic_filter("alpha, be.*").unwrap();
        assert!(filter.is_match("alpha") && filter.is_match("beta"));
        assert!(!filter.is_match("alpha2") && !filter.is_match("xbeta"));
    }
}
