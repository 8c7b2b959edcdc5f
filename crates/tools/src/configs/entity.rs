//! What configs belong to: a kind and a name, given as --entity-type and --entity-name or by the shorter options.

use crate::Stop;
use crate::options::Parsed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Topics,
    Clients,
    Users,
    Brokers,
    Ips,
    ClientMetrics,
    Groups,
    BrokerLoggers,
}

/// In the order of Kafka's message.
const KINDS: [(Kind, &str); 8] = [
    (Kind::Topics, "topics"),
    (Kind::Clients, "clients"),
    (Kind::Users, "users"),
    (Kind::Brokers, "brokers"),
    (Kind::Ips, "ips"),
    (Kind::ClientMetrics, "client-metrics"),
    (Kind::Groups, "groups"),
    (Kind::BrokerLoggers, "broker-loggers"),
];

impl Kind {
    pub fn plural(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub fn singular(self) -> &'static str {
        self.plural().strip_suffix('s').unwrap_or_default()
    }

    /// Of the resource that the protocol knows; quotas have none.
    pub fn resource_type(self) -> Option<i8> {
        match self {
            Kind::Topics => Some(2),
            Kind::Brokers => Some(4),
            Kind::BrokerLoggers => Some(8),
            Kind::ClientMetrics => Some(16),
            Kind::Groups => Some(32),
            Kind::Clients | Kind::Users | Kind::Ips => None,
        }
    }
}

/// The name is None for all of the kind, empty for the default.
#[derive(Clone, Debug)]
pub struct Entity {
    pub kind: Kind,
    pub name: Option<String>,
}

const SHORT: [(&str, Kind); 8] = [
    ("topic", Kind::Topics),
    ("client", Kind::Clients),
    ("user", Kind::Users),
    ("broker", Kind::Brokers),
    ("ip", Kind::Ips),
    ("client-metrics", Kind::ClientMetrics),
    ("group", Kind::Groups),
    ("broker-logger", Kind::BrokerLoggers),
];

const DEFAULTS: [(&str, Kind); 4] = [
    ("client-defaults", Kind::Clients),
    ("user-defaults", Kind::Users),
    ("broker-defaults", Kind::Brokers),
    ("ip-defaults", Kind::Ips),
];

/// The first is the one that is spoken of.
pub fn read(parsed: &Parsed) -> Result<Vec<Entity>, Stop> {
    let mut entities = long(parsed)?;
    for (option, kind) in SHORT {
        let names = parsed.values(option);
        entities.extend(names.first().map(|name| Entity { kind, name: Some((*name).to_owned()) }));
    }
    for (option, kind) in DEFAULTS {
        entities.extend(parsed.has(option).then(|| Entity { kind, name: Some(String::new()) }));
    }
    check(parsed, &entities)?;
    super::options::check_servers(parsed)?;
    check_names(parsed, &entities)?;
    Ok(entities)
}

fn long(parsed: &Parsed) -> Result<Vec<Entity>, Stop> {
    let mut names = parsed.values("entity-name").into_iter().map(String::from);
    let mut default = parsed.has("entity-default");
    let mut entities = Vec::new();
    for kind in parsed.values("entity-type") {
        let Some((kind, _)) = KINDS.iter().find(|(_, name)| *name == kind) else {
            let known = KINDS.map(|(_, name)| name).join(", ");
            return Err(Stop::error(format!(
                "Invalid entity type {kind}, the entity type must be one of {known} with a --bootstrap-server or \
                 --bootstrap-controller argument"
            )));
        };
        let name = names.next().or_else(|| std::mem::take(&mut default).then(String::new));
        entities.push(Entity { kind: *kind, name });
    }
    Ok(entities)
}

fn check(parsed: &Parsed, entities: &[Entity]) -> Result<(), Stop> {
    for (index, entity) in entities.iter().enumerate() {
        if entities.iter().take(index).any(|before| before.kind == entity.kind) {
            return Err(Stop::error(format!("Duplicate entity type(s) specified: {}", entity.kind.plural())));
        }
    }
    let together = |entity: &Entity| matches!(entity.kind, Kind::Users | Kind::Clients);
    match entities {
        [] if parsed.has("bootstrap-server") || parsed.has("bootstrap-controller") => {
            Err(Stop::error("At least one entity type must be specified"))
        }
        [_, _, ..] if !entities.iter().all(together) => {
            Err(Stop::error("Only 'users' and 'clients' entity types may be specified together"))
        }
        _ => Ok(()),
    }
}

fn check_names(parsed: &Parsed, entities: &[Entity]) -> Result<(), Stop> {
    for Entity { kind, name } in entities {
        let named = name.as_deref().filter(|name| !name.is_empty());
        match (kind, named) {
            (Kind::Brokers | Kind::BrokerLoggers, Some(id)) if id.parse::<i32>().is_err() => {
                return Err(Stop::error(format!(
                    "The entity name for {} must be a valid integer broker id, but it is: {id}",
                    kind.plural()
                )));
            }
            (Kind::Ips, Some(address)) if !is_address(address) => {
                return Err(Stop::error(format!(
                    "The entity name for ips must be a valid IP or resolvable host, but it is: {address}"
                )));
            }
            (Kind::BrokerLoggers, None) if parsed.has("describe") => {
                return Err(Stop::error(
                    "An entity name must be specified with --describe of broker-loggers",
                ));
            }
            _ => {}
        }
        if !parsed.has("alter") {
            continue;
        }
        let needs_name =
            matches!(kind, Kind::Topics | Kind::BrokerLoggers | Kind::ClientMetrics | Kind::Groups);
        if name.is_none() || (needs_name && named.is_none()) {
            let text = format!("An entity name must be specified with --alter of {}", kind.plural());
            return Err(Stop::error(text));
        }
        let changes = ["add-config", "add-config-file", "delete-config"];
        if changes.iter().all(|change| !parsed.has(change)) {
            let text = "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter";
            return Err(Stop::error(text));
        }
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    use std::net::ToSocketAddrs;
    text.parse::<std::net::IpAddr>().is_ok() || (text, 0).to_socket_addrs().is_ok()
}
