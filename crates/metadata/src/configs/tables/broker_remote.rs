//! Broker configs of tiered storage. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    boolean("follower.fetch.last.tiered.offset.enable", Text("false")).cluster_wide(),
    int("remote.fetch.max.wait.ms", Text("500")).at_least(1).cluster_wide(),
    long("remote.list.offsets.request.timeout.ms", Text("30000")).at_least(1).cluster_wide(),
    long("remote.log.index.file.cache.total.size.bytes", Text("1073741824")).at_least(1).low().cluster_wide(),
    long("remote.log.index.file.cache.ttl.ms", Text("900000")).at_least(-1).low().internal(),
    int("remote.log.manager.copier.thread.pool.size", Text("10")).at_least(1).cluster_wide(),
    long("remote.log.manager.copy.max.bytes.per.second", Text("9223372036854775807"))
        .at_least(1)
        .cluster_wide(),
    int("remote.log.manager.copy.quota.window.num", Text("11")).at_least(1),
    int("remote.log.manager.copy.quota.window.size.seconds", Text("1")).at_least(1),
    int("remote.log.manager.expiration.thread.pool.size", Text("10")).at_least(1).cluster_wide(),
    long("remote.log.manager.fetch.max.bytes.per.second", Text("9223372036854775807"))
        .at_least(1)
        .cluster_wide(),
    int("remote.log.manager.fetch.quota.window.num", Text("11")).at_least(1),
    int("remote.log.manager.fetch.quota.window.size.seconds", Text("1")).at_least(1),
    int("remote.log.manager.follower.thread.pool.size", Text("2")).at_least(1).cluster_wide(),
    long("remote.log.manager.task.interval.ms", Text("30000")).at_least(1).low(),
    long("remote.log.manager.task.retry.backoff.max.ms", Text("30000")).at_least(1).low().internal(),
    long("remote.log.manager.task.retry.backoff.ms", Text("500")).at_least(1).low().internal(),
    double("remote.log.manager.task.retry.jitter", Text("0.2")).between_doubles("0", "0.5").low().internal(),
    int("remote.log.manager.thread.pool.size", Text("2")).at_least(1),
    int("remote.log.metadata.custom.metadata.max.bytes", Text("128")).at_least(0).low(),
    string(
        "remote.log.metadata.manager.class.name",
        Text("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"),
    )
    .non_empty(),
    string("remote.log.metadata.manager.class.path", NULL),
    string("remote.log.metadata.manager.impl.prefix", Text("rlmm.config.")).non_empty(),
    string("remote.log.metadata.manager.listener.name", NULL).non_empty(),
    int("remote.log.reader.max.pending.tasks", Text("100")).at_least(1),
    int("remote.log.reader.threads", Text("10")).at_least(1).cluster_wide(),
    string("remote.log.storage.manager.class.name", NULL).non_empty(),
    string("remote.log.storage.manager.class.path", NULL),
    string("remote.log.storage.manager.impl.prefix", Text("rsm.config.")).non_empty(),
    boolean("remote.log.storage.system.enable", Text("false")),
];
