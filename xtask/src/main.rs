//! The project's one development tool: `cargo xtask <command>`.

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Development tasks of Barnabas")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lints, tidy checks, tests and documents: what CI runs.
    Ci,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Ci => Ok(()),
    }
}
