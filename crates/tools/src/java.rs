//! Names that Kafka's tools print because they are written in Java: exception classes, lines of a log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use client::Error;
use protocol::ErrorCode;

use crate::dates;

/// A line on stderr as Kafka's tools log it.
pub fn log_error(text: &str, logger: &str, exception: Option<&str>) {
    let time = dates::format(dates::now_ms(), "yyyy-MM-dd HH:mm:ss,SSS");
    eprintln!("[{time}] ERROR {text} ({logger})");
    if let Some(exception) = exception {
        eprintln!("{exception}");
    }
}

/// What a client tries again, on stderr; the same is told again only when a while has passed.
pub fn warn(text: &str) {
    static TOLD: Mutex<BTreeMap<String, i64>> = Mutex::new(BTreeMap::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let now = dates::now_ms();
    if told.get(text).is_some_and(|at| now - at < WARN_AGAIN_MS) {
        return;
    }
    told.insert(text.to_owned(), now);
    let time = dates::format(now, "yyyy-MM-dd HH:mm:ss,SSS");
    eprintln!("[{time}] WARN {text} (org.apache.kafka.clients.NetworkClient)");
}

const WARN_AGAIN_MS: i64 = 5000;

/// The class that Kafka's client would throw.
pub fn class(error: &Error) -> String {
    match error {
        Error::Broker(code, _) => exception(*code),
        Error::TimedOut(_) => "org.apache.kafka.common.errors.TimeoutException".to_owned(),
        Error::Disconnected(_) => "org.apache.kafka.common.errors.DisconnectException".to_owned(),
        Error::Unsupported(_) => "org.apache.kafka.common.errors.UnsupportedVersionException".to_owned(),
        Error::Config(text) if text.starts_with("Undefined offset") => {
            "org.apache.kafka.clients.consumer.NoOffsetForPartitionException".to_owned()
        }
        Error::Config(_) => "org.apache.kafka.common.config.ConfigException".to_owned(),
        Error::Malformed(_) | Error::Unwritable(_) => "org.apache.kafka.common.KafkaException".to_owned(),
    }
}

/// Class and text.
pub fn thrown(error: &Error) -> String {
    format!("{}: {error}", class(error))
}

/// Most classes are named after the code.
fn exception(code: ErrorCode) -> String {
    let name = match code {
        ErrorCode::UnknownServerError => "UnknownServerException",
        ErrorCode::CorruptMessage => "CorruptRecordException",
        ErrorCode::RequestTimedOut => "TimeoutException",
        ErrorCode::MessageTooLarge => "RecordTooLargeException",
        ErrorCode::OffsetMetadataTooLarge => "OffsetMetadataTooLarge",
        ErrorCode::InvalidTopicException => "InvalidTopicException",
        ErrorCode::RecordListTooLarge => "RecordBatchTooLargeException",
        ErrorCode::TopicAlreadyExists => "TopicExistsException",
        ErrorCode::InvalidConfig => "InvalidConfigurationException",
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException",
        ErrorCode::OutOfOrderSequenceNumber => "OutOfOrderSequenceException",
        ErrorCode::DuplicateSequenceNumber => "DuplicateSequenceException",
        _ => {
            let name = code.name().trim_end_matches("_FAILED");
            return format!("org.apache.kafka.common.errors.{}Exception", camel(name));
        }
    };
    format!("org.apache.kafka.common.errors.{name}")
}

fn camel(name: &str) -> String {
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => format!("{first}{}", rest.to_lowercase()),
        None => String::new(),
    };
    name.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_after_codes() {
        for (code, name) in [
            (ErrorCode::UnknownTopicOrPartition, "UnknownTopicOrPartitionException"),
            (ErrorCode::NotLeaderOrFollower, "NotLeaderOrFollowerException"),
            (ErrorCode::MessageTooLarge, "RecordTooLargeException"),
            (ErrorCode::TopicAuthorizationFailed, "TopicAuthorizationException"),
            (ErrorCode::GroupAuthorizationFailed, "GroupAuthorizationException"),
        ] {
            assert_eq!(exception(code), format!("org.apache.kafka.common.errors.{name}"));
        }
    }
}
