//! kafka-broker-api-versions: the versions of each API that each broker serves.

use std::process::ExitCode;

use protocol::messages::DescribeClusterRequest;
use protocol::messages::api_versions_response::ApiVersion;
use protocol::{ApiKey, Listener, Versions};
use types::NodeId;

use crate::Stop;
use crate::connecting::block_on;
use crate::options::{CommandLine, Opt, Parsed, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "broker-api-versions",
    about: "This tool helps to retrieve broker version information.",
    options: OPTIONS,
    examples: &["--bootstrap-server localhost:9092"],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    parsed.needed("bootstrap-server")?;
    block_on(async {
        let admin = crate::admin::reach(parsed, "fetchMetadata").await?;
        let mut brokers = admin.metadata(Some(&[])).await?.brokers;
        brokers.sort_by_key(|broker| broker.node_id);
        let request =
            DescribeClusterRequest { include_fenced_brokers: true, endpoint_type: 1, ..Default::default() };
        let fenced = admin.call(&request).await.map(|response| response.brokers).unwrap_or_default();
        for broker in brokers {
            let connection = admin.cluster.node(NodeId(broker.node_id)).await?;
            let is_fenced = fenced.iter().any(|one| one.broker_id == broker.node_id && one.is_fenced);
            say!(
                "{}:{} (id: {} rack: {} isFenced: {is_fenced}) -> (",
                broker.host,
                broker.port,
                broker.node_id,
                broker.rack.as_deref().unwrap_or("null")
            );
            say!("{}\n)", rows(&connection.versions().api_keys).join(",\n"));
        }
        Ok(())
    })
}

/// All APIs of a broker's listener that either side knows, by key.
fn rows(theirs: &[ApiVersion]) -> Vec<String> {
    let mut rows: Vec<(i16, String)> = Vec::new();
    for row in theirs {
        rows.push((row.api_key, line(row)));
    }
    for code in 0..=ApiKey::UnregisterController.code() {
        let Ok(key) = ApiKey::try_from(code) else { continue };
        let ours = key.listeners().contains(Listener::Broker) && !is_empty(key.versions_before());
        if ours && theirs.iter().all(|row| row.api_key != code) {
            rows.push((code, format!("\t{}({code}): UNSUPPORTED", key.name())));
        }
    }
    rows.sort();
    rows.into_iter().map(|(_, line)| line).collect()
}

fn is_empty(versions: Versions) -> bool {
    versions.max < versions.min
}

fn line(row: &ApiVersion) -> String {
    let (code, min, max) = (row.api_key, row.min_version, row.max_version);
    let range = if min == max { min.to_string() } else { format!("{min} to {max}") };
    let Ok(key) = ApiKey::try_from(code) else { return format!("\tUNKNOWN({code}): {range}") };
    let usable = key.versions().highest_common(Versions::new(min, max));
    let usable = usable.map_or_else(|| "unusable".to_owned(), |version| format!("usable: {version}"));
    format!("\t{}({code}): {range} [{usable}]", key.name())
}
