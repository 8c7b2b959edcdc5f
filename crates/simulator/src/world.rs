//! The loop: the next event in time goes to whom it concerns, what follows from it is planned, until the run is over or
//! something did not hold.

use broker::event::{Address, ConnectionId, DiskFailure, DiskToken, Effect, Event};
use broker::message::Message;
use platform::memory::MemoryFileSystem;
use platform::{Random, Time};

use crate::clients::Program;
use crate::clock::EPOCH_MS;
use crate::commands::Move;
use crate::coverage::Coverage;
use crate::disk::Job;
use crate::faults::Fault;
use crate::invariants::images::Images;
use crate::model::Model;
use crate::network::{Dialer, Direction, Network, Peer, Written};
use crate::node::Machine;
use crate::rolling::Rolling;
use crate::scheduler::Scheduler;
use crate::trace::Trace;

pub const SECOND: u64 = 1_000_000;

/// One of the machines, by its place in `World::machines`.
pub type MachineIndex = usize;

/// Something that is going to happen.
pub enum Happening {
    Start(MachineIndex),
    Dial(Dialer, Address),
    /// To the shard of a connection.
    Opened(u64),
    Frame(u64, bytes::Bytes),
    Hangup(u64, Peer),
    Over(u64),
    /// To the client of a connection.
    Reply(u64, Written),
    Closed(u64),
    Refused {
        client: usize,
    },
    Wake {
        client: usize,
        token: u64,
    },
    /// Within one life of a node.
    Inside {
        machine: MachineIndex,
        life: u32,
        actor: usize,
        what: Inside,
    },
    Fault(MachineIndex, Fault),
    FaultEnds(MachineIndex, Fault),
    /// This life has to be ready, or over.
    StartLimit(MachineIndex, u32),
    StopLimit(MachineIndex, u32),
    Newcomer(Move),
    /// It is to be drained, if it is there.
    NewcomerGoes,
    Calm,
    /// Everything is well, and somebody restarts one node after another.
    RollingRestart,
    /// A look at the rolling restart that is under way.
    Roll,
    ProducingEnds,
    End,
}

impl Happening {
    /// The connection that this comes over, and which way.
    fn travels(&self) -> Option<(u64, Direction)> {
        match self {
            Happening::Opened(link) | Happening::Frame(link, _) | Happening::Hangup(link, _) => {
                Some((*link, Direction::Up))
            }
            Happening::Reply(link, _) | Happening::Closed(link) => Some((*link, Direction::Down)),
            _ => None,
        }
    }
}

pub enum Inside {
    Message {
        from: usize,
        message: Message,
    },
    Turn,
    Tick(u64),
    Disk(Job),
    Dialed(ConnectionId),
    DialFailed(ConnectionId),
    DiskDone {
        token: DiskToken,
        result: Result<(), DiskFailure>,
    },
    Resume,
    /// The writes of a step are done, at last.
    Written(Vec<Effect>),
    /// Before it stops, others are to lead what it leads.
    Leave,
    Shutdown,
}

pub struct Client {
    pub program: Box<dyn Program>,
    pub link: Option<u64>,
    pub random: Random,
    pub token: u64,
}

/// Draws of parts that must not disturb each other.
pub struct Draws {
    pub network: Random,
    pub disk: Random,
    pub faults: Random,
    pub node: Random,
    /// Which machine a client connects to.
    pub machine: Random,
    /// Faults of `faults::plan_more`, which leave the other draws as they are.
    pub more: Random,
    /// Log directories that a start does not find.
    pub lost: Random,
}

pub struct World {
    pub machines: Vec<Machine>,
    pub scheduler: Scheduler<Happening>,
    pub network: Network,
    pub clients: Vec<Client>,
    pub model: Model,
    pub coverage: Coverage,
    pub trace: Trace,
    pub draws: Draws,
    pub now: u64,
    pub last_correlation: i32,
    pub events: u64,
    pub is_over: bool,
    pub log: Option<Vec<String>>,
    /// Calls of the file system on such paths are told.
    pub tells_path: Option<String>,
    /// A rolling restart under way.
    pub rolling: Option<Rolling>,
    effects: Vec<Effect>,
}

impl World {
    pub fn new(machines: Vec<Machine>, random: &mut Random) -> World {
        World {
            machines,
            scheduler: Scheduler::new(random.fork()),
            network: Network::default(),
            clients: Vec::new(),
            model: Model::default(),
            coverage: Coverage::default(),
            trace: Trace::new(),
            draws: Draws {
                network: random.fork(),
                disk: random.fork(),
                faults: random.fork(),
                node: random.fork(),
                machine: Random::new(random.clone().next_u64()),
                more: Random::new(random.clone().next_u64() ^ 0x0a1e_d000_0000_0000),
                lost: Random::new(random.clone().next_u64() ^ 0x1057_0000_0000_0000),
            },
            now: SECOND,
            last_correlation: 0,
            events: 0,
            is_over: false,
            log: None,
            tells_path: None,
            rolling: None,
            effects: Vec::new(),
        }
    }

    pub fn is_cluster(&self) -> bool {
        self.machines.len() > 1
    }

    pub fn files(&self, machine: MachineIndex) -> &MemoryFileSystem {
        &self.machines[machine].files
    }

    pub fn client_wall_ms(&self) -> i64 {
        EPOCH_MS + (self.now / 1000) as i64
    }

    /// As the machine's clocks say.
    pub fn time(&self, machine: MachineIndex) -> Time {
        self.machines[machine].clock.time(self.now)
    }

    /// A line for whoever replays a seed.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(log) = &mut self.log {
            log.push(format!("{:>12.6} {}", now as f64 / 1e6, text()));
        }
    }

    pub fn plan(&mut self, after_us: u64, what: Happening) {
        self.scheduler.at(self.now + after_us, what);
    }

    pub fn plan_inside(&mut self, after_us: u64, machine: MachineIndex, actor: usize, what: Inside) {
        if let Some(node) = &self.machines[machine].node {
            let life = node.life;
            self.plan(after_us, Happening::Inside { machine, life, actor, what });
        }
    }

    /// Runs until the end or the first thing that did not hold.
    pub fn run(&mut self) {
        while !self.is_over && self.model.violations.is_empty() {
            let Some((at, what)) = self.scheduler.next() else { return };
            self.now = self.now.max(at);
            self.model.survival.now = self.now;
            self.events += 1;
            self.trace.note(at);
            self.happen(what);
            self.tell_calls();
        }
    }

    /// What the nodes have asked of their file systems, for whoever replays a seed.
    fn tell_calls(&mut self) {
        if self.log.is_none() {
            return;
        }
        for machine in 0..self.machines.len() {
            for call in self.files(machine).take_trace() {
                let path = call.path.display().to_string();
                if self.tells_path.as_ref().is_some_and(|wanted| path.contains(wanted)) {
                    self.tell(|| format!("  {machine}: {call}"));
                }
            }
        }
    }

    /// One thing happens; what a cut network holds up waits.
    pub fn happen(&mut self, what: Happening) {
        if let Some((link, direction)) = what.travels()
            && self.is_held_up(link, direction)
        {
            if let Some(link) = self.network.get(link) {
                link.held_mut(direction).push(what);
            }
            return;
        }
        match what {
            Happening::Dial(dialer, address) => self.on_dial(dialer, &address),
            Happening::Start(machine) => self.start(machine),
            Happening::Opened(connection) => self.on_opened(connection),
            Happening::Frame(connection, bytes) => self.on_frame(connection, bytes),
            Happening::Hangup(connection, peer) => self.on_hangup(connection, peer),
            Happening::Over(connection) => self.on_over(connection),
            Happening::Reply(connection, written) => self.on_reply(connection, written),
            Happening::Closed(connection) => self.on_closed(connection),
            Happening::Refused { client } => self.call(client, |program, api| program.on_closed(api)),
            Happening::Wake { client, token } => {
                if self.clients[client].token == token {
                    self.call(client, |program, api| program.wake(api));
                }
            }
            Happening::Inside { machine, life, actor, what } => {
                if self.machines[machine].living(life).is_some() {
                    self.trace.note((machine << 16 | actor) as u64);
                    self.inside(machine, actor, what);
                }
            }
            Happening::Fault(machine, fault) => self.begin_fault(machine, fault),
            Happening::FaultEnds(machine, fault) => self.end_fault(machine, fault),
            Happening::StartLimit(machine, life) => self.check_started(machine, life),
            Happening::StopLimit(machine, life) => self.check_stopped(machine, life),
            Happening::Newcomer(what) => self.move_newcomer(what),
            Happening::NewcomerGoes => self.newcomer_goes(),
            Happening::Calm => self.begin_calm(),
            Happening::RollingRestart if !self.newcomer_rests() => {
                self.plan(SECOND / 5, Happening::RollingRestart);
            }
            Happening::RollingRestart => self.begin_rolling(true),
            Happening::Roll => self.roll(),
            Happening::ProducingEnds => self.model.producing_ended = true,
            Happening::End => self.finish(),
        }
    }

    fn inside(&mut self, machine: MachineIndex, actor: usize, what: Inside) {
        match what {
            Inside::Message { from, message } => {
                if let Message::Image { image, offset, .. } = &message {
                    self.trace.note(*offset as u64);
                    let offset = *offset;
                    self.tell(|| format!("node {machine} shows actor {actor} the image of {offset}"));
                    if self.model.is_cluster && self.model.images.is_news(offset) {
                        self.take_reigns(image);
                        self.model.violations.extend(Images::check_in_sync(image));
                    }
                    let found = self.model.images.check((machine, actor), offset, image);
                    self.model.violations.extend(found);
                }
                self.step(machine, actor, Event::Message { from: crate::node::id_of(from), message });
            }
            Inside::Turn => self.end_of_turn(machine, actor),
            Inside::Tick(at) => {
                let Some(node) = &self.machines[machine].node else { return };
                if node.wake_at[actor] != at {
                    return;
                }
                // the clock may have become slower since
                if self.time(machine).monotonic_us < at {
                    return self.plan_tick(machine, actor);
                }
                let Some(node) = &mut self.machines[machine].node else { return };
                node.wake_at[actor] = u64::MAX;
                self.step(machine, actor, Event::Tick);
            }
            Inside::Disk(job) => self.work(machine, actor, job),
            Inside::Dialed(connection) => self.step(machine, actor, Event::Dialed { connection }),
            Inside::DialFailed(connection) => {
                let reason = "nobody listens there".to_owned();
                self.step(machine, actor, Event::DialFailed { connection, reason });
            }
            Inside::DiskDone { token, result } => {
                self.step(machine, actor, Event::DiskDone { token, result });
            }
            Inside::Resume => self.resume(machine, actor),
            Inside::Written(effects) => self.on_written(machine, actor, effects),
            Inside::Leave => self.step(machine, actor, Event::Leave),
            Inside::Shutdown => self.step(machine, actor, Event::Shutdown),
        }
    }

    /// One event for an actor, or later if it is held up.
    pub fn step(&mut self, machine: MachineIndex, actor: usize, event: Event) {
        let now = self.time(machine);
        let Machine { node: Some(node), files, .. } = &mut self.machines[machine] else { return };
        if node.is_held_up(actor) {
            node.deferred[actor].push_back(event);
            return;
        }
        files.set_time(now.wall_ms);
        let writes = files.writes();
        let mut effects = std::mem::take(&mut self.effects);
        node.step(actor, now, event, &mut effects);
        if actor == 0 && self.model.is_cluster && !files.is_halted() {
            let found = self.model.majorities.check(machine, &node.quorum.standing());
            self.model.violations.extend(found.err());
        }
        let needs_turn = actor > 0 && !std::mem::replace(&mut node.turn_pending[actor], true);
        self.settle_after_writes(machine, actor, writes, effects);
        if needs_turn {
            let after = self.draws.node.below(40);
            self.plan_inside(after, machine, actor, Inside::Turn);
        }
    }

    fn end_of_turn(&mut self, machine: MachineIndex, actor: usize) {
        let now = self.time(machine);
        let Machine { node: Some(node), files, .. } = &mut self.machines[machine] else { return };
        node.turn_pending[actor] = false;
        if node.is_held_up(actor) {
            return;
        }
        let writes = files.writes();
        let mut effects = std::mem::take(&mut self.effects);
        node.end_of_turn(actor, now, &mut effects);
        self.look_at_replicas(machine, actor);
        self.settle_after_writes(machine, actor, writes, effects);
    }

    /// Before anybody hears what the turn has said.
    fn look_at_replicas(&mut self, machine: MachineIndex, actor: usize) {
        let Machine { node: Some(node), files, .. } = &self.machines[machine] else { return };
        if !self.model.is_cluster || files.is_halted() {
            return;
        }
        let Some(shard) = actor.checked_sub(1).and_then(|shard| node.shards.get(shard)) else { return };
        for standing in shard.standings() {
            let found = self.model.replicas.check(machine, node.life, &standing, self.model.is_strict);
            self.model.violations.extend(found.err());
            let seen = (standing.id, standing.leader_epoch.0, standing.is_leader);
            let found = self.model.pauses.seen(machine, seen, self.now);
            self.model.violations.extend(found.err());
        }
    }

    /// What a step has asked for happens when it ends: some of its writes may have taken their time.
    fn settle_after_writes(
        &mut self,
        machine: MachineIndex,
        actor: usize,
        writes: u64,
        effects: Vec<Effect>,
    ) {
        let Machine { node: Some(node), files, slow_write, .. } = &mut self.machines[machine] else { return };
        let has_written = files.writes() > writes && !files.is_halted();
        if !*slow_write || !has_written || !self.draws.more.one_in(3) {
            return self.settle(machine, actor, effects);
        }
        node.writing[actor] = true;
        self.coverage.count("transition", "slow write");
        let takes = 1000 + self.draws.more.below(300_000);
        self.plan_inside(takes, machine, actor, Inside::Written(effects));
    }

    fn on_written(&mut self, machine: MachineIndex, actor: usize, effects: Vec<Effect>) {
        if let Some(node) = &mut self.machines[machine].node {
            node.writing[actor] = false;
        }
        let life = self.machines[machine].lives;
        self.settle(machine, actor, effects);
        if self.machines[machine].living(life).is_some() {
            self.go_on(machine, actor);
        }
    }

    /// What a step has asked for happens, unless the machine stopped in its midst.
    pub fn settle(&mut self, machine: MachineIndex, actor: usize, mut effects: Vec<Effect>) {
        if self.files(machine).is_halted() {
            effects.clear();
            self.effects = effects;
            return self.on_halt(machine);
        }
        let life = self.machines[machine].lives;
        for effect in effects.drain(..) {
            // an effect may end this life
            if self.machines[machine].living(life).is_some() {
                self.carry_out(machine, actor, effect);
            }
        }
        self.effects = effects;
    }

    fn resume(&mut self, machine: MachineIndex, actor: usize) {
        let Some(node) = &mut self.machines[machine].node else { return };
        node.stalled[actor] = false;
        self.go_on(machine, actor);
    }

    /// An actor that was held up gets what has come meanwhile.
    fn go_on(&mut self, machine: MachineIndex, actor: usize) {
        let Some(node) = &mut self.machines[machine].node else { return };
        if node.is_held_up(actor) {
            return;
        }
        let life = node.life;
        for event in std::mem::take(&mut node.deferred[actor]) {
            if self.machines[machine].living(life).is_some() {
                self.step(machine, actor, event);
            }
        }
        self.plan_inside(1, machine, actor, Inside::Turn);
    }
}
