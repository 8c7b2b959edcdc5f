//! BrokerHeartbeat: which state a broker is in and which it may go to.
//!
//! ```text
//! fenced   --caught up, wants in-->   unfenced  --wants to stop, leads-->  controlled shutdown
//!    ^                                    |                                   |
//!    +------- wants out, silence ---------+---- leads nothing, peers know ----+--> may stop now
//! ```

use platform::{Planted, is_planted};
use protocol::messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use protocol::records::metadata::MetadataRecord;

use super::broker_events::{Leaving, registration_change};
use super::{Context, Controller, Outcome};
use crate::image::{Broker, sorted_directories};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl Controller {
    /// Before anything else, as soon as it arrives and even if its turn comes late: the broker lives.
    pub fn heartbeat_arrived(&mut self, request: &BrokerHeartbeatRequest, now_ms: i64) {
        let key = (request.broker_id, request.broker_epoch);
        self.sessions.contact(key, now_ms);
        self.sessions.published(key, request.current_metadata_offset);
    }

    pub fn broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        context: &Context<'_>,
    ) -> Outcome<BrokerHeartbeatResponse> {
        let mut response = BrokerHeartbeatResponse::default();
        if let Err(code) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            response.error_code = code.code();
            return Outcome::nothing(response);
        }
        let key = (request.broker_id, request.broker_epoch);
        self.sessions.published(key, request.current_metadata_offset);
        let Some(broker) = self.image().cluster.broker(request.broker_id) else {
            return Outcome::nothing(response);
        };
        let caught_up =
            request.current_metadata_offset >= broker.registered_at || is_planted(Planted::UnfencedBehind);
        let next = self.next_state(broker, request, caught_up);
        let mut records = self.transition(broker, next);
        records.extend(self.directory_changes(broker, request));
        if next == State::ControlledShutdown {
            let last = context.next_offset.saturating_add(records.len() as i64).saturating_sub(1);
            self.sessions.begin_shutdown(key, last);
        }
        response.is_caught_up = caught_up;
        response.is_fenced = matches!(next, State::Fenced | State::ShutdownNow);
        response.should_shut_down = next == State::ShutdownNow;
        if response.should_shut_down {
            // it said itself that it goes: its next life need not wait for the session's end, as it would with Kafka
            self.sessions.remove(key);
        }
        Outcome::atomic(records, response)
    }

    fn next_state(&self, broker: &Broker, request: &BrokerHeartbeatRequest, caught_up: bool) -> State {
        if broker.fenced {
            return match (request.want_shut_down, request.want_fence) {
                (true, _) => State::ShutdownNow,
                (false, false) if caught_up => State::Unfenced,
                _ => State::Fenced,
            };
        }
        if broker.in_controlled_shutdown {
            let done = !self.leads_something(broker.id) && self.peers_know(broker);
            return if done { State::ShutdownNow } else { State::ControlledShutdown };
        }
        match (request.want_fence, request.want_shut_down) {
            (true, true) => State::ShutdownNow,
            (true, false) => State::Fenced,
            (false, true) if self.leads_something(broker.id) => State::ControlledShutdown,
            (false, true) => State::ShutdownNow,
            (false, false) => State::Unfenced,
        }
    }

    /// Every active broker has read who leads instead.
    fn peers_know(&self, leaving: &Broker) -> bool {
        let Some(offset) = self.sessions.shutdown_offset((leaving.id, leaving.epoch)) else { return true };
        let mut active = self.image().cluster.brokers.values().filter(|broker| broker.is_active());
        active.all(|broker| self.sessions.metadata_offset((broker.id, broker.epoch)) >= offset)
    }

    fn transition(&self, broker: &Broker, next: State) -> Vec<MetadataRecord> {
        let (id, epoch) = (broker.id, broker.epoch);
        match next {
            State::Fenced if broker.fenced => Vec::new(),
            State::Fenced | State::ShutdownNow => self.fence_records(id, epoch),
            State::Unfenced if broker.fenced => {
                let mut records = vec![registration_change(id, epoch, |change| change.fenced = -1)];
                records.extend(self.returning_changes(id));
                records
            }
            State::ControlledShutdown if !broker.in_controlled_shutdown => {
                let mut records =
                    vec![registration_change(id, epoch, |change| change.in_controlled_shutdown = 1)];
                records.extend(self.leave_partitions(id, Leaving::Fenced, false));
                records
            }
            State::Unfenced | State::ControlledShutdown => Vec::new(),
        }
    }

    fn directory_changes(&self, broker: &Broker, request: &BrokerHeartbeatRequest) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if self.metadata_version().supports_directories() {
            let offline: Vec<_> = request
                .offline_log_dirs
                .iter()
                .filter(|directory| broker.log_dirs.contains(directory))
                .collect();
            for directory in &offline {
                records.extend(self.directory_offline_changes(broker.id, **directory));
            }
            if !offline.is_empty() {
                let left = broker.log_dirs.iter().filter(|directory| !offline.contains(directory));
                let left = left.copied().collect();
                records.push(registration_change(broker.id, broker.epoch, |change| change.log_dirs = left));
            }
        }
        if self.metadata_version().supports_cordoned_directories()
            && let Some(cordoned) = &request.cordoned_log_dirs
        {
            let cordoned = sorted_directories(cordoned);
            if broker.cordoned_log_dirs.as_ref() != Some(&cordoned) {
                let fill = |change: &mut protocol::records::metadata::BrokerRegistrationChangeRecord| {
                    change.cordoned_log_dirs = Some(cordoned);
                };
                records.push(registration_change(broker.id, broker.epoch, fill));
            }
        }
        records
    }

    /// Fences at most one broker that has been silent for too long; true: there are more, come again soon.
    pub fn fence_stale_broker(&mut self, now_ms: i64) -> Outcome<bool> {
        let mut records = Vec::new();
        let mut more = false;
        for key in self.sessions.stale(now_ms) {
            let present = self.image().cluster.broker(key.0);
            let concerned = present.is_some_and(|broker| broker.epoch == key.1 && !broker.fenced);
            if concerned && !records.is_empty() {
                more = true;
                break;
            }
            if concerned {
                records = self.fence_records(key.0, key.1);
            }
            self.sessions.remove(key);
        }
        Outcome { records, atomic: false, reply: more }
    }

    /// The broker's process has died in this epoch; nothing where it is fenced, or has come back, meanwhile.
    pub fn fence_gone_broker(&mut self, broker: i32, epoch: i64) -> Outcome<()> {
        let known = self.image().cluster.broker(broker);
        let concerned = known.is_some_and(|known| known.epoch == epoch && !known.fenced);
        let records = if concerned { self.fence_records(broker, epoch) } else { Vec::new() };
        self.sessions.remove((broker, epoch));
        Outcome { records, atomic: false, reply: () }
    }

    /// A new reign: every broker that is not fenced gets a full session, whatever the time is.
    pub fn begin_sessions(&mut self, now_ms: i64) {
        self.sessions.clear();
        let keys: Vec<(i32, i64)> = self
            .image()
            .cluster
            .brokers
            .values()
            .filter(|broker| !broker.fenced)
            .map(|broker| (broker.id, broker.epoch))
            .collect();
        for key in keys {
            self.sessions.contact(key, now_ms);
        }
    }

    /// The controller itself did nothing for so long (a full disk queue, a stopped process): what brokers said meanwhile is
    /// still to be read, so their sessions last that much longer.
    pub fn was_away(&mut self, ms: i64) {
        self.sessions.extend(ms);
    }

    /// How often `fence_stale_broker` wants to be called.
    pub fn fence_interval_ms(&self) -> i64 {
        (self.sessions.timeout_ms() / 8).max(1)
    }
}
