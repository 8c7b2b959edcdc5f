//! The tree that the shell walks: the metadata image as directories and files, named as Kafka's shell names them.

use std::collections::BTreeMap;

use metadata::features::{METADATA_VERSION, MetadataVersion};
use metadata::image::{Broker, ConfigResource, LeaderRecoveryState, MetadataImage, Partition, Topic};
use protocol::Str;
use protocol::records::metadata::{AccessControlEntryRecord, RegisterControllerRecord};

use super::text::{Fields, feature_ranges, list, optional, quoted};

/// Names sort as texts: 10 stands before 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Directory(BTreeMap<String, Node>),
    File(String),
}

impl Node {
    fn of(children: impl IntoIterator<Item = (String, Node)>) -> Node {
        Node::Directory(children.into_iter().collect())
    }

    fn named<const N: usize>(children: [(&str, Node); N]) -> Node {
        Node::of(children.map(|(name, node)| (name.to_owned(), node)))
    }
}

fn file(text: impl ToString) -> Node {
    Node::File(text.to_string())
}

/// How far the image reaches: the last record's offset and epoch, and when its batch was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    pub offset: i64,
    pub epoch: i32,
    pub timestamp: i64,
}

impl Provenance {
    fn text(self) -> String {
        let time = crate::dates::format(self.timestamp, "yyyy-MM-dd'T'HH:mm:ss");
        let fraction = match self.timestamp.rem_euclid(1000) {
            0 => String::new(),
            ms => format!(".{ms:03}"),
        };
        format!("offset {}, epoch {}, time {time}{fraction}Z[UTC]", self.offset, self.epoch)
    }
}

pub fn root(image: &MetadataImage, provenance: Provenance) -> Node {
    let local = Node::named([
        ("commitId", file(concat!("barnabas-", env!("CARGO_PKG_VERSION")))),
        ("version", file(crate::options::VERSION)),
    ]);
    Node::named([("image", image_node(image, provenance)), ("local", local)])
}

fn image_node(image: &MetadataImage, provenance: Provenance) -> Node {
    let brokers = image.cluster.brokers.values().map(|one| (one.id.to_string(), file(broker(one))));
    let controllers = image.cluster.controllers.values();
    let controllers = controllers.map(|one| (one.controller_id.to_string(), file(controller(one))));
    let acls = image.acls.iter().map(|(id, acl)| (id.to_string(), file(access(acl))));
    let tokens =
        image.delegation_tokens.iter().map(|(id, token)| (id.to_string(), file(format!("{token:?}"))));
    Node::named([
        ("acls", Node::named([("byId", Node::of(acls))])),
        ("clientQuotas", quotas(image)),
        ("cluster", Node::named([("brokers", Node::of(brokers)), ("controllers", Node::of(controllers))])),
        ("configs", configs(image)),
        ("delegationToken", Node::of(tokens)),
        ("features", features(image)),
        ("producerIds", producer_ids(image)),
        ("provenance", file(provenance.text())),
        ("scram", scram(image)),
        ("topics", topics(image)),
    ])
}

fn producer_ids(image: &MetadataImage) -> Node {
    match image.next_producer_id {
        ..0 => Node::named([]),
        next => Node::named([("nextProducerId", file(next))]),
    }
}

fn quotas(image: &MetadataImage) -> Node {
    let entity = |entity: &[(Str, Option<Str>)]| {
        let part = |kind: &str, shown: &str| {
            let (_, name) = entity.iter().find(|(of, _)| of.as_str() == kind)?;
            let name = name.as_deref().unwrap_or("");
            Some(format!("{shown}({})", name.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")))
        };
        let parts = [part("ip", "ip"), part("user", "user"), part("client-id", "clientId")];
        parts.into_iter().flatten().collect::<Vec<_>>().join("_")
    };
    Node::of(image.client_quotas.iter().map(|(of, quotas)| {
        // Java's shortest decimal of a double, always with a fraction
        let quotas = quotas.iter().map(|(key, value)| (key.to_string(), file(format!("{value:?}"))));
        (entity(of), Node::of(quotas))
    }))
}

fn configs(image: &MetadataImage) -> Node {
    Node::of(image.configs.iter().map(|(resource, properties)| {
        let kind = match resource.resource_type {
            ConfigResource::TOPIC => "TOPIC",
            ConfigResource::BROKER => "BROKER",
            ConfigResource::BROKER_LOGGER => "BROKER_LOGGER",
            ConfigResource::CLIENT_METRICS => "CLIENT_METRICS",
            ConfigResource::GROUP => "GROUP",
            _ => "UNKNOWN",
        };
        // what counts for all brokers has no name
        let name = match resource.name.as_str() {
            "" => kind.to_owned(),
            name => format!("{kind}:{name}"),
        };
        (name, Node::of(properties.iter().map(|(key, value)| (key.clone(), file(value)))))
    }))
}

fn features(image: &MetadataImage) -> Node {
    let mut children = BTreeMap::new();
    for (name, level) in &image.features {
        if name.as_str() != METADATA_VERSION {
            children.insert(format!("finalized_{name}"), file(level));
        }
    }
    let level = image.finalized_metadata_version().and_then(MetadataVersion::name);
    let level = level.map_or_else(|| "Optional.empty".to_owned(), |name| format!("Optional[{name}]"));
    children.insert("metadataVersion".to_owned(), file(level));
    Node::Directory(children)
}

fn scram(image: &MetadataImage) -> Node {
    let of = |wanted: i8| {
        let users = image.scram.iter().filter(move |((_, mechanism), _)| *mechanism == wanted);
        Node::of(users.map(|((user, _), credential)| {
            let fields = Fields::new("ScramCredentialData")
                .field("salt", hex(&credential.salt))
                .field("storedKey", hex(&credential.stored_key))
                .field("serverKey", hex(&credential.server_key))
                .field("iterations", credential.iterations);
            (user.to_string(), file(fields.end()))
        }))
    };
    Node::named([("SCRAM-SHA-256", of(1)), ("SCRAM-SHA-512", of(2))])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn topics(image: &MetadataImage) -> Node {
    let by_id = image.topics.iter().map(|one| (one.id.to_string(), topic(one)));
    let by_name = image.topics.iter().map(|one| (one.name.to_string(), topic(one)));
    Node::named([("byId", Node::of(by_id)), ("byName", Node::of(by_name))])
}

fn topic(topic: &Topic) -> Node {
    let partitions = topic.partitions.iter().map(|(index, one)| (index.to_string(), file(partition(one))));
    let own = [("id".to_owned(), file(topic.id)), ("name".to_owned(), file(&topic.name))];
    Node::of(partitions.chain(own))
}

fn partition(partition: &Partition) -> String {
    let state = match partition.leader_recovery_state {
        LeaderRecoveryState::Recovered => "RECOVERED",
        LeaderRecoveryState::Recovering => "RECOVERING",
    };
    Fields::new("PartitionRegistration")
        .field("replicas", list(&partition.replicas))
        .field("directories", list(&partition.directories))
        .field("isr", list(&partition.in_sync_replicas))
        .field("removingReplicas", list(&partition.removing_replicas))
        .field("addingReplicas", list(&partition.adding_replicas))
        .field("elr", list(&partition.eligible_leader_replicas))
        .field("lastKnownElr", list(&partition.last_known_elr))
        .field("leader", partition.leader)
        .field("leaderRecoveryState", state)
        .field("leaderEpoch", partition.leader_epoch)
        .field("partitionEpoch", partition.partition_epoch)
        .end()
}

fn endpoint(name: &str, security_protocol: i16, host: &str, port: u16) -> String {
    let protocol = match security_protocol {
        0 => "PLAINTEXT",
        1 => "SSL",
        2 => "SASL_PLAINTEXT",
        3 => "SASL_SSL",
        _ => "UNKNOWN",
    };
    Fields::new("Endpoint")
        .field("listenerName", quoted(name))
        .field("securityProtocol", protocol)
        .field("host", quoted(host))
        .field("port", port)
        .end()
}

fn broker(broker: &Broker) -> String {
    let endpoints = broker.endpoints.iter();
    let endpoints: Vec<String> =
        endpoints.map(|one| endpoint(&one.name, one.security_protocol, &one.host, one.port)).collect();
    let features = broker.features.iter().map(|(name, (min, max))| (name.as_str(), *min, *max));
    Fields::new("BrokerRegistration")
        .field("id", broker.id)
        .field("epoch", broker.epoch)
        .field("incarnationId", broker.incarnation_id)
        .field("listeners", list(&endpoints))
        .field("supportedFeatures", feature_ranges(features))
        .field("rack", optional(broker.rack.as_deref()))
        .field("fenced", broker.fenced)
        .field("inControlledShutdown", broker.in_controlled_shutdown)
        .field("isMigratingZkBroker", false)
        .field("directories", list(&broker.log_dirs))
        .field("cordonedDirectories", list(broker.cordoned_log_dirs.as_deref().unwrap_or_default()))
        .end()
}

fn controller(controller: &RegisterControllerRecord) -> String {
    let mut endpoints: Vec<_> = controller.end_points.iter().collect();
    endpoints.sort_by(|a, b| a.name.cmp(&b.name));
    let endpoints = endpoints.into_iter();
    let endpoints: Vec<String> =
        endpoints.map(|one| endpoint(&one.name, one.security_protocol, &one.host, one.port)).collect();
    let mut features: Vec<_> = controller.features.iter().collect();
    features.sort_by(|a, b| a.name.cmp(&b.name));
    let features = features
        .into_iter()
        .map(|one| (one.name.as_str(), one.min_supported_version, one.max_supported_version));
    Fields::new("ControllerRegistration")
        .field("id", controller.controller_id)
        .field("incarnationId", controller.incarnation_id)
        .field("zkMigrationReady", controller.zk_migration_ready)
        .field("listeners", list(&endpoints))
        .field("supportedFeatures", feature_ranges(features))
        .end()
}

const RESOURCES: [&str; 8] =
    ["UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"];
const PATTERNS: [&str; 5] = ["UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"];
const PERMISSIONS: [&str; 4] = ["UNKNOWN", "ANY", "DENY", "ALLOW"];
const OPERATIONS: [&str; 16] = [
    "UNKNOWN",
    "ANY",
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
];

fn access(acl: &AccessControlEntryRecord) -> String {
    let name = |names: &[&'static str], code: i8| {
        usize::try_from(code).ok().and_then(|code| names.get(code).copied()).unwrap_or("UNKNOWN")
    };
    Fields::new("StandardAcl")
        .field("resourceType", name(&RESOURCES, acl.resource_type))
        .field("resourceName", &acl.resource_name)
        .field("patternType", name(&PATTERNS, acl.pattern_type))
        .field("principal", &acl.principal)
        .field("host", &acl.host)
        .field("operation", name(&OPERATIONS, acl.operation))
        .field("permissionType", name(&PERMISSIONS, acl.permission_type))
        .end()
}
