//! Who has been heard of, and when. Not part of the log: a new active controller begins with a full session for each
//! unfenced broker.

use std::collections::BTreeMap;

/// One broker's incarnation, as its heartbeats name it.
type Key = (i32, i64);

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    last_contact_ms: i64,
    /// Last offset the broker said it had published; -1 before any.
    metadata_offset: i64,
    /// Offset the others must reach before a broker that goes may stop.
    shutdown_offset: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_broker: BTreeMap<Key, Session>,
    timeout_ms: i64,
}

impl Sessions {
    pub fn new(timeout_ms: i64) -> Sessions {
        Sessions { by_broker: BTreeMap::new(), timeout_ms }
    }

    pub fn timeout_ms(&self) -> i64 {
        self.timeout_ms
    }

    pub fn clear(&mut self) {
        self.by_broker.clear();
    }

    pub fn contact(&mut self, key: Key, now_ms: i64) {
        let session =
            self.by_broker.entry(key).or_insert(Session { metadata_offset: -1, ..Session::default() });
        session.last_contact_ms = now_ms;
    }

    /// Nobody could be heard for so long.
    pub fn extend(&mut self, ms: i64) {
        for session in self.by_broker.values_mut() {
            session.last_contact_ms = session.last_contact_ms.saturating_add(ms);
        }
    }

    pub fn is_valid(&self, key: Key, now_ms: i64) -> bool {
        self.by_broker
            .get(&key)
            .is_some_and(|session| now_ms.saturating_sub(session.last_contact_ms) < self.timeout_ms)
    }

    pub fn published(&mut self, key: Key, offset: i64) {
        if let Some(session) = self.by_broker.get_mut(&key) {
            session.metadata_offset = session.metadata_offset.max(offset);
        }
    }

    /// Set once.
    pub fn begin_shutdown(&mut self, key: Key, offset: i64) {
        if let Some(session) = self.by_broker.get_mut(&key) {
            session.shutdown_offset.get_or_insert(offset);
        }
    }

    pub fn shutdown_offset(&self, key: Key) -> Option<i64> {
        self.by_broker.get(&key)?.shutdown_offset
    }

    pub fn metadata_offset(&self, key: Key) -> i64 {
        self.by_broker.get(&key).map_or(-1, |session| session.metadata_offset)
    }

    /// The first broker not heard of for a session's time.
    pub fn stale(&self, now_ms: i64) -> Vec<Key> {
        let expired = |session: &Session| now_ms.saturating_sub(session.last_contact_ms) >= self.timeout_ms;
        self.by_broker.iter().filter(|(_, session)| expired(session)).map(|(key, _)| *key).collect()
    }

    pub fn remove(&mut self, key: Key) {
        self.by_broker.remove(&key);
    }
}
