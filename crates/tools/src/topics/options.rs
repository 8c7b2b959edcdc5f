//! The command line of kafka-topics and which of its options go together.

use crate::Stop;
use crate::options::{CommandLine, Opt, Parsed, flag, integer, text};

pub const LINE: CommandLine = CommandLine {
    name: "topics",
    about: "This tool helps to create, delete, describe, or change a topic.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --create --topic events --partitions 3",
        "--bootstrap-server localhost:9092 --list",
        "--bootstrap-server localhost:9092 --describe --topic events",
        "--bootstrap-server localhost:9092 --alter --topic events --partitions 6",
        "--bootstrap-server localhost:9092 --delete --topic events",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
    flag("list", "Lists the topics."),
    flag("describe", "Shows topics and their partitions."),
    flag("create", "Creates a topic."),
    flag("alter", "Gives a topic more partitions."),
    flag("delete", "Deletes topics."),
    text("topic", "name", "The topic. Other than with --create, a regular expression."),
    text("topic-id", "id", "With --describe: the topic's id."),
    text("partitions", "count", "How many partitions (default: the broker's num.partitions)."),
    text(
        "replication-factor",
        "count",
        "How many replicas (default: the broker's default.replication.factor).",
    ),
    text("replica-assignment", "1:2,2:3,…", "The brokers of each partition, the preferred leader first."),
    text("config", "key=value", "With --create: a config of the topic; may be given again."),
    text("delete-config", "key", "No longer supported; kafka-configs removes configs."),
    flag("if-exists", "With --alter, --delete, --describe: a topic that is not there is no error."),
    flag("if-not-exists", "With --create: a topic that is there is no error."),
    flag("exclude-internal", "With --list and --describe: leaves the internal topics out."),
    flag("under-replicated-partitions", "With --describe: only partitions with replicas out of sync."),
    flag("unavailable-partitions", "With --describe: only partitions without a leader."),
    flag("under-min-isr-partitions", "With --describe: only partitions below min.insync.replicas."),
    flag("at-min-isr-partitions", "With --describe: only partitions at min.insync.replicas."),
    flag("topics-with-overrides", "With --describe: only topics with configs of their own."),
    integer("partition-size-limit-per-response", "count", "With --describe: partitions in one answer.")
        .or("2000"),
];

const ACTIONS: [&str; 5] = ["list", "describe", "create", "alter", "delete"];

pub const STATE_FILTERS: [&str; 4] = [
    "under-replicated-partitions",
    "unavailable-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
];

/// The actions that each option goes with.
const GOES_WITH: &[(&str, &[&str])] = &[
    ("config", &["create", "alter"]),
    ("delete-config", &["alter"]),
    ("partitions", &["create", "alter"]),
    ("replication-factor", &["create"]),
    ("replica-assignment", &["create", "alter"]),
    ("under-replicated-partitions", &["describe"]),
    ("unavailable-partitions", &["describe"]),
    ("under-min-isr-partitions", &["describe"]),
    ("at-min-isr-partitions", &["describe"]),
    ("topics-with-overrides", &["describe"]),
    ("if-exists", &["alter", "delete", "describe"]),
    ("if-not-exists", &["create"]),
    ("exclude-internal", &["list", "describe"]),
];

pub fn check(parsed: &Parsed) -> Result<(), Stop> {
    if ACTIONS.iter().filter(|action| parsed.has(action)).count() != 1 {
        let text =
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(Stop::usage(text));
    }
    if !parsed.has("bootstrap-server") {
        return Err(Stop::error("--bootstrap-server must be specified"));
    }
    if parsed.has("describe") && parsed.has("topics-with-overrides") {
        for filter in STATE_FILTERS {
            parsed.check_invalid(filter, &["topics-with-overrides"])?;
        }
    }
    if !parsed.has("list") && !parsed.has("describe") {
        parsed.needed("topic")?;
    }
    if parsed.has("alter") {
        if parsed.has("config") {
            return Err(Stop::usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter \
                 topic configurations, the kafka-configs tool can be used.)",
            ));
        }
        if parsed.has("delete-config") {
            eprintln!(
                "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully \
                 removed in future releases."
            );
        }
        parsed.needed("partitions")?;
    }
    for (option, actions) in GOES_WITH {
        let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !actions.contains(action)).collect();
        parsed.check_invalid(option, &others)?;
    }
    if parsed.has("create") {
        parsed.check_invalid("replica-assignment", &["partitions", "replication-factor"])?;
    }
    Ok(())
}
