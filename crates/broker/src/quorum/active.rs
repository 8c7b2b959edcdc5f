//! Being the active controller: claiming it once everything older is applied, appending what is decided.

use metadata::controller::{Context, Controller, ControllerConfig, Outcome, RECORDS_MAX};
use platform::Time;
use protocol::records::metadata::MetadataRecord;
use raft::{RaftLog, RoleName};
use types::LeaderEpoch;

use super::{Quorum, Turn, batches};
use crate::event::Level;

#[derive(Debug)]
pub(super) struct Active {
    pub controller: Controller,
    pub epoch: LeaderEpoch,
}

impl Quorum {
    /// Takes the controller's part as soon as this node leads and has applied what came before its epoch.
    pub(super) fn claim(&mut self, turn: &mut Turn<'_>) {
        if self.active.is_some() || self.stopping || self.raft.role() != RoleName::Leader {
            return;
        }
        match self.raft.epoch_start() {
            Some(start) if self.applied > start => {}
            _ => return,
        }
        let controller = Controller::new(self.controller_config(), self.loader.clone());
        let activated = controller.activate(&self.bootstrap);
        self.active = Some(Active { controller, epoch: self.raft.epoch() });
        match activated {
            Ok(outcome) => drop(self.append(outcome, turn)),
            Err(error) => return self.fail(error.to_string(), turn),
        }
        let image = self.active.as_ref().map(|active| active.controller.image());
        if let Some(Err(reason)) = image.map(|image| self.check_metadata_version(image)) {
            return self.fail(reason, turn);
        }
        // before sessions begin: the former incarnation of the own broker has none
        self.register_own_broker(turn);
        self.register_own_controller(turn);
        if let Some(active) = &mut self.active {
            active.controller.begin_sessions(monotonic_ms(turn.now));
        }
        self.begin_schedule(turn);
        self.try_all_brokers(turn);
    }

    fn controller_config(&self) -> ControllerConfig {
        ControllerConfig {
            node_id: self.node.node_id.0,
            cluster_id: std::sync::Arc::clone(&self.node.cluster_id),
            file: std::sync::Arc::clone(&self.config),
            kraft_version: self.raft.quorum().kraft_version(),
            voters: self.raft.voters().ids().map(|id| id.0).collect(),
        }
    }

    /// Lets the controller decide; none where this node is not it.
    pub(super) fn decide<R>(
        &mut self,
        turn: &Turn<'_>,
        decide: impl FnOnce(&mut Controller, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let next_offset = self.log.end_offset().0;
        let active = self.active.as_mut()?;
        let mut context = Context { now_ms: monotonic_ms(turn.now), next_offset, random: &mut self.random };
        Some(decide(&mut active.controller, &mut context))
    }

    /// Appends what was decided and applies it to the controller's state at once. Gives the reply, and the offset
    /// whose commit it waits for: without records that of all before it.
    pub(super) fn append<R>(&mut self, outcome: Outcome<R>, turn: &mut Turn<'_>) -> Option<(R, i64)> {
        let chunk = if outcome.atomic { outcome.records.len() } else { RECORDS_MAX }.max(1);
        for records in outcome.records.chunks(chunk) {
            if let Err(reason) = self.append_batch(records, turn) {
                self.fail(reason, turn);
                return None;
            }
            self.active.as_ref()?;
        }
        Some((outcome.reply, self.log.end_offset().0 - 1))
    }

    fn append_batch(&mut self, records: &[MetadataRecord], turn: &mut Turn<'_>) -> Result<(), String> {
        let base = self.log.end_offset();
        let Some(active) = self.active.as_mut() else { return Ok(()) };
        let version = active.controller.image().metadata_version();
        let batch = batches::data_batch(records, version, base, active.epoch, turn.now.wall_ms)
            .map_err(|error| error.to_string())?;
        for (offset, record) in (base.0..).zip(records) {
            let applied = active.controller.replay(record, offset);
            applied.map_err(|error| format!("own record {} at {offset}: {error}", record.name()))?;
        }
        let appended = self.raft.append(turn.now, active.epoch, &batch, &mut self.log, &mut self.outputs);
        match appended.map_err(|error| error.to_string())? {
            Some(_) => Ok(()),
            None => {
                turn.log(Level::Warning, "leadership was lost while records were decided".into());
                self.active = None;
                self.fail_waiting(turn);
                Ok(())
            }
        }
    }
}

/// What brokers' sessions go by: a wall clock that is set back would let them last for hours.
pub(super) fn monotonic_ms(now: Time) -> i64 {
    i64::try_from(now.monotonic_us / 1000).unwrap_or(i64::MAX)
}
