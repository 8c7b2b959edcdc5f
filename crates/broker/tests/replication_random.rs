//! Three brokers under random kills, losses of power, fencing, elections and passing time, with producers that want
//! acks=all and readers of leaders and followers. Whatever was acknowledged, or shown to a reader, is there in the end,
//! once, at its offset; and all replicas are equal. `SEEDS=from..to` runs other seeds.

mod cluster;
mod support;

use std::collections::BTreeMap;

use broker::event::ConnectionId;
use cluster::Cluster;
use platform::Random;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::records::metadata::{BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::{batch_of, values};
use types::{ProducerEpoch, ProducerId, Uuid};

const NODES: i32 = 3;
const STEPS: usize = 80;
const NO_CHANGE: i32 = -2;

struct World {
    seed: u64,
    cluster: Cluster,
    random: Random,
    topic: Uuid,
    epochs: BTreeMap<i32, i64>,
    /// Of an idempotent producer: its connection, what it waits for, and the sequence of that.
    producer: Option<(i32, ConnectionId)>,
    waits: Option<(i32, String)>,
    sequence: i32,
    /// What is promised: by offset.
    promised: BTreeMap<i64, String>,
    acknowledged: usize,
    leaders: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let shards = 1 + random.below(2) as u16;
        let flushed = random.one_in(4);
        let mut cluster = Cluster::new(NODES, shards);
        let flush = if flushed { ("flush.messages", "1") } else { ("flush.ms", "700") };
        let topic = cluster.create_topic("t", &[1, 2, 3], &[flush]);
        let mut world = World {
            seed,
            cluster,
            random,
            topic,
            epochs: (1..=NODES).map(|node| (node, i64::from(node) + 10)).collect(),
            producer: None,
            waits: None,
            sequence: 0,
            promised: BTreeMap::new(),
            acknowledged: 0,
            leaders: 0,
        };
        // the logs themselves are on the disk: what becomes of those that a loss of power leaves half made is no
        // matter of replication
        world.produce();
        world.cluster.pass(3000);
        world
    }

    fn node(&mut self) -> i32 {
        1 + self.random.below(NODES as u64) as i32
    }

    fn is_up(&self, node: i32) -> bool {
        self.cluster.nodes[&node].is_up
    }

    fn state(&self) -> metadata::image::Partition {
        (**self.cluster.image().topics.partition(self.topic, 0).unwrap()).clone()
    }

    fn is_fenced(&self, node: i32) -> bool {
        self.cluster.image().cluster.broker(node).unwrap().fenced
    }

    /// What the controller does when a broker is fenced, or begins another life.
    fn leave(&mut self, node: i32) -> Vec<MetadataRecord> {
        let state = self.state();
        let rest: Vec<i32> = state.in_sync_replicas.iter().copied().filter(|one| *one != node).collect();
        let led = state.leader == node;
        let is_in = state.in_sync_replicas.contains(&node);
        if !led && (!is_in || rest.is_empty()) {
            return Vec::new();
        }
        let usable = |one: &&i32| **one != node && !self.is_fenced(**one);
        let leader = match (led, rest.iter().find(usable)) {
            (false, _) => NO_CHANGE,
            (true, Some(&next)) => next,
            (true, None) => -1,
        };
        self.leaders += usize::from(leader >= 0);
        vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id: self.topic,
            partition_id: 0,
            isr: (is_in && !rest.is_empty()).then_some(rest),
            leader,
            ..Default::default()
        })]
    }

    fn fence(&mut self, node: i32) {
        if self.is_fenced(node) {
            return;
        }
        let mut records = self.leave(node);
        records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: node,
            broker_epoch: self.epochs[&node],
            fenced: 1,
            ..Default::default()
        }));
        self.cluster.commit(records);
    }

    fn start(&mut self, node: i32) {
        if self.is_up(node) {
            return;
        }
        self.cluster.start(node);
        // sometimes the shards run on an image from before they were registered anew
        if self.random.one_in(2) {
            self.cluster.run();
        }
        let epoch = self.epochs.values().max().unwrap() + 1;
        self.epochs.insert(node, epoch);
        let mut records = self.leave(node);
        let registration = self.cluster.registration(node, epoch);
        records.push(registration);
        self.cluster.commit(records);
        let state = self.state();
        if state.leader == -1 && state.in_sync_replicas.contains(&node) {
            self.leaders += 1;
            self.elect(node);
        }
    }

    fn elect(&mut self, leader: i32) {
        self.cluster.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id: self.topic,
            partition_id: 0,
            leader,
            ..Default::default()
        })]);
    }

    fn kill(&mut self, node: i32) {
        if !self.is_up(node) {
            return;
        }
        let state = self.state();
        // unsynced records may be lost as long as another in-sync replica keeps them
        let others = state.in_sync_replicas.iter().any(|&one| one != node && self.is_up(one));
        let is_in = state.in_sync_replicas.contains(&node);
        let crash = (others || !is_in) && self.random.one_in(3);
        self.cluster.kill(node, crash);
        if self.producer.is_some_and(|(at, _)| at == node) {
            self.producer = None;
        }
        // a crashed one must not be taken for one that has what it had
        if crash || self.random.one_in(2) {
            self.fence(node);
        }
    }

    /// The leader that clients find.
    fn leader(&self) -> Option<i32> {
        let leader = self.state().leader;
        (leader >= 0 && self.is_up(leader)).then_some(leader)
    }

    fn produce(&mut self) {
        self.hear();
        let stray = self.node();
        // a client may believe that somebody leads who does no more
        let believed = if self.random.one_in(5) && self.is_up(stray) { Some(stray) } else { self.leader() };
        let Some(leader) = believed else { return };
        match self.producer {
            Some((at, _)) if at == leader => {}
            _ => {
                let shard = self.random.below(self.cluster.nodes[&leader].shards.len() as u64) as usize;
                self.producer = Some((leader, self.cluster.connect(leader, shard)));
            }
        }
        self.send();
    }

    /// Sends what is not acknowledged again, or something new.
    fn send(&mut self) {
        let Some((_, connection)) = self.producer else { return };
        let (sequence, text) = match &self.waits {
            Some((sequence, text)) => (*sequence, text.clone()),
            None => (self.sequence, format!("r{}", self.sequence)),
        };
        self.waits = Some((sequence, text.clone()));
        let records = batch_of(&[&text], ProducerId(7), ProducerEpoch(0), sequence);
        let partition_data = vec![PartitionProduceData { index: 0, records: Some(records) }];
        let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
        let request = ProduceRequest { acks: -1, timeout_ms: 5000, topic_data, ..Default::default() };
        self.cluster.send(connection, 10, request);
        self.hear();
    }

    fn hear(&mut self) {
        let Some((_, connection)) = self.producer else { return };
        while let Some(Response::Produce(response)) = self.cluster.take_reply(connection) {
            let answer = &response.responses[0].partition_responses[0];
            match ErrorCode::from(answer.error_code) {
                ErrorCode::None => {
                    let Some((sequence, text)) = self.waits.take() else { continue };
                    self.promise(answer.base_offset, &text, "acknowledged");
                    self.acknowledged += 1;
                    self.sequence = sequence + 1;
                }
                // from one that leads no more, and does not know it, it says nothing
                ErrorCode::OutOfOrderSequenceNumber if self.leader() == self.producer.map(|(at, _)| at) => {
                    panic!("seed {}: a sequence was lost", self.seed)
                }
                _ => {}
            }
        }
    }

    fn promise(&mut self, offset: i64, text: &str, how: &str) {
        let known = self.promised.entry(offset).or_insert_with(|| text.to_owned());
        assert_eq!(known, text, "seed {}: {how} at {offset}", self.seed);
    }

    fn read(&mut self, node: i32) {
        if !self.is_up(node) {
            return;
        }
        for (offset, text) in self.log_of(node) {
            self.promise(offset, &text, "read");
        }
    }

    fn log_of(&mut self, node: i32) -> Vec<(i64, String)> {
        let connection = self.cluster.connect(node, 0);
        let request = FetchRequest {
            max_bytes: 1 << 20,
            session_epoch: -1,
            topics: vec![fetch_request::FetchTopic {
                topic: "t".into(),
                partitions: vec![fetch_request::FetchPartition {
                    partition_max_bytes: 1 << 20,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let Response::Fetch(response) = self.cluster.call(connection, 12, request) else { panic!() };
        values(&response.responses[0].partitions[0].records.bytes().unwrap_or_default())
    }

    fn step(&mut self) {
        let node = self.node();
        match self.random.below(22) {
            0..8 => self.produce(),
            8..11 => self.read(node),
            11..13 => self.kill(node),
            13..15 => self.start(node),
            20 => {
                // the controller's word does not reach this one, until later
                let rest = (1..=NODES).filter(|one| *one != node);
                self.cluster.told = Some(rest.collect());
            }
            21 => self.cluster.tell_all(),
            15 => {
                if !self.is_up(node) {
                    self.fence(node);
                }
            }
            16 => {
                // leadership goes to another in-sync replica, as preferred ones do
                let state = self.state();
                let may = state.in_sync_replicas.contains(&node) && !self.is_fenced(node);
                if may && state.leader >= 0 && state.leader != node {
                    self.leaders += 1;
                    self.elect(node);
                }
            }
            _ => {
                let ms = [1, 20, 300, 3000, 40_000][self.random.below(5) as usize];
                self.cluster.pass(ms);
            }
        }
    }

    fn heal(&mut self) {
        self.cluster.tell_all();
        for node in 1..=NODES {
            if !self.is_up(node) {
                self.fence(node);
            }
            self.start(node);
        }
        for _ in 0..4 {
            self.cluster.pass(20_000);
            self.produce();
            self.producer = None;
        }
        self.cluster.pass(2000);
        self.hear();
        let seed = self.seed;
        assert_eq!(self.cluster.in_sync(self.topic), [1, 2, 3], "seed {seed}: {:?}", self.cluster.log);
        let logs: Vec<_> = (1..=NODES).map(|node| self.log_of(node)).collect();
        assert!(logs.iter().all(|log| *log == logs[0]), "seed {seed}: {logs:?}\n{:?}", self.cluster.log);
        let found: BTreeMap<i64, String> = logs[0].iter().cloned().collect();
        for (offset, text) in &self.promised {
            assert_eq!(found.get(offset), Some(text), "seed {seed}, {offset}: {:?}", self.cluster.log);
        }
        let mut texts: Vec<_> = found.values().collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), found.len(), "seed {seed}: something is there twice: {found:?}");
    }
}

#[test]
fn nothing_that_was_promised_is_lost() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| {
        let (from, to) = seeds.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    let (mut acknowledged, mut leaders) = (0, 0);
    for seed in seeds.unwrap_or(0..20) {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.heal();
        acknowledged += world.acknowledged;
        leaders += world.leaders;
    }
    assert!(acknowledged > 150 && leaders > 40, "{acknowledged} acknowledged, {leaders} elections");
}
