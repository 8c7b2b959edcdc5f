import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.listener.MessageListener;
import org.springframework.kafka.support.SendResult;
import org.springframework.kafka.support.TopicPartitionOffset;

/** Spring for Apache Kafka: KafkaAdmin, KafkaTemplate and listener containers. The contract is in compat/README.md. */
public final class Main {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private final String bootstrap;
    private final String name = System.getenv().getOrDefault("COMPAT_NAME", "spring");

    private Main(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] arguments) throws Exception {
        Main main = new Main(arguments[0]);
        switch (arguments[1]) {
            case "flow" -> main.flow(arguments[2]);
            case "member" -> main.member(arguments[2], arguments[3], Integer.parseInt(arguments[4]));
            default -> System.exit(main.runAll(arguments));
        }
        System.exit(0);
    }

    private int runAll(String[] arguments) {
        int failures = 0;
        for (int at = 1; at < arguments.length; at++) {
            String outcome = "ok";
            String detail;
            try {
                detail = run(arguments[at]);
                if (detail.startsWith("n/a ")) outcome = "n/a";
            } catch (Exception e) {
                failures++;
                outcome = "fail";
                detail = e + (e.getCause() == null ? "" : " " + e.getCause());
            }
            System.out.println(arguments[at] + "\t" + outcome + "\t" + detail.replaceAll("\\s+", " "));
            System.out.flush();
        }
        return failures == 0 ? 0 : 1;
    }

    private String run(String check) throws Exception {
        if (check.equals("version")) {
            return KafkaTemplate.class.getPackage().getImplementationVersion() + " (kafka-clients " + AppInfoParser.getVersion() + ")";
        }
        if (check.equals("create")) return create();
        if (check.equals("offset")) return read(name + ".none", Records.COUNT / 10);
        if (check.startsWith("produce.")) return produce(check.substring(8));
        if (check.startsWith("read.")) {
            String[] parts = check.substring(5).split("@");
            return read((parts.length > 1 ? parts[1] : name) + "." + parts[0], 0);
        }
        return switch (check) {
            case "time" -> time();
            case "error.unknown-topic" -> expect(UnknownTopicOrPartitionException.class, () -> admin().describeTopics(name + ".nowhere"));
            case "error.invalid-topic" -> expect(InvalidTopicException.class, () -> create("not a name!", 1, "1000"));
            case "error.too-large" -> tooLarge();
            default -> "n/a its containers handle it by themselves";
        };
    }

    private KafkaAdmin admin() {
        KafkaAdmin admin = new KafkaAdmin(Map.of("bootstrap.servers", bootstrap));
        admin.setFatalIfBrokerNotAvailable(true);
        admin.setAutoCreate(false);
        return admin;
    }

    private void create(String topic, int partitions, String maxBytes) {
        admin().createOrModifyTopics(new NewTopic(topic, partitions, Records.REPLICATION)
            .configs(Map.of("max.message.bytes", maxBytes, "retention.ms", "-1")));
    }

    private String create() {
        for (String codec : CODECS) create(name + "." + codec, Records.PARTITIONS, "2097152");
        return CODECS.length + " topics";
    }

    private KafkaTemplate<byte[], byte[]> template(String codec) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "compression.type", codec, "max.request.size", 2_000_000);
        return new KafkaTemplate<>(new DefaultKafkaProducerFactory<>(settings, new ByteArraySerializer(), new ByteArraySerializer()));
    }

    private String produce(String codec) throws Exception {
        KafkaTemplate<byte[], byte[]> template = template(codec);
        List<CompletableFuture<SendResult<byte[], byte[]>>> sent = new ArrayList<>();
        for (int i = 0; i < Records.COUNT; i++) sent.add(template.send(Records.produced(name + "." + codec, i)));
        template.flush();
        for (int i = 0; i < Records.COUNT; i++) {
            long offset = sent.get(i).get(60, TimeUnit.SECONDS).getRecordMetadata().offset();
            if (offset != i / Records.PARTITIONS) throw new Failure("record " + i + " got offset " + offset);
        }
        template.destroy();
        return Records.COUNT + " records";
    }

    private DefaultKafkaConsumerFactory<byte[], byte[]> consumers(String group) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "group.id", group, "auto.offset.reset", "earliest",
            "session.timeout.ms", 6000, "heartbeat.interval.ms", 500, "enable.auto.commit", false);
        return new DefaultKafkaConsumerFactory<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** A listener container on the topic's partitions, from an offset. */
    private String read(String topic, int start) throws Exception {
        TopicPartitionOffset[] places = new TopicPartitionOffset[Records.PARTITIONS];
        for (int p = 0; p < places.length; p++) places[p] = new TopicPartitionOffset(topic, p, (long) start);
        ContainerProperties properties = new ContainerProperties(places);
        CountDownLatch due = new CountDownLatch(Records.COUNT - start * Records.PARTITIONS);
        AtomicReference<String> wrong = new AtomicReference<>();
        long[] next = new long[Records.PARTITIONS];
        java.util.Arrays.fill(next, start);
        properties.setMessageListener((MessageListener<byte[], byte[]>) record -> {
            String difference = Records.difference(record, topic.startsWith("kcat"));
            if (difference == null && record.offset() != next[record.partition()]++) difference = "offset " + record.offset();
            if (difference != null) wrong.compareAndSet(null, difference);
            due.countDown();
        });
        var container = new KafkaMessageListenerContainer<>(consumers(name + ".reader"), properties);
        container.start();
        boolean all = due.await(60, TimeUnit.SECONDS);
        container.stop();
        if (wrong.get() != null) throw new Failure(wrong.get());
        if (!all) throw new Failure(due.getCount() + " records missing after 60 s");
        return Records.COUNT - start * Records.PARTITIONS + " records";
    }

    private String time() throws Failure {
        int target = Records.COUNT / 2;
        try (var consumer = consumers(name + ".reader").createConsumer()) {
            for (int p = 0; p < Records.PARTITIONS; p++) {
                var partition = new org.apache.kafka.common.TopicPartition(name + ".none", p);
                var found = consumer.offsetsForTimes(Map.of(partition, Records.timestamp(target))).get(partition);
                long expected = (target - p + Records.PARTITIONS - 1) / Records.PARTITIONS;
                if (found == null || found.offset() != expected) throw new Failure(partition + ": " + found);
            }
        }
        return "offsets of record " + target;
    }

    private String tooLarge() throws Exception {
        create(name + ".small", 1, "1000");
        return expect(RecordTooLargeException.class,
            () -> template("none").send(name + ".small", new byte[10_000]).get(60, TimeUnit.SECONDS));
    }

    private interface Action {
        void run() throws Exception;
    }

    private static String expect(Class<? extends Exception> expected, Action action) throws Exception {
        try {
            action.run();
        } catch (Exception e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (expected.isInstance(cause)) return expected.getSimpleName();
            }
            throw e;
        }
        throw new Failure("no " + expected.getSimpleName());
    }

    private void flow(String topic) throws Exception {
        KafkaTemplate<byte[], byte[]> template = template("none");
        int partitions = template.partitionsFor(topic).size();
        List<CompletableFuture<SendResult<byte[], byte[]>>> sent = new ArrayList<>();
        Thread input = endOfInput();
        while (input.isAlive()) {
            for (int i = 0; i < 10; i++) {
                byte[] value = Records.ascii("" + sent.size());
                sent.add(template.send(topic, sent.size() % partitions, null, value));
            }
            input.join(20);
        }
        template.flush();
        for (var one : sent) one.get(60, TimeUnit.SECONDS);
        System.out.println("sent\t" + sent.size());
    }

    private void member(String group, String topic, int count) throws Exception {
        ContainerProperties properties = new ContainerProperties(topic);
        properties.setGroupId(group);
        properties.setMessageListener((MessageListener<byte[], byte[]>) Main::got);
        var container = new ConcurrentMessageListenerContainer<>(consumers(group), properties);
        container.setConcurrency(count);
        container.start();
        endOfInput().join();
        container.stop();
    }

    private static void got(ConsumerRecord<byte[], byte[]> record) {
        System.out.print("got\t" + record.partition() + "\t" + record.offset() + "\t" + new String(record.value()) + "\n");
        System.out.flush();
    }

    /** A thread that lives until stdin ends. */
    private static Thread endOfInput() {
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
        });
        input.setDaemon(true);
        input.start();
        return input;
    }
}
