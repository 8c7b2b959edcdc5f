//! What a request is told when it is refused: Kafka's code and words.

use protocol::{ErrorCode, Str};

use crate::configs::resource::Refusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: Option<String>,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: Some(message.into()) }
    }

    /// With the code's own text.
    pub fn plain(code: ErrorCode) -> ApiError {
        ApiError { code, message: Some(code.message().to_owned()) }
    }

    pub(super) fn text(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::InvalidRequest(message) => ApiError::new(ErrorCode::InvalidRequest, message),
            Refusal::InvalidTopic(message) => ApiError::new(ErrorCode::InvalidTopicException, message),
            Refusal::InvalidConfig(message) => ApiError::new(ErrorCode::InvalidConfig, message),
        }
    }
}
