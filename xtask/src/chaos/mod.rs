//! `cargo xtask chaos`: a cluster of real processes, each in a network namespace of its own, under faults drawn by a seed, while
//! clients of several languages write, read and commit; then all heals, and what they were told is held against what is there.
//! Needs root, network namespaces and nftables, and TUN
//! devices for slow links. All that it makes is taken down when it ends, however it ends.

mod checker;
mod cluster;
mod disk;
mod faults;
mod fencing;
mod history;
mod moves;
mod network;
mod node;
mod replicas;
mod workload;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use platform::Random;

use crate::install::quietly;
use crate::shell::{cargo, root};
use crate::subject;
use checker::Checker;
use cluster::{Cluster, now_ms};
use faults::{Kind, Storm, Weather};
use node::Shape;
use workload::{Client, Programs, TOPICS, Workload};

const END_LIMIT: Duration = Duration::from_secs(120);
/// Before the first fault: everybody has found everybody.
const CALM: Duration = Duration::from_secs(5);
const DISK_MIB: u64 = 384;
const DISK_MIB_A_MINUTE: f64 = 64.0;

#[derive(Args)]
pub struct Chaos {
    /// What the faults are drawn from; another one in every run if not given
    #[arg(long)]
    seed: Option<u64>,
    /// How long the faults last
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=7))]
    nodes: u64,
    /// Only these kinds of faults
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// broker.session.timeout.ms
    #[arg(long, default_value_t = 9000)]
    session: u64,
    /// Shards of a node; drawn by the seed if not given
    #[arg(long)]
    shards: Option<u64>,
    /// Longest pause, cut or jump, in seconds
    #[arg(long, default_value_t = 20)]
    longest: u64,
    /// Within so many seconds after the last fault, or a rolling restart of a node, all must be in sync
    #[arg(long, default_value_t = 60)]
    heal: u64,
    /// Nodes that may be away at a time; one less than the half if not given
    #[arg(long)]
    away: Option<usize>,
    /// A debug binary instead of the release one
    #[arg(long)]
    debug: bool,
    /// Keep logs and directories after a good run too
    #[arg(long)]
    keep: bool,
    /// Where the directories are made
    #[arg(long, default_value = "target/chaos")]
    folder: PathBuf,
    #[arg(long, hide = true)]
    sweep: Option<String>,
    #[arg(long, hide = true, requires = "sweep")]
    sweep_disk: Option<PathBuf>,
}

impl Chaos {
    pub fn run(&self) -> Result<()> {
        if let (Some(tag), Some(disk)) = (&self.sweep, &self.sweep_disk) {
            return network::guard(tag, disk);
        }
        let seed = self.seed.unwrap_or(now_ms() as u64 % 1_000_000);
        let folder = root().join(&self.folder).join(format!("seed-{seed}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        println!("chaos: seed {seed}, {} nodes, {} minutes", self.nodes, self.minutes);
        let outcome = self.seed(seed, &folder);
        match &outcome {
            Ok(()) if !self.keep => fs::remove_dir_all(&folder)?,
            Ok(()) => println!("kept in {}", folder.display()),
            Err(_) => println!("chaos: seed {seed} FAILED; logs and directories are in {}", folder.display()),
        }
        outcome
    }

    fn seed(&self, seed: u64, folder: &Path) -> Result<()> {
        let programs = Programs::install()?;
        let binary = self.binary()?;
        let mut dice = Random::new(seed);
        let drawn = 1 + dice.below(3);
        let shape = Shape {
            binary,
            nodes: self.nodes as usize,
            shards: self.shards.unwrap_or(drawn),
            session_ms: self.session,
            shaped: self.kinds().contains(&Kind::Link),
        };
        println!("chaos: {} shard(s) a node, sessions of {} ms", shape.shards, shape.session_ms);
        let disk_mib = DISK_MIB + (self.minutes * DISK_MIB_A_MINUTE) as u64;
        let heal = Duration::from_secs(self.heal);
        let mut cluster = Cluster::start_all(folder, &shape, disk_mib, heal)?;
        let outcome = self.play(dice, &mut cluster, &programs, folder);
        cluster.nodes.iter_mut().for_each(node::Node::kill);
        if outcome.is_err() || self.keep {
            // the small disk goes with the network
            let last = folder.join(format!("node-{}/data", shape.nodes));
            let _ = quietly(
                std::process::Command::new("cp").arg("-r").arg(cluster.disk.folder.join("data")).arg(last),
            );
        }
        outcome
    }

    fn kinds(&self) -> Vec<Kind> {
        if self.faults.is_empty() { Kind::ALL.to_vec() } else { self.faults.clone() }
    }

    /// With a clock that can be set off, which no product has; or what `BARNABAS_BINARY` names.
    fn binary(&self) -> Result<PathBuf> {
        if std::env::var_os("BARNABAS_BINARY").is_some() {
            return subject::binary();
        }
        let profile = if self.debug { "debug" } else { "release" };
        let mut words = vec!["build", "--quiet", "--package", "barnabas", "--features", "test-clock"];
        if !self.debug {
            words.push("--release");
        }
        cargo(&words)?;
        // a copy: the next build of the product takes its place
        let copy = root().join("target/chaos");
        fs::create_dir_all(&copy)?;
        let copy = copy.join(format!("barnabas-{profile}"));
        let _ = fs::remove_file(&copy);
        fs::copy(root().join("target").join(profile).join("barnabas"), &copy)?;
        Ok(copy)
    }

    fn play(
        &self,
        mut dice: Random,
        cluster: &mut Cluster,
        programs: &Programs,
        folder: &Path,
    ) -> Result<()> {
        create_topics(cluster)?;
        let bootstrap = cluster.bootstrap();
        cluster.heal()?;
        let ready_ms = now_ms();
        let mut workload = cluster.place(programs, folder, &bootstrap).workload()?;
        std::thread::sleep(CALM);
        let away_max = self.away.unwrap_or((cluster.nodes.len() - 1) / 2);
        let weather = Weather {
            kinds: self.kinds(),
            until: Instant::now() + Duration::from_secs_f64(self.minutes * 60.0),
            longest: Duration::from_secs(self.longest.max(1)),
            away_max,
        };
        Storm::new(dice.fork(), weather).blow(cluster, || workload.check())?;
        let healed = cluster.heal()?;
        cluster.timeline.note(&format!("no more faults; all in sync after {:.1} s", healed.as_secs_f64()));
        workload.check()?;
        workload::end(&mut workload.writers, END_LIMIT)?;
        workload::end(&mut workload.readers, END_LIMIT)?;
        workload::end(&mut workload.groups, END_LIMIT)?;
        let place = cluster.place(programs, folder, &bootstrap);
        let last_readers = place.read_all(END_LIMIT)?;
        let committed = place.committed(END_LIMIT)?;
        let over_ms = now_ms();
        cluster.stop_all()?;
        let faults = cluster.timeline.counts();
        let fencings = fencing::count(cluster, self.session, ready_ms, over_ms)?;
        println!(
            "fenced: {} times, {} by the session, {} without reason",
            fencings.all,
            fencings.by_session,
            fencings.false_alarms.len()
        );
        let mut checker = judge(&workload, &last_readers, &committed, cluster)?;
        fencings.false_alarms.into_iter().for_each(|line| checker.violation("false alarm", line));
        println!("faults: {}", said(&faults));
        match replicas::compare(cluster) {
            Ok(equal) => println!("replicas: {} partitions, {} bytes, equal", equal.partitions, equal.bytes),
            Err(error) => checker.violation("replicas differ", format!("{error:#}")),
        }
        println!(
            "{} records acknowledged, {} there, {} read, {} commits ({} refused)",
            checker.acknowledged,
            checker.records(),
            checker.read,
            checker.commits,
            checker.refused_commits
        );
        if checker.violations() > 0 {
            bail!("{}", checker.report());
        }
        println!("chaos: held");
        Ok(())
    }
}

fn said(faults: &BTreeMap<Kind, usize>) -> String {
    faults.iter().map(|(kind, count)| format!("{count} {kind:?}")).collect::<Vec<_>>().join(", ")
}

/// The brokers are still finding each other.
fn create_topics(cluster: &mut Cluster) -> Result<()> {
    for (topic, partitions) in TOPICS {
        let count = partitions.to_string();
        let bootstrap = cluster.bootstrap();
        let words =
            ["kafka-topics", "--bootstrap-server", &bootstrap, "--create", "--if-not-exists", "--topic"];
        let more = [topic, "--partitions", &count, "--replication-factor", "3"];
        let deadline = Instant::now() + END_LIMIT;
        while let Err(error) = cluster.tool(&[&words[..], &more[..]].concat()) {
            cluster.check()?;
            if Instant::now() > deadline {
                return Err(error.context("a topic"));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    Ok(())
}

fn judge(workload: &Workload, last: &[Client], committed: &[Client], cluster: &Cluster) -> Result<Checker> {
    let mut checker = Checker::default();
    checker.learn(last)?;
    for writer in &workload.writers {
        match checker.writer(writer)? {
            Some(pause) => println!(
                "{}: longest pause {:.2} s, from {:.1} s on",
                writer.name,
                pause.ms as f64 / 1000.0,
                cluster.timeline.seconds(pause.from_ms)
            ),
            None => checker.violation("idle writer", writer.name.clone()),
        }
    }
    for reader in &workload.readers {
        checker.reader(reader)?;
    }
    for group in &workload.groups {
        let name = format!("{}-end", group.name);
        let end = committed.iter().find(|one| one.name == name).context("no such group")?;
        checker.group(group, end)?;
    }
    Ok(checker)
}
