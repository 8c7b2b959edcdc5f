//! Finding a definition by scope and name.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::definition::Definition;
use super::tables;

/// Whose configs: the wire's resource types, without loggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum Scope {
    Topic = 2,
    Broker = 4,
    ClientMetrics = 16,
    Group = 32,
}

impl Scope {
    pub fn from_wire(resource_type: i8) -> Option<Scope> {
        match resource_type {
            2 => Some(Scope::Topic),
            4 => Some(Scope::Broker),
            16 => Some(Scope::ClientMetrics),
            32 => Some(Scope::Group),
            _ => None,
        }
    }
}

type Table = BTreeMap<&'static str, &'static Definition>;

fn table(scope: Scope) -> &'static Table {
    static TABLES: [OnceLock<Table>; 4] = [const { OnceLock::new() }; 4];
    let (slot, parts) = match scope {
        Scope::Topic => (0, tables::TOPIC),
        Scope::Broker => (1, tables::BROKER),
        Scope::ClientMetrics => (2, tables::CLIENT_METRICS),
        Scope::Group => (3, tables::GROUP),
    };
    TABLES[slot].get_or_init(|| {
        let rows = parts.iter().flat_map(|part| part.iter());
        let quotas = tables::DYNAMIC_ONLY.iter().filter(|_| scope == Scope::Broker);
        rows.chain(quotas).map(|row| (row.name, row)).collect()
    })
}

/// The definition of `name`, if `scope` has one.
pub fn lookup(scope: Scope, name: &str) -> Option<&'static Definition> {
    table(scope).get(name).copied()
}

/// All definitions of `scope`, by name.
pub fn all(scope: Scope) -> impl Iterator<Item = &'static Definition> {
    table(scope).values().copied()
}

/// Whether the config exists only at run time, so that it is shown only once set.
pub fn is_dynamic_only(name: &str) -> bool {
    tables::DYNAMIC_ONLY.iter().any(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_parse() {
        for (scope, count) in
            [(Scope::Topic, 34), (Scope::Group, 17), (Scope::ClientMetrics, 3), (Scope::Broker, 360 + 4 + 5)]
        {
            assert_eq!(all(scope).count(), count, "{scope:?}");
            for row in all(scope) {
                if let Some(text) = row.default_text() {
                    assert!(row.parse(text).is_ok(), "{}: {text}", row.name);
                }
            }
        }
    }

    #[test]
    fn topic_configs_are_documented() {
        for row in all(Scope::Topic).filter(|row| !row.internal) {
            assert!(!row.doc.is_empty(), "{}", row.name);
        }
    }
}
