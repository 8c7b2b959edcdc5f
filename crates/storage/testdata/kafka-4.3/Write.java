// Fills a broker for the golden log directory, and prints what a consumer reads of it.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

public class Write {
    static final String SERVER = System.getProperty("server");
    static final long START = 1_700_000_000_000L;
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};

    static Map<String, Object> producer(String codec, String transactionalId) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", SERVER);
        config.put("compression.type", codec);
        config.put("linger.ms", "20");
        config.put("batch.size", "2000");
        if (transactionalId != null) config.put("transactional.id", transactionalId);
        return config;
    }

    static KafkaProducer<byte[], byte[]> open(String codec, String id) {
        return new KafkaProducer<>(producer(codec, id), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int number, long time, String name) {
        byte[] key = number % 5 == 0 ? null : ("key " + number % 7).getBytes();
        byte[] value = number % 11 == 0 ? null : (name + " " + number + " " + "v".repeat(number % 60)).getBytes();
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, time, key, value);
        for (int i = 0; i < number % 3; i++)
            record.headers().add(new RecordHeader("h" + i / 2, i == 1 ? null : ("x" + number).getBytes()));
        return record;
    }

    // minutes apart, so that segment.ms makes segments
    static void codecs(int round) throws Exception {
        for (int codec = 0; codec < CODECS.length; codec++) {
            try (var producer = open(CODECS[codec], null)) {
                for (int i = 0; i < 120; i++) {
                    long time = START + (round * 5L + codec) * 40_000 + i * 10 - (i % 4) * 15;
                    producer.send(record("codecs", round * 1000 + codec * 120 + i, time, CODECS[codec]));
                    if (i % 30 == 29) producer.flush();
                }
            }
        }
    }

    static void transactions(int round) throws Exception {
        try (var plain = open("none", null); var one = open("none", "one"); var two = open("lz4", "two")) {
            one.initTransactions();
            two.initTransactions();
            int number = round * 1000;
            for (int turn = 0; turn < 6; turn++) {
                one.beginTransaction();
                two.beginTransaction();
                for (int i = 0; i < 8; i++) {
                    long time = START + (round * 6L + turn) * 40_000 + i;
                    one.send(record("transactions", number++, time, "one"));
                    two.send(record("transactions", number++, time, "two"));
                    plain.send(record("transactions", number++, time, "plain"));
                    if (i % 3 == 2) { one.flush(); two.flush(); plain.flush(); }
                }
                if (turn % 2 == 0) one.commitTransaction(); else one.abortTransaction();
                if (turn % 3 == 0) two.abortTransaction(); else two.commitTransaction();
            }
        }
    }

    static void groups() {
        for (String group : new String[] {"readers", "others"}) {
            Map<String, Object> config = Map.of("bootstrap.servers", SERVER, "group.id", group,
                "auto.offset.reset", "earliest", "enable.auto.commit", "false");
            try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.subscribe(List.of("codecs", "transactions"));
                for (int i = 0, seen = 0; i < 50 && seen < 200; i++) {
                    seen += consumer.poll(Duration.ofMillis(200)).count();
                    consumer.commitSync();
                }
            }
        }
    }

    static void print(String topic, String isolation) {
        Map<String, Object> config = Map.of("bootstrap.servers", SERVER, "isolation.level", isolation);
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end)
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    StringBuilder line = new StringBuilder(topic + " " + isolation + " " + record.offset() + " "
                        + record.timestamp() + " " + text(record.key()) + "|" + text(record.value()));
                    for (var header : record.headers())
                        line.append("|").append(header.key()).append("=").append(text(header.value()));
                    System.out.println(line);
                }
        }
    }

    static String text(byte[] bytes) { return bytes == null ? "null" : new String(bytes); }

    public static void main(String[] arguments) throws Exception {
        int round = Integer.parseInt(arguments[0]);
        if (round == 0) {
            try (var admin = Admin.create(Map.of("bootstrap.servers", SERVER))) {
                Map<String, String> config = Map.of("segment.ms", "60000", "index.interval.bytes", "300",
                    "segment.index.bytes", "4092", "retention.ms", "-1");
                admin.createTopics(List.of(new NewTopic("codecs", 1, (short) 1).configs(config),
                    new NewTopic("transactions", 1, (short) 1).configs(config))).all().get();
            }
        }
        codecs(round);
        transactions(round);
        if (round == 0) groups();
        for (String isolation : new String[] {"read_uncommitted", "read_committed"})
            for (String topic : new String[] {"codecs", "transactions"}) print(topic, isolation);
    }
}
