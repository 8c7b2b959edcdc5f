//! A loop with real sockets round an actor that takes its time: what becomes of requests whose sender has gone.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use broker::event::{ActorId, ConnectionId, Effect, Event, ListenerId, ShardId};
use bytes::Bytes;
use platform::{OsFileSystem, Time};
use rustix::net::sockopt;

use super::{Actor, Mail, Parts, Reactor, Settings};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::limits::{ConnectionLimits, RequestMemory};
use crate::mailbox;
use crate::peers::Peers;

/// Frames that one connection may have unanswered: fewer than are sent.
const UNANSWERED_MAX: usize = 2;
const FRAMES: u8 = 20;
const SHARD: ActorId = ActorId::Shard(ShardId(0));

/// Of a frame that is never answered.
const HELD_BACK: u8 = 1;

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(u8),
    Closed,
}

/// Answers one frame a tick, in their order; those of Produce with acks=0 by silence.
struct Slow {
    seen: mpsc::Sender<Seen>,
    unanswered: VecDeque<(ConnectionId, bool)>,
}

impl Actor for Slow {
    fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Frame { connection, bytes } => {
                self.seen.send(Seen::Frame(bytes[4])).unwrap();
                if bytes[1] != HELD_BACK {
                    self.unanswered.push_back((connection, bytes[1] == 0));
                }
            }
            Event::ConnectionClosed { .. } => self.seen.send(Seen::Closed).unwrap(),
            Event::Tick => match self.unanswered.pop_front() {
                Some((connection, true)) => effects.push(Effect::NoReply { connection }),
                Some((connection, false)) => {
                    let chunks = vec![broker::Chunk::Bytes(Bytes::from_static(b"answer"))];
                    effects.push(Effect::Reply { connection, chunks });
                }
                None => {}
            },
            Event::Shutdown => effects.push(Effect::Stopped),
            _ => {}
        }
        if !self.unanswered.is_empty() {
            effects.push(Effect::WakeAt { monotonic_us: now.monotonic_us + 200 });
        }
    }

    fn end_of_turn(&mut self, _: Time, _: &mut Vec<Effect>) {}
}

struct Running {
    mail: mailbox::Sender<Mail>,
    seen: mpsc::Receiver<Seen>,
    thread: thread::JoinHandle<()>,
}

fn start(id: ActorId) -> Running {
    let (own, inbox) = mailbox::mailbox::<Mail>().unwrap();
    let (seen_by, seen) = mpsc::channel();
    let mail = own.clone();
    let thread = thread::spawn(move || {
        let parts = Parts {
            actor: Slow { seen: seen_by, unanswered: VecDeque::new() },
            effects: Vec::new(),
            id,
            clock: Clock::start(),
            settings: Settings {
                frame_max: 16 << 20,
                unanswered_max: UNANSWERED_MAX,
                idle_us: u64::MAX / 4,
                held_max: 32 << 20,
                request_memory: RequestMemory::new(16 << 20),
            },
            file_system: Arc::new(OsFileSystem),
            disk: Disk::start("test").unwrap(),
            own: own.clone(),
            mailbox: inbox,
            peers: Peers { quorum: own.clone(), shards: vec![own] },
            notices: mpsc::channel().0,
        };
        Reactor::new(parts).unwrap().run().unwrap();
    });
    Running { mail, seen, thread }
}

/// A connection that the loop has.
fn connect(running: &Running) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, peer) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let limits = ConnectionLimits::new(10, 10, Default::default());
    let slot = limits.take(peer.ip()).unwrap();
    running.mail.send(Mail::Accepted { socket, peer, listener: ListenerId(0), slot });
    client
}

/// `count` frames of one API, numbered, as the wire has them; and the beginning of one more.
fn frames(api_key: u8, count: u8) -> Vec<u8> {
    let whole = (0..count).flat_map(|number| [0, 0, 0, 5, 0, api_key, 0, 9, number]);
    whole.chain([0, 0, 0, 5, 0, api_key]).collect()
}

fn expected() -> Vec<Seen> {
    (0..FRAMES).map(Seen::Frame).chain([Seen::Closed]).collect()
}

fn stop(running: Running) {
    running.mail.send(Mail::Event(Event::Shutdown));
    running.thread.join().unwrap();
}

#[test]
fn requests_of_a_peer_that_has_gone_are_carried_out() {
    for (name, end) in [
        ("closed", (|socket| drop(socket)) as fn(TcpStream)),
        ("reset", |socket| {
            sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO)).unwrap();
        }),
    ] {
        let running = start(SHARD);
        let mut client = connect(&running);
        client.write_all(&frames(0, FRAMES)).unwrap();
        // the loop has them before a reset can take them away
        assert_eq!(running.seen.recv().unwrap(), Seen::Frame(0), "{name}");
        end(client);
        let seen: Vec<Seen> = running.seen.iter().take(usize::from(FRAMES)).collect();
        assert_eq!(seen, &expected()[1..], "{name}");
        stop(running);
    }
}

/// A frame as the wire has it: its number, then as many bytes as it takes to have this size.
fn frame_of(number: u8, size: usize) -> Vec<u8> {
    let mut frame = (size as u32).to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 9, number]);
    frame.resize(4 + size, 7);
    frame
}

#[test]
fn no_frame_waits_for_the_next_one_however_it_arrives() {
    let running = start(SHARD);
    let mut client = connect(&running);
    client.set_nodelay(true).unwrap();
    let sizes = [700_000, 5, 64 << 10, 300_001, 256 << 10, 131_077, 6, 600_000, 65_541];
    for (number, size) in (0u8..).zip(sizes) {
        for piece in [usize::MAX, 1, 1000, 65_535, size - 1] {
            let bytes = frame_of(number, size);
            // the first pieces only: most of a large frame comes as it comes
            let (first, rest) = bytes.split_at(bytes.len().min(piece.saturating_mul(3)));
            first.chunks(piece.min(first.len())).for_each(|piece| client.write_all(piece).unwrap());
            client.write_all(rest).unwrap();
            assert_eq!(running.seen.recv().unwrap(), Seen::Frame(number), "{size} in pieces of {piece}");
        }
    }
    stop(running);
}

#[test]
fn a_peer_that_goes_in_the_midst_of_a_large_frame_is_closed() {
    let running = start(SHARD);
    let mut client = connect(&running);
    client.write_all(&frame_of(1, 500_000)[..200_000]).unwrap();
    drop(client);
    assert_eq!(running.seen.recv().unwrap(), Seen::Closed);
    stop(running);
}

#[test]
fn a_peer_that_only_listens_gets_all_answers_before_the_end() {
    let running = start(SHARD);
    let mut client = connect(&running);
    client.write_all(&frames(18, FRAMES)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).unwrap();
    assert_eq!(String::from_utf8(answers).unwrap(), "answer".repeat(usize::from(FRAMES)));
    assert_eq!(running.seen.iter().take(usize::from(FRAMES) + 1).collect::<Vec<_>>(), expected());
    stop(running);
}

#[test]
fn nobody_waits_for_the_answer_of_a_peer_that_is_gone() {
    let running = start(SHARD);
    let mut client = connect(&running);
    client.write_all(&frames(18, FRAMES)).unwrap();
    assert_eq!(running.seen.recv().unwrap(), Seen::Frame(0));
    // all answers are written to a socket that refuses them
    drop(client);
    assert_eq!(running.seen.iter().take(usize::from(FRAMES)).collect::<Vec<_>>(), &expected()[1..]);
    stop(running);
}

/// Whoever speaks to the quorum is a node. One that has died is known by its connections, and a fetch of the metadata
/// may be held back for half a second.
#[test]
fn a_connection_to_the_quorum_ends_before_its_fetch_is_answered() {
    let running = start(ActorId::Quorum);
    let mut client = connect(&running);
    client.write_all(&frames(HELD_BACK, 1)).unwrap();
    assert_eq!(running.seen.recv().unwrap(), Seen::Frame(0));
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(running.seen.recv().unwrap(), Seen::Closed);
    stop(running);
}

/// A Produce request of so many partitions of 100,000 bytes each, without topics' names; all bytes of its correlation id
/// are the number.
fn produce(number: u8, partitions: i32) -> Vec<u8> {
    let header = [0, 0, 0, 3, number, number, number, number, 0xff, 0xff];
    let mut frame = [&header[..], &[0xff, 0xff, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0]].concat();
    frame.extend(partitions.to_be_bytes());
    for index in 0..partitions {
        frame.extend([index, 100_000].map(i32::to_be_bytes).concat());
        frame.resize(frame.len() + 100_000, 7);
    }
    [&(frame.len() as u32).to_be_bytes()[..], &frame].concat()
}

/// How many frames with this number come before something else.
fn count(running: &Running, number: u8) -> (usize, Seen) {
    let mut count = 0;
    loop {
        match running.seen.recv().unwrap() {
            Seen::Frame(seen) if seen == number => count += 1,
            other => return (count, other),
        }
    }
}

#[test]
fn a_large_produce_request_is_handed_in_by_parts() {
    let running = start(SHARD);
    let mut client = connect(&running);
    for number in [1, 3] {
        client.write_all(&produce(number, 90)).unwrap();
        client.write_all(&frame_of(number + 1, 5)).unwrap();
        let (parts, next) = count(&running, number);
        assert!((8..20).contains(&parts), "{parts} parts of nine million bytes");
        assert_eq!(next, Seen::Frame(number + 1), "and the next request in its place");
    }
    stop(running);
}

#[test]
fn parts_of_a_request_that_breaks_off_or_is_nonsense_were_handed_in() {
    for name in ["breaks off", "nonsense"] {
        let running = start(SHARD);
        let mut client = connect(&running);
        let mut bytes = produce(1, 90);
        if name == "nonsense" {
            // the length of the 61st partition
            let at = 28 + 4 + 60 * 100_008 + 4;
            assert_eq!(bytes[at..at + 4], 100_000i32.to_be_bytes());
            bytes[at] = 0x7f;
        }
        // nonsense is not read on
        let _ = client.write_all(&bytes[..8_000_000]);
        let _ = client.shutdown(Shutdown::Write);
        let (parts, next) = count(&running, 1);
        assert!((4..10).contains(&parts), "{name}: {parts} parts");
        assert_eq!(next, Seen::Closed, "{name}");
        stop(running);
    }
}
