//! Following: fetching from the leader (or, without one, from a bootstrap server), appending, truncating,
//! downloading a snapshot.

use platform::{Planted, is_planted};
use types::{LeaderEpoch, NodeId, Offset};

use crate::code::Code;
use crate::connections::Sent;
use crate::log::{EpochEnd, SnapshotId};
use crate::machine::{Fatal, Output, Raft, Turn};
use crate::message::{Destination, FetchRequest, FetchSnapshotRequest, Fetched, Request, SnapshotChunk};
use crate::role::{Follower, Role};

/// Of a fetch that finds nothing new, unless a leader that lives must be heard from sooner.
const FETCH_WAIT_MS_MAX: u64 = 500;
/// After a voter has found the leader gone. The others find it out in the same moment or the next, and none grants a
/// pre-vote before.
const GONE_GRACE_MS: u64 = 10;
/// Between two voters that find the leader gone: longer than a round of votes takes.
const GONE_STAGGER_MS: u64 = 50;

impl Raft {
    pub(crate) fn poll_follower(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let Role::Follower(role) = &self.role else { return Ok(()) };
        let is_voter = self.is_voter();
        if is_voter && role.fetch_deadline <= turn.now && self.shutdown_deadline.is_none() {
            self.become_prospective(turn);
            return Ok(());
        }
        if self.poll_membership(turn) || self.connections.any_in_flight() || !self.may_fetch(turn) {
            return Ok(());
        }
        let Role::Follower(role) = &self.role else { return Ok(()) };
        let (leader, download) = (role.leader, role.download);
        let to = self.destination(leader, &role.endpoints);
        if self.connections.is_backing_off(leader) {
            self.fetch_from_bootstrap(turn);
        } else if let Some(to) = to {
            match download {
                Some((id, held)) => self.send_fetch_snapshot(to, id, held, turn),
                None => self.send_fetch(to, turn),
            }
        }
        Ok(())
    }

    /// A controller's fetch says that everything below is durable here.
    fn may_fetch(&self, turn: &Turn<'_>) -> bool {
        !self.settings.is_controller || self.flushed >= turn.log.end_offset()
    }

    pub(crate) fn follower_deadline(&self, role: &Follower) -> Option<u64> {
        let elects = self.is_voter() && self.shutdown_deadline.is_none();
        // while a request is out or backs off, its own time wakes
        let is_free = !self.connections.any_in_flight() && self.connections.is_ready(role.leader);
        let updates = is_free && self.membership_is_due(role);
        [elects.then_some(role.fetch_deadline), updates.then_some(role.update_deadline)]
            .into_iter()
            .flatten()
            .min()
    }

    /// One request at a time to one of those who may know the leader.
    pub(crate) fn fetch_from_bootstrap(&mut self, turn: &mut Turn<'_>) {
        if self.connections.any_in_flight() || !self.may_fetch(turn) {
            return;
        }
        let ready =
            |server: &&Destination| server.id != self.settings.key.id && self.connections.is_ready(server.id);
        let mut servers: Vec<Destination> =
            self.settings.bootstrap_servers.iter().filter(ready).cloned().collect();
        if !servers.is_empty() {
            let drawn = self.random.below(servers.len() as u64) as usize;
            self.send_fetch(servers.swap_remove(drawn), turn);
        }
    }

    fn send_fetch(&mut self, to: Destination, turn: &mut Turn<'_>) {
        let request = Request::Fetch(FetchRequest {
            replica: self.settings.key,
            epoch: self.epoch,
            offset: turn.log.end_offset(),
            last_epoch: turn.log.last_epoch(),
            max_wait_ms: self.fetch_wait_ms(),
            max_bytes: self.settings.fetch_bytes_max,
            high_watermark: self.high_watermark.unwrap_or(Offset(-1)),
        });
        self.send(to, Sent::Fetch, request, turn);
    }

    /// Twice within the time after which the leader is given up.
    fn fetch_wait_ms(&self) -> i32 {
        i32::try_from(FETCH_WAIT_MS_MAX.min(self.settings.fetch_timeout_ms / 2)).unwrap_or(0)
    }

    fn send_fetch_snapshot(&mut self, to: Destination, id: SnapshotId, held: u64, turn: &mut Turn<'_>) {
        let request = Request::FetchSnapshot(FetchSnapshotRequest {
            replica: self.settings.key,
            epoch: self.epoch,
            id,
            position: i64::try_from(held).unwrap_or(i64::MAX),
            max_bytes: self.settings.fetch_snapshot_bytes_max,
        });
        self.send(to, Sent::FetchSnapshot, request, turn);
    }

    pub(crate) fn on_fetch_answer(
        &mut self,
        code: Code,
        fetched: Fetched,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Fatal> {
        if code.is_error() || !matches!(self.role, Role::Follower(_)) {
            return Ok(false);
        }
        if let Some(end) = fetched.diverging {
            self.truncate_to_common(end, turn)?;
        } else if let Some(id) = fetched.snapshot {
            if id.end_offset.0 < 0 || id.epoch.0 < 0 {
                return Ok(false);
            }
            self.begin_download(id, turn)?;
        } else {
            self.append_fetched(&fetched, turn)?;
        }
        self.leader_lives(turn);
        Ok(true)
    }

    /// A leader that hangs answers nobody from one moment on: the voters find that out one after the other as well.
    pub(crate) fn leader_lives(&mut self, turn: &Turn<'_>) {
        let fetch_timeout = self.settings.fetch_timeout_ms;
        let Role::Follower(Follower { leader, .. }) = &self.role else { return };
        let stagger = self.stagger(*leader);
        if let Role::Follower(role) = &mut self.role {
            role.has_fetched = true;
            role.fetch_deadline = turn.now + fetch_timeout + stagger;
        }
    }

    /// How much later than the first voter this one stands where the leader is lost to all at once.
    fn stagger(&self, leader: NodeId) -> u64 {
        let own = self.settings.key.id;
        GONE_STAGGER_MS * self.voters().ids().filter(|id| *id != leader && *id < own).count() as u64
    }

    /// Whoever leads is not there any more. The voters stand one after the other, so that they do not split the vote.
    pub(crate) fn on_gone(&mut self, peer: NodeId, turn: &mut Turn<'_>) {
        let wait = GONE_GRACE_MS + self.stagger(peer);
        if let Role::Follower(role) = &mut self.role
            && role.leader == peer
            && role.has_fetched
        {
            role.has_fetched = false;
            role.fetch_deadline = role.fetch_deadline.min(turn.now + wait);
        }
    }

    fn append_fetched(&mut self, fetched: &Fetched, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if !fetched.records.is_empty() {
            let before = turn.log.end_offset();
            for (offset, record) in turn.log.append_fetched(self.epoch, &fetched.records)? {
                self.quorum.add(offset, &record);
            }
            if turn.log.end_offset() > before {
                turn.out.push(Output::Flush { generation: self.log_generation });
            }
        }
        self.update_follower_high_watermark(fetched.high_watermark, turn)
    }

    /// Drops what the leader does not have.
    fn truncate_to_common(&mut self, theirs: EpochEnd, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let known = self.high_watermark.unwrap_or(Offset::ZERO);
        if theirs.end_offset < known {
            let text = format!("the leader's log ends at {}, below {known}", theirs.end_offset);
            return Err(Fatal::Protocol(text));
        }
        let end = if theirs.epoch == LeaderEpoch(0) {
            theirs.end_offset.min(turn.log.end_offset())
        } else {
            let own = turn.log.end_of_epoch(theirs.epoch);
            if own.epoch == theirs.epoch { own.end_offset.min(theirs.end_offset) } else { own.end_offset }
        };
        if end < known {
            return Err(Fatal::Protocol(format!("truncation to {end} would drop committed records")));
        }
        if is_planted(Planted::VoterNotTruncated) {
            return Ok(());
        }
        turn.log.truncate_to(end)?;
        self.log_generation += 1;
        self.flushed = self.flushed.min(end);
        self.quorum.truncate_to(end);
        Ok(())
    }

    fn begin_download(&mut self, id: SnapshotId, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if turn.log.snapshot_size(id).is_some() {
            return Ok(());
        }
        turn.log.begin_download(id)?;
        if let Role::Follower(role) = &mut self.role {
            role.download = Some((id, 0));
        }
        Ok(())
    }

    pub(crate) fn on_fetch_snapshot_answer(
        &mut self,
        code: Code,
        chunk: SnapshotChunk,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Fatal> {
        let Role::Follower(role) = &mut self.role else { return Ok(true) };
        let Some((id, held)) = role.download else { return Ok(true) };
        let is_gone = code == Code::SNAPSHOT_NOT_FOUND || chunk.id.end_offset.0 < 0 || chunk.id.epoch.0 < 0;
        if is_gone {
            role.download = None;
            turn.log.drop_download()?;
            return Ok(true);
        }
        if code.is_error() {
            return Ok(false);
        }
        if chunk.id != id || u64::try_from(chunk.position) != Ok(held) {
            let text = format!("asked for {id:?} at {held}, got {:?} at {}", chunk.id, chunk.position);
            return Err(Fatal::Protocol(text));
        }
        turn.log.write_download(held, &chunk.bytes)?;
        let held = held + chunk.bytes.len() as u64;
        role.download = Some((id, held));
        if i64::try_from(held).is_ok_and(|held| held >= chunk.size) {
            role.download = None;
            self.finish_download(id, turn)?;
        }
        self.leader_lives(turn);
        Ok(true)
    }

    fn finish_download(&mut self, id: SnapshotId, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if id.end_offset <= turn.log.end_offset() && self.high_watermark.is_some_and(|at| at >= id.end_offset)
        {
            return Err(Fatal::Protocol(format!("snapshot {id:?} is not beyond what is committed here")));
        }
        let records = turn.log.finish_download()?;
        self.quorum.reset_to_snapshot(id, &records);
        self.log_generation += 1;
        self.flushed = id.end_offset;
        turn.out.push(Output::SnapshotLoaded(id));
        self.high_watermark = Some(id.end_offset);
        turn.out.push(Output::HighWatermark(id.end_offset));
        Ok(())
    }
}
