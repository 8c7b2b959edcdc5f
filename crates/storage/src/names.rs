//! Names of files and directories, as Kafka gives and reads them.

use std::fmt;
use std::sync::Arc;

use types::{Offset, TopicPartition, Uuid};

pub const LOG: &str = ".log";
pub const OFFSET_INDEX: &str = ".index";
pub const TIME_INDEX: &str = ".timeindex";
pub const TRANSACTION_INDEX: &str = ".txnindex";
pub const SNAPSHOT: &str = ".snapshot";
pub const DELETED: &str = ".deleted";
pub const CLEANED: &str = ".cleaned";
pub const SWAP: &str = ".swap";

/// What file systems take.
const NAME_MAX: usize = 255;

/// `00000000000000000042.log`
pub fn segment_file(base: Offset, suffix: &str) -> String {
    format!("{:020}{suffix}", base.0)
}

/// The base offset of a name like `00000000000000000042.log`, where it ends with `suffix`.
pub fn parse_segment_file(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| digits.parse().ok().map(Offset)).flatten()
}

/// What a partition's directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryKind {
    Current,
    /// The target of a move between log directories.
    Future,
    /// To be deleted.
    Delete,
    /// A replica that is assigned here no more; kept.
    Stray,
}

impl DirectoryKind {
    fn suffix(self) -> &'static str {
        match self {
            DirectoryKind::Current => "",
            DirectoryKind::Future => "-future",
            DirectoryKind::Delete => "-delete",
            DirectoryKind::Stray => "-stray",
        }
    }
}

/// The name of a partition's directory. The 32 digits keep names apart when a topic is made again.
pub fn partition_directory(partition: &TopicPartition, kind: DirectoryKind, unique: Uuid) -> String {
    let plain = partition.to_string();
    if kind == DirectoryKind::Current {
        return plain;
    }
    let suffix = format!(".{}{}", Hex(unique), kind.suffix());
    // room for the suffix is taken from the topic's name, as only the suffix is read again
    let mut room = NAME_MAX.saturating_sub(suffix.len()).min(plain.len());
    while !plain.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{suffix}", &plain[..room])
}

struct Hex(Uuid);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a name in a log directory says; None where it is no partition's.
pub fn parse_partition_directory(name: &str) -> Option<(TopicPartition, DirectoryKind)> {
    let kinds = [DirectoryKind::Future, DirectoryKind::Delete, DirectoryKind::Stray];
    let suffixed = kinds.into_iter().find_map(|kind| {
        let (plain, unique) = name.strip_suffix(kind.suffix())?.rsplit_once('.')?;
        let is_unique = unique.len() == 32 && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_unique.then_some((plain, kind))
    });
    let (plain, kind) = suffixed.unwrap_or((name, DirectoryKind::Current));
    let (topic, partition) = plain.rsplit_once('-').filter(|(topic, _)| !topic.is_empty())?;
    let partition = partition.parse().ok().filter(|partition: &i32| *partition >= 0)?;
    Some((TopicPartition { topic: Arc::from(topic), partition }, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_files() {
        assert_eq!(segment_file(Offset(42), LOG), "00000000000000000042.log");
        for (name, suffix, expected) in [
            ("00000000000000000042.log", LOG, Some(42)),
            ("09223372036854775807.index", OFFSET_INDEX, Some(i64::MAX)),
            ("99999999999999999999.log", LOG, None),
            ("00000000000000000042.log.deleted", LOG, None),
            (".log", LOG, None),
            ("+0000000000000000042.log", LOG, None),
            ("00000000000000000042.timeindex", OFFSET_INDEX, None),
        ] {
            assert_eq!(parse_segment_file(name, suffix), expected.map(Offset), "{name}");
        }
    }

    #[test]
    fn partition_directories() {
        let partition = |topic: &str, partition| TopicPartition { topic: Arc::from(topic), partition };
        let unique = Uuid([0xab; 16]);
        for (topic, kind, expected) in [
            ("a", DirectoryKind::Current, "a-7".to_owned()),
            ("a-b.c", DirectoryKind::Delete, format!("a-b.c-7.{}-delete", "ab".repeat(16))),
            ("a", DirectoryKind::Stray, format!("a-7.{}-stray", "ab".repeat(16))),
            ("a", DirectoryKind::Future, format!("a-7.{}-future", "ab".repeat(16))),
        ] {
            let name = partition_directory(&partition(topic, 7), kind, unique);
            assert_eq!(name, expected);
            assert_eq!(parse_partition_directory(&name), Some((partition(topic, 7), kind)));
        }
        let long = partition_directory(&partition(&"x".repeat(249), 7), DirectoryKind::Delete, unique);
        assert_eq!(long.len(), 255);
        for name in ["lost+found", "a", "-1", "a-", "a-x", "remote-log-index-cache", "meta.properties"] {
            assert_eq!(parse_partition_directory(name), None, "{name}");
        }
    }
}
