//! What happens to a dynamic broker config: rules about its present value.

use super::error::ConfigError;

/// Thread pools, which may at most be halved or doubled in one step.
const THREADS: &[&str] = &[
    "num.io.threads",
    "num.network.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

/// Whether a thread pool of `current` threads may become `new` at once.
pub fn validate_resize(name: &str, new: i64, current: i64) -> Result<(), ConfigError> {
    if !THREADS.contains(&name) || new == current {
        return Ok(());
    }
    let prefix = format!("Dynamic thread count update validation failed for {name}={new}");
    let refuse = |why: String| Err(ConfigError::about(name, format!("{prefix}: {why}")));
    if new <= 0 {
        return refuse("value should be at least 1".to_owned());
    }
    if new < current / 2 {
        return refuse(format!("value should be at least half the current value {current}"));
    }
    if new > current * 2 {
        return refuse(format!("value should not be greater than double the current value {current}"));
    }
    Ok(())
}
