//! The project's one development tool: `cargo xtask <command>`. One file a command.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod ci;
mod codegen;
mod fuzz;
mod shell;
mod tidy;

#[derive(Parser)]
#[command(name = "xtask", about = "Development tasks of Barnabas")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, lints, layers, tests and documents: what CI runs
    Ci,
    /// Protocol messages from their schemas
    Codegen(codegen::Codegen),
    /// Random and mutated bytes for every decoder
    Fuzz(fuzz::Fuzz),
    /// Layers, file headers and sizes
    Tidy,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Ci => ci::run(),
        Command::Codegen(codegen) => codegen.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Tidy => tidy::run(),
    }
}
