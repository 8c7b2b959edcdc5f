//! Prometheus' text format: each name once with what it means and its kind, then its samples.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// Written as it comes: nothing of it is kept.
pub struct Exposition<'a> {
    out: &'a mut dyn Write,
    name: &'static str,
}

pub type Label<'a> = (&'a str, &'a dyn Display);

impl<'a> Exposition<'a> {
    pub fn new(out: &'a mut dyn Write) -> Exposition<'a> {
        Exposition { out, name: "" }
    }

    /// Begins a name; its samples follow.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) -> io::Result<()> {
        self.name = name;
        writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    pub fn sample(&mut self, labels: &[Label<'_>], value: impl Display) -> io::Result<()> {
        self.sample_of("", labels, value)
    }

    /// `suffix` is `_count` or `_sum` of a summary.
    pub fn sample_of(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) -> io::Result<()> {
        write!(self.out, "{}{suffix}", self.name)?;
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(self.out, "{before}{label}=\"")?;
            write!(Escaped(&mut *self.out), "{text}").map_err(|_| io::ErrorKind::WriteZero)?;
            self.out.write_all(b"\"")?;
        }
        let end = if labels.is_empty() { "" } else { "}" };
        writeln!(self.out, "{end} {value}")
    }

    pub fn counter(&mut self, name: &'static str, help: &str, value: impl Display) -> io::Result<()> {
        self.family(name, "counter", help)?;
        self.sample(&[], value)
    }

    pub fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) -> io::Result<()> {
        self.family(name, "gauge", help)?;
        self.sample(&[], value)
    }
}

/// A label's value: a group may be called anything.
struct Escaped<'a>(&'a mut dyn Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            let (plain, special) = rest.split_at(at);
            let escaped = match special.as_bytes().first() {
                Some(b'\n') => "\\n",
                Some(b'"') => "\\\"",
                _ => "\\\\",
            };
            self.0
                .write_all(plain.as_bytes())
                .and_then(|()| self.0.write_all(escaped.as_bytes()))
                .map_err(|_| fmt::Error)?;
            rest = special.get(1..).unwrap_or_default();
        }
        self.0.write_all(rest.as_bytes()).map_err(|_| fmt::Error)
    }
}
