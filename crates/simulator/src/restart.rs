//! How the node goes down and comes up: the process dies, the power fails, it stops by itself; then it starts on what
//! is left, and its logs are held against what was promised before clients come back.

use platform::memory::Fault as DiskFault;

use crate::invariants::durability::Death;
use crate::world::{Happening, Inside, SECOND, World};

impl World {
    /// The machine stopped in the midst of a call.
    pub fn on_halt(&mut self) {
        let death = if self.halt_loses_power { Death::PowerLoss } else { Death::Kill };
        self.die(death);
    }

    pub fn on_fatal(&mut self, reason: &str) {
        self.tell(|| format!("fatal: {reason}"));
        if !self.node.as_ref().is_some_and(|node| node.disk_failed) {
            return self.model.violation(format!("the node gives up on a disk without faults: {reason}"));
        }
        self.coverage.count("transition", "gave up on a failed disk");
        let loses = self.must_lose_power || self.draws.faults.one_in(2);
        self.die(if loses { Death::PowerLoss } else { Death::Kill });
    }

    pub fn die(&mut self, death: Death) {
        let death = if self.must_lose_power && death == Death::Kill { Death::PowerLoss } else { death };
        self.coverage.count("transition", format!("{death:?}"));
        self.coverage.crashes += u64::from(death != Death::Stop);
        self.tell(|| format!("the node goes down: {death:?}"));
        self.trace.note(death as u64);
        self.deliver_last_words();
        if death == Death::PowerLoss {
            self.note_durable();
        }
        self.node = None;
        match death {
            Death::Kill => self.machine.files.kill(),
            Death::Stop if self.draws.faults.one_in(2) => self.machine.files.kill(),
            _ => self.machine.files.crash(),
        }
        if death == Death::PowerLoss {
            self.model.power_losses += 1;
            self.model.commits.lose_power();
            self.model.ownership.lose_power();
            self.model.generations.lose_power();
            self.must_lose_power = false;
        }
        self.model.generations.restart();
        // the worst since the last audit counts
        self.death = Some(match self.death {
            Some(Death::PowerLoss) => Death::PowerLoss,
            Some(Death::Kill) if death == Death::Stop => Death::Kill,
            _ => death,
        });
        self.hang_up();
        let after = 20_000 + self.draws.faults.below(SECOND / 2);
        self.plan(after, Happening::Start);
    }

    /// What was written to connections before the end may still arrive.
    fn deliver_last_words(&mut self) {
        let words = self.scheduler.take(|what| matches!(what, Happening::Reply(..)));
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

    fn hang_up(&mut self) {
        let open: Vec<u64> = self.network.links.keys().copied().collect();
        for connection in open {
            let after = 50 + self.draws.network.below(20_000);
            if let Some(link) = self.network.get(connection) {
                link.node_hears = false;
                link.awaited.clear();
                self.scheduler.at(self.now + after, Happening::Closed(connection));
            }
        }
    }

    pub fn start(&mut self) {
        if self.node.is_some() {
            return;
        }
        self.files().set_capacity(u64::MAX);
        self.lives += 1;
        self.model.images.restart();
        // now and then the machine stops again while it starts
        if !self.model.calm && self.lives > 1 && self.draws.faults.one_in(6) {
            self.halt_loses_power = self.draws.faults.one_in(2);
            let calls = self.draws.faults.below(60);
            self.files().plan_fault(calls, DiskFault::Halt);
            self.coverage.count("fault", "stop during the start");
        }
        let now = self.time();
        self.files().set_time(now.wall_ms);
        let mut effects = Vec::new();
        let mut random = self.draws.node.fork();
        let started = self.machine.start(self.lives, now, &mut random, &mut effects);
        if self.files().is_halted() {
            drop(started);
            return self.on_halt();
        }
        match started {
            Ok(node) => {
                self.tell(|| "the node starts".into());
                self.node = Some(node);
                self.settle(0, effects);
                for actor in 1..=usize::from(self.machine.shards) {
                    self.plan_inside(1, actor, Inside::Turn);
                }
                let limit = self.lives;
                self.plan(30 * SECOND, Happening::StartLimit(limit));
            }
            Err(error) => self.model.violation(format!("the node does not start: {error}")),
        }
    }

    pub fn on_ready(&mut self) {
        self.tell(|| "the node is ready".into());
        self.coverage.count("transition", "ready");
        let Some(node) = &mut self.node else { return };
        node.is_ready = true;
        let lives = node.life;
        if let Some(death) = self.death.take() {
            self.audit(death);
        }
        self.model.disturbed_at = self.now;
        self.trace.note(u64::from(lives));
    }

    /// A life that has come to nothing in this time is stuck.
    pub fn check_started(&mut self, life: u32) {
        if let Some(node) = self.node.as_ref().filter(|node| node.life == life)
            && !node.is_ready
            && !node.disk_failed
        {
            self.model.violation("the node is not ready after 30 s");
        }
    }

    /// An orderly stop begins: shards first.
    pub fn begin_stop(&mut self) {
        let Some(node) = self.node.as_mut().filter(|node| node.is_ready && !node.is_stopping) else { return };
        node.is_stopping = true;
        let actors = node.shards.len();
        let life = node.life;
        self.tell(|| "the node is asked to stop".into());
        for actor in 1..=actors {
            let after = self.draws.node.below(500);
            self.plan_inside(after, actor, Inside::Shutdown);
        }
        self.plan(30 * SECOND, Happening::StopLimit(life));
    }

    pub fn on_stopped(&mut self, actor: usize) {
        self.tell(|| format!("actor {actor} has stopped"));
        let Some(node) = &mut self.node else { return };
        node.stopped.insert(actor);
        if actor == 0 {
            let failed = node.disk_failed;
            return self.die(if failed { Death::PowerLoss } else { Death::Stop });
        }
        if node.stopped.len() == node.shards.len() {
            self.plan_inside(1, 0, Inside::Shutdown);
        }
    }

    pub fn check_stopped(&mut self, life: u32) {
        if self.node.as_ref().is_some_and(|node| node.life == life && !node.disk_failed) {
            self.model.violation("the node has not stopped after 30 s");
        }
    }
}
