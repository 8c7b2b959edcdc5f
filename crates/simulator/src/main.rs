//! Runs seeds and says what they have seen; at the first that fails, how to see it again. `cargo xtask sim` calls it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use simulator::coverage::Coverage;
use simulator::{Options, run};

#[derive(Parser)]
#[command(name = "simulator", about = "Deterministic simulation of a whole node")]
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
    /// Shards of the node instead of what each seed draws
    #[arg(long)]
    shards: Option<u16>,
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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted")]
    if arguments.planted {
        return planted::find(&arguments);
    }
    match seeds(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

#[allow(clippy::disallowed_methods, reason = "how long the run takes is no part of it")]
fn clock() -> Instant {
    Instant::now()
}

fn replay_command(seed: u64, shards: Option<u16>) -> String {
    let shards = shards.map(|shards| format!(" --shards {shards}")).unwrap_or_default();
    format!("cargo xtask sim --first {seed} --seeds 1 --tell{shards}")
}

/// A panic ends the process: whoever reads of it has to know the seed.
fn tell_seed_on_panic(seed: u64, shards: Option<u16>) {
    let command = replay_command(seed, shards);
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("seed {seed} panics: {panic}\n  {command}");
    }));
}

fn seeds(arguments: &Arguments) -> Result<(), ()> {
    let start = clock();
    let limit = arguments.seconds.map(Duration::from_secs);
    let (mut coverage, mut events, mut counted) = (Coverage::default(), 0, 0);
    let mut seed = arguments.first;
    let mut told = Duration::ZERO;
    loop {
        let done = match limit {
            Some(limit) => start.elapsed() >= limit,
            None => seed >= arguments.first + arguments.seeds,
        };
        if done {
            break;
        }
        tell_seed_on_panic(seed, arguments.shards);
        let report = run(Options {
            seed,
            shards: arguments.shards,
            tells: arguments.tell,
            tells_path: arguments.path.clone(),
        });
        report.log.iter().for_each(|line| println!("{line}"));
        events += report.events;
        counted += u64::from(report.coverage.is_enough());
        coverage.add(&report.coverage);
        if arguments.tell {
            println!("trace {:016x}, {} events", report.trace, report.events);
            report.coverage.lines().iter().for_each(|line| println!("  {line}"));
        }
        if let Some(violation) = report.violation {
            println!("seed {seed} ({} shards) fails: {violation}", report.shards);
            println!("  {}", replay_command(seed, arguments.shards));
            return Err(());
        }
        seed += 1;
        if start.elapsed() > told + Duration::from_secs(10) {
            told = start.elapsed();
            println!("{} seeds, {events} events in {:.0?}", seed - arguments.first, told);
        }
    }
    let (ran, took) = (seed - arguments.first, start.elapsed().as_secs_f64());
    println!(
        "{ran} seeds from {} held, {counted} of them counted; {events} events, {:.0} a second; {} records acknowledged, {} crashes",
        arguments.first,
        events as f64 / took.max(0.001),
        coverage.acknowledged_records,
        coverage.crashes
    );
    coverage.lines().iter().for_each(|line| println!("  {line}"));
    if counted * 2 < ran {
        println!("too few seeds saw enough");
        return Err(());
    }
    Ok(())
}

#[cfg(feature = "planted")]
mod planted {
    use platform::{Planted, plant};

    use super::*;

    const SEEDS_MAX: u64 = 1000;

    /// Each bug alone, over the ordinary seeds.
    pub fn find(arguments: &Arguments) -> ExitCode {
        let mut missed = 0;
        for bug in Planted::ALL {
            plant(Some(bug));
            let mut seeds = arguments.first..arguments.first + SEEDS_MAX;
            let found = seeds.find_map(|seed| {
                tell_seed_on_panic(seed, arguments.shards);
                let report = run(Options { seed, shards: arguments.shards, ..Default::default() });
                report.violation.map(|violation| (seed, violation))
            });
            match found {
                Some((seed, violation)) => println!("{bug:?}: seed {seed}: {violation}"),
                None => {
                    println!("{bug:?} was not found in {SEEDS_MAX} seeds");
                    missed += 1;
                }
            }
        }
        plant(None);
        if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
