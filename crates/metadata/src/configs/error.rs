//! The one error of configs: a text Kafka's users know.

/// A value or a name that is refused. `name` is the config at fault where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    pub name: Option<String>,
    pub message: String,
}

impl ConfigError {
    pub fn new(message: impl Into<String>) -> ConfigError {
        ConfigError { name: None, message: message.into() }
    }

    /// The common form: `Invalid value V for configuration N: WHY`.
    pub fn invalid(name: &str, value: impl std::fmt::Display, why: impl std::fmt::Display) -> ConfigError {
        let message = format!("Invalid value {value} for configuration {name}: {why}");
        ConfigError { name: Some(name.to_owned()), message }
    }

    pub fn about(name: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { name: Some(name.to_owned()), message: message.into() }
    }
}
