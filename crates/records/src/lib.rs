//! Record batches of format v2: view, iterate, build, validate, compress. Pure: bytes in, bytes out.
//!
//! A batch is looked at in place (`Header`, `Batch`, `Batches`); its records are read from `Batch::data`, which
//! is borrowed where nothing is compressed. `validate` judges what a producer sent; `rebuild` writes it anew.

pub mod compression;
pub mod control;

mod batch;
mod builder;
mod crc;
mod error;
mod header;
mod patch;
mod rebuild;
mod record;
mod refusal;
mod validate;
mod varint;
mod walk;

pub use batch::{Batch, Batches};
pub use builder::{BatchBuilder, BatchOptions, record_size};
pub use compression::{Codec, Compression};
pub use crc::crc32c;
pub use error::{BatchError, BuildError, RecordError};
pub use header::{HEADER_SIZE, Header, LOG_OVERHEAD, MAGIC, NO_SEQUENCE, NO_TIMESTAMP, TimestampType};
pub use patch::PatchedHeader;
pub use rebuild::{RebuildError, RebuildOptions, rebuild};
pub use record::{Record, RecordHeader, RecordHeaders, Records};
pub use refusal::{RecordFault, RecordRefusal, RecordText, Refusal};
pub use validate::{Rules, Validated, validate};
