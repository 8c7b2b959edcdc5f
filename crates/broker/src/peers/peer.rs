//! One peer: where its connection stands, what it understands, what it has been asked.

use std::collections::VecDeque;

use bytes::Bytes;
use platform::Time;
use protocol::{ApiKey, Chunk, Request, Response, Versions};
use types::NodeId;

use super::frames::{self, Greeting};
use super::{Done, Failure, PeerSettings};
use crate::event::{Address, ConnectionId};

#[derive(Debug)]
enum State {
    Idle,
    Paused {
        until_us: u64,
    },
    Dialing {
        connection: ConnectionId,
        deadline_us: u64,
    },
    /// ApiVersions is asked, in `version`; not sent yet where there is no correlation id.
    Greeting {
        connection: ConnectionId,
        deadline_us: u64,
        version: i16,
        correlation_id: Option<i32>,
    },
    Ready {
        connection: ConnectionId,
        since_us: u64,
    },
}

#[derive(Debug)]
struct Unsent<T> {
    request: Request,
    token: T,
    deadline_us: u64,
}

#[derive(Debug)]
struct Sent<T> {
    token: T,
    deadline_us: u64,
    correlation_id: i32,
    api_key: ApiKey,
    version: i16,
}

type Over<T> = (T, Result<(i16, Response), Failure>);

/// What came of a step.
pub(super) struct Step<T> {
    pub frames: Vec<(ConnectionId, Vec<Chunk>)>,
    pub done: Vec<Over<T>>,
    /// The connection cannot be used any more.
    pub broken: Option<String>,
}

impl<T> Step<T> {
    fn nothing() -> Step<T> {
        Step { frames: Vec::new(), done: Vec::new(), broken: None }
    }

    fn broken(reason: impl ToString) -> Step<T> {
        Step { broken: Some(reason.to_string()), ..Step::nothing() }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Peer<T> {
    pub address: Address,
    /// In a row.
    pub failures: u32,
    state: State,
    versions: Vec<(i16, Versions)>,
    unsent: VecDeque<Unsent<T>>,
    sent: VecDeque<Sent<T>>,
    last_correlation_id: i32,
}

impl<T> Peer<T> {
    pub fn new(address: Address) -> Peer<T> {
        Peer {
            address,
            failures: 0,
            state: State::Idle,
            versions: Vec::new(),
            unsent: VecDeque::new(),
            sent: VecDeque::new(),
            last_correlation_id: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.unsent.len() + self.sent.len()
    }

    pub fn is_paused(&self, now: Time) -> bool {
        matches!(self.state, State::Paused { until_us } if until_us > now.monotonic_us)
    }

    pub fn needs_dial(&self) -> bool {
        matches!(self.state, State::Idle | State::Paused { .. })
    }

    pub fn push(&mut self, request: Request, token: T, deadline_us: u64) {
        self.unsent.push_back(Unsent { request, token, deadline_us });
    }

    pub fn dial(&mut self, connection: ConnectionId, deadline_us: u64) {
        self.state = State::Dialing { connection, deadline_us };
    }

    pub fn on_dialed(&mut self) -> Step<T> {
        if let State::Dialing { connection, deadline_us } = self.state {
            let version = ApiKey::ApiVersions.versions_before().max;
            self.state = State::Greeting { connection, deadline_us, version, correlation_id: None };
        }
        Step::nothing()
    }

    fn next_correlation_id(&mut self) -> i32 {
        self.last_correlation_id = self.last_correlation_id.checked_add(1).unwrap_or(0);
        self.last_correlation_id
    }

    /// The frames that may go out now.
    pub fn write(&mut self, settings: &PeerSettings) -> Step<T> {
        match self.state {
            State::Greeting { connection, deadline_us, version, correlation_id: None } => {
                let id = self.next_correlation_id();
                self.state = State::Greeting { connection, deadline_us, version, correlation_id: Some(id) };
                match frames::greeting(version, id, &settings.client_id) {
                    Ok(chunks) => Step { frames: vec![(connection, chunks)], ..Step::nothing() },
                    Err(error) => Step::broken(error),
                }
            }
            State::Ready { connection, .. } => self.write_requests(connection, settings),
            _ => Step::nothing(),
        }
    }

    fn write_requests(&mut self, connection: ConnectionId, settings: &PeerSettings) -> Step<T> {
        let mut step = Step::nothing();
        while let Some(Unsent { request, token, deadline_us }) = self.unsent.pop_front() {
            let api_key = request.api_key();
            let correlation_id = self.next_correlation_id();
            let version = frames::common_version(api_key, &self.versions);
            let encoded = version.and_then(|version| {
                let chunks = frames::encode(request, version, correlation_id, &settings.client_id).ok()?;
                Some((version, chunks))
            });
            match encoded {
                Some((version, chunks)) => {
                    step.frames.push((connection, chunks));
                    self.sent.push_back(Sent { token, deadline_us, correlation_id, api_key, version });
                }
                None => step.done.push((token, Err(Failure::UnsupportedVersion))),
            }
        }
        step
    }

    pub fn on_frame(&mut self, now: Time, frame: Bytes) -> Step<T> {
        match self.state {
            State::Greeting { connection, deadline_us, version, correlation_id: Some(correlation_id) } => {
                match frames::greeted(frame, version, correlation_id) {
                    Ok(Greeting::Versions(versions)) => {
                        self.versions = versions;
                        self.failures = 0;
                        self.state = State::Ready { connection, since_us: now.monotonic_us };
                        Step::nothing()
                    }
                    Ok(Greeting::Again(version)) => {
                        self.state =
                            State::Greeting { connection, deadline_us, version, correlation_id: None };
                        Step::nothing()
                    }
                    Err(reason) => Step::broken(reason),
                }
            }
            State::Ready { .. } => self.on_answer(frame),
            _ => Step::broken("an answer to no request"),
        }
    }

    fn on_answer(&mut self, frame: Bytes) -> Step<T> {
        let Some(sent) = self.sent.pop_front() else { return Step::broken("an answer to no request") };
        match frames::decode(frame, sent.api_key, sent.version, sent.correlation_id) {
            Ok(response) => {
                Step { done: vec![(sent.token, Ok((sent.version, response)))], ..Step::nothing() }
            }
            Err(reason) => {
                let done = vec![(sent.token, Err(Failure::Disconnected))];
                Step { done, ..Step::broken(reason) }
            }
        }
    }

    /// How long the connection has been of use.
    pub fn ready_us(&self, now: Time) -> u64 {
        match self.state {
            State::Ready { since_us, .. } => now.monotonic_us.saturating_sub(since_us),
            _ => 0,
        }
    }

    pub fn take_connection(&mut self) -> Option<ConnectionId> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Dialing { connection, .. }
            | State::Greeting { connection, .. }
            | State::Ready { connection, .. } => Some(connection),
            State::Idle | State::Paused { .. } => None,
        }
    }

    /// Gives a line for the operator at the first failure of a row.
    pub fn pause(&mut self, until_us: u64, id: NodeId, reason: &str) -> Option<String> {
        self.state = State::Paused { until_us };
        self.failures = self.failures.saturating_add(1);
        (self.failures == 1).then(|| format!("node {id} at {} is not reached: {reason}", self.address))
    }

    pub fn end_pause(&mut self, now: Time) -> bool {
        let is_over = matches!(self.state, State::Paused { until_us } if until_us <= now.monotonic_us);
        if is_over {
            self.state = State::Idle;
        }
        is_over
    }

    pub fn fail_all(&mut self, id: NodeId, failure: Failure) -> Vec<Done<T>> {
        let sent = std::mem::take(&mut self.sent).into_iter().map(|one| one.token);
        let unsent = std::mem::take(&mut self.unsent).into_iter().map(|one| one.token);
        sent.chain(unsent).map(|token| Done { token, peer: id, result: Err(failure) }).collect()
    }

    /// Requests whose time is over.
    pub fn take_late(&mut self, now: Time, id: NodeId) -> Vec<Done<T>> {
        let mut late = Vec::new();
        let done = |token| Done { token, peer: id, result: Err(Failure::TimedOut) };
        for one in std::mem::take(&mut self.sent) {
            if one.deadline_us <= now.monotonic_us {
                late.push(done(one.token))
            } else {
                self.sent.push_back(one)
            }
        }
        for one in std::mem::take(&mut self.unsent) {
            if one.deadline_us <= now.monotonic_us {
                late.push(done(one.token))
            } else {
                self.unsent.push_back(one)
            }
        }
        late
    }

    /// When a request, the set-up or the pause is over.
    pub fn deadline(&self) -> Option<u64> {
        let own = match self.state {
            State::Paused { until_us } => Some(until_us),
            State::Dialing { deadline_us, .. } | State::Greeting { deadline_us, .. } => Some(deadline_us),
            State::Idle | State::Ready { .. } => None,
        };
        let sent = self.sent.iter().map(|one| one.deadline_us);
        let unsent = self.unsent.iter().map(|one| one.deadline_us);
        own.into_iter().chain(sent).chain(unsent).min()
    }
}
