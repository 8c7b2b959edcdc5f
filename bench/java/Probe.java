import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Produces one record after the other with the Java client's defaults, and tells for each line "killed NANOS" of its
 * input how long after that moment the next answer came: "gap MICROS"; "settle" waits for an answer.
 */
public class Probe {
    private static long acked = 0;
    private static Exception failure = null;

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        Thread writer = new Thread(() -> write(properties, arguments[1], Integer.parseInt(arguments[2])));
        writer.setDaemon(true);
        writer.start();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            long after = now();
            if (line.equals("settle")) {
                next(after);
                System.out.println("settled");
                continue;
            }
            long killed = Long.parseLong(line.split(" ")[1]);
            System.out.println("gap " + (next(after) - killed) / 1000);
        }
    }

    private static void write(Properties properties, String topic, int partition) {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            while (true) {
                producer.send(new ProducerRecord<>(topic, partition, null, "probe".getBytes())).get();
                answered(null);
                Thread.sleep(10);
            }
        } catch (Exception error) {
            answered(error);
        }
    }

    private static synchronized void answered(Exception error) {
        acked = now();
        failure = error;
        Probe.class.notifyAll();
    }

    private static synchronized long next(long after) throws Exception {
        while (acked <= after || failure != null) {
            if (failure != null) {
                throw failure;
            }
            Probe.class.wait();
        }
        return acked;
    }

    private static long now() {
        java.time.Instant instant = java.time.Instant.now();
        return TimeUnit.SECONDS.toNanos(instant.getEpochSecond()) + instant.getNano();
    }
}
