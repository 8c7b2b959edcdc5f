//! What the administrative tools ask a cluster for, each question in the form the tools need.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Cluster, Error};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResult;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{DescribeConfigsRequest, ListOffsetsRequest, MetadataResponse};
use protocol::{ApiRequest, ErrorCode, Str};
use types::NodeId;

use crate::Stop;
use crate::options::Parsed;

/// How long a tool looks for a broker that answers, `default.api.timeout.ms` of Kafka's clients.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, asked on behalf of an operator.
pub struct Admin {
    pub cluster: Cluster,
}

/// One partition by topic and number.
pub type Place = (String, i32);

impl Admin {
    /// Waits for a broker that answers, telling of those that do not. `call` is named where none does.
    pub async fn reach(parsed: &Parsed, call: &str) -> Result<Admin, Stop> {
        Admin::reach_cluster(crate::connecting::cluster(parsed)?, call).await
    }

    pub async fn reach_cluster(cluster: Cluster, call: &str) -> Result<Admin, Stop> {
        let end = tokio::time::Instant::now() + PATIENCE;
        let mut said = false;
        for tries in 0.. {
            match cluster.any().await {
                Ok(_) => break,
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
        Ok(Admin { cluster })
    }

    /// Any broker: those that cannot answer pass the request on to the controller.
    pub async fn call<R: ApiRequest>(&self, request: &R) -> Result<R::Response, Error> {
        self.cluster.any().await?.call(request).await
    }

    pub async fn call_node<R: ApiRequest>(&self, id: i32, request: &R) -> Result<R::Response, Error> {
        self.cluster.node(NodeId(id)).await?.call(request).await
    }

    /// All topics, or these.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse, Error> {
        self.cluster.refresh(topics).await
    }

    /// Ids of all brokers.
    pub async fn brokers(&self) -> Result<Vec<i32>, Error> {
        Ok(self.metadata(Some(&[])).await?.brokers.iter().map(|broker| broker.node_id).collect())
    }

    /// The configs of one kind of resource; brokers and their loggers are asked themselves.
    pub async fn configs(
        &self,
        resource_type: i8,
        names: &[String],
        include_synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResult>, Error> {
        let resource = |name: &String| DescribeConfigsResource {
            resource_type,
            resource_name: Str::from(name.as_str()),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest {
            resources: names.iter().map(resource).collect(),
            include_synonyms,
            include_documentation: false,
        };
        let broker = names.first().and_then(|name| name.parse::<i32>().ok());
        let response = match (resource_type, broker) {
            (4 | 8, Some(id)) => match self.cluster.node(NodeId(id)).await {
                Ok(broker) => broker.call(&request).await?,
                // controllers tell of a broker what they know
                Err(_) => self.call(&request).await?,
            },
            _ => self.call(&request).await?,
        };
        for result in &response.results {
            Error::check(result.error_code, result.error_message.as_ref())?;
        }
        Ok(response.results)
    }

    /// Asks the leaders of these partitions, each about its own timestamp or sentinel; an offset is negative where no
    /// record fits.
    pub async fn offsets(
        &self,
        wanted: &[(Place, i64)],
    ) -> Result<BTreeMap<Place, Result<i64, Error>>, Error> {
        let mut found = BTreeMap::new();
        let mut by_leader: BTreeMap<NodeId, Vec<&(Place, i64)>> = BTreeMap::new();
        for one in wanted {
            let (place, _) = one;
            match self.cluster.leader(&place.0, place.1).await {
                Ok(leader) => by_leader.entry(leader).or_default().push(one),
                Err(error) => drop(found.insert(place.clone(), Err(error))),
            }
        }
        for (leader, asked) in by_leader {
            let connection = self.cluster.node(leader).await?;
            match connection.call(&list_offsets(&asked)).await {
                Ok(response) => {
                    for topic in response.topics {
                        for one in topic.partitions {
                            let outcome = Error::check(one.error_code, None).map(|()| one.offset);
                            found.insert((topic.name.to_string(), one.partition_index), outcome);
                        }
                    }
                }
                Err(error) => {
                    for (place, _) in asked {
                        found.insert(place.clone(), Err(error.clone()));
                    }
                }
            }
        }
        Ok(found)
    }
}

fn list_offsets(asked: &[&(Place, i64)]) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for ((topic, partition), timestamp) in asked {
        topics.entry(topic).or_default().push(ListOffsetsPartition {
            partition_index: *partition,
            current_leader_epoch: -1,
            timestamp: *timestamp,
        });
    }
    let topic = |(name, partitions)| ListOffsetsTopic { name: Str::from(name), partitions };
    ListOffsetsRequest {
        replica_id: -1,
        topics: topics.into_iter().map(topic).collect(),
        timeout_ms: 30_000,
        ..Default::default()
    }
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
