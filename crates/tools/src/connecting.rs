//! What every tool needs to reach a cluster: --bootstrap-server, --command-config, --command-property.

use std::collections::BTreeMap;
use std::future::Future;

use client::{ClientConfig, Cluster, Properties};

use crate::Stop;
use crate::options::Parsed;

/// A properties file, refused as Kafka's tools do where it cannot be read.
pub fn properties_file(path: &str) -> Result<Properties, Stop> {
    let bytes = std::fs::read(path).map_err(|error| {
        let class = match error.kind() {
            std::io::ErrorKind::NotFound => "NoSuchFileException",
            std::io::ErrorKind::PermissionDenied => "AccessDeniedException",
            _ => "FileSystemException",
        };
        Stop::error(format!("java.nio.file.{class}: {path}"))
    })?;
    client::parse_properties(&bytes).map_err(|error| Stop::error(format!("{path}: {error}")))
}

/// Refuses what is no list of `host:port`.
pub fn check_servers(servers: &str) -> Result<(), Stop> {
    let is_server = |server: &str| {
        server
            .trim()
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match servers {
        "" => Err(Stop::usage("Error while validating the bootstrap address\n")),
        _ if servers.split(',').all(is_server) => Ok(()),
        _ => Err(Stop::usage("Please provide valid host:port like host1:9091,host2:9092\n")),
    }
}

/// `key=value` arguments; a key alone has an empty value where `bare` allows it.
pub fn key_values(arguments: &[&str], bare: bool) -> Result<Properties, Stop> {
    let mut found = BTreeMap::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some((key, value)) => drop(found.insert(key.to_owned(), value.to_owned())),
            None if bare => drop(found.insert((*argument).to_owned(), String::new())),
            None => return Err(Stop::usage(format!("Missing value for key {argument}"))),
        }
    }
    Ok(found)
}

/// The properties of --command-config, then those of --command-property, then --bootstrap-server or --bootstrap-controller.
pub fn client_properties(parsed: &Parsed) -> Result<Properties, Stop> {
    let mut properties = match parsed.value("command-config")? {
        Some(path) => properties_file(path)?,
        None => Properties::new(),
    };
    properties.extend(key_values(&parsed.values("command-property"), false)?);
    for (option, key) in
        [("bootstrap-server", "bootstrap.servers"), ("bootstrap-controller", "bootstrap.controllers")]
    {
        if let Some(servers) = parsed.value(option)? {
            properties.insert(key.to_owned(), servers.to_owned());
        }
    }
    Ok(properties)
}

/// The cluster that the command line names; nothing is connected yet.
pub fn cluster(parsed: &Parsed) -> Result<Cluster, Stop> {
    Ok(Cluster::new(ClientConfig::from_properties(&client_properties(parsed)?)?))
}

/// As `ClientConfig::from_properties`, for tools that go on trying: what is tried again is told on stderr.
pub fn patient(properties: &Properties) -> Result<ClientConfig, client::Error> {
    Ok(ClientConfig { warn: crate::java::warn, ..ClientConfig::from_properties(properties)? })
}

/// Runs a tool's asynchronous part on this thread.
pub fn block_on<T>(future: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop::error(error.to_string()))?;
    let outcome = runtime.block_on(future);
    // names that are still being resolved do not hold the process
    runtime.shutdown_background();
    outcome
}
