//! A driver of one shard: a log in memory, writes committed at once or held back, time that only it moves.

#![allow(dead_code)]

use std::collections::{BTreeMap, VecDeque};

use coordinator::group::*;
use platform::{Random, Time};
use protocol::{ErrorCode, Str};
use types::{Offset, ProducerId, Uuid};

/// How many every topic has.
const PARTITIONS: i32 = 1_000;

pub struct Names(pub Vec<(&'static str, Uuid)>);

impl Topics for Names {
    fn id(&self, name: &str) -> Option<Uuid> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
    }

    fn name(&self, id: Uuid) -> Option<Str> {
        self.0.iter().find(|(_, known)| *known == id).map(|(name, _)| Str::from(*name))
    }

    fn has_partition(&self, name: &str, partition: i32) -> bool {
        self.id(name).is_some() && (0..PARTITIONS).contains(&partition)
    }
}

pub fn topics() -> Names {
    Names(
        ["foo", "bar", "baz"]
            .into_iter()
            .zip(1u128..)
            .map(|(n, i)| (n, Uuid((i << 8).to_be_bytes())))
            .collect(),
    )
}

pub struct Driver {
    pub shard: GroupShard,
    pub config: GroupConfig,
    pub topics: Names,
    pub random: Random,
    pub now: Time,
    pub log: Vec<Entry>,
    pub held: VecDeque<Write>,
    pub hold: bool,
    pub next_token: u64,
    /// Replies not yet looked at, and every token that was answered.
    pub replies: Vec<(Token, Response)>,
    pub writes: Vec<Write>,
    pub answered: BTreeMap<u64, usize>,
}

/// What stands in the partition's log.
pub enum Entry {
    Record(ReplayRecord),
    Marker(ProducerId, bool),
}

pub const START_MS: i64 = 1_000_000;

impl Driver {
    pub fn new(seed: u64) -> Driver {
        Driver {
            shard: GroupShard::new(),
            config: GroupConfig::default(),
            topics: topics(),
            random: Random::new(seed),
            now: Time { monotonic_us: 0, wall_ms: START_MS },
            log: Vec::new(),
            held: VecDeque::new(),
            hold: false,
            next_token: 1,
            replies: Vec::new(),
            writes: Vec::new(),
            answered: BTreeMap::new(),
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut GroupShard, &mut Context<'_>, &mut Effects)) {
        let mut effects = Effects::default();
        let mut context =
            Context { now: self.now, config: &self.config, random: &mut self.random, topics: &self.topics };
        act(&mut self.shard, &mut context, &mut effects);
        for (token, _) in &effects.replies {
            *self.answered.entry(token.0).or_insert(0) += 1;
        }
        self.replies.append(&mut effects.replies);
        self.writes.extend(effects.writes.iter().cloned());
        self.held.extend(effects.writes);
        while !self.hold && !self.held.is_empty() {
            self.commit();
        }
    }

    pub fn command(&mut self, version: i16, client_id: &str, command: Command) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        let caller = Caller {
            token,
            version,
            client_id: Str::from(client_id),
            client_host: Str::from_static("/127.0.0.1"),
        };
        self.turn(|shard, context, effects| shard.command(&caller, &command, context, effects));
        token
    }

    /// The oldest held write is committed.
    pub fn commit(&mut self) {
        let Some(write) = self.held.pop_front() else { return };
        let base = Offset(self.log.len() as i64);
        for record in &write.records {
            self.log.push(Entry::Record(ReplayRecord {
                offset: Offset(self.log.len() as i64),
                key: record.key.clone(),
                value: record.value.clone(),
                transaction: write.producer.map(|(id, _)| id),
            }));
        }
        self.turn(|shard, context, effects| shard.on_committed(write.id, base, context, effects));
    }

    pub fn fail(&mut self, error: ErrorCode) {
        let Some(write) = self.held.pop_front() else { return };
        self.turn(|shard, context, effects| shard.on_failed(write.id, error, context, effects));
    }

    pub fn fail_last(&mut self, error: ErrorCode) {
        let Some(write) = self.held.pop_back() else { return };
        self.turn(|shard, context, effects| shard.on_failed(write.id, error, context, effects));
    }

    pub fn marker(&mut self, producer: i64, commit: bool) {
        self.log.push(Entry::Marker(ProducerId(producer), commit));
        self.shard.on_marker(ProducerId(producer), commit);
    }

    pub fn delete_topic(&mut self, name: &str) {
        let id = self.topics.id(name).expect("a topic");
        self.topics.0.retain(|(known, _)| *known != name);
        let deleted = [(Str::from(name), id)];
        self.turn(|shard, context, effects| shard.on_topics_deleted(&deleted, context, effects));
    }

    /// Time passes; every deadline on the way is kept.
    pub fn advance(&mut self, ms: u64) {
        let end = self.now.monotonic_us + ms * 1000;
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= end) {
            self.set_time(at.max(self.now.monotonic_us));
            self.turn(|shard, context, effects| shard.on_timer(context, effects));
        }
        self.set_time(end);
    }

    fn set_time(&mut self, monotonic_us: u64) {
        self.now = Time { monotonic_us, wall_ms: START_MS + (monotonic_us / 1000) as i64 };
    }

    /// A new shard from the log.
    pub fn reload(&mut self) {
        self.turn(|shard, context, effects| shard.abandon(ErrorCode::NotCoordinator, context, effects));
        self.held.clear();
        self.shard = GroupShard::new();
        for entry in &self.log {
            match entry {
                Entry::Record(record) => self.shard.replay(record).expect("our own record"),
                Entry::Marker(producer, commit) => self.shard.on_marker(*producer, *commit),
            }
        }
        self.turn(|shard, context, effects| shard.on_loaded(context, effects));
    }

    pub fn take_replies(&mut self) -> Vec<(Token, Response)> {
        std::mem::take(&mut self.replies)
    }

    pub fn only_reply(&mut self) -> Response {
        let mut replies = self.take_replies();
        assert_eq!(replies.len(), 1, "{replies:?}");
        replies.remove(0).1
    }
}
