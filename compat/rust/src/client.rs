//! The checks of rdkafka, with its future producer, base consumer and admin client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::records::{self, PARTITIONS, Reader};

const MINUTE: Duration = Duration::from_secs(60);
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

#[derive(Debug)]
pub struct NotApplicable(&'static str);

impl std::fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotApplicable {}

pub struct Client {
    pub bootstrap: String,
    pub name: String,
}

impl Client {
    fn config(&self, pairs: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        for (key, value) in pairs {
            config.set(*key, *value);
        }
        config
    }

    fn producer(&self, pairs: &[(&str, &str)]) -> Result<FutureProducer> {
        let mut config = self.config(&[("enable.idempotence", "true"), ("queue.buffering.max.messages", "20000")]);
        for (key, value) in pairs {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    fn consumer(&self, pairs: &[(&str, &str)]) -> Result<BaseConsumer> {
        let group = format!("{}.unused", self.name);
        let mut config =
            self.config(&[("group.id", &group), ("enable.auto.commit", "false"), ("auto.offset.reset", "error")]);
        for (key, value) in pairs {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    pub async fn create(&self) -> Result<String> {
        for codec in CODECS {
            self.create_topic(&format!("{}.{codec}", self.name), PARTITIONS as i32, "2097152").await?;
        }
        Ok("5 topics".to_owned())
    }

    async fn create_topic(&self, topic: &str, partitions: i32, max_bytes: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config(&[]).create()?;
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(records::replication()))
            .set("max.message.bytes", max_bytes)
            .set("retention.ms", "-1");
        let answers = admin.create_topics([&new], &AdminOptions::new().request_timeout(Some(MINUTE))).await?;
        for answer in answers {
            answer.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        Ok(())
    }

    pub async fn produce(&self, codec: &str) -> Result<String> {
        let producer = self.producer(&[("compression.type", codec), ("message.max.bytes", "2000000")])?;
        let topic = format!("{}.{codec}", self.name);
        let mut sent = Vec::new();
        for i in 0..records::count() {
            let (key, value) = (records::key(i), records::value(i));
            let headers = records::headers(i).iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
                headers.insert(Header { key: name, value: Some(value) })
            });
            let mut record = FutureRecord::<[u8], [u8]>::to(&topic)
                .partition((i % PARTITIONS) as i32)
                .timestamp(records::timestamp(i))
                .headers(headers);
            record.key = key.as_deref();
            record.payload = value.as_deref();
            sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for (i, future) in sent.into_iter().enumerate() {
            let delivery = tokio::time::timeout(MINUTE, future).await??.map_err(|(error, _)| error)?;
            if delivery.offset != (i / PARTITIONS) as i64 {
                bail!("record {i} got offset {}", delivery.offset);
            }
        }
        Ok(format!("{} records", records::count()))
    }

    fn assigned(&self, topic: &str, start: i64) -> Result<BaseConsumer> {
        let consumer = self.consumer(&[])?;
        let mut partitions = TopicPartitionList::new();
        for p in 0..PARTITIONS {
            partitions.add_partition_offset(topic, p as i32, Offset::Offset(start))?;
        }
        consumer.assign(&partitions)?;
        Ok(consumer)
    }

    pub fn compare(&self, topic: &str, start: i64, expected: usize) -> Result<()> {
        let consumer = self.assigned(topic, start)?;
        let mut reader = Reader::new(expected, start);
        let deadline = Instant::now() + MINUTE;
        while reader.unfinished() {
            if Instant::now() > deadline {
                bail!("only {} of {expected} records after a minute", reader.seen);
            }
            if let Some(message) = consumer.poll(Duration::from_millis(500)) {
                reader.take(&message?)?;
            }
        }
        for (p, next) in reader.next.iter().enumerate() {
            let (_, high) = consumer.fetch_watermarks(topic, p as i32, MINUTE)?;
            if high != *next {
                bail!("partition {p} ends at {high}, read up to {next}");
            }
        }
        Ok(())
    }

    pub fn time(&self) -> Result<String> {
        let target = records::count() / 2;
        let mut asked = TopicPartitionList::new();
        for p in 0..PARTITIONS {
            let at = Offset::Offset(records::timestamp(target));
            asked.add_partition_offset(&format!("{}.none", self.name), p as i32, at)?;
        }
        for found in self.consumer(&[])?.offsets_for_times(asked, MINUTE)?.elements() {
            if found.offset() != Offset::Offset(records::expected_offset(found.partition() as usize, target)) {
                bail!("partition {}: {:?}", found.partition(), found.offset());
            }
        }
        Ok(format!("offsets of record {target}"))
    }

    pub async fn provoke(&self, name: &str) -> Result<String> {
        use RDKafkaErrorCode::{
            AutoOffsetReset, InvalidTopic, MessageSizeTooLarge, OffsetOutOfRange, UnknownTopicOrPartition,
        };
        let nowhere = format!("{}.nowhere", self.name);
        let (outcome, expected): (Result<()>, &[RDKafkaErrorCode]) = match name {
            "unknown-topic" => (self.delete(&nowhere).await, &[UnknownTopicOrPartition]),
            "invalid-topic" => (self.create_topic("not a name!", 1, "1000").await, &[InvalidTopic]),
            "too-large" => (self.too_large().await, &[MessageSizeTooLarge]),
            "out-of-range" => (self.read_past_the_end(), &[OffsetOutOfRange, AutoOffsetReset]),
            _ => return Err(NotApplicable("nothing lets one commit for a generation of its own choice").into()),
        };
        let error = outcome.err().ok_or_else(|| anyhow!("no error"))?;
        let code = error.downcast_ref::<KafkaError>().and_then(code_of);
        match code {
            Some(code) if expected.contains(&code) => Ok(format!("{code:?}")),
            _ => Err(error),
        }
    }

    async fn delete(&self, topic: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config(&[]).create()?;
        for answer in admin.delete_topics(&[topic], &AdminOptions::new().request_timeout(Some(MINUTE))).await? {
            answer.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        Ok(())
    }

    async fn too_large(&self) -> Result<()> {
        let topic = format!("{}.small", self.name);
        self.create_topic(&topic, 1, "1000").await?;
        let record = FutureRecord::<[u8], [u8]>::to(&topic).payload(&[7; 10_000]);
        self.producer(&[])?.send(record, MINUTE).await.map_err(|(error, _)| error)?;
        Ok(())
    }

    fn read_past_the_end(&self) -> Result<()> {
        let consumer = self.assigned(&format!("{}.none", self.name), 1_000_000_000)?;
        let deadline = Instant::now() + MINUTE;
        while Instant::now() < deadline {
            if let Some(message) = consumer.poll(Duration::from_millis(500)) {
                message?;
            }
        }
        Ok(())
    }

    pub async fn flow(&self, topic: &str, stopping: &Arc<AtomicBool>) -> Result<usize> {
        let producer = self.producer(&[])?;
        let metadata = producer.client().fetch_metadata(Some(topic), MINUTE)?;
        let partitions = metadata.topics().first().map_or(1, |topic| topic.partitions().len());
        let mut sent = Vec::new();
        while !stopping.load(Ordering::Relaxed) {
            for _ in 0..10 {
                let text = sent.len().to_string();
                let record = FutureRecord::<[u8], str>::to(topic).payload(&text).partition((sent.len() % partitions) as i32);
                sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let count = sent.len();
        for future in sent {
            future.await?.map_err(|(error, _)| error)?;
        }
        Ok(count)
    }

    pub fn members(&self, group: &str, topic: &str, count: usize, stopping: &Arc<AtomicBool>) -> Result<()> {
        std::thread::scope(|scope| {
            let members: Vec<_> = (0..count).map(|_| scope.spawn(|| self.member(group, topic, stopping))).collect();
            for member in members {
                member.join().map_err(|_| anyhow!("a member panicked"))??;
            }
            Ok(())
        })
    }

    fn member(&self, group: &str, topic: &str, stopping: &Arc<AtomicBool>) -> Result<()> {
        let consumer = self.consumer(&[
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
        ])?;
        consumer.subscribe(&[topic])?;
        while !stopping.load(Ordering::Relaxed) {
            let mut lines = String::new();
            let mut wait = Duration::from_millis(200);
            while let Some(Ok(message)) = consumer.poll(wait) {
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                lines.push_str(&format!("got\t{}\t{}\t{text}\n", message.partition(), message.offset()));
                wait = Duration::ZERO;
            }
            if lines.is_empty() {
                continue;
            }
            print!("{lines}");
            if let Err(error) = consumer.commit_consumer_state(CommitMode::Sync) {
                // A rebalance came between: another member gets these records again.
                eprintln!("{error}");
            }
        }
        Ok(())
    }

    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Result<()> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, partitions - 1);
        for found in self.consumer(&[("group.id", group)])?.committed_offsets(asked, MINUTE)?.elements() {
            println!("committed\t{}\t{}", found.partition(), found.offset().to_raw().unwrap_or(-1));
        }
        Ok(())
    }
}

/// The code inside, whichever way the library wraps it.
fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}
