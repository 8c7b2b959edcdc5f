//! The quorum's own messages to other nodes: raft's sends over `PeerConnections`, answers and failures back into raft.

use platform::{Random, Time};
use protocol::Response;
use raft::{Code, Input};

use super::{Quorum, Turn, wire_answers, wire_requests};
use crate::event::{Address, Effect, Event};
use crate::peers::{Done, Failure, PeerConnections, PeerSettings};

/// Of raft's connections; those to the active controller have the next.
const LANE: u8 = 0;

/// The tokens are raft's correlation ids.
#[derive(Debug)]
pub(super) struct Network {
    peers: PeerConnections<u64>,
    request_timeout_ms: u64,
}

impl Network {
    pub fn new(node_id: types::NodeId, request_timeout_ms: u64, random: Random) -> Network {
        let settings = PeerSettings::new(format!("raft-client-{node_id}"), LANE);
        Network { peers: PeerConnections::new(settings, random), request_timeout_ms }
    }

    pub fn deadline(&self) -> Option<u64> {
        self.peers.deadline()
    }

    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) -> Option<Event> {
        self.peers.on_event(now, event, effects)
    }

    pub fn on_tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.peers.on_tick(now, effects);
    }
}

impl Quorum {
    pub(super) fn send_to_peer(
        &mut self,
        to: raft::Destination,
        correlation: u64,
        request: raft::Request,
        turn: &mut Turn<'_>,
    ) {
        let timeout_ms = self.network.request_timeout_ms;
        let wait_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
        let request = wire_requests::to_wire(request, &self.node.cluster_id, wait_ms);
        let peers = &mut self.network.peers;
        peers.set_address(to.id, Address::new(&to.host, to.port), turn.effects);
        peers.send(turn.now, to.id, request, correlation, timeout_ms, turn.effects);
    }

    /// Tells raft what came of its requests; true where there was something to tell.
    pub(super) fn hear_peers(&mut self, turn: &mut Turn<'_>) -> bool {
        let all = self.network.peers.take_done();
        let any = !all.is_empty();
        for Done { token: correlation, result, peer } in all {
            let mut refused = false;
            let input = match result {
                Ok((_, response)) => self.answer_of_peer(correlation, response),
                Err(failure) => {
                    refused = failure == Failure::Refused;
                    Input::Failed { correlation, code: code_of(failure) }
                }
            };
            self.raft_step(input, turn);
            if refused {
                self.raft_step(Input::Gone(peer), turn);
            }
        }
        any
    }

    fn answer_of_peer(&self, correlation: u64, response: Response) -> Input {
        let listener = self.raft.listener();
        match wire_answers::from_wire(response, listener) {
            Some(answer) => Input::Answer { correlation, answer },
            None => Input::Failed { correlation, code: Code::UNKNOWN_SERVER_ERROR },
        }
    }
}

/// As Kafka's raft hears of it from its network.
fn code_of(failure: Failure) -> Code {
    match failure {
        Failure::Disconnected | Failure::Refused => Code::BROKER_NOT_AVAILABLE,
        Failure::TimedOut => Code::REQUEST_TIMED_OUT,
        Failure::UnsupportedVersion => Code::UNSUPPORTED_VERSION,
    }
}
