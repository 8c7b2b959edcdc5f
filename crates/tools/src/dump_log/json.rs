//! Records of internal topics as JSON, with the names, order and left-out defaults of Kafka's own writer.

use serde_json::{Map, Value};
use types::Uuid;

use super::schema::{Field, Message};

/// Bytes being read; every length is held against what remains.
pub struct Source<'a>(pub &'a [u8]);

impl<'a> Source<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn int16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn int32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn int64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn uvarint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = *self.take(1)?.first()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A length or count; None for null.
    fn length(&mut self, flexible: bool, wide: bool) -> Option<Option<usize>> {
        if flexible {
            return Some(self.uvarint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = if wide { i64::from(self.int32()?) } else { i64::from(self.int16()?) };
        Some(usize::try_from(length).ok())
    }
}

/// The message's fields in this version.
pub fn decode(message: &Message, version: i16, source: &mut Source<'_>) -> Option<Value> {
    let flexible = message.flexible.is_some_and(|versions| versions.contains(version));
    object(&message.fields, version, flexible, source)
}

fn object(fields: &[Field], version: i16, flexible: bool, source: &mut Source<'_>) -> Option<Value> {
    let mut values: Vec<(&str, Value)> = Vec::new();
    let here = |field: &&Field| field.versions.contains(version);
    for field in fields.iter().filter(here).filter(|field| field.tag.is_none() || !flexible) {
        values.push((&field.name, value(field, &field.kind, version, flexible, source)?));
    }
    if flexible {
        for _ in 0..source.uvarint()? {
            let (tag, size) = (source.uvarint()?, source.uvarint()? as usize);
            let mut inner = Source(source.take(size)?);
            let Some(field) = fields.iter().filter(here).find(|field| field.tag == Some(tag)) else {
                continue;
            };
            let value = value(field, &field.kind, version, flexible, &mut inner)?;
            if !is_default(field, &value) {
                values.push((&field.name, value));
            }
        }
    }
    // a struct is shown as null where it is left out, other tagged fields are not shown
    for field in fields.iter().filter(here).filter(|field| field.nullable.is_some() && is_struct(field)) {
        if values.iter().all(|(name, _)| *name != field.name) {
            values.push((&field.name, Value::Null));
        }
    }
    // tagged fields stand where the schema has them
    let place = |name: &str| fields.iter().position(|field| field.name == name);
    values.sort_by_key(|(name, _)| place(name));
    let mut found = Map::new();
    for (name, value) in values {
        let mut letters = name.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        found.insert(first.into_iter().chain(letters).collect(), value);
    }
    Some(Value::Object(found))
}

fn is_struct(field: &Field) -> bool {
    !field.fields.is_empty() && !field.kind.starts_with("[]")
}

fn is_default(field: &Field, value: &Value) -> bool {
    match value {
        Value::Null => field.default == "null",
        Value::Array(all) => all.is_empty() && field.default != "null",
        Value::String(text) => *text == field.default || *text == Uuid::ZERO.to_string(),
        Value::Number(number) => {
            number.to_string() == field.default || (field.default.is_empty() && number.as_f64() == Some(0.0))
        }
        Value::Bool(value) => *value == (field.default == "true"),
        Value::Object(_) => false,
    }
}

fn value(field: &Field, kind: &str, version: i16, flexible: bool, source: &mut Source<'_>) -> Option<Value> {
    if let Some(element) = kind.strip_prefix("[]") {
        let Some(count) = source.length(flexible, true)? else { return Some(Value::Null) };
        // an element is a byte at least
        if count > source.0.len() {
            return None;
        }
        let all = (0..count).map(|_| value(field, element, version, flexible, source));
        return all.collect::<Option<Vec<Value>>>().map(Value::Array);
    }
    Some(match kind {
        "bool" => Value::Bool(source.array::<1>()? != [0]),
        "int8" => i8::from_be_bytes(source.array()?).into(),
        "int16" => source.int16()?.into(),
        "uint16" => u16::from_be_bytes(source.array()?).into(),
        "int32" => source.int32()?.into(),
        "uint32" => u32::from_be_bytes(source.array()?).into(),
        "int64" => source.int64()?.into(),
        "float64" => f64::from_be_bytes(source.array()?).into(),
        "uuid" => {
            let id = u128::from_be_bytes(source.array()?);
            Value::String(Uuid::from_halves((id >> 64) as i64, id as i64).to_string())
        }
        "string" => match source.length(flexible, false)? {
            Some(length) => Value::String(String::from_utf8_lossy(source.take(length)?).into_owned()),
            None => Value::Null,
        },
        "bytes" | "records" => match source.length(flexible, true)? {
            Some(length) => Value::String(base64(source.take(length)?)),
            None => Value::Null,
        },
        _ => {
            // a struct that may be null has a byte before it: 1, else -1 or, where it is tagged, 0
            let nullable = field.nullable.is_some_and(|versions| versions.contains(version))
                && !field.kind.starts_with("[]");
            if nullable && i8::from_be_bytes(source.array()?) <= 0 {
                return Some(Value::Null);
            }
            object(&field.fields, version, flexible, source)?
        }
    })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            out.push(if place > chunk.len() { '=' } else { letter as char });
        }
    }
    out
}
