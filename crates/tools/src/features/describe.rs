//! `describe`: the levels that a node supports and those that are in force.

use protocol::Str;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::level;
use crate::Stop;
use crate::argparse::Arguments;
use crate::connecting::block_on;
use crate::output::say;
use crate::subcommands;

pub fn run(arguments: &Arguments) -> Result<(), Stop> {
    super::check_servers(arguments)?;
    let node = arguments.integer("--node-id")?;
    let cluster = subcommands::cluster(arguments)?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeFeatures").await?;
        let versions = match node {
            Some(node) => {
                let request = ApiVersionsRequest {
                    client_software_name: Str::from_static("barnabas"),
                    client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
                    ..ApiVersionsRequest::default()
                };
                admin.call_node(node, &request).await?
            }
            None => admin.cluster.versions().await?,
        };
        show(versions);
        Ok(())
    })
}

fn show(versions: ApiVersionsResponse) {
    let mut supported = versions.supported_features;
    supported.sort_by(|a, b| a.name.cmp(&b.name));
    for feature in supported {
        let finalized = versions.finalized_features.iter().find(|one| one.name == feature.name);
        let finalized = finalized.map_or(0, |one| one.max_version_level);
        let name = feature.name.as_str();
        say!(
            "Feature: {name:40}  SupportedMinVersion: {:15}  SupportedMaxVersion: {:15}  FinalizedVersionLevel: {:15}  \
             Epoch: {}",
            level(name, feature.min_version),
            level(name, feature.max_version),
            level(name, finalized),
            versions.finalized_features_epoch
        );
    }
}
