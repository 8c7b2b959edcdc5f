//! Arguments to options and their values, with joptsimple's rules and texts.

use std::str::FromStr;

use super::{Argument, Kind, Opt};
use crate::Stop;
use crate::output::say;

/// What a command line says.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Options in the order given; None where the argument was left out or there is none.
    given: Vec<(&'static str, Option<String>)>,
    defaults: Vec<(&'static str, &'static str)>,
}

impl Parsed {
    pub fn parse(options: &[Opt], arguments: &[String]) -> Result<Parsed, Stop> {
        let mut parsed = Parsed::default();
        parsed.defaults.extend(options.iter().filter_map(|o| o.default.map(|value| (o.name, value))));
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            let Some(body) = first.strip_prefix("--").or(first.strip_prefix('-')) else { continue };
            match body {
                "" if first == "--" => break,
                "" => continue,
                _ => {}
            }
            let (name, inline) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
                None => (body, None),
            };
            if let Some(standard) = ["help", "version"].into_iter().find(|standard| *standard == name) {
                parsed.given.push((standard, None));
                continue;
            }
            let option = find(options, name, first.starts_with("--"))?;
            let value = take(option, inline, &mut rest)?;
            parsed.given.push((option.name, value));
        }
        Ok(parsed)
    }

    /// Options that the table says must be there.
    pub fn check_required(&self, options: &[Opt]) -> Result<(), Stop> {
        let missing = options.iter().filter(|option| option.required && !self.has(option.name));
        let mut missing: Vec<&str> = missing.map(|option| option.name).collect();
        missing.sort_unstable();
        match missing.as_slice() {
            [] => Ok(()),
            names => Err(Stop::Usage(format!("Missing required option(s) [{}]", names.join(", ")))),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// All values in the order given, without default.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.given.iter().filter(|(given, _)| *given == name).filter_map(|(_, v)| v.as_deref()).collect()
    }

    /// The one value, else the default.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Stop> {
        match self.values(name).as_slice() {
            [] => Ok(self.defaults.iter().find(|(of, _)| *of == name).map(|(_, value)| *value)),
            [value] => Ok(Some(value)),
            _ => Err(Stop::Error(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            ))),
        }
    }

    /// The one value as a number. That it is none is told without the help, as joptsimple finds it out late.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Stop> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_parse(name, text))
    }

    /// The value of an option that must be there, with the words of Kafka's tools.
    pub fn needed(&self, name: &str) -> Result<&str, Stop> {
        match self.value(name)? {
            Some(value) => Ok(value),
            None => Err(Stop::Usage(format!("Missing required argument \"[{name}]\""))),
        }
    }

    /// Refuses `name` beside any of `others`.
    pub fn check_invalid(&self, name: &str, others: &[&str]) -> Result<(), Stop> {
        let other = others.iter().find(|other| self.has(name) && self.has(other));
        match other {
            None => Ok(()),
            Some(other) => {
                Err(Stop::Usage(format!("Option \"[{name}]\" can't be used with option \"[{other}]\"")))
            }
        }
    }

    /// Which of an option's two spellings was used; a line tells of the old one, both together are refused.
    pub fn spelling<'a>(&self, new: &'a str, old: &'a str) -> Result<&'a str, Stop> {
        if !self.has(old) {
            return Ok(new);
        }
        if self.has(new) {
            return Err(Stop::Usage(format!("Options --{new} and --{old} cannot be specified together.")));
        }
        say!("Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead.");
        Ok(old)
    }
}

fn find<'a>(options: &'a [Opt], name: &str, long: bool) -> Result<&'a Opt, Stop> {
    if let Some(option) = options.iter().find(|option| option.name == name) {
        return Ok(option);
    }
    // one dash begins a row of one-letter options: the first unknown letter is named
    let unknown = if long { name } else { name.get(..1).unwrap_or(name) };
    Err(Stop::Usage(format!("{unknown} is not a recognized option")))
}

fn take(option: &Opt, inline: Option<&str>, rest: &mut &[String]) -> Result<Option<String>, Stop> {
    let next = rest.first();
    match (option.argument, inline, next) {
        (Argument::None, ..) => Ok(None),
        (_, Some(inline), _) => Ok(Some(inline.to_owned())),
        (Argument::Required(..), None, None) => {
            Err(Stop::Usage(format!("Option {} requires an argument", option.name)))
        }
        (Argument::Optional(_, kind), None, next) if next.is_none_or(|next| !is_argument(next, kind)) => {
            Ok(None)
        }
        (_, None, next) => {
            *rest = rest.get(1..).unwrap_or_default();
            Ok(next.cloned())
        }
    }
}

/// Whether it can be an argument that may be left out: no option, but a negative number where one is wanted.
fn is_argument(text: &str, kind: Kind) -> bool {
    let is_number = text.parse::<f64>().is_ok();
    text.len() < 2 || !text.starts_with('-') || (kind != Kind::Text && is_number)
}

pub fn cannot_parse(name: &str, value: &str) -> Stop {
    Stop::Error(format!("Cannot parse argument '{value}' of option {name}"))
}

#[cfg(test)]
mod tests {
    use super::super::{flag, integer, text};
    use super::*;

    const OPTIONS: &[Opt] = &[
        text("topic", "topic", "").required(),
        integer("partitions", "count", "").or("3"),
        text("codec", "codec", "").optional(),
        flag("list", ""),
    ];

    fn parse(line: &str) -> Result<Parsed, Stop> {
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        let parsed = Parsed::parse(OPTIONS, &arguments)?;
        parsed.check_required(OPTIONS).map(|()| parsed)
    }

    #[test]
    fn values_are_found() {
        for (line, topic, partitions, codec, list) in [
            ("--topic t", "t", 3, None, false),
            ("--topic=t --list", "t", 3, None, true),
            ("-topic t stray -- --list", "t", 3, None, false),
            ("--topic --list --partitions -1", "--list", -1, None, false),
            ("--topic= t --codec --list", "t", 3, None, true),
            ("--codec gzip --topic a=b", "a=b", 3, Some("gzip"), false),
        ] {
            let parsed = parse(line).unwrap();
            assert_eq!(parsed.value("topic").unwrap(), Some(topic), "{line}");
            assert_eq!(parsed.number::<i32>("partitions").unwrap(), Some(partitions), "{line}");
            assert_eq!(parsed.value("codec").unwrap(), codec, "{line}");
            assert_eq!(parsed.has("list"), list, "{line}");
        }
    }

    #[test]
    fn wrong_lines_are_refused_with_joptsimples_words() {
        for (line, words) in [
            ("--list", "Missing required option(s) [topic]"),
            ("--topi t", "topi is not a recognized option"),
            ("-xy", "x is not a recognized option"),
            ("--topic", "Option topic requires an argument"),
        ] {
            assert_eq!(parse(line).unwrap_err(), Stop::usage(words), "{line}");
        }
        let twice = parse("--topic a --topic b").unwrap();
        let words = "Found multiple arguments for option topic, but you asked for only one";
        assert_eq!(twice.value("topic").unwrap_err(), Stop::error(words));
        let wrong = parse("--topic t --partitions x").unwrap().number::<i32>("partitions");
        assert_eq!(wrong.unwrap_err(), Stop::error("Cannot parse argument 'x' of option partitions"));
    }
}
