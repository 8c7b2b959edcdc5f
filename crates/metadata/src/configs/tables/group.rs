//! Configs of a group. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    int("consumer.assignment.interval.ms", Text("1000"))
        .at_least(0)
        .doc("Least time between two new assignments of a consumer group."),
    int("consumer.heartbeat.interval.ms", Text("5000"))
        .at_least(1)
        .doc("How often members of a consumer group must send heartbeats."),
    int("consumer.session.timeout.ms", Text("45000"))
        .at_least(1)
        .doc("Silence after which a member of a consumer group is removed."),
    int("share.assignment.interval.ms", Text("1000"))
        .at_least(0)
        .doc("Least time between two new assignments of a share group."),
    string("share.auto.offset.reset", Text("latest"))
        .auto_offset_reset()
        .doc("Where a share group begins: latest, earliest, or by_duration with an ISO 8601 duration."),
    int("share.delivery.count.limit", Text("5"))
        .at_least(2)
        .doc("How often a record is handed out before it is given up."),
    int("share.heartbeat.interval.ms", Text("5000"))
        .at_least(1)
        .doc("How often members of a share group must send heartbeats."),
    string("share.isolation.level", Text("read_uncommitted"))
        .one_of(&["read_committed", "read_uncommitted"])
        .doc("Whether a share group sees records of open and aborted transactions."),
    int("share.partition.max.record.locks", Text("2000"))
        .at_least(100)
        .doc("Records of one partition that may be handed out at one time."),
    int("share.record.lock.duration.ms", Text("30000"))
        .at_least(1000)
        .doc("How long a record handed out stays locked to its member."),
    boolean("share.renew.acknowledge.enable", Text("true"))
        .doc("Allow members to lengthen the lock of a record."),
    int("share.session.timeout.ms", Text("45000"))
        .at_least(1)
        .doc("Silence after which a member of a share group is removed."),
    int("streams.assignment.interval.ms", Text("1000"))
        .at_least(0)
        .doc("Least time between two new assignments of a streams group."),
    int("streams.heartbeat.interval.ms", Text("5000"))
        .at_least(1)
        .doc("How often members of a streams group must send heartbeats."),
    int("streams.initial.rebalance.delay.ms", Text("3000"))
        .at_least(0)
        .doc("Time the first rebalance of a streams group waits for more members."),
    int("streams.num.standby.replicas", Text("0")).at_least(0).doc("Standby copies of each stateful task."),
    int("streams.session.timeout.ms", Text("45000"))
        .at_least(1)
        .doc("Silence after which a member of a streams group is removed."),
];
