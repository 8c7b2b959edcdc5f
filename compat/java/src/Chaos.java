import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own Java client under faults. The contract is in compat/README.md, "Under faults". */
final class Chaos {
    private static final int OUTSTANDING_MAX = 2000;
    private static final int TICK_MS = 20;
    private static final int SEEK_EVERY_MS = 5000;
    private static final int SEEK_BACK = 300;
    private static final int MEMBERS = 2;
    private static final String PADDING = "x".repeat(160);

    private final String bootstrap;
    private final PrintStream output = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false);
    private volatile boolean stopping;

    Chaos(String bootstrap) {
        this.bootstrap = bootstrap;
        Thread input = new Thread(this::awaitEndOfInput);
        input.setDaemon(true);
        input.start();
    }

    public static void main(String[] arguments) throws Exception {
        Chaos chaos = new Chaos(arguments[0]);
        switch (arguments[1]) {
            case "writer" -> chaos.write(arguments[2], arguments[3], Integer.parseInt(arguments[4]), Integer.parseInt(arguments[5]));
            case "reader" -> chaos.read(arguments[2], Integer.parseInt(arguments[3]));
            case "group" -> chaos.join(arguments[2], arguments[3]);
            default -> throw new IllegalArgumentException(arguments[1]);
        }
        chaos.output.flush();
        System.exit(0);
    }

    private void awaitEndOfInput() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException e) {
            System.err.println(e);
        }
        stopping = true;
    }

    private void say(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) line.append(line.isEmpty() ? "" : "\t").append(field);
        line.append('\n');
        synchronized (output) {
            output.print(line);
        }
    }

    private void flush() {
        synchronized (output) {
            output.flush();
        }
    }

    private static long now() {
        return System.currentTimeMillis();
    }

    private static String brief(Throwable error) {
        return String.valueOf(error).replaceAll("\\s+", " ");
    }

    private Properties settings(Object... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("request.timeout.ms", 5000);
        properties.put("metadata.max.age.ms", 10000);
        properties.put("socket.connection.setup.timeout.ms", 2000);
        for (int at = 0; at < pairs.length; at += 2) properties.put(pairs[at], pairs[at + 1]);
        return properties;
    }

    private void write(String name, String topic, int partitions, int rate) throws Exception {
        long sequence = 0;
        for (int incarnation = 0; !stopping; incarnation++)
            sequence = writeOnce(name + "." + incarnation, topic, partitions, rate, sequence);
    }

    /** Writes until the end, or until the producer has failed for good: then another takes over, under another name. */
    private long writeOnce(String name, String topic, int partitions, int rate, long sequence) throws Exception {
        AtomicInteger outstanding = new AtomicInteger();
        AtomicInteger failed = new AtomicInteger();
        Properties settings = settings("acks", "all", "enable.idempotence", true, "linger.ms", 5, "delivery.timeout.ms", 600_000,
            "max.block.ms", 600_000);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            while (!stopping && failed.get() == 0) {
                for (int i = 0; i < rate * TICK_MS / 1000 && outstanding.get() < OUTSTANDING_MAX; i++) {
                    long at = sequence++;
                    int partition = (int) (at % partitions);
                    byte[] value = Records.ascii(name + "|" + at + "|" + PADDING);
                    outstanding.incrementAndGet();
                    producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                        outstanding.decrementAndGet();
                        if (error == null) {
                            say("A", now(), name, partition, at, metadata.hasOffset() ? metadata.offset() : -1);
                        } else {
                            failed.incrementAndGet();
                            say("F", now(), name, partition, at, brief(error));
                        }
                    });
                }
                flush();
                Thread.sleep(TICK_MS);
            }
            producer.flush();
        } catch (KafkaException e) {
            say("F", now(), name, -1, sequence, brief(e));
        }
        flush();
        return sequence;
    }

    private KafkaConsumer<byte[], byte[]> consumer(Object... pairs) {
        return new KafkaConsumer<>(settings(pairs), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void tell(ConsumerRecord<byte[], byte[]> record) {
        String[] parts = new String(record.value()).split("\\|", 3);
        if (parts.length == 3) say("R", now(), record.partition(), record.offset(), parts[0], parts[1]);
        else say("X", now(), record.partition(), "not a record of ours at " + record.offset());
    }

    private void read(String topic, int partitions) {
        List<TopicPartition> all = new ArrayList<>();
        for (int p = 0; p < partitions; p++) all.add(new TopicPartition(topic, p));
        try (var consumer = consumer("auto.offset.reset", "none", "enable.auto.commit", false, "default.api.timeout.ms", 10_000)) {
            consumer.assign(all);
            for (TopicPartition one : all) seek(consumer, one, 0);
            long next = now() + SEEK_EVERY_MS;
            Map<TopicPartition, Long> ends = null;
            for (int turn = 0; ; turn++) {
                poll(consumer);
                if (stopping && ends == null) ends = ends(consumer, all);
                if (ends != null && ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) return;
                if (stopping || now() < next) continue;
                next = now() + SEEK_EVERY_MS;
                ends(consumer, all);
                TopicPartition one = all.get(turn % partitions);
                seek(consumer, one, Math.max(0, consumer.position(one) - SEEK_BACK));
            }
        }
    }

    private void poll(KafkaConsumer<byte[], byte[]> consumer) {
        try {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) tell(record);
        } catch (OffsetOutOfRangeException e) {
            e.offsetOutOfRangePartitions().forEach((partition, offset) -> say("X", now(), partition.partition(), brief(e)));
        } finally {
            flush();
        }
    }

    private void seek(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long offset) {
        consumer.seek(partition, offset);
        say("S", now(), partition.partition(), offset);
    }

    /** The ends, each held against what was read already; null where the cluster does not say. */
    private Map<TopicPartition, Long> ends(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> all) {
        Map<TopicPartition, Long> read = new HashMap<>();
        for (TopicPartition one : all) read.put(one, consumer.position(one));
        try {
            Map<TopicPartition, Long> ends = consumer.endOffsets(all, Duration.ofSeconds(10));
            ends.forEach((partition, end) -> say("H", now(), partition.partition(), end, read.get(partition)));
            return ends;
        } catch (org.apache.kafka.common.errors.TimeoutException e) {
            return null;
        }
    }

    private void join(String group, String topic) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < MEMBERS; i++) {
            String name = "" + i;
            Thread thread = new Thread(() -> member(group, topic, name));
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
    }

    private void member(String group, String topic, String name) {
        try (var consumer = consumer("group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false,
            "session.timeout.ms", 10_000, "heartbeat.interval.ms", 1000, "default.api.timeout.ms", 10_000,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor")) {
            consumer.subscribe(List.of(topic), new Assigned(consumer, name));
            while (!stopping) {
                try {
                    turn(consumer, name);
                } catch (KafkaException e) {
                    say("M", now(), name, brief(e));
                }
                flush();
            }
        }
    }

    private void turn(KafkaConsumer<byte[], byte[]> consumer, String name) {
        var records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) return;
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            say("G", now(), name, record.partition(), record.offset());
            next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        long asked = now();
        consumer.commitSync(next);
        long acknowledged = now();
        next.forEach((partition, offset) -> say("C", asked, name, partition.partition(), offset.offset(), acknowledged));
    }

    private final class Assigned implements ConsumerRebalanceListener {
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final String name;

        Assigned(KafkaConsumer<byte[], byte[]> consumer, String name) {
            this.consumer = consumer;
            this.name = name;
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            long asked = now();
            for (TopicPartition one : partitions) {
                // the cluster may be slow to say where to begin
                while (true) {
                    try {
                        say("P", asked, name, one.partition(), consumer.position(one));
                        break;
                    } catch (org.apache.kafka.common.errors.TimeoutException e) {
                        say("M", now(), name, brief(e));
                    }
                }
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) { }
    }
}
