//! What CI runs, in the order in which a mistake shows soonest.

use anyhow::Result;

use crate::shell::cargo;
use crate::{codegen, tidy};

pub fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    codegen::check()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--workspace"])?;
    Ok(())
}
