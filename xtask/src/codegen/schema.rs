//! A message as the schemas describe it.

/// An inclusive range of versions; `max` is `i16::MAX` for "and later".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub min: i16,
    pub max: i16,
}

impl Versions {
    pub fn intersect(self, other: Versions) -> Versions {
        Versions { min: self.min.max(other.min), max: self.max.min(other.max) }
    }

    pub fn is_empty(self) -> bool {
        self.max < self.min
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// request, response, metadata, key, value, data
    pub kind: String,
    pub name: String,
    /// API key, or record type
    pub key: Option<i16>,
    pub versions: Versions,
    /// The versions that the release before has, where they differ
    pub before: Option<Versions>,
    /// Whether the release before does not have the message at all
    pub new: bool,
    pub flexible: Option<Versions>,
    pub listeners: Vec<String>,
    /// Whether the latest version is not for general use yet
    pub unstable: bool,
    pub fields: Vec<Field>,
    /// Structs that several fields share
    pub structs: Vec<Struct>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: FieldType,
    pub versions: Versions,
    pub nullable: Option<Versions>,
    pub tag: Option<(u32, Versions)>,
    pub default: Option<String>,
    /// May be dropped without a word in a version that does not have it
    pub ignorable: bool,
    /// Of the struct that is this field's type, where it is described here
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    String,
    Bytes,
    Records,
    Uuid,
    Struct(String),
    Array(Box<FieldType>),
}

impl FieldType {
    pub fn parse(text: &str) -> FieldType {
        if let Some(element) = text.strip_prefix("[]") {
            return FieldType::Array(Box::new(FieldType::parse(element)));
        }
        match text {
            "bool" => FieldType::Bool,
            "int8" => FieldType::Int8,
            "int16" => FieldType::Int16,
            "uint16" => FieldType::Uint16,
            "int32" => FieldType::Int32,
            "uint32" => FieldType::Uint32,
            "int64" => FieldType::Int64,
            "float64" => FieldType::Float64,
            "string" => FieldType::String,
            "bytes" => FieldType::Bytes,
            "records" => FieldType::Records,
            "uuid" => FieldType::Uuid,
            name => FieldType::Struct(name.to_owned()),
        }
    }

    pub fn notation(&self) -> String {
        match self {
            FieldType::Array(element) => format!("[]{}", element.notation()),
            FieldType::Struct(name) => name.clone(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// The struct that a value or its elements are.
    pub fn struct_name(&self) -> Option<&str> {
        match self {
            FieldType::Struct(name) => Some(name),
            FieldType::Array(element) => element.struct_name(),
            _ => None,
        }
    }
}

/// `TopicId` to `topic_id`; KRaft is one word.
pub fn snake(name: &str) -> String {
    let name = name.replace("KRaft", "Kraft");
    let mut result = String::new();
    for (index, c) in name.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
            result.push('_');
        }
        result.push(c.to_ascii_lowercase());
    }
    result
}
