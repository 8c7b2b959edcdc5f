//! Fetch and FetchSnapshot as the leader answers them: the position's check, parked fetches, snapshot chunks.

use types::{LeaderEpoch, Offset};

use crate::code::Code;
use crate::leader::ParkedFetch;
use crate::log::{EpochEnd, RaftLog, SnapshotId};
use crate::machine::{Asker, Fatal, Output, Raft, Turn};
use crate::message::{Answer, Body, FetchRequest, FetchSnapshotRequest, Fetched, SnapshotChunk};
use crate::role::Role;

/// What a follower's position is worth to the leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Valid,
    Diverging(EpochEnd),
    Snapshot(SnapshotId),
}

/// Whether a log that ends at `offset` with `last_epoch` is a prefix of this one.
pub(crate) fn position(log: &dyn RaftLog, offset: Offset, last_epoch: LeaderEpoch) -> Position {
    let latest = log.latest_snapshot();
    if let Some(id) = latest
        && offset == Offset::ZERO
        && id != SnapshotId::BOOTSTRAP
    {
        // a new replica loads the snapshot even where the log still has all records
        return Position::Snapshot(id);
    }
    if offset == Offset::ZERO && log.start_offset() == Offset::ZERO {
        return Position::Valid;
    }
    let earliest = log.earliest_snapshot();
    if let (Some(earliest), Some(latest)) = (earliest, latest) {
        let start = log.start_offset();
        let below = offset < start || offset == start && last_epoch != earliest.epoch;
        if below || last_epoch < earliest.epoch {
            return Position::Snapshot(latest);
        }
    }
    let mut end = log.end_of_epoch(last_epoch);
    if let Some(earliest) = earliest
        && end.end_offset == earliest.end_offset
        && end.epoch == last_epoch
    {
        end = EpochEnd { epoch: earliest.epoch, end_offset: earliest.end_offset };
    }
    if end.epoch != last_epoch || end.end_offset < offset {
        Position::Diverging(end)
    } else {
        Position::Valid
    }
}

impl Raft {
    pub(crate) fn on_fetch(
        &mut self,
        asker: Asker,
        request: FetchRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        if request.max_wait_ms < 0
            || request.offset.0 < 0
            || request.last_epoch.0 < 0
            || request.last_epoch > request.epoch
        {
            self.refuse_fetch(&asker, Code::INVALID_REQUEST, turn);
            return Ok(());
        }
        let (answer, is_due) = self.serve_fetch(&asker, &request, turn)?;
        if !is_due && let Role::Leader(leader) = &mut self.role {
            let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
            let deadline = turn.now + wait;
            leader.parked.push(ParkedFetch { asker, request, deadline, answer_at_deadline: answer });
        } else {
            turn.out.push(Output::Answer { token: asker.token, answer });
        }
        // the fetch is the acknowledgement of what it has passed
        self.update_leader_high_watermark(turn)
    }

    fn refuse_fetch(&self, asker: &Asker, code: Code, turn: &mut Turn<'_>) {
        let fetched = Fetched::nothing(None, turn.log.start_offset());
        self.reply(asker, code, Body::Fetch(fetched), turn);
    }

    /// The answer as of now, and whether it goes out at once.
    fn serve_fetch(
        &mut self,
        asker: &Asker,
        request: &FetchRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(Answer, bool), Fatal> {
        let start = turn.log.start_offset();
        let mut refusal = self.refusal_to_lead(Some(request.epoch));
        if refusal.is_none() && request.replica.id == self.settings.key.id {
            refusal = Some(Code::UNKNOWN_SERVER_ERROR);
        }
        if let Some(code) = refusal {
            let body = Body::Fetch(Fetched::nothing(None, start));
            return Ok((self.answer(asker, code, body), true));
        }
        let mut fetched = Fetched::nothing(self.high_watermark, start);
        match position(turn.log, request.offset, request.last_epoch) {
            Position::Diverging(end) => fetched.diverging = Some(end),
            Position::Snapshot(id) => fetched.snapshot = Some(id),
            Position::Valid => {
                if request.offset < turn.log.end_offset() {
                    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
                    fetched.records = turn.log.read(request.offset, bytes_max)?;
                }
                self.note_fetch(request.replica, request.offset, turn);
            }
        }
        let is_due = !fetched.records.is_empty()
            || fetched.diverging.is_some()
            || fetched.snapshot.is_some()
            || request.max_wait_ms == 0
            || self.high_watermark.is_some_and(|known| request.high_watermark < known);
        Ok((self.answer(asker, Code::NONE, Body::Fetch(fetched)), is_due))
    }

    /// Records have come for those whose position is now below the log's end.
    pub(crate) fn wake_parked_fetches(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let end = turn.log.end_offset();
        self.answer_parked_fetches(|fetch| fetch.request.offset < end, turn)
    }

    /// The high watermark has advanced.
    pub(crate) fn answer_all_parked_fetches(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        self.answer_parked_fetches(|_| true, turn)
    }

    fn answer_parked_fetches(
        &mut self,
        is_due: impl Fn(&ParkedFetch) -> bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        let (due, waiting) = std::mem::take(&mut leader.parked).into_iter().partition(is_due);
        leader.parked = waiting;
        for fetch in due {
            let (answer, _) = self.serve_fetch(&fetch.asker, &fetch.request, turn)?;
            turn.out.push(Output::Answer { token: fetch.asker.token, answer });
        }
        Ok(())
    }

    pub(crate) fn expire_parked_fetches(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let now = turn.now;
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut leader.parked).into_iter().partition(|fetch| fetch.deadline <= now);
        leader.parked = waiting;
        for fetch in due {
            turn.out.push(Output::Answer { token: fetch.asker.token, answer: fetch.answer_at_deadline });
        }
    }

    pub(crate) fn on_fetch_snapshot(
        &mut self,
        asker: &Asker,
        request: &FetchSnapshotRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let chunk = match self.refusal_to_lead(Some(request.epoch)) {
            Some(code) => Err(code),
            None => read_chunk(turn.log, request)?,
        };
        match chunk {
            Ok(chunk) => {
                self.note_contact(request.replica, turn);
                self.reply(asker, Code::NONE, Body::FetchSnapshot(chunk), turn);
            }
            Err(code) => {
                let chunk = SnapshotChunk { id: request.id, ..SnapshotChunk::default() };
                self.reply(asker, code, Body::FetchSnapshot(chunk), turn);
            }
        }
        Ok(())
    }
}

/// Bytes of a snapshot from a position on, cut anywhere.
fn read_chunk(
    log: &dyn RaftLog,
    request: &FetchSnapshotRequest,
) -> Result<Result<SnapshotChunk, Code>, Fatal> {
    if request.id == SnapshotId::BOOTSTRAP {
        return Ok(Err(Code::SNAPSHOT_NOT_FOUND));
    }
    let Some(size) = log.snapshot_size(request.id) else { return Ok(Err(Code::SNAPSHOT_NOT_FOUND)) };
    let position = match u64::try_from(request.position) {
        Ok(position) if position < size => position,
        _ => return Ok(Err(Code::POSITION_OUT_OF_RANGE)),
    };
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let bytes = log.read_snapshot(request.id, position, bytes_max)?;
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    Ok(Ok(SnapshotChunk { id: request.id, size, position: request.position, bytes }))
}
