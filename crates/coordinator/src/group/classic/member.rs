//! One member of a classic group, and the requests of it that wait.

use bytes::Bytes;
use protocol::Str;
use protocol::messages::JoinGroupRequest;

use crate::group::io::{Caller, Token};

/// A join that waits for its group; the version decides how a null protocol name is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingJoin {
    pub token: Token,
    pub version: i16,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub id: Str,
    pub instance_id: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// Name and metadata, most wanted first.
    pub protocols: Vec<(Str, Bytes)>,
    pub assignment: Bytes,
    /// In its first join: it may time out even while it waits, as its client cannot know its id yet.
    pub is_new: bool,
    /// Monotonic microseconds. Counts only while no join or sync of the member waits.
    pub session_deadline: u64,
    pub waiting_join: Option<WaitingJoin>,
    pub waiting_sync: Option<Token>,
}

impl Member {
    pub fn new(id: Str, caller: &Caller, request: &JoinGroupRequest) -> Member {
        Member {
            id,
            instance_id: request.group_instance_id.as_ref().map(Str::detached),
            client_id: caller.client_id.detached(),
            client_host: caller.client_host.detached(),
            rebalance_timeout_ms: rebalance_timeout_ms(caller.version, request),
            session_timeout_ms: request.session_timeout_ms,
            protocols: protocols(request),
            assignment: Bytes::new(),
            is_new: true,
            session_deadline: 0,
            waiting_join: None,
            waiting_sync: None,
        }
    }

    pub fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting_join.is_some() || self.waiting_sync.is_some()
    }

    pub fn can_expire(&self) -> bool {
        self.is_new || !self.is_waiting()
    }

    /// The same protocols with the same metadata in the same order.
    pub fn matches(&self, request: &JoinGroupRequest) -> bool {
        self.protocols.len() == request.protocols.len()
            && self
                .protocols
                .iter()
                .zip(&request.protocols)
                .all(|((name, metadata), asked)| *name == asked.name && *metadata == asked.metadata)
    }

    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }
}

/// Copies, as the frame of a join is not kept for the life of the member. A name given twice counts once.
pub(crate) fn protocols(request: &JoinGroupRequest) -> Vec<(Str, Bytes)> {
    let mut protocols: Vec<(Str, Bytes)> = Vec::with_capacity(request.protocols.len());
    for protocol in &request.protocols {
        if !protocols.iter().any(|(name, _)| *name == protocol.name) {
            protocols.push((protocol.name.detached(), Bytes::copy_from_slice(&protocol.metadata)));
        }
    }
    protocols
}

/// Version 0 had one time-out for both.
pub(crate) fn rebalance_timeout_ms(version: i16, request: &JoinGroupRequest) -> i32 {
    if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms }
}
