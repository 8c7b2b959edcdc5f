//! Broker configs of groups, offsets, transactions and share groups. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    int("add.partitions.to.txn.retry.backoff.max.ms", Text("100")).at_least(0).high(),
    int("add.partitions.to.txn.retry.backoff.ms", Text("20")).at_least(1).high(),
    int("group.consumer.assignment.interval.ms", Text("1000")).at_least(0).cluster_wide(),
    list("group.consumer.assignors", Text("uniform,range")).items(&[], NOT_EMPTY),
    int("group.consumer.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.consumer.max.assignment.interval.ms", Text("15000")).at_least(0),
    int("group.consumer.max.heartbeat.interval.ms", Text("15000")).at_least(1),
    int("group.consumer.max.session.timeout.ms", Text("60000")).at_least(1),
    int("group.consumer.max.size", Text("2147483647")).at_least(1),
    string("group.consumer.migration.policy", Text("bidirectional")).one_of_ignoring_case(&[
        "DISABLED",
        "DOWNGRADE",
        "UPGRADE",
        "BIDIRECTIONAL",
    ]),
    int("group.consumer.min.assignment.interval.ms", Text("0")).at_least(0),
    int("group.consumer.min.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.consumer.min.session.timeout.ms", Text("45000")).at_least(1),
    int("group.consumer.regex.refresh.interval.ms", Text("600000")).at_least(10000).internal(),
    int("group.consumer.session.timeout.ms", Text("45000")).at_least(1),
    int("group.coordinator.append.linger.ms", Text("-1")).at_least(-1),
    int("group.coordinator.background.threads", Text("2")).at_least(1).high(),
    int("group.coordinator.cached.buffer.max.bytes", Text("1048588")).at_least(524288).cluster_wide(),
    list("group.coordinator.rebalance.protocols", Text("classic,consumer,streams"))
        .items(&["consumer", "classic", "share", "streams"], NOT_EMPTY),
    int("group.coordinator.threads", Text("4")).at_least(1).high(),
    int("group.initial.rebalance.delay.ms", Text("3000"))
        .doc("Time the first rebalance of an empty group waits for more members."),
    int("group.max.session.timeout.ms", Text("1800000"))
        .doc("Longest session time-out a member may ask for."),
    int("group.max.size", Text("2147483647")).at_least(1).doc("Most members a classic group may have."),
    int("group.min.session.timeout.ms", Text("6000")).doc("Shortest session time-out a member may ask for."),
    int("group.share.assignment.interval.ms", Text("1000")).at_least(0).cluster_wide(),
    list("group.share.assignors", Text("simple")).items(&[], NOT_EMPTY),
    int("group.share.delivery.count.limit", Text("5")).between(2, 10),
    int("group.share.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.share.initialize.retry.interval.ms", Text("30000")).at_least(1).low().internal(),
    int("group.share.max.assignment.interval.ms", Text("15000")).at_least(0),
    int("group.share.max.delivery.count.limit", Text("10")).between(5, 25),
    int("group.share.max.heartbeat.interval.ms", Text("15000")).at_least(1),
    int("group.share.max.partition.max.record.locks", Text("4000")).between(2000, 10000),
    int("group.share.max.record.lock.duration.ms", Text("60000")).between(30000, 3600000),
    int("group.share.max.session.timeout.ms", Text("60000")).at_least(1),
    int("group.share.max.share.sessions", Text("2000")).at_least(1),
    int("group.share.max.size", Text("200")).between(1, 1000),
    int("group.share.min.assignment.interval.ms", Text("0")).at_least(0),
    int("group.share.min.delivery.count.limit", Text("2")).between(2, 5),
    int("group.share.min.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.share.min.partition.max.record.locks", Text("100")).between(100, 2000),
    int("group.share.min.record.lock.duration.ms", Text("15000")).between(1000, 30000),
    int("group.share.min.session.timeout.ms", Text("45000")).at_least(1),
    int("group.share.partition.max.record.locks", Text("2000")).between(100, 10000),
    string(
        "group.share.persister.class.name",
        Text("org.apache.kafka.server.share.persister.DefaultStatePersister"),
    )
    .internal(),
    int("group.share.record.lock.duration.ms", Text("30000")).between(1000, 3600000),
    int("group.share.session.timeout.ms", Text("45000")).at_least(1),
    int("group.streams.assignment.interval.ms", Text("1000")).at_least(0).cluster_wide(),
    int("group.streams.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.streams.initial.rebalance.delay.ms", Text("3000")).at_least(0),
    int("group.streams.max.assignment.interval.ms", Text("15000")).at_least(0),
    int("group.streams.max.heartbeat.interval.ms", Text("15000")).at_least(1),
    int("group.streams.max.session.timeout.ms", Text("60000")).at_least(1),
    int("group.streams.max.size", Text("2147483647")).at_least(1),
    int("group.streams.max.standby.replicas", Text("2")).at_least(0),
    int("group.streams.min.assignment.interval.ms", Text("0")).at_least(0),
    int("group.streams.min.heartbeat.interval.ms", Text("5000")).at_least(1),
    int("group.streams.min.session.timeout.ms", Text("45000")).at_least(1),
    int("group.streams.num.standby.replicas", Text("0")).at_least(0),
    int("group.streams.session.timeout.ms", Text("45000")).at_least(1),
    int("offset.metadata.max.bytes", Text("4096"))
        .high()
        .doc("Largest metadata text beside a committed offset."),
    int("offsets.commit.timeout.ms", Text("5000")).at_least(1).high(),
    int("offsets.load.buffer.size", Text("5242880")).at_least(1).high(),
    long("offsets.retention.check.interval.ms", Text("600000"))
        .at_least(1)
        .high()
        .doc("How often expired offsets are looked for."),
    int("offsets.retention.minutes", Text("10080"))
        .at_least(1)
        .high()
        .doc("How long offsets of an empty group are kept."),
    int("offsets.topic.compression.codec", Text("0")).high(),
    int("offsets.topic.num.partitions", Text("50"))
        .at_least(1)
        .high()
        .doc("Partitions of the topic that holds committed offsets; never change it."),
    short("offsets.topic.replication.factor", Text("3"))
        .at_least(1)
        .high()
        .doc("Replicas of the topic that holds committed offsets."),
    int("offsets.topic.segment.bytes", Text("104857600"))
        .at_least(1)
        .high()
        .doc("Segment size of the topic that holds committed offsets."),
    int("producer.id.expiration.check.interval.ms", Text("600000")).at_least(1).low().internal(),
    int("producer.id.expiration.ms", Text("86400000"))
        .at_least(1)
        .low()
        .cluster_wide()
        .doc("How long an idle producer's state is kept."),
    int("producer.purgatory.purge.interval.requests", Text("1000")),
    int("share.coordinator.append.linger.ms", Text("-1")).at_least(-1),
    int("share.coordinator.cached.buffer.max.bytes", Text("1048588")).at_least(524288).cluster_wide(),
    int("share.coordinator.cold.partition.snapshot.interval.ms", Text("300000")).at_least(1).low().internal(),
    int("share.coordinator.load.buffer.size", Text("5242880")).at_least(1).high(),
    int("share.coordinator.snapshot.update.records.per.snapshot", Text("500")).between(0, 500),
    int("share.coordinator.state.topic.compression.codec", Text("0")).high(),
    short("share.coordinator.state.topic.min.isr", Text("2")).at_least(1).high(),
    int("share.coordinator.state.topic.num.partitions", Text("50")).at_least(1).high(),
    int("share.coordinator.state.topic.prune.interval.ms", Text("300000")).at_least(1).low().internal(),
    short("share.coordinator.state.topic.replication.factor", Text("3")).at_least(1).high(),
    int("share.coordinator.state.topic.segment.bytes", Text("104857600")).at_least(1).high(),
    int("share.coordinator.threads", Text("1")).at_least(1),
    int("share.coordinator.write.timeout.ms", Text("5000")).at_least(1).high(),
    int("share.fetch.purgatory.purge.interval.requests", Text("1000")),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", Text("10000")).at_least(1).low(),
    int("transaction.max.timeout.ms", Text("900000"))
        .at_least(1)
        .high()
        .doc("Longest transaction time-out a producer may ask for."),
    boolean("transaction.partition.verification.enable", Text("true")).low().cluster_wide(),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", Text("3600000")).at_least(1).low(),
    int("transaction.state.log.load.buffer.size", Text("5242880")).at_least(1).high(),
    int("transaction.state.log.min.isr", Text("2"))
        .at_least(1)
        .high()
        .doc("In-sync replicas the transaction topic needs."),
    int("transaction.state.log.num.partitions", Text("50"))
        .at_least(1)
        .high()
        .doc("Partitions of the topic that holds transaction state; never change it."),
    short("transaction.state.log.replication.factor", Text("3"))
        .at_least(1)
        .high()
        .doc("Replicas of the topic that holds transaction state."),
    int("transaction.state.log.segment.bytes", Text("104857600")).at_least(1).high(),
    boolean("transaction.two.phase.commit.enable", Text("false")).low(),
    int("transactional.id.expiration.ms", Text("604800000"))
        .at_least(1)
        .high()
        .doc("How long an idle transactional id is remembered."),
];
