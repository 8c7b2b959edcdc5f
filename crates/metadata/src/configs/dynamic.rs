//! What happens to a dynamic broker config: rules about its present value. Thread pools may at most be halved or
//! doubled in one step.

use super::broker::validate_dynamic;
use super::entry::{ConfigLayers, Properties};
use super::error::ConfigError;
use super::registry::{Scope, lookup};
use super::static_config::StaticConfig;

const THREADS: &[&str] = &[
    "num.io.threads",
    "num.network.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

/// Whether a thread pool of `current` threads may become `new` at once. The text is what clients of Kafka see.
pub fn validate_resize(name: &str, new: i64, current: i64) -> Result<(), ConfigError> {
    if new == current {
        return Ok(());
    }
    let why = if THREADS.contains(&name) {
        let prefix = format!("Dynamic thread count update validation failed for {name}={new}, value");
        if new <= 0 {
            format!("{prefix} should be at least 1")
        } else if new < current / 2 {
            format!("{prefix} should be at least half the current value {current}")
        } else if new > current.saturating_mul(2) {
            format!("{prefix} should not be greater than double the current value {current}")
        } else {
            return Ok(());
        }
    } else if name == "log.cleaner.threads" {
        if new < current / 2 {
            format!("Log cleaner threads cannot be reduced to less than half the current value {current}")
        } else if new > current.saturating_mul(2) {
            format!("Log cleaner threads cannot be increased to more than double the current value {current}")
        } else {
            return Ok(());
        }
    } else {
        return Ok(());
    };
    let message = format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {why} for configuration Invalid dynamic \
         configuration"
    );
    Err(ConfigError::about(name, message))
}

/// Whether a broker may take `wanted` as all of its own dynamic configs (`per_broker`) or as all of the cluster's,
/// the other layers being what they are. Its clients are told INVALID_REQUEST with the error's text.
pub fn validate_broker_change(
    layers: ConfigLayers<'_>,
    wanted: &Properties,
    per_broker: bool,
) -> Result<(), ConfigError> {
    validate_dynamic(wanted, per_broker)?;
    let (broker, cluster) = if per_broker { (wanted, layers.cluster) } else { (layers.broker, wanted) };
    let after = ConfigLayers { broker, cluster, file: layers.file };
    let mut merged = layers.file.clone();
    for (name, value) in cluster.iter().chain(broker) {
        merged.insert(name.clone(), value.clone());
    }
    StaticConfig::parse(&merged)?;
    let number = |layers: &ConfigLayers<'_>, name: &str| {
        let row = lookup(Scope::Broker, name)?;
        row.parse(layers.broker_value(name)?).ok()?.as_i64()
    };
    for name in THREADS.iter().copied().chain(["log.cleaner.threads"]) {
        if let (Some(new), Some(current)) = (number(&after, name), number(&layers, name)) {
            validate_resize(name, new, current)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_to_double() {
        for (name, new, allowed) in [
            ("num.io.threads", 4, true),
            ("num.io.threads", 16, true),
            ("num.io.threads", 17, false),
            ("num.io.threads", 3, false),
            ("log.cleaner.threads", 17, false),
            ("log.cleaner.io.buffer.size", 900, true),
        ] {
            assert_eq!(validate_resize(name, new, 8).is_ok(), allowed, "{name} {new}");
        }
    }

    #[test]
    fn changes_of_a_running_broker() {
        let text = |pairs: &[(&str, &str)]| -> Properties {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let file = text(&[
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("log.dirs", "/tmp/a"),
        ]);
        let (broker, cluster) = (text(&[("num.io.threads", "12")]), text(&[]));
        let layers = ConfigLayers { broker: &broker, cluster: &cluster, file: &file };
        for (name, value, per_broker, message) in [
            ("num.io.threads", "24", true, None),
            ("num.io.threads", "25", true, Some("should not be greater than double the current value 12")),
            // the broker's own value stands before the cluster's
            ("num.io.threads", "100", false, None),
            ("num.network.threads", "100", false, Some("greater than double the current value 3")),
            ("num.partitions", "9", true, Some("Cannot update these configs dynamically: [num.partitions]")),
            ("foo.bar", "9", true, None),
            ("listeners", "X://:1", true, Some("No security protocol defined for listener X")),
            ("log.retention.ms", "0", true, Some("log.retention.ms must be unlimited (-1) or")),
            ("log.retention.ms", "5000", true, None),
            ("cordoned.log.dirs", "/x", true, Some("Missing entries : /x")),
            ("cordoned.log.dirs", "/tmp/a", true, None),
        ] {
            let outcome = validate_broker_change(layers, &text(&[(name, value)]), per_broker);
            match (outcome, message) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.message.contains(part), "{}", error.message),
                (outcome, _) => panic!("{name}={value}: {outcome:?}"),
            }
        }
    }
}
