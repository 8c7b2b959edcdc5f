//! The command line: exactly one action, and what goes with it.

use crate::Stop;
use crate::options::{CommandLine, Opt, Parsed, flag, long, text};

pub const LINE: CommandLine = CommandLine {
    name: "reassign-partitions",
    about: "This tool helps to move topic partitions between replicas.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --generate --topics-to-move-json-file topics.json --broker-list 1,2,3",
        "--bootstrap-server localhost:9092 --execute --reassignment-json-file plan.json --throttle 50000000",
        "--bootstrap-server localhost:9092 --verify --reassignment-json-file plan.json",
        "--bootstrap-server localhost:9092 --list",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "The brokers to connect to."),
    text(
        "bootstrap-controller",
        "host:port,…",
        "The controllers to connect to, in place of brokers; for --list and --cancel.",
    ),
    text("command-config", "file", "Properties of the client."),
    flag("generate", "Proposes where the replicas of topics could be; changes nothing."),
    flag("execute", "Starts to move the replicas as --reassignment-json-file says."),
    flag("verify", "Says how far it is; when all is done, lifts the throttles."),
    flag("cancel", "Gives up what is under way of --reassignment-json-file."),
    flag("list", "Shows what is being reassigned."),
    text(
        "topics-to-move-json-file",
        "file",
        "With --generate: {\"topics\": [{\"topic\": \"orders\"}], \"version\": 1}",
    ),
    text("broker-list", "ids", "With --generate: where the replicas may be, such as 1,2,3."),
    flag("disable-rack-aware", "With --generate: without regard to racks."),
    text(
        "reassignment-json-file",
        "file",
        "{\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"replicas\": [1, 2]}], \"version\": 1}; \
         \"log_dirs\": [\"any\", \"/data\"] beside \"replicas\" names a directory for each.",
    ),
    flag(
        "additional",
        "With --execute: beside what is under way already; also to change the throttle of what is under way.",
    ),
    flag("disallow-replication-factor-change", "With --execute: refuses a plan with more or fewer replicas."),
    long("throttle", "bytes/s", "With --execute: how much a broker may move to and from others.").or("-1"),
    long(
        "replica-alter-log-dirs-throttle",
        "bytes/s",
        "With --execute: how much a broker may move between its directories.",
    )
    .or("-1"),
    long("timeout", "ms", "How long to wait until a move to a directory can begin.").or("10000"),
    flag("preserve-throttles", "With --verify and --cancel: leaves the throttles as they are."),
];

/// An action, what it needs, and what may stand beside it.
const ACTIONS: &[(&str, &[&str], &[&str])] = &[
    (
        "generate",
        &["topics-to-move-json-file", "broker-list"],
        &["bootstrap-server", "command-config", "disable-rack-aware"],
    ),
    (
        "execute",
        &["reassignment-json-file"],
        &[
            "additional",
            "bootstrap-server",
            "command-config",
            "throttle",
            "replica-alter-log-dirs-throttle",
            "timeout",
            "disallow-replication-factor-change",
        ],
    ),
    ("verify", &["reassignment-json-file"], &["bootstrap-server", "command-config", "preserve-throttles"]),
    (
        "cancel",
        &["reassignment-json-file"],
        &["bootstrap-server", "bootstrap-controller", "command-config", "preserve-throttles", "timeout"],
    ),
    ("list", &[], &["bootstrap-server", "bootstrap-controller", "command-config"]),
];

/// The one action.
pub fn check(parsed: &Parsed) -> Result<&'static str, Stop> {
    let given: Vec<_> = ACTIONS.iter().filter(|(action, ..)| parsed.has(action)).collect();
    let [(action, needs, allows)] = given.as_slice() else {
        let all = "--generate, --execute, --verify, --cancel, --list";
        return Err(Stop::usage(format!("Command must include exactly one action: {all}")));
    };
    match (parsed.has("bootstrap-server"), parsed.has("bootstrap-controller")) {
        (true, true) => {
            return Err(Stop::usage(
                "Please don't specify both --bootstrap-server and --bootstrap-controller",
            ));
        }
        (false, false) => {
            return Err(Stop::usage("Please specify either --bootstrap-server or --bootstrap-controller"));
        }
        _ => {}
    }
    if let Some(missing) = needs.iter().find(|option| !parsed.has(option)) {
        return Err(Stop::usage(format!("Missing required argument \"[{missing}]\"")));
    }
    let stray = OPTIONS.iter().map(|option| option.name).find(|option| {
        parsed.has(option) && option != action && !needs.contains(option) && !allows.contains(option)
    });
    match stray {
        None => Ok(action),
        Some(option) => {
            Err(Stop::usage(format!("Option \"[{option}]\" can't be used with action \"[{action}]\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_takes_what_goes_with_it() {
        for (line, expected) in [
            ("--list --bootstrap-controller h:1", Ok("list")),
            ("--list", Err("Please specify either --bootstrap-server or --bootstrap-controller")),
            (
                "--list --bootstrap-server h:1 --execute",
                Err(
                    "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list",
                ),
            ),
            (
                "--verify --bootstrap-server h:1",
                Err("Missing required argument \"[reassignment-json-file]\""),
            ),
            (
                "--verify --bootstrap-server h:1 --reassignment-json-file f --throttle 5",
                Err("Option \"[throttle]\" can't be used with action \"[verify]\""),
            ),
            ("--cancel --bootstrap-server h:1 --reassignment-json-file f --timeout 5", Ok("cancel")),
        ] {
            let words: Vec<String> = line.split_whitespace().map(String::from).collect();
            let parsed = Parsed::parse(OPTIONS, &words).unwrap();
            assert_eq!(check(&parsed), expected.map_err(Stop::usage), "{line}");
        }
    }
}
