//! The worlds that are explored whole, and the bugs that are found in them.

use std::collections::BTreeSet;
use std::env;

use stateright::{Checker, HasDiscoveries, Model};

use super::log::{Entry, Payload};
use super::settings::Bounds;
use super::world::World;
use super::{Plant, Quorums};

const THREADS: usize = 2;

const COMPLETE: &str = "a leader has all that is committed";

/// What a debug build gets through in seconds.
fn small_worlds() -> Vec<(&'static str, Bounds)> {
    let world = Bounds::default();
    let two = Bounds { nodes: 2, voters: 0b11, standing: 0b11, epochs: 3, ..world };
    vec![
        ("two voters, a crash before a flush", Bounds { appends: 1, crashes: 1, slow_flush: true, ..two }),
        ("three voters, a crash", Bounds { standing: 0b011, crashes: 1, ..world }),
        ("three voters, two leaders", Bounds { standing: 0b011, epochs: 3, ..world }),
        (
            "a voter joins and one leaves",
            Bounds { voters: 0b011, standing: 0b011, voter_changes: 2, ..world },
        ),
        ("two voters leave", Bounds { standing: 0b001, voter_changes: 2, ..world }),
        (
            "a follower behind a snapshot",
            Bounds { standing: 0b001, appends: 1, snapshots: 1, loads_snapshots: true, ..world },
        ),
    ]
}

/// The same with more of everything that `depth` counts: minutes of an optimised build, then hours.
fn large_worlds(depth: u8) -> Vec<(&'static str, Bounds)> {
    let more = |bounds: Bounds| Bounds {
        epochs: bounds.epochs + i32::from(depth.div_ceil(2)),
        appends: bounds.appends + depth / 2,
        crashes: bounds.crashes + depth / 2,
        resignations: 1,
        time_outs: depth / 2,
        messages: bounds.messages + usize::from(depth / 3),
        gone: true,
        idle_fetches: depth > 2,
        ..bounds
    };
    small_worlds().into_iter().map(|(name, bounds)| (name, more(bounds))).collect()
}

/// Explores a world: nothing is broken, and what should be possible is. False where `steps_max` ended it before.
fn explore(name: &str, bounds: Bounds, steps_max: usize) -> bool {
    let model = Quorums { bounds, first: World::new };
    let checker = model.checker().threads(THREADS).target_state_count(steps_max).spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    let is_whole = steps < steps_max;
    let end = if is_whole { "all of it" } else { "cut short" };
    println!("{name}: {states} states, {steps} steps, {} deep, {end}", checker.max_depth());
    for (property, path) in checker.discoveries() {
        if checker.model().property(property).expectation.discovery_is_failure() {
            panic!("{name}: not so: {property}\n{:#?}", path.into_actions());
        }
    }
    if is_whole {
        checker.assert_properties();
    }
    is_whole
}

#[test]
fn small_worlds_are_sound() {
    for (name, bounds) in small_worlds() {
        assert!(explore(name, bounds, 10_000_000), "{name} has grown");
    }
}

/// `cargo xtask model` sets how large.
#[test]
fn large_worlds_are_sound() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let Some(depth) = number("BARNABAS_MODEL_DEPTH") else { return };
    let steps_max = number("BARNABAS_MODEL_STEPS").unwrap_or(200_000_000);
    for (name, bounds) in large_worlds(depth.min(9) as u8) {
        explore(name, bounds, steps_max);
    }
}

/// Two uncommitted records of earlier leaders at one offset, and a third node with neither.
fn rivals(bounds: &Bounds) -> World {
    let entry = |epoch, payload| Entry { epoch, payload };
    let base = vec![entry(1, Payload::KraftVersion), entry(1, Payload::Voters(bounds.voters))];
    let with = |epoch| [base.clone(), vec![entry(epoch, Payload::Data(epoch as u8))]].concat();
    World::with_logs(bounds, vec![with(2), base.clone(), with(3)], base.clone(), 3)
}

/// The bug, and the property that it breaks in the end; what it breaks on the way does not count.
#[test]
fn planted_bugs_are_found() {
    let world = Bounds::default();
    let two = Bounds { nodes: 2, voters: 0b11, standing: 0b11, epochs: 3, ..world };
    let rivalry =
        Bounds { standing: 0b101, epochs: 5, entries_per_fetch: 1, gone: true, messages: 3, ..world };
    let fresh: fn(&Bounds) -> World = World::new;
    let rows = [
        (
            Plant::VoteForgotten,
            "an epoch has one leader",
            Bounds { standing: 0b011, crashes: 1, ..world },
            fresh,
        ),
        (Plant::EarlierEpochCommits, COMPLETE, rivalry, rivals),
        (Plant::FlushLies, COMPLETE, Bounds { crashes: 2, ..two }, fresh),
        (
            Plant::ChangesAtOnce,
            COMPLETE,
            Bounds { standing: 0b011, epochs: 3, voter_changes: 2, ..world },
            fresh,
        ),
    ];
    for (plant, property, bounds, first) in rows {
        let model = Quorums { bounds: Bounds { plant: Some(plant), ..bounds }, first };
        let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        let checker = model.checker().threads(THREADS).finish_when(wanted).spawn_bfs().join();
        let path = checker.discovery(property).map(|path| path.into_actions());
        let states = checker.unique_state_count();
        let path = path.unwrap_or_else(|| panic!("{plant:?} is not found in {states} states"));
        println!("{plant:?}: {property}: not so after {} steps, {states} states", path.len());
    }
}

/// Without the bug the same world is sound.
#[test]
fn the_world_of_rivals_is_sound() {
    let bounds = Bounds {
        standing: 0b101,
        epochs: 5,
        entries_per_fetch: 1,
        gone: true,
        messages: 2,
        ..Bounds::default()
    };
    let checker = Quorums { bounds, first: rivals }.checker().threads(THREADS).spawn_bfs().join();
    println!("rivals: {} states", checker.unique_state_count());
    for (property, _) in checker.discoveries() {
        let expectation = checker.model().property(property).expectation;
        assert!(!expectation.discovery_is_failure(), "not so: {property}");
    }
}
