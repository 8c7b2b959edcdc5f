//! Who may do what. Without an authorizer everybody may do everything, as in Kafka; this is the hook for one.

/// A bit for each operation that may be allowed on a topic: READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE,
/// DESCRIBE_CONFIGS, ALTER_CONFIGS.
pub(crate) fn topic_operations() -> i32 {
    bits(&[3, 4, 5, 6, 7, 8, 10, 11])
}

/// CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
pub(crate) fn cluster_operations() -> i32 {
    bits(&[5, 7, 8, 9, 10, 11, 12])
}

/// READ, DELETE, DESCRIBE, and those of a group's configuration.
pub(crate) fn group_operations() -> i32 {
    bits(&[3, 6, 8, 10, 11])
}

fn bits(operations: &[u32]) -> i32 {
    operations.iter().fold(0, |bits, operation| bits | 1 << operation)
}
