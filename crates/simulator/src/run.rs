//! One seed from its beginning to its end: the node and its clients drawn, the two phases, the last looks.

use std::sync::Arc;

use broker::config::Settings;
use metadata::features::MetadataVersion;
use platform::Random;
use platform::memory::MemoryFileSystem;

use crate::clients::{
    Admin, CLIENTS, CONTROLLERS, Expander, Fetcher, Member, Mover, Observer, Producer, Program, Reassigner,
    Solo, Steward,
};
use crate::coverage::Coverage;
use crate::faults;
use crate::invariants::durability::Death;
use crate::invariants::liveness::Standing;
use crate::node::{Cluster, Machine, VOTERS_MAX};
use crate::world::{Client, Happening, MachineIndex, SECOND, World};

/// Time for everything to heal, of which new records come only in the first part. The longest is for a group whose
/// members have died: half a second until the node is back, 2 s for their sessions, 3 s for those who do not join again,
/// 3 s for those who joined and do not ask for their share: 9 s, and the rest for delays and a commit.
const CALM: u64 = 14 * SECOND;
/// Of several, one may come up 4 s after the faults, and a quorum and leaders have to be elected before.
pub const CALM_TOGETHER: u64 = 18 * SECOND;
pub const PRODUCING: u64 = 7 * SECOND;
/// All are in sync again, whatever has been.
const SETTLED: u64 = 8 * SECOND;
/// Requests that take longer when nothing is wrong have been forgotten.
const ANSWER_MAX: u64 = 8 * SECOND;
/// 3.7-IV1, the last one.
const WITHOUT_DIRECTORIES: MetadataVersion = MetadataVersion(16);

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub seed: u64,
    /// Nodes of the cluster; none: one.
    pub nodes: Option<usize>,
    /// Instead of what the seed draws.
    pub shards: Option<u16>,
    /// Keep what happened, for a person to read.
    pub tells: bool,
    /// And the calls of the file system on paths with this in them.
    pub tells_path: Option<String>,
}

/// What came of a seed.
#[derive(Debug)]
pub struct Report {
    pub events: u64,
    pub trace: u64,
    pub shards: u16,
    pub coverage: Coverage,
    pub violation: Option<String>,
    pub log: Vec<String>,
}

/// Runs one seed.
pub fn run(options: Options) -> Report {
    let mut random = Random::new(options.seed ^ 0x5eed_0000_0000_0000);
    let drawn = [1, 3, 1, 3, 2, 4][random.below(6) as usize];
    let shards = options.shards.unwrap_or(drawn);
    let nodes = options.nodes.unwrap_or(1).max(1);
    let directories = match nodes {
        1 => [1, 1, 1, 2][random.below(4) as usize],
        _ => [1, 2, 2, 3][random.below(4) as usize],
    };
    let disks: Vec<u64> = (0..nodes).map(|_| random.next_u64()).collect();
    let settings = settings(&mut random, nodes);
    let may_name = nodes > 1 && nodes <= VOTERS_MAX;
    let metadata_version = metadata_version(options.seed, nodes, directories);
    let records_directories = metadata_version.supports_directories();
    let mut late = Random::new(options.seed ^ 0x0c0e_5eed_0000_0000);
    let has_newcomer = nodes > 1 && late.one_in(3);
    let cluster = Arc::new(Cluster {
        nodes,
        metadata_version,
        names_voters: may_name && random.one_in(2),
        eligible_leaders: if nodes > 1 && random.one_in(4) || !records_directories { 0 } else { 1 },
        logs_synced_alone: [0, 1, 3, 16][random.below(4) as usize],
        snapshot_bytes: (has_newcomer && late.one_in(2)).then(|| 2000 + late.below(20_000)),
        settings,
    });
    let machine = |(index, disk): (usize, u64)| {
        Machine::new(index, MemoryFileSystem::new(disk), shards, directories, cluster.clone())
    };
    let late_disk = has_newcomer.then(|| late.next_u64());
    let mut machines: Vec<Machine> = disks.into_iter().chain(late_disk).enumerate().map(machine).collect();
    machines.iter_mut().take(nodes).for_each(Machine::format);
    let mut world = World::new(machines, &mut random);
    world.log = options.tells.then(Vec::new);
    world.tells_path = options.tells_path;
    if world.tells_path.is_some() {
        world.machines.iter().for_each(|machine| machine.files.start_trace());
    }
    // of a directory that fails the controller cannot be told where none are on record
    let gentle = nodes > 1 && random.one_in(2) || !records_directories;
    (world.model.is_cluster, world.model.is_strict) = (nodes > 1, gentle);
    world.coverage.is_cluster = nodes > 1;
    (world.model.nodes, world.model.directories) = (nodes, directories);
    world.model.records_directories = records_directories;
    world.model.images.is_alone = nodes == 1;
    let calm = (8 + random.below(10)) * SECOND;
    for machine in 0..nodes {
        let after = 1 + if nodes > 1 { random.below(SECOND) } else { 0 };
        world.plan(after, Happening::Start(machine));
    }
    for (fault, at) in faults::plan(&mut random, nodes, gentle, calm - 4 * SECOND) {
        let machine = if nodes > 1 { random.below(nodes as u64) as usize } else { 0 };
        world.plan(at, Happening::Fault(machine, fault));
    }
    world.plan(calm, Happening::Calm);
    if has_newcomer {
        world.plan_newcomer(&mut late, gentle, calm);
    }
    let mut more = Random::new(options.seed ^ 0x0a1e_5eed_0000_0000);
    plan_more(&mut world, &mut more, calm);
    match nodes {
        1 => add_clients(&mut world, &mut random),
        _ => add_clients_of_cluster(&mut world, &mut random),
    }
    world.run();
    Report {
        events: world.events,
        trace: world.trace.hash(),
        shards,
        coverage: world.coverage,
        violation: world.model.violations.into_iter().next(),
        log: world.log.unwrap_or_default(),
    }
}

/// What came to be drawn later, from a generator of its own: what is drawn from the other one stays as it was.
fn plan_more(world: &mut World, random: &mut Random, calm: u64) {
    let nodes = world.model.nodes;
    if random.one_in(3) {
        world.coverage.count("fault", "clocks at different paces");
        (0..nodes).for_each(|machine| world.give_pace(machine, 900_000 + random.below(200_001)));
    }
    for (fault, at) in faults::plan_more(random, nodes, calm - 4 * SECOND) {
        let machine = random.below(nodes as u64) as usize;
        world.plan(at, Happening::Fault(machine, fault));
    }
    if nodes > 1 && random.one_in(6) {
        return world.plan(calm + SETTLED, Happening::RollingRestart);
    }
    world.plan(calm + PRODUCING, Happening::ProducingEnds);
    world.plan(calm + if nodes > 1 { CALM_TOGETHER } else { CALM }, Happening::End);
}

/// Of some runs with moves one at which nobody has on record where a replica is. A draw of its own: the others stay as
/// they are.
fn metadata_version(seed: u64, nodes: usize, directories: usize) -> MetadataVersion {
    let mut random = Random::new(seed ^ 0x0d1d_0000_0000_0000);
    match nodes > 1 && directories > 1 && random.one_in(8) {
        true => WITHOUT_DIRECTORIES,
        false => MetadataVersion::LATEST_PRODUCTION,
    }
}

fn settings(random: &mut Random, nodes: usize) -> Settings {
    Settings {
        group_initial_rebalance_delay_ms: if random.one_in(2) { 0 } else { 300 },
        group_min_session_timeout_ms: 500,
        offsets_topic_replication_factor: nodes.min(3) as i16,
        replica_lag_time_max_ms: if nodes > 1 { 2000 } else { 30_000 },
        offsets_topic_num_partitions: 1 + random.below(5) as i32,
        offsets_topic_segment_bytes: if random.one_in(2) { 1 << 20 } else { 100 << 20 },
        max_incremental_fetch_session_cache_slots: 1 + random.below(8) as i32,
        log_retention_check_interval_ms: 700 + random.below(4000) as i64,
        log_flush_offset_checkpoint_interval_ms: 300 + random.below(4000) as i64,
        log_flush_start_offset_checkpoint_interval_ms: 300 + random.below(4000) as i64,
        replica_high_watermark_checkpoint_interval_ms: 300 + random.below(4000) as i64,
        ..Settings::default()
    }
}

fn add_clients(world: &mut World, random: &mut Random) {
    let mut programs: Vec<Box<dyn Program>> = vec![Box::new(Admin::new())];
    for _ in 0..1 + random.below(2) {
        let acks = if random.one_in(4) { 1 } else { -1 };
        programs.push(Box::new(Producer::new(true, acks)));
    }
    for _ in 0..1 + random.below(2) {
        programs.push(Box::new(Producer::new(false, random.below(3) as i16 - 1)));
    }
    for _ in 0..2 + random.below(2) {
        programs.push(Box::new(Fetcher::new()));
    }
    add_groups(random, &mut programs);
    if random.one_in(2) {
        programs.push(Box::new(Observer::new()));
    }
    if world.model.directories > 1 {
        programs.push(Box::new(Mover::new()));
    }
    add_programs(world, random, programs);
}

fn add_groups(random: &mut Random, programs: &mut Vec<Box<dyn Program>>) {
    for group in 0..1 + random.below(2) {
        let consumes = random.one_in(2);
        for member in 0..1 + random.below(3) {
            let instance = random.one_in(3).then(|| format!("instance-{member}"));
            programs.push(Box::new(Member::new(format!("group-{group}"), instance, consumes)));
        }
    }
    for number in 0..random.below(2) {
        programs.push(Box::new(Solo::new(number)));
    }
}

fn add_clients_of_cluster(world: &mut World, random: &mut Random) {
    let mut programs: Vec<Box<dyn Program>> = vec![Box::new(Admin::new())];
    programs.push(Box::new(Observer::new()));
    programs.push(Box::new(Producer::new(true, -1)));
    for _ in 0..1 + random.below(2) {
        programs.push(Box::new(Producer::new(random.one_in(2), random.below(2) as i16 * 2 - 1)));
    }
    for _ in 0..2 {
        programs.push(Box::new(Fetcher::new()));
    }
    add_groups(random, &mut programs);
    if random.one_in(2) {
        programs.push(Box::new(Reassigner::new()));
    }
    if random.one_in(2) {
        let listener = if random.one_in(2) { CLIENTS } else { CONTROLLERS };
        programs.push(Box::new(Steward::new(listener)));
    }
    if world.model.directories > 1 {
        programs.push(Box::new(Mover::new()));
    }
    if world.model.newcomer.is_some() {
        programs.push(Box::new(Expander::new()));
    }
    add_programs(world, random, programs);
}

fn add_programs(world: &mut World, random: &mut Random, programs: Vec<Box<dyn Program>>) {
    for (number, program) in programs.into_iter().enumerate() {
        world.clients.push(Client { program, link: None, random: random.fork(), token: 0 });
        let at = 300_000 + random.below(SECOND);
        world.plan(at, Happening::Wake { client: number, token: 0 });
    }
}

impl World {
    /// What came whole is carried out, though nobody waits for an answer.
    fn check_promised(&mut self) {
        let promised = std::mem::take(&mut self.model.promised);
        let is_lost = |(number, restarts): &&(u32, u64)| {
            let sent = &self.model.sent[*number as usize];
            sent.offset.is_none()
                && *restarts == self.model.restarts
                && self.model.is_live(sent.partition.topic_id)
        };
        let lost: Vec<u32> = promised.iter().filter(is_lost).map(|(number, _)| *number).collect();
        if !lost.is_empty() {
            let text = format!("{} of {} batches with acks=0 are lost: {lost:?}", lost.len(), promised.len());
            self.model.violation(text);
        }
    }

    /// The end of the second phase.
    pub fn finish(&mut self) {
        self.is_over = true;
        let serves = |machine: &MachineIndex| self.machines[*machine].serves();
        if let Some(machine) = self.present().into_iter().find(|machine| !serves(machine)) {
            return self.model.violation(format!("node {machine} does not serve at the end"));
        }
        for at in 0..self.clients.len() {
            if let Standing::Stuck(why) = self.clients[at].program.standing(&self.model) {
                let name = self.clients[at].program.name();
                self.model.violation(format!("{name} {at} has not got on: {why}"));
            }
        }
        let now = self.now;
        let old = |link: &crate::network::Link| {
            let oldest = link.unanswered.front()?;
            (link.node_hears && link.client_hears && now - oldest.sent_at > ANSWER_MAX).then_some(*oldest)
        };
        let forgotten: Vec<_> = self.network.links.values().filter_map(old).collect();
        if let Some(oldest) = forgotten.first() {
            self.model.violation(format!("a request has had no answer for long: {oldest:?}"));
        }
        if self.is_cluster() {
            return self.compare();
        }
        self.audit(0, Death::Kill);
        self.check_promised();
    }
}
