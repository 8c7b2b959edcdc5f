//! What a config may be, in one phrase for people whose value was refused.

use super::definition::{Check, Definition, Kind};

impl Definition {
    /// Such as `an integer of at least 1` or `one of none, requested, required`.
    pub fn allowed(&self) -> String {
        let kind = match self.kind {
            Kind::Boolean => "true or false",
            Kind::String => "text",
            Kind::Int => "an integer of 32 bits",
            Kind::Short => "an integer of 16 bits",
            Kind::Long => "an integer of 64 bits",
            Kind::Double => "a number",
            Kind::List => "a list separated by commas",
            Kind::Class => "the name of a class",
            Kind::Password => "a secret",
        };
        match self.check {
            Check::Any => kind.to_owned(),
            Check::AtLeast(least) => format!("an integer of at least {least}"),
            Check::Between(least, most) => format!("an integer from {least} to {most}"),
            Check::BetweenDoubles(least, most) => format!("a number from {least} to {most}"),
            Check::OneOf(allowed) => format!("one of {}", allowed.join(", ")),
            Check::OneOfIgnoringCase(allowed) => {
                format!("one of {} (upper or lower case)", allowed.join(", "))
            }
            Check::Items(allowed, empty) => {
                let of =
                    if allowed.is_empty() { String::new() } else { format!(" of {}", allowed.join(", ")) };
                format!("{kind}{of}, {}", if empty { "perhaps empty" } else { "not empty" })
            }
            Check::NonEmpty => "text that is not empty".to_owned(),
            Check::GzipLevel => "an integer from 1 to 9, or -1".to_owned(),
            Check::ThrottledReplicas => "* or partition:broker pairs separated by commas".to_owned(),
            Check::QuorumVoters => "id@host:port entries separated by commas".to_owned(),
            Check::BootstrapServers => "host:port entries separated by commas".to_owned(),
            Check::AutoOffsetReset => {
                "latest, earliest, or by_duration: with an ISO 8601 duration".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::configs::registry::{Scope, lookup};

    #[test]
    fn phrases() {
        for (name, phrase) in [
            ("num.io.threads", "an integer of at least 1"),
            ("log.cleanup.policy", "a list separated by commas of compact, delete, perhaps empty"),
            ("auto.create.topics.enable", "true or false"),
            ("controller.quorum.voters", "id@host:port entries separated by commas"),
        ] {
            assert_eq!(lookup(Scope::Broker, name).unwrap().allowed(), phrase);
        }
    }
}
