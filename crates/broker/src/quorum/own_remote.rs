//! The own broker and the own controller under another node's active controller: registration, heartbeats, and what
//! their answers change. One request of each kind is out at a time; what fails is asked anew with what is true then.

use metadata::configs::StaticConfig;
use platform::Time;
use protocol::{ErrorCode, Request, Response};

use super::own_broker::{OwnBroker, State};
use super::own_leave::Leaving;
use super::remote::Asker;
use super::{Quorum, Turn};
use crate::event::Level;

/// After a failure, and from one heartbeat to the next until the broker is unfenced.
const SOON_US: u64 = 20_000;

/// When something is to be said next, in monotonic microseconds; `u64::MAX` while the answer is awaited.
#[derive(Debug)]
pub(super) struct Progress {
    interval_us: u64,
    broker_at: u64,
    controller_at: u64,
    told: Option<i16>,
}

impl Progress {
    pub fn new(config: &StaticConfig) -> Progress {
        let interval_ms = u64::try_from(config.heartbeat_interval_ms()).unwrap_or(2000);
        Progress {
            interval_us: interval_ms.max(1).saturating_mul(1000),
            broker_at: 0,
            controller_at: 0,
            told: None,
        }
    }

    /// There is news that should not wait for the next heartbeat's time.
    pub fn hurry(&mut self) {
        if self.broker_at != u64::MAX {
            self.broker_at = 0;
        }
    }

    fn after(&mut self, now: Time, us: u64) {
        self.broker_at = now.monotonic_us.saturating_add(us);
    }
}

impl OwnBroker {
    /// A request of this node's has no answer, or none that it can use.
    pub fn not_answered(&mut self, asker: &Asker, now: Time) {
        let soon = now.monotonic_us.saturating_add(SOON_US);
        match asker {
            Asker::Registration | Asker::Heartbeat => self.remote.broker_at = soon,
            Asker::ControllerRegistration => self.remote.controller_at = soon,
            Asker::Caller(_) => {}
        }
    }
}

impl Quorum {
    pub(super) fn poll_own_remote(&mut self, turn: &mut Turn<'_>) {
        if self.is_silent() || self.raft.followed().is_none() {
            return;
        }
        let now = turn.now.monotonic_us;
        if self.own.state != State::Absent && self.own.remote.broker_at <= now {
            self.own.remote.broker_at = u64::MAX;
            let (asker, request) = match self.own.epoch() {
                None => (Asker::Registration, Request::BrokerRegistration(self.broker_registration())),
                Some(epoch) => (Asker::Heartbeat, Request::BrokerHeartbeat(self.own_heartbeat(epoch))),
            };
            self.ask_controller(asker, Box::new(request), turn);
        }
        if self.own.remote.controller_at <= now && self.wants_controller_registration() {
            self.own.remote.controller_at = u64::MAX;
            let request = Request::ControllerRegistration(self.controller_registration());
            self.ask_controller(Asker::ControllerRegistration, Box::new(request), turn);
        }
    }

    fn wants_controller_registration(&self) -> bool {
        let version = self.loader.head().finalized_metadata_version();
        self.node.is_controller
            && version.is_some_and(|version| version.supports_controller_registration())
            && !self.is_controller_registered()
    }

    /// It has left, or the process ends.
    fn is_silent(&self) -> bool {
        self.stopping || self.own.leaving == Leaving::Done
    }

    /// When `poll_own_remote` has something to say.
    pub(super) fn own_deadline(&self) -> Option<u64> {
        if self.is_silent() || self.active.is_some() || self.raft.followed().is_none() {
            return None;
        }
        let broker = (self.own.state != State::Absent).then_some(self.own.remote.broker_at);
        let controller = self.wants_controller_registration().then_some(self.own.remote.controller_at);
        broker.into_iter().chain(controller).filter(|at| *at != u64::MAX).min()
    }

    pub(super) fn on_own_answer(&mut self, asker: &Asker, response: Response, turn: &mut Turn<'_>) {
        match response {
            Response::BrokerRegistration(reply) => {
                if reply.error_code == 0 {
                    let epoch = reply.broker_epoch;
                    self.own.state = State::Registered { epoch, offset: epoch };
                    self.own.remote.after(turn.now, 0);
                } else {
                    self.own_refused("registered", reply.error_code, turn);
                }
            }
            Response::BrokerHeartbeat(reply) if reply.error_code == 0 => {
                self.own.remote.told = None;
                if self.leaves() {
                    self.own.remote.after(turn.now, SOON_US);
                    return self.on_leave_answer(&reply, turn);
                }
                self.on_heartbeat_answer(reply.is_fenced, turn);
            }
            Response::BrokerHeartbeat(reply) => self.own_unheard(reply.error_code, turn),
            Response::ControllerRegistration(_) => {
                // until it is read in the log
                let interval = self.own.remote.interval_us;
                self.own.remote.controller_at = turn.now.monotonic_us.saturating_add(interval);
            }
            _ => self.own.not_answered(asker, turn.now),
        }
    }

    fn on_heartbeat_answer(&mut self, is_fenced: bool, turn: &mut Turn<'_>) {
        let Some(epoch) = self.own.epoch() else { return };
        let wait = if is_fenced { SOON_US } else { self.own.remote.interval_us };
        self.own.remote.after(turn.now, wait);
        if is_fenced {
            self.own.state = State::Registered { epoch, offset: epoch };
        } else {
            self.own.state = State::Running { epoch };
            self.own.become_ready(turn);
        }
    }

    /// The controller refuses a heartbeat. Who was unregistered stays out until it is started again, as Kafka's does: the
    /// operator wanted it gone. It goes on asking, so that an answer of a controller that had not read everything yet does
    /// no harm.
    pub(super) fn own_unheard(&mut self, code: i16, turn: &mut Turn<'_>) {
        if code != ErrorCode::StaleBrokerEpoch.code() {
            return self.own_refused("heard", code, turn);
        }
        let has_read = self.own.epoch().is_some_and(|epoch| epoch < self.applied.0);
        match self.loader.head().cluster.broker(self.node.node_id.0) {
            Some(known) if known.incarnation_id != self.incarnation_id => {
                self.own.superseded();
                self.own_refused("heard", code, turn);
            }
            None if has_read => {
                let text =
                    "this broker was unregistered: it stays out of the cluster until it is started again";
                self.tell_refused(code, text.to_owned(), turn);
            }
            // what has become of it is still to be read
            _ => self.ask_again(turn),
        }
    }

    fn own_refused(&mut self, what: &str, code: i16, turn: &mut Turn<'_>) {
        let error = ErrorCode::from(code);
        self.tell_refused(code, format!("this broker is not {what} by the controller: {error}"), turn);
    }

    /// After a heartbeat's time.
    fn ask_again(&mut self, turn: &Turn<'_>) {
        let interval = self.own.remote.interval_us;
        self.own.remote.after(turn.now, interval);
    }

    /// Asked again; the operator is told once for each reason.
    fn tell_refused(&mut self, code: i16, text: String, turn: &mut Turn<'_>) {
        self.ask_again(turn);
        if self.own.remote.told.replace(code) != Some(code) {
            turn.log(Level::Warning, text);
        }
    }
}
