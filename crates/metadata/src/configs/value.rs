//! A parsed value: text in, typed value out, and back to the one text that is stored and shown.

use std::collections::BTreeSet;

use super::definition::{Check, Definition, Kind};
use super::error::ConfigError;
use super::java;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Boolean(bool),
    String(String),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    /// The name of a Java class: kept as text, known ones are recognised by whoever uses them.
    Class(String),
    Password(String),
}

impl Value {
    /// As Kafka prints it in DescribeConfigs.
    pub fn text(&self) -> String {
        match self {
            Value::Boolean(value) => value.to_string(),
            Value::String(text) | Value::Class(text) | Value::Password(text) => text.clone(),
            Value::Int(value) => value.to_string(),
            Value::Short(value) => value.to_string(),
            Value::Long(value) => value.to_string(),
            Value::Double(value) => java::double_text(*value),
            Value::List(items) => items.join(","),
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(i64::from(*value)),
            Value::Short(value) => Some(i64::from(*value)),
            Value::Long(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Boolean(value) = self { Some(*value) } else { None }
    }

    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Double(value) = self { Some(*value) } else { None }
    }

    pub fn as_list(&self) -> Option<&[String]> {
        if let Value::List(items) = self { Some(items) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Class(text) | Value::Password(text) => Some(text),
            _ => None,
        }
    }
}

/// A list's text: split at commas, blanks around items dropped, empty text is no items.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

impl Definition {
    /// Type and range of `text`, in Kafka's order and with its words.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let mut value = self.parse_kind(text)?;
        if let (Check::Items(..), Value::List(items)) = (self.check, &mut value) {
            // items given twice count once (KIP-1161)
            let mut seen = BTreeSet::new();
            items.retain(|item| seen.insert(item.clone()));
        }
        self.validate(&value)?;
        Ok(value)
    }

    fn parse_kind(&self, raw: &str) -> Result<Value, ConfigError> {
        let text = raw.trim();
        let not_a_number =
            || ConfigError::invalid(self.name, raw, format!("Not a number of type {}", self.kind.name()));
        let integer = || java::parse_integer(text).ok_or_else(not_a_number);
        Ok(match self.kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Kind::Boolean => {
                let why = "Expected value to be either true or false";
                return Err(ConfigError::invalid(self.name, raw, why));
            }
            Kind::String => Value::String(text.to_owned()),
            Kind::Int => Value::Int(i32::try_from(integer()?).map_err(|_| not_a_number())?),
            Kind::Short => Value::Short(i16::try_from(integer()?).map_err(|_| not_a_number())?),
            Kind::Long => Value::Long(integer()?),
            Kind::Double => Value::Double(java::parse_double(text).ok_or_else(not_a_number)?),
            Kind::List => Value::List(split_list(text)),
            Kind::Class => Value::Class(text.to_owned()),
            Kind::Password => Value::Password(raw.to_owned()),
        })
    }
}
