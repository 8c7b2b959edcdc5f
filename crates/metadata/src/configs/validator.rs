//! What is allowed beyond the type, with Kafka's words for what is not.

use super::definition::{Check, Definition};
use super::error::ConfigError;
use super::java;
use super::listener::{parse_host_port, parse_voter};
use super::value::Value;

impl Definition {
    pub(crate) fn validate(&self, value: &Value) -> Result<(), ConfigError> {
        let refuse = |why: String| Err(ConfigError::invalid(self.name, value.text(), why));
        match (self.check, value) {
            (Check::AtLeast(least), value) => self.in_range(value, least, None),
            (Check::Between(least, most), value) => self.in_range(value, least, Some(most)),
            (Check::BetweenDoubles(least, most), Value::Double(number)) => {
                if java::parse_double(least).is_some_and(|bound| *number < bound) {
                    refuse(format!("Value must be at least {least}"))
                } else if java::parse_double(most).is_some_and(|bound| *number > bound) {
                    refuse(format!("Value must be no more than {most}"))
                } else {
                    Ok(())
                }
            }
            (Check::OneOf(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
                refuse(format!("String must be one of: {}", allowed.join(", ")))
            }
            (Check::OneOfIgnoringCase(allowed), Value::String(text))
                if !allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) =>
            {
                refuse(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
            }
            (Check::Items(allowed, empty), Value::List(items)) => self.items_allowed(items, allowed, empty),
            (Check::NonEmpty, Value::String(text)) if text.is_empty() => {
                refuse("String must be non-empty".to_owned())
            }
            (Check::GzipLevel, Value::Int(level)) if *level != -1 && !(1..=9).contains(level) => {
                refuse("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            (Check::ThrottledReplicas, Value::List(items)) => self.throttled_replicas_allowed(items),
            (Check::QuorumVoters, Value::List(items)) => items.iter().try_for_each(|item| {
                parse_voter(item).map(drop).ok_or_else(|| {
                    let name = self.name;
                    let form = "Each entry should be in the form `{id}@{host}:{port}`.";
                    ConfigError::about(name, format!("Invalid configuration value for {name}. {form}"))
                })
            }),
            (Check::BootstrapServers, Value::List(items)) => items.iter().try_for_each(|item| {
                parse_host_port(item).map(drop).ok_or_else(|| {
                    let name = self.name;
                    let form = "Each entry should be in the form \"{host}:{port}\"";
                    let what = format!("Failed to parse host name from {item} for the configuration {name}");
                    ConfigError::about(name, format!("{what}. {form}"))
                })
            }),
            (Check::AutoOffsetReset, Value::String(text)) if !is_auto_offset_reset(text) => {
                let name = self.name;
                let allowed = "The value must be either 'earliest', 'latest' or of the format \
                               'by_duration:<PnDTnHnMn.nS>'.";
                refuse(format!("Invalid value `{text}` for configuration {name}. {allowed}"))
            }
            _ => Ok(()),
        }
    }

    fn in_range(&self, value: &Value, least: i64, most: Option<i64>) -> Result<(), ConfigError> {
        let Some(number) = value.as_i64() else { return Ok(()) };
        if number < least {
            return Err(ConfigError::invalid(self.name, number, format!("Value must be at least {least}")));
        }
        match most {
            Some(most) if number > most => {
                Err(ConfigError::invalid(self.name, number, format!("Value must be no more than {most}")))
            }
            _ => Ok(()),
        }
    }

    /// KIP-1161: no item is empty, and an empty list only where that means something.
    fn items_allowed(&self, items: &[String], allowed: &[&str], empty: bool) -> Result<(), ConfigError> {
        let about = |what: String| {
            Err(ConfigError::about(self.name, format!("Configuration '{}' {what}", self.name)))
        };
        if items.is_empty() && !empty {
            let valid =
                if allowed.is_empty() { "any non-empty value".to_owned() } else { bracketed(allowed) };
            return about(format!("must not be empty. Valid values include: {valid}"));
        }
        for item in items {
            if item.is_empty() {
                return about("values must not be empty.".to_owned());
            }
            if !allowed.is_empty() && !allowed.contains(&item.as_str()) {
                let why = format!("String must be one of: {}", allowed.join(", "));
                return Err(ConfigError::invalid(self.name, item, why));
            }
        }
        Ok(())
    }

    fn throttled_replicas_allowed(&self, items: &[String]) -> Result<(), ConfigError> {
        let everything = matches!(items, [one] if one == "*");
        if everything || items.iter().all(|item| is_replica_pair(item)) {
            return Ok(());
        }
        let why = format!(
            "{} must be the literal '*' or a list of replicas in the following format: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            self.name
        );
        Err(ConfigError::invalid(self.name, bracketed(items), why))
    }
}

fn bracketed<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(", "))
}

fn is_replica_pair(item: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    item.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
}

fn is_auto_offset_reset(text: &str) -> bool {
    matches!(text, "latest" | "earliest")
        || text.strip_prefix("by_duration:").is_some_and(|duration| parse_duration_ms(duration).is_some())
}

/// An ISO 8601 duration of days, hours, minutes and seconds, as milliseconds; negative ones are refused.
pub(crate) fn parse_duration_ms(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let body = upper.strip_prefix('P')?;
    let (days, time) = match body.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (body, ""),
    };
    let mut total = 0f64;
    if !days.is_empty() {
        total += f64::from(u32::try_from(java::parse_integer(days.strip_suffix('D')?)?).ok()?) * 86_400_000.0;
    } else if time.is_empty() {
        return None;
    }
    let mut rest = time;
    for (unit, scale) in [('H', 3_600_000.0), ('M', 60_000.0), ('S', 1000.0)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let number = if unit == 'S' {
                java::parse_double(number)?
            } else {
                f64::from(u32::try_from(java::parse_integer(number)?).ok()?)
            };
            if number.is_nan() || number < 0.0 {
                return None;
            }
            total += number * scale;
            rest = after;
        }
    }
    (rest.is_empty() && total < i64::MAX as f64).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::registry::{Scope, lookup};

    /// What Kafka 4.3.1's own ConfigDef says to each (scope, name, value): `ok` and the text, or its error.
    #[test]
    fn values_are_judged_as_by_kafka() {
        let mut rows = 0;
        for line in
            include_str!("../../testdata/config-values.tsv").lines().filter(|line| !line.starts_with('#'))
        {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or("");
            let (scope, name, value, verdict, text) = (next(), next(), next(), next(), next());
            let scope = match scope {
                "TOPIC" => Scope::Topic,
                "GROUP" => Scope::Group,
                "CLIENT_METRICS" => Scope::ClientMetrics,
                _ => Scope::Broker,
            };
            let definition = lookup(scope, name).unwrap_or_else(|| panic!("{name} is not defined"));
            match (definition.parse(value), verdict) {
                (Ok(parsed), "ok") => assert_eq!(parsed.text(), text, "{line}"),
                (Err(error), "error") => assert_eq!(error.message, text, "{line}"),
                (outcome, _) => panic!("{line}: {outcome:?}"),
            }
            rows += 1;
        }
        assert!(rows > 2000, "{rows}");
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("PT1H", Some(3_600_000)),
            ("P1DT2H3M4.5S", Some(93_784_500)),
            ("P7D", Some(604_800_000)),
            ("PT", None),
            ("P", None),
            ("1H", None),
            ("PT-1S", None),
        ] {
            assert_eq!(parse_duration_ms(text), expected, "{text}");
        }
    }
}
