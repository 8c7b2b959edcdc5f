//! What a client's program can do: connect, send encoded requests, sleep. The world carries it out afterwards.

use bytes::Bytes;
use platform::Random;
use protocol::{ApiKey, Request, RequestHeader, Response, Str, Writer};
use types::TopicIdPartition;

use crate::coverage::Coverage;
use crate::faults::Fault;
use crate::model::Model;

pub enum Command {
    /// To this machine, or to any.
    Connect(Option<usize>),
    Close,
    /// Nothing more is sent, answers are still read.
    CloseSending,
    Send {
        bytes: Bytes,
        correlation: i32,
        api_key: ApiKey,
        version: i16,
        is_silent: bool,
    },
    WakeAt(u64),
    /// A fault of this machine or of any, from the hand of whoever runs it.
    FaultIn(u64, Fault, Option<usize>),
    /// Of the machine that was not there at the beginning.
    Newcomer(Move),
}

/// What whoever runs the newcomer's machine does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is switched on, with an empty disk.
    Comes,
    /// It is drained no more.
    Stays,
    /// It has to come back as it is, and to be drained further.
    DrainsOn,
    /// It was unregistered by mistake.
    StartsAnew,
    Stops,
}

/// An answer as a program gets it.
pub struct Reply {
    pub correlation: i32,
    pub version: i16,
    pub sent_at: u64,
    pub response: Response,
}

/// See the head of the file.
pub struct Api<'a> {
    /// Microseconds.
    pub now: u64,
    /// As the client's own clock says; it is not the node's.
    pub wall_ms: i64,
    pub client: usize,
    /// What is sent now goes out.
    pub is_connected: bool,
    /// The machine that it is connected to.
    pub machine: Option<usize>,
    pub random: &'a mut Random,
    pub model: &'a mut Model,
    pub coverage: &'a mut Coverage,
    pub commands: Vec<Command>,
    pub last_correlation: &'a mut i32,
    pub log: Option<&'a mut Vec<String>>,
}

impl Api<'_> {
    /// A line for whoever replays a seed.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        let (now, client) = (self.now, self.client);
        if let Some(log) = &mut self.log {
            log.push(format!("{:>12.6} client {client}: {}", now as f64 / 1e6, text()));
        }
    }

    pub fn connect(&mut self) {
        self.commands.push(Command::Connect(None));
    }

    pub fn connect_to(&mut self, machine: Option<usize>) {
        self.commands.push(Command::Connect(machine));
    }

    /// To the leader of one of these partitions, or to anybody.
    pub fn connect_to_leader(&mut self, of: &[TopicIdPartition]) {
        let some = (!of.is_empty()).then(|| of[self.random.below(of.len() as u64) as usize]);
        let leader = some.and_then(|id| self.model.reigns.get(&id)).and_then(|reign| reign.leader);
        self.commands.push(Command::Connect(leader));
    }

    pub fn close(&mut self) {
        self.commands.push(Command::Close);
    }

    pub fn close_sending(&mut self) {
        self.commands.push(Command::CloseSending);
    }

    /// Wakes the program at this time and at no other that was asked for before.
    pub fn wake_in(&mut self, us: u64) {
        self.commands.push(Command::WakeAt(self.now + us.max(1)));
    }

    pub fn fault_in(&mut self, us: u64, fault: Fault) {
        self.commands.push(Command::FaultIn(us, fault, None));
    }

    pub fn fault_of_machine_in(&mut self, us: u64, fault: Fault, machine: usize) {
        self.commands.push(Command::FaultIn(us, fault, Some(machine)));
    }

    pub fn newcomer(&mut self, what: Move) {
        self.commands.push(Command::Newcomer(what));
    }

    /// A partition and its topic's name, now and then one of `__consumer_offsets`. By name, one that comes again might be
    /// hit in place of another.
    pub fn choose_partition(&mut self) -> Option<(Str, TopicIdPartition)> {
        if let Some((topic_id, partitions)) = self.model.offsets_topic.filter(|_| self.random.one_in(5)) {
            let partition = self.random.below(partitions.max(1) as u64) as i32;
            return Some((Str::from_static("__consumer_offsets"), TopicIdPartition { topic_id, partition }));
        }
        let live = self.model.live_topics().into_iter();
        let live: Vec<usize> = live.filter(|at| !self.model.topics[*at].is_reused).collect();
        let at = *live.get(self.random.below(live.len().max(1) as u64) as usize)?;
        let topic = &self.model.topics[at];
        let partition = self.random.below(topic.partitions.max(1) as u64) as i32;
        Some((topic.name.clone(), TopicIdPartition { topic_id: topic.id, partition }))
    }

    /// Between `least` and twice that.
    pub fn wake_in_about(&mut self, least_us: u64) {
        let us = least_us + self.random.below(least_us);
        self.wake_in(us);
    }

    pub fn replication_factor(&mut self) -> i16 {
        match self.model.images.is_alone {
            true => 1,
            false => 1 + self.random.below(3) as i16,
        }
    }

    /// Any served version from `min` to `max`.
    pub fn version(&mut self, api_key: ApiKey, min: i16, max: i16) -> i16 {
        let served = api_key.versions_before();
        let (min, max) = (served.min.max(min), served.max.min(max));
        min + self.random.below((max - min) as u64 + 1) as i16
    }

    /// Encodes and sends; gives the correlation id.
    pub fn send(&mut self, version: i16, request: impl Into<Request>) -> i32 {
        let request = request.into();
        let is_silent = matches!(&request, Request::Produce(produce) if produce.acks == 0);
        let api_key = request.api_key();
        *self.last_correlation += 1;
        let correlation = *self.last_correlation;
        let header = RequestHeader {
            api_key: api_key.code(),
            api_version: version,
            correlation_id: correlation,
            client_id: Some(format!("client-{}", self.client).into()),
        };
        let mut writer = Writer::new();
        header.encode(&mut writer).expect("a header");
        if let Err(error) = request.encode(version, &mut writer) {
            panic!("{api_key:?} version {version} cannot be encoded: {error}");
        }
        let bytes = writer.into_bytes().expect("no files in a request");
        self.coverage.count("request", format!("{api_key:?}"));
        self.commands.push(Command::Send { bytes, correlation, api_key, version, is_silent });
        correlation
    }

    /// An error that the node has answered with.
    pub fn saw(&mut self, api_key: ApiKey, code: i16) {
        if code != 0 {
            self.coverage.count("error", format!("{api_key:?}:{}", protocol::ErrorCode::from(code)));
        }
    }
}
