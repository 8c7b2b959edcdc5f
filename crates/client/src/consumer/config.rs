//! The consumer's properties; names, defaults and limits are those of Kafka's Java client.

use std::time::Duration;

use super::assignor::Assignor;
use crate::Error;
use crate::properties::{Properties, Reading, invalid};

/// Where to begin without a committed offset, and where the offset is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    Earliest,
    Latest,
    /// At the first record that is no older than this.
    By(Duration),
    /// With an error.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    ReadUncommitted = 0,
    ReadCommitted = 1,
}

#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// `group.id`; needed to subscribe and to commit.
    pub group_id: Option<String>,
    /// `group.instance.id`: a member that comes back after a restart.
    pub group_instance_id: Option<String>,
    pub session_timeout: Duration,
    pub heartbeat_interval: Duration,
    /// A member that does not poll for so long leaves its group.
    pub max_poll_interval: Duration,
    pub max_poll_records: usize,
    pub auto_commit: bool,
    pub auto_commit_interval: Duration,
    pub offset_reset: OffsetReset,
    pub isolation_level: IsolationLevel,
    pub fetch_min_bytes: i32,
    pub fetch_max_bytes: i32,
    pub fetch_max_wait: Duration,
    pub max_partition_fetch_bytes: i32,
    pub check_crcs: bool,
    pub allow_auto_create_topics: bool,
    /// Of patterns.
    pub exclude_internal_topics: bool,
    pub assignors: Vec<Assignor>,
    pub client_rack: String,
}

impl Default for ConsumerConfig {
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            group_id: None,
            group_instance_id: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            offset_reset: OffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 << 20,
            fetch_max_wait: Duration::from_millis(500),
            max_partition_fetch_bytes: 1 << 20,
            check_crcs: true,
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
            assignors: vec![Assignor::Range],
            client_rack: String::new(),
        }
    }
}

const ISOLATION: &[(&str, IsolationLevel)] = &[
    ("read_committed", IsolationLevel::ReadCommitted),
    ("read_uncommitted", IsolationLevel::ReadUncommitted),
];

impl ConsumerConfig {
    pub fn from_properties(properties: &Properties) -> Result<ConsumerConfig, Error> {
        let mut config = ConsumerConfig::default();
        let reading = Reading(properties);
        config.group_id = properties.get("group.id").cloned();
        config.group_instance_id = properties.get("group.instance.id").cloned();
        reading.duration("session.timeout.ms", &mut config.session_timeout)?;
        reading.duration("heartbeat.interval.ms", &mut config.heartbeat_interval)?;
        reading.duration("max.poll.interval.ms", &mut config.max_poll_interval)?;
        reading.size("max.poll.records", 1, &mut config.max_poll_records)?;
        // without a group there is nothing to commit to
        config.auto_commit = config.group_id.is_some();
        reading.flag("enable.auto.commit", &mut config.auto_commit)?;
        reading.duration("auto.commit.interval.ms", &mut config.auto_commit_interval)?;
        if let Some(text) = properties.get("auto.offset.reset") {
            config.offset_reset = offset_reset(text)?;
        }
        reading.choice("isolation.level", ISOLATION, &mut config.isolation_level)?;
        reading.number("fetch.min.bytes", 0, &mut config.fetch_min_bytes)?;
        reading.number("fetch.max.bytes", 0, &mut config.fetch_max_bytes)?;
        reading.duration("fetch.max.wait.ms", &mut config.fetch_max_wait)?;
        reading.number("max.partition.fetch.bytes", 0, &mut config.max_partition_fetch_bytes)?;
        reading.flag("check.crcs", &mut config.check_crcs)?;
        reading.flag("allow.auto.create.topics", &mut config.allow_auto_create_topics)?;
        reading.flag("exclude.internal.topics", &mut config.exclude_internal_topics)?;
        if let Some(text) = properties.get("partition.assignment.strategy") {
            config.assignors = assignors(text)?;
        }
        reading.text("client.rack", &mut config.client_rack);
        config.check()?;
        Ok(config)
    }

    /// Whether partitions are kept while the group is joined again: all assignors must be able to do so.
    pub fn is_cooperative(&self) -> bool {
        self.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    fn check(&self) -> Result<(), Error> {
        let refused = |text: &str| Err(Error::Config(text.to_owned()));
        if self.group_id.as_deref() == Some("") {
            return refused("The configured group.id should not be an empty string or whitespace.");
        }
        if self.heartbeat_interval >= self.session_timeout {
            return refused("Heartbeat must be set lower than the session timeout");
        }
        Ok(())
    }
}

fn offset_reset(text: &str) -> Result<OffsetReset, Error> {
    match text.trim().to_lowercase().as_str() {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        other => {
            let duration = other.strip_prefix("by_duration:").and_then(iso_duration);
            let refused = || {
                let why = format!(
                    "Invalid value `{text}` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
                );
                invalid("auto.offset.reset", text, Some(&why))
            };
            duration.map(OffsetReset::By).ok_or_else(refused)
        }
    }
}

/// `P[nD][T[nH][nM][n[.n]S]]`.
pub fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.to_uppercase();
    let (days, times) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, times)) => (days, times),
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && times.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    for (part, units) in
        [(days, &[('D', 86400.0)][..]), (times, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)][..])]
    {
        let mut rest = part;
        for (unit, of_unit) in units {
            if let Some((number, behind)) = rest.split_once(*unit) {
                seconds += number.parse::<f64>().ok().filter(|number| *number >= 0.0)? * of_unit;
                rest = behind;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn assignors(text: &str) -> Result<Vec<Assignor>, Error> {
    let mut found = Vec::new();
    for class in text.split(',').map(str::trim).filter(|class| !class.is_empty()) {
        match class.rsplit('.').next() {
            Some("RangeAssignor") => found.push(Assignor::Range),
            Some("RoundRobinAssignor") => found.push(Assignor::RoundRobin),
            Some("CooperativeStickyAssignor") => found.push(Assignor::CooperativeSticky),
            // beside others it is not missed
            Some("StickyAssignor") => {}
            _ => return Err(Error::Config(format!("{class} ClassNotFoundException exception occurred"))),
        }
    }
    match found.is_empty() {
        true => Err(Error::Config(format!(
            "partition.assignment.strategy {text} is not supported yet: range, round robin and cooperative sticky are"
        ))),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        for (text, seconds) in [
            ("PT1H", Some(3600.0)),
            ("P1DT0.5S", Some(86400.5)),
            ("pt1m30s", Some(90.0)),
            ("P", None),
            ("1H", None),
            ("PT-1S", None),
            ("PT1X", None),
        ] {
            assert_eq!(iso_duration(text).map(|d| d.as_secs_f64()), seconds, "{text}");
        }
    }

    #[test]
    fn properties_are_typed() {
        let read =
            |text: &str| ConsumerConfig::from_properties(&crate::parse_properties(text.as_bytes()).unwrap());
        let config =
            read("group.id=g\nauto.offset.reset=by_duration:PT1S\nisolation.level=read_committed").unwrap();
        assert!(config.auto_commit);
        assert_eq!(config.offset_reset, OffsetReset::By(Duration::from_secs(1)));
        assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
        assert!(!read("").unwrap().auto_commit);
        for text in ["group.id=", "auto.offset.reset=never", "session.timeout.ms=3000", "check.crcs=perhaps"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
