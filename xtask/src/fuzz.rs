//! `cargo xtask fuzz`: the tests that feed random and mutated bytes to decoders, for many seeds, optimised. They are the
//! ordinary tests of their crates, run longer: `FUZZ_FIRST` and `FUZZ_SEEDS` tell them which seeds.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::shell::root;

/// Package of each fuzzer, and how cargo is told which tests they are.
const TARGETS: &[(&str, &[&str])] = &[
    ("protocol", &["--test", "robustness"]),
    ("records", &["--test", "fuzz"]),
    ("storage", &["--test", "fuzz"]),
    ("metadata", &["--test", "fuzz"]),
    ("coordinator", &["--test", "fuzz"]),
    ("broker", &["--test", "fuzz", "--test", "fuzz_quorum"]),
    ("server", &["--test", "fuzz"]),
    ("client", &["--lib", "fuzz::"]),
];

/// Seeds between two looks at the clock.
const ROUND: u64 = 100;

#[derive(Args)]
pub struct Fuzz {
    /// Only the fuzzer of this package
    #[arg(long)]
    package: Option<String>,
    /// The first seed; a failure names the one to begin with
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1000, conflicts_with = "seconds")]
    seeds: u64,
    /// Goes on for this long instead, for each fuzzer
    #[arg(long)]
    seconds: Option<u64>,
}

impl Fuzz {
    pub fn run(self) -> Result<()> {
        let wanted = |package: &str| self.package.as_deref().is_none_or(|only| only == package);
        for (package, tests) in TARGETS.iter().filter(|(package, _)| wanted(package)) {
            self.target(package, tests)?;
        }
        Ok(())
    }

    fn target(&self, package: &str, tests: &[&str]) -> Result<()> {
        // what is built is not fuzzed: the clock starts behind it
        if !cargo_test(package, tests).arg("--no-run").status()?.success() {
            bail!("{package} does not build");
        }
        let (start, limit) = (Instant::now(), self.seconds.map(Duration::from_secs));
        let mut seed = self.first;
        let more = |seed: u64| match limit {
            Some(limit) => start.elapsed() < limit,
            None => seed < self.first.saturating_add(self.seeds),
        };
        while more(seed) {
            let left = self.first.saturating_add(self.seeds).saturating_sub(seed);
            let count = if limit.is_some() { ROUND } else { ROUND.min(left) };
            let status = cargo_test(package, tests)
                .env("FUZZ_FIRST", seed.to_string())
                .env("FUZZ_SEEDS", count.to_string())
                .status()?;
            if !status.success() {
                bail!("{package} fails: cargo xtask fuzz --package {package} --first {seed} --seeds {count}");
            }
            seed = seed.saturating_add(count);
        }
        println!("{package}: seeds {} to {} in {:.0?}", self.first, seed.saturating_sub(1), start.elapsed());
        Ok(())
    }
}

fn cargo_test(package: &str, tests: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["test", "--quiet", "--release", "-p", package]).args(tests).current_dir(root());
    command
}
