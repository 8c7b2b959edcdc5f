//! The producer's properties; names, defaults and limits are those of Kafka's Java client.

use std::time::Duration;

use records::{Codec, Compression};

use crate::Error;
use crate::properties::{Properties, Reading, invalid};

/// How many replicas have a record before it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    None,
    Leader,
    All,
}

/// How a record without explicit partition finds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// murmur2 of the key; without key one partition until a batch is full.
    Default,
    /// One after the other, keys ignored.
    RoundRobin,
}

#[derive(Clone, Debug)]
pub struct ProducerConfig {
    pub acks: Acks,
    /// `batch.size`.
    pub batch_bytes: usize,
    /// `linger.ms`.
    pub linger: Duration,
    /// `buffer.memory`: what waits and what is under way.
    pub buffer_bytes_max: usize,
    /// `max.block.ms`: for metadata and memory.
    pub max_block: Duration,
    pub max_request_bytes: usize,
    pub max_in_flight: usize,
    pub retries: u32,
    pub delivery_timeout: Duration,
    /// The broker's share of `request.timeout.ms`.
    pub request_timeout: Duration,
    pub compression: Compression,
    pub idempotence: bool,
    pub partitioning: Partitioning,
    /// `partitioner.ignore.keys`.
    pub ignore_keys: bool,
}

impl Default for ProducerConfig {
    fn default() -> ProducerConfig {
        ProducerConfig {
            acks: Acks::All,
            batch_bytes: 16384,
            linger: Duration::from_millis(5),
            buffer_bytes_max: 32 << 20,
            max_block: Duration::from_secs(60),
            max_request_bytes: 1 << 20,
            max_in_flight: 5,
            retries: i32::MAX as u32,
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            compression: Compression::NONE,
            idempotence: true,
            partitioning: Partitioning::Default,
            ignore_keys: false,
        }
    }
}

const ACKS: &[(&str, Acks)] =
    &[("all", Acks::All), ("-1", Acks::All), ("0", Acks::None), ("1", Acks::Leader)];

impl ProducerConfig {
    pub fn from_properties(properties: &Properties) -> Result<ProducerConfig, Error> {
        let mut config = ProducerConfig::default();
        let reading = Reading(properties);
        reading.choice("acks", ACKS, &mut config.acks)?;
        reading.size("batch.size", 0, &mut config.batch_bytes)?;
        reading.duration("linger.ms", &mut config.linger)?;
        reading.size("buffer.memory", 0, &mut config.buffer_bytes_max)?;
        reading.duration("max.block.ms", &mut config.max_block)?;
        reading.size("max.request.size", 0, &mut config.max_request_bytes)?;
        reading.size("max.in.flight.requests.per.connection", 1, &mut config.max_in_flight)?;
        let mut retries = config.retries as i32;
        reading.number("retries", 0, &mut retries)?;
        config.retries = retries.unsigned_abs();
        reading.duration("delivery.timeout.ms", &mut config.delivery_timeout)?;
        reading.duration("request.timeout.ms", &mut config.request_timeout)?;
        config.compression = compression(properties)?;
        reading.flag("enable.idempotence", &mut config.idempotence)?;
        reading.flag("partitioner.ignore.keys", &mut config.ignore_keys)?;
        match properties.get("partitioner.class").map(String::as_str) {
            None | Some("") => {}
            Some(class) if class.ends_with("RoundRobinPartitioner") => {
                config.partitioning = Partitioning::RoundRobin;
            }
            Some(class) => {
                return Err(invalid("partitioner.class", class, Some("Class could not be found.")));
            }
        }
        if properties.contains_key("transactional.id") {
            return Err(Error::Config("transactions are not supported yet".to_owned()));
        }
        config.check_idempotence(properties)?;
        config.check_time(properties)?;
        Ok(config)
    }

    /// Idempotence that was not asked for gives way to settings that exclude it.
    fn check_idempotence(&mut self, properties: &Properties) -> Result<(), Error> {
        let wanted = properties.contains_key("enable.idempotence") && self.idempotence;
        let obstacles = [
            (
                self.acks != Acks::All,
                "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
            ),
            (self.retries == 0, "Must set retries to non-zero when using the idempotent producer."),
            (
                self.max_in_flight > 5,
                "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.",
            ),
        ];
        for (_, text) in obstacles.iter().filter(|(stands, _)| *stands) {
            if wanted {
                return Err(Error::Config((*text).to_owned()));
            }
            self.idempotence = false;
        }
        Ok(())
    }

    fn check_time(&mut self, properties: &Properties) -> Result<(), Error> {
        let least = self.linger.saturating_add(self.request_timeout);
        if self.delivery_timeout < least {
            if properties.contains_key("delivery.timeout.ms") {
                let text =
                    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms";
                return Err(Error::Config(text.to_owned()));
            }
            self.delivery_timeout = least;
        }
        Ok(())
    }

    pub(crate) fn acks_number(&self) -> i16 {
        match self.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

fn compression(properties: &Properties) -> Result<Compression, Error> {
    let Some(name) = properties.get("compression.type") else { return Ok(Compression::NONE) };
    let codec: Codec = name.parse().map_err(|_| {
        invalid("compression.type", name, Some("String must be one of: none, gzip, snappy, lz4, zstd"))
    })?;
    let key = format!("compression.{name}.level");
    let Some(level) = properties.get(&key) else { return Ok(Compression::new(codec)) };
    let number = level.trim().parse().ok().and_then(|level| Compression::with_level(codec, level));
    number.ok_or_else(|| invalid(&key, level, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProducerConfig, Error> {
        ProducerConfig::from_properties(&crate::parse_properties(text.as_bytes()).unwrap())
    }

    #[test]
    fn idempotence_gives_way_or_is_refused() {
        assert!(read("").unwrap().idempotence);
        assert!(!read("acks=1").unwrap().idempotence);
        assert!(!read("retries=0").unwrap().idempotence);
        assert!(read("acks=1\nenable.idempotence=true").is_err());
        assert!(read("max.in.flight.requests.per.connection=6\nenable.idempotence=true").is_err());
    }

    #[test]
    fn values_are_typed() {
        let config = read("acks=0\nlinger.ms=7\ncompression.type=lz4\nbatch.size=1\n").unwrap();
        assert_eq!((config.acks, config.batch_bytes), (Acks::None, 1));
        assert_eq!(config.linger, Duration::from_millis(7));
        assert_eq!(config.compression.codec(), Codec::Lz4);
        assert!(read("compression.type=rar").is_err());
        assert!(read("delivery.timeout.ms=1").is_err());
    }
}
