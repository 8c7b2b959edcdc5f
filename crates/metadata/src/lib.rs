//! Cluster metadata: what every node knows (`image`), what the active controller decides (`controller`), and
//! every config there is (`configs`). Pure: no clock, no files, no threads.

pub mod configs;
pub mod controller;
pub mod features;
pub mod image;
