//! The command line of kafka-consumer-groups and which of its options go together.

use crate::Stop;
use crate::options::{CommandLine, Opt, Parsed, flag, long, text};

pub const LINE: CommandLine = CommandLine {
    name: "consumer-groups",
    about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset \
            consumer group offsets.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --list --state",
        "--bootstrap-server localhost:9092 --describe --group readers",
        "--bootstrap-server localhost:9092 --describe --all-groups --members --verbose",
        "--bootstrap-server localhost:9092 --reset-offsets --group readers --topic events --to-earliest --dry-run",
        "--bootstrap-server localhost:9092 --reset-offsets --group readers --all-topics --by-duration PT1H --execute",
        "--bootstrap-server localhost:9092 --delete --group readers",
    ],
};

const OPTIONS: &[Opt] = &[
    text(
        "bootstrap-server",
        "host:port,…",
        "Required, but with --validate-regex. The brokers to connect to.",
    ),
    text("command-config", "file", "Properties of the client."),
    flag("list", "Lists the groups of consumers."),
    flag("describe", "Shows groups: their offsets and lag, --members or --state."),
    flag("delete", "Deletes groups with their offsets."),
    flag("delete-offsets", "Deletes a group's offsets of topics."),
    flag("reset-offsets", "Moves a group's offsets. The group must have no members."),
    text("validate-regex", "expression", "Says whether a regular expression is valid."),
    text("group", "name", "The group; may be given again."),
    flag("all-groups", "All groups."),
    text("topic", "name[:0,1]", "The topic, or some of its partitions; may be given again."),
    flag("all-topics", "With --reset-offsets: all topics that the group has offsets of."),
    text("timeout", "ms", "How long to wait for answers.").or("5000"),
    flag("offsets", "With --describe: partitions, offsets and lag. This is the default."),
    flag("members", "With --describe: the members."),
    text(
        "state",
        "state,…",
        "With --list: states too, or only groups in these. With --describe: the group's state.",
    )
    .optional(),
    text("type", "type,…", "With --list: types too, or only groups of these (classic, consumer).").optional(),
    flag("verbose", "With --describe: more columns."),
    flag("dry-run", "With --reset-offsets: only shows what would be."),
    flag("execute", "With --reset-offsets: does it."),
    flag("export", "With --reset-offsets: prints CSV."),
    text("from-file", "file", "With --reset-offsets: to the offsets of a CSV file."),
    flag("to-earliest", "With --reset-offsets: to the first offset."),
    flag("to-latest", "With --reset-offsets: to the end."),
    flag("to-current", "With --reset-offsets: to the committed offset."),
    long("to-offset", "offset", "With --reset-offsets: to this offset."),
    long("shift-by", "count", "With --reset-offsets: this many on, or back where it is negative."),
    text(
        "to-datetime",
        "YYYY-MM-DDThh:mm:ss.sss",
        "With --reset-offsets: to the first record of that time or later.",
    ),
    text("by-duration", "PnDTnHnMnS", "With --reset-offsets: to the first record of that long ago or later."),
];

const ACTIONS: [&str; 6] =
    ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];

/// The ways of a reset, each without the others.
pub const SCENARIOS: [&str; 8] = [
    "to-offset",
    "to-earliest",
    "to-current",
    "to-latest",
    "by-duration",
    "to-datetime",
    "from-file",
    "shift-by",
];

pub fn check(parsed: &Parsed) -> Result<(), Stop> {
    available(parsed)?;
    if !parsed.has("validate-regex") {
        parsed.needed("bootstrap-server")?;
    }
    if parsed.has("describe") {
        check_describe(parsed)?;
    }
    if parsed.has("delete") {
        one_of(parsed, "delete", &["all-groups", "group"])?;
        if parsed.has("topic") {
            let text = "The consumer does not support topic-specific offset deletion from a consumer group.";
            return Err(Stop::usage(text));
        }
    }
    if parsed.has("delete-offsets") && !(parsed.has("group") && parsed.has("topic")) {
        return Err(Stop::usage("Option [delete-offsets] takes the following options: [topic], [group]"));
    }
    if parsed.has("reset-offsets") {
        check_reset(parsed)?;
    }
    parsed.check_invalid("group", &["all-groups", "list"])?;
    parsed.check_invalid("all-groups", &["list"])?;
    parsed.check_invalid("topic", &["list", "describe"])?;
    if ACTIONS.iter().filter(|action| parsed.has(action)).count() != 1 {
        let actions = ACTIONS.map(|action| format!("--{action}")).join(", ");
        return Err(Stop::usage(format!("Command must include exactly one action: {actions}")));
    }
    Ok(())
}

/// Options that are there only beside others.
fn available(parsed: &Parsed) -> Result<(), Stop> {
    let rows: [(&str, &[&str]); 5] = [
        ("verbose", &["describe"]),
        ("offsets", &["describe"]),
        ("members", &["describe"]),
        ("state", &["describe", "list"]),
        ("type", &["list"]),
    ];
    for (option, beside) in rows {
        if parsed.has(option) && !beside.iter().any(|other| parsed.has(other)) {
            let text =
                format!("Option(s) [{option}] are unavailable given other options on the command line");
            return Err(Stop::error(text));
        }
    }
    Ok(())
}

fn one_of(parsed: &Parsed, action: &str, options: &[&str]) -> Result<(), Stop> {
    if options.iter().any(|option| parsed.has(option)) {
        return Ok(());
    }
    let options: Vec<String> = options.iter().map(|option| format!("[{option}]")).collect();
    Err(Stop::usage(format!("Option [{action}] takes one of these options: {}", options.join(", "))))
}

fn check_describe(parsed: &Parsed) -> Result<(), Stop> {
    one_of(parsed, "describe", &["all-groups", "group"])?;
    if ["members", "offsets", "state"].iter().filter(|view| parsed.has(view)).count() > 1 {
        let text = "Option [describe] takes at most one of these options: [members], [offsets], [state]";
        return Err(Stop::usage(text));
    }
    if !parsed.values("state").is_empty() {
        return Err(Stop::usage("Option [describe] does not take a value for [state]"));
    }
    Ok(())
}

fn check_reset(parsed: &Parsed) -> Result<(), Stop> {
    if parsed.has("dry-run") && parsed.has("execute") {
        return Err(Stop::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
    }
    if !parsed.has("dry-run") && !parsed.has("execute") {
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    one_of(parsed, "reset-offsets", &["all-groups", "group"])?;
    for scenario in SCENARIOS {
        let others: Vec<&str> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
        parsed.check_invalid(scenario, &others)?;
    }
    Ok(())
}
