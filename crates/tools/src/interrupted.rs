//! Ctrl-C and SIGTERM end the tools that run until they are told to.

use crate::Stop;

/// Returns when the process is asked to end, with the exit code that goes with it.
pub async fn interrupted() -> Stop {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Stop::Code(130),
        () = terminated => Stop::Code(143),
    }
}
