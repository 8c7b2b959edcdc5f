//! The entries of DescribeConfigs for each kind of resource.

use super::definition::{Definition, UpdateMode};
use super::entry::{ConfigLayers, ConfigSource, Entry, Properties, Synonym};
use super::registry::{self, Scope};
use super::synonyms;

/// All configs of a topic by name, `overrides` being its own.
pub fn topic(overrides: &Properties, layers: ConfigLayers<'_>) -> Vec<Entry> {
    registry::all(Scope::Topic)
        .filter(|row| !row.internal || overrides.contains_key(row.name))
        .map(|row| topic_entry(row, overrides, layers))
        .collect()
}

fn topic_entry(row: &'static Definition, overrides: &Properties, layers: ConfigLayers<'_>) -> Entry {
    let mut synonyms = match synonyms::of_topic_config(row.name).first() {
        Some((broker_name, _)) => layers.synonyms(broker_name, false),
        None => Vec::new(),
    };
    let value = match overrides.get(row.name) {
        Some(text) => Some(canonical(row, text)),
        None => layers.topic_default(row).0.map(|text| canonical(row, &text)),
    };
    if overrides.contains_key(row.name) {
        let name = row.name.to_owned();
        synonyms.insert(0, Synonym { name, value: value.clone(), source: ConfigSource::DynamicTopic });
    }
    Entry {
        name: row.name.to_owned(),
        value,
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        read_only: false,
        sensitive: false,
        synonyms,
        definition: Some(row),
    }
}

/// All configs of one broker: its table, and names of its file that nobody knows (their values stay secret).
pub fn broker(layers: ConfigLayers<'_>) -> Vec<Entry> {
    let known = registry::all(Scope::Broker)
        .filter(|row| !row.internal || layers.file.contains_key(row.name) || is_set(row.name, layers))
        .filter(|row| !registry::is_dynamic_only(row.name) || is_set(row.name, layers))
        .map(|row| broker_entry(row.name, Some(row), layers));
    let mut entries: Vec<Entry> = known.collect();
    let unknown = layers.file.keys().chain(layers.cluster.keys()).chain(layers.broker.keys());
    for name in unknown.filter(|name| registry::lookup(Scope::Broker, name).is_none()) {
        if !entries.iter().any(|entry| entry.name == *name) {
            let base = synonyms::without_listener_prefix(name);
            let row = base.and_then(|base| registry::lookup(Scope::Broker, base));
            entries.push(broker_entry(name, row, layers));
        }
    }
    entries
}

fn is_set(name: &str, layers: ConfigLayers<'_>) -> bool {
    layers.broker.contains_key(name) || layers.cluster.contains_key(name)
}

/// What was set for all brokers.
pub fn cluster(layers: ConfigLayers<'_>) -> Vec<Entry> {
    let set = layers.cluster.keys();
    set.map(|name| {
        let mut entry = broker_entry(name, registry::lookup(Scope::Broker, name), layers);
        entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        let sensitive = entry.sensitive;
        entry.value = layers.cluster.get(name).filter(|_| !sensitive).cloned();
        entry.source = ConfigSource::DynamicDefaultBroker;
        entry
    })
    .collect()
}

fn broker_entry(name: &str, row: Option<&'static Definition>, layers: ConfigLayers<'_>) -> Entry {
    // a type nobody knows may hide a password
    let sensitive = row.is_none_or(Definition::is_sensitive);
    let synonyms = layers.synonyms(name, sensitive);
    let text = [layers.broker, layers.cluster, layers.file].into_iter().find_map(|layer| layer.get(name));
    let text = text.map(String::as_str).or_else(|| row.and_then(Definition::default_text));
    let value =
        text.filter(|_| !sensitive).map(|text| row.map_or(text.to_owned(), |row| canonical(row, text)));
    let updatable = row.is_some_and(|row| row.update != UpdateMode::ReadOnly);
    Entry {
        name: name.to_owned(),
        value,
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        read_only: !updatable,
        sensitive,
        synonyms,
        definition: row,
    }
}

/// All configs of a group; `overrides` are its own, broker configs give the defaults.
pub fn group(overrides: &Properties, layers: ConfigLayers<'_>) -> Vec<Entry> {
    registry::all(Scope::Group)
        .map(|row| {
            let broker_name = super::group::broker_synonym(row.name);
            let mut synonyms = match broker_name {
                Some(name) => layers.synonyms(&name, false),
                None => {
                    let value = row.default_text().map(str::to_owned);
                    vec![Synonym { name: row.name.to_owned(), value, source: ConfigSource::Default }]
                }
            };
            let default = synonyms.first().and_then(|synonym| synonym.value.clone());
            let value = overrides.get(row.name).cloned().or(default);
            let value = value.or_else(|| row.default_text().map(str::to_owned));
            if overrides.contains_key(row.name) {
                let name = row.name.to_owned();
                synonyms.insert(0, Synonym { name, value: value.clone(), source: ConfigSource::Group });
            }
            Entry {
                name: row.name.to_owned(),
                value,
                source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
                read_only: false,
                sensitive: false,
                synonyms,
                definition: Some(row),
            }
        })
        .collect()
}

/// All configs of a client metrics subscription.
pub fn client_metrics(overrides: &Properties) -> Vec<Entry> {
    registry::all(Scope::ClientMetrics)
        .map(|row| {
            let set = overrides.get(row.name);
            let source = if set.is_some() { ConfigSource::ClientMetrics } else { ConfigSource::Default };
            let synonym =
                |value: &String| Synonym { name: row.name.to_owned(), value: Some(value.clone()), source };
            Entry {
                name: row.name.to_owned(),
                value: set.cloned().or_else(|| row.default_text().map(str::to_owned)),
                source,
                read_only: false,
                sensitive: false,
                synonyms: set.map(synonym).into_iter().collect(),
                definition: Some(row),
            }
        })
        .collect()
}

/// The value as Kafka prints it after parsing; text that does not parse is shown as it is.
fn canonical(row: &Definition, text: &str) -> String {
    row.parse(text).map_or_else(|_| text.to_owned(), |value| value.text())
}

/// A topic's configs as the answer of CreateTopics has them: by name, the layer that really gave each value.
pub fn effective_topic(overrides: &Properties, layers: ConfigLayers<'_>) -> Vec<Entry> {
    let rows = registry::all(Scope::Topic).filter(|row| !row.internal || overrides.contains_key(row.name));
    rows.map(|row| {
        let (value, source) = match overrides.get(row.name) {
            Some(text) => (Some(text.clone()), ConfigSource::DynamicTopic),
            None => layers.topic_default(row),
        };
        Entry {
            name: row.name.to_owned(),
            value: value.map(|text| canonical(row, &text)),
            source,
            read_only: false,
            sensitive: false,
            synonyms: Vec::new(),
            definition: Some(row),
        }
    })
    .collect()
}
