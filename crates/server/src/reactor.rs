//! One thread's loop round one actor: wait, hand in what happened, carry out what it asks for, once a turn.
//!
//! A turn: epoll → frames and messages into `step` → `end_of_turn` → effects → one write for each connection.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use broker::event::{ActorId, ConnectionId, Effect, Event, ListenerId};
use broker::message::Message;
use platform::{FileSystem, Time};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::acceptor::{Accepted, Acceptor};
use crate::clock::Clock;
use crate::connection::{Connection, ReadEnd};
use crate::disk::Disk;
use crate::limits::{RequestMemory, Slot};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Scrape, Traffic};
use crate::peers::Peers;
use crate::quiet::Quiet;
use crate::table::Table;

/// What the loop drives: a shard or the quorum.
pub trait Actor {
    fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>);
    /// Everything of this turn was handed in: what waits for more may be completed now.
    fn end_of_turn(&mut self, now: Time, effects: &mut Vec<Effect>);
}

/// What reaches a thread from others.
pub enum Mail {
    Event(Event),
    /// A socket accepted elsewhere is this thread's from now on.
    Accepted {
        socket: TcpStream,
        peer: SocketAddr,
        listener: ListenerId,
        slot: Slot,
    },
    /// These listeners are this thread's to accept on, and hand out.
    Listen(Vec<Acceptor>),
    /// The page cache has what this connection waits for.
    Warmed(ConnectionId),
}

/// What a thread tells the process.
#[derive(Debug)]
pub enum Notice {
    Stopped(ActorId),
    Fatal(String),
    /// The node may serve clients now.
    Ready,
    Metrics(ActorId, Box<(broker::metrics::Metrics, Traffic)>),
    /// A signal asks for an orderly end.
    Stop,
    /// Somebody wants to read all metrics.
    Scrape(std::sync::mpsc::Sender<Arc<Scrape>>),
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// `socket.request.max.bytes`.
    pub frame_max: usize,
    /// Unanswered frames of one connection.
    pub unanswered_max: usize,
    /// `connections.max.idle.ms`.
    pub idle_us: u64,
    /// Bytes of unfinished and unanswered requests of one connection; past it it is closed.
    pub held_max: usize,
    /// Of all connections of the node.
    pub request_memory: Arc<RequestMemory>,
}

pub struct Reactor<A> {
    pub actor: A,
    pub id: ActorId,
    pub clock: Clock,
    pub settings: Settings,
    pub file_system: Arc<dyn FileSystem>,
    pub disk: Disk,
    pub own: Sender<Mail>,
    pub mailbox: Receiver<Mail>,
    pub peers: Peers,
    pub notices: std::sync::mpsc::Sender<Notice>,
    epoll: OwnedFd,
    connections: Table<Connection>,
    acceptors: Vec<Acceptor>,
    effects: Vec<Effect>,
    dirty: Vec<ConnectionId>,
    wake_at_us: Option<u64>,
    next_sweep_us: u64,
    scratch: Vec<u8>,
    traffic: Traffic,
    /// Bytes of requests held by this thread, and as the node was last told.
    held: usize,
    told_held: usize,
    /// When the effects that are carried out had been decided.
    done_us: u64,
    /// Connections that are read again when the node holds fewer bytes.
    starved: Vec<ConnectionId>,
    /// When listeners that were left alone for want of file descriptors are looked at again.
    accept_again_us: Option<u64>,
    refused: Quiet,
    nonsense: Quiet,
    stopped: bool,
}

const BELL: u64 = u64::MAX;
/// Tokens from here up to BELL are listeners.
const LISTENERS: u64 = u64::MAX - (1 << 16);
const SCRATCH: usize = 64 << 10;
const SWEEP_US: u64 = 5_000_000;
/// How often a thread with starved connections looks whether others have let go of memory.
const STARVED_US: u64 = 10_000;
/// Listeners are left alone for so long after a failed accept: the reason, too many open files, does not go away at once.
const ACCEPT_AGAIN_US: u64 = 200_000;
/// While the node holds as many bytes of requests as it may: a frame that gets nothing for so long is given up,
const STALLED_US: u64 = 5_000_000;
/// and so is one that is not whole after so long.
const SLOW_US: u64 = 30_000_000;
/// Mail taken in one turn, so that sockets have their share.
const MAIL_A_TURN: usize = 4096;

pub struct Parts<A> {
    pub actor: A,
    /// What the actor asked for before its first event.
    pub effects: Vec<Effect>,
    pub id: ActorId,
    pub clock: Clock,
    pub settings: Settings,
    pub file_system: Arc<dyn FileSystem>,
    pub disk: Disk,
    pub own: Sender<Mail>,
    pub mailbox: Receiver<Mail>,
    pub peers: Peers,
    pub notices: std::sync::mpsc::Sender<Notice>,
}

impl<A: Actor> Reactor<A> {
    pub fn new(parts: Parts<A>) -> io::Result<Reactor<A>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, parts.mailbox.fd(), EventData::new_u64(BELL), EventFlags::IN)?;
        let Parts { actor, effects, id, clock, settings, file_system, disk, own, mailbox, peers, notices } =
            parts;
        Ok(Reactor {
            actor,
            id,
            clock,
            settings,
            file_system,
            disk,
            own,
            mailbox,
            peers,
            notices,
            epoll,
            connections: Table::default(),
            acceptors: Vec::new(),
            effects,
            dirty: Vec::new(),
            wake_at_us: None,
            next_sweep_us: 0,
            scratch: vec![0; SCRATCH],
            traffic: Traffic::default(),
            held: 0,
            told_held: 0,
            done_us: 0,
            starved: Vec::new(),
            accept_again_us: None,
            refused: Quiet::default(),
            nonsense: Quiet::default(),
            stopped: false,
        })
    }

    /// Until the actor has stopped.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        // the first tick starts the actor
        self.wake_at_us = Some(0);
        while !self.stopped {
            events.clear();
            let before_us = self.clock.now().monotonic_us;
            let timeout = self.timeout(before_us);
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = self.clock.now();
            self.traffic.idle_us += now.monotonic_us.saturating_sub(before_us);
            for event in &events {
                self.on_event(now, event.data.u64(), event.flags);
            }
            self.on_time(now);
            self.actor.end_of_turn(now, &mut self.effects);
            while !self.effects.is_empty() || !self.dirty.is_empty() {
                self.carry_out(now);
                // a socket that fails here tells the actor, which may ask for more
                self.flush(now);
            }
            self.settings.request_memory.change(self.told_held, self.held);
            self.told_held = self.held;
        }
        Ok(())
    }

    fn timeout(&self, now_us: u64) -> Option<Timespec> {
        let sweep = (!self.connections.is_empty()).then_some(self.next_sweep_us);
        let starved = (!self.starved.is_empty()).then_some(now_us + STARVED_US);
        let next = [self.wake_at_us, sweep, starved, self.accept_again_us].into_iter().flatten().min()?;
        let wait_us = next.saturating_sub(now_us);
        Some(Timespec { tv_sec: (wait_us / 1_000_000) as i64, tv_nsec: (wait_us % 1_000_000 * 1000) as _ })
    }

    fn on_event(&mut self, now: Time, token: u64, flags: EventFlags) {
        match token {
            BELL => self.on_mail(now),
            _ if token >= LISTENERS => self.accept(now, (token - LISTENERS) as usize),
            _ => self.on_socket(now, ConnectionId(token), flags),
        }
    }

    fn on_mail(&mut self, now: Time) {
        self.mailbox.silence();
        for taken in 0.. {
            if taken == MAIL_A_TURN {
                self.mailbox.ring();
                return;
            }
            match self.mailbox.take() {
                None => return,
                Some(Mail::Event(event)) => self.actor.step(now, event, &mut self.effects),
                Some(Mail::Accepted { socket, peer, listener, slot }) => {
                    self.open(now, socket, peer, listener, slot)
                }
                Some(Mail::Listen(acceptors)) => self.listen(acceptors),
                Some(Mail::Warmed(id)) => {
                    if let Some(connection) = self.connections.get_mut(id.0) {
                        connection.warming = false;
                        connection.output.warmed();
                        mark_dirty(connection, &mut self.dirty);
                    }
                }
            }
        }
    }

    fn listen(&mut self, acceptors: Vec<Acceptor>) {
        for acceptor in acceptors {
            let token = LISTENERS + self.acceptors.len() as u64;
            match epoll::add(&self.epoll, acceptor.socket(), EventData::new_u64(token), EventFlags::IN) {
                Ok(()) => self.acceptors.push(acceptor),
                Err(error) => self.tell(Notice::Fatal(format!("a listener cannot be waited for: {error}"))),
            }
        }
    }

    fn accept(&mut self, now: Time, index: usize) {
        for _ in 0..64 {
            let Some(acceptor) = self.acceptors.get_mut(index) else { return };
            let (socket, peer, slot) = match acceptor.accept() {
                Accepted::Connection(socket, peer, slot) => (socket, peer, slot),
                Accepted::Nobody => return,
                Accepted::Refused(peer) => {
                    if let Some(left_out) = self.refused.may_speak(now.monotonic_us) {
                        tracing::warn!(%peer, left_out, "refused: max.connections, max.connections.per.ip or the limit of open files is reached");
                    }
                    continue;
                }
                Accepted::Failed(error) => {
                    if let Some(left_out) = self.refused.may_speak(now.monotonic_us) {
                        tracing::warn!(left_out, "no connection can be taken for now: {error}");
                    }
                    let _ = epoll::delete(&self.epoll, acceptor.socket());
                    acceptor.is_left_alone = true;
                    self.accept_again_us = Some(now.monotonic_us + ACCEPT_AGAIN_US);
                    return;
                }
            };
            let listener = acceptor.listener();
            let home = acceptor.next_home(self.peers.shards());
            if home == self.id {
                self.open(now, socket, peer, listener, slot);
            } else {
                self.peers.post(home, Mail::Accepted { socket, peer, listener, slot });
            }
        }
    }

    fn accept_again(&mut self) {
        self.accept_again_us = None;
        for (index, acceptor) in self.acceptors.iter_mut().enumerate().filter(|(_, one)| one.is_left_alone) {
            acceptor.is_left_alone = false;
            let token = EventData::new_u64(LISTENERS + index as u64);
            if let Err(error) = epoll::add(&self.epoll, acceptor.socket(), token, EventFlags::IN) {
                tracing::error!("a listener cannot be waited for: {error}");
            }
        }
    }

    fn open(&mut self, now: Time, socket: TcpStream, peer: SocketAddr, listener: ListenerId, slot: Slot) {
        let Ok(local) = socket.local_addr() else { return };
        let id = ConnectionId(self.connections.next_id());
        let added = epoll::add(&self.epoll, &socket, EventData::new_u64(id.0), EventFlags::IN);
        if added.is_err() {
            return;
        }
        self.traffic.opened(usize::from(listener.0));
        let mut connection = Connection::new(id, socket, listener, slot, now.monotonic_us);
        connection.interest = EventFlags::IN;
        self.connections.insert(id.0, connection);
        let event = Event::ConnectionOpened { connection: id, listener, peer, local };
        self.actor.step(now, event, &mut self.effects);
    }

    fn on_socket(&mut self, now: Time, id: ConnectionId, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        connection.last_active_us = now.monotonic_us;
        if flags.contains(EventFlags::OUT) {
            connection.socket_full = false;
            mark_dirty(connection, &mut self.dirty);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        if connection.closing {
            // nothing of it is handed in any more: an end of the peer's side ends it
            if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
                self.remove(id);
            }
            return;
        }
        if connection.is_between_frames() {
            connection.begun_us = now.monotonic_us;
            let is_alive = !flags.intersects(EventFlags::HUP | EventFlags::ERR);
            if is_alive && self.settings.request_memory.is_full() {
                // looked at again when there is room
                return mark_dirty(connection, &mut self.dirty);
            }
        }
        let end = connection.read(&mut self.scratch, self.settings.frame_max);
        self.hand_in(now, id);
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        match end {
            Ok(()) if connection.held() > self.settings.held_max => {
                self.complain(now, id, "its requests take too much memory");
                self.closed(now, id);
            }
            Ok(())
                if self.settings.request_memory.is_exceeded_by(self.settings.frame_max)
                    && !connection.is_between_frames() =>
            {
                self.complain(now, id, "the node's requests take too much memory");
                self.closed(now, id);
            }
            Ok(()) => mark_dirty(connection, &mut self.dirty),
            Err(ReadEnd::Refused(why)) => {
                self.complain(now, id, &why.to_string());
                self.closed(now, id);
            }
            Err(ReadEnd::Failed(why)) => {
                tracing::debug!(peer = ?connection.socket.peer_addr(), "closed: {why}");
                self.closed(now, id);
            }
            Err(ReadEnd::Closed) => self.closed(now, id),
        }
    }

    /// Gives the actor as many waiting frames of the connection as it may have now.
    fn hand_in(&mut self, now: Time, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(id.0) {
            if !connection.may_hand_in(self.settings.unanswered_max, now.monotonic_us) {
                return;
            }
            let Some(bytes) = connection.begin_next(now.monotonic_us) else { return };
            self.traffic.bytes_received += bytes.len() as u64;
            if let Some(&[key, key_low, version, version_low]) = bytes.first_chunk::<4>()
                && let Some(api) = self.traffic.api_mut(i16::from_be_bytes([key, key_low]))
            {
                api.count(i16::from_be_bytes([version, version_low]));
            }
            self.actor.step(now, Event::Frame { connection: id, bytes }, &mut self.effects);
        }
    }

    fn closed(&mut self, now: Time, id: ConnectionId) {
        if let Some(connection) = self.remove(id)
            && !connection.closing
        {
            self.actor.step(now, Event::ConnectionClosed { connection: id }, &mut self.effects);
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(id.0)?;
        self.held = self.held.saturating_sub(connection.accounted);
        self.traffic.ended(usize::from(connection.listener.0));
        Some(connection)
    }

    /// Why a connection is closed, quietly: whoever sends nonsense sends more of it.
    fn complain(&mut self, now: Time, id: ConnectionId, why: &str) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        if let Some(left_out) = self.nonsense.may_speak(now.monotonic_us) {
            tracing::warn!(peer = ?connection.socket.peer_addr(), left_out, "closed: {why}");
        }
    }

    fn on_time(&mut self, now: Time) {
        if self.accept_again_us.is_some_and(|at| at <= now.monotonic_us) {
            self.accept_again();
        }
        if !self.starved.is_empty() && !self.settings.request_memory.is_full() {
            for id in std::mem::take(&mut self.starved) {
                if let Some(connection) = self.connections.get_mut(id.0) {
                    connection.starved = false;
                    connection.last_active_us = now.monotonic_us;
                    mark_dirty(connection, &mut self.dirty);
                }
            }
        }
        if self.wake_at_us.is_some_and(|at| at <= now.monotonic_us) {
            self.wake_at_us = None;
            self.actor.step(now, Event::Tick, &mut self.effects);
        }
        if now.monotonic_us >= self.next_sweep_us {
            self.next_sweep_us = now.monotonic_us + SWEEP_US.min(self.settings.idle_us / 2 + 1);
            self.sweep(now);
        }
    }

    /// Closes connections that were idle too long, and wakes muted ones.
    fn sweep(&mut self, now: Time) {
        let idle_us = self.settings.idle_us;
        // one that owes the peer an answer is not idle, nor is one that is not read; one that the peer does not read
        // from is
        let idle = self.connections.ids(|c| {
            now.monotonic_us.saturating_sub(c.last_active_us) > idle_us
                && !c.starved
                && (c.unanswered.is_empty() || c.closing || !c.output.is_empty())
        });
        for id in idle {
            self.traffic.closed_idle += 1;
            self.closed(now, ConnectionId(id));
        }
        if self.settings.request_memory.is_full() {
            let slow = self.connections.ids(|c| {
                let since = |at: u64| now.monotonic_us.saturating_sub(at);
                !c.is_between_frames()
                    && (since(c.last_active_us) > STALLED_US || since(c.begun_us) > SLOW_US)
            });
            for id in slow.into_iter().map(ConnectionId) {
                self.complain(now, id, "its request does not come on while the node is short of memory");
                self.closed(now, id);
            }
        }
        for id in self.connections.ids(|c| c.muted_until_us != 0 && c.muted_until_us <= now.monotonic_us) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.muted_until_us = 0;
                mark_dirty(connection, &mut self.dirty);
            }
            self.hand_in(now, ConnectionId(id));
        }
    }

    /// What the actor asked for in this turn, in order. Answers may let further frames in, which ask for more.
    fn carry_out(&mut self, now: Time) {
        while !self.effects.is_empty() {
            self.done_us = self.clock.now().monotonic_us;
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.carry_out_one(now, effect);
            }
            if self.effects.is_empty() {
                // the empty list's room is kept
                self.effects = effects;
                return;
            }
        }
    }

    fn carry_out_one(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Reply { connection, chunks } => self.answered(now, connection, chunks),
            Effect::NoReply { connection } => self.answered(now, connection, Vec::new()),
            Effect::Close { connection } => {
                if let Some(connection) = self.connections.get_mut(connection.0) {
                    connection.closing = true;
                    connection.forget_waiting();
                    mark_dirty(connection, &mut self.dirty);
                }
            }
            Effect::Mute { connection, until_monotonic_us } => {
                if let Some(connection) = self.connections.get_mut(connection.0) {
                    connection.muted_until_us = until_monotonic_us;
                    self.next_sweep_us = self.next_sweep_us.min(until_monotonic_us);
                    mark_dirty(connection, &mut self.dirty);
                }
            }
            Effect::Send { to, message } => self.send(to, message),
            Effect::Flush { token, directory, files, directories } => {
                self.disk.sync(self.context(token, directory), files, directories)
            }
            Effect::WriteFile { token, directory, path, content } => {
                self.disk.write(self.context(token, directory), path, content)
            }
            Effect::WakeAt { monotonic_us } => self.wake_at_us = Some(monotonic_us),
            Effect::Metrics(metrics) => {
                self.traffic.request_bytes = self.held as u64;
                let traffic = self.traffic.snapshot(now.monotonic_us);
                self.tell(Notice::Metrics(self.id, Box::new((*metrics, traffic))));
            }
            Effect::Log { level, text } => crate::logging::write(level, &text),
            Effect::Fatal { reason } => self.tell(Notice::Fatal(reason)),
            Effect::Ready => self.tell(Notice::Ready),
            Effect::Stopped => {
                self.stopped = true;
                self.tell(Notice::Stopped(self.id));
            }
        }
    }

    fn context(
        &self,
        token: broker::event::DiskToken,
        directory: broker::event::DirectoryIndex,
    ) -> crate::disk::Ticket {
        crate::disk::Ticket {
            token,
            directory,
            file_system: Arc::clone(&self.file_system),
            to: self.own.clone(),
        }
    }

    fn answered(&mut self, now: Time, id: ConnectionId, chunks: Vec<broker::Chunk>) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        connection.last_active_us = now.monotonic_us;
        if let Some(done) = connection.end_oldest()
            && let Some(api) = self.traffic.api_mut(done.api_key)
        {
            api.answered(self.done_us.saturating_sub(done.since_us));
        }
        for chunk in chunks {
            connection.output.push(chunk);
        }
        mark_dirty(connection, &mut self.dirty);
        if connection.has_waiting() {
            self.hand_in(now, id);
        }
    }

    fn send(&mut self, to: ActorId, message: Message) {
        self.peers.post(to, Mail::Event(Event::Message { from: self.id, message }));
    }

    fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }

    /// One write for each connection that has something to send; epoll learns what each waits for now.
    fn flush(&mut self, now: Time) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(id.0) else { continue };
            connection.dirty = false;
            let keep = self.flush_one(id, now);
            if !keep {
                self.closed(now, id);
            }
        }
    }

    /// False where the connection is to end.
    fn flush_one(&mut self, id: ConnectionId, now: Time) -> bool {
        let Some(connection) = self.connections.get_mut(id.0) else { return true };
        if !connection.socket_full && !connection.warming && !connection.output.is_empty() {
            match connection.flush() {
                Ok(crate::output::Progress::Cold) => {
                    if let Some(slice) = connection.output.cold_piece() {
                        connection.warming = true;
                        self.disk.warm(slice, id, self.own.clone());
                    }
                }
                Ok(_) => {}
                Err(why) => {
                    tracing::debug!(peer = ?connection.socket.peer_addr(), "closed: {why}");
                    return false;
                }
            }
        }
        if connection.closing && connection.output.is_empty() {
            return false;
        }
        let bytes = connection.request_bytes();
        self.held = self.held.saturating_sub(connection.accounted) + bytes;
        connection.accounted = bytes;
        let mut reads = connection.wants_read(self.settings.unanswered_max, now.monotonic_us);
        if reads && connection.is_between_frames() && self.settings.request_memory.is_full() {
            reads = false;
            if !std::mem::replace(&mut connection.starved, true) {
                self.starved.push(id);
            }
        }
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, reads);
        interest.set(EventFlags::OUT, connection.socket_full);
        if interest != connection.interest {
            connection.interest = interest;
            let data = EventData::new_u64(id.0);
            return epoll::modify(&self.epoll, connection.socket.as_fd(), data, interest).is_ok();
        }
        true
    }
}

fn mark_dirty(connection: &mut Connection, dirty: &mut Vec<ConnectionId>) {
    if !connection.dirty {
        connection.dirty = true;
        dirty.push(connection.id);
    }
}
