//! What can go wrong, by what the caller can do about it.

use protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// No broker could be reached, or a connection ended. The request may have been carried out.
    #[error("{0}")]
    Disconnected(String),
    /// No answer in time. The request may have been carried out.
    #[error("{0}")]
    TimedOut(String),
    /// The broker does not know the API, or no version that this client knows.
    #[error("the broker does not support {}", .0.name())]
    Unsupported(ApiKey),
    /// The broker answered with an error.
    #[error("{}", message(.0, .1))]
    Broker(ErrorCode, Option<String>),
    /// Bytes that are not what the protocol says.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The request cannot be written in the version that both sides know.
    #[error("{0}")]
    Unwritable(String),
}

fn message(code: &ErrorCode, text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| code.message().to_owned())
}

impl Error {
    /// The broker's error, where it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Broker(code, _) => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later or elsewhere.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Disconnected(_) | Error::TimedOut(_) => true,
            Error::Broker(code, _) => code.is_retriable(),
            _ => false,
        }
    }

    /// An error code of an answer, with the broker's own text where it gave one.
    pub fn check(code: i16, text: Option<&protocol::Str>) -> Result<(), Error> {
        match ErrorCode::from(code) {
            ErrorCode::None => Ok(()),
            code => Err(Error::Broker(code, text.map(|text| text.to_string()))),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Malformed(error.to_string())
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Error {
        Error::Unwritable(error.to_string())
    }
}
