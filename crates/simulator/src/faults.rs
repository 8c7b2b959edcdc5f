//! What goes wrong, and when: drawn before the run, spread over its first phase.

use platform::Random;
use platform::memory::{Fault as DiskFault, FaultRates};

use crate::clock::EVEN;
use crate::invariants::durability::Death;
use crate::world::{Happening, Inside, MachineIndex, SECOND, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Kill,
    PowerLoss,
    /// At one of the next changing calls of the file system.
    KillInCall,
    PowerLossInCall,
    Stop,
    SlowFlush,
    SyncError,
    WriteError,
    TornWrite,
    ReadError,
    FullDisk,
    ClockJump,
    Stall,
    Disconnect,
    /// A byte of a log is not what was written.
    Rot,
    /// A write has hit another place of its log.
    Misdirect,
    /// Nothing goes between a node and some others.
    Partition,
    /// Nothing arrives at a node from some others, or the other way round.
    OneWay,
    /// The whole node stands still.
    Pause,
    /// All are told to stop at once.
    StopTogether,
    /// All calls on one log directory fail, not the one with the metadata log, until the next start.
    DirectoryFails,
    /// Each write call may take long.
    SlowWrite,
    /// Clocks run much faster or slower for a while.
    ClockPace,
    /// Messages between nodes get lost, with their connections.
    LostMessages,
    /// Who leads a busy partition, the quorum, or a group dies or hangs.
    HitLeader,
    HitController,
    HitCoordinator,
    /// One node after another is stopped in order and started again.
    RollingRestart,
}

/// What happens among nodes; the others happen to one alone, too.
const AMONG_NODES: [Fault; 4] = [Fault::Partition, Fault::OneWay, Fault::Pause, Fault::StopTogether];

const ALL: [Fault; 17] = [
    Fault::Kill,
    Fault::PowerLoss,
    Fault::KillInCall,
    Fault::PowerLossInCall,
    Fault::Stop,
    Fault::SlowFlush,
    Fault::SyncError,
    Fault::WriteError,
    Fault::TornWrite,
    Fault::ReadError,
    Fault::FullDisk,
    Fault::ClockJump,
    Fault::Stall,
    Fault::Disconnect,
    Fault::Rot,
    Fault::Misdirect,
    Fault::DirectoryFails,
];

/// Those that lose nothing of what is written, crashes first.
const GENTLE: [Fault; 7] = [
    Fault::Kill,
    Fault::KillInCall,
    Fault::Stop,
    Fault::SlowFlush,
    Fault::ClockJump,
    Fault::Stall,
    Fault::Disconnect,
];

/// Those of `plan_more`, first what one node alone can have. None of them loses anything that is written where disks keep
/// what they have.
const MORE: [Fault; 7] = [
    Fault::SlowWrite,
    Fault::ClockPace,
    Fault::LostMessages,
    Fault::HitLeader,
    Fault::HitController,
    Fault::HitCoordinator,
    Fault::RollingRestart,
];

/// Faults besides those of `plan`, in half of the runs.
pub fn plan_more(random: &mut Random, nodes: usize, until: u64) -> Vec<(Fault, u64)> {
    if random.one_in(2) {
        return Vec::new();
    }
    let all = if nodes > 1 { MORE.len() } else { 2 } as u64;
    let kinds = [random.below(all), random.below(all)];
    let count = 1 + random.below(5);
    (0..count)
        .map(|_| {
            let kind = kinds[random.below(2) as usize];
            (MORE[kind as usize], 2 * SECOND + random.below(until))
        })
        .collect()
}

/// What happens to a broker that comes at a time, besides what the others have.
pub fn plan_of_newcomer(random: &mut Random, gentle: bool, comes: u64, until: u64) -> Vec<(Fault, u64)> {
    let all = if gentle { &GENTLE[..] } else { &ALL[..] };
    let kinds: Vec<Fault> =
        all.iter().chain(&[Fault::Partition, Fault::OneWay, Fault::Pause]).copied().collect();
    let count = random.below(4);
    let kind = |random: &mut Random| kinds[random.below(kinds.len() as u64) as usize];
    (0..count).map(|_| (kind(random), comes + random.below(until.saturating_sub(comes).max(1)))).collect()
}

/// Draws the faults of a run; the second number is when each begins.
pub fn plan(random: &mut Random, nodes: usize, gentle: bool, until: u64) -> Vec<(Fault, u64)> {
    let (all, crashes) = if gentle { (&GENTLE[..], &GENTLE[..2]) } else { (&ALL[..], &ALL[..4]) };
    // a run has few kinds, so that each gets a run without the others
    let mut kinds: Vec<Fault> =
        (0..2 + random.below(5)).map(|_| all[random.below(all.len() as u64) as usize]).collect();
    if nodes > 1 {
        kinds.extend((0..1 + random.below(3)).map(|_| AMONG_NODES[random.below(4) as usize]));
    }
    let count = 3 + random.below(8) + nodes.saturating_sub(3) as u64;
    let mut plan: Vec<_> = (0..count)
        .map(|_| (kinds[random.below(kinds.len() as u64) as usize], 2 * SECOND + random.below(until)))
        .collect();
    let crash = crashes[random.below(crashes.len() as u64) as usize];
    plan.push((crash, 3 * SECOND + random.below(until)));
    plan
}

/// After the last fault, until everything is as quick as it should be: logs have caught up, nobody backs off.
const SETTLING: u64 = 5 * SECOND;

impl World {
    pub fn begin_fault(&mut self, machine: MachineIndex, fault: Fault) {
        let machine = self.aim(fault).unwrap_or(machine);
        let is_ready = self.machines[machine].node.as_ref().is_some_and(|node| node.is_ready);
        if !is_ready || self.model.calm {
            return;
        }
        self.coverage.count("fault", format!("{fault:?}"));
        if machine >= self.model.nodes {
            self.coverage.count("node added", "has a fault of its own");
        }
        self.tell(|| format!("fault of node {machine}: {fault:?}"));
        self.trace.note(fault as u64);
        if MORE.contains(&fault) {
            return self.begin_more(machine, fault);
        }
        let lasts = 100_000 + self.draws.faults.below(SECOND);
        let rate = 2 + self.draws.faults.below(40);
        let rates = match fault {
            Fault::Kill => return self.die(machine, Death::Kill),
            Fault::PowerLoss => return self.die(machine, Death::PowerLoss),
            Fault::KillInCall | Fault::PowerLossInCall => {
                self.machines[machine].halt_loses_power = fault == Fault::PowerLossInCall;
                let calls = self.draws.faults.below(40);
                return self.files(machine).plan_fault(calls, DiskFault::Halt);
            }
            Fault::Stop => return self.begin_stop(machine),
            Fault::StopTogether => return (0..self.machines.len()).for_each(|one| self.begin_stop(one)),
            Fault::ClockJump => return self.jump(machine),
            Fault::Stall => return self.stall(machine, lasts),
            Fault::Disconnect => return self.disconnect(machine),
            Fault::Rot | Fault::Misdirect => return self.damage(machine, fault),
            Fault::Partition | Fault::OneWay => return self.cut_off(machine, fault),
            Fault::Pause => return self.pause(machine),
            Fault::DirectoryFails => return self.fail_directory(machine),
            Fault::SlowFlush => {
                self.machines[machine].slow_flush = true;
                self.model.disturb(self.now + lasts + SECOND);
                return self.plan(lasts, Happening::FaultEnds(machine, fault));
            }
            Fault::FullDisk => {
                let room = self.draws.faults.below(4000);
                let used = self.files(machine).used();
                self.files(machine).set_capacity(used + room);
                FaultRates::default()
            }
            Fault::SyncError => FaultRates { sync_error: rate, ..Default::default() },
            Fault::WriteError => FaultRates { write_error: rate, ..Default::default() },
            Fault::TornWrite => FaultRates { write_torn: rate, ..Default::default() },
            Fault::ReadError => FaultRates { read_error: rate, ..Default::default() },
            _ => return,
        };
        if let Some(node) = &mut self.machines[machine].node {
            node.disk_failed = true;
        }
        self.files(machine).set_fault_rates(rates);
        self.plan(lasts, Happening::FaultEnds(machine, fault));
    }

    /// One of `MORE`.
    fn begin_more(&mut self, machine: MachineIndex, fault: Fault) {
        let lasts = SECOND / 5 + self.draws.more.below(3 * SECOND);
        match fault {
            Fault::SlowWrite => self.machines[machine].slow_write = true,
            Fault::LostMessages => self.machines[machine].loses_messages = true,
            Fault::ClockPace => {
                let paces = [EVEN / 4, EVEN / 2, EVEN * 3 / 2, EVEN * 4];
                let pace = paces[self.draws.more.below(4) as usize];
                self.set_pace(machine, pace);
            }
            Fault::RollingRestart => return self.begin_rolling(false),
            _ => return self.hit(machine),
        }
        self.model.disturb(self.now + lasts + 2 * SECOND);
        self.plan(lasts, Happening::FaultEnds(machine, fault));
    }

    pub fn end_fault(&mut self, machine: MachineIndex, fault: Fault) {
        match fault {
            Fault::SlowWrite => self.machines[machine].slow_write = false,
            Fault::LostMessages => self.machines[machine].loses_messages = false,
            Fault::ClockPace => self.set_pace(machine, self.machines[machine].own_pace),
            Fault::Partition | Fault::OneWay => self.heal_network(),
            Fault::SlowFlush => {
                self.machines[machine].slow_flush = false;
                self.model.disturb(self.now + SECOND);
            }
            Fault::FullDisk => self.files(machine).set_capacity(u64::MAX),
            _ => self.files(machine).set_fault_rates(FaultRates::default()),
        }
    }

    /// What was not synced there is lost; the node goes on with the others.
    fn fail_directory(&mut self, machine: MachineIndex) {
        let others = self.machines[machine].directories.len().saturating_sub(1) as u64;
        if others == 0 {
            return;
        }
        let place = 1 + self.draws.faults.below(others) as usize;
        let path = self.machines[machine].directories[place].clone();
        self.tell(|| format!("{} of node {machine} fails", path.display()));
        self.coverage.count("transition", "log directory fails");
        self.files(machine).break_path(&path);
        if let Some(node) = &mut self.machines[machine].node {
            node.disk_failed = true;
        }
    }

    fn jump(&mut self, machine: MachineIndex) {
        let hours = 2 * 3_600_000;
        let to = self.draws.faults.below(2 * hours) as i64 - hours as i64;
        let clock = &mut self.machines[machine].clock;
        match self.draws.faults.one_in(3) {
            true => clock.set_right(self.now),
            false => clock.offset_ms = to,
        }
        self.model.disturb(self.now);
    }

    fn stall(&mut self, machine: MachineIndex, lasts: u64) {
        let shards = u64::from(self.machines[machine].shards);
        let actor = self.draws.faults.below(shards + 1) as usize;
        if let Some(node) = &mut self.machines[machine].node {
            node.stalled[actor] = true;
        }
        self.plan_inside(lasts, machine, actor, Inside::Resume);
        self.model.disturb(self.now + lasts);
    }

    /// A node and some of the others do not hear each other, or one side alone does not.
    fn cut_off(&mut self, machine: MachineIndex, fault: Fault) {
        let way = if fault == Fault::Partition { 2 } else { self.draws.faults.below(2) };
        let all = self.draws.faults.one_in(2);
        for other in (0..self.machines.len()).filter(|other| *other != machine) {
            if all || self.draws.faults.one_in(2) {
                if way != 0 {
                    self.set_cut(machine, other, true);
                }
                if way != 1 {
                    self.set_cut(other, machine, true);
                }
            }
        }
        let lasts = SECOND / 2 + self.draws.faults.below(6 * SECOND);
        self.model.disturb(self.now + lasts);
        self.plan(lasts, Happening::FaultEnds(machine, fault));
    }

    fn heal_network(&mut self) {
        for (from, to) in self.network.cuts.clone() {
            self.set_cut(from, to, false);
        }
    }

    pub fn pause(&mut self, machine: MachineIndex) {
        let lasts = SECOND / 2 + self.draws.faults.below(6 * SECOND);
        let Some(node) = &mut self.machines[machine].node else { return };
        node.stalled.iter_mut().for_each(|stalled| *stalled = true);
        for actor in 0..=usize::from(self.machines[machine].shards) {
            self.plan_inside(lasts, machine, actor, Inside::Resume);
        }
        self.model.disturb(self.now + lasts);
    }

    fn disconnect(&mut self, machine: MachineIndex) {
        let dialed = self.network.dialed_by(machine);
        for connection in self.network.of(machine).into_iter().chain(dialed) {
            if self.draws.faults.one_in(2) {
                self.cut(connection);
            }
        }
    }

    /// No faults any more: from here on everything has to heal.
    pub fn begin_calm(&mut self) {
        self.tell(|| "the faults end".into());
        self.model.calm = true;
        self.model.settled_at = self.now + SETTLING;
        self.model.disturb(self.now + 2 * SECOND);
        self.clients.iter_mut().for_each(|client| client.program.calm());
        self.heal_network();
        for machine in 0..self.machines.len() {
            self.files(machine).heal();
            self.files(machine).set_capacity(u64::MAX);
            self.machines[machine].slow_flush = false;
            self.machines[machine].slow_write = false;
            self.machines[machine].loses_messages = false;
            self.set_pace(machine, self.machines[machine].own_pace);
            self.machines[machine].clock.set_right(self.now);
            // a directory that failed is lost until the next start
            if self.machines[machine].disk_failed() {
                self.die(machine, Death::PowerLoss);
            } else if self.machines[machine].node.is_some() && self.machines[machine].lost.is_some() {
                self.die(machine, Death::Kill);
            }
        }
    }
}
