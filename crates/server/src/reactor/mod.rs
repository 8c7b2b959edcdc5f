//! One thread's loop round one actor: wait, hand in what happened, carry out what it asks for, once a turn.
//!
//! A turn: epoll → frames and messages into `step` → `end_of_turn` → effects → one write for each connection.

mod accepting;
mod dialing;
mod effects;
mod flushing;
mod pauses;
mod sockets;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use broker::event::{ActorId, ConnectionId, Effect, Event, ListenerId};
use platform::{FileSystem, Time};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::acceptor::Acceptor;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::connections::Connections;
use crate::dial::Dials;
use crate::disk::Disk;
use crate::limits::{RequestMemory, Slot};
use crate::mailbox::{Receiver, Sender};
use crate::metrics::{Scrape, Traffic};
use crate::peers::Peers;
use crate::quiet::Quiet;

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
    /// The addresses of a peer that is dialed.
    Resolved(ConnectionId, Result<Vec<SocketAddr>, String>),
}

/// What a thread tells the process.
#[derive(Debug)]
pub enum Notice {
    Stopped(ActorId),
    Fatal(String),
    /// The node may serve clients now.
    Ready,
    /// Others lead what this node led.
    Left,
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
    connections: Connections,
    dials: Dials,
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
/// How often a thread with starved connections looks whether others have let go of memory.
const STARVED_US: u64 = 10_000;
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
            connections: Connections::default(),
            dials: Dials::default(),
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
                Some(Mail::Resolved(id, found)) => {
                    let progress = self.dials.on_resolved(id, found, &self.epoll);
                    self.on_dial(now, id, progress);
                }
                Some(Mail::Warmed(id)) => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.warming = false;
                        connection.output.warmed();
                        mark_dirty(connection, &mut self.dirty);
                    }
                }
            }
        }
    }
}

fn mark_dirty(connection: &mut Connection, dirty: &mut Vec<ConnectionId>) {
    if !connection.dirty {
        connection.dirty = true;
        dirty.push(connection.id);
    }
}
