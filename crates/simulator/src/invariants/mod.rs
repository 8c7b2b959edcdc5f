//! What must hold, whatever happens. One file for each thing; each says what it promises in its head.

pub mod commits;
pub mod contents;
pub mod deliveries;
pub mod durability;
pub mod generations;
pub mod high_watermark;
pub mod images;
pub mod liveness;
pub mod majorities;
pub mod metadata_log;
pub mod moves;
pub mod newcomer;
pub mod ownership;
pub mod pauses;
pub mod producers;
pub mod promptness;
pub mod reassignments;
pub mod reigns;
pub mod replies;
pub mod survival;
pub mod topics;
pub mod votes;
