//! What actors ask for, carried out: answers travel, messages cross, timers are set. And the other way: what comes
//! over connections, and what programs ask for.

use broker::Chunk;
use broker::event::{ConnectionId, Effect, Event, Level, ListenerId};
use bytes::Bytes;
use protocol::{Reader, Response, ResponseHeader};

use crate::clients::{CONTROLLERS, Program};
use crate::commands::{Api, Command, Reply};
use crate::disk::Job;
use crate::invariants::replies;
use crate::network::{Link, Outstanding, Owner, Peer, Written};
use crate::node::{Machine, actor_of};
use crate::world::{Happening, Inside, MachineIndex, World};

impl World {
    pub fn carry_out(&mut self, machine: MachineIndex, actor: usize, effect: Effect) {
        match effect {
            Effect::Reply { connection, chunks } => self.on_answer(connection.0, chunks),
            Effect::NoReply { connection } => {
                if let Some(link) = self.network.get(connection.0) {
                    let found = replies::check_silence(link, connection.0);
                    self.model.violations.extend(found);
                    self.end_if_done(connection.0);
                }
            }
            Effect::Dial { connection, address } => self.dial(machine, actor, connection, address),
            Effect::Request { connection, chunks } => self.on_request(machine, actor, connection, chunks),
            Effect::Close { connection } if connection.is_dialed() => {
                self.close_dialed(machine, actor, connection);
            }
            Effect::Close { connection } => self.on_close(connection.0),
            Effect::Send { to, message } => {
                let to = actor_of(to);
                let delay = self.message_delay();
                let Some(node) = &mut self.machines[machine].node else { return };
                let at = node.pairs.entry((actor, to)).or_default();
                *at = (self.now + delay).max(*at + 1);
                let (at, life) = (*at, node.life);
                let what = Inside::Message { from: actor, message };
                self.scheduler.at(at, Happening::Inside { machine, life, actor: to, what });
            }
            Effect::Flush { token, directory, files, directories } => {
                self.plan_job(machine, actor, Job::Flush { token, directory, files, directories });
            }
            Effect::WriteFile { token, directory, path, content } => {
                self.plan_job(machine, actor, Job::Write { token, directory, path, content });
            }
            Effect::WakeAt { monotonic_us } => {
                if let Some(node) = &mut self.machines[machine].node {
                    node.wake_at[actor] = monotonic_us;
                    self.plan_tick(machine, actor);
                }
            }
            Effect::Log { level, text } => {
                if level >= Level::Warning {
                    self.tell(|| format!("actor {actor} of node {machine}: {text}"));
                }
            }
            Effect::Fatal { reason } => self.on_fatal(machine, &reason),
            Effect::Ready => self.on_ready(machine),
            Effect::Left => self.stop_shards(machine),
            Effect::Stopped => self.on_stopped(machine, actor),
            Effect::Metrics(_) | Effect::Mute { .. } => {}
        }
    }

    fn message_delay(&mut self) -> u64 {
        match self.draws.node.below(40) {
            0 => self.draws.node.below(20_000),
            1..5 => self.draws.node.below(500),
            _ => self.draws.node.below(20),
        }
    }

    pub fn network_delay(&mut self) -> u64 {
        match self.draws.network.below(50) {
            0 => self.draws.network.below(50_000),
            _ => 20 + self.draws.network.below(300),
        }
    }

    fn on_answer(&mut self, connection: u64, chunks: Vec<Chunk>) {
        let delay = self.network_delay();
        let reads_late = self.draws.network.one_in(4);
        let Some(link) = self.network.get(connection) else { return };
        if !link.node_hears {
            return;
        }
        let found = replies::check(link, connection, &chunks);
        // who writes to nobody is told so
        if !link.client_hears {
            link.peer = Peer::Gone;
        }
        let is_heard = link.peer != Peer::Gone && !link.is_broken;
        if !is_heard || self.loses_message(connection) {
            self.model.violations.extend(found);
            return self.end_if_done(connection);
        }
        let Some(link) = self.network.get(connection) else { return };
        let at = link.down_at(self.now + delay);
        let machine = link.machine;
        self.model.violations.extend(found);
        let written = if reads_late {
            Written::Slices(chunks)
        } else {
            match self.read_chunks(machine, chunks) {
                Some(frame) => Written::Frame(frame),
                None => return self.cut(connection),
            }
        };
        self.scheduler.at(at, Happening::Reply(connection, written));
        self.end_if_done(connection);
    }

    /// None: the disk failed under a slice, and the connection ends as it would in the server.
    pub fn read_chunks(&mut self, machine: MachineIndex, chunks: Vec<Chunk>) -> Option<Bytes> {
        let mut frame = Vec::new();
        for chunk in chunks {
            match chunk {
                Chunk::Bytes(bytes) => frame.extend_from_slice(&bytes),
                Chunk::File(slice) => match slice.read() {
                    Ok(bytes) => frame.extend(bytes),
                    Err(error) => {
                        // a follower may have cut what it was sent as a leader
                        let is_cut = self.is_cluster() && error.kind() == std::io::ErrorKind::UnexpectedEof;
                        let failed = self.machines[machine].disk_failed() || is_cut;
                        if !failed && !self.files(machine).is_halted() {
                            self.model.violation(format!("a slice of an answer cannot be read: {error}"));
                        }
                        return None;
                    }
                },
            }
        }
        Some(Bytes::from(frame))
    }

    fn on_close(&mut self, connection: u64) {
        let delay = self.network_delay();
        let Some(link) = self.network.get(connection) else { return };
        link.node_hears = false;
        let at = link.down_at(self.now + delay);
        self.scheduler.at(at, Happening::Closed(connection));
        self.coverage.count("transition", "connection closed by the node");
    }

    /// The network ends a connection; both sides hear of it some time.
    pub fn cut(&mut self, connection: u64) {
        let delay = self.network_delay();
        let Some(link) = self.network.get(connection) else { return };
        let up = link.up_at(self.now + delay);
        let client_hears = link.client_hears;
        self.scheduler.at(up, Happening::Hangup(connection, Peer::Gone));
        if client_hears {
            self.scheduler.at(self.now + delay, Happening::Closed(connection));
        }
    }

    pub fn on_opened(&mut self, connection: u64) {
        let Some((machine, actor)) = self.actor_for(connection) else { return };
        let listener = self.network.get(connection).map_or(0, |link| link.listener);
        let event = Event::ConnectionOpened {
            connection: ConnectionId(connection),
            listener: ListenerId(listener),
            peer: ([127, 0, 0, 1], 50_000).into(),
            local: ([127, 0, 0, 1], 9092).into(),
        };
        self.step(machine, actor, event);
    }

    /// The actor of a connection, if it still hears of it.
    fn actor_for(&mut self, connection: u64) -> Option<(MachineIndex, usize)> {
        let link = self.network.links.get(&connection).filter(|link| link.node_hears)?;
        self.machines[link.machine].living(link.life)?;
        Some((link.machine, link.actor))
    }

    pub fn on_frame(&mut self, connection: u64, bytes: Bytes) {
        self.trace.bytes(&bytes);
        let Some((machine, actor)) = self.actor_for(connection) else { return };
        if let Some(link) = self.network.get(connection) {
            link.arrived += 1;
        }
        self.step(machine, actor, Event::Frame { connection: ConnectionId(connection), bytes });
    }

    /// The client's end of sending has come, or the connection broke.
    pub fn on_hangup(&mut self, connection: u64, peer: Peer) {
        if let Some(link) = self.network.get(connection)
            && link.peer != Peer::Gone
        {
            link.peer = peer;
            if link.arrived > 0 {
                self.coverage
                    .count("transition", format!("connection ends with requests under way: {peer:?}"));
            }
        }
        self.end_if_done(connection);
        self.network.sweep(connection);
    }

    /// A connection of which nothing is left to be done ends.
    fn end_if_done(&mut self, connection: u64) {
        if self.network.get(connection).is_some_and(|link| link.node_hears && link.is_done()) {
            self.plan(1, Happening::Over(connection));
        }
    }

    /// The node hears that a connection is over.
    pub fn on_over(&mut self, connection: u64) {
        let Some((machine, actor)) = self.actor_for(connection) else { return };
        let delay = self.network_delay();
        if let Some(link) = self.network.get(connection) {
            link.node_hears = false;
            if link.client_hears {
                let at = link.down_at(self.now + delay);
                self.scheduler.at(at, Happening::Closed(connection));
            }
        }
        self.step(machine, actor, Event::ConnectionClosed { connection: ConnectionId(connection) });
        self.network.sweep(connection);
    }

    pub fn on_closed(&mut self, connection: u64) {
        let Some(link) = self.network.get(connection) else { return };
        let (owner, heard) = (link.owner, std::mem::replace(&mut link.client_hears, false));
        self.network.sweep(connection);
        let client = match owner {
            Owner::Client(client) => client,
            Owner::Node(dialer) if heard => return self.on_peer_closed(dialer),
            Owner::Node(_) => return,
        };
        if heard && self.clients[client].link == Some(connection) {
            self.clients[client].link = None;
            self.call(client, |program, api| program.on_closed(api));
        }
    }

    pub fn on_reply(&mut self, connection: u64, written: Written) {
        let frame = match written {
            Written::Frame(frame) => frame,
            Written::Slices(chunks) => {
                let Some(machine) = self.network.get(connection).map(|link| link.machine) else { return };
                match self.read_chunks(machine, chunks) {
                    Some(frame) => frame,
                    None => return self.cut(connection),
                }
            }
        };
        let Some(link) = self.network.get(connection).filter(|link| link.client_hears) else { return };
        let client = match link.owner {
            Owner::Client(client) => client,
            Owner::Node(dialer) => return self.on_peer_reply(dialer, connection, &frame),
        };
        let Some(question) = link.awaited.pop_front() else { return };
        self.trace.bytes(&frame);
        match decode(&frame, &question) {
            Ok(response) => {
                self.coverage.count("answer", format!("{:?}", question.api_key));
                let reply = Reply {
                    correlation: question.correlation,
                    version: question.version,
                    sent_at: question.sent_at,
                    response,
                };
                self.call(client, |program, api| program.on_reply(api, reply));
            }
            Err(error) => {
                let text = format!("{:?} v{}: {error}", question.api_key, question.version);
                self.model.violation(format!("an answer cannot be read: {text}"));
            }
        }
    }

    /// Lets a program do something, and does what it asks.
    pub fn call(&mut self, client: usize, run: impl FnOnce(&mut dyn Program, &mut Api<'_>)) {
        let wall_ms = self.client_wall_ms();
        let one = &mut self.clients[client];
        let link = one.link.and_then(|id| self.network.links.get(&id));
        let mut api = Api {
            machine: link.map(|link| link.machine),
            is_connected: link.is_some_and(|link| link.is_sending && link.client_hears && link.node_hears),
            now: self.now,
            wall_ms,
            client,
            random: &mut one.random,
            model: &mut self.model,
            coverage: &mut self.coverage,
            commands: Vec::new(),
            last_correlation: &mut self.last_correlation,
            log: self.log.as_mut(),
        };
        run(one.program.as_mut(), &mut api);
        for command in api.commands {
            self.obey(client, command);
        }
    }

    fn obey(&mut self, client: usize, command: Command) {
        match command {
            Command::Connect(machine) => self.connect(client, machine),
            Command::Close => {
                if let Some(connection) = self.clients[client].link.take() {
                    let delay = self.network_delay();
                    if let Some(link) = self.network.get(connection) {
                        link.client_hears = false;
                        link.awaited.clear();
                        let at = link.up_at(self.now + delay);
                        // whether it reads on shows only when something is written
                        self.scheduler.at(at, Happening::Hangup(connection, Peer::Listens));
                    }
                }
            }
            Command::CloseSending => {
                if let Some(connection) = self.clients[client].link {
                    let delay = self.network_delay();
                    if let Some(link) = self.network.get(connection) {
                        link.is_sending = false;
                        let at = link.up_at(self.now + delay);
                        self.scheduler.at(at, Happening::Hangup(connection, Peer::Listens));
                    }
                }
            }
            Command::WakeAt(at) => {
                self.clients[client].token += 1;
                let token = self.clients[client].token;
                self.scheduler.at(at, Happening::Wake { client, token });
            }
            Command::FaultIn(after, fault, machine) => {
                let any = || self.draws.machine.below(self.machines.len() as u64) as usize;
                let machine = machine.unwrap_or_else(any);
                self.plan(after, Happening::Fault(machine, fault));
            }
            Command::Newcomer(what) => self.move_newcomer(what),
            Command::Send { bytes, correlation, api_key, version, is_silent } => {
                let question = Outstanding { correlation, api_key, version, sent_at: self.now, is_silent };
                self.send(client, bytes, question);
            }
        }
    }

    fn connect(&mut self, client: usize, machine: Option<MachineIndex>) {
        let any = self.draws.machine.below(self.machines.len() as u64) as usize;
        let machine = machine.unwrap_or(any);
        let listener = self.clients[client].program.listener();
        if !self.machines[machine].serves() || !self.machines[machine].has_listener(listener) {
            return self.plan(10_000, Happening::Refused { client });
        }
        let Machine { lives, shards, .. } = self.machines[machine];
        let shard = self.draws.network.below(u64::from(shards)) as usize;
        let actor = if listener == CONTROLLERS { 0 } else { shard + 1 };
        let connection = self.network.open(Owner::Client(client), (machine, actor), listener, lives);
        self.clients[client].link = Some(connection);
        let delay = self.network_delay();
        if let Some(link) = self.network.get(connection) {
            let at = link.up_at(self.now + delay);
            self.scheduler.at(at, Happening::Opened(connection));
        }
    }

    fn send(&mut self, client: usize, bytes: Bytes, question: Outstanding) {
        if let Some(connection) = self.clients[client].link {
            self.put_on_the_way(connection, bytes, question);
        }
    }

    /// A request leaves for the node at the other end.
    pub fn put_on_the_way(&mut self, connection: u64, bytes: Bytes, question: Outstanding) {
        let delay = self.network_delay();
        if self.loses_message(connection) {
            return;
        }
        let is_open = |link: &&mut Link| link.is_sending && !link.is_broken;
        let Some(link) = self.network.get(connection).filter(is_open) else { return };
        link.unanswered.push_back(question);
        if !question.is_silent {
            link.awaited.push_back(question);
        }
        let at = link.up_at(self.now + delay);
        self.scheduler.at(at, Happening::Frame(connection, bytes));
    }
}

fn decode(frame: &Bytes, question: &Outstanding) -> Result<Response, String> {
    let mut reader = Reader::new(frame.clone());
    let _ = reader.i32();
    let header = ResponseHeader::decode(&mut reader, question.api_key, question.version)
        .map_err(|error| error.to_string())?;
    if header.correlation_id != question.correlation {
        return Err(format!("it answers {} instead of {}", header.correlation_id, question.correlation));
    }
    let response = Response::decode(question.api_key, question.version, &mut reader)
        .map_err(|error| error.to_string())?;
    match reader.remaining() {
        0 => Ok(response),
        left => Err(format!("{left} bytes are left over")),
    }
}
