//! What can be wrong with bytes. A batch that is corrupt is Kafka's CORRUPT_MESSAGE, a record INVALID_RECORD.

use crate::compression::CompressionError;

/// A batch whose frame, magic or checksum is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("Record size {0} is less than the minimum record overhead (14)")]
    Length(i32),
    #[error("Record batch is corrupt (the size {0} is smaller than the minimum allowed overhead 61)")]
    TooSmall(usize),
    /// Formats 0 and 1, which are neither read nor written.
    #[error("Record batch has the old magic {0}")]
    OldMagic(i8),
    #[error("Invalid magic found in record: {0}")]
    Magic(i8),
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc { stored: u32, computed: u32 },
    #[error("Incorrect declared batch size: {declared} bytes declared, {given} given")]
    Trailing { declared: usize, given: usize },
}

/// Records that cannot be read. Texts are Kafka's where a client sees them.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("Found invalid record structure")]
    Structure,
    #[error(
        "Invalid record size: expected {expected} bytes in record payload, but the record payload reached EOF."
    )]
    Truncated { expected: i64 },
    #[error(
        "Invalid record size: expected to read {expected} bytes in record payload, but instead read {read}"
    )]
    Size { expected: i64, read: i64 },
    #[error("Found invalid number of record headers {0}")]
    HeaderCount(i64),
    #[error("Invalid negative header key size {0}")]
    HeaderKey(i64),
    #[error("Found invalid record count {0} in magic v2 batch")]
    Count(i32),
    /// Fewer records than the header counts.
    #[error("Incorrect declared batch size, premature EOF reached")]
    Premature,
    /// More records than the header counts.
    #[error("Incorrect declared batch size, records still remaining in file")]
    Remaining,
    #[error("Failed to decompress record stream: {0}")]
    Compression(#[from] CompressionError),
}

/// A batch that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("a batch holds at most {} bytes", i32::MAX)]
    TooLarge,
    #[error("offset {offset} does not follow {last} in a batch based at {base}")]
    Offset { offset: i64, last: i64, base: i64 },
    #[error(transparent)]
    Compression(#[from] CompressionError),
}
