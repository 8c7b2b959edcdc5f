//! What must hold in every world, and what must be possible in some.

use stateright::Property;
use types::Offset;

use super::Quorums;
use super::log::{Entry, ModelLog, Payload};
use super::network::{Content, Message};
use super::settings::{Bounds, has, key, voter_mask};
use super::world::World;
use crate::machine::Raft;
use crate::message::{Answer, Body, Request};
use crate::role::RoleName;

/// What a single step breaks; what a world shows is judged in `properties`.
#[derive(Clone, Copy, Debug)]
pub enum Law {
    OneLeader,
    CommittedStays,
    HighWatermarkGrows,
    VoteIsDurable,
    NobodyDies,
    EpochsGrow,
    MajorityHolds,
    Voters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken(u16);

impl Broken {
    pub fn add(&mut self, law: Law) {
        self.0 |= 1 << law as u16;
    }

    pub fn keeps(self, law: Law) -> bool {
        self.0 & 1 << law as u16 == 0
    }
}

impl World {
    /// Whoever asks for votes has given its own for good.
    pub fn judge_request(&mut self, index: u8, request: &Request) {
        let durable = self.nodes[usize::from(index)].durable;
        if let Request::Vote(vote) = request
            && !vote.pre_vote
            && (durable.vote, durable.epoch) != (Some(key(index)), vote.epoch)
        {
            self.broken.add(Law::VoteIsDurable);
        }
    }

    /// A vote is granted once it cannot be forgotten.
    pub fn judge_answer(&mut self, index: u8, answer: &Answer, handled: Option<&Message>) {
        let durable = self.nodes[usize::from(index)].durable;
        if let Some(Content::Request(Request::Vote(vote))) = handled.map(|message| &message.body)
            && !vote.pre_vote
            && answer.body == (Body::Vote { granted: true })
            && (durable.vote, durable.epoch) != (Some(vote.candidate), vote.epoch)
        {
            self.broken.add(Law::VoteIsDurable);
        }
    }

    pub fn judge_node(&mut self, index: u8, bounds: &Bounds) {
        let node = self.nodes[usize::from(index)].clone();
        let epoch = node.raft.epoch().0;
        if node.raft.role() == RoleName::Leader {
            match self.leaders.iter().find(|(known, _)| *known == epoch) {
                Some((_, leader)) if *leader != index => self.broken.add(Law::OneLeader),
                Some(_) => {}
                None => {
                    self.leaders.push((epoch, index));
                    self.leaders.sort_unstable();
                }
            }
        }
        if bounds.voter_changes == 0 {
            return;
        }
        if !voters_are_the_logs(&node.raft, &node.log) || !voters_step_by_one(&node.log) {
            self.broken.add(Law::Voters);
        }
    }

    /// Records below `end` are committed, says a node: the same for all and for ever.
    pub fn commit(&mut self, index: u8, end: i64) {
        let node = self.nodes[usize::from(index)].clone();
        if end < node.claimed || end > node.log.end() {
            self.broken.add(Law::HighWatermarkGrows);
        }
        let epoch = node.raft.epoch().0;
        for offset in self.committed.len() as i64..end {
            match node.log.get(offset) {
                Some(entry) => self.committed.push((entry, epoch)),
                None => self.broken.add(Law::CommittedStays),
            }
        }
        if node.log.iter().any(|(offset, entry)| offset < end && !self.is_committed(offset, entry)) {
            self.broken.add(Law::CommittedStays);
        }
        if node.raft.role() == RoleName::Leader && !self.majority_holds(index, end) {
            self.broken.add(Law::MajorityHolds);
        }
        let node = self.node_mut(index);
        node.claimed = node.claimed.max(end);
    }

    fn is_committed(&self, offset: i64, entry: Entry) -> bool {
        self.committed.get(offset as usize).is_some_and(|(known, _)| *known == entry)
    }

    /// More than half of the leader's voters have the record before `end` where a crash does not reach it.
    fn majority_holds(&self, leader: u8, end: i64) -> bool {
        let raft = &self.nodes[usize::from(leader)].raft;
        let epoch = self.nodes[usize::from(leader)].log.epoch_before(end);
        let voters = voter_mask(raft.voters());
        let holds = |index: u8| {
            let log = &self.nodes[usize::from(index)].log;
            has(voters, index) && log.durable_end >= end && log.start <= end && log.epoch_before(end) == epoch
        };
        (0..self.nodes.len() as u8).filter(|index| holds(*index)).count() >= raft.voters().majority()
    }
}

/// What the machine holds of the voters is what a restart would read.
fn voters_are_the_logs(raft: &Raft, log: &ModelLog) -> bool {
    let (held, read) = (raft.quorum(), log.quorum());
    let agrees = |offset| held.voters_at(Offset(offset)) == read.voters_at(Offset(offset));
    held.voters() == read.voters() && (log.start - 1..log.end()).all(agrees)
}

fn voters_step_by_one(log: &ModelLog) -> bool {
    let mut known = log.snapshot.1;
    log.iter().all(|(_, entry)| match entry.payload {
        Payload::Voters(next) => {
            let changed = (known ^ next).count_ones();
            known = next;
            changed <= 1
        }
        _ => true,
    })
}

/// Logs that agree on the epoch of a record agree on all before it.
fn logs_match(world: &World) -> bool {
    let logs: Vec<&ModelLog> = world.nodes.iter().map(|node| &node.log).collect();
    let mut pairs = logs.iter().enumerate().flat_map(|(at, a)| logs[at + 1..].iter().map(move |b| (a, b)));
    pairs.all(|(a, b)| {
        let mut last = a.end().min(b.end()) - 1;
        let epoch = |log: &ModelLog, at| log.get(at).map(|entry| entry.epoch);
        while last >= 0 && (epoch(a, last).is_none() || epoch(a, last) != epoch(b, last)) {
            last -= 1;
        }
        let first = a.start.max(b.start);
        (first..=last).all(|offset| a.get(offset) == b.get(offset))
    })
}

/// A leader has all that was committed before it led.
fn leaders_are_complete(world: &World) -> bool {
    world.nodes.iter().filter(|node| node.raft.role() == RoleName::Leader).all(|node| {
        let before = |epoch: i32| epoch < node.raft.epoch().0;
        world.committed.iter().zip(0..).all(|((entry, epoch), offset)| {
            !before(*epoch) || offset < node.log.start || node.log.get(offset) == Some(*entry)
        })
    })
}

/// At most the newest voters record of a leader is not committed.
fn one_change_at_a_time(world: &World) -> bool {
    world.nodes.iter().filter(|node| node.raft.role() == RoleName::Leader).all(|node| {
        let committed = world.committed.len() as i64;
        let open = node
            .log
            .iter()
            .filter(|(offset, entry)| *offset >= committed && matches!(entry.payload, Payload::Voters(_)));
        open.count() <= 1
    })
}

fn elected(world: &World) -> bool {
    world.leader().is_some()
}

fn more_is_committed(world: &World) -> bool {
    world.committed.iter().any(|(entry, _)| entry.epoch > 1)
}

fn leader_changes_after_a_commit(world: &World) -> bool {
    let epochs = world.committed.iter().filter(|(_, epoch)| *epoch > 1).map(|(_, epoch)| *epoch);
    let Some(epoch) = epochs.min() else { return false };
    let before = world.leaders.iter().find(|(known, _)| *known == epoch).map(|(_, leader)| *leader);
    world.leaders.iter().any(|(known, leader)| *known > epoch && Some(*leader) != before)
}

pub fn voters_changed(world: &World) -> bool {
    let sets = world.committed.iter().filter(|(entry, _)| matches!(entry.payload, Payload::Voters(_)));
    sets.count() > 1
}

pub fn snapshot_is_loaded(world: &World) -> bool {
    let cut = |node: &&std::sync::Arc<super::node::Node>| node.log.start > 0;
    world.nodes.iter().filter(cut).count() > world.spent.snapshots.into()
}

pub fn properties() -> Vec<Property<Quorums>> {
    vec![
        Property::always("an epoch has one leader", |_, world: &World| world.broken.keeps(Law::OneLeader)),
        Property::always("what is committed stays", |_, world: &World| {
            world.broken.keeps(Law::CommittedStays)
        }),
        Property::always("a leader has all that is committed", |_, world: &World| {
            leaders_are_complete(world)
        }),
        Property::always("logs match", |_, world: &World| logs_match(world)),
        Property::always("what is committed is durable at a majority", |_, world: &World| {
            world.broken.keeps(Law::MajorityHolds)
        }),
        Property::always("the high watermark grows", |_, world: &World| {
            world.broken.keeps(Law::HighWatermarkGrows)
        }),
        Property::always("votes are durable before they are told", |_, world: &World| {
            world.broken.keeps(Law::VoteIsDurable)
        }),
        Property::always("epochs grow", |_, world: &World| world.broken.keeps(Law::EpochsGrow)),
        Property::always("voters change by one, and are the log's", |_, world: &World| {
            world.broken.keeps(Law::Voters)
        }),
        Property::always("one change of voters at a time", |_, world: &World| one_change_at_a_time(world)),
        Property::always("nobody dies", |_, world: &World| world.broken.keeps(Law::NobodyDies)),
        Property::sometimes("a leader is elected", |_, world: &World| elected(world)),
        Property::sometimes("an entry is committed", |_, world: &World| more_is_committed(world)),
        Property::sometimes("the leader changes after a commit", |model: &Quorums, world: &World| {
            !model.bounds.leader_changes() || leader_changes_after_a_commit(world)
        }),
        Property::sometimes("a change of voters is committed", |model: &Quorums, world: &World| {
            model.bounds.voter_changes == 0 || voters_changed(world)
        }),
        Property::sometimes("a snapshot is loaded", |model: &Quorums, world: &World| {
            !model.bounds.loads_snapshots || snapshot_is_loaded(world)
        }),
    ]
}
