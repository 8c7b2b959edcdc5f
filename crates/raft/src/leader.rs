//! Leading: taking over, what is known of each replica, the timers of leadership, and giving it up.

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, Offset};

use crate::code::Code;
use crate::control::ControlRecord;
use crate::machine::{Asker, Fatal, Output, Raft, Turn};
use crate::membership::VoterChange;
use crate::message::{Answer, Body, FetchRequest, Fetched};
use crate::role::{Role, RoleName};
use crate::voters::{ReplicaKey, VersionRange, Voter, VoterSet};

/// An observer that has not fetched for so long is forgotten.
const OBSERVER_SESSION_MS: u64 = 300_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    /// The log's end when elected: offset of the LeaderChange record.
    pub epoch_start: Offset,
    /// Of the other voters of the latest set.
    pub voters: BTreeMap<ReplicaKey, Progress>,
    pub observers: BTreeMap<ReplicaKey, Progress>,
    pub(crate) parked: Vec<ParkedFetch>,
    /// Voters heard from since the check-quorum timer began.
    pub fetched: BTreeSet<NodeId>,
    pub check_quorum_deadline: u64,
    pub begin_epoch_deadline: u64,
    pub(crate) change: Option<VoterChange>,
    /// kraft.version 0: what voters said about themselves, kept for the upgrade to 1.
    pub updated_voters: VoterSet,
}

/// How far a replica is. Wall times in milliseconds, -1: never; the others on the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    pub end: Option<Offset>,
    pub last_fetch: Option<u64>,
    pub last_fetch_wall_ms: i64,
    pub last_caught_up_wall_ms: i64,
    pub leader_end_at_last_fetch: Option<Offset>,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            end: None,
            last_fetch: None,
            last_fetch_wall_ms: -1,
            last_caught_up_wall_ms: -1,
            leader_end_at_last_fetch: None,
        }
    }
}

impl Progress {
    fn fetched(&mut self, offset: Offset, leader_end: Offset, now: u64, wall_ms: i64) {
        if offset >= leader_end {
            self.last_caught_up_wall_ms = wall_ms;
        } else if self.leader_end_at_last_fetch.is_some_and(|end| offset >= end) {
            self.last_caught_up_wall_ms = self.last_caught_up_wall_ms.max(self.last_fetch_wall_ms);
        }
        self.end = Some(offset);
        self.last_fetch = Some(now);
        self.last_fetch_wall_ms = wall_ms;
        self.leader_end_at_last_fetch = Some(leader_end);
    }
}

/// A fetch that waits for records, for a higher high watermark, or for its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ParkedFetch {
    pub asker: Asker,
    pub request: FetchRequest,
    pub deadline: u64,
    pub answer_at_deadline: Answer,
}

impl Raft {
    pub(crate) fn become_leader(&mut self, granting: Vec<NodeId>, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let epoch_start = turn.log.end_offset();
        turn.log.assign_epoch_start(self.epoch)?;
        self.high_watermark = None;
        let fetch_timeout = self.settings.fetch_timeout_ms;
        self.enter(Role::Leader(Box::new(Leader {
            epoch_start,
            voters: BTreeMap::new(),
            observers: BTreeMap::new(),
            parked: Vec::new(),
            fetched: BTreeSet::new(),
            check_quorum_deadline: turn.now + fetch_timeout + fetch_timeout / 2,
            begin_epoch_deadline: turn.now,
            change: None,
            updated_voters: VoterSet::default(),
        })));
        self.persist(turn);
        let records = self.epoch_records(granting)?;
        self.append_control(&records, turn)
    }

    /// What begins an epoch. The first leader brings the voters of the checkpoint 0-0 into the log, and each
    /// leader its own present listeners.
    fn epoch_records(&self, granting: Vec<NodeId>) -> Result<Vec<ControlRecord>, Fatal> {
        let leader = self.settings.key.id;
        let voters = self.quorum.voters();
        let mut records =
            vec![ControlRecord::LeaderChange { leader, voters: voters.ids().collect(), granting }];
        if self.quorum.kraft_version() == 0 {
            return Ok(records);
        }
        let Some(offset) = self.quorum.voters_offset() else {
            return Err(Fatal::Protocol("kraft.version is 1 but the log has no voters".into()));
        };
        let own = self.own_voter();
        let is_changed = voters.get(leader).is_some_and(|voter| *voter != own);
        if offset < Offset::ZERO || is_changed {
            let voters = if is_changed { voters.with(own) } else { voters.clone() };
            records.push(ControlRecord::KraftVersion(self.quorum.kraft_version()));
            records.push(ControlRecord::Voters(voters));
        }
        Ok(records)
    }

    pub(crate) fn own_voter(&self) -> Voter {
        Voter {
            key: self.settings.key,
            endpoints: self.settings.endpoints.clone(),
            supported: VersionRange::OURS,
        }
    }

    /// Appends one control batch; its records count at once.
    pub(crate) fn append_control(
        &mut self,
        records: &[ControlRecord],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let mut offset = turn.log.end_offset();
        turn.log.append_control(self.epoch, turn.wall_ms, records)?;
        for record in records {
            self.quorum.add(offset, record);
            offset = offset.plus(1);
        }
        self.after_leader_append(turn)
    }

    pub(crate) fn after_leader_append(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        turn.out.push(Output::Flush { generation: self.log_generation });
        self.refresh_replicas();
        self.update_leader_high_watermark(turn)?;
        self.wake_parked_fetches(turn)
    }

    /// New voters bring the progress they had as observers, removed ones become observers.
    fn refresh_replicas(&mut self) {
        let own = self.settings.key;
        let voters = self.quorum.voters();
        let Role::Leader(leader) = &mut self.role else { return };
        let mut before = std::mem::take(&mut leader.voters);
        for voter in voters.iter().filter(|voter| !voter.key.covers(own)) {
            let progress = before.remove(&voter.key).or_else(|| leader.observers.remove(&voter.key));
            leader.voters.insert(voter.key, progress.unwrap_or_default());
        }
        leader.observers.append(&mut before);
    }

    /// Notes a valid fetch.
    pub(crate) fn note_fetch(&mut self, replica: ReplicaKey, offset: Offset, turn: &Turn<'_>) {
        let end = turn.log.end_offset();
        let Role::Leader(leader) = &mut self.role else { return };
        let voter = leader.voters.iter_mut().find(|(key, _)| key.covers(replica));
        match voter {
            Some((_, progress)) => progress.fetched(offset, end, turn.now, turn.wall_ms),
            None if replica.id.0 >= 0 => {
                leader.observers.entry(replica).or_default().fetched(offset, end, turn.now, turn.wall_ms)
            }
            None => {}
        }
        self.note_contact(replica, turn);
    }

    /// A voter was heard from: with a majority of them the leadership lasts.
    pub(crate) fn note_contact(&mut self, replica: ReplicaKey, turn: &Turn<'_>) {
        let voters = self.quorum.voters();
        let counts_itself = voters.contains(self.settings.key);
        let (majority, is_voter) = (voters.majority(), voters.contains(replica));
        let fetch_timeout = self.settings.fetch_timeout_ms;
        let Role::Leader(leader) = &mut self.role else { return };
        if !is_voter {
            return;
        }
        leader.fetched.insert(replica.id);
        if leader.fetched.len() + usize::from(counts_itself) >= majority {
            leader.fetched.clear();
            leader.check_quorum_deadline = turn.now + fetch_timeout + fetch_timeout / 2;
        }
    }

    pub(crate) fn poll_leader(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        let now = turn.now;
        leader.observers.retain(|_, progress| {
            progress.last_fetch.is_none_or(|fetched| now.saturating_sub(fetched) < OBSERVER_SESSION_MS)
        });
        let only_voter = self.quorum.voters().is_only(self.settings.key);
        if leader.check_quorum_deadline <= now && !only_voter {
            self.resign(turn);
            return Ok(());
        }
        if self.shutdown_deadline.is_some() {
            self.resign(turn);
            return Ok(());
        }
        self.expire_parked_fetches(turn);
        self.expire_voter_change(turn);
        self.send_begin_quorum_epoch(turn);
        Ok(())
    }

    pub(crate) fn leader_deadline(&self, leader: &Leader) -> Option<u64> {
        let alone = self.quorum.voters().is_only(self.settings.key);
        let timers = [leader.check_quorum_deadline, leader.begin_epoch_deadline];
        let timers = timers.into_iter().filter(|_| !alone);
        let parked = leader.parked.iter().map(|parked| parked.deadline);
        let change = leader.change.as_ref().map(VoterChange::deadline);
        timers.chain(parked).chain(change).min()
    }

    pub(crate) fn on_resign(&mut self, epoch: types::LeaderEpoch, turn: &mut Turn<'_>) {
        if self.epoch == epoch && self.role.name() == RoleName::Leader {
            self.resign(turn);
        }
    }

    pub(crate) fn resign(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        let mut voters: Vec<_> = leader.voters.iter().map(|(key, progress)| (progress.end, *key)).collect();
        voters.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        self.become_resigned(voters.into_iter().map(|(_, key)| key).collect(), turn);
    }

    /// Whoever waited for this leadership is told once the next role is known.
    pub(crate) fn leave_leadership(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let fetches = std::mem::take(&mut leader.parked);
        let change = leader.change.take();
        let start = turn.log.start_offset();
        for fetch in fetches {
            self.orphans.push((fetch.asker, Body::Fetch(Fetched::nothing(None, start))));
        }
        self.orphans.extend(change.and_then(VoterChange::into_waiting));
    }

    pub(crate) fn answer_orphans(&mut self, turn: &mut Turn<'_>) {
        for (asker, body) in std::mem::take(&mut self.orphans) {
            self.reply(&asker, Code::NOT_LEADER_OR_FOLLOWER, body, turn);
        }
    }
}
