//! What a majority of the voters has. The leader counts its own end once it is durable, and only while it is in
//! the voter set; a follower's is the offset it fetches from, which it has flushed.

use platform::{Planted, is_planted};
use types::Offset;

use crate::machine::{Fatal, Output, Raft, Turn};
use crate::role::Role;
use crate::voters::VoterSet;

impl Raft {
    fn majority_end(&self) -> Option<Offset> {
        let Role::Leader(leader) = &self.role else { return None };
        let own = self.settings.key;
        let mut ends: Vec<Option<Offset>> = Vec::new();
        for voter in self.deciding_voters().iter() {
            let is_own = voter.key.covers(own);
            let end = leader.voters.get(&voter.key).and_then(|progress| progress.end);
            ends.push(if is_own { Some(self.flushed) } else { end });
        }
        ends.sort_by(|a, b| b.cmp(a));
        ends.get(ends.len() / 2).copied().flatten()
    }

    /// A set counts from its append on.
    fn deciding_voters(&self) -> &VoterSet {
        let newest = self.quorum.voters_offset();
        let is_open = |offset: &Offset| self.high_watermark.is_some_and(|known| *offset >= known);
        match newest.filter(is_open) {
            Some(offset) if is_planted(Planted::OldVotersDecide) => {
                self.quorum.voters_at(Offset(offset.0 - 1))
            }
            _ => self.quorum.voters(),
        }
    }

    /// Never lowered, and unknown until the epoch's own first record is held by a majority.
    pub(crate) fn update_leader_high_watermark(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let Role::Leader(leader) = &self.role else { return Ok(()) };
        let Some(end) = self.majority_end() else { return Ok(()) };
        let is_own = end > leader.epoch_start || is_planted(Planted::EarlierEpochCommitted);
        if !is_own || self.high_watermark.is_some_and(|known| end <= known) {
            return Ok(());
        }
        self.high_watermark = Some(end);
        turn.out.push(Output::HighWatermark(end));
        self.complete_voter_change(turn);
        self.answer_all_parked_fetches(turn)?;
        let committed = self.quorum.voters_offset().is_none_or(|offset| offset < end);
        if committed && !self.is_voter() {
            self.resign(turn);
        }
        Ok(())
    }

    /// A follower's: what the leader says, as far as the own log reaches.
    pub(crate) fn update_follower_high_watermark(
        &mut self,
        said: Offset,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        if said.0 < 0 {
            return Ok(());
        }
        let next = said.min(turn.log.end_offset());
        match self.high_watermark {
            Some(known) if next < known => {
                Err(Fatal::Protocol(format!("the high watermark went back from {known} to {next}")))
            }
            Some(known) if next == known => Ok(()),
            _ => {
                self.high_watermark = Some(next);
                turn.out.push(Output::HighWatermark(next));
                Ok(())
            }
        }
    }
}
