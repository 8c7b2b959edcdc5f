//! What a shell may complete behind `barnabas` and behind the names of Kafka's tools, written as each shell's own script.

use std::fmt::Write;

use crate::{Line, TOOLS, friendly};

/// A command: its words, then its options with their dashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completed {
    pub name: String,
    pub words: Vec<String>,
    pub options: Vec<String>,
}

impl Completed {
    pub fn new(name: &str, words: &[&str], options: &[&str]) -> Completed {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Completed { name: name.to_owned(), words: owned(words), options: owned(options) }
    }

    fn all(&self) -> String {
        let all: Vec<&str> = self.words.iter().chain(&self.options).map(String::as_str).collect();
        all.join(" ")
    }
}

/// Every tool, by its name without `kafka-`, with the verbs of its shorter forms.
fn tools() -> Vec<Completed> {
    let mut all = Vec::new();
    for (name, _, line) in TOOLS {
        let mut one = Completed::new(name, &friendly::verbs(name), &["--help"]);
        match line {
            Line::Options(line) => {
                one.options.extend(line.options.iter().map(|option| format!("--{}", option.name)));
                one.options.push("--version".to_owned());
            }
            Line::Arguments(line) => {
                one.options.extend(line.arguments.iter().map(|argument| argument.name.to_owned()));
            }
            Line::Words(commands) => {
                one.words.extend(commands.iter().map(|command| command.name.to_owned()));
                let arguments = commands.iter().flat_map(|command| command.line.arguments);
                one.options.extend(arguments.map(|argument| argument.name.to_owned()));
            }
        }
        if crate::json::KNOWS.contains(name) {
            one.options.push("--json".to_owned());
        }
        one.options.sort_unstable();
        one.options.dedup();
        all.push(one);
    }
    // nouns that are not the name of a tool
    for noun in friendly::nouns().into_iter().filter(|noun| TOOLS.iter().all(|(name, ..)| name != noun)) {
        all.push(Completed::new(noun, &friendly::verbs(noun), &["--bootstrap-server", "--help"]));
    }
    all
}

/// The script of a shell; `own` are the commands that are no tools of Kafka. None for a shell that is not known.
pub fn script(shell: &str, own: &[Completed]) -> Option<String> {
    let mut all = own.to_vec();
    for tool in tools() {
        match all.iter_mut().find(|one| one.name == tool.name) {
            Some(one) => {
                one.words.extend(tool.words);
                one.options.extend(tool.options);
                one.options.sort_unstable();
                one.options.dedup();
            }
            None => all.push(tool),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Some(match shell {
        "bash" => bash(&all),
        "zsh" => format!("#compdef barnabas\nautoload -U +X bashcompinit && bashcompinit\n{}", bash(&all)),
        "fish" => fish(&all),
        _ => return None,
    })
}

fn bash(all: &[Completed]) -> String {
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    let mut out = String::from(
        "_barnabas() {\n  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[0]##*/} words\n  command=${command%.sh}\n  \
         if [ \"$command\" = barnabas ]; then\n    if [ \"$COMP_CWORD\" -le 1 ]; then command=; else command=${COMP_WORDS[1]}; fi\n  \
         fi\n  case ${command#kafka-} in\n",
    );
    let _ = writeln!(out, "    '') words='{}' ;;", names.join(" "));
    for one in all {
        let _ = writeln!(out, "    {}) words='{}' ;;", one.name, one.all());
    }
    out.push_str("    *) words= ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n");
    let tools: Vec<String> =
        TOOLS.iter().flat_map(|(name, ..)| [format!("kafka-{name}"), format!("kafka-{name}.sh")]).collect();
    let _ = writeln!(out, "complete -o default -F _barnabas barnabas {}", tools.join(" "));
    out
}

fn fish(all: &[Completed]) -> String {
    let mut out = String::new();
    for one in all {
        let name = &one.name;
        let _ = writeln!(out, "complete -c barnabas -n __fish_use_subcommand -a {name}");
        let seen = format!("__fish_seen_subcommand_from {name} kafka-{name}");
        if !one.words.is_empty() {
            let _ = writeln!(out, "complete -c barnabas -n '{seen}' -a '{}'", one.words.join(" "));
        }
        for option in &one.options {
            let option = option.trim_start_matches('-');
            let _ = writeln!(out, "complete -c barnabas -n '{seen}' -l {option}");
            if TOOLS.iter().any(|(tool, ..)| tool == name) {
                let _ = writeln!(out, "complete -c kafka-{name} -c kafka-{name}.sh -l {option}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_knows_commands_and_their_options() {
        let own = [Completed::new("server", &[], &["--override"])];
        let bash = script("bash", &own).unwrap();
        for line in [
            "    server) words='--override' ;;",
            "complete -o default -F _barnabas barnabas kafka-console-consumer ",
        ] {
            assert!(bash.contains(line), "{line} in {bash}");
        }
        let topics = bash.lines().find(|line| line.starts_with("    topics) ")).unwrap();
        for word in ["list", "create", "--json", "--bootstrap-server", "--partitions"] {
            assert!(topics.split(['\'', ' ']).any(|found| found == word), "{word} in {topics}");
        }
        let features = bash.lines().find(|line| line.starts_with("    features) ")).unwrap();
        assert!(features.contains("upgrade") && features.contains("--dry-run"), "{features}");
        let fish = script("fish", &own).unwrap();
        assert!(fish.contains("complete -c barnabas -n __fish_use_subcommand -a topics\n"), "{fish}");
        assert!(script("zsh", &own).unwrap().starts_with("#compdef barnabas\n"));
        assert_eq!(script("csh", &own), None);
    }
}
