//! What the leader of a partition knows of its replicas: who is in sync, how far each has come, and so how far
//! the log is committed. Pure rules (KIP-101, KIP-966); the log itself is elsewhere.
//! Invariant: within one leader epoch the high watermark never goes back.

use types::{LeaderEpoch, NodeId, Offset};

/// One replica other than the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    pub node: NodeId,
    /// Everything before it is in the follower's log.
    pub log_end_offset: Offset,
}

/// The state of one partition on the node that leads it, or follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    pub node: NodeId,
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub replicas: Vec<NodeId>,
    pub in_sync_replicas: Vec<NodeId>,
    pub min_in_sync_replicas: usize,
    followers: Vec<Follower>,
    high_watermark: Offset,
    /// Where the log ended when this node became leader of this epoch.
    epoch_start: Offset,
}

impl ReplicaState {
    /// A replica that knows only its checkpointed high watermark.
    pub fn new(node: NodeId, high_watermark: Offset) -> ReplicaState {
        ReplicaState {
            node,
            leader: NodeId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            min_in_sync_replicas: 1,
            followers: Vec::new(),
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

    /// The cluster's word on this partition. True where this node begins a reign of leadership with it.
    pub fn assign(
        &mut self,
        leader: NodeId,
        leader_epoch: LeaderEpoch,
        replicas: &[NodeId],
        in_sync_replicas: &[NodeId],
        log_end_offset: Offset,
    ) -> bool {
        let begins = leader == self.node && (leader_epoch > self.leader_epoch || !self.is_leader());
        self.leader = leader;
        self.leader_epoch = leader_epoch;
        self.replicas = replicas.to_vec();
        self.in_sync_replicas = in_sync_replicas.to_vec();
        if begins {
            self.epoch_start = log_end_offset;
            let others = replicas.iter().filter(|&&node| node != self.node);
            self.followers = others.map(|&node| Follower { node, log_end_offset: Offset(-1) }).collect();
        }
        begins
    }

    /// True where acks=all may be accepted: enough replicas are in sync.
    pub fn has_enough_in_sync(&self) -> bool {
        self.in_sync_replicas.len() >= self.effective_min()
    }

    fn effective_min(&self) -> usize {
        self.min_in_sync_replicas.min(self.replicas.len().max(1))
    }

    /// A follower's fetch has shown how far its log goes.
    pub fn on_follower_progress(&mut self, node: NodeId, log_end_offset: Offset) {
        if let Some(follower) = self.followers.iter_mut().find(|follower| follower.node == node) {
            follower.log_end_offset = log_end_offset;
        }
    }

    /// Moves the high watermark as far as every in-sync replica has come; true where it moved. `own_end` is the
    /// end of the leader's log, as far as it counts (what must be flushed before it counts is left out).
    pub fn advance(&mut self, own_end: Offset) -> bool {
        if !self.is_leader() || !self.has_enough_in_sync() {
            return false;
        }
        let in_sync = |node: NodeId| self.in_sync_replicas.contains(&node);
        let others = self.followers.iter().filter(|follower| in_sync(follower.node));
        let committed = others.map(|follower| follower.log_end_offset).fold(own_end, Ord::min);
        if committed <= self.high_watermark {
            return false;
        }
        self.high_watermark = committed;
        true
    }

    /// False while a new leader does not know yet whether what its predecessor acknowledged is committed.
    pub fn has_reached_epoch_start(&self) -> bool {
        self.high_watermark >= self.epoch_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);
    const THREE: NodeId = NodeId(3);

    fn leader(in_sync: &[NodeId], min: usize) -> ReplicaState {
        let mut state = ReplicaState::new(ONE, Offset(5));
        state.min_in_sync_replicas = min;
        assert!(state.assign(ONE, LeaderEpoch(3), &[ONE, TWO, THREE], in_sync, Offset(10)));
        state
    }

    #[test]
    fn the_slowest_in_sync_replica_decides() {
        for (in_sync, min, two, three, expected) in [
            (vec![ONE], 1, 0, 0, 12),
            (vec![ONE, TWO], 1, 11, 0, 11),
            (vec![ONE, TWO, THREE], 2, 11, 9, 9),
            (vec![ONE, TWO], 3, 11, 0, 5),
            (vec![ONE, TWO], 1, 3, 0, 5),
        ] {
            let mut state = leader(&in_sync, min);
            state.on_follower_progress(TWO, Offset(two));
            state.on_follower_progress(THREE, Offset(three));
            state.advance(Offset(12));
            assert_eq!(state.high_watermark(), Offset(expected), "{in_sync:?} {min} {two} {three}");
        }
    }

    #[test]
    fn a_reign_begins_once() {
        let mut state = leader(&[ONE], 1);
        assert!(!state.has_reached_epoch_start());
        state.advance(Offset(10));
        assert!(state.has_reached_epoch_start());
        assert!(!state.assign(ONE, LeaderEpoch(3), &[ONE], &[ONE], Offset(20)));
        assert!(state.assign(ONE, LeaderEpoch(4), &[ONE], &[ONE], Offset(20)));
        assert!(!state.assign(TWO, LeaderEpoch(5), &[ONE, TWO], &[TWO], Offset(20)));
        assert!(!state.is_leader());
        assert!(!state.advance(Offset(20)));
    }
}
