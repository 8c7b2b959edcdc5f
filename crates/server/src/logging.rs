//! Lines for the operator: quiet by default, on standard error.

use std::io::IsTerminal;

use broker::event::Level;
use tracing_subscriber::EnvFilter;

/// `BARNABAS_LOG` chooses what is shown (`info`, `debug`, `server=debug`); `BARNABAS_LOG_FORMAT=json` one object a line.
pub fn start() {
    let filter = EnvFilter::try_from_env("BARNABAS_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
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

pub fn write(level: Level, text: &str) {
    match level {
        Level::Debug => tracing::debug!("{text}"),
        Level::Info => tracing::info!("{text}"),
        Level::Warning => tracing::warn!("{text}"),
        Level::Error => tracing::error!("{text}"),
    }
}
