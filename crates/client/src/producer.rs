//! The producer: records are gathered into batches by partition and sent by one task, in order, again where it helps.

mod accumulator;
mod batch;
mod config;
mod partitioner;
mod sender;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ErrorCode;
use records::record_size;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use types::NodeId;

use accumulator::{Accumulator, Rules};
pub use batch::Completion;
pub use config::{Acks, Partitioning, ProducerConfig};
pub use partitioner::{murmur2, partition_of_key};
use sender::Node;

use crate::random::Random;
use crate::{Cluster, Error, ProducerRecord, RecordMetadata, TopicMetadata};

/// A clone is the same producer.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Cluster,
    config: ProducerConfig,
    state: Mutex<Accumulator>,
    nodes: Mutex<BTreeMap<NodeId, Node>>,
    /// Bytes of `buffer.memory` that are free.
    memory: Semaphore,
    wake: Notify,
    /// Told whenever a batch is done.
    idle: Notify,
    asking: AtomicBool,
    refreshing: AtomicBool,
    random: Random,
}

/// The fate of one record.
pub struct Delivery(oneshot::Receiver<Result<RecordMetadata, Error>>);

impl Delivery {
    pub async fn wait(self) -> Result<RecordMetadata, Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::Disconnected("the producer is closed".to_owned())))
    }
}

impl Producer {
    /// To be called inside a tokio runtime, which carries the sending task.
    pub fn new(cluster: Cluster, config: ProducerConfig) -> Producer {
        let memory = Semaphore::new(config.buffer_bytes_max.min(Semaphore::MAX_PERMITS));
        let inner = Arc::new(Inner {
            cluster,
            config,
            state: Mutex::default(),
            nodes: Mutex::default(),
            memory,
            wake: Notify::new(),
            idle: Notify::new(),
            asking: AtomicBool::new(false),
            refreshing: AtomicBool::new(false),
            random: Random::new(),
        });
        tokio::spawn(sender::run(Arc::clone(&inner)));
        Producer { inner }
    }

    /// Queues the record; waits where metadata or memory are missing, at most `max.block.ms`.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, Error> {
        let (sender, receiver) = oneshot::channel();
        let completion: Completion = Box::new(move |outcome| drop(sender.send(outcome)));
        self.send_with(record, completion).await?;
        Ok(Delivery(receiver))
    }

    /// As `send`, with something to call when the record's fate is known. Not called where this gives an error.
    pub async fn send_with(&self, record: ProducerRecord, completion: Completion) -> Result<(), Error> {
        let inner = &self.inner;
        let deadline = Instant::now() + inner.config.max_block;
        let topic = match inner.cluster.known_topic(&record.topic) {
            Some(topic) => topic,
            None => inner.find_topic(&record.topic, deadline).await?,
        };
        let headers: Vec<records::RecordHeader<'_>> = record
            .headers
            .iter()
            .map(|header| records::RecordHeader {
                key: header.key.as_bytes(),
                value: header.value.as_deref(),
            })
            .collect();
        let size = record_size(record.key.as_deref(), record.value.as_deref(), &headers);
        inner.check_size(size)?;
        let topic = match record.partition {
            Some(partition) if topic.partition(partition).is_none() => {
                inner.find_partition(&record.topic, partition, deadline).await?
            }
            _ => topic,
        };
        inner.reserve(size, deadline).await?;
        inner.enqueue(&record, &topic, size, completion);
        Ok(())
    }

    /// Sends all that waits, and waits until its fate is known.
    pub async fn flush(&self) {
        let inner = &self.inner;
        let until = {
            let mut state = inner.state();
            state.hurry += 1;
            state.next_number()
        };
        inner.wake.notify_one();
        loop {
            let told = inner.idle.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if inner.state().is_done_before(until) {
                break;
            }
            told.await;
        }
        inner.state().hurry -= 1;
    }

    /// Sends what waits, then ends the sending task.
    pub async fn close(&self) {
        self.flush().await;
        self.inner.state().closed = true;
        self.inner.wake.notify_one();
    }

    /// The topic's partitions, asked for where they are not known; the broker may create the topic.
    pub async fn partitions_for(&self, topic: &str) -> Result<Arc<TopicMetadata>, Error> {
        match self.inner.cluster.known_topic(topic) {
            Some(known) => Ok(known),
            None => self.inner.find_topic(topic, Instant::now() + self.inner.config.max_block).await,
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, Accumulator> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> Rules {
        Rules {
            linger: self.config.linger,
            batch_bytes: self.config.batch_bytes,
            idempotence: self.config.idempotence,
            compression: self.config.compression,
        }
    }

    fn check_size(&self, size: usize) -> Result<(), Error> {
        // Kafka counts the batch's header too
        let size = size + records::HEADER_SIZE;
        let limits = [
            (self.config.max_request_bytes, "max.request.size"),
            (self.config.buffer_bytes_max, "buffer.memory"),
        ];
        match limits.into_iter().find(|(limit, _)| size > *limit) {
            None => Ok(()),
            Some((limit, name)) => {
                let text = match name {
                    "max.request.size" => format!(
                        "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the {name} configuration."
                    ),
                    _ => format!(
                        "The message is {size} bytes when serialized which is larger than the total memory buffer you have configured with the {name} configuration."
                    ),
                };
                Err(Error::Broker(ErrorCode::MessageTooLarge, Some(text)))
            }
        }
    }

    async fn find_topic(&self, name: &str, deadline: Instant) -> Result<Arc<TopicMetadata>, Error> {
        let asked = async {
            for tries in 0.. {
                let error = match self.cluster.refresh_or_create(&[name]).await {
                    Ok(answer) => {
                        let topic = answer.topics.iter().find(|topic| topic.name.as_deref() == Some(name));
                        let code = topic.map_or(ErrorCode::UnknownTopicOrPartition.code(), |t| t.error_code);
                        Error::check(code, refusal(code, name).as_ref()).err()
                    }
                    Err(error) => Some(error),
                };
                match (error, self.cluster.known_topic(name)) {
                    (Some(error), _) if !error.is_retriable() => return Err(error),
                    (None, Some(topic)) => return Ok(topic),
                    _ => sleep(self.cluster.config().backoff(tries)).await,
                }
            }
            unreachable!("the loop ends by returning")
        };
        let waited = || {
            format!("Topic {name} not present in metadata after {} ms.", self.config.max_block.as_millis())
        };
        timeout_at(deadline, asked).await.unwrap_or_else(|_| Err(Error::TimedOut(waited())))
    }

    async fn find_partition(
        &self,
        name: &str,
        partition: i32,
        deadline: Instant,
    ) -> Result<Arc<TopicMetadata>, Error> {
        let mut tries = 0;
        loop {
            self.cluster.forget(name);
            let topic = self.find_topic(name, deadline).await?;
            if topic.partition(partition).is_some() {
                return Ok(topic);
            }
            if Instant::now() >= deadline {
                return Err(Error::TimedOut(format!(
                    "Partition {partition} of topic {name} with partition count {} is not present in metadata after {} ms.",
                    topic.partitions.len(),
                    self.config.max_block.as_millis()
                )));
            }
            sleep(self.cluster.config().backoff(tries).min(deadline - Instant::now())).await;
            tries += 1;
        }
    }

    /// Takes memory; while it is short nobody waits for linger.
    async fn reserve(&self, size: usize, deadline: Instant) -> Result<(), Error> {
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        if let Ok(taken) = self.memory.try_acquire_many(permits) {
            taken.forget();
            return Ok(());
        }
        self.state().hurry += 1;
        self.wake.notify_one();
        let acquired =
            timeout(deadline.duration_since(Instant::now()), self.memory.acquire_many(permits)).await;
        self.state().hurry -= 1;
        match acquired {
            Ok(Ok(taken)) => {
                taken.forget();
                Ok(())
            }
            _ => Err(Error::TimedOut(format!(
                "Failed to allocate {size} bytes within the configured max blocking time {} ms. Total memory: {} bytes. Available memory: {} bytes. Poolable size: {} bytes",
                self.config.max_block.as_millis(),
                self.config.buffer_bytes_max,
                self.memory.available_permits(),
                self.config.batch_bytes
            ))),
        }
    }

    fn enqueue(&self, record: &ProducerRecord, topic: &TopicMetadata, size: usize, completion: Completion) {
        let now = Instant::now();
        let timestamp = record.timestamp.unwrap_or_else(now_ms);
        let mut state = self.state();
        let partition = match record.partition {
            Some(partition) => partition,
            None => self.choose(&mut state, record, topic, size),
        };
        let Some((batch, is_new)) = state.batch(&record.topic, partition, size, now, self.rules()) else {
            return;
        };
        batch.append(record, timestamp, size, completion);
        if is_new || batch.is_full(self.config.batch_bytes) {
            drop(state);
            self.wake.notify_one();
        }
    }

    fn choose(
        &self,
        state: &mut Accumulator,
        record: &ProducerRecord,
        topic: &TopicMetadata,
        size: usize,
    ) -> i32 {
        let partitions = topic.partitions.len() as i32;
        let by_key = self.config.partitioning == Partitioning::Default && !self.config.ignore_keys;
        if let Some(key) = record.key.as_ref().filter(|_| by_key) {
            return partition_of_key(key, partitions);
        }
        if partitions == 1 {
            return 0;
        }
        let led = topic.partitions.iter().filter(|p| p.leader.is_some()).map(|p| p.partition);
        let mut available: Vec<i32> = led.collect();
        if available.is_empty() {
            available = (0..partitions).collect();
        }
        let sticky = &mut state.topics.entry(Arc::clone(&record.topic)).or_default().sticky;
        match self.config.partitioning {
            Partitioning::RoundRobin => sticky.round_robin(&available),
            Partitioning::Default => sticky.next(&available, self.config.batch_bytes, size, &self.random),
        }
    }
}

/// What Kafka's client says of a topic that it may not have.
fn refusal(code: i16, topic: &str) -> Option<protocol::Str> {
    let text = match ErrorCode::from(code) {
        ErrorCode::InvalidTopicException => format!("Invalid topics: [{topic}]"),
        ErrorCode::TopicAuthorizationFailed => format!("Not authorized to access topics: [{topic}]"),
        _ => return None,
    };
    Some(text.into())
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
