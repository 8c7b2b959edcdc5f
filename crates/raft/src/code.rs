//! The error codes of the quorum's messages, as the wire's integer.

use std::fmt;

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub i16);

macro_rules! codes {
    ($($name:ident = $value:expr),* $(,)?) => {
        impl Code {
            $(pub const $name: Code = Code($value);)*

            fn name(self) -> Option<&'static str> {
                match self { $(Code::$name => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

codes! {
    UNKNOWN_SERVER_ERROR = -1,
    NONE = 0,
    UNKNOWN_TOPIC_OR_PARTITION = 3,
    NOT_LEADER_OR_FOLLOWER = 6,
    REQUEST_TIMED_OUT = 7,
    BROKER_NOT_AVAILABLE = 8,
    NETWORK_EXCEPTION = 13,
    CLUSTER_AUTHORIZATION_FAILED = 31,
    UNSUPPORTED_VERSION = 35,
    INVALID_REQUEST = 42,
    FENCED_LEADER_EPOCH = 74,
    UNKNOWN_LEADER_EPOCH = 75,
    INVALID_UPDATE_VERSION = 95,
    SNAPSHOT_NOT_FOUND = 98,
    POSITION_OUT_OF_RANGE = 99,
    INCONSISTENT_CLUSTER_ID = 104,
    INVALID_VOTER_KEY = 125,
    DUPLICATE_VOTER = 126,
    VOTER_NOT_FOUND = 127,
}

impl Code {
    pub fn is_error(self) -> bool {
        self != Code::NONE
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}
