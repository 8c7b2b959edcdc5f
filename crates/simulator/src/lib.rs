//! A whole node in one thread, with its clients, its network and its disk, driven by one seed. The node is the
//! production code; everything around it is simulated and fails as the seed says.
//!
//! `world` is the loop, `node` holds the actors, `clients` the programs that talk to it, `invariants` what must
//! hold, one file each. Never here: anything that a node needs in production.

pub mod coverage;
pub mod run;

mod aims;
mod audit;
mod clients;
mod clock;
mod commands;
mod content;
mod disk;
mod effects;
mod faults;
mod invariants;
mod model;
mod network;
mod newcomer;
mod node;
mod peers;
mod replicas;
mod restart;
mod rolling;
mod rot;
mod scheduler;
mod trace;
mod world;

pub use run::{Options, Report, run};
