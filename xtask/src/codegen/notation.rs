//! Our notation of schemas: a line for a message, a line for each field, two spaces a level.
//!
//! `request MetadataRequest key=3 versions=0-13 flexible=9+ listeners=broker`
//! `  Topics []MetadataRequestTopic 0+ null=1+`

use anyhow::{Context, Result, bail};

use super::schema::{Field, FieldType, Message, Struct, Versions};

pub fn parse_versions(text: &str) -> Result<Option<Versions>> {
    let number = |text: &str| text.trim().parse::<i16>().with_context(|| format!("versions {text:?}"));
    Ok(match text.trim() {
        "none" => None,
        text => Some(if let Some(min) = text.strip_suffix('+') {
            Versions { min: number(min)?, max: i16::MAX }
        } else if let Some((min, max)) = text.split_once('-') {
            Versions { min: number(min)?, max: number(max)? }
        } else {
            Versions { min: number(text)?, max: number(text)? }
        }),
    })
}

fn print_versions(versions: Versions) -> String {
    match versions {
        Versions { min, max: i16::MAX } => format!("{min}+"),
        Versions { min, max } if min == max => min.to_string(),
        Versions { min, max } => format!("{min}-{max}"),
    }
}

pub fn print(message: &Message) -> String {
    let mut line = format!("{} {}", message.kind, message.name);
    if let Some(key) = message.key {
        line.push_str(&format!(" key={key}"));
    }
    line.push_str(&format!(" versions={}", print_versions(message.versions)));
    if let Some(before) = message.before {
        line.push_str(&format!(" before={}", print_versions(before)));
    }
    if let Some(flexible) = message.flexible {
        line.push_str(&format!(" flexible={}", print_versions(flexible)));
    }
    if !message.listeners.is_empty() {
        line.push_str(&format!(" listeners={}", message.listeners.join(",")));
    }
    if message.new {
        line.push_str(" new");
    }
    if message.unstable {
        line.push_str(" unstable");
    }
    line.push('\n');
    print_fields(&message.fields, 1, &mut line);
    for shared in &message.structs {
        line.push_str(&format!("  struct {}\n", shared.name));
        print_fields(&shared.fields, 2, &mut line);
    }
    line
}

fn print_fields(fields: &[Field], depth: usize, text: &mut String) {
    for field in fields {
        let (name, kind) = (&field.name, field.kind.notation());
        text.push_str(&format!("{}{name} {kind} {}", "  ".repeat(depth), print_versions(field.versions)));
        if let Some(nullable) = field.nullable {
            text.push_str(&format!(" null={}", print_versions(nullable)));
        }
        if let Some((tag, versions)) = field.tag {
            text.push_str(&format!(" tag={tag}:{}", print_versions(versions)));
        }
        if let Some(default) = &field.default {
            text.push_str(&format!(" default={default}"));
        }
        if field.ignorable {
            text.push_str(" ignorable");
        }
        text.push('\n');
        print_fields(&field.fields, depth + 1, text);
    }
}

/// A line without its indentation.
struct Line<'a> {
    depth: usize,
    words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn versions(&self, name: &str) -> Result<Option<Versions>> {
        self.attribute(name).map_or(Ok(None), parse_versions)
    }
}

pub fn parse(text: &str) -> Result<Vec<Message>> {
    let lines: Vec<Line> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| Line {
            depth: (line.len() - line.trim_start().len()) / 2,
            words: line.split_whitespace().collect(),
        })
        .collect();
    let mut messages = Vec::new();
    let mut rest = lines.as_slice();
    while let Some((line, after)) = rest.split_first() {
        let (mut message, tail) = (parse_message(line)?, after);
        rest = parse_body(&mut message, tail).with_context(|| message_name(line))?;
        messages.push(message);
    }
    Ok(messages)
}

fn message_name(line: &Line) -> String {
    line.words.join(" ")
}

fn parse_message(line: &Line) -> Result<Message> {
    let [kind, name, ..] = line.words[..] else { bail!("a message needs a kind and a name") };
    Ok(Message {
        kind: kind.to_owned(),
        name: name.to_owned(),
        key: line.attribute("key").map(str::parse).transpose()?,
        versions: line.versions("versions")?.context("a message needs versions")?,
        before: line.versions("before")?,
        flexible: line.versions("flexible")?,
        listeners: line
            .attribute("listeners")
            .map(|names| names.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        new: line.words.contains(&"new"),
        unstable: line.words.contains(&"unstable"),
        fields: Vec::new(),
        structs: Vec::new(),
    })
}

fn parse_body<'l, 'a>(message: &mut Message, mut rest: &'l [Line<'a>]) -> Result<&'l [Line<'a>]> {
    loop {
        let (fields, tail) = parse_fields(rest, 1)?;
        message.fields.extend(fields);
        match tail.split_first() {
            Some((line, after)) if line.depth == 1 => {
                let name = (*line.words.get(1).context("a struct needs a name")?).to_owned();
                let (fields, tail) = parse_fields(after, 2)?;
                message.structs.push(Struct { name, fields });
                rest = tail;
            }
            _ => return Ok(tail),
        }
    }
}

fn parse_fields<'l, 'a>(mut rest: &'l [Line<'a>], depth: usize) -> Result<(Vec<Field>, &'l [Line<'a>])> {
    let mut fields = Vec::new();
    while let Some((line, after)) = rest.split_first() {
        if line.depth != depth || line.words.first() == Some(&"struct") {
            break;
        }
        let mut field = parse_field(line).with_context(|| message_name(line))?;
        (field.fields, rest) = parse_fields(after, depth + 1)?;
        fields.push(field);
    }
    Ok((fields, rest))
}

fn parse_field(line: &Line) -> Result<Field> {
    let [name, kind, versions, ..] = line.words[..] else { bail!("a field needs name, type and versions") };
    let tag = match line.attribute("tag").and_then(|tag| tag.split_once(':')) {
        Some((tag, versions)) => Some((tag.parse()?, parse_versions(versions)?.context("tag versions")?)),
        None => None,
    };
    Ok(Field {
        name: name.to_owned(),
        kind: FieldType::parse(kind),
        versions: parse_versions(versions)?.context("field versions")?,
        nullable: line.versions("null")?,
        tag,
        default: line.attribute("default").map(str::to_owned),
        ignorable: line.words.contains(&"ignorable"),
        fields: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_parsed_again() {
        let text = "request ARequest key=3 versions=0-13 before=0-12 flexible=9+ listeners=broker,controller new unstable
  Topics []Topic 0+ null=1+
    Id uuid 10+ default=null ignorable
  Cluster string 12+ null=12+ tag=0:12+ default=null
  Count int32 2-4
  struct Shared
    Name string 0
data Other versions=0
  A int8 0+
";
        let messages = parse(text).unwrap();
        assert_eq!(messages.iter().map(print).collect::<String>(), text);
    }
}
