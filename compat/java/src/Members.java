import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;

/** The long-running parts: a producer that flows, members of a group, what the group has committed. */
final class Members {
    private final Checks checks;
    private volatile boolean stopping;

    Members(Checks checks) {
        this.checks = checks;
        Thread input = new Thread(this::awaitEndOfInput);
        input.setDaemon(true);
        input.start();
    }

    private void awaitEndOfInput() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException e) {
            System.err.println(e);
        }
        stopping = true;
    }

    void flow(String topic) throws Exception {
        AtomicReference<Exception> failed = new AtomicReference<>();
        long count = 0;
        try (var producer = checks.producer()) {
            int partitions = producer.partitionsFor(topic).size();
            while (!stopping && failed.get() == null) {
                for (int i = 0; i < 10; i++, count++) {
                    var record = new ProducerRecord<byte[], byte[]>(topic, (int) (count % partitions), null, Records.ascii("" + count));
                    producer.send(record, (metadata, error) -> { if (error != null) failed.set(error); });
                }
                Thread.sleep(20);
            }
        }
        if (failed.get() != null) throw failed.get();
        System.out.println("sent\t" + count);
    }

    void member(String group, String topic, int count) throws Exception {
        AtomicReference<Exception> failed = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Thread thread = new Thread(() -> {
                try {
                    one(group, topic);
                } catch (Exception e) {
                    failed.set(e);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
        if (failed.get() != null) throw failed.get();
    }

    private void one(String group, String topic) {
        try (var consumer = checks.consumer("group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false,
            "session.timeout.ms", 6000, "heartbeat.interval.ms", 500)) {
            consumer.subscribe(List.of(topic));
            while (!stopping) turn(consumer);
        } catch (WakeupException e) {
            stopping = true;
        }
    }

    private void turn(KafkaConsumer<byte[], byte[]> consumer) {
        var records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) return;
        StringBuilder lines = new StringBuilder();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            lines.append("got\t").append(record.partition()).append('\t').append(record.offset()).append('\t')
                .append(new String(record.value())).append('\n');
        }
        System.out.print(lines);
        System.out.flush();
        try {
            consumer.commitSync();
        } catch (CommitFailedException | RebalanceInProgressException e) {
            // Another member gets these records again: at least once.
        }
    }

    void committed(String group, String topic, int partitions) {
        Set<TopicPartition> asked = new HashSet<>();
        for (int p = 0; p < partitions; p++) asked.add(new TopicPartition(topic, p));
        try (var consumer = checks.consumer("group.id", group)) {
            consumer.committed(asked).forEach((partition, offset) ->
                System.out.println("committed\t" + partition.partition() + "\t" + (offset == null ? -1 : offset.offset())));
        }
    }
}
