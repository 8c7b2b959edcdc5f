//! Broker configs of listeners, sockets, requests, quotas and metrics. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    list("advertised.listeners", NULL)
        .items(&[], NOT_EMPTY)
        .high()
        .doc("Addresses clients are told to connect to, where they differ from listeners."),
    int("background.threads", Text("10"))
        .at_least(1)
        .high()
        .cluster_wide()
        .doc("Threads for work in the background."),
    string("broker.rack", NULL).doc("Rack of this broker, used to spread replicas."),
    class("client.quota.callback.class", NULL).low(),
    list("config.providers", Text("")).items(&[], EMPTY_ALLOWED).low().cluster_wide(),
    long("connections.max.idle.ms", Text("600000")).doc("Idle time after which a connection is closed."),
    list("early.start.listeners", NULL).items(&[], EMPTY_ALLOWED).high(),
    int("fetch.max.bytes", Text("57671680")).at_least(1024).doc("Most bytes one fetch answer may carry."),
    string("inter.broker.listener.name", NULL).doc("Listener the brokers use among themselves."),
    int("kafka.metrics.polling.interval.secs", Text("10")).at_least(1).low(),
    list("kafka.metrics.reporters", Text("")).items(&[], EMPTY_ALLOWED).low(),
    string(
        "listener.security.protocol.map",
        Text("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
    )
    .low()
    .per_broker()
    .doc("Which security protocol each listener speaks."),
    list("listeners", Text("PLAINTEXT://:9092"))
        .items(&[], NOT_EMPTY)
        .high()
        .per_broker()
        .doc("Addresses this node listens on, as name://host:port."),
    int("max.connection.creation.rate", Text("2147483647"))
        .at_least(0)
        .cluster_wide()
        .doc("Most new connections a second."),
    int("max.connections", Text("2147483647"))
        .at_least(0)
        .cluster_wide()
        .doc("Most connections the broker holds at one time."),
    int("max.connections.per.ip", Text("2147483647"))
        .at_least(0)
        .cluster_wide()
        .doc("Most connections from one address."),
    string("max.connections.per.ip.overrides", Text(""))
        .cluster_wide()
        .doc("Exceptions to max.connections.per.ip, as host:number pairs."),
    int("max.incremental.fetch.session.cache.slots", Text("1000"))
        .at_least(0)
        .doc("Fetch sessions kept at one time."),
    int("max.request.partition.size.limit", Text("2000"))
        .at_least(1)
        .doc("Most partitions in one DescribeTopicPartitions answer."),
    list("metric.reporters", Text("org.apache.kafka.common.metrics.JmxReporter"))
        .items(&[], EMPTY_ALLOWED)
        .low()
        .cluster_wide(),
    int("metrics.num.samples", Text("2")).at_least(1).low(),
    string("metrics.recording.level", Text("INFO")).low(),
    long("metrics.sample.window.ms", Text("30000")).at_least(1).low(),
    int("num.io.threads", Text("8")).at_least(1).high().cluster_wide().doc("Threads that process requests."),
    int("num.network.threads", Text("3"))
        .at_least(1)
        .high()
        .cluster_wide()
        .doc("Threads that read and write connections."),
    long("queued.max.request.bytes", Text("-1"))
        .doc("Bytes of waiting requests before reading stops; -1 is no limit."),
    int("queued.max.requests", Text("500"))
        .at_least(1)
        .high()
        .doc("Requests waiting to be processed before reading stops."),
    int("quota.window.num", Text("11")).at_least(1).low(),
    int("quota.window.size.seconds", Text("1")).at_least(1).low(),
    string("replica.selector.class", NULL),
    int("request.timeout.ms", Text("30000")).high().doc("Time a request of this node to another may take."),
    long("socket.connection.setup.timeout.max.ms", Text("30000")),
    long("socket.connection.setup.timeout.ms", Text("10000")),
    int("socket.listen.backlog.size", Text("50"))
        .at_least(1)
        .doc("Length of the queue of connections not yet accepted."),
    int("socket.receive.buffer.bytes", Text("102400"))
        .high()
        .doc("Receive buffer of sockets; -1 leaves it to the system."),
    int("socket.request.max.bytes", Text("104857600"))
        .at_least(1)
        .high()
        .doc("Largest request; a longer one closes the connection."),
    int("socket.send.buffer.bytes", Text("102400"))
        .high()
        .doc("Send buffer of sockets; -1 leaves it to the system."),
    int("telemetry.max.bytes", Text("1048576")).at_least(1).low(),
];
