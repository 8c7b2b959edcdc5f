import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Topics, producing and reading back. */
final class Checks {
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private final String bootstrap;
    private final String name;

    Checks(String bootstrap, String name) {
        this.bootstrap = bootstrap;
        this.name = name;
    }

    Map<String, Object> settings(Object... pairs) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        for (int at = 0; at < pairs.length; at += 2) settings.put((String) pairs[at], pairs[at + 1]);
        return settings;
    }

    KafkaProducer<byte[], byte[]> producer(Object... pairs) {
        return new KafkaProducer<>(settings(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Object... pairs) {
        return new KafkaConsumer<>(settings(pairs), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    Admin admin() {
        return Admin.create(settings());
    }

    String create() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (String codec : CODECS) {
            topics.add(new NewTopic(name + "." + codec, Records.PARTITIONS, Records.REPLICATION)
                .configs(Map.of("max.message.bytes", "2097152", "retention.ms", "-1")));
        }
        return createAll(topics);
    }

    String createAll(List<NewTopic> topics) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(topics).all().get(60, TimeUnit.SECONDS);
            return topics.size() + " topics";
        }
    }

    String produce(String codec) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = producer("compression.type", codec, "max.request.size", 2_000_000)) {
            for (int i = 0; i < Records.COUNT; i++) sent.add(producer.send(Records.produced(name + "." + codec, i)));
            producer.flush();
        }
        for (int i = 0; i < Records.COUNT; i++) {
            long offset = sent.get(i).get(60, TimeUnit.SECONDS).offset();
            if (offset != i / Records.PARTITIONS) throw new Failure("record " + i + " got offset " + offset);
        }
        return Records.COUNT + " records";
    }

    String read(String codec, String from) throws Failure {
        try (var consumer = consumer("auto.offset.reset", "none", "max.poll.records", 2000)) {
            List<TopicPartition> partitions = partitions(from + "." + codec);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            compare(consumer, Records.COUNT, from.startsWith("kcat"));
            return Records.COUNT + " records";
        }
    }

    String offset() throws Failure {
        long start = Records.COUNT / 10;
        try (var consumer = consumer("auto.offset.reset", "none")) {
            List<TopicPartition> partitions = partitions(name + ".none");
            consumer.assign(partitions);
            for (TopicPartition partition : partitions) consumer.seek(partition, start);
            compare(consumer, Records.COUNT - (int) start * Records.PARTITIONS, false);
            return "from offset " + start;
        }
    }

    String time() throws Failure {
        int target = Records.COUNT / 2;
        try (var consumer = consumer()) {
            Map<TopicPartition, Long> asked = new HashMap<>();
            for (TopicPartition partition : partitions(name + ".none")) asked.put(partition, Records.timestamp(target));
            for (var found : consumer.offsetsForTimes(asked).entrySet()) {
                long expected = (target - found.getKey().partition() + Records.PARTITIONS - 1) / Records.PARTITIONS;
                if (found.getValue() == null || found.getValue().offset() != expected) {
                    throw new Failure(found.getKey() + " expected " + expected + ", found " + found.getValue());
                }
            }
            return "offsets of record " + target;
        }
    }

    private List<TopicPartition> partitions(String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int p = 0; p < Records.PARTITIONS; p++) partitions.add(new TopicPartition(topic, p));
        return partitions;
    }

    /** Polls `expected` records; each must be the next of its partition and equal to the table's. */
    private void compare(KafkaConsumer<byte[], byte[]> consumer, int expected, boolean text) throws Failure {
        Map<Integer, Long> next = new HashMap<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        int seen = 0;
        while (seen < expected) {
            if (System.nanoTime() > deadline) throw new Failure("only " + seen + " of " + expected + " records after 60 s");
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                Optional<Long> due = Optional.ofNullable(next.put(record.partition(), record.offset() + 1));
                if (due.isPresent() && due.get() != record.offset()) throw new Failure("offset gap at " + record.offset());
                String difference = Records.difference(record, text);
                if (difference != null) throw new Failure(difference);
                seen++;
            }
        }
        for (var end : consumer.endOffsets(consumer.assignment()).entrySet()) {
            if (consumer.position(end.getKey()) != end.getValue()) throw new Failure("more records than written");
        }
    }
}
