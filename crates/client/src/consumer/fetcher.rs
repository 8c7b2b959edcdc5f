//! Fetches: one request under way for each broker, its answer kept until it is read. A leader may name a replica that is
//! nearer to this client (KIP-392): that one is asked until it fails, or for as long as metadata counts as fresh.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use protocol::messages::{FetchRequest, FetchResponse};
use protocol::{ApiKey, ErrorCode};
use tokio::sync::mpsc;
use tokio::time::Instant;
use types::{NodeId, TopicPartition};

use super::config::{ConsumerConfig, IsolationLevel};
use super::fetched::Fetched;
use super::session::{Session, Wanted};
use crate::{Cluster, Error};

/// What a broker said of a partition beside records.
#[derive(Debug)]
pub struct Trouble {
    pub partition: TopicPartition,
    pub asked: i64,
    pub code: ErrorCode,
}

struct Answer {
    node: NodeId,
    asked: BTreeMap<TopicPartition, i64>,
    outcome: Result<FetchResponse, Error>,
}

pub struct Fetcher {
    cluster: Cluster,
    nodes: BTreeMap<NodeId, Node>,
    sender: mpsc::UnboundedSender<Answer>,
    answers: mpsc::UnboundedReceiver<Answer>,
    pub buffered: VecDeque<Fetched>,
    /// Replicas to ask instead of leaders, and until when.
    nearer: BTreeMap<TopicPartition, (NodeId, Instant)>,
}

#[derive(Default)]
struct Node {
    session: Session,
    busy: bool,
    not_before: Option<Instant>,
}

impl Fetcher {
    pub fn new(cluster: Cluster) -> Fetcher {
        let (sender, answers) = mpsc::unbounded_channel();
        let (nodes, buffered, nearer) = (BTreeMap::new(), VecDeque::new(), BTreeMap::new());
        Fetcher { cluster, nodes, sender, answers, buffered, nearer }
    }

    /// Asks the leaders, or whom they named, that are not asked yet for what follows these positions. Gives the topics whose leaders are
    /// not known.
    pub fn send(
        &mut self,
        positions: impl Iterator<Item = (TopicPartition, i64)>,
        config: &ConsumerConfig,
    ) -> BTreeSet<Arc<str>> {
        let now = Instant::now();
        let mut missing = BTreeSet::new();
        let mut by_node: BTreeMap<NodeId, BTreeMap<TopicPartition, Wanted>> = BTreeMap::new();
        for (partition, offset) in positions {
            if self.buffered.iter().any(|fetched| fetched.partition == partition) {
                continue;
            }
            let topic = self.cluster.known_topic(&partition.topic);
            let found = topic.as_ref().and_then(|topic| {
                let partition = topic.partition(partition.partition)?;
                Some((topic.id, partition.leader?, partition.leader_epoch))
            });
            let Some((topic_id, leader, leader_epoch)) = found else {
                missing.insert(Arc::clone(&partition.topic));
                continue;
            };
            let node = self.nearer(&partition, now).unwrap_or(leader);
            let bytes_max = config.max_partition_fetch_bytes;
            let wanted = Wanted { topic_id, offset, leader_epoch, bytes_max };
            by_node.entry(node).or_default().insert(partition, wanted);
        }
        for (id, wanted) in by_node {
            let node = self.nodes.entry(id).or_default();
            if !node.busy && node.not_before.is_none_or(|time| time <= now) {
                self.fetch(id, wanted, config);
            }
        }
        missing
    }

    fn nearer(&mut self, partition: &TopicPartition, now: Instant) -> Option<NodeId> {
        let &(node, until) = self.nearer.get(partition)?;
        if now < until {
            return Some(node);
        }
        self.nearer.remove(partition);
        None
    }

    /// Back to the leader, where `node` was asked in its stead.
    fn turn_back(&mut self, partition: &TopicPartition, node: NodeId) -> bool {
        let asked = self.nearer.get(partition).is_some_and(|(named, _)| *named == node);
        asked && self.nearer.remove(partition).is_some()
    }

    fn fetch(&mut self, id: NodeId, wanted: BTreeMap<TopicPartition, Wanted>, config: &ConsumerConfig) {
        let asked = wanted.iter().map(|(partition, wanted)| (partition.clone(), wanted.offset)).collect();
        let by_name = wanted.values().any(|wanted| wanted.topic_id.is_zero());
        let mut request = FetchRequest {
            replica_id: -1,
            max_wait_ms: i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: config.fetch_min_bytes,
            max_bytes: config.fetch_max_bytes,
            isolation_level: config.isolation_level as i8,
            rack_id: protocol::Str::from(&config.client_rack),
            ..Default::default()
        };
        let node = self.nodes.entry(id).or_default();
        node.busy = true;
        node.session.fill(&mut request, wanted);
        let (cluster, sender) = (self.cluster.clone(), self.sender.clone());
        let patience = cluster.config().request_timeout.max(config.fetch_max_wait + Duration::from_secs(5));
        tokio::spawn(async move {
            let outcome = async {
                let connection = cluster.node(id).await?;
                let version = connection.version(ApiKey::Fetch)?;
                let version = if by_name { version.min(12) } else { version };
                connection.call_within(&request, version, patience).await
            };
            let outcome = outcome.await;
            let _ = sender.send(Answer { node: id, asked, outcome });
        });
    }

    /// Waits for the next answer and takes it in.
    pub async fn wait(&mut self, config: &ConsumerConfig) -> Vec<Trouble> {
        match self.answers.recv().await {
            Some(answer) => self.take(answer, config),
            None => Vec::new(),
        }
    }

    /// Takes in the answers that are there.
    pub fn take_all(&mut self, config: &ConsumerConfig) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        while let Ok(answer) = self.answers.try_recv() {
            troubles.extend(self.take(answer, config));
        }
        troubles
    }

    fn take(&mut self, answer: Answer, config: &ConsumerConfig) -> Vec<Trouble> {
        let node = self.nodes.entry(answer.node).or_default();
        node.busy = false;
        let outcome = answer.outcome.and_then(|answer| {
            Error::check(answer.error_code, None)?;
            Ok(answer)
        });
        let response = match outcome {
            Ok(response) => response,
            Err(error) => {
                node.session.reset();
                let renewed = matches!(
                    error.code(),
                    Some(ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch)
                );
                if !renewed {
                    node.not_before = Some(Instant::now() + self.cluster.config().retry_backoff);
                    for partition in answer.asked.keys() {
                        self.cluster.forget(&partition.topic);
                        self.turn_back(partition, answer.node);
                    }
                }
                return Vec::new();
            }
        };
        let mut troubles = Vec::new();
        for topic in response.responses {
            let session = self.nodes.get(&answer.node).map(|node| &node.session);
            let name: Option<Arc<str>> = match topic.topic.is_empty() {
                true => {
                    let known = session.and_then(|session| session.topic(topic.topic_id));
                    known.map(|known| Arc::clone(&known.topic))
                }
                false => Some(topic.topic.as_str().into()),
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let partition = TopicPartition { topic: Arc::clone(&name), partition: data.partition_index };
                let Some(asked) = answer.asked.get(&partition).copied() else { continue };
                let code = ErrorCode::from(data.error_code);
                if code.is_error() {
                    let by_replica = self.turn_back(&partition, answer.node);
                    // a replica may lack what its leader has
                    if !(by_replica && code == ErrorCode::OffsetOutOfRange) {
                        troubles.push(Trouble { partition, asked, code });
                    }
                    continue;
                }
                if data.preferred_read_replica >= 0 {
                    let until = Instant::now() + self.cluster.config().metadata_max_age;
                    self.nearer.insert(partition, (NodeId(data.preferred_read_replica), until));
                    continue;
                }
                let bytes = data.records.bytes().unwrap_or_default();
                if bytes.is_empty() {
                    continue;
                }
                let committed = config.isolation_level == IsolationLevel::ReadCommitted;
                let aborted = committed.then(|| data.aborted_transactions.unwrap_or_default());
                self.buffered.push_back(Fetched::new(partition, asked, bytes, aborted, config.check_crcs));
            }
        }
        if let Some(node) = self.nodes.get_mut(&answer.node) {
            node.session.answered(response.session_id);
        }
        troubles
    }
}

#[cfg(test)]
mod tests {
    use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};

    use super::*;
    use crate::ClientConfig;

    fn partition() -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: 0 }
    }

    fn answer(node: i32, code: ErrorCode, preferred_read_replica: i32) -> Answer {
        let data = PartitionData { error_code: code.code(), preferred_read_replica, ..Default::default() };
        let topic =
            FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
        let response = FetchResponse { responses: vec![topic], session_id: 5, ..Default::default() };
        Answer { node: NodeId(node), asked: BTreeMap::from([(partition(), 7)]), outcome: Ok(response) }
    }

    #[test]
    fn a_nearer_replica_is_asked_until_it_fails() {
        let config = ConsumerConfig::default();
        let lost =
            Answer { outcome: Err(Error::Disconnected(String::new())), ..answer(2, ErrorCode::None, -1) };
        for (name, end, troubles) in [
            ("out of range", answer(2, ErrorCode::OffsetOutOfRange, -1), 0),
            ("another error", answer(2, ErrorCode::NotLeaderOrFollower, -1), 1),
            ("disconnected", lost, 0),
        ] {
            let mut fetcher = Fetcher::new(Cluster::new(ClientConfig::default()));
            assert_eq!(fetcher.nearer(&partition(), Instant::now()), None);
            assert!(fetcher.take(answer(1, ErrorCode::None, 2), &config).is_empty());
            assert_eq!(fetcher.nearer(&partition(), Instant::now()), Some(NodeId(2)));
            // an answer of the replica that names nobody changes nothing, nor does a late error of the leader
            fetcher.take(answer(2, ErrorCode::None, -1), &config);
            fetcher.take(answer(1, ErrorCode::NotLeaderOrFollower, -1), &config);
            assert_eq!(fetcher.nearer(&partition(), Instant::now()), Some(NodeId(2)), "{name}");
            assert_eq!(fetcher.take(end, &config).len(), troubles, "{name}");
            assert_eq!(fetcher.nearer(&partition(), Instant::now()), None, "{name}");
        }
    }

    #[test]
    fn a_nearer_replica_is_asked_for_a_while() {
        let mut fetcher = Fetcher::new(Cluster::new(ClientConfig::default()));
        fetcher.take(answer(1, ErrorCode::None, 2), &ConsumerConfig::default());
        let late = Instant::now() + fetcher.cluster.config().metadata_max_age;
        assert_eq!(fetcher.nearer(&partition(), late), None);
    }
}
