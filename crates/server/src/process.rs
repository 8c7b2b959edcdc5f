//! The life of a node's process: threads up, listeners open when the node is ready, orderly end on a signal.
//!
//! start → quorum and shards run → `Ready` → clients' listeners open → SIGTERM or SIGINT → others lead → shards stop →
//! quorum stops.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use broker::event::{ActorId, Effect, Event};
use platform::FileSystem;

use crate::acceptor::Acceptor;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::mailbox::{Receiver, Sender, mailbox};
use crate::metrics::Gathering;
use crate::peers::Peers;
use crate::reactor::{Actor, Mail, Notice, Parts, Reactor, Settings};

/// A node that has been configured but does nothing yet. `S` are its shards, `Q` its quorum.
pub struct Node<S, Q> {
    pub shards: Vec<S>,
    pub quorum: Q,
    /// What opening the quorum asked for: carried out before its first event.
    pub quorum_effects: Vec<Effect>,
    pub file_system: Arc<dyn FileSystem>,
    pub clock: Clock,
    pub settings: Settings,
    /// Bound; those of controllers are served from the start, those of clients once the node is ready.
    pub controller_listeners: Vec<Acceptor>,
    pub client_listeners: Vec<Acceptor>,
    pub node_id: i32,
    /// Names by `ListenerId`.
    pub listener_names: Arc<[String]>,
    /// Opened by `start` of `http`, where configured.
    pub http: Option<std::net::TcpListener>,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// A signal asked for it, everything was flushed and closed.
    Stopped,
    /// The node could not go on.
    Failed(String),
}

/// How long an orderly end may take before the process ends anyway.
const STOP_MAX: Duration = Duration::from_secs(300);
/// How often the operator is told that it goes on.
const STOP_TOLD: Duration = Duration::from_secs(3);

/// Runs the node until a signal ends it. `on_ready` is told the clients' addresses once they are open.
pub fn run<S, Q>(node: Node<S, Q>, on_ready: impl FnOnce(&[SocketAddr])) -> io::Result<End>
where
    S: Actor + Send + 'static,
    Q: Actor + Send + 'static,
{
    let (notices, inbox) = mpsc::channel();
    let Node {
        shards,
        quorum,
        quorum_effects,
        file_system,
        clock,
        settings,
        controller_listeners,
        client_listeners,
        node_id,
        listener_names,
        http,
    } = node;
    let (quorum_sender, quorum_receiver) = mailbox()?;
    let mailboxes: Vec<_> = shards.iter().map(|_| mailbox()).collect::<io::Result<_>>()?;
    let peers = Peers {
        quorum: quorum_sender.clone(),
        shards: mailboxes.iter().map(|(sender, _)| sender.clone()).collect(),
    };
    let spawner = Spawner { clock, settings, file_system, peers: peers.clone(), notices: notices.clone() };
    let mut threads = Vec::new();
    for (index, (shard, mail)) in shards.into_iter().zip(mailboxes).enumerate() {
        let id = ActorId::Shard(broker::event::ShardId(index as u16));
        threads.push(spawner.spawn(format!("shard-{index}"), id, (shard, Vec::new()), mail)?);
    }
    threads.push(spawner.spawn(
        "quorum".to_owned(),
        ActorId::Quorum,
        (quorum, quorum_effects),
        (quorum_sender, quorum_receiver),
    )?);
    for acceptor in &controller_listeners {
        acceptor.listen()?;
    }
    peers.post(ActorId::Quorum, Mail::Listen(controller_listeners));
    let ready = Arc::new(std::sync::atomic::AtomicBool::new(false));
    if let Some(listener) = http {
        crate::http::start(listener, notices.clone(), Arc::clone(&ready))?;
    }
    watch_signals(notices)?;
    let about = (node_id, listener_names);
    let supervisor = Supervisor { peers, inbox, ready, about, gathering: Gathering::default() };
    supervisor.watch(client_listeners, on_ready, threads)
}

/// Makes threads that run actors.
struct Spawner {
    clock: Clock,
    settings: Settings,
    file_system: Arc<dyn FileSystem>,
    peers: Peers,
    notices: mpsc::Sender<Notice>,
}

impl Spawner {
    fn spawn<A: Actor + Send + 'static>(
        &self,
        name: String,
        id: ActorId,
        (actor, effects): (A, Vec<Effect>),
        (own, mailbox): (Sender<Mail>, Receiver<Mail>),
    ) -> io::Result<JoinHandle<()>> {
        let parts = Parts {
            actor,
            effects,
            id,
            clock: self.clock,
            settings: self.settings.clone(),
            file_system: Arc::clone(&self.file_system),
            disk: Disk::start(&name)?,
            own,
            mailbox,
            peers: self.peers.clone(),
            notices: self.notices.clone(),
        };
        let notices = self.notices.clone();
        let reactor = Reactor::new(parts)?;
        thread::Builder::new().name(name.clone()).spawn(move || {
            if let Err(error) = reactor.run() {
                let _ = notices.send(Notice::Fatal(format!("{name}: {error}")));
            }
        })
    }
}

fn watch_signals(notices: mpsc::Sender<Notice>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).stack_size(128 << 10).spawn(move || {
        for _ in signals.forever() {
            let _ = notices.send(Notice::Stop);
        }
    })?;
    Ok(())
}

/// What an orderly end waits for.
#[derive(Debug)]
enum Awaited {
    /// That others lead what this node led.
    Left,
    Stopped(BTreeSet<ActorId>),
}

impl Awaited {
    fn is_something(&self) -> bool {
        !matches!(self, Awaited::Stopped(actors) if actors.is_empty())
    }
}

/// The main thread: hears what the others say.
struct Supervisor {
    peers: Peers,
    inbox: mpsc::Receiver<Notice>,
    ready: Arc<std::sync::atomic::AtomicBool>,
    /// The node's id and the names of its listeners.
    about: (i32, Arc<[String]>),
    gathering: Gathering,
}

impl Supervisor {
    fn watch(
        mut self,
        clients: Vec<Acceptor>,
        on_ready: impl FnOnce(&[SocketAddr]),
        threads: Vec<JoinHandle<()>>,
    ) -> io::Result<End> {
        let mut waiting = Some((clients, on_ready));
        loop {
            match self.inbox.recv().map_err(io::Error::other)? {
                Notice::Ready => {
                    if let Some((clients, on_ready)) = waiting.take() {
                        self.open(clients, on_ready)?;
                    }
                }
                Notice::Stop => return self.stop(threads),
                Notice::Left => {}
                Notice::Fatal(reason) => return Ok(End::Failed(reason)),
                Notice::Stopped(actor) => return Ok(End::Failed(format!("{actor:?} stopped unasked"))),
                Notice::Scrape(reply) => {
                    if self.gathering.begin(reply, self.peers.shards() + 1, self.about.clone()) {
                        self.peers
                            .actors()
                            .for_each(|to| self.peers.post(to, Mail::Event(Event::ReadMetrics)));
                    }
                }
                Notice::Metrics(actor, counted) => self.gathering.add(actor, counted.0, counted.1),
            }
        }
    }

    fn open(&self, clients: Vec<Acceptor>, on_ready: impl FnOnce(&[SocketAddr])) -> io::Result<()> {
        let addresses: Vec<SocketAddr> = clients.iter().map(|a| a.address()).collect::<io::Result<_>>()?;
        for acceptor in &clients {
            acceptor.listen()?;
        }
        if let Some(first) = self.peers.shards.first() {
            first.send(Mail::Listen(clients));
        }
        self.ready.store(true, std::sync::atomic::Ordering::Release);
        on_ready(&addresses);
        Ok(())
    }

    /// Others lead first. Then shards stop: the quorum hears their last words, then stops itself.
    fn stop(self, threads: Vec<JoinHandle<()>>) -> io::Result<End> {
        self.ready.store(false, std::sync::atomic::Ordering::Release);
        let shards: BTreeSet<ActorId> = self.peers.actors().filter(|id| *id != ActorId::Quorum).collect();
        self.peers.post(ActorId::Quorum, Mail::Event(Event::Leave));
        if let Some(failure) = self.wait_for(Awaited::Left) {
            return Ok(failure);
        }
        for step in [shards, BTreeSet::from([ActorId::Quorum])] {
            step.iter().for_each(|to| self.peers.post(*to, Mail::Event(Event::Shutdown)));
            if let Some(failure) = self.wait_for(Awaited::Stopped(step)) {
                return Ok(failure);
            }
        }
        for thread in threads {
            let _ = thread.join();
        }
        Ok(End::Stopped)
    }

    fn wait_for(&self, mut awaited: Awaited) -> Option<End> {
        let mut waited = Duration::ZERO;
        while awaited.is_something() {
            match self.inbox.recv_timeout(STOP_TOLD) {
                Ok(Notice::Left) if matches!(awaited, Awaited::Left) => return None,
                Ok(Notice::Stopped(actor)) => {
                    if let Awaited::Stopped(actors) = &mut awaited {
                        actors.remove(&actor);
                    }
                }
                Ok(Notice::Fatal(reason)) => return Some(End::Failed(reason)),
                Ok(Notice::Stop) => {
                    let reason = "a second signal: ended at once, the next start looks through the logs";
                    return Some(End::Failed(reason.to_owned()));
                }
                Ok(_) => {}
                Err(_) => {
                    waited += STOP_TOLD;
                    if waited >= STOP_MAX {
                        return Some(End::Failed(format!("not stopped in time: {awaited:?}")));
                    }
                    tracing::warn!(?awaited, "still stopping; a second signal ends at once");
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use broker::Chunk;
    use broker::event::ListenerId;
    use bytes::{BufMut, BytesMut};
    use platform::Time;

    use super::*;
    use crate::acceptor::Homes;
    use crate::limits::{ConnectionLimits, RequestMemory};

    /// Sends every frame back; as a quorum it is ready at once.
    struct Echo {
        quorum: bool,
    }

    impl Actor for Echo {
        fn step(&mut self, _: Time, event: Event, effects: &mut Vec<Effect>) {
            match event {
                Event::Frame { connection, bytes } => {
                    let mut size = BytesMut::new();
                    size.put_i32(bytes.len() as i32);
                    let chunks = vec![Chunk::Bytes(size.freeze()), Chunk::Bytes(bytes)];
                    effects.push(Effect::Reply { connection, chunks });
                }
                Event::Tick if self.quorum => effects.push(Effect::Ready),
                Event::Leave => effects.push(Effect::Left),
                Event::Shutdown => effects.push(Effect::Stopped),
                Event::ReadMetrics => effects.push(Effect::Metrics(Default::default())),
                _ => {}
            }
        }

        fn end_of_turn(&mut self, _: Time, _: &mut Vec<Effect>) {}
    }

    fn node(shards: usize) -> Node<Echo, Echo> {
        let limits = ConnectionLimits::new(100, 100, Default::default());
        Node {
            shards: (0..shards).map(|_| Echo { quorum: false }).collect(),
            quorum: Echo { quorum: true },
            quorum_effects: Vec::new(),
            file_system: Arc::new(platform::OsFileSystem),
            clock: Clock::start(),
            settings: Settings {
                frame_max: 10 << 20,
                unanswered_max: 4,
                idle_us: 60_000_000,
                held_max: 64 << 20,
                request_memory: RequestMemory::new(64 << 20),
            },
            controller_listeners: Vec::new(),
            client_listeners: Acceptor::bind("127.0.0.1", 0, 50, ListenerId(0), Homes::Shards, &limits)
                .unwrap(),
            node_id: 1,
            listener_names: Arc::from(["PLAINTEXT".to_owned()]),
            http: None,
        }
    }

    fn echo_some(address: SocketAddr, seed: usize) {
        let mut socket = TcpStream::connect(address).unwrap();
        let frames: Vec<Vec<u8>> = (0..50)
            .map(|i| vec![(i + seed) as u8; (i * i * i * seed) % 300_000 + usize::from(i % 7 != 0)])
            .collect();
        let bytes: Vec<u8> =
            frames.iter().flat_map(|f| [&(f.len() as i32).to_be_bytes()[..], f].concat()).collect();
        let mut writer = socket.try_clone().unwrap();
        let expected = bytes.clone();
        let thread = thread::spawn(move || writer.write_all(&bytes).unwrap());
        let mut got = vec![0; expected.len()];
        socket.read_exact(&mut got).unwrap();
        thread.join().unwrap();
        assert!(got == expected, "what came back differs");
    }

    #[test]
    fn frames_come_back_in_order_and_a_signal_ends_the_process() {
        let (ready, address) = mpsc::channel();
        let process =
            thread::spawn(move || run(node(3), |addresses| ready.send(addresses[0]).unwrap()).unwrap());
        let address = address.recv().unwrap();
        let clients: Vec<_> = (1..8).map(|seed| thread::spawn(move || echo_some(address, seed))).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let mut nonsense = TcpStream::connect(address).unwrap();
        nonsense.write_all(&(-1i32).to_be_bytes()).unwrap();
        assert_eq!(nonsense.read(&mut [0; 10]).unwrap_or(0), 0, "closed");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        assert_eq!(process.join().unwrap(), End::Stopped);
    }
}
