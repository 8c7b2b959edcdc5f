//! `cargo xtask bench`: Barnabas beside Apache Kafka and the machine's raw floor, in turns on one machine; the table and
//! the plot of `docs/BENCHMARKS.md`.

mod cluster;
mod floor;
mod loads;
mod memory;
mod report;
mod run;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::install;
use crate::shell::root;
use crate::subject::{self, Kind};
use loads::LOADS;
use memory::Filler;
use report::Sample;
use run::{Bench, Sizes};

/// Who a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    Barnabas,
    Kafka,
    Floor,
}

impl Party {
    fn kind(self) -> Option<Kind> {
        match self {
            Party::Barnabas => Some(Kind::Barnabas),
            Party::Kafka => Some(Kind::Kafka),
            Party::Floor => None,
        }
    }
}

#[derive(Args)]
pub struct BenchArguments {
    /// Only loads whose name begins so
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Times that each load is run with each subject
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Small loads: shows that the harness works, its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// GiB that lie in ten partitions when a broker is killed and started again
    #[arg(long, default_value_t = 10)]
    recovery_gib: u64,
    /// GiB of files that may fill the page cache, so that no subject pays for the first touch of memory; default: all of it
    #[arg(long)]
    fill_gib: Option<u64>,
    /// Leave out a subject: barnabas or kafka
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Kind>,
    /// 1, or 3 for the loads of a cluster (docs/BENCHMARKS-CLUSTER.md)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    nodes: u8,
    /// Shards of Barnabas, and as many processors for either broker
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Where brokers keep their data
    #[arg(long)]
    folder: Option<PathBuf>,
    /// List the loads
    #[arg(long)]
    list: bool,
}

impl BenchArguments {
    pub fn run(&self) -> Result<()> {
        let all = match self.nodes {
            1 => LOADS,
            _ => cluster::LOADS,
        };
        if self.list {
            for load in all {
                println!("{:<24} {}", load.name, load.about);
            }
            return Ok(());
        }
        let wanted = |name: &str| {
            self.only.is_empty() || self.only.iter().any(|start| name.starts_with(start.as_str()))
        };
        let loads: Vec<_> = all.iter().filter(|load| wanted(load.name)).collect();
        if loads.is_empty() {
            bail!("no such load; --list shows them");
        }
        let folder = self.folder.clone().unwrap_or_else(|| root().join("target/bench"));
        fs::create_dir_all(&folder)?;
        if !self.without.contains(&Kind::Barnabas) {
            subject::build(Kind::Barnabas)?;
        }
        let bench = Bench {
            load_client: install::go("bench/load", "load")?,
            floor: install::rust("bench/floor", "bench-floor")?,
            sizes: Sizes::new(self.quick, self.recovery_gib),
            shards: self.shards,
            folder: folder.clone(),
        };
        let mut filler = self.filler(&folder)?;
        let mut samples: Vec<Sample> = Vec::new();
        for round in 0..self.rounds.max(1) {
            for load in &loads {
                for party in self.parties(round) {
                    filler.top_up()?;
                    println!("==> round {} of {}: {} {party:?}", round + 1, self.rounds.max(1), load.name);
                    match (load.run)(&bench, party) {
                        Ok(figures) => samples.extend(figures.into_iter().map(|figure| {
                            println!("    {} {:.4} {}", figure.metric, figure.value, figure.unit);
                            Sample { load: load.name, party, figure }
                        })),
                        Err(error) => println!("    failed: {error:#}"),
                    }
                    bench.clear();
                }
            }
        }
        self.write(all, &samples)
    }

    /// In turns: who is first changes from round to round.
    fn parties(&self, round: usize) -> Vec<Party> {
        let mut parties = vec![Party::Floor, Party::Barnabas, Party::Kafka];
        parties.retain(|party| party.kind().is_none_or(|kind| !self.without.contains(&kind)));
        let first = round % parties.len();
        parties.rotate_left(first);
        parties
    }

    fn filler(&self, folder: &Path) -> Result<Filler> {
        let gib = match self.fill_gib {
            Some(gib) => gib,
            None if self.quick => 0,
            None => memory::available_gib()?,
        };
        if gib > 0 {
            println!("==> filling the page cache");
        }
        Filler::new(folder.join("fill"), gib)
    }

    fn write(&self, loads: &[loads::Load], samples: &[Sample]) -> Result<()> {
        let quick = if self.quick { "; quick, so its figures mean nothing" } else { "" };
        let rounds = self.rounds.max(1);
        let (name, about) = if self.nodes == 1 {
            let run = format!(
                "`cargo xtask bench`: {rounds} round(s), {} processor(s) for the broker, the client on another{quick}",
                self.shards
            );
            ("", ("Benchmarks", run, "benchmarks.svg"))
        } else {
            let run = format!(
                "`cargo xtask bench --nodes 3`: {rounds} round(s), three nodes and the client on all processors{quick}"
            );
            ("-CLUSTER", ("Benchmarks of three nodes", run, "benchmarks-cluster.svg"))
        };
        let (title, run, plot) = about;
        let table = report::document(loads, samples, &report::About { title, run: &run, plot });
        println!("\n{table}");
        let profile = fs::read_to_string(root().join(format!("bench/PROFILE{name}.md")))?;
        // Quick figures and parts of a run are not the project's figures.
        let folder = if self.quick || !self.only.is_empty() {
            root().join("target/bench")
        } else {
            root().join("docs")
        };
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("BENCHMARKS{name}.md")), format!("{table}\n{profile}"))?;
        fs::write(folder.join(plot), report::plot(loads, samples))?;
        println!("written to {}", folder.display());
        Ok(())
    }
}
