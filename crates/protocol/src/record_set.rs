//! The records field of fetch responses: bytes, or ranges of log files that are sent without being read.

use bytes::Bytes;
use platform::FileSlice;

/// One part of a records field.
#[derive(Clone, Debug)]
pub enum RecordsPart {
    Bytes(Bytes),
    File(FileSlice),
}

/// What a response carries as records. Decoding gives `Bytes`, `Empty` or `Null`.
#[derive(Clone, Debug, Default)]
pub enum Records {
    /// Zero bytes: what clients expect where there is nothing, or an error.
    #[default]
    Empty,
    Null,
    Bytes(Bytes),
    File(FileSlice),
    Many(Vec<RecordsPart>),
}

impl Records {
    /// Bytes that the field will have on the wire, its length not counted.
    pub fn size(&self) -> u64 {
        match self {
            Records::Empty | Records::Null => 0,
            Records::Bytes(bytes) => bytes.len() as u64,
            Records::File(slice) => slice.size,
            Records::Many(parts) => parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.size())),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// The bytes where all of them are in memory and in one piece; empty for `Empty` and `Null`.
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Records::Empty | Records::Null => Some(Bytes::new()),
            Records::Bytes(bytes) => Some(bytes.clone()),
            Records::File(_) | Records::Many(_) => None,
        }
    }
}

impl RecordsPart {
    pub fn size(&self) -> u64 {
        match self {
            RecordsPart::Bytes(bytes) => bytes.len() as u64,
            RecordsPart::File(slice) => slice.size,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        if bytes.is_empty() { Records::Empty } else { Records::Bytes(bytes) }
    }
}

impl From<FileSlice> for Records {
    fn from(slice: FileSlice) -> Records {
        if slice.size == 0 { Records::Empty } else { Records::File(slice) }
    }
}

/// Files are compared by identity and range, never by content.
fn same_slice(left: &FileSlice, right: &FileSlice) -> bool {
    std::ptr::addr_eq(std::sync::Arc::as_ptr(&left.file), std::sync::Arc::as_ptr(&right.file))
        && left.position == right.position
        && left.size == right.size
}

impl PartialEq for RecordsPart {
    fn eq(&self, other: &RecordsPart) -> bool {
        match (self, other) {
            (RecordsPart::Bytes(left), RecordsPart::Bytes(right)) => left == right,
            (RecordsPart::File(left), RecordsPart::File(right)) => same_slice(left, right),
            _ => false,
        }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        match (self, other) {
            (Records::Empty, Records::Empty) | (Records::Null, Records::Null) => true,
            (Records::Bytes(left), Records::Bytes(right)) => left == right,
            (Records::File(left), Records::File(right)) => same_slice(left, right),
            (Records::Many(left), Records::Many(right)) => left == right,
            _ => false,
        }
    }
}
