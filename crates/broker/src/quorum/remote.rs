//! Requests to the active controller where another node is it: of this node's clients (in envelopes), of its broker and
//! of its controller. A request waits while nobody leads, and is asked again elsewhere when its controller was none or
//! went away; so it may be carried out twice, as with Kafka.

use std::collections::BTreeMap;

use platform::{Random, Time};
use protocol::messages::EnvelopeResponse;
use protocol::{ErrorCode, Request, Response};
use types::NodeId;

use super::refusals::{refusal, says_not_controller};
use super::reply::Caller;
use super::{Quorum, Turn, envelope};
use crate::event::{Address, Effect, Event};
use crate::peers::{Done, Failure, PeerConnections, PeerSettings};

/// The broker's own requests have a connection of their own: a heartbeat must not wait behind a client's request.
const OWN_LANE: u8 = 1;
const FORWARDING_LANE: u8 = 2;
const RETRY_US: u64 = 20_000;
/// After so long without an answer the client is told so.
const GIVE_UP_US: u64 = 60_000_000;
/// Kafka's `controller.socket.timeout.ms`.
const REQUEST_TIMEOUT_MS: u64 = 30_000;
/// What the node says of itself is asked anew rather than waited for.
const OWN_TIMEOUT_MS: u64 = 4_500;

/// Who gets the answer.
#[derive(Debug)]
pub(super) enum Asker {
    Caller(Caller),
    Registration,
    Heartbeat,
    ControllerRegistration,
}

impl Asker {
    fn is_own(&self) -> bool {
        !matches!(self, Asker::Caller(_))
    }
}

#[derive(Debug)]
struct Pending {
    asker: Asker,
    request: Box<Request>,
    give_up_us: u64,
    /// When it is to be sent; none while it is.
    send_us: Option<u64>,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Remote {
    own: PeerConnections<u64>,
    forwarding: PeerConnections<u64>,
    pending: BTreeMap<u64, Pending>,
    last: u64,
}

impl Remote {
    pub fn new(node_id: NodeId, random: &mut Random) -> Remote {
        let connections = |name: &str, lane, random: &mut Random| {
            PeerConnections::new(PeerSettings::new(format!("{name}-{node_id}"), lane), random.fork())
        };
        Remote {
            own: connections("broker-lifecycle", OWN_LANE, random),
            forwarding: connections("forwarding", FORWARDING_LANE, random),
            pending: BTreeMap::new(),
            last: 0,
        }
    }

    pub fn add(&mut self, now: Time, asker: Asker, request: Box<Request>) {
        self.last += 1;
        let give_up_us = now.monotonic_us.saturating_add(GIVE_UP_US);
        let send_us = Some(now.monotonic_us);
        self.pending.insert(self.last, Pending { asker, request, give_up_us, send_us });
    }

    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) -> Option<Event> {
        let event = self.own.on_event(now, event, effects)?;
        self.forwarding.on_event(now, event, effects)
    }

    pub fn on_tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.own.on_tick(now, effects);
        self.forwarding.on_tick(now, effects);
    }

    /// Another node leads, or nobody: what was asked of others has failed, and is asked of a new leader at once.
    pub fn keep_only(&mut self, now: Time, leader: Option<NodeId>, effects: &mut Vec<Effect>) {
        for peers in [&mut self.own, &mut self.forwarding] {
            let others: Vec<NodeId> = peers.known().filter(|id| Some(*id) != leader).collect();
            others.into_iter().for_each(|id| peers.forget(id, effects));
        }
        if leader.is_some() {
            let waiting = self.pending.values_mut().filter_map(|one| one.send_us.as_mut());
            waiting.for_each(|at| *at = now.monotonic_us.min(*at));
        }
    }

    /// `has_leader`: requests can be sent.
    pub fn deadline(&self, has_leader: bool) -> Option<u64> {
        let due = |one: &Pending| match one.send_us {
            Some(at) if has_leader => at,
            _ => one.give_up_us,
        };
        let pending = self.pending.values().map(due);
        pending.chain(self.own.deadline()).chain(self.forwarding.deadline()).min()
    }

    fn take_done(&mut self) -> Vec<Done<u64>> {
        let mut done = self.own.take_done();
        done.append(&mut self.forwarding.take_done());
        done
    }

    /// What is not on its way, for this node to decide.
    fn take_unsent(&mut self) -> Vec<Pending> {
        let ids = self.pending.iter().filter(|(_, one)| one.send_us.is_some()).map(|(id, _)| *id);
        let ids: Vec<u64> = ids.collect();
        ids.into_iter().filter_map(|id| self.pending.remove(&id)).collect()
    }

    fn take_expired(&mut self, now: Time) -> Vec<Pending> {
        let expired = |one: &Pending| one.send_us.is_some() && one.give_up_us <= now.monotonic_us;
        let ids = self.pending.iter().filter(|(_, one)| expired(one)).map(|(id, _)| *id);
        let ids: Vec<u64> = ids.collect();
        ids.into_iter().filter_map(|id| self.pending.remove(&id)).collect()
    }

    /// Sends what is due.
    fn send_due(&mut self, now: Time, to: &raft::Destination, effects: &mut Vec<Effect>) {
        let due = |one: &Pending| one.send_us.is_some_and(|at| at <= now.monotonic_us);
        if !self.pending.values().any(due) {
            return;
        }
        for (token, one) in self.pending.iter_mut().filter(|(_, one)| due(one)) {
            one.send_us = None;
            let timeout_ms = if one.asker.is_own() { OWN_TIMEOUT_MS } else { REQUEST_TIMEOUT_MS };
            let is_forwarded = one.request.api_key().is_forwarded();
            let peers = if is_forwarded { &mut self.forwarding } else { &mut self.own };
            let Some(request) = on_the_way(one) else {
                (one.send_us, one.give_up_us) = (Some(now.monotonic_us), now.monotonic_us);
                continue;
            };
            peers.set_address(to.id, Address::new(&to.host, to.port), effects);
            peers.send(now, to.id, request, *token, timeout_ms, effects);
        }
    }
}

/// In an envelope where it is a client's.
fn on_the_way(one: &Pending) -> Option<Request> {
    match &one.asker {
        Asker::Caller(Caller::Shard { context, .. }) if one.request.api_key().is_forwarded() => {
            envelope::wrap(&one.request, context).ok().map(Request::Envelope)
        }
        _ => Some((*one.request).clone()),
    }
}

impl Quorum {
    /// Has the active controller decide, whichever node that is.
    pub(super) fn ask_controller(&mut self, asker: Asker, request: Box<Request>, turn: &Turn<'_>) {
        self.remote.add(turn.now, asker, request);
    }

    /// Sends, takes answers in, and decides here what has come to be decided here. True where something was done.
    pub(super) fn poll_remote(&mut self, turn: &mut Turn<'_>) -> bool {
        let done = self.remote.take_done();
        let mut any = !done.is_empty();
        for Done { token, result, .. } in done {
            self.on_controller_answer(token, result, turn);
        }
        if self.active.is_some() {
            for Pending { asker, request, .. } in self.remote.take_unsent() {
                any = true;
                match asker {
                    Asker::Caller(caller) => self.on_controller_request(caller, request, turn),
                    asker => self.own.not_answered(&asker, turn.now),
                }
            }
            return any;
        }
        for Pending { asker, request, .. } in self.remote.take_expired(turn.now) {
            any = true;
            match asker {
                Asker::Caller(caller) => {
                    self.answer_refusal(caller, &request, ErrorCode::RequestTimedOut, turn)
                }
                asker => self.own.not_answered(&asker, turn.now),
            }
        }
        if let Some(leader) = self.raft.followed() {
            self.remote.send_due(turn.now, &leader, turn.effects);
        }
        any
    }

    fn on_controller_answer(
        &mut self,
        token: u64,
        result: Result<(i16, Response), Failure>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut pending) = self.remote.pending.remove(&token) else { return };
        let response = match result {
            Ok((_, response)) if !says_not_controller(&response) => Some(response),
            Err(Failure::UnsupportedVersion) => {
                refusal(&pending.request, ErrorCode::UnsupportedVersion).filter(|_| !pending.asker.is_own())
            }
            _ => None,
        };
        match (pending.asker, response) {
            (Asker::Caller(caller), Some(Response::Envelope(response))) => {
                self.on_envelope_answer(caller, &pending.request, response, turn);
            }
            (Asker::Caller(caller), Some(response)) => self.answer(caller, response, turn),
            (asker @ Asker::Caller(_), None) => {
                pending.send_us = Some(turn.now.monotonic_us.saturating_add(RETRY_US));
                self.remote.pending.insert(token, Pending { asker, ..pending });
            }
            (asker, Some(response)) => self.on_own_answer(&asker, response, turn),
            (asker, None) => self.own.not_answered(&asker, turn.now),
        }
    }

    fn on_envelope_answer(
        &mut self,
        caller: Caller,
        request: &Request,
        response: EnvelopeResponse,
        turn: &mut Turn<'_>,
    ) {
        if response.error_code != 0 {
            return self.answer_refusal(caller, request, ErrorCode::UnknownServerError, turn);
        }
        match envelope::unwrap_answer(response, request.api_key(), caller.version()) {
            Ok(response) => self.answer(caller, response, turn),
            Err(_) => self.answer_refusal(caller, request, ErrorCode::UnknownServerError, turn),
        }
    }

    /// Says one error of the whole request.
    pub(super) fn answer_refusal(
        &mut self,
        caller: Caller,
        request: &Request,
        error: ErrorCode,
        turn: &mut Turn<'_>,
    ) {
        match refusal(request, error) {
            Some(response) => self.answer(caller, response, turn),
            None => self.refuse(caller, turn),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::messages::BrokerHeartbeatRequest;

    use super::*;

    fn at(ms: u64) -> Time {
        Time { monotonic_us: ms * 1000, wall_ms: ms as i64 }
    }

    #[test]
    fn what_waits_is_asked_of_a_new_leader_at_once() {
        let mut remote = Remote::new(NodeId(1), &mut Random::new(1));
        let mut effects = Vec::new();
        let request = Box::new(Request::BrokerHeartbeat(BrokerHeartbeatRequest::default()));
        remote.add(at(0), Asker::Heartbeat, request);
        let two = raft::Destination { id: NodeId(2), host: "two".into(), port: 9093 };
        remote.send_due(at(0), &two, &mut effects);
        assert!(remote.pending.values().all(|one| one.send_us.is_none()), "it is on its way");
        remote.keep_only(at(1), None, &mut effects);
        assert_eq!(remote.take_done().len(), 1);
        for one in remote.pending.values_mut() {
            one.send_us = Some(at(1).monotonic_us + RETRY_US);
        }
        remote.keep_only(at(2), None, &mut effects);
        assert_eq!(remote.deadline(true), Some(at(1).monotonic_us + RETRY_US), "nobody leads");
        remote.keep_only(at(3), Some(NodeId(3)), &mut effects);
        assert_eq!(remote.deadline(true), Some(at(3).monotonic_us));
    }
}
