//! The command line of kafka-configs and which of its options go together.

use client::Cluster;

use crate::Stop;
use crate::options::{CommandLine, Opt, Parsed, flag, text};

pub const LINE: CommandLine = CommandLine {
    name: "configs",
    about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
            client-metrics or group",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --describe --topic events --all",
        "--bootstrap-server localhost:9092 --alter --topic events --add-config retention.ms=3600000",
        "--bootstrap-server localhost:9092 --alter --topic events --add-config cleanup.policy=[compact,delete]",
        "--bootstrap-server localhost:9092 --alter --broker-defaults --delete-config message.max.bytes",
        "--bootstrap-server localhost:9092 --alter --user alice --add-config producer_byte_rate=1048576",
        "--bootstrap-server localhost:9092 --alter --user alice --add-config SCRAM-SHA-256=[password=secret]",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "The brokers to connect to."),
    text("bootstrap-controller", "host:port,…", "The controllers to connect to, in place of brokers."),
    text("command-config", "file", "Properties of the client."),
    flag("describe", "Shows configs."),
    flag("alter", "Changes configs."),
    flag("all", "With --describe: those with their default value too."),
    text(
        "entity-type",
        "type",
        "topics, clients, users, brokers, broker-loggers, ips, client-metrics, groups; may be given again.",
    ),
    text("entity-name", "name", "The name of a topic, client, user, broker, ip …"),
    flag("entity-default", "The default for clients, users, brokers or ips."),
    text("add-config", "k=v,k2=[v,v]", "With --alter: what to set; brackets around values with commas."),
    text("add-config-file", "file", "With --alter: a properties file with what to set."),
    text("delete-config", "k,k2", "With --alter: what to delete."),
    flag("force", "Asks nothing."),
    text("topic", "name", "A topic."),
    text("client", "name", "A client's id."),
    flag("client-defaults", "The default for clients."),
    text("user", "name", "A user."),
    flag("user-defaults", "The default for users."),
    text("broker", "id", "A broker."),
    flag("broker-defaults", "The default for brokers."),
    text("broker-logger", "id", "A broker's loggers."),
    text("ip", "address", "An address."),
    flag("ip-defaults", "The default for addresses."),
    text("client-metrics", "name", "A subscription of client metrics."),
    text("group", "name", "A group."),
];

pub fn check(parsed: &Parsed) -> Result<(), Stop> {
    if parsed.has("describe") == parsed.has("alter") {
        return Err(Stop::usage("Command must include exactly one action: --describe, --alter"));
    }
    parsed.check_invalid("alter", &["describe", "all"])?;
    parsed.check_invalid("describe", &["alter", "add-config", "delete-config"])?;
    if parsed.has("add-config") && parsed.has("add-config-file") {
        return Err(Stop::error("Only one of --add-config or --add-config-file must be specified"));
    }
    Ok(())
}

pub fn cluster(parsed: &Parsed) -> Result<Cluster, Stop> {
    crate::connecting::cluster(parsed)
}

/// Exactly one of brokers and controllers; said behind what is wrong with the entities.
pub fn check_servers(parsed: &Parsed) -> Result<(), Stop> {
    match (parsed.has("bootstrap-server"), parsed.has("bootstrap-controller")) {
        (false, false) => {
            Err(Stop::error("Either --bootstrap-server or --bootstrap-controller must be specified."))
        }
        (true, true) => {
            Err(Stop::error("Only one of --bootstrap-server or --bootstrap-controller can be specified"))
        }
        _ => Ok(()),
    }
}
