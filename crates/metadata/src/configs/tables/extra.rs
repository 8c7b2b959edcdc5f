//! Broker configs outside Kafka's own table: quotas that exist only as dynamic configs, settings of the
//! authorizer, and Barnabas' own (`barnabas.`).

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    string("super.users", NULL)
        .internal()
        .doc("Principals that are always allowed, separated by semicolons."),
    boolean("allow.everyone.if.no.acl.found", Text("false"))
        .internal()
        .doc("Allow everybody where no access rule matches the resource."),
    int("barnabas.shards", Text("0"))
        .at_least(0)
        .doc("Threads that own partitions and connections; 0 is one for each core."),
    long("barnabas.request.memory.max.bytes", Text("268435456"))
        .at_least(1 << 20)
        .doc("Bytes of requests that the node holds at once. Past it no further request is read until some are answered; \
              a request that has begun to arrive and stands still meanwhile loses its connection."),
    long("barnabas.broker.probe.timeout.ms", Text("100"))
        .at_least(0)
        .doc("How long the controller tries to connect to a broker whose connection has closed before it fences it; a \
              broker that refuses is fenced at once. 0 leaves it to the session's time-out."),
    string("barnabas.metrics.listener", Text(""))
        .doc("Where metrics and health are served, as host:port; empty is nowhere."),
];

/// Byte rates of replication quotas: dynamic only, absent from the properties file.
pub(crate) static QUOTAS: &[Definition] = &[
    long("leader.replication.throttled.rate", Text("9223372036854775807"))
        .at_least(0)
        .cluster_wide()
        .doc("Bytes a second that throttled leader replicas may send."),
    long("follower.replication.throttled.rate", Text("9223372036854775807"))
        .at_least(0)
        .cluster_wide()
        .doc("Bytes a second that throttled follower replicas may fetch."),
    long("replica.alter.log.dirs.io.max.bytes.per.second", Text("9223372036854775807"))
        .at_least(0)
        .cluster_wide()
        .doc("Bytes a second that may move between log directories."),
];
