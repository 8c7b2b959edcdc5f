//! What the shorter forms say of themselves, with or without `--help`.

use std::fmt::Write;
use std::process::ExitCode;

use super::{FORMS, Form};
use crate::{Line, TOOLS, options};

/// Ends a shorter form that asks for its help, or a noun alone or with a verb that it has not, where no tool is called like
/// it. None: there is more to do.
pub fn answer(noun: &str, arguments: &[String]) -> Option<ExitCode> {
    let asks = |word: &String| word == "--help" || word == "-h";
    let forms: Vec<&Form> = FORMS.iter().filter(|form| form.noun == noun).collect();
    let first = arguments.first().map(String::as_str).unwrap_or_default();
    if let Some(form) = forms.iter().find(|form| form.verb == first) {
        return arguments.iter().any(asks).then(|| {
            print!("{}", of_form(form));
            ExitCode::SUCCESS
        });
    }
    if forms.is_empty() || TOOLS.iter().any(|(name, ..)| *name == noun) {
        return None;
    }
    if arguments.is_empty() || arguments.iter().any(asks) {
        print!("{}", of_noun(noun, &forms));
        return Some(if arguments.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    eprint!("barnabas {noun}: there is no '{first}'.\n\n{}", of_noun(noun, &forms));
    Some(ExitCode::from(2))
}

fn of_noun(noun: &str, forms: &[&Form]) -> String {
    let mut out = format!("usage: barnabas {noun} COMMAND [FLAGS]\n\n");
    let left: Vec<String> = forms.iter().map(|form| format!("{} {}", form.verb, form.name)).collect();
    let width = left.iter().map(String::len).max().unwrap_or(0);
    for (form, left) in forms.iter().zip(&left) {
        let _ = writeln!(out, "  {left:width$}  {}", form.about);
    }
    let _ = writeln!(
        out,
        "\nEach has a --help of its own. A broker at localhost:9092 is meant where none is named:"
    );
    let _ = writeln!(out, "--bootstrap-server host:port,…");
    out
}

fn of_form(form: &Form) -> String {
    let Form { noun, verb, name, about, tool, .. } = form;
    let named = if name.is_empty() { String::new() } else { format!(" {name}") };
    let mut out = format!("usage: barnabas {noun} {verb}{named} [FLAGS]\n\n{about}\n\nflags:\n");
    let mut rows: Vec<(String, String)> =
        form.flags.iter().filter_map(|flag| described(tool, flag)).collect();
    let server = ("--bootstrap-server <host:port,…>", "The brokers to connect to (default: localhost:9092).");
    rows.push((server.0.to_owned(), server.1.to_owned()));
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    for (left, right) in rows {
        let _ = writeln!(out, "  {left:width$}  {right}");
    }
    let options: Vec<&str> =
        form.options.iter().map(|word| if *word == "{}" { *name } else { word }).collect();
    let _ = writeln!(out, "\nShort for: kafka-{tool} {}", options.join(" "));
    let _ = writeln!(out, "The other flags of that tool may follow, too: barnabas kafka-{tool} --help");
    out
}

/// A flag and what it does, as its tool has it.
fn described(tool: &str, flag: &str) -> Option<(String, String)> {
    if flag == "json" {
        return Some(("--json".to_owned(), "One JSON value, for programs.".to_owned()));
    }
    let (.., line) = TOOLS.iter().find(|(name, ..)| *name == tool)?;
    match line {
        Line::Options(line) => {
            let option = line.options.iter().find(|option| option.name == flag)?;
            Some((options::help_of(option), option.about.to_owned()))
        }
        Line::Arguments(_) => None,
        Line::Words(commands) => {
            let mut arguments = commands.iter().flat_map(|command| command.line.arguments);
            let argument = arguments.find(|argument| argument.name.strip_prefix("--") == Some(flag))?;
            let value =
                if argument.value.is_empty() { String::new() } else { format!(" <{}>", argument.value) };
            Some((format!("{}{value}", argument.name), argument.about.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_tools() {
        for form in FORMS {
            for flag in form.flags {
                assert!(described(form.tool, flag).is_some(), "{} {}: {flag}", form.noun, form.verb);
            }
            assert_eq!(form.options.contains(&"{}"), !form.name.is_empty(), "{} {}", form.noun, form.verb);
        }
    }

    #[test]
    fn the_help_of_a_form_is_its_own() {
        let form = |noun: &str, verb: &str| FORMS.iter().find(|form| form.noun == noun && form.verb == verb);
        let expected = "\
usage: barnabas reassignments cancel FILE [FLAGS]

Gives up what is under way of the file.

flags:
  --preserve-throttles              With --verify and --cancel: leaves the throttles as they are.
  --bootstrap-server <host:port,…>  The brokers to connect to (default: localhost:9092).

Short for: kafka-reassign-partitions --cancel --reassignment-json-file FILE
The other flags of that tool may follow, too: barnabas kafka-reassign-partitions --help
";
        assert_eq!(form("reassignments", "cancel").map(of_form).as_deref(), Some(expected));
        let quorum = of_form(form("quorum", "replicas").unwrap());
        assert!(quorum.starts_with("usage: barnabas quorum replicas [FLAGS]\n"), "{quorum}");
        assert!(quorum.contains("  --human-readable "), "{quorum}");
    }

    #[test]
    fn every_noun_answers() {
        let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<String>>();
        for (noun, line, expected) in [
            ("leaders", "", Some(ExitCode::FAILURE)),
            ("leaders", "--help", Some(ExitCode::SUCCESS)),
            ("reassignments", "list --help", Some(ExitCode::SUCCESS)),
            ("quorum", "-h", Some(ExitCode::SUCCESS)),
            ("quorum", "nonsense", Some(ExitCode::from(2))),
            ("quorum", "describe", None),
            ("topics", "create t --help", Some(ExitCode::SUCCESS)),
            // that is the tool's
            ("topics", "--help", None),
            ("nonsense", "--help", None),
        ] {
            assert_eq!(answer(noun, &words(line)), expected, "{noun} {line}");
        }
    }
}
