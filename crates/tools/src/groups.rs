//! kafka-groups: lists groups of every kind.

use std::process::ExitCode;

use protocol::messages::list_groups_response::ListedGroup;

use crate::Stop;
use crate::connecting::block_on;
use crate::consumer_groups::every;
use crate::options::{CommandLine, Opt, Parsed, flag, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "groups",
    about: "This tool helps to list groups of all types.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --list",
        "--bootstrap-server localhost:9092 --list --consumer",
    ],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "The brokers to connect to.").required(),
    text("command-config", "file", "Properties of the client."),
    flag("list", "Lists the groups."),
    text("group-type", "type", "Only groups of this type: classic, consumer, share, streams."),
    text("protocol", "protocol", "Only groups of this protocol."),
    flag("consumer", "Only groups of consumers, of both types."),
    flag("share", "Only share groups."),
    flag("streams", "Only streams groups."),
];

const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    if !parsed.has("list") {
        return Err(Stop::usage("Command must include exactly one action: --list."));
    }
    let wanted = parsed.value("group-type")?.map(str::to_ascii_lowercase);
    if wanted.as_ref().is_some_and(|wanted| !TYPES.contains(&wanted.as_str())) {
        return Err(Stop::error("--group-type must be a valid group type."));
    }
    parsed.check_invalid("consumer", &["group-type", "protocol", "share", "streams"])?;
    parsed.check_invalid("share", &["consumer", "group-type", "protocol", "streams"])?;
    parsed.check_invalid("streams", &["consumer", "group-type", "protocol", "share"])?;
    let protocol = parsed.value("protocol")?;
    let outcome = block_on(async {
        let admin = crate::admin::reach(parsed, "listGroups").await?;
        let mut groups = every(&admin, &[], &[]).await?;
        groups.retain(|group| {
            let kind = group.group_type.to_ascii_lowercase();
            wanted.as_ref().is_none_or(|wanted| *wanted == kind)
                && protocol.is_none_or(|protocol| group.protocol_type == protocol)
                && (!parsed.has("consumer") || is_of_consumers(group, &kind))
                && (!parsed.has("share") || kind == "share")
                && (!parsed.has("streams") || kind == "streams")
        });
        Ok(groups)
    });
    match outcome {
        Ok(groups) => show(&groups),
        Err(Stop::Error(text)) => {
            say!("Error while executing groups command : {text}");
            return Err(Stop::Code(1));
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

fn is_of_consumers(group: &ListedGroup, kind: &str) -> bool {
    kind == "consumer" || (kind == "classic" && matches!(group.protocol_type.as_str(), "" | "consumer"))
}

fn show(groups: &[ListedGroup]) {
    let width = groups.iter().map(|group| group.group_id.chars().count()).max().unwrap_or(0).max(20);
    say!("{:width$} {:width$} {:width$}", "GROUP", "TYPE", "PROTOCOL");
    for group in groups {
        say!(
            "{:width$} {:width$} {:width$} ",
            group.group_id.as_str(),
            crate::consumer_groups::kind(group),
            group.protocol_type.as_str()
        );
    }
}
