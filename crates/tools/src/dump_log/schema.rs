//! The schemas of internal records, as the protocol crate keeps them, read for the decoders of kafka-dump-log.

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(i16, i16);

impl Versions {
    pub fn contains(self, version: i16) -> bool {
        self.0 <= version && version <= self.1
    }

    /// `2`, `1-3`, `0+`.
    fn parse(text: &str) -> Option<Versions> {
        if let Some(min) = text.strip_suffix('+') {
            return Some(Versions(min.parse().ok()?, i16::MAX));
        }
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        Some(Versions(min.parse().ok()?, max.parse().ok()?))
    }
}

#[derive(Clone, Debug)]
pub struct Message {
    pub name: String,
    /// The record's type.
    pub key: i16,
    pub versions: Versions,
    pub flexible: Option<Versions>,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// `[]` before what an array is of.
    pub kind: String,
    pub versions: Versions,
    pub nullable: Option<Versions>,
    pub tag: Option<u32>,
    pub default: String,
    pub fields: Vec<Field>,
}

/// All messages of some schema files.
pub fn parse(texts: &[&str]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for text in texts {
        let lines: Vec<(usize, &str)> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .map(|line| ((line.len() - line.trim_start().len()) / 2, line.trim()))
            .collect();
        let mut rest = lines.as_slice();
        while let Some(((_, head), behind)) = rest.split_first() {
            let end = behind.iter().position(|(depth, _)| *depth == 0).unwrap_or(behind.len());
            let (body, after) = behind.split_at_checked(end).unwrap_or((behind, &[]));
            messages.extend(message(head, body));
            rest = after;
        }
    }
    messages
}

fn message(head: &str, body: &[(usize, &str)]) -> Option<Message> {
    let mut words = head.split(' ');
    let (_, name) = (words.next()?, words.next()?);
    let mut found = Message {
        name: name.to_owned(),
        key: -1,
        versions: Versions(0, -1),
        flexible: None,
        fields: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("key", key)) => found.key = key.parse().ok()?,
            Some(("versions", versions)) => found.versions = Versions::parse(versions)?,
            Some(("flexible", versions)) => found.flexible = Versions::parse(versions),
            _ => {}
        }
    }
    let mut structs = Vec::new();
    found.fields = fields(body, 1, &mut structs);
    // structs that several fields share stand below them; what they hold may be shared in turn
    for _ in 0..4 {
        share(&mut found.fields, &structs);
    }
    Some(found)
}

fn share(fields: &mut [Field], structs: &[(String, Vec<Field>)]) {
    for field in fields {
        if field.fields.is_empty() {
            let kind = field.kind.trim_start_matches("[]");
            if let Some((_, shared)) = structs.iter().find(|(name, _)| name == kind) {
                field.fields = shared.clone();
            }
        } else {
            share(&mut field.fields, structs);
        }
    }
}

fn fields(lines: &[(usize, &str)], depth: usize, structs: &mut Vec<(String, Vec<Field>)>) -> Vec<Field> {
    let mut found: Vec<Field> = Vec::new();
    let mut rest = lines;
    while let Some(((_, line), behind)) = rest.split_first() {
        let end = behind.iter().position(|(of, _)| *of <= depth).unwrap_or(behind.len());
        let (inner, after) = behind.split_at_checked(end).unwrap_or((behind, &[]));
        let inner = fields(inner, depth + 1, structs);
        match line.strip_prefix("struct ") {
            Some(name) => structs.push((name.to_owned(), inner)),
            None => found.extend(field(line, inner)),
        }
        rest = after;
    }
    found
}

fn field(line: &str, fields: Vec<Field>) -> Option<Field> {
    let mut words = line.split(' ');
    let (name, kind, versions) = (words.next()?, words.next()?, Versions::parse(words.next()?)?);
    let (name, kind) = (name.to_owned(), kind.to_owned());
    let mut found = Field { name, kind, versions, nullable: None, tag: None, default: String::new(), fields };
    for word in words {
        match word.split_once('=') {
            Some(("null", versions)) => found.nullable = Versions::parse(versions),
            Some(("tag", tag)) => found.tag = tag.split(':').next()?.parse().ok(),
            Some(("default", value)) => found.default = value.to_owned(),
            _ => {}
        }
    }
    Some(found)
}
