//! What administers a cluster: topics, configs, offsets. Whatever has no method here is asked by `call`, with the
//! protocol's own requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResult;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, ListOffsetsRequest, MetadataResponse,
};
use protocol::{ApiKey, ApiRequest, ErrorCode, Str};
use tokio::time::{Instant, sleep};
use types::{NodeId, TopicPartition};

use crate::{Cluster, Error};

/// How long the cluster may take over a change.
const TIMEOUT_MS: i32 = 30_000;
/// Resources whose own broker knows best: a broker, its loggers.
const OF_ONE_BROKER: [i8; 2] = [4, 8];

/// A cluster, asked on behalf of an operator. A clone is the same cluster.
#[derive(Clone, Debug)]
pub struct Admin {
    pub cluster: Cluster,
}

impl Admin {
    /// Nothing is connected yet.
    pub fn new(cluster: Cluster) -> Admin {
        Admin { cluster }
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

    /// Makes topics; what became of each, in the order of the answer.
    pub async fn create_topics(
        &self,
        topics: Vec<CreatableTopic>,
    ) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
        let results = self.call(&request).await?.topics.into_iter();
        let outcome = |code, text: Option<Str>| Error::check(code, text.as_ref());
        Ok(results.map(|one| (one.name.to_string(), outcome(one.error_code, one.error_message))).collect())
    }

    /// Gives topics more partitions. The first error ends it.
    pub async fn create_partitions(&self, topics: Vec<CreatePartitionsTopic>) -> Result<(), Error> {
        let request = CreatePartitionsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
        let response = self.call(&request).await?;
        response.results.iter().try_for_each(|one| Error::check(one.error_code, one.error_message.as_ref()))
    }

    /// Deletes topics by name. The first error ends it.
    pub async fn delete_topics(&self, names: &[String]) -> Result<(), Error> {
        let connection = self.cluster.any().await?;
        let by_state = connection.version(ApiKey::DeleteTopics)? >= 6;
        let names = names.iter().map(|name| Str::from(name.as_str()));
        let mut request = DeleteTopicsRequest { timeout_ms: TIMEOUT_MS, ..Default::default() };
        if by_state {
            let state = |name| DeleteTopicState { name: Some(name), ..Default::default() };
            request.topics = names.map(state).collect();
        } else {
            request.topic_names = names.collect();
        }
        let response = connection.call(&request).await?;
        response.responses.iter().try_for_each(|one| Error::check(one.error_code, one.error_message.as_ref()))
    }

    /// Deletes the records before `offset` (-1: all that are committed); gives the first offset that is left.
    pub async fn delete_records(&self, partition: &TopicPartition, offset: i64) -> Result<i64, Error> {
        // a topic that is not there is said at once, a leader is waited for
        self.cluster.topic(&partition.topic).await?;
        let leader = self.cluster.leader(&partition.topic, partition.partition).await?;
        let of_partition = DeleteRecordsPartition { partition_index: partition.partition, offset };
        let topic = DeleteRecordsTopic { name: Str::from(&*partition.topic), partitions: vec![of_partition] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS };
        let response = self.call_node(leader.0, &request).await?;
        let result = response.topics.iter().flat_map(|topic| &topic.partitions).next();
        let result = result.ok_or(Error::Broker(ErrorCode::UnknownServerError, None))?;
        Error::check(result.error_code, None).map(|()| result.low_watermark)
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
        let response = match broker.filter(|_| OF_ONE_BROKER.contains(&resource_type)) {
            Some(id) => match self.cluster.node(NodeId(id)).await {
                Ok(broker) => broker.call(&request).await?,
                // controllers tell of a broker what they know
                Err(_) => self.call(&request).await?,
            },
            None => self.call(&request).await?,
        };
        for result in &response.results {
            Error::check(result.error_code, result.error_message.as_ref())?;
        }
        Ok(response.results)
    }

    /// Asks the leaders of these partitions, each about its own timestamp or sentinel; an offset is negative where no
    /// record fits. Those whose leader is gone or another are asked for again until the request time-out.
    pub async fn offsets(
        &self,
        wanted: &[(TopicPartition, i64)],
    ) -> Result<BTreeMap<TopicPartition, Result<i64, Error>>, Error> {
        let config = self.cluster.config();
        let deadline = Instant::now() + config.request_timeout;
        let mut found = BTreeMap::new();
        let mut left: Vec<&(TopicPartition, i64)> = wanted.iter().collect();
        for tries in 0.. {
            self.offsets_once(&left, &mut found).await;
            left.retain(
                |(partition, _)| matches!(found.get(partition), Some(Err(error)) if error.is_retriable()),
            );
            if left.is_empty() || Instant::now() >= deadline {
                break;
            }
            sleep(config.backoff(tries)).await;
            left.iter().for_each(|(partition, _)| self.cluster.forget(&partition.topic));
        }
        Ok(found)
    }

    async fn offsets_once(
        &self,
        wanted: &[&(TopicPartition, i64)],
        found: &mut BTreeMap<TopicPartition, Result<i64, Error>>,
    ) {
        let mut by_leader: BTreeMap<NodeId, Vec<&(TopicPartition, i64)>> = BTreeMap::new();
        for one in wanted {
            let (partition, _) = one;
            match self.cluster.leader(&partition.topic, partition.partition).await {
                Ok(leader) => by_leader.entry(leader).or_default().push(one),
                Err(error) => drop(found.insert(partition.clone(), Err(error))),
            }
        }
        for (leader, asked) in by_leader {
            match self.call_node(leader.0, &list_offsets(&asked)).await {
                Ok(response) => {
                    for topic in response.topics {
                        let name: Arc<str> = topic.name.as_str().into();
                        for one in topic.partitions {
                            let outcome = Error::check(one.error_code, None).map(|()| one.offset);
                            let partition =
                                TopicPartition { topic: Arc::clone(&name), partition: one.partition_index };
                            found.insert(partition, outcome);
                        }
                    }
                }
                Err(error) => {
                    for (partition, _) in asked {
                        found.insert(partition.clone(), Err(error.clone()));
                    }
                }
            }
        }
    }
}

fn list_offsets(asked: &[&(TopicPartition, i64)]) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, timestamp) in asked {
        topics.entry(&partition.topic).or_default().push(ListOffsetsPartition {
            partition_index: partition.partition,
            current_leader_epoch: -1,
            timestamp: *timestamp,
        });
    }
    let topic = |(name, partitions)| ListOffsetsTopic { name: Str::from(name), partitions };
    ListOffsetsRequest {
        replica_id: -1,
        topics: topics.into_iter().map(topic).collect(),
        timeout_ms: TIMEOUT_MS,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_topic_are_asked_for_together() {
        let wanted = [("b", 1, -1), ("a", 0, 5), ("b", 0, -2)].map(|(topic, partition, timestamp)| {
            (TopicPartition { topic: topic.into(), partition }, timestamp)
        });
        let request = list_offsets(&wanted.iter().collect::<Vec<_>>());
        let rows = request.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| (topic.name.as_str(), one.partition_index, one.timestamp))
        });
        assert_eq!(rows.collect::<Vec<_>>(), [("a", 0, 5), ("b", 1, -1), ("b", 0, -2)]);
    }
}
