//! The console consumer's command line, and what it means.

use std::time::Duration;

use client::Properties;

use super::formatter::Formatter;
use crate::options::{CommandLine, Opt, Parsed, flag, integer, long, text};
use crate::output::say;
use crate::{Stop, connecting, dates};

const FORMATTER: &str = "print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, \
     print.value (true), key.separator (TAB), line.separator (newline), headers.separator (comma), null.literal \
     (null), key.deserializer, value.deserializer, headers.deserializer.";

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,...", "Where the cluster is found. Needed."),
    text("command-config", "file", "Properties of the consumer; --command-property goes before them."),
    text("command-property", "key=value", "A property of the consumer; may be given again."),
    text("consumer-property", "key=value", "Deprecated: use --command-property."),
    text("consumer.config", "file", "Deprecated: use --command-config."),
    flag("enable-systest-events", "Say when the consumer has ended."),
    text(
        "formatter",
        "class",
        "How records are printed; of org.apache.kafka.tools.consumer also LoggingMessageFormatter, \
         NoOpMessageFormatter, and for the records of coordinators OffsetsMessageFormatter, \
         GroupMetadataMessageFormatter, TransactionLogMessageFormatter.",
    )
    .or("org.apache.kafka.tools.consumer.DefaultMessageFormatter"),
    text("formatter-config", "file", "Properties of the formatter; --formatter-property goes before them."),
    text("formatter-property", "key=value", FORMATTER),
    flag("from-beginning", "Begin with the first record where nothing is committed, not with the next."),
    text("group", "name", "The consumer group; one of its own where none is named."),
    text("include", "regex", "Read all topics whose names match."),
    text("isolation-level", "level", "read_committed leaves out what transactions aborted or left open.")
        .or("read_uncommitted"),
    text("key-deserializer", "class", "What keys are."),
    integer("max-messages", "number", "End after so many records."),
    text("offset", "offset", "Where to begin in --partition: a number, earliest or latest.").or("latest"),
    integer("partition", "number", "The one partition to read."),
    text("property", "key=value", "Deprecated: use --formatter-property."),
    flag("skip-message-on-error", "Pass over a record that cannot be printed."),
    long("timeout-ms", "ms", "End when no record has come for so long."),
    text("topic", "name", "The topic to read."),
    text("value-deserializer", "class", "What values are."),
];

pub const LINE: CommandLine = CommandLine {
    name: "console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    options: OPTIONS,
    examples: &[
        "--bootstrap-server localhost:9092 --topic quickstart-events --from-beginning",
        "--bootstrap-server localhost:9092 --topic orders --group billing --formatter-property print.key=true",
        "--bootstrap-server localhost:9092 --topic orders --partition 0 --offset 42 --max-messages 1",
    ],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Earliest,
    Latest,
    At(i64),
}

pub struct Settings {
    pub properties: Properties,
    pub topic: Option<String>,
    pub include: Option<String>,
    pub partition: Option<i32>,
    pub begin: Begin,
    pub max_messages: Option<u64>,
    pub timeout: Option<Duration>,
    pub formatter: Formatter,
    pub skip_on_error: bool,
    pub systest_events: bool,
}

impl Settings {
    pub fn read(parsed: &Parsed) -> Result<Settings, Stop> {
        let topic = parsed.value("topic")?.map(String::from);
        let include = parsed.value("include")?.map(String::from);
        if topic.is_some() == include.is_some() {
            return Err(Stop::usage(
                "Exactly one of the following arguments is required: [topic], [include]",
            ));
        }
        let partition = parsed.number("partition")?;
        if partition.is_some() && topic.is_none() {
            return Err(Stop::usage("The topic is required when partition is specified."));
        }
        connecting::check_servers(parsed.needed("bootstrap-server")?)?;
        if parsed.has("offset") && partition.is_none() {
            return Err(Stop::usage("The partition is required when offset is specified."));
        }
        if parsed.has("from-beginning") && parsed.has("offset") {
            return Err(Stop::usage("Options from-beginning and offset cannot be specified together."));
        }
        let begin = begin(parsed)?;
        let formatter = formatter(parsed)?;
        let properties = consumer_properties(parsed, partition.is_some())?;
        let max_messages: Option<i32> = parsed.number("max-messages")?;
        let timeout: Option<i64> = parsed.number("timeout-ms")?;
        Ok(Settings {
            properties,
            topic,
            include,
            partition,
            begin,
            // Kafka takes a negative number for no limit
            max_messages: max_messages.and_then(|max| u64::try_from(max).ok()),
            timeout: timeout.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
            formatter,
            skip_on_error: parsed.has("skip-message-on-error"),
            systest_events: parsed.has("enable-systest-events"),
        })
    }
}

fn begin(parsed: &Parsed) -> Result<Begin, Stop> {
    if parsed.has("from-beginning") {
        return Ok(Begin::Earliest);
    }
    let text = parsed.value("offset")?.unwrap_or("latest");
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Begin::Earliest),
        "latest" => Ok(Begin::Latest),
        number => match number.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Begin::At(offset)),
            _ => Err(Stop::usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
            ))),
        },
    }
}

fn formatter(parsed: &Parsed) -> Result<Formatter, Stop> {
    if parsed.has("property") && parsed.has("formatter-property") {
        let text = "Options --property and --formatter-property cannot be specified together.";
        return Err(Stop::usage(text));
    }
    let option = if parsed.has("property") { "property" } else { "formatter-property" };
    if option == "property" {
        say!(
            "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead."
        );
    }
    let mut properties = match parsed.value("formatter-config")? {
        Some(path) => connecting::properties_file(path)?,
        None => Properties::new(),
    };
    properties.extend(connecting::key_values(&parsed.values(option), true)?);
    for (option, key) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = parsed.value(option)?.filter(|class| !class.is_empty()) {
            properties.insert(key.to_owned(), class.to_owned());
        }
    }
    let class = parsed.value("formatter")?.unwrap_or_default();
    Formatter::new(class, &properties).map_err(Stop::Usage)
}

fn consumer_properties(parsed: &Parsed, alone: bool) -> Result<Properties, Stop> {
    let pairs = [("consumer-property", "command-property"), ("consumer.config", "command-config")];
    for (old, new) in pairs {
        if parsed.has(old) && parsed.has(new) {
            return Err(Stop::usage(format!("Options --{old} and --{new} cannot be specified together.")));
        }
        if parsed.has(old) {
            say!(
                "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            );
        }
    }
    let given = |(old, new): (&'static str, &'static str)| if parsed.has(old) { old } else { new };
    let [property, file] = pairs.map(given);
    let mut from_file = Properties::new();
    if let Some(path) = parsed.value(file)? {
        from_file = connecting::properties_file(path).map_err(|stop| match stop {
            Stop::Error(text) => Stop::Error(format!("Exception in thread \"main\" {text}")),
            other => other,
        })?;
    }
    let extra = connecting::key_values(&parsed.values(property), true)?;
    let group = group(parsed, &from_file, &extra)?;
    let mut properties = from_file;
    properties.extend(extra);
    reset(parsed, &mut properties)?;
    properties.insert("bootstrap.servers".to_owned(), parsed.needed("bootstrap-server")?.to_owned());
    match group {
        Some(group) => drop(properties.insert("group.id".to_owned(), group)),
        None if alone => {}
        None => {
            // nobody comes back to a group of that name: nothing is committed to it
            let name = format!("console-consumer-{}", dates::now_ms() % 100_000);
            properties.insert("group.id".to_owned(), name);
            properties.entry("enable.auto.commit".to_owned()).or_insert_with(|| "false".to_owned());
        }
    }
    properties.entry("client.id".to_owned()).or_insert_with(|| "console-consumer".to_owned());
    let level = parsed.value("isolation-level")?.unwrap_or_default();
    properties.insert("isolation.level".to_owned(), level.to_owned());
    Ok(properties)
}

/// The group's name, which may be told in three places that must agree.
fn group(parsed: &Parsed, file: &Properties, extra: &Properties) -> Result<Option<String>, Stop> {
    let mut names: Vec<String> = parsed.value("group")?.map(String::from).into_iter().collect();
    names.extend(extra.get("group.id").cloned());
    names.extend(file.get("group.id").cloned());
    names.dedup();
    if names.len() > 1 {
        let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        return Err(Stop::usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: {}",
            names.join(", ")
        )));
    }
    Ok(names.pop())
}

fn reset(parsed: &Parsed, properties: &mut Properties) -> Result<(), Stop> {
    let key = "auto.offset.reset";
    let beginning = parsed.has("from-beginning");
    match properties.get(key) {
        Some(given) if beginning && given != "earliest" => Err(Stop::error(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={given}', please remove one option"
        ))),
        Some(_) => Ok(()),
        None => {
            let reset = if beginning { "earliest" } else { "latest" };
            properties.insert(key.to_owned(), reset.to_owned());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Settings, Stop> {
        let line = format!("--bootstrap-server localhost:9092 {line}");
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        Settings::read(&Parsed::parse(OPTIONS, &arguments)?)
    }

    #[test]
    fn lines_that_contradict_themselves_are_refused() {
        for line in [
            "",
            "--topic t --include u",
            "--topic t --offset 3",
            "--topic t --partition 0 --offset -1",
            "--topic t --partition 0 --offset x",
            "--topic t --partition 0 --offset 3 --from-beginning",
            "--topic t --group a --command-property group.id=b",
            "--topic t --from-beginning --command-property auto.offset.reset=latest",
            "--topic t --formatter foo.Bar",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_becomes_settings() {
        let settings = read("--topic t --partition 2 --offset 7 --max-messages 3").ok().unwrap();
        assert_eq!((settings.partition, settings.begin), (Some(2), Begin::At(7)));
        assert_eq!(settings.max_messages, Some(3));
        assert_eq!(settings.properties.get("group.id"), None);
        let settings = read("--topic t --from-beginning").ok().unwrap();
        assert_eq!(settings.properties.get("enable.auto.commit").unwrap(), "false");
        assert_eq!(settings.properties.get("auto.offset.reset").unwrap(), "earliest");
        let settings = read("--topic t --group g").ok().unwrap();
        assert_eq!(settings.properties.get("enable.auto.commit"), None);
    }
}
