//! How a tool ends before its work is done.

use std::process::ExitCode;

/// What is said, and the exit code that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The command line is wrong: the message, then the help, on stderr; exit code 1.
    Usage(String),
    /// The message on stderr; exit code 1.
    Error(String),
    /// All has been said.
    Code(u8),
}

impl Stop {
    pub fn usage(message: impl Into<String>) -> Stop {
        Stop::Usage(message.into())
    }

    pub fn error(message: impl Into<String>) -> Stop {
        Stop::Error(message.into())
    }

    /// Says what is to be said; `help` comes behind a wrong command line.
    pub fn end(self, help: impl FnOnce() -> String) -> ExitCode {
        match self {
            Stop::Usage(message) => {
                eprintln!("{message}\n{}", help());
                ExitCode::FAILURE
            }
            Stop::Error(message) => {
                eprintln!("{message}");
                ExitCode::FAILURE
            }
            Stop::Code(code) => ExitCode::from(code),
        }
    }
}

impl From<client::Error> for Stop {
    fn from(error: client::Error) -> Stop {
        Stop::Error(error.to_string())
    }
}
