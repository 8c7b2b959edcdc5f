//! Coordinators as pure state machines over an internal topic: a command gives records and a reply, the records
//! are appended by whoever drives it, and what is committed changes the state. No log, clock or socket below here.

pub mod group;
