//! A rolling restart: one node after another is stopped in order and started again, each when the one before is back in
//! all its in-sync sets. While faults go on it happens as it may; when they have ended `pauses` holds it to its promise.

use std::collections::VecDeque;

use crate::run::{CALM_TOGETHER, PRODUCING};
use crate::world::{Happening, MachineIndex, SECOND, World};

/// How often it looks how far it is.
const LOOK: u64 = 20_000;

/// While faults go on, until it does not wait for a node any longer.
const PATIENCE: u64 = 6 * SECOND;

/// A node's turn, from being asked to stop until it is back everywhere, when nothing is wrong.
const TURN_MAX: u64 = 12 * SECOND;

/// After it all has to settle before records end.
const AFTERWARDS: u64 = 3 * SECOND;

struct Turn {
    machine: MachineIndex,
    life: u32,
    since: u64,
}

/// A rolling restart under way.
pub struct Rolling {
    left: VecDeque<MachineIndex>,
    turn: Option<Turn>,
    /// Nothing else is wrong.
    is_quiet: bool,
}

impl World {
    pub fn begin_rolling(&mut self, is_quiet: bool) {
        if self.rolling.is_some() {
            return;
        }
        let nodes = self.machines.len();
        let first = self.draws.more.below(nodes as u64) as usize;
        let left = (0..nodes).map(|at| (first + at) % nodes);
        let left = left.filter(|machine| !self.is_off(*machine)).collect();
        self.rolling = Some(Rolling { left, turn: None, is_quiet });
        let kind = if is_quiet { "rolling restart when all is well" } else { "rolling restart among faults" };
        self.coverage.count("transition", kind);
        self.tell(|| kind.into());
        if is_quiet {
            self.model.pauses.watch();
        }
        self.roll();
    }

    /// One look.
    pub fn roll(&mut self) {
        let Some(mut rolling) = self.rolling.take() else { return };
        if self.model.calm && !rolling.is_quiet {
            return;
        }
        if rolling.is_quiet {
            self.model.disturb(self.now + 2 * SECOND);
        }
        if let Some(turn) = &rolling.turn
            && self.is_over(turn, rolling.is_quiet)
        {
            rolling.turn = None;
        }
        if rolling.turn.is_none() {
            let Some(machine) = rolling.left.pop_front() else { return self.end_rolling(rolling.is_quiet) };
            rolling.turn = Some(self.begin_turn(machine));
        }
        self.rolling = Some(rolling);
        self.plan(LOOK, Happening::Roll);
    }

    fn begin_turn(&mut self, machine: MachineIndex) -> Turn {
        self.model.pauses.begin_turn(machine, &self.model.reigns);
        let turn = Turn { machine, life: self.machines[machine].lives, since: self.now };
        self.begin_orderly_stop(machine, true);
        turn
    }

    fn is_over(&mut self, turn: &Turn, is_quiet: bool) -> bool {
        let machine = turn.machine;
        let is_new = self.machines[machine].lives > turn.life && self.machines[machine].serves();
        // a replica of a damaged log is not in sync until somebody repairs it
        let mut its =
            self.model.reigns.iter().filter(|(id, reign)| {
                reign.replicas.contains(&machine) && !self.model.is_damaged(id.topic_id)
            });
        if is_new && its.all(|(_, reign)| reign.leader.is_some() && reign.in_sync.contains(&machine)) {
            let took = (self.now - turn.since) / 1000;
            self.tell(|| format!("node {machine} is back everywhere after {took} ms"));
            return true;
        }
        let took = self.now - turn.since;
        if is_quiet && took > TURN_MAX {
            let text = format!("node {machine} is not back {} ms after it was told to stop", took / 1000);
            self.model.violation(text);
        }
        !is_quiet && took > PATIENCE
    }

    fn end_rolling(&mut self, is_quiet: bool) {
        self.coverage.count("transition", "rolling restart ends");
        if is_quiet {
            let found = self.model.pauses.end(self.now, &self.model.reigns);
            self.model.violations.extend(found.err());
            let (longest, whose) = self.model.pauses.longest();
            self.tell(|| format!("the longest pause of a partition, {whose:?}, was {longest} ms"));
            self.plan(AFTERWARDS, Happening::ProducingEnds);
            self.plan(AFTERWARDS + CALM_TOGETHER - PRODUCING, Happening::End);
        }
    }
}
