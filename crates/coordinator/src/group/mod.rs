//! The group coordinator: one `GroupShard` for each partition of `__consumer_offsets`.
//!
//! A command either answers at once, parks its token inside a group, or hands out a `Write` whose reply is kept
//! until the driver says that the write is committed. Offsets change only then, so what a fetch sees is committed.

mod admin;
mod classic;
mod config;
mod dispatch;
mod entry;
mod foreign;
#[cfg(test)]
mod golden;
mod io;
mod offsets;
mod pending;
mod records;
mod refusal;
mod replay;
mod shard;
mod state;
mod subscription;
mod turn;
mod view;

pub use config::GroupConfig;
pub use io::{
    Caller, Command, Context, Effects, NoTopics, Response, Token, Topics, Write, WriteId, WriteRecord,
};
pub use offsets::CommittedOffset;
pub use replay::{ReplayError, ReplayRecord};
pub use shard::GroupShard;
pub use view::GroupView;
