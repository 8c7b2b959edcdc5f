//! Where a value comes from: the layers of configs, the strongest first, and what DescribeConfigs tells of them.

use std::collections::BTreeMap;

use super::definition::Definition;
use super::registry::{self, Scope};
use super::synonyms;

/// The wire's `config_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    DynamicTopic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    DynamicBrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// One name that could give the value, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    /// None where it is secret.
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// One config as DescribeConfigs shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name: String,
    /// None where it is null or secret.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub read_only: bool,
    pub sensitive: bool,
    /// The strongest first; empty where only the default of a null value is left.
    pub synonyms: Vec<Synonym>,
    /// None for names nobody defined.
    pub definition: Option<&'static Definition>,
}

pub type Properties = BTreeMap<String, String>;

/// A broker's layers: what was set on it, for all brokers, and in its file.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLayers<'a> {
    pub broker: &'a Properties,
    pub cluster: &'a Properties,
    pub file: &'a Properties,
}

impl<'a> ConfigLayers<'a> {
    /// All that is said of `name` and its other units, the strongest first, defaults last.
    pub(crate) fn synonyms(&self, name: &str, sensitive: bool) -> Vec<Synonym> {
        let names = synonyms::of_broker_config(name);
        let mut all = Vec::new();
        let layers = [
            (self.broker, ConfigSource::DynamicBroker),
            (self.cluster, ConfigSource::DynamicDefaultBroker),
            (self.file, ConfigSource::StaticBroker),
        ];
        for (layer, source) in layers {
            for name in &names {
                if let Some(value) = layer.get(name) {
                    let value = (!sensitive).then(|| value.clone());
                    all.push(Synonym { name: name.clone(), value, source });
                }
            }
        }
        for name in names.iter().filter(|name| !registry::is_dynamic_only(name)) {
            let default = registry::lookup(Scope::Broker, name).and_then(Definition::default_text);
            if let Some(text) = default {
                let value = (!sensitive).then(|| text.to_owned());
                all.push(Synonym { name: name.clone(), value, source: ConfigSource::Default });
            }
        }
        // as Kafka does it: names that stand before the one that was asked for are dropped, and with them
        // everything where it has no value of its own
        all.into_iter().skip_while(|synonym| synonym.name != name).collect()
    }

    /// The text in force for broker config `name` (in its own unit only).
    pub fn broker_value(&self, name: &str) -> Option<&'a str> {
        let said = [self.broker, self.cluster, self.file].into_iter().find_map(|layer| layer.get(name));
        said.map(String::as_str)
            .or_else(|| registry::lookup(Scope::Broker, name).and_then(Definition::default_text))
    }

    /// The text in force for a topic config without an override, and which layer said it. Layer before unit: a
    /// dynamic `log.retention.ms` wins over `log.retention.hours` of the file.
    pub fn topic_default(&self, definition: &Definition) -> (Option<String>, ConfigSource) {
        let synonyms = synonyms::of_topic_config(definition.name);
        let layers = [
            (self.broker, ConfigSource::DynamicBroker),
            (self.cluster, ConfigSource::DynamicDefaultBroker),
            (self.file, ConfigSource::StaticBroker),
        ];
        for (layer, source) in layers {
            for (name, scale) in synonyms {
                if let Some(text) = layer.get(*name) {
                    return (Some(scaled(definition, text, *scale)), source);
                }
            }
        }
        (definition.default_text().map(str::to_owned), ConfigSource::Default)
    }
}

fn scaled(definition: &Definition, text: &str, scale: i64) -> String {
    let number: Option<i64> = text.trim().parse().ok();
    match number {
        Some(number) if scale != 1 && number >= 0 => number.saturating_mul(scale).to_string(),
        Some(number) if definition.name == "retention.ms" && number < 0 => "-1".to_owned(),
        _ => text.to_owned(),
    }
}
