//! Numbers with a meaning. Each is the wire's integer; `.0` gives it back.

use std::fmt;
use std::sync::Arc;

use crate::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number!(
    /// A position in one partition's log. Exclusive where it ends a range.
    Offset(i64)
);
number!(
    /// Which reign of leadership a record was appended in. -1: none.
    LeaderEpoch(i32)
);
number!(
    /// A broker or a controller. -1: none.
    NodeId(i32)
);
number!(
    /// An idempotent or transactional producer. -1: none.
    ProducerId(i64)
);
number!(
    /// The incarnation of a producer id. -1: none.
    ProducerEpoch(i16)
);

impl Offset {
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records later; saturates at the largest.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0.saturating_add(count))
    }
}

impl LeaderEpoch {
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl NodeId {
    pub const NONE: NodeId = NodeId(-1);
}

impl ProducerId {
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

/// A partition by its topic's name, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by its topic's id: names may be used again after a delete, ids never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    pub topic_id: Uuid,
    pub partition: i32,
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic_id, self.partition)
    }
}
