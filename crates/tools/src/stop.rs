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

/// What to look at where a broker took a request and did not answer it: most often it waits for the controllers.
const HINT: &str = "Where most of the controllers are away, what needs them is not answered. What runs and what is led by \
                    whom: barnabas cluster status --bootstrap-server host:port";

impl From<client::Error> for Stop {
    fn from(error: client::Error) -> Stop {
        match error {
            client::Error::TimedOut(text) => Stop::Error(format!("{text}\n{HINT}")),
            error => Stop::Error(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_is_told_where_to_look() {
        let stop = Stop::from(client::Error::TimedOut("h:1: no answer within 30000 ms".to_owned()));
        let Stop::Error(text) = stop else { panic!("{stop:?}") };
        assert!(
            text.starts_with("h:1: no answer within 30000 ms\nWhere most of the controllers are away"),
            "{text}"
        );
    }
}
