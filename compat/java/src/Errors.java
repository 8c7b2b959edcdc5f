import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The errors that a client can provoke. */
final class Errors {
    private final Checks checks;
    private final String name;

    Errors(Checks checks, String name) {
        this.checks = checks;
        this.name = name;
    }

    String run(String error) throws Exception {
        return switch (error) {
            case "unknown-topic" -> expect(UnknownTopicOrPartitionException.class, () -> {
                try (var admin = checks.admin()) {
                    admin.describeTopics(Set.of(name + ".nowhere")).allTopicNames().get(60, TimeUnit.SECONDS);
                }
            });
            case "invalid-topic" -> expect(InvalidTopicException.class,
                () -> checks.createAll(List.of(new NewTopic("not a name!", 1, (short) 1))));
            case "too-large" -> tooLarge();
            case "out-of-range" -> expect(OffsetOutOfRangeException.class, this::readPastTheEnd);
            case "stale-generation" -> expect(CommitFailedException.class, this::commitAfterRemoval);
            default -> throw new Failure("no such check");
        };
    }

    private String tooLarge() throws Exception {
        String topic = name + ".small";
        checks.createAll(List.of(new NewTopic(topic, 1, (short) 1).configs(Map.of("max.message.bytes", "1000"))));
        return expect(RecordTooLargeException.class, () -> {
            try (var producer = checks.producer()) {
                producer.send(new ProducerRecord<>(topic, new byte[10_000])).get(60, TimeUnit.SECONDS);
            }
        });
    }

    private void readPastTheEnd() throws Exception {
        TopicPartition partition = new TopicPartition(name + ".none", 0);
        try (var consumer = checks.consumer("auto.offset.reset", "none")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 1_000_000_000L);
            for (int turn = 0; turn < 60; turn++) consumer.poll(Duration.ofSeconds(1));
        }
    }

    private void commitAfterRemoval() throws Exception {
        String group = name + ".stale";
        try (var consumer = checks.consumer("group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false);
             var admin = checks.admin()) {
            consumer.subscribe(List.of(name + ".none"));
            for (int turn = 0; turn < 120 && consumer.poll(Duration.ofMillis(500)).isEmpty(); turn++) { }
            admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get(60, TimeUnit.SECONDS);
            consumer.commitSync();
        }
    }

    private interface Action {
        void run() throws Exception;
    }

    private static String expect(Class<? extends Exception> expected, Action action) throws Exception {
        try {
            action.run();
        } catch (ExecutionException e) {
            if (expected.isInstance(e.getCause())) return expected.getSimpleName();
            throw e;
        } catch (Exception e) {
            if (expected.isInstance(e)) return expected.getSimpleName();
            throw e;
        }
        throw new Failure("no " + expected.getSimpleName());
    }
}
