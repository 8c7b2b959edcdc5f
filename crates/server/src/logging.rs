//! Lines for the operator: quiet by default, on standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use broker::event::Level;
use tracing_subscriber::EnvFilter;

/// What is shown where nobody chooses.
const DEFAULT: &str = "warn";

/// `BARNABAS_LOG` chooses what is shown (`info`, `debug`, `server=debug`); `BARNABAS_LOG_FORMAT=json` one object a line.
pub fn start() {
    let filter = EnvFilter::try_from_env("BARNABAS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // what cannot be written is nothing to panic about
    let lines = lines.log_internal_errors(false);
    let started = match std::env::var("BARNABAS_LOG_FORMAT").as_deref() {
        Ok("json") => lines.json().try_init(),
        _ => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    // already started: by a test, or by the program that holds this one
    let _ = started;
}

/// A thread that panics leaves its shard without anybody: the process ends with it, in builds that unwind too.
pub fn end_at_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        eprintln!(
            "barnabas: this is a fault of the program; the process ends, the next start recovers its logs"
        );
        std::process::abort();
    }));
}

/// What `start` has chosen, by logger: `root`, and those that have a level of their own.
pub fn loggers() -> Vec<(String, &'static str)> {
    let chosen = std::env::var("BARNABAS_LOG").ok().filter(|text| EnvFilter::try_new(text).is_ok());
    levels(chosen.as_deref().unwrap_or(DEFAULT))
}

fn levels(filter: &str) -> Vec<(String, &'static str)> {
    let mut levels = BTreeMap::from([("root".to_owned(), "OFF")]);
    for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (name, level) = match directive.split_once('=') {
            Some((name, level)) => (name, level),
            None if level_name(directive).is_some() => ("root", directive),
            None => (directive, "trace"),
        };
        if let Some(level) = level_name(level) {
            levels.insert(name.to_owned(), level);
        }
    }
    levels.into_iter().collect()
}

/// Levels as Kafka names them.
fn level_name(text: &str) -> Option<&'static str> {
    let names = [
        ("error", "ERROR"),
        ("warn", "WARN"),
        ("info", "INFO"),
        ("debug", "DEBUG"),
        ("trace", "TRACE"),
        ("off", "OFF"),
    ];
    names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, level)| level)
}

pub fn write(level: Level, text: &str) {
    match level {
        Level::Debug => tracing::debug!("{text}"),
        Level::Info => tracing::info!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
        Level::Error => tracing::error!("{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn loggers_have_the_levels_that_were_chosen() {
        for (filter, expected) in [
            ("warn", vec![("root", "WARN")]),
            ("Info,server=debug", vec![("root", "INFO"), ("server", "DEBUG")]),
            ("server", vec![("root", "OFF"), ("server", "TRACE")]),
            ("", vec![("root", "OFF")]),
        ] {
            let found = levels(filter);
            let found: Vec<_> = found.iter().map(|(name, level)| (name.as_str(), *level)).collect();
            assert_eq!(found, expected, "{filter}");
        }
    }
}
