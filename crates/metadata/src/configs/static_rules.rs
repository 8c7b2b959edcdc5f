//! Rules between the keys of a properties file, with Kafka's words.

use super::error::ConfigError;
use super::static_config::{StaticConfig, parse_overrides};
use super::synonyms;

fn require(holds: bool, name: &str, message: impl Into<String>) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::about(name, message)) }
}

pub(super) fn inter_broker_listener(config: &StaticConfig) -> Result<String, ConfigError> {
    const NAME: &str = "inter.broker.listener.name";
    const PROTOCOL: &str = "security.inter.broker.protocol";
    match config.str(NAME) {
        Some(_) if config.is_given(PROTOCOL) => {
            Err(ConfigError::about(NAME, format!("Only one of {NAME} and {PROTOCOL} should be set.")))
        }
        Some(name) => {
            let name = name.to_ascii_uppercase();
            let known = config.listener_security.contains_key(&name);
            let message = format!(
                "Listener with name {name} defined in {NAME} not found in listener.security.protocol.map."
            );
            require(known, NAME, message).map(|()| name)
        }
        None => Ok(config.str(PROTOCOL).unwrap_or("PLAINTEXT").to_owned()),
    }
}

pub(super) fn check_values(config: &StaticConfig) -> Result<(), ConfigError> {
    check_retention(config)?;
    let cleaner = config.i64("log.cleaner.dedupe.buffer.size") / config.i64("log.cleaner.threads").max(1);
    require(
        !config.bool("log.cleaner.enable") || cleaner > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size",
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )?;
    let wait = config.i64("replica.fetch.wait.max.ms");
    require(
        wait <= config.i64("replica.socket.timeout.ms"),
        "replica.socket.timeout.ms",
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary \
         socket timeouts",
    )?;
    require(
        wait <= config.i64("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms",
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent \
         frequent changes in ISR",
    )?;
    check_connections(config)?;
    check_cordoned(config)?;
    let codec = config.i64("offsets.topic.compression.codec");
    require(
        (0..=4).contains(&codec),
        "offsets.topic.compression.codec",
        format!("Unknown compression type id: {codec}"),
    )
}

fn check_retention(config: &StaticConfig) -> Result<(), ConfigError> {
    let roll = synonyms::static_i64(config, "segment.ms");
    require(roll >= 1, "log.roll.ms", "log.roll.ms must be greater than or equal to 1")?;
    let jitter = synonyms::static_i64(config, "segment.jitter.ms");
    require(jitter >= 0, "log.roll.jitter.ms", "log.roll.jitter.ms must be greater than or equal to 0")?;
    // any negative number means without limit, as Kafka has it
    require(
        synonyms::static_i64(config, "retention.ms") != 0,
        "log.retention.ms",
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )
}

fn check_connections(config: &StaticConfig) -> Result<(), ConfigError> {
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    let overrides = parse_overrides(OVERRIDES, config.str(OVERRIDES).unwrap_or_default())?;
    let is_host = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if let Some(bad) = overrides.keys().find(|host| !is_host(host)) {
        let message = format!("{OVERRIDES} contains invalid addresses : {bad}");
        return Err(ConfigError::about(OVERRIDES, message));
    }
    require(
        config.i64("max.connections.per.ip") > 0 || !overrides.is_empty(),
        "max.connections.per.ip",
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    )?;
    let queued = config.i64("queued.max.request.bytes");
    require(
        queued <= 0 || queued >= config.i64("socket.request.max.bytes"),
        "queued.max.request.bytes",
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )?;
    let delay = config.i64("connection.failed.authentication.delay.ms");
    let idle = config.i64("connections.max.idle.ms");
    require(
        idle < 0 || delay < idle,
        "connection.failed.authentication.delay.ms",
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        ),
    )
}

fn check_cordoned(config: &StaticConfig) -> Result<(), ConfigError> {
    const NAME: &str = "cordoned.log.dirs";
    let cordoned = config.list(NAME);
    if cordoned.iter().any(|dir| dir == "*") {
        let message = format!("When {NAME} is set to *, it must not contain other values");
        return require(cordoned.len() == 1, NAME, message);
    }
    let missing: Vec<&str> =
        cordoned.iter().filter(|dir| !config.log_dirs.contains(dir)).map(String::as_str).collect();
    let message = format!(
        "All entries in {NAME} must be present in log.dirs or log.dir. Missing entries : {}",
        missing.join(", ")
    );
    require(missing.is_empty(), NAME, message)
}

pub(super) fn check_roles(config: &StaticConfig) -> Result<(), ConfigError> {
    check_voters(config)?;
    let names = &config.controller_listener_names;
    let is_listener = |name: &&String| config.listeners.iter().any(|listener| listener.name == **name);
    if config.roles.controller {
        check_controller_listeners(config, names.iter().filter(is_listener).count())?;
    } else {
        require(
            !names.iter().any(|name| is_listener(&name)),
            "controller.listener.names",
            "controller.listener.names must not contain a value appearing in the 'listeners' configuration when \
             running KRaft with just the broker role",
        )?;
    }
    if config.roles.broker {
        check_advertised(config)?;
    }
    check_early_start(config)
}

fn check_voters(config: &StaticConfig) -> Result<(), ConfigError> {
    require(
        !config.voters.is_empty() || !config.bootstrap_servers.is_empty(),
        "controller.quorum.bootstrap.servers",
        "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
         controllers or controller.quorum.voters must contain a parseable set of controllers.",
    )?;
    if config.voters.is_empty() {
        return Ok(());
    }
    let node = config.node_id;
    let is_voter = config.voters.iter().any(|voter| voter.id == node);
    let ids: Vec<String> = config.voters.iter().map(|voter| voter.id.to_string()).collect();
    let set = format!("controller.quorum.voters=Set({})", ids.join(", "));
    if config.roles.controller {
        let message = format!(
            "If process.roles contains the 'controller' role, the node id {node} must be included in the set \
             of voters {set}"
        );
        return require(is_voter, "node.id", message);
    }
    let message = format!(
        "If process.roles contains just the 'broker' role, the node id {node} must not be included in the set of \
         voters {set}"
    );
    require(!is_voter, "node.id", message)
}

fn check_controller_listeners(config: &StaticConfig, named: usize) -> Result<(), ConfigError> {
    const NAME: &str = "controller.listener.names";
    if !config.roles.broker {
        let only = config.listeners.iter().all(|l| config.controller_listener_names.contains(&l.name));
        require(
            only,
            "listeners",
            "The listeners config must only contain KRaft controller listeners from controller.listener.names \
             when process.roles=controller",
        )?;
    }
    let role = "value appearing in the 'listeners' configuration when running the KRaft controller role";
    require(named > 0, NAME, format!("{NAME} must contain at least one {role}"))?;
    let message = format!(
        "{NAME} must only contain values appearing in the 'listeners' configuration when running the KRaft \
         controller role"
    );
    require(named == config.controller_listener_names.len(), NAME, message)
}

fn check_advertised(config: &StaticConfig) -> Result<(), ConfigError> {
    const NAME: &str = "advertised.listeners";
    let advertised = &config.advertised_listeners;
    require(
        !advertised.is_empty(),
        NAME,
        "There must be at least one broker advertised listener. Perhaps all listeners appear in \
         controller.listener.names?",
    )?;
    require(
        advertised.iter().all(|listener| listener.host != "0.0.0.0"),
        NAME,
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    )?;
    let names: Vec<&str> = advertised.iter().map(|listener| listener.name.as_str()).collect();
    let message = format!(
        "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
         based on currently configured listeners are {}",
        names.join(",")
    );
    require(names.contains(&config.inter_broker_listener.as_str()), "inter.broker.listener.name", message)
}

fn check_early_start(config: &StaticConfig) -> Result<(), ConfigError> {
    const NAME: &str = "early.start.listeners";
    for name in config.list(NAME) {
        let upper = name.to_ascii_uppercase();
        let known = config.listeners.iter().any(|listener| listener.name == upper)
            || config.controller_listener_names.contains(&upper);
        let message = format!(
            "{NAME} contains listener {name}, but this is not contained in listeners or controller.listener.names"
        );
        require(known, NAME, message)?;
    }
    Ok(())
}

pub(super) fn check_groups(config: &StaticConfig) -> Result<(), ConfigError> {
    let protocols = config.list("group.coordinator.rebalance.protocols");
    require(
        protocols.iter().any(|protocol| protocol == "classic"),
        "group.coordinator.rebalance.protocols",
        "Disabling the 'classic' protocol is not supported.",
    )?;
    for subject in [
        "consumer.heartbeat.interval.ms",
        "consumer.session.timeout.ms",
        "share.heartbeat.interval.ms",
        "share.session.timeout.ms",
        "share.record.lock.duration.ms",
        "share.delivery.count.limit",
        "share.partition.max.record.locks",
        "streams.heartbeat.interval.ms",
        "streams.session.timeout.ms",
        "streams.num.standby.replicas",
    ] {
        check_bounds(config, subject)?;
    }
    for kind in ["consumer", "share", "streams"] {
        let heartbeat = format!("group.{kind}.heartbeat.interval.ms");
        let session = format!("group.{kind}.session.timeout.ms");
        let message = format!("{heartbeat} must be less than {session}");
        require(config.i64(&heartbeat) < config.i64(&session), &heartbeat, message)?;
    }
    Ok(())
}

/// `group.K.X` must lie between `group.K.min.X` and `group.K.max.X`, where these exist.
fn check_bounds(config: &StaticConfig, subject: &str) -> Result<(), ConfigError> {
    let (kind, rest) = subject.split_once('.').unwrap_or((subject, ""));
    let name = format!("group.{kind}.{rest}");
    let least = format!("group.{kind}.min.{rest}");
    let most = match rest {
        "num.standby.replicas" => format!("group.{kind}.max.standby.replicas"),
        rest => format!("group.{kind}.max.{rest}"),
    };
    let (low, high) = (config.optional_i64(&least), config.optional_i64(&most));
    let value = config.i64(&name);
    if let (Some(low), Some(high)) = (low, high) {
        require(high >= low, &most, format!("{most} must be greater than or equal to {least}"))?;
    }
    require(
        low.is_none_or(|low| value >= low),
        &name,
        format!("{name} must be greater than or equal to {least}"),
    )?;
    require(
        high.is_none_or(|high| value <= high),
        &name,
        format!("{name} must be less than or equal to {most}"),
    )
}
