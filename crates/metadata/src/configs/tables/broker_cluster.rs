//! Broker configs of roles, quorum, metadata log and replication. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    int("alter.log.dirs.replication.quota.window.num", Text("11")).at_least(1).low(),
    int("alter.log.dirs.replication.quota.window.size.seconds", Text("1")).at_least(1).low(),
    boolean("auto.leader.rebalance.enable", Text("true"))
        .high()
        .doc("Give leadership back to the preferred replicas from time to time."),
    int("broker.heartbeat.interval.ms", Text("2000")).doc(
        "How often a broker tells the controller that it is alive; not given, at most 2/9 of the session.",
    ),
    int("broker.id", Text("-1")).high().doc("Older name of node.id."),
    int("broker.session.timeout.ms", Text("9000")).doc("Silence after which the controller fences a broker."),
    boolean("controlled.shutdown.enable", Text("true")).doc("Hand leadership to others before stopping."),
    list("controller.listener.names", REQUIRED)
        .items(&[], NOT_EMPTY)
        .high()
        .doc("Listeners the controller answers on; brokers use the first."),
    long("controller.performance.always.log.threshold.ms", Text("2000")).at_least(0).internal(),
    long("controller.performance.sample.period.ms", Text("60000")).at_least(100).internal(),
    int("controller.quorum.append.linger.ms", Text("25")).at_least(0),
    boolean("controller.quorum.auto.join.enable", Text("false"))
        .low()
        .doc("Let this controller add itself to the voters."),
    list("controller.quorum.bootstrap.servers", Text(""))
        .bootstrap_servers()
        .high()
        .doc("Where to find the controllers, as host:port pairs."),
    int("controller.quorum.election.backoff.max.ms", Text("1000")).at_least(0).high(),
    int("controller.quorum.election.timeout.ms", Text("1000"))
        .at_least(0)
        .high()
        .doc("Time a candidate waits for votes before it tries again."),
    int("controller.quorum.fetch.max.bytes", Text("1048576")).at_least(1).low(),
    int("controller.quorum.fetch.snapshot.max.bytes", Text("1048576")).at_least(1).low(),
    int("controller.quorum.fetch.timeout.ms", Text("2000"))
        .at_least(0)
        .high()
        .doc("Time without an answer from the leader after which an election begins."),
    int("controller.quorum.request.timeout.ms", Text("2000")).at_least(0),
    int("controller.quorum.retry.backoff.ms", Text("20")).at_least(0).low(),
    list("controller.quorum.voters", Text(""))
        .quorum_voters()
        .high()
        .doc("The fixed set of voters, as id@host:port."),
    int("controller.quota.window.num", Text("11")).at_least(1).low(),
    int("controller.quota.window.size.seconds", Text("1")).at_least(1).low(),
    int("controller.socket.timeout.ms", Text("30000")),
    int("delete.records.purgatory.purge.interval.requests", Text("1")),
    int("fetch.purgatory.purge.interval.requests", Text("1000")),
    int("initial.broker.registration.timeout.ms", Text("60000"))
        .doc("Time a broker tries to register before it stops."),
    int("internal.metadata.log.segment.bytes", NULL).low().internal(),
    int("internal.metadata.max.batch.size.in.bytes", Text("8388608")).low().internal(),
    long("leader.imbalance.check.interval.seconds", Text("300"))
        .at_least(1)
        .high()
        .doc("How often preferred leaders are looked after."),
    string("metadata.log.dir", NULL)
        .high()
        .doc("Directory of the metadata log; the first log directory if unset."),
    long("metadata.log.max.record.bytes.between.snapshots", Text("20971520"))
        .at_least(1)
        .high()
        .doc("Bytes of metadata records after which a snapshot is written."),
    long("metadata.log.max.snapshot.interval.ms", Text("3600000"))
        .at_least(0)
        .high()
        .doc("Longest time between two snapshots when there are new records."),
    int("metadata.log.segment.bytes", Text("1073741824")).at_least(8388608).high(),
    long("metadata.log.segment.ms", Text("604800000")).high(),
    int("metadata.max.idle.interval.ms", Text("500"))
        .at_least(0)
        .low()
        .doc("How often the active controller writes a no-op record; 0 is never."),
    long("metadata.max.retention.bytes", Text("104857600")).high(),
    long("metadata.max.retention.ms", Text("604800000")).high(),
    int("node.id", REQUIRED).at_least(0).high().doc("Id of this node, unique in the cluster."),
    int("num.replica.alter.log.dirs.threads", NULL).high(),
    int("num.replica.fetchers", Text("1"))
        .at_least(1)
        .high()
        .cluster_wide()
        .doc("Fetchers for each broker that is followed."),
    list("process.roles", REQUIRED)
        .items(&["broker", "controller"], NOT_EMPTY)
        .high()
        .doc("What this node is: broker, controller, or both."),
    int("replica.fetch.backoff.ms", Text("1000")).at_least(0),
    int("replica.fetch.max.bytes", Text("1048576"))
        .at_least(0)
        .doc("Bytes a follower asks for in each partition."),
    int("replica.fetch.min.bytes", Text("1")).high().doc("Bytes a follower waits for."),
    int("replica.fetch.response.max.bytes", Text("10485760"))
        .at_least(0)
        .doc("Most bytes in one answer to a follower."),
    int("replica.fetch.wait.max.ms", Text("500")).high().doc("Longest time a follower's fetch waits."),
    long("replica.high.watermark.checkpoint.interval.ms", Text("5000")).high(),
    long("replica.lag.time.max.ms", Text("30000"))
        .high()
        .doc("Time a follower may lag before it leaves the in-sync set."),
    int("replica.socket.receive.buffer.bytes", Text("65536")).high(),
    int("replica.socket.timeout.ms", Text("30000")).high(),
    int("replication.quota.window.num", Text("11")).at_least(1).low(),
    int("replication.quota.window.size.seconds", Text("1")).at_least(1).low(),
    long("server.max.startup.time.ms", Text("9223372036854775807")).at_least(0).internal(),
    long("unclean.leader.election.interval.ms", Text("300000")).at_least(1).internal(),
    boolean("unstable.api.versions.enable", Text("false")).high().internal(),
    boolean("unstable.feature.versions.enable", Text("false")).high().internal(),
];
