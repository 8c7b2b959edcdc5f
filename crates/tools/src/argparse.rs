//! Command lines of the tools that Kafka wrote with argparse4j: named arguments, unambiguous beginnings of names,
//! `--name value` and `--name=value`, some with several values; errors come behind the usage.

use std::process::ExitCode;

use crate::Stop;

/// A tool's command line.
pub struct ArgumentLine {
    /// As it names itself.
    pub program: &'static str,
    pub about: &'static str,
    pub arguments: &'static [Argument],
    pub examples: &'static [&'static str],
}

/// One argument; all have names.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// With its dashes.
    pub name: &'static str,
    /// One letter with its dash, or none.
    pub short: &'static str,
    /// What its value is called; none for a switch.
    pub value: &'static str,
    pub about: &'static str,
    pub required: bool,
    /// Takes all values that follow.
    pub many: bool,
    pub choices: &'static [&'static str],
}

pub const fn value(name: &'static str, value: &'static str, about: &'static str) -> Argument {
    Argument { name, short: "", value, about, required: false, many: false, choices: &[] }
}

pub const fn switch(name: &'static str, about: &'static str) -> Argument {
    value(name, "", about)
}

impl Argument {
    pub const fn or(mut self, short: &'static str) -> Argument {
        self.short = short;
        self
    }

    /// All its names.
    fn names(&self) -> String {
        match self.short {
            "" => self.name.to_owned(),
            short => format!("{}/{short}", self.name),
        }
    }

    pub const fn required(mut self) -> Argument {
        self.required = true;
        self
    }

    pub const fn many(mut self) -> Argument {
        self.many = true;
        self
    }

    pub const fn choices(mut self, choices: &'static [&'static str]) -> Argument {
        self.choices = choices;
        self
    }
}

/// What a command line says.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    given: Vec<(&'static str, Vec<String>)>,
    /// How arguments with a short name are called in refusals.
    names: Vec<(&'static str, String)>,
}

/// A whole tool: a line without arguments is taken for a cry for help.
pub fn main(
    line: &'static ArgumentLine,
    arguments: Vec<String>,
    run: fn(&Arguments) -> Result<(), Stop>,
) -> ExitCode {
    if arguments.is_empty() {
        println!("{}", help(line));
        return ExitCode::FAILURE;
    }
    parse_and_run(line, &arguments, run)
}

/// Parses, answers `--help`, runs, and says what went wrong.
pub fn parse_and_run(
    line: &'static ArgumentLine,
    arguments: &[String],
    run: fn(&Arguments) -> Result<(), Stop>,
) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", help(line));
        return ExitCode::SUCCESS;
    }
    match Arguments::parse(line.arguments, arguments).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Usage(text)) => complain(line.program, &usage(line), &text),
        Err(stop) => stop.end(String::new),
    }
}

/// What is wrong with a command line, behind the usage; kafka-features has a sentence for it instead.
pub fn complain(program: &str, usage: &str, text: &str) -> ExitCode {
    match program {
        "kafka-features" => eprintln!("Command line error: {text}. Type --help for help."),
        _ => eprintln!("{usage}\n{program}: error: {text}"),
    }
    ExitCode::FAILURE
}

/// Refuses a command line that is read elsewhere.
pub fn refuse(line: &ArgumentLine, text: &str) -> ExitCode {
    complain(line.program, &usage(line), text)
}

impl Arguments {
    pub fn parse(table: &[Argument], arguments: &[String]) -> Result<Arguments, Stop> {
        let names = table.iter().map(|argument| (argument.name, argument.names())).collect();
        let mut parsed = Arguments { given: Vec::new(), names };
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            let (name, inline) = match first.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (first.as_str(), None),
            };
            let argument = find(table, name, first)?;
            let mut values: Vec<String> = inline.into_iter().collect();
            if !argument.value.is_empty() {
                while (values.is_empty() || argument.many)
                    && let Some((next, behind)) = rest.split_first()
                    && !is_name(next)
                {
                    values.push(next.clone());
                    rest = behind;
                }
                check_values(argument, &values)?;
            }
            parsed.given.push((argument.name, values));
        }
        match table.iter().find(|argument| argument.required && !parsed.has(argument.name)) {
            Some(missing) => Err(Stop::usage(format!("argument {} is required", missing.names()))),
            None => Ok(parsed),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The last value given.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last().copied()
    }

    pub fn values(&self, name: &str) -> Vec<&str> {
        let given = self.given.iter().filter(|(given, _)| *given == name);
        given.flat_map(|(_, values)| values).map(String::as_str).collect()
    }

    pub fn integer(&self, name: &str) -> Result<Option<i32>, Stop> {
        self.number(name, "Integer")
    }

    pub fn long(&self, name: &str) -> Result<Option<i64>, Stop> {
        self.number(name, "Long")
    }

    fn number<T: std::str::FromStr>(&self, name: &str, kind: &str) -> Result<Option<T>, Stop> {
        let Some(text) = self.value(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let why = format!("could not convert '{text}' to {kind} (For input string: \"{text}\")");
            Stop::usage(format!("argument {}: {why}", self.shown(name)))
        })
    }

    /// Refuses two arguments that say the same.
    pub fn exclusive(&self, names: &[&str], required: bool) -> Result<(), Stop> {
        let given = self.given.iter().map(|(name, _)| *name).filter(|name| names.contains(name));
        let mut given: Vec<&str> = given.collect();
        given.dedup();
        match given.as_slice() {
            [first, second, ..] => {
                let (first, second) = (self.shown(first), self.shown(second));
                Err(Stop::usage(format!("argument {second}: not allowed with argument {first}")))
            }
            [] if required => {
                let names: Vec<String> = names.iter().map(|name| self.shown(name)).collect();
                Err(Stop::usage(format!("one of the arguments {} is required", names.join(" "))))
            }
            _ => Ok(()),
        }
    }

    fn shown(&self, name: &str) -> String {
        let found = self.names.iter().find(|(of, _)| *of == name);
        found.map_or_else(|| name.to_owned(), |(_, names)| names.clone())
    }
}

/// A negative number is a value.
fn is_name(argument: &str) -> bool {
    argument.len() > 1 && argument.starts_with('-') && argument.parse::<f64>().is_err()
}

fn find<'a>(table: &'a [Argument], name: &str, whole: &str) -> Result<&'a Argument, Stop> {
    if let Some(exact) = table.iter().find(|argument| argument.name == name || argument.short == name) {
        return Ok(exact);
    }
    let begun = |argument: &&Argument| name.len() > 2 && argument.name.starts_with(name);
    let begun: Vec<&Argument> = table.iter().filter(begun).collect();
    match begun.as_slice() {
        [one] => Ok(one),
        [] => Err(Stop::usage(format!("unrecognized arguments: '{whole}'"))),
        several => {
            let names: Vec<&str> = several.iter().map(|argument| argument.name).collect();
            Err(Stop::usage(format!("ambiguous option: {name} could match {}", names.join(", "))))
        }
    }
}

fn check_values(argument: &Argument, values: &[String]) -> Result<(), Stop> {
    let name = argument.names();
    if values.is_empty() {
        let expected = if argument.many { "at least one argument" } else { "one argument" };
        return Err(Stop::usage(format!("argument {name}: expected {expected}")));
    }
    let wrong = values.iter().find(|value| !argument.choices.contains(&value.as_str()));
    match wrong.filter(|_| !argument.choices.is_empty()) {
        Some(wrong) => Err(Stop::usage(format!(
            "argument {name}: invalid choice: '{wrong}' (choose from {{{}}})",
            argument.choices.join(",")
        ))),
        None => Ok(()),
    }
}

fn usage(line: &ArgumentLine) -> String {
    let mut out = format!("usage: {}\n      ", line.program);
    let mut column = 6;
    let parts = line.arguments.iter().map(|argument| {
        let shown = left(argument);
        if argument.required { shown } else { format!("[{shown}]") }
    });
    for part in std::iter::once("[-h]".to_owned()).chain(parts) {
        if column + 1 + part.len() > 78 {
            out.push_str("\n      ");
            column = 6;
        }
        column += 1 + part.len();
        out.push_str(&format!(" {part}"));
    }
    out
}

fn left(argument: &Argument) -> String {
    match (argument.value, argument.many) {
        ("", _) => argument.name.to_owned(),
        (value, false) => format!("{} {value}", argument.name),
        (value, true) => format!("{} {value} [{value} ...]", argument.name),
    }
}

/// The help text.
pub fn help(line: &ArgumentLine) -> String {
    let mut out =
        format!("{}\n\n{}\n\narguments:\n  -h, --help\n      Print this help.\n", usage(line), line.about);
    for argument in line.arguments {
        out.push_str(&format!("  {}\n      {}\n", left(argument), argument.about));
    }
    if !line.examples.is_empty() {
        out.push_str("\nexamples:\n");
    }
    for example in line.examples {
        out.push_str(&format!("  {} {example}\n", line.program));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Argument] = &[
        value("--topic", "TOPIC", "").required(),
        value("--num-records", "N", ""),
        value("--num-headers", "N", ""),
        value("--props", "K=V", "").many(),
        value("--acks", "ACKS", "").choices(&["0", "1", "-1"]),
        switch("--verbose", ""),
    ];

    fn parse(line: &str) -> Result<Arguments, Stop> {
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        Arguments::parse(TABLE, &arguments)
    }

    #[test]
    fn values_are_found() {
        let parsed = parse("--props a=1 b=2 --top t --acks -1 --num-records=7 --verbose").unwrap();
        assert_eq!(parsed.values("--props"), ["a=1", "b=2"]);
        assert_eq!((parsed.value("--topic"), parsed.value("--acks")), (Some("t"), Some("-1")));
        assert_eq!(parsed.long("--num-records").unwrap(), Some(7));
        assert!(parsed.has("--verbose"));
    }

    #[test]
    fn wrong_lines_are_refused_with_argparses_words() {
        for (line, words) in [
            ("--acks 1", "argument --topic is required"),
            ("--topic", "argument --topic: expected one argument"),
            ("--topic t --nope", "unrecognized arguments: '--nope'"),
            ("--topic t --num 1", "ambiguous option: --num could match --num-records, --num-headers"),
            ("--topic t --acks 5", "argument --acks: invalid choice: '5' (choose from {0,1,-1})"),
        ] {
            assert_eq!(parse(line).unwrap_err(), Stop::usage(words), "{line}");
        }
        let parsed = parse("--topic t --num-records x --verbose").unwrap();
        let words = "argument --num-records: could not convert 'x' to Long (For input string: \"x\")";
        assert_eq!(parsed.long("--num-records").unwrap_err(), Stop::usage(words));
        let words = "argument --verbose: not allowed with argument --topic";
        assert_eq!(parsed.exclusive(&["--topic", "--verbose"], true).unwrap_err(), Stop::usage(words));
        let words = "one of the arguments --acks --props is required";
        assert_eq!(parsed.exclusive(&["--acks", "--props"], true).unwrap_err(), Stop::usage(words));
    }
}
