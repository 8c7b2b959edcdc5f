//! What CI runs, in the order in which a mistake shows soonest; `test` is its larger half.

use anyhow::Result;

use crate::shell::cargo;
use crate::sim::Sim;
use crate::{codegen, tidy};

/// The simulator's first seeds, the same in every run; `cargo xtask sim --first` goes on from there.
const SIMULATED_SEEDS: u64 = 1000;
/// The same of three nodes.
const SIMULATED_CLUSTERS: u64 = 1200;
/// And of five.
const SIMULATED_FIVES: u64 = 120;
/// And of seven.
const SIMULATED_SEVENS: u64 = 20;

pub fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    codegen::check()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    test()?;
    Sim { seeds: Some(SIMULATED_SEEDS), ..Sim::default() }.run()?;
    Sim { seeds: Some(SIMULATED_CLUSTERS), nodes: Some(3), ..Sim::default() }.run()?;
    Sim { seeds: Some(SIMULATED_FIVES), nodes: Some(5), ..Sim::default() }.run()?;
    Sim { seeds: Some(SIMULATED_SEVENS), nodes: Some(7), ..Sim::default() }.run()?;
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
