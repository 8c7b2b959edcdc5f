//! Runs seeds and says what they have seen; at the first that fails, how to see it again. `cargo xtask sim` calls it.

mod parallel;
#[cfg(feature = "planted")]
mod planting;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use simulator::coverage::Coverage;
use simulator::{Options, Report, run};

#[derive(Parser)]
#[command(name = "simulator", about = "Deterministic simulation of whole nodes")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 100, conflicts_with = "seconds")]
    seeds: u64,
    /// Goes on for this long instead
    #[arg(long)]
    seconds: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Nodes of the cluster; one unless given, several are 3 to 9
    #[arg(long, value_parser = nodes)]
    nodes: Option<usize>,
    /// Shards of a node instead of what each seed draws
    #[arg(long)]
    shards: Option<u16>,
    /// Seeds at a time; as many as there are cores unless given
    #[arg(long)]
    workers: Option<usize>,
    /// Goes on after a seed that fails, and counts them
    #[arg(long)]
    keep_going: bool,
    /// Prints what happened, of one seed
    #[arg(long)]
    tell: bool,
    /// With the calls of the file system on paths with this in them
    #[arg(long, requires = "tell")]
    path: Option<String>,
    /// Shows that each bug planted on purpose is found within so many seeds
    #[cfg(feature = "planted")]
    #[arg(long)]
    planted: bool,
    /// Shows it of this one alone
    #[cfg(feature = "planted")]
    #[arg(long)]
    plant: Option<String>,
}

impl Arguments {
    fn workers(&self) -> usize {
        self.workers.unwrap_or_else(parallel::cores)
    }

    fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            nodes: self.nodes,
            shards: self.shards,
            tells: self.tell,
            tells_path: self.path.clone(),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tell_seed_on_panic(arguments.nodes, arguments.shards);
    #[cfg(feature = "planted")]
    if arguments.planted || arguments.plant.is_some() {
        return planting::find(&arguments);
    }
    match Seeds::new(&arguments).run() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nodes @ (1 | 3..=9)) => Ok(nodes),
        _ => Err("1, or 3 to 9".to_owned()),
    }
}

#[allow(clippy::disallowed_methods, reason = "how long the run takes is no part of it")]
fn clock() -> Instant {
    Instant::now()
}

fn replay_command(seed: u64, nodes: Option<usize>, shards: Option<u16>) -> String {
    let nodes = nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    let shards = shards.map(|shards| format!(" --shards {shards}")).unwrap_or_default();
    format!("cargo xtask sim --first {seed} --seeds 1 --tell{nodes}{shards}")
}

/// A panic ends the process: whoever reads of it has to know the seed.
fn tell_seed_on_panic(nodes: Option<usize>, shards: Option<u16>) {
    std::panic::set_hook(Box::new(move |panic| {
        let seed = parallel::seed();
        eprintln!("seed {seed} panics: {panic}\n  {}", replay_command(seed, nodes, shards));
        std::process::exit(101);
    }));
}

/// What came of the seeds until now.
struct Seeds<'a> {
    arguments: &'a Arguments,
    start: Instant,
    told: Duration,
    coverage: Coverage,
    ran: u64,
    events: u64,
    counted: u64,
    failed: Vec<u64>,
}

impl Seeds<'_> {
    fn new(arguments: &Arguments) -> Seeds<'_> {
        Seeds {
            arguments,
            start: clock(),
            told: Duration::ZERO,
            coverage: Coverage::default(),
            ran: 0,
            events: 0,
            counted: 0,
            failed: Vec::new(),
        }
    }

    /// Whether all held.
    fn run(mut self) -> bool {
        let arguments = self.arguments;
        let limit = arguments.seconds.map(Duration::from_secs);
        let end = if limit.is_some() { u64::MAX } else { arguments.first + arguments.seeds };
        let one = |seed| run(arguments.options(seed));
        parallel::in_order(arguments.workers(), (arguments.first, end), one, |seed, report| {
            self.take(seed, report);
            let in_time = limit.is_none_or(|limit| self.start.elapsed() < limit);
            in_time && (self.failed.is_empty() || arguments.keep_going)
        });
        self.conclude()
    }

    fn take(&mut self, seed: u64, report: Report) {
        report.log.iter().for_each(|line| println!("{line}"));
        self.ran += 1;
        self.events += report.events;
        self.counted += u64::from(report.coverage.is_enough());
        self.coverage.add(&report.coverage);
        if self.arguments.tell {
            println!("trace {:016x}, {} events", report.trace, report.events);
            report.coverage.lines().iter().for_each(|line| println!("  {line}"));
        }
        if let Some(violation) = report.violation {
            println!("seed {seed} ({} shards) fails: {violation}", report.shards);
            println!("  {}", replay_command(seed, self.arguments.nodes, self.arguments.shards));
            self.failed.push(seed);
        }
        if self.start.elapsed() > self.told + Duration::from_secs(10) {
            self.told = self.start.elapsed();
            println!("{} seeds, {} events in {:.0?}", self.ran, self.events, self.told);
        }
    }

    fn conclude(&self) -> bool {
        let held = self.ran - self.failed.len() as u64;
        println!(
            "{held} of {} seeds from {} held, {} of them counted; {} events, {:.0} a second on {} cores; {} records \
             acknowledged, {} crashes, {} changes of leader",
            self.ran,
            self.arguments.first,
            self.counted,
            self.events,
            self.events as f64 / self.start.elapsed().as_secs_f64().max(0.001),
            self.arguments.workers(),
            self.coverage.acknowledged_records,
            self.coverage.crashes,
            self.coverage.leader_changes
        );
        self.coverage.lines().iter().for_each(|line| println!("  {line}"));
        let enough = self.counted * 2 >= self.ran;
        if !enough {
            println!("too few seeds saw enough");
        }
        if self.failed.len() > 1 {
            println!("failed: {:?}", self.failed);
        }
        enough && self.failed.is_empty()
    }
}
