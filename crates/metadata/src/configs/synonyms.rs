//! Names that give one another's value: a topic config and its broker configs (`retention.ms`, `log.retention.ms`,
//! `.minutes`, `.hours`), a broker config and its forms in other units.

use super::static_config::StaticConfig;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A broker config that gives a value, and what one of its units is in the other's.
pub type BrokerSynonym = (&'static str, i64);

/// The broker configs behind a topic config, the strongest first.
pub fn of_topic_config(name: &str) -> &'static [BrokerSynonym] {
    match name {
        "cleanup.policy" => &[("log.cleanup.policy", 1)],
        "compression.gzip.level" => &[("compression.gzip.level", 1)],
        "compression.lz4.level" => &[("compression.lz4.level", 1)],
        "compression.type" => &[("compression.type", 1)],
        "compression.zstd.level" => &[("compression.zstd.level", 1)],
        "delete.retention.ms" => &[("log.cleaner.delete.retention.ms", 1)],
        "file.delete.delay.ms" => &[("log.segment.delete.delay.ms", 1)],
        "flush.messages" => &[("log.flush.interval.messages", 1)],
        "flush.ms" => &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
        "index.interval.bytes" => &[("log.index.interval.bytes", 1)],
        "local.retention.bytes" => &[("log.local.retention.bytes", 1)],
        "local.retention.ms" => &[("log.local.retention.ms", 1)],
        "max.compaction.lag.ms" => &[("log.cleaner.max.compaction.lag.ms", 1)],
        "max.message.bytes" => &[("message.max.bytes", 1)],
        "message.timestamp.after.max.ms" => &[("log.message.timestamp.after.max.ms", 1)],
        "message.timestamp.before.max.ms" => &[("log.message.timestamp.before.max.ms", 1)],
        "message.timestamp.type" => &[("log.message.timestamp.type", 1)],
        "min.cleanable.dirty.ratio" => &[("log.cleaner.min.cleanable.ratio", 1)],
        "min.compaction.lag.ms" => &[("log.cleaner.min.compaction.lag.ms", 1)],
        "min.insync.replicas" => &[("min.insync.replicas", 1)],
        "preallocate" => &[("log.preallocate", 1)],
        "retention.bytes" => &[("log.retention.bytes", 1)],
        "retention.ms" => {
            &[("log.retention.ms", 1), ("log.retention.minutes", MINUTE), ("log.retention.hours", HOUR)]
        }
        "segment.bytes" => &[("log.segment.bytes", 1)],
        "segment.index.bytes" => &[("log.index.size.max.bytes", 1)],
        "segment.jitter.ms" => &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR)],
        "segment.ms" => &[("log.roll.ms", 1), ("log.roll.hours", HOUR)],
        "unclean.leader.election.enable" => &[("unclean.leader.election.enable", 1)],
        _ => &[],
    }
}

const GROUPED: &[&[&str]] = &[
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// Configs that may also be given for one listener, `listener.name.L.` before them.
const PER_LISTENER: &[&str] = &["max.connection.creation.rate", "max.connections", "num.network.threads"];
const PER_MECHANISM: &[&str] = &[
    "connections.max.reauth.ms",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
];

/// The names whose values stand for broker config `name`, the strongest first. A name with a listener prefix falls
/// back to the plain one.
pub fn of_broker_config(name: &str) -> Vec<String> {
    if let Some(group) = GROUPED.iter().find(|group| group.contains(&name)) {
        return group.iter().map(|name| (*name).to_owned()).collect();
    }
    let Some(base) = without_listener_prefix(name) else { return vec![name.to_owned()] };
    let mechanism = PER_MECHANISM.iter().find(|config| base.ends_with(**config));
    match mechanism {
        Some(config) => vec![name.to_owned(), (*config).to_owned()],
        None => vec![name.to_owned(), base.to_owned()],
    }
}

/// What stands after `listener.name.L.`
pub(crate) fn without_listener_prefix(name: &str) -> Option<&str> {
    name.strip_prefix("listener.name.")?.split_once('.').map(|(_, base)| base)
}

pub(crate) fn is_per_listener(base: &str) -> bool {
    PER_LISTENER.contains(&base)
}

/// The static value of an integer topic config, its broker synonyms applied; -1 for any negative retention.
pub(crate) fn static_i64(config: &StaticConfig, topic_config: &str) -> i64 {
    let given = of_topic_config(topic_config)
        .iter()
        .find_map(|(name, scale)| Some(config.optional_i64(name)?.saturating_mul(*scale)));
    let value = given.unwrap_or(-1);
    if topic_config == "retention.ms" { value.max(-1) } else { value }
}
