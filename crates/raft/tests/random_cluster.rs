//! Random clusters with faults: seeds of a few minutes each of the machines' own time, then a healed network in
//! which they must agree and go on. A failure names its seed: `BARNABAS_SEED=n cargo test -p raft`.

mod support;

use support::cluster::{Cluster, Faults};

fn run(seed: u64) -> support::cluster::Coverage {
    let mut draw = platform::Random::new(seed ^ 0x9d1c);
    let voters = 1 + draw.below(5) as usize;
    let dynamic = draw.one_in(2);
    let observers = draw.below(3) as usize;
    let mut cluster = Cluster::new(seed, Default::default(), voters, observers, dynamic);
    let count = voters + observers;
    cluster.faults = Faults { drop: 20, duplicate: 30, slow: 40 };
    for _ in 0..600 {
        cluster.run_until(cluster.now_ms + draw.below(200));
        let node = draw.below(count as u64) as usize;
        match draw.below(40) {
            0..=20 => _ = cluster.append(),
            21 => cluster.crash(node),
            22 => _ = cluster.cut.insert((node, draw.below(count as u64) as usize)),
            23 => cut_off(&mut cluster, node),
            24..=26 => cluster.cut.clear(),
            27 => cluster.snapshot(node),
            28 if dynamic => cluster.change_voters(node),
            29 => cluster.leader().into_iter().for_each(|leader| cluster.crash(leader)),
            _ => {}
        }
    }
    heal(&mut cluster);
    cluster.coverage
}

fn cut_off(cluster: &mut Cluster, node: usize) {
    for other in 0..cluster.nodes.len() {
        cluster.cut.insert((node, other));
        cluster.cut.insert((other, node));
    }
}

/// Without faults there is a leader before long, and what it appends is committed everywhere.
fn heal(cluster: &mut Cluster) {
    cluster.cut.clear();
    cluster.faults = Faults::default();
    cluster.run_until(cluster.now_ms + 30_000);
    let offset = cluster.append().expect("a leader after the network healed");
    cluster.run_until(cluster.now_ms + 10_000);
    for (index, node) in cluster.nodes.iter().enumerate() {
        let caught_up = node.high_watermark > offset;
        assert!(caught_up, "node {} stays at {}: {:#?}", index + 1, node.high_watermark, node.raft);
    }
}

#[test]
fn clusters_agree_and_heal() {
    if let Some(seed) = std::env::var("BARNABAS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = std::env::var("BARNABAS_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    let mut total = support::cluster::Coverage::default();
    for seed in 0..seeds {
        let coverage = std::panic::catch_unwind(|| run(seed));
        let coverage = coverage.unwrap_or_else(|_| panic!("seed {seed} failed"));
        total.elections += coverage.elections;
        total.crashes += coverage.crashes;
        total.truncations += coverage.truncations;
        total.downloads += coverage.downloads;
        total.voter_changes += coverage.voter_changes;
    }
    println!("{total:?}");
    let all = [total.elections, total.crashes, total.truncations, total.downloads, total.voter_changes];
    assert!(all.iter().all(|count| *count > 0), "{total:?}");
}
