//! Kafka's properties, as clients are given them: files of `java.util.Properties`, and typed values out of them with
//! the error texts of Kafka's ConfigException.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;

pub type Properties = BTreeMap<String, String>;

/// A properties file: comments with `#` and `!`, `=`, `:` or blanks behind the key, continued lines, escapes. Read as
/// UTF-8 where it is valid, else as Latin-1 as Java does. The last of two equal keys holds.
pub fn parse_properties(bytes: &[u8]) -> Result<Properties, Error> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut found = Properties::new();
    let mut lines = text.split('\n');
    while let Some(first) = lines.next() {
        let mut line = first.trim_start_matches(BLANKS).to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1 {
            line.pop();
            match lines.next() {
                Some(next) => line.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split(&line);
        found.insert(unescape(key)?, unescape(value)?);
    }
    Ok(found)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Key and value: at most one `=` or `:` stands between them, with blanks around it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || BLANKS.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut units = Vec::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let next = if c == '\\' { characters.next() } else { None };
        if next == Some('u') {
            let digits: String = characters.by_ref().take(4).collect();
            let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
            units.push(unit.ok_or_else(|| Error::Config("Malformed \\uxxxx encoding.".to_owned()))?);
            continue;
        }
        out.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        match (c, next) {
            ('\\', None) => {}
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('f')) => out.push('\u{c}'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out.push_str(&String::from_utf16_lossy(&units));
    Ok(out)
}

/// Reads typed values; what is absent stays as it was.
pub(crate) struct Reading<'a>(pub &'a Properties);

impl Reading<'_> {
    pub fn text(&self, key: &str, into: &mut String) {
        if let Some(value) = self.0.get(key) {
            into.clone_from(value);
        }
    }

    pub fn flag(&self, key: &str, into: &mut bool) -> Result<(), Error> {
        let Some(value) = self.0.get(key) else { return Ok(()) };
        *into = match value.trim() {
            value if value.eq_ignore_ascii_case("true") => true,
            value if value.eq_ignore_ascii_case("false") => false,
            _ => return Err(invalid(key, value, Some("Expected value to be either true or false"))),
        };
        Ok(())
    }

    /// A number of at least `min`.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &self,
        key: &str,
        min: T,
        into: &mut T,
    ) -> Result<(), Error> {
        let Some(value) = self.0.get(key) else { return Ok(()) };
        let short = std::any::type_name::<T>();
        let kind = if short.ends_with("32") { "INT" } else { "LONG" };
        let number: T = value
            .trim()
            .parse()
            .map_err(|_| invalid(key, value, Some(&format!("Not a number of type {kind}"))))?;
        if number < min {
            return Err(invalid(key, value, Some(&format!("Value must be at least {min}"))));
        }
        *into = number;
        Ok(())
    }

    /// A number of bytes or things.
    pub fn size(&self, key: &str, min: i64, into: &mut usize) -> Result<(), Error> {
        let mut number = i64::try_from(*into).unwrap_or(i64::MAX);
        self.number(key, min, &mut number)?;
        *into = usize::try_from(number).unwrap_or(0);
        Ok(())
    }

    /// Milliseconds.
    pub fn duration(&self, key: &str, into: &mut Duration) -> Result<(), Error> {
        let mut ms = i64::try_from(into.as_millis()).unwrap_or(i64::MAX);
        self.number(key, 0, &mut ms)?;
        *into = Duration::from_millis(ms.unsigned_abs());
        Ok(())
    }

    /// One of a list of words.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], into: &mut T) -> Result<(), Error> {
        let Some(value) = self.0.get(key) else { return Ok(()) };
        match choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim())) {
            Some((_, choice)) => *into = *choice,
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let text = format!("String must be one of: {}", names.join(", "));
                return Err(invalid(key, value, Some(&text)));
            }
        }
        Ok(())
    }
}

pub(crate) fn invalid(key: &str, value: &str, why: Option<&str>) -> Error {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Error::Config(format!("Invalid value {value} for configuration {key}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_java_does() {
        for (text, key, value) in [
            ("a=b", "a", "b"),
            ("  a : b ", "a", "b "),
            ("a b=c", "a", "b=c"),
            ("a", "a", ""),
            ("a\\=b=c", "a=b", "c"),
            ("# x\n! y\n\na=1\\\n   2", "a", "12"),
            ("a=\\u6d88\\u606f\\t!", "a", "消息\t!"),
            ("a=\\ud83d\\ude00", "a", "😀"),
            ("a=1\r\na=2\r\n", "a", "2"),
            ("a=\\q", "a", "q"),
        ] {
            let found = parse_properties(text.as_bytes()).unwrap();
            assert_eq!(found, Properties::from([(key.to_owned(), value.to_owned())]), "{text:?}");
        }
        assert!(parse_properties(b"a=\\u12").is_err());
    }

    #[test]
    fn wrong_values_are_refused() {
        let properties = Properties::from([("a".to_owned(), "x".to_owned())]);
        let reading = Reading(&properties);
        let refused = |outcome: Result<(), Error>| outcome.unwrap_err().to_string();
        let text = refused(reading.number("a", 0i32, &mut 5));
        assert_eq!(text, "Invalid value x for configuration a: Not a number of type INT");
        let text = refused(reading.choice("a", &[("b", 1), ("c", 2)], &mut 1));
        assert_eq!(text, "Invalid value x for configuration a: String must be one of: b, c");
        let mut kept = 5i64;
        reading.number("other", 0, &mut kept).unwrap();
        assert_eq!(kept, 5);
    }
}
