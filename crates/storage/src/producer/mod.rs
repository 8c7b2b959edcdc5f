//! What a log knows of its idempotent and transactional producers: it makes retries harmless (KIP-98).

mod entry;
mod refusal;
mod snapshot;
mod state;

pub use entry::{BatchMetadata, ProducerEntry};
pub use refusal::ProducerRefusal;
pub use snapshot::{decode as decode_snapshot, encode as encode_snapshot};
pub use state::{Checked, CompletedTransaction, ProducerState};
