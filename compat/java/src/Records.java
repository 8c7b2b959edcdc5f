import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Record i of the contract (compat/README.md), and its comparison with one that was read. */
final class Records {
    static final int COUNT = Integer.parseInt(System.getenv().getOrDefault("COMPAT_RECORDS", "10000"));
    static final int PARTITIONS = 3;
    static final short REPLICATION = Short.parseShort(System.getenv().getOrDefault("COMPAT_REPLICATION", "1"));
    private static final int BIG = 1_040_000;
    private static final long FIRST_TIMESTAMP = 1_700_000_000_000L;

    static long timestamp(int i) {
        return FIRST_TIMESTAMP + 1000L * i;
    }

    static byte[] key(int i) {
        if (i % 5 == 0 && i % 11 != 0) return null;
        return i % 17 == 0 ? new byte[0] : ascii("key-" + i % 97);
    }

    static byte[] value(int i) {
        if (i % 11 == 0) return null;
        if (i % 13 == 0) return new byte[0];
        byte[] value = new byte[i % 2500 == 1249 ? BIG : 7919 * i % 301];
        byte[] block = sha(i + ":0");
        for (int at = 0, k = 0; at < value.length; at += 32, k++) {
            if (i % 2 == 1 && k > 0) block = sha(i + ":" + k);
            System.arraycopy(block, 0, value, at, Math.min(32, value.length - at));
        }
        return value;
    }

    static List<Header> headers(int i) {
        List<Header> headers = new ArrayList<>();
        for (int j = 0; j < i % 4; j++) headers.add(new RecordHeader("h" + j / 2, ascii("v" + i + "-" + j)));
        return headers;
    }

    static ProducerRecord<byte[], byte[]> produced(String topic, int i) {
        return new ProducerRecord<>(topic, i % PARTITIONS, timestamp(i), key(i), value(i), headers(i));
    }

    /** What is wrong with a record that was read back, or null. */
    static String difference(ConsumerRecord<byte[], byte[]> record, boolean text) {
        int i = (int) record.offset() * PARTITIONS + record.partition();
        String where = record.topic() + "-" + record.partition() + "@" + record.offset() + " ";
        byte[] key = text ? emptyToNull(key(i)) : key(i);
        byte[] value = text ? hex(emptyToNull(value(i))) : value(i);
        List<Header> headers = text ? List.of(new RecordHeader("h0", ascii("kcat"))) : headers(i);
        if (!Arrays.equals(key, record.key())) return where + "key";
        if (!Arrays.equals(value, record.value())) return where + "value";
        if (!headers.equals(List.of(record.headers().toArray()))) return where + "headers";
        if (!text && record.timestamp() != timestamp(i)) return where + "timestamp " + record.timestamp();
        return null;
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] emptyToNull(byte[] bytes) {
        return bytes == null || bytes.length == 0 ? null : bytes;
    }

    private static byte[] hex(byte[] bytes) {
        return bytes == null ? null : ascii(HexFormat.of().formatHex(bytes));
    }

    private static byte[] sha(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(ascii(text));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
