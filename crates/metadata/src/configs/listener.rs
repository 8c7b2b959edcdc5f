//! Addresses as configs write them: `NAME://host:port`, `host:port`, `id@host:port`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::error::ConfigError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub enum SecurityProtocol {
    Plaintext = 0,
    Ssl = 1,
    SaslPlaintext = 2,
    SaslSsl = 3,
}

impl SecurityProtocol {
    pub fn parse(text: &str) -> Option<SecurityProtocol> {
        Some(match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => SecurityProtocol::Plaintext,
            "SSL" => SecurityProtocol::Ssl,
            "SASL_PLAINTEXT" => SecurityProtocol::SaslPlaintext,
            "SASL_SSL" => SecurityProtocol::SaslSsl,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// The protocol of a wire id, as registrations carry it.
    pub fn from_id(id: i16) -> Option<SecurityProtocol> {
        use SecurityProtocol::*;
        [Plaintext, Ssl, SaslPlaintext, SaslSsl].into_iter().find(|protocol| *protocol as i16 == id)
    }
}

/// One address. An empty host means every interface, or this host where it is told to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Upper case.
    pub name: String,
    pub protocol: SecurityProtocol,
    pub host: String,
    pub port: u16,
}

/// One entry of `controller.quorum.voters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

/// Which protocol each listener name speaks.
pub type ListenerSecurity = BTreeMap<String, SecurityProtocol>;

/// `host:port`; an IPv6 host stands in brackets.
pub(crate) fn parse_host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

pub(crate) fn parse_voter(text: &str) -> Option<Voter> {
    let (id, address) = text.split_once('@')?;
    let (host, port) = parse_host_port(address)?;
    let id: i32 = id.parse().ok()?;
    (id >= 0).then_some(Voter { id, host, port })
}

/// `NAME:PROTOCOL,…`
pub(crate) fn parse_security_map(text: &str) -> Result<ListenerSecurity, ConfigError> {
    const NAME: &str = "listener.security.protocol.map";
    let mut map = ListenerSecurity::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some((listener, protocol)) = entry.rsplit_once(':') else {
            let message =
                format!("Error parsing configuration property '{NAME}': {entry} is not NAME:PROTOCOL");
            return Err(ConfigError::about(NAME, message));
        };
        let Some(protocol) = SecurityProtocol::parse(protocol.trim()) else {
            let message = format!("Invalid security protocol `{}` defined in {NAME}", protocol.trim());
            return Err(ConfigError::about(NAME, message));
        };
        map.insert(listener.trim().to_ascii_uppercase(), protocol);
    }
    Ok(map)
}

/// All of `listeners` or `advertised.listeners` (`key`), with the rules for names and ports. Advertised ones may
/// share a port.
pub(crate) fn parse_listeners(
    key: &str,
    items: &[String],
    security: &ListenerSecurity,
) -> Result<Vec<Listener>, ConfigError> {
    let listed = items.join(", ");
    let refuse = |why: String| {
        ConfigError::about(key, format!("Error creating broker listeners from '[{listed}]': {why}"))
    };
    let mut listeners: Vec<Listener> = Vec::with_capacity(items.len());
    for item in items {
        let (name, host, port) = split_listener(item)
            .ok_or_else(|| refuse(format!("Unable to parse {item} to a broker endpoint")))?;
        let protocol = *security
            .get(&name)
            .ok_or_else(|| refuse(format!("No security protocol defined for listener {name}")))?;
        listeners.push(Listener { name, protocol, host, port });
    }
    for (i, one) in listeners.iter().enumerate() {
        for other in listeners.iter().skip(i + 1) {
            if one.name == other.name {
                return Err(refuse(format!(
                    "Each listener must have a different name, listeners: [{listed}]"
                )));
            }
            if key == "listeners" && one.port == other.port && one.port != 0 && !are_both_versions(one, other)
            {
                return Err(refuse(format!(
                    "Each listener must have a different port, listeners: [{listed}]"
                )));
            }
        }
    }
    Ok(listeners)
}

fn split_listener(item: &str) -> Option<(String, String, u16)> {
    let (name, address) = item.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if name.is_empty() {
        return None;
    }
    Some((name.to_ascii_uppercase(), host.to_owned(), port.parse().ok()?))
}

/// One port may be shared by an IPv4 and an IPv6 address.
fn are_both_versions(one: &Listener, other: &Listener) -> bool {
    match (one.host.parse::<IpAddr>(), other.host.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one.is_ipv4() != other.is_ipv4(),
        _ => false,
    }
}
