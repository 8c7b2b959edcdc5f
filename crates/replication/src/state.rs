//! The state of one partition on a node that leads or follows it: who is in sync, how far each has come, and so how
//! far the log is committed (KIP-101, KIP-497, KIP-966).
//! Invariants: within one leader epoch the high watermark never goes back; it waits for every member of the maximal
//! in-sync set: the committed one and what a change on its way would add.

use std::sync::Arc;

use platform::{Planted, is_planted};
use protocol::ErrorCode;
use types::{LeaderEpoch, NodeId, Offset};

use crate::alteration::{AfterAlteration, Alteration, Altered, Proposal, Stage, Verdict, verdict};
use crate::brokers::ActiveBrokers;
use crate::follower::{Follower, FollowerFetch, FollowerRefused};

/// The cluster's word on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// `NodeId::NONE`: nobody.
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub replicas: Vec<NodeId>,
    pub in_sync_replicas: Vec<NodeId>,
}

/// What an assignment has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It is older than what is known.
    Stale,
    /// This node begins a reign of leadership with it.
    BeginsToLead,
    /// This node leads on in the same epoch.
    Leads,
    /// Another node, or none, leads in a new epoch.
    NewLeader,
    /// Another node, or none, leads on.
    Follows,
}

/// The leader's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLog {
    pub end: Offset,
    /// As far as it counts for the high watermark: below `end` where records count only once they are flushed.
    pub counted_end: Offset,
}

/// See the head of the file.
#[derive(Clone, Debug)]
pub struct ReplicaState {
    pub node: NodeId,
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub replicas: Vec<NodeId>,
    /// As the controller has it.
    pub in_sync_replicas: Vec<NodeId>,
    pub min_in_sync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_max_us: u64,
    pub brokers: Arc<ActiveBrokers>,
    followers: Vec<Follower>,
    alteration: Option<Alteration>,
    alterations: u64,
    high_watermark: Offset,
    /// Where the log ended when this node became leader of this epoch.
    epoch_start: Offset,
}

impl ReplicaState {
    /// A replica that knows only its checkpointed high watermark.
    pub fn new(node: NodeId, high_watermark: Offset, lag_max_us: u64) -> ReplicaState {
        ReplicaState {
            node,
            leader: NodeId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            min_in_sync_replicas: 1,
            lag_max_us,
            brokers: Arc::default(),
            followers: Vec::new(),
            alteration: None,
            alterations: 0,
            high_watermark,
            epoch_start: Offset::ZERO,
        }
    }

    pub fn is_leader(&self) -> bool {
        self.leader == self.node && self.node != NodeId::NONE
    }

    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    pub fn followers(&self) -> &[Follower] {
        &self.followers
    }

    pub fn alteration(&self) -> Option<&Alteration> {
        self.alteration.as_ref()
    }

    pub fn assign(&mut self, given: Assignment, log_end_offset: Offset, now_us: u64) -> Assigned {
        let new_epoch = given.leader_epoch > self.leader_epoch;
        if !new_epoch
            && (given.partition_epoch < self.partition_epoch || given.leader_epoch < self.leader_epoch)
        {
            return Assigned::Stale;
        }
        let led = self.is_leader();
        let before = self.in_sync_replicas.clone();
        if new_epoch || given.partition_epoch > self.partition_epoch {
            self.alteration = None;
            self.in_sync_replicas = given.in_sync_replicas;
        }
        self.leader = given.leader;
        self.leader_epoch = given.leader_epoch;
        self.partition_epoch = given.partition_epoch;
        self.replicas = given.replicas;
        if !self.is_leader() {
            self.followers.clear();
            self.alteration = None;
            return if new_epoch || led { Assigned::NewLeader } else { Assigned::Follows };
        }
        let begins = new_epoch || !led;
        self.renew_followers(led, begins, log_end_offset, now_us);
        for follower in &mut self.followers {
            // whom the controller has taken out is not waited for before it fetches again: its disk may have failed
            if before.contains(&follower.node) && !self.in_sync_replicas.contains(&follower.node) {
                follower.caught_up_us = None;
            }
        }
        if begins {
            self.epoch_start = log_end_offset;
            if is_planted(Planted::HighWatermarkLost) {
                self.high_watermark = Offset::ZERO;
            }
            return Assigned::BeginsToLead;
        }
        Assigned::Leads
    }

    fn renew_followers(&mut self, led: bool, begins: bool, log_end_offset: Offset, now_us: u64) {
        let before = if led { std::mem::take(&mut self.followers) } else { Vec::new() };
        self.followers.clear();
        for &node in self.replicas.iter().filter(|&&node| node != self.node) {
            let is_in_sync = self.in_sync_replicas.contains(&node);
            let caught_up = is_in_sync.then_some(now_us);
            let follower = match before.iter().find(|follower| follower.node == node) {
                Some(known) if !begins => *known,
                Some(&(mut known)) if is_in_sync => {
                    known.begin_epoch(caught_up, log_end_offset);
                    known
                }
                // out of the set, it may have been taken out of the replicas meanwhile and begin with nothing
                _ => Follower::new(node, caught_up),
            };
            self.followers.push(follower);
        }
    }

    /// `min.insync.replicas`, but no more than there are replicas.
    fn effective_min(&self) -> usize {
        self.min_in_sync_replicas.min(self.replicas.len().max(1))
    }

    /// True where acks=all may be accepted, and the high watermark may move: enough replicas are in sync for certain.
    pub fn has_enough_in_sync(&self) -> bool {
        self.in_sync_replicas.len() >= self.effective_min()
    }

    /// True where what is committed may be acknowledged as such: those on their way into the set count too, since
    /// the high watermark waits for them already.
    pub fn has_enough_to_acknowledge(&self) -> bool {
        let added = self.alteration.iter().flat_map(|change| &change.in_sync_replicas);
        let joining = added.filter(|node| !self.in_sync_replicas.contains(node)).count();
        self.in_sync_replicas.len() + joining >= self.effective_min()
    }

    /// The high watermark waits for it.
    fn is_in_maximal_set(&self, node: NodeId) -> bool {
        let joins = |change: &Alteration| change.in_sync_replicas.contains(&node);
        if is_planted(Planted::RemovedBeforeDecided)
            && let Some(change) = &self.alteration
        {
            return joins(change);
        }
        self.in_sync_replicas.contains(&node) || self.alteration.as_ref().is_some_and(joins)
    }

    fn is_eligible(&self, follower: &Follower) -> bool {
        let (Some(seen), Some(registered)) = (follower.broker_epoch, self.brokers.epoch_of(follower.node))
        else {
            return false;
        };
        seen == -1 || seen == registered
    }

    /// A follower's fetch has shown how far its log goes. True where its log's end has moved.
    pub fn on_follower_fetch(
        &mut self,
        fetch: &FollowerFetch,
        log_end_offset: Offset,
        now_us: u64,
    ) -> Result<bool, FollowerRefused> {
        let follower = self.followers.iter_mut().find(|follower| follower.node == fetch.node);
        let follower = follower.ok_or(FollowerRefused::NotAReplica)?;
        let before = follower.log_end_offset;
        follower.on_fetch(fetch, now_us, log_end_offset)?;
        Ok(before != follower.log_end_offset)
    }

    /// The leader has appended behind `end_before`: members of the set that had everything until now had kept up, however
    /// long ago they said so. Their fetches do not name a partition that nobody writes to.
    pub fn on_append(&mut self, end_before: Offset, now_us: u64) {
        for follower in &mut self.followers {
            if follower.log_end_offset == end_before && self.in_sync_replicas.contains(&follower.node) {
                follower.caught_up_us = follower.caught_up_us.max(Some(now_us));
            }
        }
    }

    /// Moves the high watermark as far as every replica that counts has come; true where it moved. Replicas that
    /// are about to join the set count too: else the mark would run ahead of them again and again.
    pub fn advance(&mut self, own: OwnLog, now_us: u64) -> bool {
        if !self.is_leader() || !self.has_enough_in_sync() {
            return false;
        }
        let mut committed = own.counted_end;
        for follower in &self.followers {
            if is_planted(Planted::HighWatermarkAlone) {
                break;
            }
            let counts = follower.log_end_offset < committed
                && (self.is_in_maximal_set(follower.node)
                    || follower.is_caught_up(own.end, now_us, self.lag_max_us) && self.is_eligible(follower));
            if counts {
                committed = follower.log_end_offset;
            }
        }
        if committed <= self.high_watermark {
            return false;
        }
        self.high_watermark = committed;
        true
    }

    /// What the leader says of the high watermark, as far as the own log goes; true where it moved.
    pub fn follow(&mut self, high_watermark: Offset, log_end_offset: Offset) -> bool {
        let told = high_watermark.min(log_end_offset);
        let moved = told > self.high_watermark;
        if moved {
            self.high_watermark = told;
        }
        moved
    }

    /// The log was cut, or begins anew: nothing beyond its end is committed here, nor before its start undecided.
    pub fn on_log_replaced(&mut self, log_start_offset: Offset, log_end_offset: Offset) {
        self.high_watermark = self.high_watermark.max(log_start_offset).min(log_end_offset);
    }

    /// False while a new leader does not know yet whether what its predecessor acknowledged is committed.
    pub fn has_reached_epoch_start(&self) -> bool {
        self.high_watermark >= self.epoch_start || is_planted(Planted::EndGuessed)
    }

    /// Proposes to take a follower into the set where it belongs there; true where that is to be asked for.
    pub fn propose_expansion(&mut self, node: NodeId) -> bool {
        if !self.is_leader() || self.alteration.is_some() || self.in_sync_replicas.contains(&node) {
            return false;
        }
        let Some(follower) = self.followers.iter().find(|follower| follower.node == node) else {
            return false;
        };
        let reached = follower.log_end_offset >= self.high_watermark.max(self.epoch_start);
        if !reached || !self.is_eligible(follower) {
            return false;
        }
        let mut set = self.in_sync_replicas.clone();
        set.push(node);
        self.propose(set);
        true
    }

    /// Proposes a set without those that have fallen behind; true where there are any.
    pub fn propose_shrinking(&mut self, log_end_offset: Offset, now_us: u64) -> bool {
        if !self.is_leader() || self.alteration.is_some() {
            return false;
        }
        let keeps_up = |node: &NodeId| {
            let follower = self.followers.iter().find(|follower| follower.node == *node);
            *node == self.node
                || follower.is_some_and(|at| at.is_caught_up(log_end_offset, now_us, self.lag_max_us))
        };
        let set: Vec<NodeId> = self.in_sync_replicas.iter().copied().filter(keeps_up).collect();
        if set.len() == self.in_sync_replicas.len() {
            return false;
        }
        self.propose(set);
        true
    }

    fn propose(&mut self, in_sync_replicas: Vec<NodeId>) {
        self.alterations += 1;
        let number = self.alterations;
        self.alteration = Some(Alteration { number, in_sync_replicas, stage: Stage::Wanted });
    }

    /// The change that nobody has been asked for yet; it is under way from now on. `own_epoch`: of this broker's
    /// registration.
    pub fn take_proposal(&mut self, own_epoch: i64) -> Option<Proposal> {
        let change = self.alteration.as_mut().filter(|change| change.stage == Stage::Wanted)?;
        change.stage = Stage::UnderWay;
        let epoch_of = |node: NodeId| match self.followers.iter().find(|follower| follower.node == node) {
            Some(follower) => follower.broker_epoch.unwrap_or(-1),
            None => own_epoch,
        };
        Some(Proposal {
            number: change.number,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            in_sync_replicas: change.in_sync_replicas.iter().map(|&node| (node, epoch_of(node))).collect(),
        })
    }

    /// The controller's answer to the change of this number.
    pub fn on_altered(&mut self, number: u64, answer: Result<Altered, ErrorCode>) -> AfterAlteration {
        let Some(change) = self.alteration.as_mut().filter(|change| change.number == number) else {
            return AfterAlteration::Nothing;
        };
        match answer {
            Ok(altered) => {
                if altered.leader_epoch != self.leader_epoch || altered.partition_epoch < self.partition_epoch
                {
                    change.stage = Stage::Undecided;
                    return AfterAlteration::Nothing;
                }
                self.partition_epoch = altered.partition_epoch;
                self.in_sync_replicas = altered.in_sync_replicas;
                self.alteration = None;
                AfterAlteration::Settled
            }
            Err(error) => match verdict(error) {
                Verdict::Withdraw => {
                    self.alteration = None;
                    AfterAlteration::Settled
                }
                Verdict::AwaitImage => {
                    change.stage = Stage::Undecided;
                    AfterAlteration::Nothing
                }
                Verdict::Again => {
                    change.stage = Stage::Wanted;
                    AfterAlteration::Again
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
