//! What a follower asks of one leader, for all partitions that one shard follows there: one request under way at a
//! time, in a session that names only what has changed (KIP-227).
//!
//! A partition is fetched, or waits: for a time after an error, for its owner (which flushes, or cuts its log), or for
//! a newer leader epoch. Where its offset is out of the leader's range, the leader's end and start are asked for.
//! The owner of the logs carries out what comes back (`Delivery`) and says where each log ends then (`set`).

mod offsets;
mod response;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::{FetchRequest, ListOffsetsRequest};
use protocol::{Records, Str};
use types::{LeaderEpoch, NodeId, Offset, TopicIdPartition};

use session::Session;

/// First pause after an error that a leader with older metadata gives; doubled up to `backoff_us`.
const FIRST_PAUSE_US: u64 = 10_000;

/// `replica.fetch.*`, and who fetches.
#[derive(Clone, Copy, Debug)]
pub struct FetcherSettings {
    pub node: NodeId,
    /// `replica.fetch.max.bytes`: of one partition.
    pub partition_bytes_max: i32,
    /// `replica.fetch.response.max.bytes`
    pub response_bytes_max: i32,
    /// `replica.fetch.min.bytes`
    pub bytes_min: i32,
    /// `replica.fetch.wait.max.ms`
    pub wait_ms_max: i32,
    /// `replica.fetch.backoff.ms`
    pub backoff_us: u64,
}

/// Where a follower's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The end of the own log.
    pub fetch_offset: Offset,
    pub log_start_offset: Offset,
    /// Of the reign that this follower knows.
    pub leader_epoch: LeaderEpoch,
    /// The newest one in the own log; -1: none.
    pub last_fetched_epoch: LeaderEpoch,
}

/// A request to the leader.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
}

/// Something for the owner of the logs to do. What was asked for still holds: the position is the one that is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Append them; then take over the leader's high watermark and start.
    Records { id: TopicIdPartition, records: Records, high_watermark: Offset, log_start_offset: Offset },
    /// The leader's log went another way: its last epoch in common ends here.
    Diverged { id: TopicIdPartition, leader_epoch: LeaderEpoch, end_offset: Offset },
    /// The leader's log ends before the own one: cut to it.
    LeaderEndsAt { id: TopicIdPartition, offset: Offset },
    /// The leader's log starts behind the own one's end: begin anew there.
    LeaderStartsAt { id: TopicIdPartition, offset: Offset },
    /// The leader knows a newer epoch than this follower, which waits for its metadata.
    Fenced { id: TopicIdPartition },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    None,
    Until(u64),
    /// For the owner.
    Held,
    /// For a newer leader epoch.
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Records,
    LeaderEnd,
    LeaderStart,
}

#[derive(Clone, Debug)]
struct Followed {
    topic: Str,
    position: Position,
    wait: Wait,
    wish: Wish,
    /// Errors in a row.
    failures: u32,
}

impl Followed {
    fn is_fetched(&self) -> bool {
        self.wait == Wait::None && self.wish == Wish::Records
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum UnderWay {
    Fetch,
    /// Who was asked about, and where they stood.
    Offsets(Wish, BTreeMap<(Str, i32), (TopicIdPartition, Position)>),
}

/// See the head of the file.
#[derive(Debug)]
pub struct Fetcher {
    pub leader: NodeId,
    settings: FetcherSettings,
    partitions: BTreeMap<TopicIdPartition, Followed>,
    session: Session,
    /// What the session does not know yet.
    changed: BTreeSet<TopicIdPartition>,
    /// Just those that wait for a time.
    waiting: BTreeSet<(u64, TopicIdPartition)>,
    /// Those that wait for their owner, and until when nothing is asked on their account; 0: not yet on any's.
    held: BTreeSet<TopicIdPartition>,
    held_until_us: u64,
    /// Those with a wish other than records.
    seeking: BTreeSet<TopicIdPartition>,
    under_way: Option<UnderWay>,
    /// Nothing is asked before this time: the leader was not reached.
    resume_at_us: u64,
    failures: u32,
}

impl Fetcher {
    pub fn new(leader: NodeId, settings: FetcherSettings) -> Fetcher {
        Fetcher {
            leader,
            settings,
            partitions: BTreeMap::new(),
            session: Session::default(),
            changed: BTreeSet::new(),
            waiting: BTreeSet::new(),
            held: BTreeSet::new(),
            held_until_us: 0,
            seeking: BTreeSet::new(),
            under_way: None,
            resume_at_us: 0,
            failures: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    pub fn follows(&self, id: &TopicIdPartition) -> bool {
        self.partitions.contains_key(id)
    }

    /// Follows a partition, or goes on from a new position. What it waited for is over, unless it is a newer epoch.
    pub fn set(&mut self, id: TopicIdPartition, topic: &Str, position: Position) {
        match self.partitions.get_mut(&id) {
            Some(followed) => {
                let stays_fenced =
                    followed.wait == Wait::Fenced && followed.position.leader_epoch >= position.leader_epoch;
                if followed.position.leader_epoch != position.leader_epoch {
                    followed.failures = 0;
                }
                followed.position = position;
                followed.wish = Wish::Records;
                if let Wait::Until(at) = followed.wait {
                    self.waiting.remove(&(at, id));
                }
                if !stays_fenced {
                    self.wait(&id, Wait::None);
                }
            }
            None => {
                let topic = topic.clone();
                let (wait, wish) = (Wait::None, Wish::Records);
                self.partitions.insert(id, Followed { topic, position, wait, wish, failures: 0 });
            }
        }
        self.seeking.remove(&id);
        self.changed.insert(id);
    }

    /// Follows it no more.
    pub fn remove(&mut self, id: &TopicIdPartition) {
        if let Some(followed) = self.partitions.remove(id) {
            if let Wait::Until(at) = followed.wait {
                self.waiting.remove(&(at, *id));
            }
            self.seeking.remove(id);
            self.held.remove(id);
            self.changed.insert(*id);
        }
    }

    /// Asks for nothing of this partition until its position is set again.
    pub fn hold(&mut self, id: &TopicIdPartition) {
        self.wait(id, Wait::Held);
    }

    /// Something went wrong with what was delivered: asks again in a while.
    pub fn retry_later(&mut self, id: &TopicIdPartition, now_us: u64) {
        let pause = self.settings.backoff_us;
        self.wait(id, Wait::Until(now_us.saturating_add(pause)));
    }

    /// Asks for nothing of a partition that is fetched now, or pauses, before this time.
    pub fn pause_until(&mut self, id: &TopicIdPartition, at_us: u64) {
        let waits = self.partitions.get(id).map(|followed| followed.wait);
        if matches!(waits, Some(Wait::None | Wait::Until(_))) {
            self.wait(id, Wait::Until(at_us));
        }
    }

    fn wait(&mut self, id: &TopicIdPartition, wait: Wait) {
        let Some(followed) = self.partitions.get_mut(id) else { return };
        if let Wait::Until(at) = followed.wait {
            self.waiting.remove(&(at, *id));
        }
        if let Wait::Until(at) = wait {
            self.waiting.insert((at, *id));
        }
        followed.wait = wait;
        self.changed.insert(*id);
        if wait == Wait::Held {
            self.held.insert(*id);
        } else {
            self.held.remove(id);
        }
    }

    /// A partition that waits for its owner, for a flush most often, does not for long. Asked without it the leader
    /// could hold its answer back all the time, while producers wait for that partition: so nothing is asked, but
    /// for no longer than that.
    fn waits_for_held(&mut self, now_us: u64) -> bool {
        if self.held.is_empty() {
            self.held_until_us = 0;
            return false;
        }
        if self.held_until_us == 0 {
            let wait_us = u64::try_from(self.settings.wait_ms_max).unwrap_or(0).saturating_mul(1000);
            self.held_until_us = now_us.saturating_add(wait_us).max(1);
        }
        now_us < self.held_until_us
    }

    /// A pause that grows with each failure in a row.
    fn pause(&mut self, id: &TopicIdPartition, now_us: u64) {
        let backoff_us = self.settings.backoff_us;
        let Some(followed) = self.partitions.get_mut(id) else { return };
        let pause = growing(followed.failures, backoff_us);
        followed.failures = followed.failures.saturating_add(1);
        self.wait(id, Wait::Until(now_us.saturating_add(pause)));
    }

    fn end_waits(&mut self, now_us: u64) {
        while self.waiting.first().is_some_and(|(at, _)| *at <= now_us) {
            let Some((_, id)) = self.waiting.pop_first() else { return };
            self.wait(&id, Wait::None);
        }
    }

    /// The next request, where one is due. `broker_epoch`: of this broker's registration.
    pub fn poll(&mut self, now_us: u64, broker_epoch: i64) -> Option<Asked> {
        if self.under_way.is_some() || now_us < self.resume_at_us {
            return None;
        }
        self.end_waits(now_us);
        if self.waits_for_held(now_us) {
            return None;
        }
        if let Some(request) = self.seek() {
            return Some(Asked::ListOffsets(request));
        }
        let request = self.fetch_request(now_us, broker_epoch)?;
        self.under_way = Some(UnderWay::Fetch);
        Some(Asked::Fetch(request))
    }

    /// When `poll` may have something to ask although nothing has happened.
    pub fn next_deadline_us(&self) -> Option<u64> {
        if self.under_way.is_some() || self.partitions.is_empty() {
            return None;
        }
        let wait = self.waiting.first().map(|(at, _)| *at);
        let has_work = self.partitions.values().any(|followed| followed.wait == Wait::None);
        let next = if has_work { Some(0) } else { wait };
        let held_until = if self.held.is_empty() { 0 } else { self.held_until_us };
        next.map(|at| at.max(self.resume_at_us).max(held_until))
    }

    /// The connection is given up on purpose, so that partitions that are followed anew need not wait for an answer
    /// that the leader holds back: the next request comes at once and names everything.
    pub fn restart(&mut self) {
        self.under_way = None;
        self.session.forget();
    }

    /// The request was not answered: the connection is gone, or it took too long.
    pub fn on_failed(&mut self, now_us: u64) {
        self.under_way = None;
        self.session.forget();
        self.resume_at_us = now_us.saturating_add(growing(self.failures, self.settings.backoff_us));
        self.failures = self.failures.saturating_add(1);
    }
}

/// Milliseconds from `now_us` to `at_us`, rounded up.
fn ms_until(now_us: u64, at_us: u64) -> i32 {
    i32::try_from(at_us.saturating_sub(now_us).div_ceil(1000)).unwrap_or(i32::MAX)
}

fn growing(failures: u32, most_us: u64) -> u64 {
    FIRST_PAUSE_US.saturating_mul(1 << failures.min(20)).min(most_us)
}
