//! How far one follower has come, as its fetches show it.
//! A follower is caught up at the time of a fetch that reached the leader's end, or at the time of the fetch before
//! where it reached the end as it was then: so a leader that is always written to has in-sync followers too.

use types::{NodeId, Offset};

/// What a fetch tells of the follower's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerFetch {
    pub node: NodeId,
    /// Everything before it is in the follower's log.
    pub fetch_offset: Offset,
    /// -1 where it does not say.
    pub log_start_offset: Offset,
    /// Of the follower's registration; -1 where it does not say.
    pub broker_epoch: i64,
}

/// Why a fetch does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerRefused {
    /// The partition is not assigned to it, as far as this leader knows.
    NotAReplica,
    /// From before its newest registration.
    StaleBrokerEpoch,
}

/// One replica other than the leader. Times are monotonic microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    pub node: NodeId,
    /// -1 until it has fetched.
    pub log_start_offset: Offset,
    /// -1 until it has fetched.
    pub log_end_offset: Offset,
    pub(crate) broker_epoch: Option<i64>,
    pub(crate) caught_up_us: Option<u64>,
    fetched_us: Option<u64>,
    leader_end_at_fetch: Offset,
}

impl Follower {
    /// At the beginning of a reign. Members of the in-sync set are given time to show themselves.
    pub(crate) fn new(node: NodeId, caught_up_us: Option<u64>) -> Follower {
        Follower {
            node,
            log_start_offset: Offset(-1),
            log_end_offset: Offset(-1),
            broker_epoch: None,
            caught_up_us,
            fetched_us: None,
            leader_end_at_fetch: Offset(-1),
        }
    }

    /// The same leader leads on, in another epoch.
    pub(crate) fn begin_epoch(&mut self, caught_up_us: Option<u64>, leader_end: Offset) {
        self.caught_up_us = caught_up_us;
        self.fetched_us = caught_up_us;
        self.leader_end_at_fetch = leader_end;
    }

    pub(crate) fn on_fetch(
        &mut self,
        fetch: &FollowerFetch,
        now_us: u64,
        leader_end: Offset,
    ) -> Result<(), FollowerRefused> {
        if fetch.broker_epoch != -1 && self.broker_epoch.is_some_and(|known| known > fetch.broker_epoch) {
            return Err(FollowerRefused::StaleBrokerEpoch);
        }
        if fetch.fetch_offset >= leader_end {
            self.caught_up_us = self.caught_up_us.max(Some(now_us));
        } else if fetch.fetch_offset >= self.leader_end_at_fetch {
            self.caught_up_us = self.caught_up_us.max(self.fetched_us);
        }
        self.log_start_offset = fetch.log_start_offset;
        self.log_end_offset = fetch.fetch_offset;
        self.leader_end_at_fetch = self.leader_end_at_fetch.max(leader_end);
        self.fetched_us = Some(now_us);
        self.broker_epoch = Some(fetch.broker_epoch);
        Ok(())
    }

    /// Since it was caught up last; the largest number where it never was.
    pub fn behind_us(&self, now_us: u64) -> u64 {
        self.caught_up_us.map_or(u64::MAX, |at| now_us.saturating_sub(at))
    }

    pub fn is_caught_up(&self, leader_end: Offset, now_us: u64, lag_max_us: u64) -> bool {
        self.log_end_offset == leader_end
            || self.caught_up_us.is_some_and(|at| now_us.saturating_sub(at) <= lag_max_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (time, fetch offset, leader's end) of each fetch; then when it was caught up last.
    #[test]
    fn caught_up_is_who_reached_the_end_as_it_was() {
        for (fetches, expected) in [
            (&[(5, 10, 10)][..], Some(5)),
            (&[(5, 9, 10)], None),
            (&[(5, 10, 10), (7, 12, 20)], Some(5)),
            (&[(5, 5, 10), (7, 10, 20)], Some(5)),
            (&[(5, 5, 10), (7, 10, 20), (9, 20, 30)], Some(7)),
            (&[(5, 5, 10), (7, 9, 20), (9, 19, 30)], None),
            (&[(5, 10, 10), (6, 3, 10)], Some(5)),
        ] {
            let mut follower = Follower::new(NodeId(2), None);
            for &(now, offset, end) in fetches {
                let fetch = FollowerFetch {
                    node: NodeId(2),
                    fetch_offset: Offset(offset),
                    log_start_offset: Offset(0),
                    broker_epoch: 1,
                };
                follower.on_fetch(&fetch, now, Offset(end)).unwrap();
            }
            assert_eq!(follower.caught_up_us, expected, "{fetches:?}");
        }
    }

    #[test]
    fn an_older_registration_does_not_count() {
        let mut follower = Follower::new(NodeId(2), None);
        for (epoch, accepted) in [(5, true), (4, false), (-1, true), (5, true), (6, true), (5, false)] {
            let fetch = FollowerFetch {
                node: NodeId(2),
                fetch_offset: Offset(epoch),
                log_start_offset: Offset(0),
                broker_epoch: epoch,
            };
            assert_eq!(follower.on_fetch(&fetch, 1, Offset(9)).is_ok(), accepted, "{epoch}");
        }
        assert_eq!(follower.log_end_offset, Offset(6));
    }
}
