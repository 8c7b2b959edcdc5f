//! A line to a record: `headers⇥key⇥value`, as far as the reader's properties say so.

use std::sync::Arc;

use bytes::Bytes;
use client::{Header, ProducerRecord, Properties};

#[derive(Clone, Debug)]
pub struct LineReader {
    parse_key: bool,
    key_separator: Vec<u8>,
    parse_headers: bool,
    headers_delimiter: Vec<u8>,
    headers_separator: Vec<u8>,
    headers_key_separator: Vec<u8>,
    null_marker: Option<Vec<u8>>,
    ignore_error: bool,
    line_number: u64,
}

impl LineReader {
    pub fn new(properties: &Properties) -> Result<LineReader, String> {
        let is_true =
            |key: &str| properties.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text = |key: &str, default: &str| {
            properties.get(key).map_or(default, String::as_str).as_bytes().to_vec()
        };
        let reader = LineReader {
            parse_key: is_true("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: is_true("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: properties.get("null.marker").map(|marker| marker.as_bytes().to_vec()),
            ignore_error: is_true("ignore.error"),
            line_number: 0,
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<(), String> {
        if self.headers_delimiter == self.headers_separator {
            return Err("headers.delimiter and headers.separator may not be equal".to_owned());
        }
        if self.headers_separator == self.headers_key_separator {
            return Err("headers.separator and headers.key.separator may not be equal".to_owned());
        }
        Ok(())
    }

    pub fn record(&mut self, line: &[u8], topic: &Arc<str>) -> Result<ProducerRecord, String> {
        self.line_number += 1;
        let mut rest = line;
        let mut headers = None;
        if self.parse_headers {
            headers = self.split(line, &mut rest, &self.headers_delimiter, "headers delimiter")?;
        }
        let mut key = None;
        if self.parse_key {
            key = self.split(line, &mut rest, &self.key_separator, "key separator")?;
        }
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.headers(headers)?,
            None => Vec::new(),
        };
        let owned = |bytes: &[u8]| (!self.is_null(bytes)).then(|| Bytes::copy_from_slice(bytes));
        Ok(ProducerRecord {
            topic: Arc::clone(topic),
            key: key.and_then(owned),
            value: owned(rest),
            headers,
            ..ProducerRecord::default()
        })
    }

    /// What stands before `separator` in `rest`, which then begins behind it.
    fn split<'a>(
        &self,
        line: &[u8],
        rest: &mut &'a [u8],
        separator: &[u8],
        name: &str,
    ) -> Result<Option<&'a [u8]>, String> {
        match split_once(rest, separator) {
            Some((before, behind)) => {
                *rest = behind;
                Ok(Some(before))
            }
            None if self.ignore_error => Ok(None),
            None => Err(format!(
                "No {name} found on line number {}: '{}'",
                self.line_number,
                String::from_utf8_lossy(line)
            )),
        }
    }

    fn headers(&self, mut text: &[u8]) -> Result<Vec<Header>, String> {
        let mut found = Vec::new();
        loop {
            let (pair, rest) = match split_once(text, &self.headers_separator) {
                Some((pair, rest)) => (pair, Some(rest)),
                None => (text, None),
            };
            found.push(self.header(pair)?);
            match rest {
                Some(rest) => text = rest,
                None => return Ok(found),
            }
        }
    }

    fn header(&self, pair: &[u8]) -> Result<Header, String> {
        let (key, value) = match split_once(pair, &self.headers_key_separator) {
            Some((key, value)) => (key, Some(value)),
            None if self.ignore_error => (pair, None),
            None => {
                return Err(format!(
                    "No header key separator found in pair '{}' on line number {}",
                    String::from_utf8_lossy(pair),
                    self.line_number
                ));
            }
        };
        let text = String::from_utf8_lossy(key).into_owned();
        if self.is_null(key) {
            return Err(format!(
                "Header keys should not be equal to the null marker '{text}' as they can't be null"
            ));
        }
        let value = value.filter(|value| !self.is_null(value)).map(Bytes::copy_from_slice);
        Ok(Header { key: text, value })
    }

    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(bytes)
    }
}

fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    if separator.is_empty() {
        return Some((&[], bytes));
    }
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &[(&str, &str)]) -> LineReader {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        LineReader::new(&properties.collect()).unwrap()
    }

    fn shown(reader: &mut LineReader, line: &str) -> Result<String, String> {
        let record = reader.record(line.as_bytes(), &"t".into())?;
        let text = |bytes: &Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "null".to_owned(),
        };
        let headers: Vec<String> =
            record.headers.iter().map(|header| format!("{}={}", header.key, text(&header.value))).collect();
        Ok(format!("{}|{}|{}", headers.join(","), text(&record.key), text(&record.value)))
    }

    #[test]
    fn lines_are_split_as_told() {
        let key = ("parse.key", "true");
        let headers = ("parse.headers", "true");
        let ignore = ("ignore.error", "true");
        for (properties, line, record) in [
            (&[][..], "a\tb", "|null|a\tb"),
            (&[], "", "|null|"),
            (&[key], "k\tv\tw", "|k|v\tw"),
            (&[key, ("key.separator", "::")], "k::v", "|k|v"),
            (&[key, headers], "a:1,b:2\tk\tv", "a=1,b=2|k|v"),
            (&[headers], "a:1:2\tv", "a=1:2|null|v"),
            (&[key, ("null.marker", "NULL")], "NULL\tNULL", "|null|null"),
            (&[headers, ("null.marker", "N")], "a:N\tv", "a=null|null|v"),
            (&[headers, ("null.marker", "N")], "N\tv", "|null|v"),
            (&[key, ignore], "v", "|null|v"),
            (&[headers, ignore], "a\tv", "a=null|null|v"),
        ] {
            assert_eq!(shown(&mut reader(properties), line).as_deref(), Ok(record), "{line:?}");
        }
    }

    #[test]
    fn lines_that_lack_something_are_refused() {
        let mut keyed = reader(&[("parse.key", "true")]);
        assert!(shown(&mut keyed, "a\tb").is_ok());
        assert_eq!(shown(&mut keyed, "ab").unwrap_err(), "No key separator found on line number 2: 'ab'");
        let mut headed = reader(&[("parse.headers", "true")]);
        let text = "No header key separator found in pair 'a' on line number 1";
        assert_eq!(shown(&mut headed, "a\tb").unwrap_err(), text);
        let same = Properties::from([("headers.delimiter".to_owned(), ",".to_owned())]);
        assert!(LineReader::new(&same).is_err());
    }
}
