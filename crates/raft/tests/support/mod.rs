//! What the tests of the machine share.
#![allow(dead_code)]

pub mod cluster;
pub mod memory_log;
