//! Records as programs give and get them.

use std::sync::Arc;

use bytes::Bytes;
use records::TimestampType;

/// A name and a value; names may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub key: String,
    pub value: Option<Bytes>,
}

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    pub topic: Arc<str>,
    /// None: by key, else where it suits the batches.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; None: now.
    pub timestamp: Option<i64>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    pub partition: i32,
    /// -1 where the broker does not tell (acks=0).
    pub offset: i64,
    pub timestamp: i64,
}

/// What is consumed.
#[derive(Clone, Debug)]
pub struct ConsumerRecord {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub timestamp_type: TimestampType,
    pub leader_epoch: Option<i32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}
