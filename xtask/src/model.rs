//! `cargo xtask model`: the quorum's machine model-checked in larger worlds than its tests explore, optimised.

use anyhow::Result;
use clap::Args;

use crate::shell::cargo;

#[derive(Args)]
pub struct Model {
    /// How much more of everything may happen: 1 takes minutes, each further one many times as long
    #[arg(long, default_value_t = 1)]
    depth: u8,
    /// Ends each world after so many steps; what was seen until then is still sound
    #[arg(long, default_value_t = 200_000_000)]
    steps_max: u64,
}

impl Model {
    pub fn run(self) -> Result<()> {
        let depth = format!("env.BARNABAS_MODEL_DEPTH='{}'", self.depth);
        let steps = format!("env.BARNABAS_MODEL_STEPS='{}'", self.steps_max);
        cargo(&[
            "test",
            "--release",
            "--package",
            "raft",
            "--lib",
            "--config",
            &depth,
            "--config",
            &steps,
            "large_worlds_are_sound",
            "--",
            "--nocapture",
        ])
    }
}
