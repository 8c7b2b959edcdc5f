//! Values as Java's classes show themselves: `Name(field=value, …)`, `[a, b]`, `{a: 0-1}`.

use std::fmt::Display;

/// `Name(field=value, …)`, field by field.
pub struct Fields {
    text: String,
    first: bool,
}

impl Fields {
    pub fn new(name: &str) -> Fields {
        Fields { text: format!("{name}("), first: true }
    }

    pub fn field(mut self, name: &str, value: impl Display) -> Fields {
        let comma = if self.first { "" } else { ", " };
        self.first = false;
        self.text.push_str(&format!("{comma}{name}={value}"));
        self
    }

    pub fn end(mut self) -> String {
        self.text.push(')');
        self.text
    }
}

pub fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    format!("[{}]", items.join(", "))
}

pub fn quoted(text: &str) -> String {
    format!("'{text}'")
}

pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "Optional.empty".to_owned(), |text| format!("Optional[{text}]"))
}

/// `{name: least-most, …}`.
pub fn feature_ranges<'a>(features: impl Iterator<Item = (&'a str, i16, i16)>) -> String {
    let features: Vec<String> = features.map(|(name, min, max)| format!("{name}: {min}-{max}")).collect();
    format!("{{{}}}", features.join(", "))
}
