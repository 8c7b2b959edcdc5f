//! Facts about APIs that do not depend on one: version ranges, listeners.

use std::fmt;

use crate::ApiKey;

/// An inclusive range of versions; empty where `max < min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub min: i16,
    pub max: i16,
}

impl Versions {
    pub const fn new(min: i16, max: i16) -> Versions {
        Versions { min, max }
    }

    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// The highest version that both sides know.
    pub fn highest_common(self, other: Versions) -> Option<i16> {
        let version = self.max.min(other.max);
        (version >= self.min && version >= other.min).then_some(version)
    }

    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}-{}", self.min, self.max) }
    }
}

/// What kind of node a listener belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    Broker,
    Controller,
}

/// The listeners on which an API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerSet {
    pub broker: bool,
    pub controller: bool,
}

impl ListenerSet {
    pub const fn contains(self, listener: Listener) -> bool {
        match listener {
            Listener::Broker => self.broker,
            Listener::Controller => self.controller,
        }
    }
}

impl ApiKey {
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// As Kafka's tools print it.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// All versions that can be read and written, those not released for general use included.
    pub const fn versions(self) -> Versions {
        self.row().versions
    }

    /// Versions for general use in the newest release known here (4.4).
    pub const fn stable_versions(self) -> Versions {
        self.row().stable
    }

    /// Versions for general use in the release before (4.3); empty for an API that is newer.
    pub const fn versions_before(self) -> Versions {
        self.row().before
    }

    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.row().flexible_from
    }

    /// The form of the request header; that of a version that is not known yet is the newest's.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Always 0 for ApiVersions: a client cannot know the form before it has the answer (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) && !matches!(self, ApiKey::ApiVersions) { 1 } else { 0 }
    }

    pub const fn listeners(self) -> ListenerSet {
        self.row().listeners
    }

    /// Whether a broker passes the request on to the controller, in an Envelope.
    pub const fn is_forwarded(self) -> bool {
        self.row().forwarded
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
