//! The broker of the node of `tests` is unregistered while it runs.

use std::sync::Arc;

use platform::memory::MemoryFileSystem;
use protocol::messages::{BrokerHeartbeatResponse, UnregisterBrokerRequest};
use protocol::{ErrorCode, Request, Response};

use super::Turn;
use super::remote::Asker;
use super::tests::{Node, format_directory, time};
use crate::event::{ConnectionId, Effect, Event};

impl Node {
    fn unregistered() -> Node {
        let file_system = Arc::new(MemoryFileSystem::new(1));
        format_directory(&*file_system);
        let mut node = Node::start(&file_system, 1, 1);
        node.ask(0, Request::UnregisterBroker(UnregisterBrokerRequest { broker_id: 1 }));
        assert!(!node.is_registered());
        node
    }

    fn is_registered(&self) -> bool {
        self.images.last().expect("an image").0.cluster.broker(1).is_some()
    }

    /// As another node's controller answers a heartbeat; what the operator is told.
    fn heartbeat_answered(&mut self, error: ErrorCode) -> Vec<String> {
        let reply = BrokerHeartbeatResponse { error_code: error.code(), ..Default::default() };
        let mut effects = Vec::new();
        let mut turn = Turn { now: time(self.now_ms), effects: &mut effects };
        self.quorum.on_own_answer(&Asker::Heartbeat, Response::BrokerHeartbeat(reply), &mut turn);
        self.now_ms += 10_000;
        self.step(Event::Tick);
        let told = effects.into_iter();
        told.filter_map(|effect| if let Effect::Log { text, .. } = effect { Some(text) } else { None })
            .collect()
    }
}

/// Whoever unregisters it wants it gone; Kafka's stays out, too.
#[test]
fn a_broker_that_was_unregistered_stays_out() {
    let mut node = Node::unregistered();
    for error in [ErrorCode::StaleBrokerEpoch, ErrorCode::NotController, ErrorCode::StaleBrokerEpoch] {
        node.heartbeat_answered(error);
        assert!(!node.is_registered(), "{error}");
    }
    let mut effects = Vec::new();
    node.quorum.step(time(node.now_ms), Event::Leave, &mut effects);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Left)), "there is nothing to hand over");
}

/// A request of a process that is gone may be carried out late, and take this one's place.
#[test]
fn a_broker_whose_place_another_took_registers_again() {
    let mut node = Node::unregistered();
    let taken_at = node.register(ConnectionId(7), 1);
    let known = node.images.last().expect("an image").0.cluster.broker(1).cloned().expect("registered");
    assert_eq!((known.incarnation_id, known.epoch > taken_at), (node.quorum.incarnation_id, true));
}
