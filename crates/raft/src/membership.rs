//! Changes of the voter set at the leader (KIP-853): one at a time, each a voters record that counts from its
//! append on. Adding a voter first asks it what it can run.

use types::Offset;

use crate::code::Code;
use crate::connections::Sent;
use crate::control::ControlRecord;
use crate::log::RaftLog;
use crate::machine::{Asker, Fatal, Output, Raft, Turn};
use crate::message::{AddVoterRequest, Answer, Body, RemoveVoterRequest, Request, UpdateVoterRequest};
use crate::role::Role;
use crate::voters::{ReplicaKey, VersionRange, Voter, VoterSet, endpoint_of};

/// An observer that has not fetched for so long is not caught up.
const CAUGHT_UP_SESSION_MS: u64 = 3_600_000;

/// The change under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VoterChange {
    Probing {
        asker: Asker,
        request: AddVoterRequest,
        deadline: u64,
    },
    /// `waiting`: who is answered at the commit; none where the answer went out at the append.
    Committing {
        waiting: Option<(Asker, Body)>,
        offset: Offset,
        deadline: u64,
    },
}

impl VoterChange {
    pub fn deadline(&self) -> u64 {
        match self {
            VoterChange::Probing { deadline, .. } | VoterChange::Committing { deadline, .. } => *deadline,
        }
    }

    pub fn into_waiting(self) -> Option<(Asker, Body)> {
        match self {
            VoterChange::Probing { asker, .. } => Some((asker, Body::AddVoter)),
            VoterChange::Committing { waiting, .. } => waiting,
        }
    }
}

impl Raft {
    fn change(&self) -> Option<&VoterChange> {
        match &self.role {
            Role::Leader(leader) => leader.change.as_ref(),
            _ => None,
        }
    }

    fn set_change(&mut self, change: Option<VoterChange>) {
        if let Role::Leader(leader) = &mut self.role {
            leader.change = change;
        }
    }

    /// What all changes wait for: no other change, and everything about voters committed.
    fn is_settled(&self) -> Result<(), Code> {
        if self.change().is_some() {
            return Err(Code::REQUEST_TIMED_OUT);
        }
        let Some(high_watermark) = self.high_watermark else { return Err(Code::REQUEST_TIMED_OUT) };
        match self.quorum.voters_offset() {
            Some(offset) if offset >= high_watermark => Err(Code::REQUEST_TIMED_OUT),
            _ => Ok(()),
        }
    }

    fn check_add_or_remove(&self, key: ReplicaKey, endpoints: Option<&AddVoterRequest>) -> Result<(), Code> {
        if let Some(code) = self.refusal_to_lead(None) {
            return Err(code);
        }
        if key.id.0 < 0 || key.directory_id.is_zero() {
            return Err(Code::INVALID_REQUEST);
        }
        if endpoints.is_some_and(|request| endpoint_of(&request.endpoints, &self.settings.listener).is_none())
        {
            return Err(Code::INVALID_REQUEST);
        }
        let settled = self.is_settled();
        if settled.is_err() && (self.change().is_some() || self.high_watermark.is_none()) {
            return settled;
        }
        if self.quorum.kraft_version() == 0 {
            return Err(Code::UNSUPPORTED_VERSION);
        }
        settled
    }

    pub(crate) fn on_add_voter(&mut self, asker: Asker, request: AddVoterRequest, turn: &mut Turn<'_>) {
        if let Err(code) = self.begin_add_voter(&asker, request, turn) {
            self.reply(&asker, code, Body::AddVoter, turn);
        }
    }

    fn begin_add_voter(
        &mut self,
        asker: &Asker,
        request: AddVoterRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Code> {
        self.check_add_or_remove(request.voter, Some(&request))?;
        let id = request.voter.id;
        if self.quorum.voters().get(id).is_some() {
            return Err(Code::DUPLICATE_VOTER);
        }
        if !self.connections.is_ready(id) {
            return Err(Code::REQUEST_TIMED_OUT);
        }
        let to = self.destination(id, &request.endpoints).ok_or(Code::INVALID_REQUEST)?;
        let deadline = turn.now + self.settings.request_timeout_ms;
        self.set_change(Some(VoterChange::Probing { asker: asker.clone(), request, deadline }));
        self.send(to, Sent::Probe, Request::ApiVersions, turn);
        Ok(())
    }

    pub(crate) fn on_probe_answer(
        &mut self,
        from: types::NodeId,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        match self.change() {
            Some(VoterChange::Probing { request, .. }) if request.voter.id == from => {}
            _ => return Ok(()),
        }
        let change = match &mut self.role {
            Role::Leader(leader) => leader.change.take(),
            _ => None,
        };
        let Some(VoterChange::Probing { asker, request, deadline }) = change else { return Ok(()) };
        match self.probed_voter(&request, &answer, turn) {
            Err(code) => self.reply(&asker, code, Body::AddVoter, turn),
            Ok(voter) => {
                let voters = self.quorum.voters().with(voter);
                let offset = turn.log.end_offset();
                let waiting = request.ack_when_committed.then_some((asker.clone(), Body::AddVoter));
                self.set_change(Some(VoterChange::Committing { waiting, offset, deadline }));
                if !request.ack_when_committed {
                    self.reply(&asker, Code::NONE, Body::AddVoter, turn);
                }
                self.append_control(&[ControlRecord::Voters(voters)], turn)?;
            }
        }
        Ok(())
    }

    fn probed_voter(
        &self,
        request: &AddVoterRequest,
        answer: &Answer,
        turn: &Turn<'_>,
    ) -> Result<Voter, Code> {
        if answer.top.is_error() || answer.code.is_error() {
            return Err(Code::REQUEST_TIMED_OUT);
        }
        let supported = match &answer.body {
            Body::ApiVersions { kraft_version: Some(range) } => *range,
            _ => return Err(Code::INVALID_REQUEST),
        };
        if !supported.contains(self.quorum.kraft_version()) {
            return Err(Code::INVALID_REQUEST);
        }
        let Role::Leader(leader) = &self.role else { return Err(Code::NOT_LEADER_OR_FOLLOWER) };
        let is_caught_up = leader.observers.get(&request.voter).is_some_and(|progress| {
            let is_recent = |at| turn.now.saturating_sub(at) < CAUGHT_UP_SESSION_MS;
            progress.last_caught_up_wall_ms >= 0 && progress.last_fetch.is_some_and(is_recent)
        });
        if !is_caught_up {
            return Err(Code::REQUEST_TIMED_OUT);
        }
        Ok(Voter { key: request.voter, endpoints: request.endpoints.clone(), supported })
    }

    pub(crate) fn on_remove_voter(
        &mut self,
        asker: Asker,
        request: RemoveVoterRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let checked = self.check_add_or_remove(request.voter, None);
        let voters = self.quorum.voters();
        let is_exact = voters.get(request.voter.id).is_some_and(|voter| voter.key == request.voter);
        let code = match checked {
            Err(code) => code,
            Ok(()) if !is_exact || voters.len() == 1 => Code::VOTER_NOT_FOUND,
            Ok(()) => Code::NONE,
        };
        if code.is_error() {
            self.reply(&asker, code, Body::RemoveVoter, turn);
            return Ok(());
        }
        let voters = voters.without(request.voter.id);
        let deadline = turn.now + self.settings.request_timeout_ms;
        let offset = turn.log.end_offset();
        let waiting = Some((asker, Body::RemoveVoter));
        self.set_change(Some(VoterChange::Committing { waiting, offset, deadline }));
        self.append_control(&[ControlRecord::Voters(voters)], turn)
    }

    /// The high watermark has passed the record.
    pub(crate) fn complete_voter_change(&mut self, turn: &mut Turn<'_>) {
        let committed = match (self.change(), self.high_watermark) {
            (Some(VoterChange::Committing { offset, .. }), Some(known)) => *offset < known,
            _ => false,
        };
        if committed {
            self.end_voter_change(Code::NONE, turn);
        }
    }

    pub(crate) fn expire_voter_change(&mut self, turn: &mut Turn<'_>) {
        if self.change().is_some_and(|change| change.deadline() <= turn.now) {
            // the record may be committed later all the same
            self.end_voter_change(Code::REQUEST_TIMED_OUT, turn);
        }
    }

    fn end_voter_change(&mut self, code: Code, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let waiting = leader.change.take().and_then(VoterChange::into_waiting);
        if let Some((asker, body)) = waiting {
            self.reply(&asker, code, body, turn);
        }
    }

    pub(crate) fn on_update_voter(
        &mut self,
        asker: &Asker,
        request: UpdateVoterRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let voter = match self.check_update(&request) {
            Ok(voter) => voter,
            Err(code) => {
                self.reply(asker, code, Body::UpdateVoter, turn);
                return Ok(());
            }
        };
        self.note_contact(request.voter, turn);
        if self.quorum.kraft_version() > 0 {
            let voters = self.quorum.voters().with(voter);
            self.append_control(&[ControlRecord::Voters(voters)], turn)?;
        } else if let Role::Leader(leader) = &mut self.role {
            leader.updated_voters = leader.updated_voters.with(voter);
        }
        self.reply(asker, Code::NONE, Body::UpdateVoter, turn);
        Ok(())
    }

    fn check_update(&self, request: &UpdateVoterRequest) -> Result<Voter, Code> {
        if let Some(code) = self.refusal_to_lead(Some(request.epoch)) {
            return Err(code);
        }
        let VersionRange { min, max } = request.supported;
        let version = self.quorum.kraft_version();
        let no_directory = version > 0 && request.voter.directory_id.is_zero();
        let no_endpoint = endpoint_of(&request.endpoints, &self.settings.listener).is_none();
        if request.voter.id.0 < 0 || no_directory || no_endpoint || min < 0 || max < min {
            return Err(Code::INVALID_REQUEST);
        }
        self.is_settled()?;
        if !request.supported.contains(version) {
            return Err(Code::INVALID_REQUEST);
        }
        let known = self.quorum.voters().get(request.voter.id);
        if !known.is_some_and(|voter| voter.key.covers(request.voter)) {
            return Err(Code::VOTER_NOT_FOUND);
        }
        Ok(Voter { key: request.voter, endpoints: request.endpoints.clone(), supported: request.supported })
    }

    /// Raises kraft.version at the leader: Ok(true) where records were appended, Ok(false) where it has the
    /// level already. INVALID_UPDATE_VERSION: lower, unknown, or not what every voter can run.
    pub fn upgrade_kraft_version(
        &mut self,
        now: platform::Time,
        level: i16,
        log: &mut dyn RaftLog,
        out: &mut Vec<Output>,
    ) -> Result<Result<bool, Code>, Fatal> {
        if let Some(code) = self.refusal_to_lead(None) {
            return Ok(Err(code));
        }
        let current = self.quorum.kraft_version();
        if level == current {
            return Ok(Ok(false));
        }
        if level < current || !VersionRange::OURS.contains(level) {
            return Ok(Err(Code::INVALID_UPDATE_VERSION));
        }
        let Some(voters) = self.voters_with_directories(level) else {
            return Ok(Err(Code::INVALID_UPDATE_VERSION));
        };
        let turn = &mut Turn::new(now, log, out);
        self.append_control(&[ControlRecord::KraftVersion(level), ControlRecord::Voters(voters)], turn)?;
        Ok(Ok(true))
    }

    /// The configured voters with what each has said about itself; none while one has not.
    fn voters_with_directories(&self, level: i16) -> Option<VoterSet> {
        let Role::Leader(leader) = &self.role else { return None };
        let own = self.own_voter();
        self.quorum
            .voters()
            .ids()
            .map(|id| if id == own.key.id { Some(&own) } else { leader.updated_voters.get(id) })
            .map(|voter| voter.filter(|voter| voter.supported.contains(level)).cloned())
            .collect()
    }
}
