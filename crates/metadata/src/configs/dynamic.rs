//! What happens to a dynamic broker config: rules about its present value. Thread pools may at most be halved or
//! doubled in one step.

use super::error::ConfigError;

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
}
