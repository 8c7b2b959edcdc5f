//! The node as a whole: requests, connections, purgatories, sessions. Names of Kafka's JMX beans as the usual exporters
//! write them; what Kafka has no name for begins with `barnabas_`.

use std::collections::BTreeSet;
use std::io;

use broker::event::ActorId;
use protocol::{ApiKey, ErrorCode, Listener};

use super::text::Exposition;
use super::traffic::ApiTraffic;
use super::{Scrape, Traffic};

pub fn write(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    replicas(scrape, out)?;
    purgatories(scrape, out)?;
    connections(scrape, out)?;
    requests(scrape, out)
}

fn replicas(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let rows = &scrape.metrics.partitions;
    let count =
        |wanted: fn(&broker::metrics::PartitionRow) -> bool| rows.iter().filter(|row| wanted(row)).count();
    for (name, help, value) in [
        ("kafka_server_replicamanager_partitioncount", "Partitions on this broker.", rows.len()),
        (
            "kafka_server_replicamanager_leadercount",
            "Partitions that this broker leads.",
            count(|row| row.is_leader),
        ),
        (
            "kafka_server_replicamanager_underreplicatedpartitions",
            "Led partitions with a replica out of sync.",
            count(|row| row.is_under_replicated()),
        ),
        (
            "kafka_server_replicamanager_underminisrpartitioncount",
            "Led partitions with fewer in-sync replicas than min.insync.replicas.",
            count(|row| row.is_under_min_in_sync()),
        ),
        (
            "kafka_server_replicamanager_atminisrpartitioncount",
            "Led partitions with just min.insync.replicas in sync.",
            count(|row| row.is_at_min_in_sync()),
        ),
        (
            "kafka_server_replicamanager_offlinereplicacount",
            "Replicas in failed log directories.",
            count(|row| row.is_offline),
        ),
    ] {
        out.gauge(name, help, value)?;
    }
    let metrics = &scrape.metrics;
    for (name, help, count) in [
        (
            "kafka_server_replicamanager_isrshrinks_total",
            "Replicas that fell out of sync.",
            metrics.in_sync_shrinks,
        ),
        (
            "kafka_server_replicamanager_isrexpands_total",
            "Replicas that came back in sync.",
            metrics.in_sync_expansions,
        ),
        (
            "kafka_server_replicamanager_failedisrupdates_total",
            "Changes of in-sync replicas that were refused.",
            metrics.in_sync_refusals,
        ),
        (
            "kafka_server_brokertopicmetrics_replicationbytesin_total",
            "Record bytes copied from leaders.",
            metrics.replication_bytes_in,
        ),
        (
            "kafka_server_brokertopicmetrics_replicationbytesout_total",
            "Record bytes read by followers.",
            metrics.replication_bytes_out,
        ),
    ] {
        out.counter(name, help, count)?;
    }
    let failed = scrape.metrics.offline_log_directories;
    out.gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that failed.", failed)?;
    out.counter("barnabas_log_flushes_total", "Syncs of log files asked for.", scrape.metrics.flushes)
}

fn purgatories(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let metrics = &scrape.metrics;
    out.family(
        "kafka_server_delayedoperationpurgatory_purgatorysize",
        "gauge",
        "Requests that wait for something.",
    )?;
    for (operation, size) in [("Produce", metrics.purgatory_produce), ("Fetch", metrics.purgatory_fetch)] {
        out.sample(&[("delayedOperation", &operation)], size)?;
    }
    out.gauge(
        "barnabas_requests_gathering",
        "Requests whose parts other shards do.",
        metrics.purgatory_gather,
    )?;
    let waiting = metrics.purgatory_controller;
    out.gauge("barnabas_requests_at_controller", "Requests that the controller decides.", waiting)?;
    out.gauge(
        "kafka_server_fetchsessioncache_numincrementalfetchsessions",
        "Incremental fetch sessions.",
        metrics.fetch_sessions,
    )?;
    out.gauge(
        "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached",
        "Partitions in fetch sessions.",
        metrics.fetch_session_partitions,
    )?;
    out.counter(
        "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total",
        "Fetch sessions pushed out by others.",
        metrics.fetch_session_evictions,
    )
}

fn connections(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    out.family("kafka_server_socket_server_metrics_connection_count", "gauge", "Open connections.")?;
    for (index, listener) in scrape.listeners.iter().enumerate() {
        for (thread, (_, traffic)) in scrape.traffic.iter().enumerate() {
            let open = traffic.connections.get(index).copied().unwrap_or(0);
            out.sample(&[("listener", listener), ("networkProcessor", &thread)], open)?;
        }
    }
    let sum =
        |count: fn(&Traffic) -> u64| scrape.traffic.iter().map(|(_, traffic)| count(traffic)).sum::<u64>();
    for (name, help, value) in [
        ("barnabas_connections_accepted_total", "Connections taken.", sum(|t| t.accepted)),
        ("barnabas_connections_closed_total", "Connections ended, by either side.", sum(|t| t.closed)),
        (
            "kafka_network_socketserver_expiredconnectionskilledcount",
            "Connections closed because nothing moved on them.",
            sum(|t| t.closed_idle),
        ),
        ("barnabas_request_bytes_received_total", "Bytes of requests received.", sum(|t| t.bytes_received)),
    ] {
        out.counter(name, help, value)?;
    }
    let held = sum(|t| t.request_bytes);
    out.gauge("kafka_network_socketserver_memorypoolused", "Bytes of requests in memory.", held)?;
    for (name, help) in [
        (
            "kafka_network_socketserver_networkprocessoravgidle_percent",
            "Part of the time that the threads wait.",
        ),
        (
            "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
            "Part of the time that the shards wait.",
        ),
    ] {
        let shards = scrape.traffic.iter().filter(|(actor, _)| *actor != ActorId::Quorum);
        let (idle, alive) =
            shards.fold((0, 0), |(idle, alive), (_, t)| (idle + t.idle_us, alive + t.alive_us));
        out.gauge(name, help, if alive == 0 { 1.0 } else { idle as f64 / alive as f64 })?;
    }
    Ok(())
}

fn requests(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let apis: Vec<(ApiKey, i16, ApiTraffic)> = served()
        .into_iter()
        .map(|(api_key, latest)| {
            let mut sum = ApiTraffic::default();
            scrape.traffic.iter().filter_map(|(_, t)| t.api(api_key.code())).for_each(|api| sum.add(api));
            (api_key, latest, sum)
        })
        .collect();
    out.family("kafka_network_requestmetrics_requests_total", "counter", "Requests received.")?;
    for (api_key, latest, sum) in &apis {
        let request = api_key.name();
        for (version, count) in (0i16..).zip(sum.requests) {
            if count > 0 || version == *latest {
                out.sample(&[("request", &request), ("version", &version)], count)?;
            }
        }
    }
    out.family(
        "kafka_network_requestmetrics_errors_total",
        "counter",
        "Answers by the error that they say.",
    )?;
    for (api_key, _, sum) in &apis {
        let request = api_key.name();
        let errors = scrape.metrics.errors.range((*api_key, i16::MIN)..=(*api_key, i16::MAX));
        let failed: u64 = errors.clone().map(|(_, count)| count).sum();
        out.sample(&[("request", &request), ("error", &"NONE")], sum.answered.saturating_sub(failed))?;
        for ((_, error), count) in errors {
            out.sample(&[("request", &request), ("error", &ErrorCode::from(*error).name())], count)?;
        }
    }
    out.family(
        "kafka_network_requestmetrics_totaltimems",
        "summary",
        "Milliseconds from a whole request to its answer.",
    )?;
    for (api_key, _, sum) in &apis {
        let request = api_key.name();
        for quantile in [0.5, 0.75, 0.95, 0.98, 0.99, 0.999] {
            let ms = sum.quantile_ms(quantile);
            out.sample(&[("request", &request), ("quantile", &quantile)], format_args!("{ms:.3}"))?;
        }
        out.sample_of("_sum", &[("request", &request)], sum.total_us as f64 / 1000.0)?;
        out.sample_of("_count", &[("request", &request)], sum.answered)?;
    }
    Ok(())
}

/// What any listener of this node serves, each with its newest version.
fn served() -> BTreeSet<(ApiKey, i16)> {
    let mut all = BTreeSet::new();
    for listener in [Listener::Broker, Listener::Controller] {
        for (api_key, versions) in broker::served(listener) {
            if !all.iter().any(|(known, _)| *known == api_key) {
                all.insert((api_key, versions.max));
            }
        }
    }
    all
}
