//! Why bytes are not a message, or a message cannot become bytes.

/// The bytes are refused; a connection that sent them is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the message ends early")]
    Truncated,
    #[error("a length or count of {0} is impossible here")]
    InvalidLength(i64),
    #[error("null where a value is required")]
    Null,
    #[error("more elements than a message of this size may hold in memory")]
    TooManyElements,
    #[error("a variable-length number is too long")]
    InvalidVarint,
    #[error("unknown API key {0}")]
    UnknownApiKey(i16),
    #[error("{name} has no version {version}")]
    UnsupportedVersion { name: &'static str, version: i16 },
    #[error("unknown record type {0}")]
    UnknownRecordType(i16),
    #[error("unknown record frame version {0}")]
    UnknownFrameVersion(u32),
}

/// The value does not fit the version; nothing of what was written may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("a string of {0} bytes is longer than the format allows")]
    TooLong(usize),
    #[error("null where this version requires a value")]
    Null,
    #[error("{name} has no version {version}")]
    UnsupportedVersion { name: &'static str, version: i16 },
    #[error("version {version} cannot carry a value for {field}")]
    UnsupportedField { field: &'static str, version: i16 },
    #[error("a file slice where only bytes are possible")]
    FileSlice,
}
