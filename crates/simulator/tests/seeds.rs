//! The simulator itself: the same seed gives the same run, and seeds that once showed a bug hold now.

use simulator::{Options, run};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (seed, nodes) in [(3, None), (17, None), (17, Some(3)), (5, Some(3))] {
        let of = |seed| run(Options { nodes, ..options(seed) });
        let (one, other) = (of(seed), of(seed));
        assert_eq!((one.trace, one.events), (other.trace, other.events), "seed {seed}");
        assert_ne!(one.trace, of(seed + 1).trace);
    }
}

#[test]
fn nothing_is_drawn_by_telling() {
    let tells = Options { tells: true, ..options(5) };
    assert_eq!(run(tells).trace, run(options(5)).trace);
}

/// What was found: seed, shards where they were given, and what went wrong then.
#[test]
fn seeds_that_found_something_hold() {
    for (seed, what) in FOUND {
        let report = run(options(*seed));
        assert_eq!(report.violation, None, "seed {seed}: {what}");
    }
}

/// The same of three nodes.
#[test]
fn seeds_of_three_nodes_that_found_something_hold() {
    for (seed, what) in FOUND_AMONG_THREE {
        let report = run(Options { nodes: Some(3), ..options(*seed) });
        assert_eq!(report.violation, None, "seed {seed}: {what}");
    }
}

const FOUND_AMONG_THREE: &[(u64, &str)] = &[
    (7, "a node that had lost power set the log of a topic aside that its first image did not have"),
    (771, "the same on three nodes, one after the other: acknowledged records were lost"),
    (
        1714,
        "a replica was made anew where a move that was given up was to end: its log directory could not be used",
    ),
    (
        4224,
        "a copy was taken for the replica, which was in a log directory that could not be used, before it had everything",
    ),
    (
        6135,
        "of a replica that was made anew beside a copy, no more than the name was left, and the copy could not have it",
    ),
];

const FOUND: &[(u64, &str)] = &[
    (19, "partition.metadata was not synced after a kill, and its log was lost with the power"),
    (40, "a stop waited for ever when a checkpoint file was the last thing to be written"),
    (45, "the flush of a deleted topic's directory took the node down"),
    (124, "a torn end that recovery had cut off was back after the next crash"),
    (186, "a clean stop did not sync what a flush under way had taken on"),
    (210, "the same, found at a later start"),
    (
        246,
        "a deletion moved the recovery point past what was not synced; the power failed and the segment was back, torn",
    ),
];

fn options(seed: u64) -> Options {
    Options { seed, ..Options::default() }
}
