//! Java properties files with the place of every key, so that an error can name file and line.
//! Rules as `java.util.Properties.load`: comments with `#` and `!`, `=`, `:` or blanks after the key, continuation
//! lines, `\t \n \r \f` and `\uXXXX` escapes. Read as UTF-8 where it is valid, else as Latin-1 as Java does.

/// One entry; a key given twice appears twice, the last one holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: String,
    /// Of its first natural line, from 1.
    pub line: usize,
}

/// An escape that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: malformed \\u escape: four hexadecimal digits must follow")]
pub struct MalformedEscape {
    pub line: usize,
}

pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, MalformedEscape> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut entries = Vec::new();
    let mut lines = text.split('\n').enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while continues(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let line = index + 1;
        entries.push(Entry { key: unescape(key, line)?, value: unescape(value, line)?, line });
    }
    Ok(entries)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// An odd number of backslashes at the end joins the next line.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, c)| {
            let ends = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANKS);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(BLANKS))
}

fn unescape(text: &str, line: usize) -> Result<String, MalformedEscape> {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    units.push(unicode(&mut chars).ok_or(MalformedEscape { line })?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        drain(&mut units, &mut out);
        out.push(plain);
    }
    drain(&mut units, &mut out);
    Ok(out)
}

/// `\u` escapes are UTF-16 units: two may make one character.
fn drain(units: &mut Vec<u16>, out: &mut String) {
    out.extend(char::decode_utf16(units.drain(..)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit: u16 = 0;
    for _ in 0..4 {
        unit = unit << 4 | chars.next()?.to_digit(16)? as u16;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let entries = parse(text.as_bytes()).unwrap();
        let found: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.value.as_str(), e.line)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn entries_as_java_reads_them() {
        check("a=1\n# no\n! no\n\n  b : 2\n", &[("a", "1", 1), ("b", "2", 5)]);
        check("a b c", &[("a", "b c", 1)]);
        check("a\n", &[("a", "", 1)]);
        check("a = = b", &[("a", "= b", 1)]);
        check("listeners=A://:1,\\\n   B://:2\nx=y", &[("listeners", "A://:1,B://:2", 1), ("x", "y", 3)]);
        check("path=c\\:\\\\x\\ty ", &[("path", "c:\\x\ty ", 1)]);
        check("a\\ b=1", &[("a b", "1", 1)]);
        check("k=\\u4f60\\ud83d\\ude00!", &[("k", "你😀!", 1)]);
        check("a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
        check("a=1\r\nb=2\r", &[("a", "1", 1), ("b", "2", 2)]);
        check("a=1\\", &[("a", "1", 1)]);
    }

    #[test]
    fn latin_1_where_it_is_not_utf_8() {
        assert_eq!(parse(b"a=\xe9").unwrap()[0].value, "é");
    }

    #[test]
    fn a_broken_escape_names_its_line() {
        assert_eq!(parse(b"a=1\nb=\\u12g4"), Err(MalformedEscape { line: 2 }));
        assert_eq!(parse(b"b=\\u12"), Err(MalformedEscape { line: 1 }));
    }
}
