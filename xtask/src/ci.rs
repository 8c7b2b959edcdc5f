//! What CI runs, in the order in which a mistake shows soonest; `test` is its larger half.

use anyhow::Result;

use crate::shell::cargo;
use crate::{codegen, tidy};

pub fn run() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    codegen::check()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    test()
}

/// Installs what the tests need, and passes them all.
pub fn test() -> Result<()> {
    cargo(&["test", "--workspace"])?;
    cargo(&["build", "--release", "--package", "barnabas"])?;
    Ok(())
}
