//! The help text: usage, options in two columns, examples.

use super::{Argument, CommandLine, Kind, Opt, flag};

const WIDTH: usize = 100;

pub fn text(line: &CommandLine) -> String {
    let mut options: Vec<Opt> = line.options.to_vec();
    options.push(flag("help", "Print this help."));
    options.push(flag("version", "Print the version."));
    options.sort_by_key(|option| option.name);
    let left: Vec<String> = options.iter().map(left).collect();
    let column = left.iter().map(String::len).filter(|length| *length <= 36).max().unwrap_or(0) + 4;
    let mut out = format!("\nusage: kafka-{} [options]\n\noptions:\n", line.name);
    for (option, left) in options.iter().zip(&left) {
        let lines = wrap(&right(option), WIDTH - column);
        let mut head = format!("  {left}");
        if left.len() + 4 > column {
            out.push_str(&format!("{head}\n"));
            head.clear();
        }
        for text in &lines {
            out.push_str(format!("{head:column$}{text}").trim_end());
            out.push('\n');
            head.clear();
        }
    }
    if !line.examples.is_empty() {
        out.push_str("\nexamples:\n");
    }
    for example in line.examples {
        out.push_str(&format!("  kafka-{} {example}\n", line.name));
    }
    out
}

/// An option with what it takes.
pub fn left(option: &Opt) -> String {
    let shape = |name: &str, kind| match (name, kind) {
        ("", Kind::Text) => "text".to_owned(),
        ("", _) => "number".to_owned(),
        (name, _) => name.to_owned(),
    };
    match option.argument {
        Argument::None => format!("--{}", option.name),
        Argument::Required(name, kind) => format!("--{} <{}>", option.name, shape(name, kind)),
        Argument::Optional(name, kind) => format!("--{} [{}]", option.name, shape(name, kind)),
    }
}

fn right(option: &Opt) -> String {
    let required = if option.required { "Required. " } else { "" };
    let default = option.default.map(|value| format!(" (default: {value})")).unwrap_or_default();
    format!("{required}{}{default}", option.about)
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::text as option;
    use super::*;

    #[test]
    fn help_has_options_and_examples() {
        let line = CommandLine {
            name: "topics",
            about: "",
            options: const { &[option("topic", "name", "The topic.").required()] },
            examples: &["--list"],
        };
        let expected = "
usage: kafka-topics [options]

options:
  --help          Print this help.
  --topic <name>  Required. The topic.
  --version       Print the version.

examples:
  kafka-topics --list
";
        assert_eq!(text(&line), expected);
    }

    #[test]
    fn long_words_are_not_broken() {
        assert_eq!(wrap("aa bb cccccc d", 5), ["aa bb", "cccccc", "d"]);
    }
}
