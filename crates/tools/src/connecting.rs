//! What every tool needs to reach a cluster: --bootstrap-server, --command-config, --command-property.

use std::collections::BTreeMap;
use std::future::Future;

use client::{ClientConfig, Cluster, Properties};

use crate::Stop;
use crate::options::Parsed;

/// A properties file, refused with the path where it cannot be read.
pub fn properties_file(path: &str) -> Result<Properties, Stop> {
    let bytes = std::fs::read(path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
            _ => error.to_string(),
        };
        Stop::error(format!("{path} ({reason})"))
    })?;
    client::parse_properties(&bytes).map_err(|error| Stop::error(format!("{path}: {error}")))
}

/// `key=value` arguments; a key alone has an empty value where `bare` allows it.
pub fn key_values(arguments: &[&str], bare: bool) -> Result<Properties, Stop> {
    let mut found = BTreeMap::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some((key, value)) => drop(found.insert(key.to_owned(), value.to_owned())),
            None if bare && !argument.is_empty() => drop(found.insert((*argument).to_owned(), String::new())),
            None => return Err(Stop::usage(format!("Missing value for key {argument}"))),
        }
    }
    Ok(found)
}

/// The properties of --command-config, then those of --command-property, then --bootstrap-server.
pub fn client_properties(parsed: &Parsed) -> Result<Properties, Stop> {
    let mut properties = match parsed.value("command-config")? {
        Some(path) => properties_file(path)?,
        None => Properties::new(),
    };
    properties.extend(key_values(&parsed.values("command-property"), false)?);
    if let Some(servers) = parsed.value("bootstrap-server")? {
        properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }
    Ok(properties)
}

/// The cluster that the command line names; nothing is connected yet.
pub fn cluster(parsed: &Parsed) -> Result<Cluster, Stop> {
    Ok(Cluster::new(ClientConfig::from_properties(&client_properties(parsed)?)?))
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
