//! `add-controller`: makes the controller of a properties file a voter. Its directory's id is in its `meta.properties`.

use std::path::Path;

use client::{ClientConfig, Cluster, Error, Properties};
use protocol::Str;
use protocol::messages::AddRaftVoterRequest;
use protocol::messages::add_raft_voter_request::Listener;
use types::Uuid;

use crate::Stop;
use crate::admin::java_text;
use crate::argparse::Arguments;
use crate::connecting::{block_on, properties_file};
use crate::output::say;

const VALID: &str = "Is this a valid controller configuration file?";
const TIMEOUT_MS: i32 = 60_000;

pub fn run(arguments: &Arguments) -> Result<(), Stop> {
    arguments.exclusive(&["--bootstrap-server", "--bootstrap-controller"], true)?;
    let Some(path) = arguments.value("--command-config") else {
        let text = "You must supply the configuration file of the controller you are adding when using add-controller.";
        return Err(Stop::error(text));
    };
    if !Path::new(path).exists() {
        return Err(Stop::error(format!("Properties file {path} does not exists!")));
    }
    let properties = properties_file(path)?;
    let controller = Controller::read(&properties).map_err(Stop::Error)?;
    let text = controller.text();
    if arguments.has("--dry-run") {
        say!("DRY RUN of adding {text}");
        return Ok(());
    }
    let cluster = cluster(arguments)?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "addRaftVoter").await?;
        let response = admin.call(&controller.request()).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| Stop::error(java_text(&error)))?;
        say!("Added {text}");
        Ok(())
    })
}

/// Only where to ask is taken from the command line: the file is a controller's, not a client's.
fn cluster(arguments: &Arguments) -> Result<Cluster, Stop> {
    let mut properties = Properties::new();
    for (argument, key) in
        [("--bootstrap-server", "bootstrap.servers"), ("--bootstrap-controller", "bootstrap.controllers")]
    {
        if let Some(servers) = arguments.value(argument) {
            properties.insert(key.to_owned(), servers.to_owned());
        }
    }
    Ok(Cluster::new(ClientConfig::from_properties(&properties)?))
}

/// What a node's files say of its controller.
#[derive(Debug, PartialEq)]
struct Controller {
    id: i32,
    directory: Uuid,
    /// Name, host and port.
    listeners: Vec<(String, String, u16)>,
}

impl Controller {
    fn read(properties: &Properties) -> Result<Controller, String> {
        let id = id(properties)?;
        let directory = directory_id(&metadata_directory(properties)?)?;
        Ok(Controller { id, directory, listeners: listeners(properties)? })
    }

    fn text(&self) -> String {
        let endpoint = |(name, host, port): &(String, String, u16)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("{name}://{host}:{port}")
        };
        let endpoints: Vec<String> = self.listeners.iter().map(endpoint).collect();
        format!(
            "controller {} with directory id {} and endpoints: {}",
            self.id,
            self.directory,
            endpoints.join(", ")
        )
    }

    fn request(&self) -> AddRaftVoterRequest {
        let listener = |(name, host, port): &(String, String, u16)| Listener {
            name: Str::from(name.as_str()),
            host: Str::from(host.as_str()),
            port: *port,
        };
        AddRaftVoterRequest {
            // none is any; an empty one is another cluster's
            cluster_id: None,
            timeout_ms: TIMEOUT_MS,
            voter_id: self.id,
            voter_directory_id: self.directory,
            listeners: self.listeners.iter().map(listener).collect(),
            ..AddRaftVoterRequest::default()
        }
    }
}

fn id(properties: &Properties) -> Result<i32, String> {
    let text = properties.get("node.id");
    let text = text.ok_or_else(|| format!("node.id not found in configuration file. {VALID}"))?;
    let id: i32 = text.trim().parse().map_err(|_| format!("For input string: \"{text}\""))?;
    if id < 0 {
        return Err(format!("node.id was negative in configuration file. {VALID}"));
    }
    let roles = properties.get("process.roles").map_or("", String::as_str);
    match roles.split(',').any(|role| role.trim() == "controller") {
        true => Ok(id),
        false => Err(format!("process.roles did not contain 'controller' in configuration file. {VALID}")),
    }
}

fn metadata_directory(properties: &Properties) -> Result<String, String> {
    if let Some(directory) = properties.get("metadata.log.dir") {
        return Ok(directory.clone());
    }
    let first = properties.get("log.dirs").and_then(|all| all.split(',').next()).map(str::trim);
    first
        .filter(|directory| !directory.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| format!("Neither metadata.log.dir nor log.dirs were found. {VALID}"))
}

fn directory_id(directory: &str) -> Result<Uuid, String> {
    let unreadable = || format!("Unable to read meta.properties from {directory}");
    let bytes = std::fs::read(Path::new(directory).join("meta.properties")).map_err(|_| unreadable())?;
    let found = client::parse_properties(&bytes).map_err(|_| unreadable())?;
    let id = found.get("directory.id").ok_or_else(|| format!("No directory id found in {directory}"))?;
    crate::uuid::parse(id)
}

/// The advertised address of each controller listener, else the one it listens at.
fn listeners(properties: &Properties) -> Result<Vec<(String, String, u16)>, String> {
    let names = properties.get("controller.listener.names");
    let names = names.ok_or_else(|| format!("controller.listener.names was not found. {VALID}"))?;
    let lists =
        ["advertised.listeners", "listeners"].map(|key| properties.get(key).map_or("", String::as_str));
    let find = |name: &str| {
        let all = lists.iter().flat_map(|list| list.split(',')).map(str::trim);
        let mut named = all.filter_map(|one| one.split_once("://")).filter(|(of, _)| *of == name);
        let (_, address) = named.next()?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { "localhost" } else { host };
        Some((name.to_owned(), host.to_owned(), port.parse().ok()?))
    };
    let listener = |name: &str| {
        find(name).ok_or_else(|| format!("Cannot find information about controller listener name: {name}"))
    };
    names.split(',').map(str::trim).map(listener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(text: &str) -> Properties {
        client::parse_properties(text.replace(' ', "\n").as_bytes()).unwrap()
    }

    #[test]
    fn files_that_are_no_controllers_are_refused() {
        for (text, words) in [
            ("a=b", format!("node.id not found in configuration file. {VALID}")),
            ("node.id=-1", format!("node.id was negative in configuration file. {VALID}")),
            (
                "node.id=1 process.roles=broker",
                format!("process.roles did not contain 'controller' in configuration file. {VALID}"),
            ),
            (
                "node.id=1 process.roles=broker,controller",
                format!("Neither metadata.log.dir nor log.dirs were found. {VALID}"),
            ),
            (
                "node.id=1 process.roles=controller log.dirs=/nowhere,/b",
                "Unable to read meta.properties from /nowhere".to_owned(),
            ),
        ] {
            assert_eq!(Controller::read(&properties(text)), Err(words), "{text}");
        }
    }

    #[test]
    fn listeners_are_those_advertised() {
        let found = |text: &str| listeners(&properties(text));
        let one = |host: &str, port| Ok(vec![("C".to_owned(), host.to_owned(), port)]);
        for (text, expected) in [
            ("controller.listener.names=C listeners=P://:1,C://:2", one("localhost", 2)),
            (
                "controller.listener.names=C listeners=P://:1,C://:2 advertised.listeners=C://[::1]:3",
                one("::1", 3),
            ),
            (
                "controller.listener.names=C listeners=P://:1",
                Err("Cannot find information about controller listener name: C".to_owned()),
            ),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        let controller = Controller {
            id: 4,
            directory: Uuid::default(),
            listeners: found("controller.listener.names=C listeners=C://h:2").unwrap(),
        };
        let text = "controller 4 with directory id AAAAAAAAAAAAAAAAAAAAAA and endpoints: C://h:2";
        assert_eq!(controller.text(), text);
        assert_eq!(controller.request().cluster_id, None);
    }
}
