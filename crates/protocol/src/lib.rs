//! Kafka's wire protocol and the schemas of its internal records, without IO.
//! Messages are generated from `schemas/` (`cargo xtask codegen`): one struct for each message, for all versions.
//! Never here: what a request means.

mod api;
pub mod api_versions;
mod error;
mod error_code;
#[rustfmt::skip]
#[allow(clippy::all, unused_imports, unused_variables)]
pub(crate) mod generated;
mod header;
mod message;
mod reader;
mod record_set;
mod string;
mod writer;

pub mod records;

pub use api::{Listener, ListenerSet, Versions};
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use generated::api::{ApiKey, Request, Response};
pub use generated::{data, messages};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{ApiRequest, Message, Part};
pub use reader::Reader;
pub use record_set::{Records, RecordsPart};
pub use string::Str;
pub use writer::{Chunk, Writer};
