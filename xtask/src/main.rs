//! The project's one development tool: `cargo xtask <command>`. One file a command.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod chaos;
mod ci;
mod codegen;
mod compat;
mod fuzz;
mod install;
mod metadata_referee;
mod model;
mod node_log;
mod process;
mod quorum_nodes;
mod quorum_referee;
mod shell;
mod sim;
mod storage_referee;
mod subject;
mod tidy;
mod torture;

#[derive(Parser)]
#[command(name = "xtask", about = "Development tasks of Barnabas")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Barnabas beside Apache Kafka and the machine's raw floor: docs/BENCHMARKS.md
    Bench(bench::BenchArguments),
    /// Real processes in namespaces of their own under kills, pauses, cuts, slow links, full disks and jumping clocks
    Chaos(chaos::Chaos),
    /// Formatting, lints, layers, tests and documents: what CI runs
    Ci,
    /// Protocol messages from their schemas
    Codegen(codegen::Codegen),
    /// Random and mutated bytes for every decoder
    Fuzz(fuzz::Fuzz),
    /// Real clients against the release binary, or against Apache Kafka as the control
    Compat(compat::Compat),
    /// Apache Kafka's own tool reads the directories that our log writes
    StorageReferee(storage_referee::StorageReferee),
    /// Apache Kafka reads our metadata log and we read its
    MetadataReferee(metadata_referee::MetadataReferee),
    /// Every order of events in small quorums: docs/ARCHITECTURE.md
    Model(model::Model),
    /// Apache Kafka's controllers and ours in one quorum, leaders of both killed
    QuorumReferee(quorum_referee::QuorumReferee),
    /// Seeds of the simulator: a whole node with its clients, network and disk, and what goes wrong with them
    Sim(sim::Sim),
    /// Installs what the tests need, and passes them all
    Test,
    /// Layers, file headers and sizes
    Tidy,
    /// kill -9 again and again, random frames, a full disk: what must hold through them
    Torture(torture::Torture),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Bench(bench) => bench.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::Ci => ci::run(),
        Command::Codegen(codegen) => codegen.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Compat(compat) => compat.run(),
        Command::StorageReferee(referee) => referee.run(),
        Command::MetadataReferee(referee) => referee.run(),
        Command::Model(model) => model.run(),
        Command::QuorumReferee(referee) => referee.run(),
        Command::Sim(sim) => sim.run(),
        Command::Test => ci::test(),
        Command::Tidy => tidy::run(),
        Command::Torture(torture) => torture.run(),
    }
}
