//! The proof that bugs are found: each of those planted on purpose alone, over the ordinary seeds, until one does not
//! hold that holds without it.

use std::process::ExitCode;

use platform::{Planted, plant};
use simulator::run;

use crate::{Arguments, parallel};

const SEEDS_MAX: u64 = 1000;

pub fn find(arguments: &Arguments) -> ExitCode {
    let all: &[Planted] =
        if arguments.nodes.unwrap_or(1) > 1 { &Planted::AMONG_NODES } else { &Planted::ALONE };
    let is_wanted = |bug: &&Planted| arguments.plant.as_ref().is_none_or(|name| format!("{bug:?}") == *name);
    let wanted: Vec<Planted> = all.iter().filter(is_wanted).copied().collect();
    if wanted.is_empty() {
        println!("the planted bugs of so many nodes: {all:?}");
        return ExitCode::FAILURE;
    }
    let mut missed = 0;
    for bug in wanted {
        let seeds = (arguments.first, arguments.first + SEEDS_MAX);
        let violation_of = |seed, bug| {
            plant(bug);
            run(arguments.options(seed)).violation
        };
        // a seed that fails anyway has not found it
        let found_by = |seed| violation_of(seed, Some(bug)).filter(|_| violation_of(seed, None).is_none());
        let mut found = None;
        parallel::in_order(arguments.workers(), seeds, found_by, |seed, violation| {
            found = violation.map(|violation| (seed, violation));
            found.is_none()
        });
        match found {
            Some((seed, violation)) => println!("{bug:?}: seed {seed}: {violation}"),
            None => {
                println!("{bug:?} was not found in {SEEDS_MAX} seeds");
                missed += 1;
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
