//! Fetches: one request under way for each broker, its answer kept until it is read.

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
        Fetcher { cluster, nodes: BTreeMap::new(), sender, answers, buffered: VecDeque::new() }
    }

    /// Asks the leaders that are not asked yet for what follows these positions. Gives the topics whose leaders are
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
            let bytes_max = config.max_partition_fetch_bytes;
            let wanted = Wanted { topic_id, offset, leader_epoch, bytes_max };
            by_node.entry(leader).or_default().insert(partition, wanted);
        }
        for (id, wanted) in by_node {
            let node = self.nodes.entry(id).or_default();
            if !node.busy && node.not_before.is_none_or(|time| time <= now) {
                self.fetch(id, wanted, config);
            }
        }
        missing
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
                    answer.asked.keys().for_each(|partition| self.cluster.forget(&partition.topic));
                }
                return Vec::new();
            }
        };
        let mut troubles = Vec::new();
        for topic in response.responses {
            let name: Option<Arc<str>> = match topic.topic.is_empty() {
                true => node.session.topic(topic.topic_id).map(|known| Arc::clone(&known.topic)),
                false => Some(topic.topic.as_str().into()),
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let partition = TopicPartition { topic: Arc::clone(&name), partition: data.partition_index };
                let Some(asked) = answer.asked.get(&partition).copied() else { continue };
                let code = ErrorCode::from(data.error_code);
                if code.is_error() {
                    troubles.push(Trouble { partition, asked, code });
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
        node.session.answered(response.session_id);
        troubles
    }
}
