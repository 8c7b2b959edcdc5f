//! Command lines as Kafka's tools read them (joptsimple without abbreviations): `--name value`, `--name=value`,
//! `-name value`, an option given again adds a value, what is no option is passed over, `--` ends the options.

mod help;
mod parse;

use std::process::ExitCode;

pub use help::left as help_of;
pub use parse::{Parsed, cannot_parse};

use crate::{Stop, output::say};

/// A tool's command line.
pub struct CommandLine {
    /// The tool's name without `kafka-`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    pub options: &'static [Opt],
    /// Arguments of good calls, shown under the help.
    pub examples: &'static [&'static str],
}

/// One option. `--help` and `--version` need none.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    pub name: &'static str,
    pub argument: Argument,
    pub about: &'static str,
    pub default: Option<&'static str>,
    /// Refused by the parser where it is missing.
    pub required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    None,
    /// Its name in the help.
    Required(&'static str, Kind),
    Optional(&'static str, Kind),
}

/// What an argument is checked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Long,
}

/// An option without argument.
pub const fn flag(name: &'static str, about: &'static str) -> Opt {
    Opt { name, argument: Argument::None, about, default: None, required: false }
}

pub const fn text(name: &'static str, argument: &'static str, about: &'static str) -> Opt {
    Opt { name, argument: Argument::Required(argument, Kind::Text), about, default: None, required: false }
}

pub const fn integer(name: &'static str, argument: &'static str, about: &'static str) -> Opt {
    Opt { name, argument: Argument::Required(argument, Kind::Integer), about, default: None, required: false }
}

pub const fn long(name: &'static str, argument: &'static str, about: &'static str) -> Opt {
    Opt { name, argument: Argument::Required(argument, Kind::Long), about, default: None, required: false }
}

impl Opt {
    pub const fn or(mut self, default: &'static str) -> Opt {
        self.default = Some(default);
        self
    }

    pub const fn required(mut self) -> Opt {
        self.required = true;
        self
    }

    /// The argument may be left out.
    pub const fn optional(mut self) -> Opt {
        if let Argument::Required(name, kind) = self.argument {
            self.argument = Argument::Optional(name, kind);
        }
        self
    }
}

/// Parses, answers `--help` and `--version`, runs, and says what went wrong.
pub fn main(line: &CommandLine, arguments: Vec<String>, run: fn(&Parsed) -> Result<(), Stop>) -> ExitCode {
    let outcome = Parsed::parse(line.options, &arguments).and_then(|parsed| {
        if arguments.is_empty() || parsed.has("help") {
            return Err(Stop::usage(line.about));
        }
        if parsed.has("version") {
            say!("{}", VERSION);
            return Ok(());
        }
        parsed.check_required(line.options)?;
        run(&parsed)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.end(|| help::text(line)),
    }
}

/// What `--version` says: the Kafka whose tools these are like, as scripts expect.
pub const VERSION: &str = "4.3.1";
