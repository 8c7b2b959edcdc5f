//! A machine that is switched on in the midst of a run, with an empty disk: a broker alone, of which nobody has heard. In
//! some runs it is drained, stopped, and switched on again with another empty disk.

use std::collections::BTreeMap;

use platform::Random;
use platform::memory::MemoryFileSystem;
use types::TopicIdPartition;

use crate::commands::Move;
use crate::faults;
use crate::invariants::durability::Death;
use crate::invariants::newcomer::{Newcomer, Stage};
use crate::replicas::Reign;
use crate::world::{Happening, MachineIndex, SECOND, World};

/// How often whoever switches it off looks whether it is down.
const LOOK: u64 = 100_000;

/// When all is well it takes no longer to come or to go.
const REST_MAX: u64 = 9 * SECOND;

impl World {
    /// Draws when the last of the machines comes and goes, and what happens to it.
    pub fn plan_newcomer(&mut self, random: &mut Random, gentle: bool, calm: u64) {
        let machine = self.machines.len() - 1;
        let comes_back = random.one_in(2);
        self.model.newcomer = Some(Newcomer { comes_back, ..Newcomer::new(machine) });
        let left = calm - 4 * SECOND;
        let comes = 2 * SECOND + random.below(left / 2);
        self.plan(comes, Happening::Newcomer(Move::Comes));
        let goes = comes + 3 * SECOND / 2 + random.below(left / 2);
        if !random.one_in(3) {
            self.plan(goes, Happening::NewcomerGoes);
        }
        for (fault, at) in faults::plan_of_newcomer(random, gentle, comes, calm) {
            self.plan(at, Happening::Fault(machine, fault));
        }
    }

    /// Nobody switches the machine on.
    pub fn is_off(&self, machine: MachineIndex) -> bool {
        self.model.newcomer.as_ref().is_some_and(|newcomer| newcomer.machine == machine && newcomer.is_off())
    }

    /// All machines but one that is off.
    pub fn present(&self) -> Vec<MachineIndex> {
        (0..self.machines.len()).filter(|machine| !self.is_off(*machine)).collect()
    }

    /// What the newest image has it do that the one before did not.
    pub fn count_newcomer(&mut self, reigns: &BTreeMap<TopicIdPartition, Reign>) {
        let Some(newcomer) = &mut self.model.newcomer else { return };
        let machine = newcomer.machine;
        newcomer.had_share |= self.model.calm && newcomer.stage == Stage::Here && !newcomer.held.is_empty();
        for (id, reign) in reigns {
            let before = self.model.reigns.get(id);
            let leads = |reign: &Reign| reign.leader == Some(machine);
            if leads(reign) && !before.is_some_and(leads) {
                self.coverage.count("node added", "leads a partition");
            }
            let is_in_sync = |reign: &Reign| reign.in_sync.contains(&machine);
            if is_in_sync(reign) && !before.is_some_and(is_in_sync) {
                self.coverage.count("node added", "is in sync in a partition");
            }
        }
    }

    fn enter(&mut self, stage: Stage) -> Option<MachineIndex> {
        let newcomer = self.model.newcomer.as_mut()?;
        newcomer.stage = stage;
        let machine = newcomer.machine;
        self.tell(|| format!("machine {machine} that comes late is {stage:?}"));
        self.trace.note(stage as u64);
        Some(machine)
    }

    pub fn move_newcomer(&mut self, what: Move) {
        match what {
            Move::Comes => self.newcomer_comes(),
            Move::Stays => self.newcomer_stays(Stage::Here),
            Move::DrainsOn => self.newcomer_stays(Stage::Draining),
            Move::StartsAnew => self.newcomer_starts_anew(),
            Move::Stops => self.newcomer_stops(),
        }
    }

    /// It is switched on for the first time, or again after it had gone: with an empty disk.
    pub fn newcomer_comes(&mut self) {
        let is_back = self.model.newcomer.as_ref().is_some_and(|newcomer| newcomer.stage == Stage::Gone);
        let Some(machine) = self.enter(Stage::Here) else { return };
        if let Some(newcomer) = &mut self.model.newcomer {
            newcomer.comes_back &= !is_back;
        }
        let comes = if is_back { "comes back with an empty disk" } else { "comes" };
        self.coverage.count("node added", comes);
        if is_back {
            let files = MemoryFileSystem::new(self.draws.more.next_u64());
            if self.tells_path.is_some() {
                files.start_trace();
            }
            self.machines[machine].empty(files);
            self.model.replicas.forget(machine);
        }
        self.machines[machine].format();
        self.start(machine);
    }

    /// Others are to have what it has.
    pub fn newcomer_goes(&mut self) {
        if self.model.calm {
            return;
        }
        match self.model.newcomer.as_ref().is_some_and(Newcomer::takes_replicas) {
            true => {
                self.coverage.count("node added", "is to go");
                self.enter(Stage::Draining);
            }
            false => self.plan(LOOK, Happening::NewcomerGoes),
        }
    }

    /// Whoever drains it thinks better of it, or has to have it back for what only it has.
    fn newcomer_stays(&mut self, stage: Stage) {
        let why = if stage == Stage::Here { "stays after all" } else { "has to start again to be drained" };
        self.coverage.count("node added", why);
        if let Some(machine) = self.enter(stage) {
            self.start(machine);
        }
    }

    /// Whoever unregistered it by mistake has it start again, in one way or the other: one that was not even ready will
    /// never be.
    fn newcomer_starts_anew(&mut self) {
        let Some(newcomer) = &mut self.model.newcomer else { return };
        newcomer.is_out = false;
        let machine = newcomer.machine;
        let Some(node) = &self.machines[machine].node else { return };
        self.coverage.count("node added", "has to start again to be registered");
        match (node.is_ready, node.is_stopping) {
            (_, true) => {}
            (true, false) => {
                let is_orderly = !self.draws.more.one_in(4);
                self.begin_orderly_stop(machine, is_orderly);
            }
            (false, false) => self.die(machine, Death::Kill),
        }
    }

    /// It stops, and stays so. One that starts just now is waited for.
    pub fn newcomer_stops(&mut self) {
        let Some(Newcomer { stage, machine, .. }) = self.model.newcomer else { return };
        match stage {
            Stage::Draining => self.enter(Stage::Stopping),
            Stage::Stopping => None,
            _ => return,
        };
        if self.machines[machine].node.is_none() {
            self.coverage.count("node added", "is down and stays so");
            let is_registered =
                self.model.newcomer.as_ref().is_some_and(|newcomer| newcomer.is_fenced.is_some());
            self.enter(if is_registered { Stage::Down } else { Stage::Gone });
            return;
        }
        let is_orderly = !self.draws.more.one_in(4);
        self.begin_orderly_stop(machine, is_orderly);
        self.plan(LOOK, Happening::Newcomer(Move::Stops));
    }

    /// Whether nothing of the kind is under way any more; at a time when it should not be.
    pub fn newcomer_rests(&mut self) -> bool {
        let Some(newcomer) = &self.model.newcomer else { return true };
        let is_late = self.now > self.model.settled_at + REST_MAX;
        if is_late && let Err(text) = newcomer.check_end(&self.model.reigns) {
            self.model.violation(text);
        }
        self.model.newcomer.as_ref().is_none_or(Newcomer::is_at_rest)
    }
}
