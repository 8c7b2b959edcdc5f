//! The shorter forms: `barnabas topics list`, `barnabas groups describe readers` become the options of Kafka's tools.

/// Noun, verb, the tool behind it, its options; `{}` is the name that follows the verb.
const FORMS: &[(&str, &str, &str, &[&str])] = &[
    ("topics", "list", "topics", &["--list"]),
    ("topics", "create", "topics", &["--create", "--topic", "{}"]),
    ("topics", "describe", "topics", &["--describe", "--topic", "{}"]),
    ("topics", "delete", "topics", &["--delete", "--topic", "{}"]),
    ("topics", "alter", "topics", &["--alter", "--topic", "{}"]),
    ("groups", "list", "groups", &["--list"]),
    ("groups", "describe", "consumer-groups", &["--describe", "--group", "{}"]),
    ("groups", "delete", "consumer-groups", &["--delete", "--group", "{}"]),
    ("groups", "reset", "consumer-groups", &["--reset-offsets", "--group", "{}"]),
    ("leaders", "elect", "leader-election", &["--election-type", "preferred", "--all-topic-partitions"]),
    ("quorum", "describe", "metadata-quorum", &["describe", "--status"]),
    ("quorum", "replicas", "metadata-quorum", &["describe", "--replication"]),
    ("reassignments", "list", "reassign-partitions", &["--list"]),
    ("reassignments", "generate", "reassign-partitions", &["--generate", "--topics-to-move-json-file", "{}"]),
    ("reassignments", "execute", "reassign-partitions", &["--execute", "--reassignment-json-file", "{}"]),
    ("reassignments", "verify", "reassign-partitions", &["--verify", "--reassignment-json-file", "{}"]),
    ("reassignments", "cancel", "reassign-partitions", &["--cancel", "--reassignment-json-file", "{}"]),
];

/// The tool and its arguments, where this is a shorter form. A broker on this machine is meant where none is named; a verb
/// whose name is left out is about all, where there is such a thing.
pub fn tool(noun: &str, arguments: &[String]) -> Option<(&'static str, Vec<String>)> {
    let (verb, rest) = arguments.split_first()?;
    let (_, _, tool, options) = FORMS.iter().find(|(of, known, ..)| *of == noun && known == verb)?;
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
    let mut nouns: Vec<&str> = FORMS.iter().map(|(noun, ..)| *noun).collect();
    nouns.dedup();
    nouns
}

/// The verbs behind a noun.
pub fn verbs(noun: &str) -> Vec<&'static str> {
    FORMS.iter().filter(|(of, ..)| *of == noun).map(|(_, verb, ..)| *verb).collect()
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
