//! How the node goes down and comes up: the process dies, the power fails, it stops by itself; then it starts on what
//! is left, and its logs are held against what was promised before clients come back.

use platform::FileSystem;
use platform::memory::Fault as DiskFault;

use crate::invariants::durability::Death;
use crate::network::{Direction, Link, Owner};
use crate::world::{Happening, Inside, MachineIndex, SECOND, World};

impl World {
    /// The machine stopped in the midst of a call.
    pub fn on_halt(&mut self, machine: MachineIndex) {
        let death = if self.machines[machine].halt_loses_power { Death::PowerLoss } else { Death::Kill };
        self.die(machine, death);
    }

    pub fn on_fatal(&mut self, machine: MachineIndex, reason: &str) {
        self.tell(|| format!("fatal: {reason}"));
        if !self.machines[machine].disk_failed() {
            return self.model.violation(format!("the node gives up on a disk without faults: {reason}"));
        }
        self.coverage.count("transition", "gave up on a failed disk");
        let death = if self.draws.faults.one_in(2) { Death::PowerLoss } else { Death::Kill };
        self.die(machine, death);
    }

    pub fn die(&mut self, machine: MachineIndex, death: Death) {
        self.coverage.count("transition", format!("{death:?}"));
        self.coverage.crashes += u64::from(death != Death::Stop);
        self.tell(|| format!("node {machine} goes down: {death:?}"));
        self.trace.note(death as u64);
        self.deliver_last_words(machine);
        if death == Death::PowerLoss {
            self.note_durable(machine);
        }
        // a move out of a directory that has failed is given up
        let is_whole = !self.machines[machine].disk_failed() && self.machines[machine].lost.is_none();
        let keeps_moves = death == Death::Kill && is_whole;
        self.machines[machine].node = None;
        match death {
            Death::Kill => self.files(machine).kill(),
            // what a life before has written to a directory that this one could not use, nobody has synced
            Death::Stop if self.draws.faults.one_in(2) || self.machines[machine].lost.is_some() => {
                self.files(machine).kill();
            }
            _ => self.files(machine).crash(),
        }
        if !keeps_moves {
            self.model.moves.forget(machine);
        }
        if death == Death::PowerLoss {
            self.model.power_losses += 1;
        }
        // the controller takes any crashed node for one that has lost what it had, see `survival`
        let is_unsure = self.is_cluster() && !self.model.is_strict && death != Death::Stop;
        if death == Death::PowerLoss || is_unsure {
            self.model.commits.lose_power();
            self.model.ownership.lose_power();
            self.model.generations.lose_power();
        }
        self.model.restarts += 1;
        self.model.pauses.died(machine, self.now);
        if death != Death::Stop {
            self.model.survival.crashed(machine, &self.model.reigns);
        }
        self.model.generations.restart();
        // the worst since the last audit counts
        let since = &mut self.machines[machine].death;
        *since = Some(match since {
            Some(Death::PowerLoss) => Death::PowerLoss,
            Some(Death::Kill) if death == Death::Stop => Death::Kill,
            _ => death,
        });
        self.drop_dialed(machine, death == Death::PowerLoss);
        self.hang_up(machine, death == Death::PowerLoss);
        // long enough for others to take over, now and then
        let most = if self.is_cluster() && !self.model.calm { 4 * SECOND } else { SECOND / 2 };
        let after = 20_000 + self.draws.faults.below(most);
        self.plan(after, Happening::Start(machine));
    }

    /// What was written to connections before the end may still arrive.
    fn deliver_last_words(&mut self, machine: MachineIndex) {
        let links = &self.network.links;
        let is_its = |connection| links.get(&connection).is_none_or(|link| link.machine == machine);
        let words = self
            .scheduler
            .take(|what| matches!(what, Happening::Reply(connection, _) if is_its(*connection)));
        for what in words {
            let Happening::Reply(connection, written) = what else { continue };
            if !(connection / 2).is_multiple_of(2) {
                self.on_reply(connection, written);
            } else if let Some(link) = self.network.get(connection) {
                // what follows on this connection is lost with it
                link.awaited.clear();
            }
        }
    }

    fn hang_up(&mut self, machine: MachineIndex, is_silent: bool) {
        for connection in self.network.of(machine) {
            let among_nodes = |link: &Link| matches!(link.owner, Owner::Node(_));
            let silent = is_silent && self.network.links.get(&connection).is_some_and(among_nodes);
            let after = self.silence(silent);
            if let Some(link) = self.network.get(connection) {
                link.node_hears = false;
                link.held_mut(Direction::Down).clear();
                link.awaited.clear();
                self.scheduler.at(self.now + after, Happening::Closed(connection));
            }
        }
    }

    pub fn start(&mut self, machine: MachineIndex) {
        if self.machines[machine].node.is_some() || self.is_off(machine) {
            return;
        }
        let is_full = self.files(machine).space("/".as_ref()).is_ok_and(|(total, _)| total < u64::MAX);
        if is_full {
            self.coverage.count("fault", "start on a full disk");
        }
        self.machines[machine].lives += 1;
        let life = self.machines[machine].lives;
        self.model.images.restart(machine);
        // now and then the machine stops again while it starts
        if !self.model.calm && life > 1 && self.draws.faults.one_in(6) {
            let loses = self.draws.faults.one_in(2) && !(self.is_cluster() && self.model.is_strict);
            self.machines[machine].halt_loses_power = loses;
            let calls = self.draws.faults.below(60);
            self.files(machine).plan_fault(calls, DiskFault::Halt);
            self.coverage.count("fault", "stop during the start");
        }
        self.lose_directory(machine);
        let now = self.time(machine);
        self.files(machine).set_time(now.wall_ms);
        let mut effects = Vec::new();
        let mut random = self.draws.node.fork();
        let started = self.machines[machine].start(now, &mut random, &mut effects);
        if self.files(machine).is_halted() {
            drop(started);
            return self.on_halt(machine);
        }
        match started {
            Ok(mut node) => {
                node.disk_failed = is_full;
                if self.is_cluster() {
                    let found = self.model.majorities.check(machine, &node.quorum.standing());
                    self.model.violations.extend(found.err());
                }
                self.tell(|| format!("node {machine} starts"));
                self.machines[machine].node = Some(node);
                self.settle(machine, 0, effects);
                for actor in 1..=usize::from(self.machines[machine].shards) {
                    self.plan_inside(1, machine, actor, Inside::Turn);
                }
                self.plan(30 * SECOND, Happening::StartLimit(machine, life));
            }
            Err(error) => self.model.violation(format!("the node does not start: {error}")),
        }
    }

    /// Now and then a log directory cannot be used in this life; what is in it is there again in the next.
    fn lose_directory(&mut self, machine: MachineIndex) {
        let directories = &self.machines[machine].directories;
        let others = directories.len().saturating_sub(1) as u64;
        let is_meant = self.is_cluster() && self.machines[machine].lives > 1 && self.draws.lost.one_in(6);
        self.machines[machine].lost = None;
        if !is_meant || others == 0 || self.model.calm {
            return;
        }
        let path = self.machines[machine].directories[1 + self.draws.lost.below(others) as usize].clone();
        self.tell(|| format!("{} of node {machine} cannot be used", path.display()));
        self.coverage.count("fault", "start without a log directory");
        self.files(machine).break_path(&path);
        self.model.moves.forget(machine);
        self.machines[machine].lost = Some(path);
    }

    pub fn on_ready(&mut self, machine: MachineIndex) {
        self.tell(|| format!("node {machine} is ready"));
        self.coverage.count("transition", "ready");
        let Some(node) = &mut self.machines[machine].node else { return };
        node.is_ready = true;
        self.model.survival.is_back(machine);
        let lives = node.life;
        if let Some(death) = self.machines[machine].death.take().filter(|_| self.machines.len() == 1) {
            self.audit(machine, death);
        }
        self.model.disturb(self.now);
        self.trace.note(u64::from(lives));
    }

    /// A life that has come to nothing in this time is stuck.
    pub fn check_started(&mut self, machine: MachineIndex, life: u32) {
        // without a majority nobody gets ready
        let is_alone = self.machines.len() == 1;
        if let Some(node) = self.machines[machine].living(life)
            && is_alone
            && !node.is_ready
            && !node.disk_failed
        {
            self.model.violation(format!("node {machine} is not ready after 30 s"));
        }
    }

    /// A stop begins: among several, others take over first, unless whoever stops it is in a hurry.
    pub fn begin_stop(&mut self, machine: MachineIndex) {
        if self.machines[machine].serves() {
            let is_orderly = self.is_cluster() && !self.draws.faults.one_in(4);
            self.begin_orderly_stop(machine, is_orderly);
        }
    }

    pub fn begin_orderly_stop(&mut self, machine: MachineIndex, is_orderly: bool) {
        if !self.machines[machine].serves() {
            return;
        }
        let Some(node) = &mut self.machines[machine].node else { return };
        node.is_stopping = true;
        let life = node.life;
        self.tell(|| format!("node {machine} is asked to stop"));
        self.plan(30 * SECOND, Happening::StopLimit(machine, life));
        match is_orderly {
            true => self.plan_inside(1, machine, 0, Inside::Leave),
            false => self.stop_shards(machine),
        }
    }

    /// Then the quorum follows.
    pub fn stop_shards(&mut self, machine: MachineIndex) {
        for actor in 1..=usize::from(self.machines[machine].shards) {
            let after = self.draws.node.below(500);
            self.plan_inside(after, machine, actor, Inside::Shutdown);
        }
    }

    pub fn on_stopped(&mut self, machine: MachineIndex, actor: usize) {
        self.tell(|| format!("actor {actor} of node {machine} has stopped"));
        if actor > 0 {
            self.count_whole_syncs(machine);
        }
        let Some(node) = &mut self.machines[machine].node else { return };
        node.stopped.insert(actor);
        if actor == 0 {
            let failed = node.disk_failed;
            return self.die(machine, if failed { Death::PowerLoss } else { Death::Stop });
        }
        if node.stopped.len() == node.shards.len() {
            self.plan_inside(1, machine, 0, Inside::Shutdown);
        }
    }

    /// A stop has synced directories as a whole.
    fn count_whole_syncs(&mut self, machine: MachineIndex) {
        let syncs = self.files(machine).whole_syncs();
        let before = std::mem::replace(&mut self.machines[machine].whole_syncs, syncs);
        for _ in before..syncs {
            self.coverage.count("transition", "log directory synced as a whole");
        }
    }

    pub fn check_stopped(&mut self, machine: MachineIndex, life: u32) {
        let is_alone = self.machines.len() == 1;
        if self.machines[machine].living(life).is_some_and(|node| !node.disk_failed && is_alone) {
            self.model.violation(format!("node {machine} has not stopped after 30 s"));
        }
    }
}
