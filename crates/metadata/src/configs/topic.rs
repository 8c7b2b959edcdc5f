//! Names of topics, and whether a topic's configs may be stored.

use super::entry::Properties;
use super::error::ConfigError;
use super::registry::{Scope, lookup};
use super::value::Value;

const NAME_LENGTH_MAX: usize = 249;

/// Why `name` is no topic name, in Kafka's words.
pub fn validate_name(name: &str) -> Result<(), String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() {
        return Err("Topic name is invalid: the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return Err(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.encode_utf16().count() > NAME_LENGTH_MAX {
        return Err(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"
        ));
    }
    if !name.bytes().all(legal) {
        return Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', \
             '_' and '-'"
        ));
    }
    Ok(())
}

/// All configs a topic is to have. `remote_storage`: whether this cluster tiers at all.
pub fn validate(properties: &Properties, remote_storage: bool) -> Result<(), ConfigError> {
    if let Some(name) = properties.keys().find(|name| lookup(Scope::Topic, name).is_none()) {
        return Err(ConfigError::about(name, format!("Unknown topic config name: {name}")));
    }
    for (name, text) in properties {
        if let Some(row) = lookup(Scope::Topic, name) {
            row.parse(text)?;
        }
    }
    let number = |name: &str| {
        let row = lookup(Scope::Topic, name)?;
        let text = properties.get(name).map(String::as_str).or_else(|| row.default_text())?;
        row.parse(text).ok()
    };
    let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
    let (least, most) = (least.and_then(|v| v.as_i64()), most.and_then(|v| v.as_i64()));
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        let message = format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        );
        return Err(ConfigError::about("min.compaction.lag.ms", message));
    }
    if !remote_storage && number("remote.storage.enable") == Some(Value::Boolean(true)) {
        let message = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                       remote log storage.";
        return Err(ConfigError::about("remote.storage.enable", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, message) in [
            ("a", None),
            ("A.b_c-9", None),
            ("", Some("Topic name is invalid: the empty string is not allowed")),
            ("..", Some("Topic name is invalid: '..' is not allowed")),
        ] {
            assert_eq!(validate_name(name).err().as_deref(), message);
        }
        assert!(validate_name(&"x".repeat(249)).is_ok());
        assert!(validate_name(&"x".repeat(250)).is_err());
        assert!(validate_name("ü").is_err());
    }
}
