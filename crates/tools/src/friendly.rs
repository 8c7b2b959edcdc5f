//! The shorter forms: `barnabas topics list`, `barnabas groups describe readers` become the options of Kafka's tools.

mod help;

pub use help::answer;

type Words = &'static [&'static str];

/// A noun and a verb, and what they are short for.
struct Form {
    noun: &'static str,
    verb: &'static str,
    tool: &'static str,
    /// What the tool is given; `{}` is the name that follows the verb.
    options: Words,
    /// How that name is called in the help; in brackets where it may be left out.
    name: &'static str,
    about: &'static str,
    /// What is often put behind it, without dashes.
    flags: Words,
}

const fn form(noun: &'static str, verb: &'static str, tool: &'static str, options: Words) -> Form {
    Form { noun, verb, tool, options, name: "", about: "", flags: &[] }
}

impl Form {
    const fn for_name(mut self, name: &'static str) -> Form {
        self.name = name;
        self
    }

    const fn about(mut self, about: &'static str, flags: Words) -> Form {
        self.about = about;
        self.flags = flags;
        self
    }
}

const FORMS: &[Form] = &[
    form("topics", "list", "topics", &["--list"]).about("Lists the topics.", &["exclude-internal", "json"]),
    form("topics", "create", "topics", &["--create", "--topic", "{}"])
        .for_name("TOPIC")
        .about("Creates a topic.", &["partitions", "replication-factor", "config", "if-not-exists"]),
    form("topics", "describe", "topics", &["--describe", "--topic", "{}"]).for_name("[TOPIC]").about(
        "Shows topics and their partitions; all where none is named.",
        &["under-replicated-partitions", "unavailable-partitions", "json"],
    ),
    form("topics", "delete", "topics", &["--delete", "--topic", "{}"])
        .for_name("TOPIC")
        .about("Deletes a topic.", &["if-exists"]),
    form("topics", "alter", "topics", &["--alter", "--topic", "{}"])
        .for_name("TOPIC")
        .about("Gives a topic more partitions.", &["partitions"]),
    form("groups", "list", "groups", &["--list"])
        .about("Lists the groups.", &["group-type", "consumer", "json"]),
    form("groups", "describe", "consumer-groups", &["--describe", "--group", "{}"])
        .for_name("[GROUP]")
        .about(
            "Shows how far groups are; all where none is named.",
            &["members", "state", "verbose", "json"],
        ),
    form("groups", "delete", "consumer-groups", &["--delete", "--group", "{}"])
        .for_name("GROUP")
        .about("Deletes a group with its offsets.", &[]),
    form("groups", "reset", "consumer-groups", &["--reset-offsets", "--group", "{}"])
        .for_name("GROUP")
        .about(
            "Moves the offsets of a group without members.",
            &["topic", "all-topics", "to-earliest", "to-latest", "to-offset", "dry-run", "execute"],
        ),
    form("leaders", "elect", "leader-election", &["--election-type", "preferred", "--all-topic-partitions"])
        .about("Gives partitions to the first of their replicas again.", &[]),
    form("quorum", "describe", "metadata-quorum", &["describe", "--status"])
        .about("Shows who leads the metadata log and who votes.", &[]),
    form("quorum", "replicas", "metadata-quorum", &["describe", "--replication"])
        .about("Shows how far each replica of the metadata log is.", &["human-readable"]),
    form("reassignments", "list", "reassign-partitions", &["--list"])
        .about("Shows what is being moved.", &[]),
    form(
        "reassignments",
        "generate",
        "reassign-partitions",
        &["--generate", "--topics-to-move-json-file", "{}"],
    )
    .for_name("FILE")
    .about(
        "Proposes where the replicas of topics could be; changes nothing.",
        &["broker-list", "disable-rack-aware"],
    ),
    form("reassignments", "execute", "reassign-partitions", &["--execute", "--reassignment-json-file", "{}"])
        .for_name("FILE")
        .about("Starts to move replicas as the file says.", &["throttle", "additional"]),
    form("reassignments", "verify", "reassign-partitions", &["--verify", "--reassignment-json-file", "{}"])
        .for_name("FILE")
        .about("Says how far it is; when all is done, lifts the throttles.", &["preserve-throttles"]),
    form("reassignments", "cancel", "reassign-partitions", &["--cancel", "--reassignment-json-file", "{}"])
        .for_name("FILE")
        .about("Gives up what is under way of the file.", &["preserve-throttles"]),
];

/// The tool and its arguments, where this is a shorter form. A broker on this machine is meant where none is named; a verb
/// whose name is left out is about all, where there is such a thing.
pub fn tool(noun: &str, arguments: &[String]) -> Option<(&'static str, Vec<String>)> {
    let (verb, rest) = arguments.split_first()?;
    let Form { tool, options, .. } = FORMS.iter().find(|form| form.noun == noun && form.verb == verb)?;
    let named = rest.split_first().filter(|(name, _)| !name.starts_with("--"));
    let mut out: Vec<String> = Vec::new();
    let mut behind = rest;
    match (options, named) {
        ([options @ .., "{}"], Some((name, others))) => {
            out.extend(options.iter().map(|option| (*option).to_owned()));
            out.push(name.clone());
            behind = others;
        }
        ([action, .., "{}"], None) => {
            out.push((*action).to_owned());
            out.extend((*tool == "consumer-groups" && verb == "describe").then(|| "--all-groups".to_owned()));
        }
        (options, _) => out.extend(options.iter().map(|option| (*option).to_owned())),
    }
    let elsewhere = behind.iter().any(|word| word.starts_with("--bootstrap-"));
    if !elsewhere {
        out.extend(["--bootstrap-server".to_owned(), "localhost:9092".to_owned()]);
    }
    out.extend(behind.iter().cloned());
    Some((tool, out))
}

/// All nouns, each once.
pub fn nouns() -> Vec<&'static str> {
    let mut nouns: Vec<&str> = FORMS.iter().map(|form| form.noun).collect();
    nouns.dedup();
    nouns
}

/// The verbs behind a noun.
pub fn verbs(noun: &str) -> Vec<&'static str> {
    FORMS.iter().filter(|form| form.noun == noun).map(|form| form.verb).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_become_options() {
        const HERE: &str = "--bootstrap-server localhost:9092";
        for (noun, line, expected) in [
            ("topics", "list", Some(("topics", format!("--list {HERE}")))),
            (
                "topics",
                "create t --partitions 3",
                Some(("topics", format!("--create --topic t {HERE} --partitions 3"))),
            ),
            ("topics", "describe", Some(("topics", format!("--describe {HERE}")))),
            (
                "topics",
                "delete t --bootstrap-server h:1",
                Some(("topics", "--delete --topic t --bootstrap-server h:1".to_owned())),
            ),
            ("groups", "describe", Some(("consumer-groups", format!("--describe --all-groups {HERE}")))),
            (
                "groups",
                "reset g --all-topics --to-latest",
                Some((
                    "consumer-groups",
                    format!("--reset-offsets --group g {HERE} --all-topics --to-latest"),
                )),
            ),
            (
                "reassignments",
                "cancel plan.json --bootstrap-controller h:1",
                Some((
                    "reassign-partitions",
                    "--cancel --reassignment-json-file plan.json --bootstrap-controller h:1".to_owned(),
                )),
            ),
            (
                "quorum",
                "replicas --human-readable",
                Some(("metadata-quorum", format!("describe --replication {HERE} --human-readable"))),
            ),
            ("topics", "--list", None),
            ("topics", "", None),
        ] {
            let words: Vec<String> = line.split_whitespace().map(String::from).collect();
            let found = tool(noun, &words).map(|(tool, words)| (tool, words.join(" ")));
            assert_eq!(found, expected, "{noun} {line}");
        }
    }
}
