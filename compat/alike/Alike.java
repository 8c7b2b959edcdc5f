import java.util.*;
import java.util.concurrent.*;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The same requests for any cluster of three nodes, and what it answers, one line each: what was asked, a tab, the answer.
 * What differs from run to run, such as ids, ports, paths and times, is taken out, so that the lines of two clusters can be compared.
 * Arguments: bootstrap servers, and "up" or "down": with all nodes there, or, on the same cluster, after node 3 was killed.
 */
public final class Alike {
    private static final int SECONDS = 30;
    private static final List<Integer> NODES = List.of(1, 2, 3);
    private final Admin admin;
    private final String bootstrap;
    private final Map<String, Uuid> ids = new TreeMap<>();

    private Alike(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", SECONDS * 1000,
            "request.timeout.ms", 10_000));
    }

    public static void main(String[] arguments) throws Exception {
        Alike alike = new Alike(arguments[0]);
        if (arguments[1].equals("up")) alike.up();
        else alike.down();
        System.exit(0);
    }

    private interface Question {
        Object ask() throws Exception;
    }

    private void row(String name, Question question) {
        String answer;
        try {
            answer = String.valueOf(question.ask());
        } catch (Exception e) {
            answer = error(e);
        }
        System.out.println(name + "\t" + plain(answer));
        System.out.flush();
    }

    private static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(SECONDS + 5, TimeUnit.SECONDS);
    }

    private static String error(Throwable e) {
        while ((e instanceof ExecutionException || e instanceof CompletionException) && e.getCause() != null) e = e.getCause();
        // which node is asked is not what is compared
        String message = e.getMessage() == null ? null : e.getMessage().replaceAll("Local controller \\d+", "Local controller N");
        // the client's own words of its own time-out: with its attempts or without
        if (message != null) message = message.replaceAll("(?s).*\\bCall[(:].*", "Call");
        return e.getClass().getSimpleName() + ": " + message;
    }

    private String plain(String text) {
        for (Map.Entry<String, Uuid> id : ids.entrySet()) text = text.replace(id.getValue().toString(), "(id of " + id.getKey() + ")");
        text = text.replaceAll("deadlineMs=.*", "");
        return text.replaceAll("\\s+", " ").replaceAll("127\\.0\\.0\\.1:\\d+|localhost:\\d+", "HOST").replaceAll("(/[\\w.-]+)+/data", "DATA");
    }

    /** An answer for each key, in order, or its error. */
    private <K, V> String each(Map<K, KafkaFuture<V>> futures, Function<V, Object> show) {
        Map<String, String> shown = new TreeMap<>();
        futures.forEach((key, future) -> {
            try {
                shown.put(plain(key.toString()), String.valueOf(show.apply(get(future))));
            } catch (Exception e) {
                shown.put(plain(key.toString()), error(e));
            }
        });
        return shown.toString();
    }

    // ---- all nodes there -------------------------------------------------------------------------------------------

    private void up() throws Exception {
        cluster();
        topics();
        partitions();
        configs();
        records();
        directories();
        elections();
        reassignments();
        groups();
        others();
        deletion();
    }

    private void cluster() {
        row("cluster", () -> {
            DescribeClusterResult found = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            return get(found.clusterId()) + " controller " + NODES.contains(get(found.controller()).id()) + " nodes "
                + get(found.nodes()).stream().map(node -> node.id() + "/" + node.rack()).sorted().toList()
                + " may " + new TreeSet<>(get(found.authorizedOperations()));
        });
        row("cluster of controllers' listener", () -> get(admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes())
            .stream().map(node -> node.id() + " fenced " + node.isFenced()).sorted().toList());
        row("quorum", this::quorum);
        row("features", () -> {
            FeatureMetadata found = get(admin.describeFeatures().featureMetadata());
            return new TreeMap<>(found.finalizedFeatures()) + " of " + new TreeMap<>(found.supportedFeatures());
        });
    }

    private String quorum() throws Exception {
        QuorumInfo found = get(admin.describeMetadataQuorum().quorumInfo());
        return "leader a voter " + found.voters().stream().anyMatch(voter -> voter.replicaId() == found.leaderId())
            + " epoch " + (found.leaderEpoch() > 0) + " high watermark " + (found.highWatermark() > 0)
            + " voters " + found.voters().stream().map(voter -> voter.replicaId() + "/" + !voter.replicaDirectoryId().equals(Uuid.ZERO_UUID)
                + "/" + (voter.logEndOffset() > 0) + "/" + voter.lastFetchTimestamp().isPresent() + "/" + voter.lastCaughtUpTimestamp().isPresent()).sorted().toList()
            + " observers " + found.observers().stream().map(QuorumInfo.ReplicaState::replicaId).sorted().toList()
            + " nodes " + found.nodes().values().stream().map(node -> node.nodeId() + node.endpoints().stream().map(RaftVoterEndpoint::listener).toList().toString())
                .sorted().toList();
    }

    private void create(String what, NewTopic topic) {
        row("create: " + what, () -> {
            CreateTopicsResult made = admin.createTopics(List.of(topic));
            get(made.all());
            ids.put(topic.name(), get(made.topicId(topic.name())));
            return get(made.numPartitions(topic.name())) + " partitions of " + get(made.replicationFactor(topic.name())) + " replicas, "
                + get(made.config(topic.name())).entries().stream().filter(entry -> entry.source() != ConfigEntry.ConfigSource.DEFAULT_CONFIG)
                    .map(entry -> entry.name() + "=" + entry.value() + " " + entry.source()).sorted().toList();
        });
    }

    private static Map<Integer, List<Integer>> assigned(List<List<Integer>> replicas) {
        Map<Integer, List<Integer>> assignment = new TreeMap<>();
        for (int at = 0; at < replicas.size(); at++) assignment.put(at, replicas.get(at));
        return assignment;
    }

    private void topics() throws Exception {
        create("assigned", new NewTopic("assigned", assigned(List.of(List.of(1, 2, 3), List.of(2, 3, 1), List.of(3, 1, 2)))));
        create("placed", new NewTopic("placed", 6, (short) 3));
        create("defaults", new NewTopic("defaults", Optional.empty(), Optional.empty()));
        create("moved", new NewTopic("moved", assigned(List.of(List.of(1, 2), List.of(2, 3)))));
        create("single", new NewTopic("single", assigned(List.of(List.of(3)))).configs(Map.of("retention.ms", "1000000")));
        create("there already", new NewTopic("assigned", 1, (short) 1));
        create("a broker twice", new NewTopic("bad", assigned(List.of(List.of(1, 1, 2)))));
        create("an unknown broker", new NewTopic("bad", assigned(List.of(List.of(1, 9)))));
        create("a negative broker", new NewTopic("bad", assigned(List.of(List.of(1, -1)))));
        create("unequal replicas", new NewTopic("bad", assigned(List.of(List.of(1, 2), List.of(3)))));
        create("no replicas", new NewTopic("bad", assigned(List.of(List.of()))));
        create("a gap in the partitions", new NewTopic("bad", Map.of(0, List.of(1), 2, List.of(2))));
        create("partitions from 1", new NewTopic("bad", Map.of(1, List.of(1))));
        create("too many replicas", new NewTopic("bad", 1, (short) 4));
        create("no replicas by number", new NewTopic("bad", 1, (short) 0));
        create("no partitions", new NewTopic("bad", 0, (short) 1));
        create("a name with a space", new NewTopic("bad name", 1, (short) 1));
        create("a name of points", new NewTopic("..", 1, (short) 1));
        create("a long name", new NewTopic("x".repeat(250), 1, (short) 1));
        create("with a point", new NewTopic("with.point", 1, (short) 1));
        create("a colliding name", new NewTopic("with_point", 1, (short) 1));
        create("an unknown config", new NewTopic("bad", 1, (short) 1).configs(Map.of("no.such.config", "1")));
        create("a bad config", new NewTopic("bad", 1, (short) 1).configs(Map.of("retention.ms", "soon")));
        create("a config out of range", new NewTopic("bad", 1, (short) 1).configs(Map.of("min.insync.replicas", "0")));
        row("create: only tried", () -> get(admin.createTopics(List.of(new NewTopic("tried", 2, (short) 2)), new CreateTopicsOptions().validateOnly(true)).all()));
        row("list", () -> new TreeSet<>(get(admin.listTopics(new ListTopicsOptions().listInternal(true)).names())));
        Thread.sleep(1000);
        describe("assigned", "moved", "single", "nowhere", "bad name", "");
        row("describe by id", () -> each(admin.describeTopics(TopicCollection.ofTopicIds(List.of(ids.get("moved"), new Uuid(1, 1)))).topicIdValues(), this::shown));
        row("describe with what is allowed", () -> each(admin.describeTopics(List.of("single"), new DescribeTopicsOptions().includeAuthorizedOperations(true)).topicNameValues(),
            found -> new TreeSet<>(found.authorizedOperations())));
        row("describe a placed one", () -> {
            List<TopicPartitionInfo> found = get(admin.describeTopics(List.of("placed")).allTopicNames()).get("placed").partitions();
            Map<Integer, Long> leaders = found.stream().collect(Collectors.groupingBy(one -> one.leader().id(), TreeMap::new, Collectors.counting()));
            return "leaders " + leaders + " first is leader " + found.stream().allMatch(one -> one.leader().id() == one.replicas().get(0).id());
        });
    }

    private void describe(String... topics) {
        row("describe " + String.join(", ", topics), () -> each(admin.describeTopics(List.of(topics)).topicNameValues(), this::shown));
    }

    private Object shown(TopicDescription found) {
        return found.name() + " internal " + found.isInternal() + " " + found.partitions().stream().map(one -> one.partition() + ": leader "
            + (one.leader() == null ? "none" : one.leader().id()) + " replicas " + numbers(one.replicas()) + " in sync " + numbers(one.isr()).stream().sorted().toList()
            + " eligible " + numbers(one.elr()) + " last known " + numbers(one.lastKnownElr())).toList();
    }

    private static List<Integer> numbers(List<Node> nodes) {
        return nodes == null ? List.of() : nodes.stream().map(Node::id).toList();
    }

    private void grow(String what, String topic, NewPartitions to) {
        row("partitions: " + what, () -> get(admin.createPartitions(Map.of(topic, to)).all()));
    }

    private void partitions() throws Exception {
        grow("fewer", "assigned", NewPartitions.increaseTo(2));
        grow("as many", "assigned", NewPartitions.increaseTo(3));
        grow("of an unknown topic", "nowhere", NewPartitions.increaseTo(3));
        grow("none", "assigned", NewPartitions.increaseTo(0));
        grow("too few assigned", "assigned", NewPartitions.increaseTo(5, List.of(List.of(1, 2, 3))));
        grow("too few replicas", "assigned", NewPartitions.increaseTo(4, List.of(List.of(1, 2))));
        grow("an unknown broker", "assigned", NewPartitions.increaseTo(4, List.of(List.of(1, 2, 9))));
        grow("a broker twice", "assigned", NewPartitions.increaseTo(4, List.of(List.of(1, 2, 2))));
        grow("assigned", "assigned", NewPartitions.increaseTo(4, List.of(List.of(2, 1, 3))));
        Thread.sleep(1000);
        describe("assigned");
    }

    private void entries(String what, ConfigResource resource, boolean all) {
        row("configs of " + what, () -> get(admin.describeConfigs(List.of(resource), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all())
            .get(resource).entries().stream().filter(entry -> all || entry.source() != ConfigEntry.ConfigSource.DEFAULT_CONFIG)
            .filter(entry -> !entry.name().startsWith("barnabas."))
            .map(entry -> entry.name() + "=" + entry.value() + " " + entry.source() + " " + entry.type() + (entry.isSensitive() ? " sensitive" : "")
                + (entry.isReadOnly() ? " fixed" : "") + (entry.documentation() == null ? " no words" : "")
                + " " + entry.synonyms().stream().map(one -> one.name() + "=" + one.value() + " " + one.source()).toList())
            .sorted().collect(Collectors.joining("; ")));
    }

    private void alter(String what, ConfigResource resource, AlterConfigOp.OpType type, String name, String value) {
        row("alter configs: " + what, () -> get(admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all()));
    }

    private void configs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "single");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "2");
        ConfigResource brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter("set", topic, AlterConfigOp.OpType.SET, "max.message.bytes", "70000");
        alter("delete", topic, AlterConfigOp.OpType.DELETE, "retention.ms", "");
        alter("append", topic, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
        alter("append to no list", topic, AlterConfigOp.OpType.APPEND, "retention.ms", "1");
        alter("subtract", topic, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "compact");
        alter("unknown", topic, AlterConfigOp.OpType.SET, "no.such.config", "1");
        alter("bad value", topic, AlterConfigOp.OpType.SET, "retention.ms", "soon");
        alter("of an unknown topic", new ConfigResource(ConfigResource.Type.TOPIC, "nowhere"), AlterConfigOp.OpType.SET, "retention.ms", "1");
        alter("of a broker", broker, AlterConfigOp.OpType.SET, "log.cleaner.threads", "2");
        alter("of a broker, fixed", broker, AlterConfigOp.OpType.SET, "log.dirs", "/tmp");
        alter("of a broker, unknown", broker, AlterConfigOp.OpType.SET, "no.such.config", "1");
        alter("of all brokers", brokers, AlterConfigOp.OpType.SET, "message.max.bytes", "3000000");
        alter("of all brokers, one broker's only", brokers, AlterConfigOp.OpType.SET, "listeners", "PLAINTEXT://:1");
        alter("of no broker", new ConfigResource(ConfigResource.Type.BROKER, "nine"), AlterConfigOp.OpType.SET, "message.max.bytes", "1");
        Thread.sleep(2000);
        entries("a topic", topic, true);
        entries("broker 2", broker, false);
        entries("all brokers", brokers, false);
        entries("an unknown topic", new ConfigResource(ConfigResource.Type.TOPIC, "nowhere"), true);
        entries("an unknown broker", new ConfigResource(ConfigResource.Type.BROKER, "9"), true);
        entries("no broker", new ConfigResource(ConfigResource.Type.BROKER, "nine"), true);
        entries("a group", new ConfigResource(ConfigResource.Type.GROUP, "some"), true);
        alter("of all brokers, back", brokers, AlterConfigOp.OpType.DELETE, "message.max.bytes", "");
        row("configs: resources", () -> get(admin.listConfigResources().all()).stream().map(Object::toString).sorted().toList());
    }

    private void produce(String topic, int partitions, int records) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "acks", "all");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int at = 0; at < records * partitions; at++)
                producer.send(new ProducerRecord<>(topic, at % partitions, 1_000_000L + at, null, new byte[100])).get(SECONDS, TimeUnit.SECONDS);
        }
    }

    private void deleteRecords(String what, String topic, int partition, long before) {
        row("delete records: " + what, () -> get(admin.deleteRecords(Map.of(new TopicPartition(topic, partition), RecordsToDelete.beforeOffset(before)),
            new DeleteRecordsOptions().timeoutMs(8000))
            .lowWatermarks().values().iterator().next()).lowWatermark());
    }

    private void offsets(String what, String topic, OffsetSpec spec) {
        row("offsets: " + what, () -> {
            Map<TopicPartition, OffsetSpec> asked = new TreeMap<>(Comparator.comparing(TopicPartition::toString));
            for (int at = 0; at < 3; at++) asked.put(new TopicPartition(topic, at), spec);
            ListOffsetsResult found = admin.listOffsets(asked, new ListOffsetsOptions().timeoutMs(8000));
            Map<String, Object> shown = new TreeMap<>();
            for (TopicPartition partition : asked.keySet()) {
                try {
                    var one = get(found.partitionResult(partition));
                    shown.put(partition.toString(), one.offset() + "@" + one.timestamp());
                } catch (Exception e) {
                    shown.put(partition.toString(), error(e));
                }
            }
            return shown;
        });
    }

    private void records() throws Exception {
        produce("assigned", 3, 50);
        deleteRecords("before 10", "assigned", 0, 10);
        deleteRecords("before 5, which is gone", "assigned", 0, 5);
        deleteRecords("all", "assigned", 1, -1);
        deleteRecords("too many", "assigned", 2, 51);
        deleteRecords("a negative offset", "assigned", 2, -2);
        deleteRecords("of an unknown partition", "assigned", 20, 1);
        row("delete records: of a compacted topic", () -> {
            get(admin.createTopics(List.of(new NewTopic("compacted", 1, (short) 1).configs(Map.of("cleanup.policy", "compact")))).all());
            Thread.sleep(500);
            return get(admin.deleteRecords(Map.of(new TopicPartition("compacted", 0), RecordsToDelete.beforeOffset(0))).all());
        });
        offsets("earliest", "assigned", OffsetSpec.earliest());
        offsets("latest", "assigned", OffsetSpec.latest());
        offsets("highest timestamp", "assigned", OffsetSpec.maxTimestamp());
        offsets("by time", "assigned", OffsetSpec.forTimestamp(1_000_100));
        offsets("earliest local", "assigned", OffsetSpec.earliestLocal());
        offsets("latest tiered", "assigned", OffsetSpec.latestTiered());
        row("producers", () -> each(admin.describeProducers(List.of(new TopicPartition("assigned", 0))).partitionResult(new TopicPartition("assigned", 0)) == null
            ? Map.of() : Map.of("assigned-0", admin.describeProducers(List.of(new TopicPartition("assigned", 0))).partitionResult(new TopicPartition("assigned", 0))),
            found -> found.activeProducers().stream().map(one -> one.producerEpoch() + " " + one.lastSequence() + " " + one.lastTimestamp() + " "
                + one.coordinatorEpoch() + " " + one.currentTransactionStartOffset()).toList()));
    }

    private void directories() {
        row("log directories", () -> {
            Map<Integer, Map<String, LogDirDescription>> found = get(admin.describeLogDirs(NODES).allDescriptions());
            Map<String, Object> shown = new TreeMap<>();
            found.forEach((node, directories) -> directories.forEach((path, directory) -> directory.replicaInfos().forEach((partition, replica) -> {
                if (partition.topic().matches("assigned|moved|single"))
                    shown.put(node + " " + path + " " + partition, (replica.size() > 0) + " lag " + replica.offsetLag() + (replica.isFuture() ? " future" : ""));
            })));
            found.forEach((node, directories) -> directories.forEach((path, directory) -> shown.put(node + " " + path,
                directory.error() + " total " + directory.totalBytes().isPresent() + " usable " + directory.usableBytes().isPresent() + " cordoned " + directory.isCordoned())));
            return shown;
        });
        row("log directories of an unknown broker", () -> each(admin.describeLogDirs(List.of(9), new DescribeLogDirsOptions().timeoutMs(3000)).descriptions(), Object::toString).replaceAll("Call\\(.*", ""));
        row("replica's log directories", () -> {
            TopicPartitionReplica there = new TopicPartitionReplica("single", 0, 3), nowhere = new TopicPartitionReplica("single", 0, 1);
            return each(admin.describeReplicaLogDirs(List.of(there, nowhere)).values(), Object::toString);
        });
        row("move to an unknown log directory", () -> get(admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("single", 0, 3), "/nowhere/at/all")).all()));
        row("move to a relative log directory", () -> get(admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("single", 0, 3), "nowhere")).all()));
    }

    private void elect(String what, ElectionType type, TopicPartition... partitions) {
        row("elect: " + what, () -> {
            Map<TopicPartition, Optional<Throwable>> found = get(admin.electLeaders(type, partitions.length == 0 ? null : Set.of(partitions)).partitions());
            Map<String, String> shown = new TreeMap<>();
            found.forEach((partition, error) -> shown.put(partition.toString(), error.map(Alike::error).orElse("done")));
            return shown;
        });
    }

    private void elections() throws Exception {
        TopicPartition first = new TopicPartition("assigned", 0);
        elect("not needed", ElectionType.PREFERRED, first);
        elect("unclean, not needed", ElectionType.UNCLEAN, first);
        elect("unknown", ElectionType.PREFERRED, new TopicPartition("nowhere", 0), new TopicPartition("assigned", 40));
        elect("unknown, unclean", ElectionType.UNCLEAN, new TopicPartition("nowhere", 0), new TopicPartition("assigned", 40));
        reassign("another order", "assigned", 0, List.of(2, 1, 3));
        Thread.sleep(1500);
        describe("assigned");
        elect("preferred", ElectionType.PREFERRED, first);
        Thread.sleep(500);
        describe("assigned");
        elect("all, none needed", ElectionType.PREFERRED);
    }

    private void reassign(String what, String topic, int partition, List<Integer> to) {
        row("reassign: " + what, () -> get(admin.alterPartitionReassignments(Map.of(new TopicPartition(topic, partition),
            to == null ? Optional.empty() : Optional.of(new NewPartitionReassignment(to)))).all()));
    }

    private void reassigning(String what, String topic) {
        row("reassigning: " + what, () -> {
            Map<String, Object> shown = new TreeMap<>();
            get(admin.listPartitionReassignments().reassignments()).forEach((partition, one) -> {
                if (partition.topic().equals(topic))
                    shown.put(partition.toString(), one.replicas() + " adding " + one.addingReplicas() + " removing " + one.removingReplicas());
            });
            return shown;
        });
    }

    private void reassignments() throws Exception {
        reassigning("none", "moved");
        row("reassigning: of an unknown topic", () -> get(admin.listPartitionReassignments(Set.of(new TopicPartition("nowhere", 0))).reassignments()));
        reassign("cancel none", "moved", 0, null);
        reassign("an unknown broker", "moved", 0, List.of(1, 9));
        reassign("a broker twice", "moved", 0, List.of(1, 1));
        reassign("a negative broker", "moved", 0, List.of(-1));
        reassign("nobody", "moved", 0, List.of());
        reassign("of an unknown topic", "nowhere", 0, List.of(1));
        reassign("of an unknown partition", "moved", 7, List.of(1));
        row("reassign: another number of replicas, which is refused", () -> get(admin.alterPartitionReassignments(
            Map.of(new TopicPartition("moved", 0), Optional.of(new NewPartitionReassignment(List.of(1, 2, 3)))),
            new AlterPartitionReassignmentsOptions().allowReplicationFactorChange(false)).all()));
        produce("moved", 2, 20);
        for (List<Integer> to : List.of(List.of(2, 3), List.of(3), List.of(1, 2, 3), List.of(1, 2, 3))) {
            reassign("to " + to, "moved", 0, to);
            until(() -> get(admin.listPartitionReassignments().reassignments()).isEmpty());
            Thread.sleep(1000);
            describe("moved");
        }
    }

    private void until(Callable<Boolean> so) throws Exception {
        for (int tries = 0; tries < 100 && !so.call(); tries++) Thread.sleep(200);
    }

    private void groups() {
        TopicPartition first = new TopicPartition("assigned", 0);
        row("groups: alter offsets", () -> get(admin.alterConsumerGroupOffsets("some", Map.of(first, new OffsetAndMetadata(7, "text"))).all()));
        row("groups: alter offsets of an unknown topic", () -> each(Map.of("nowhere", admin.alterConsumerGroupOffsets("some",
            Map.of(new TopicPartition("nowhere", 0), new OffsetAndMetadata(7))).partitionResult(new TopicPartition("nowhere", 0))), String::valueOf));
        row("groups: list", () -> get(admin.listGroups().all()).stream().map(one -> one.groupId() + " " + one.protocol() + " " + one.groupState() + " " + one.type()).sorted().toList());
        row("groups: describe", () -> each(admin.describeClassicGroups(List.of("some", "none")).describedGroups(), one -> one.state() + " " + one.protocol() + " " + one.members()));
        row("groups: offsets", () -> get(admin.listConsumerGroupOffsets(Map.of("some", new ListConsumerGroupOffsetsSpec(), "none", new ListConsumerGroupOffsetsSpec())).all()));
        row("groups: delete offsets", () -> get(admin.deleteConsumerGroupOffsets("some", Set.of(first)).all()));
        row("groups: delete offsets of an unknown group", () -> get(admin.deleteConsumerGroupOffsets("none", Set.of(first)).all()));
        row("groups: delete", () -> each(admin.deleteConsumerGroups(List.of("some", "none")).deletedGroups(), String::valueOf));
    }

    private void others() {
        row("voters: add one that is there", () -> get(admin.addRaftVoter(1, admin.describeMetadataQuorum().quorumInfo().get().voters().stream()
            .filter(voter -> voter.replicaId() == 1).findFirst().orElseThrow().replicaDirectoryId(), Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 1))).all()));
        row("voters: remove an unknown one", () -> get(admin.removeRaftVoter(9, new Uuid(7, 7)).all()));
        row("features: an unknown one", () -> get(admin.updateFeatures(Map.of("no.such.feature", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
        row("features: too high", () -> get(admin.updateFeatures(Map.of("metadata.version", new FeatureUpdate((short) 99, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
        row("features: down", () -> get(admin.updateFeatures(Map.of("metadata.version", new FeatureUpdate((short) 7, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
        row("unregister: one that is unknown", () -> get(admin.unregisterBroker(9).all()));
        row("acls", () -> get(admin.describeAcls(AclBindingFilter.ANY).values()));
        row("quotas", () -> get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()));
        row("transactions", () -> get(admin.listTransactions().all()));
        row("fence an unknown producer", () -> get(admin.describeTransactions(List.of("none")).all()));
    }

    private void deletion() throws Exception {
        row("delete", () -> each(admin.deleteTopics(List.of("compacted", "nowhere", "bad name")).topicNameValues(), String::valueOf));
        row("delete by id", () -> each(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(ids.get("with.point"), new Uuid(1, 1)))).topicIdValues(), String::valueOf));
        Thread.sleep(1000);
        row("list after deletion", () -> new TreeSet<>(get(admin.listTopics().names())));
    }

    // ---- node 3 dead -----------------------------------------------------------------------------------------------

    private void down() throws Exception {
        until(() -> get(admin.describeCluster().nodes()).size() == 2);
        Thread.sleep(2000);
        row("cluster without 3", () -> get(admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes())
            .stream().map(node -> node.id() + " fenced " + node.isFenced()).sorted().toList());
        // a leader elected after it has gone has never heard of it
        row("quorum without 3", () -> quorum().replaceAll("3/true/\\w+/\\w+/\\w+", "3"));
        describe("assigned", "moved", "single");
        create("on the dead one", new NewTopic("onthree", assigned(List.of(List.of(3, 1)))));
        create("on the dead one alone", new NewTopic("onlythree", assigned(List.of(List.of(3)))));
        create("more replicas than nodes live", new NewTopic("three", 1, (short) 3));
        describe("onthree", "onlythree");
        elect("preferred is dead", ElectionType.PREFERRED, new TopicPartition("assigned", 2));
        elect("nobody lives", ElectionType.PREFERRED, new TopicPartition("single", 0));
        elect("nobody lives, unclean", ElectionType.UNCLEAN, new TopicPartition("single", 0));
        reassign("to the dead one", "moved", 1, List.of(2, 3));
        reassign("nothing new", "moved", 1, List.of(2, 3));
        produce("moved", 1, 5);
        reassign("more than the living", "single", 0, List.of(1));
        Thread.sleep(500);
        reassigning("stuck", "single");
        describe("single");
        row("reassigning: of one partition", () -> get(admin.listPartitionReassignments(Set.of(new TopicPartition("single", 0))).reassignments()).size());
        reassign("elsewhere meanwhile", "single", 0, List.of(2));
        Thread.sleep(500);
        reassigning("elsewhere", "single");
        reassign("cancel", "single", 0, null);
        Thread.sleep(500);
        reassigning("cancelled", "single");
        describe("single");
        deleteRecords("without a leader", "single", 0, 0);
        offsets("without 3", "assigned", OffsetSpec.latest());
        grow("with one dead", "placed", NewPartitions.increaseTo(7));
        row("configs of the dead broker", () -> get(admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.BROKER, "3")), new DescribeConfigsOptions().timeoutMs(4000)).all()).size() > 0);
        row("unregister the dead one", () -> get(admin.unregisterBroker(3).all()));
        Thread.sleep(500);
        row("cluster after that", () -> get(admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes())
            .stream().map(node -> node.id() + " fenced " + node.isFenced()).sorted().toList());
        describe("assigned", "single");
    }
}
