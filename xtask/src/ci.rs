//! What CI runs, in the order in which a mistake shows soonest; `test` is its larger half.

use anyhow::Result;

use crate::shell::cargo;
use crate::sim::Sim;
use crate::{codegen, tidy};

/// Nodes, and how many of the simulator's first seeds, the same in every run; `cargo xtask sim --first` goes on from there.
const SIMULATED: [(Option<u64>, u64); 5] =
    [(None, 2000), (Some(3), 4200), (Some(5), 400), (Some(7), 60), (Some(9), 10)];

pub fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    codegen::check()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    test()?;
    for (nodes, seeds) in SIMULATED {
        Sim { seeds: Some(seeds), nodes, ..Sim::default() }.run()?;
    }
    chaos()
}

/// A minute of real processes under faults: all kinds that a plain kernel can do.
fn chaos() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("==> chaos is left out: network namespaces need root");
        return Ok(());
    }
    let faults = "kill,pause,cut,disk,clock,saturate,rolling,move";
    cargo(&["xtask", "chaos", "--seed", "2", "--minutes", "1.2", "--longest", "5", "--faults", faults])
}

/// Installs what the tests need, and passes them all.
pub fn test() -> Result<()> {
    cargo(&["test", "--workspace"])?;
    // Apache Kafka reads what we write, and the other way round
    cargo(&["xtask", "storage-referee"])?;
    cargo(&["xtask", "metadata-referee"])?;
    cargo(&["build", "--release", "--package", "barnabas"])?;
    // real clients against the release binary, those that install soon
    cargo(&["xtask", "compat"])?;
    // two of them against three nodes, each killed in the midst
    cargo(&["xtask", "compat", "--nodes", "3", "--only", "confluent", "--records", "2000"])
}
