// Makes and reads record batches with Apache Kafka's own classes; README.md says how it is run.
//   write DIR   writes batches.bin and batches.txt (what is in them), judged.bin and judged.txt (see judge)
//   verify DIR  reads rust.bin and holds what is in it against rust.txt

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.zip.CRC32C;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.ByteBufferOutputStream;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

public class Golden {
    static final long NOW = 1_700_000_000_000L;
    static final TopicPartition PARTITION = new TopicPartition("golden", 3);

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[1]);
        if (arguments[0].equals("write")) {
            byte[] batches = batches();
            Files.write(directory.resolve("batches.bin"), batches);
            Files.writeString(directory.resolve("batches.txt"), dump(ByteBuffer.wrap(batches)));
            judge(directory);
            return;
        }
        String expected = Files.readString(directory.resolve("rust.txt"));
        String read = dump(ByteBuffer.wrap(Files.readAllBytes(directory.resolve("rust.bin"))));
        if (!read.equals(expected)) {
            Files.writeString(directory.resolve("java.txt"), read);
            System.out.println("different: compare rust.txt and java.txt");
            System.exit(1);
        }
        System.out.println("equal: " + read.lines().filter(line -> line.startsWith("batch")).count() + " batches");
    }

    // What is in the bytes, one line a batch and one a record.
    static String dump(ByteBuffer buffer) {
        StringBuilder out = new StringBuilder();
        for (MutableRecordBatch each : MemoryRecords.readableRecords(buffer).batches()) {
            DefaultRecordBatch batch = (DefaultRecordBatch) each;
            out.append(String.format(
                "batch base=%d last=%d next=%d size=%d epoch=%d crc=%08x valid=%b codec=%s type=%s txn=%b control=%b "
                    + "first=%d max=%d horizon=%s pid=%d pepoch=%d seq=%d lastseq=%d count=%d%n",
                batch.baseOffset(), batch.lastOffset(), batch.nextOffset(), batch.sizeInBytes(),
                batch.partitionLeaderEpoch(), batch.checksum(), batch.isValid(), batch.compressionType().name,
                batch.timestampType().name, batch.isTransactional(), batch.isControlBatch(), batch.baseTimestamp(),
                batch.maxTimestamp(),
                batch.deleteHorizonMs().isPresent() ? batch.deleteHorizonMs().getAsLong() : "none",
                batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.lastSequence(),
                batch.countOrNull()));
            for (org.apache.kafka.common.record.internal.Record record : batch) {
                out.append(String.format("  record offset=%d time=%d key=%s value=%s", record.offset(),
                    record.timestamp(), bytes(record.key()), bytes(record.value())));
                if (batch.isControlBatch()) {
                    parse(record);
                }
                for (Header header : record.headers()) {
                    out.append(" ").append(header.key()).append("=").append(bytes(header.value()));
                }
                out.append("\n");
            }
        }
        return out.toString();
    }

    // Fails where Kafka cannot read a control record, or would write it otherwise.
    static void parse(org.apache.kafka.common.record.internal.Record record) {
        ControlRecordType type = ControlRecordType.parse(record.key());
        ByteBuffer again = switch (type) {
            case ABORT, COMMIT -> EndTransactionMarker.deserialize(record).serializeValue();
            case LEADER_CHANGE -> written(ControlRecordUtils.deserializeLeaderChangeMessage(record));
            case SNAPSHOT_HEADER -> written(ControlRecordUtils.deserializeSnapshotHeaderRecord(record));
            case SNAPSHOT_FOOTER -> written(ControlRecordUtils.deserializeSnapshotFooterRecord(record));
            case KRAFT_VERSION -> written(ControlRecordUtils.deserializeKRaftVersionRecord(record));
            case KRAFT_VOTERS -> written(ControlRecordUtils.deserializeVotersRecord(record));
            default -> throw new IllegalStateException("control type " + type);
        };
        if (!bytes(again).equals(bytes(record.value()))) {
            throw new IllegalStateException(type + " is written " + bytes(again) + ", not " + bytes(record.value()));
        }
    }

    static ByteBuffer written(ApiMessage message) {
        return MessageUtil.toByteBufferAccessor(message, (short) 0).buffer();
    }

    static String bytes(ByteBuffer buffer) {
        if (buffer == null) {
            return "null";
        }
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes(bytes);
    }

    static String bytes(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        if (bytes.length <= 24) {
            return "[" + HexFormat.of().formatHex(bytes) + "]";
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return String.format("[%d bytes %08x]", bytes.length, crc.getValue());
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] pattern(int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = (byte) (i / 7 ^ i >> 9);
        }
        return bytes;
    }

    static byte[] noise(int size) {
        byte[] bytes = new byte[size];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    // A builder with everything that is not said at its ordinary value.
    static class Options {
        Compression compression = Compression.NONE;
        TimestampType type = TimestampType.CREATE_TIME;
        long base = 0;
        long appendTime = RecordBatch.NO_TIMESTAMP;
        long producerId = -1;
        short producerEpoch = -1;
        int sequence = -1;
        boolean transactional = false;
        boolean control = false;
        int epoch = -1;
        long horizon = RecordBatch.NO_TIMESTAMP;

        static Options of(Consumer<Options> change) {
            Options options = new Options();
            change.accept(options);
            return options;
        }

        byte[] build(Consumer<MemoryRecordsBuilder> fill) {
            MemoryRecordsBuilder builder = new MemoryRecordsBuilder(new ByteBufferOutputStream(1024),
                RecordBatch.MAGIC_VALUE_V2, compression, type, base, appendTime, producerId, producerEpoch, sequence,
                transactional, control, epoch, Integer.MAX_VALUE, horizon);
            fill.accept(builder);
            return array(builder.build());
        }
    }

    static byte[] array(MemoryRecords records) {
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().duplicate().get(bytes);
        return bytes;
    }

    static List<Compression> codecs() {
        return List.of(Compression.NONE, Compression.gzip().build(), Compression.snappy().build(),
            Compression.lz4().build(), Compression.zstd().build());
    }

    static void mixed(MemoryRecordsBuilder builder) {
        builder.append(NOW, utf8("key"), utf8("value"));
        builder.append(NOW + 5, null, utf8("no key"));
        builder.append(NOW - 70_000, new byte[0], new byte[0]);
        builder.append(NOW, utf8("tombstone"), null);
        builder.append(0L, (byte[]) null, null);
        builder.append(NOW, utf8("这是"), utf8("第一条消息"), new Header[] {
            new RecordHeader("a", utf8("1")), new RecordHeader("b", (byte[]) null), new RecordHeader("a", utf8("2")),
            new RecordHeader("", new byte[0]), new RecordHeader("a", utf8("1")), new RecordHeader("名", pattern(40))});
        builder.append(Long.MAX_VALUE / 2, pattern(200), pattern(3000));
    }

    static byte[] batches() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (Compression codec : codecs()) {
            out.write(Options.of(o -> { o.compression = codec; o.base = 1000; o.epoch = 4; }).build(Golden::mixed));
            out.write(Options.of(o -> o.compression = codec).build(b -> {
                b.append(NOW, null, pattern(codec == Compression.NONE ? 5_000 : 130_000));
                b.append(NOW, null, noise(200));
            }));
            out.write(Options.of(o -> {
                o.compression = codec; o.type = TimestampType.LOG_APPEND_TIME; o.appendTime = NOW + 9; o.base = 7;
            }).build(Golden::mixed));
            out.write(Options.of(o -> {
                o.compression = codec; o.producerId = 77; o.producerEpoch = 2; o.sequence = Integer.MAX_VALUE - 1;
                o.transactional = true;
            }).build(Golden::mixed));
            // what cleaning leaves: gaps, a last offset without its record, a delete horizon
            out.write(Options.of(o -> { o.compression = codec; o.base = 50; o.horizon = NOW + 86_400_000; }).build(b -> {
                b.appendWithOffset(52, NOW, utf8("k"), utf8("v"));
                b.appendWithOffset(60, NOW + 1, utf8("k"), null);
                b.overrideLastOffset(90);
            }));
        }
        // blocks that do not shrink
        for (Compression codec : List.of(Compression.lz4().build(), Compression.snappy().build())) {
            out.write(Options.of(o -> o.compression = codec).build(b -> b.append(NOW, null, noise(66_000))));
        }
        for (Compression codec : List.of(Compression.gzip().level(1).build(), Compression.gzip().level(9).build(),
                Compression.lz4().level(1).build(), Compression.lz4().level(17).build(),
                Compression.zstd().level(-5).build(), Compression.zstd().level(19).build())) {
            out.write(Options.of(o -> o.compression = codec).build(b -> b.append(NOW, null, pattern(70_000))));
        }
        ByteBuffer empty = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(empty, (byte) 2, 9, (short) 1, 5, 200, 209, 3, TimestampType.CREATE_TIME,
            NOW, true, false);
        out.write(empty.array());
        out.write(array(MemoryRecords.withEndTransactionMarker(500, NOW, 6, 9, (short) 1,
            new EndTransactionMarker(ControlRecordType.COMMIT, 12))));
        out.write(array(MemoryRecords.withEndTransactionMarker(501, NOW, 6, 9, (short) 1,
            new EndTransactionMarker(ControlRecordType.ABORT, 13))));
        out.write(quorum(600, b -> b.appendLeaderChangeMessage(NOW, new LeaderChangeMessage().setLeaderId(2)
            .setVoters(List.of(voter(1), voter(2), voter(3))).setGrantingVoters(List.of(voter(2), voter(3))))));
        out.write(quorum(601, b -> {
            b.appendSnapshotHeaderMessage(NOW, new SnapshotHeaderRecord().setLastContainedLogTimestamp(NOW - 1));
            b.appendKRaftVersionMessage(NOW, new KRaftVersionRecord().setKRaftVersion((short) 1));
            b.appendVotersMessage(NOW, voters());
        }));
        out.write(quorum(604, b -> b.appendSnapshotFooterMessage(NOW, new SnapshotFooterRecord())));
        return out.toByteArray();
    }

    static byte[] quorum(long base, Consumer<MemoryRecordsBuilder> fill) {
        return Options.of(o -> { o.base = base; o.epoch = 8; o.control = true; }).build(fill);
    }

    static LeaderChangeMessage.Voter voter(int id) {
        return new LeaderChangeMessage.Voter().setVoterId(id);
    }

    static VotersRecord voters() {
        VotersRecord.EndpointCollection endpoints = new VotersRecord.EndpointCollection();
        endpoints.add(new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(60_093));
        endpoints.add(new VotersRecord.Endpoint().setName("OTHER").setHost("host-2").setPort(9094));
        VotersRecord.KRaftVersionFeature versions =
            new VotersRecord.KRaftVersionFeature().setMinSupportedVersion((short) 0).setMaxSupportedVersion((short) 1);
        return new VotersRecord().setVoters(List.of(
            new VotersRecord.Voter().setVoterId(1).setVoterDirectoryId(new Uuid(0x4d6b55334f455642L, 0x4e546377L))
                .setEndpoints(endpoints).setKRaftVersionFeature(versions),
            new VotersRecord.Voter().setVoterId(2).setVoterDirectoryId(new Uuid(3, 4))
                .setKRaftVersionFeature(versions)));
    }

    // One produced batch, and the topic's rules.
    static class Case {
        String name;
        byte[] bytes;
        boolean compacted = false;
        TimestampType type = TimestampType.CREATE_TIME;
        long before = Long.MAX_VALUE;
        long after = 3_600_000;
        Compression target;

        Case(String name, byte[] bytes) {
            this.name = name;
            this.bytes = bytes;
        }
    }

    // Changes bytes of a batch and makes its checksum right again.
    static byte[] patched(byte[] batch, Consumer<ByteBuffer> change) {
        byte[] bytes = batch.clone();
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        change.accept(buffer);
        CRC32C crc = new CRC32C();
        crc.update(bytes, 21, bytes.length - 21);
        buffer.putInt(17, (int) crc.getValue());
        return bytes;
    }

    static void keyed(MemoryRecordsBuilder builder) {
        for (int i = 0; i < 5; i++) {
            builder.append(NOW - i, utf8("key" + i), utf8("value"), new Header[] {new RecordHeader("h", utf8("x"))});
        }
    }

    static void keyless(MemoryRecordsBuilder builder) {
        for (int i = 0; i < 6; i++) {
            builder.append(NOW - i, i == 1 ? utf8("key") : null, utf8("value"));
        }
    }

    static void stray(MemoryRecordsBuilder builder) {
        builder.append(NOW - 100_000, utf8("old"), utf8("value"));
        builder.append(NOW, null, utf8("value"));
        builder.append(NOW + 7_200_000, utf8("new"), null);
    }

    static void untimed(MemoryRecordsBuilder builder) {
        builder.append(-1, utf8("key"), utf8("value"));
        builder.append(-1, utf8("key"), utf8("value"));
    }

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (Compression codec : codecs()) {
            String name = codec.type().name;
            Supplier<Options> options = () -> Options.of(o -> o.compression = codec);
            byte[] good = options.get().build(Golden::keyed);
            cases.add(new Case(name + "-good", good));
            add(cases, name + "-compacted", good, c -> c.compacted = true);
            add(cases, name + "-compacted-keyless", options.get().build(Golden::keyless), c -> c.compacted = true);
            add(cases, name + "-append-time", good, c -> c.type = TimestampType.LOG_APPEND_TIME);
            add(cases, name + "-stray", options.get().build(Golden::stray), c -> { });
            add(cases, name + "-stray-compacted", options.get().build(Golden::stray), c -> c.compacted = true);
            add(cases, name + "-old", options.get().build(Golden::stray), c -> { c.before = 1000; c.after = 1L << 40; });
            add(cases, name + "-stray-append-time", options.get().build(Golden::stray),
                c -> c.type = TimestampType.LOG_APPEND_TIME);
            cases.add(new Case(name + "-untimed", options.get().build(Golden::untimed)));
            cases.add(new Case(name + "-lying-max", patched(good, b -> b.putLong(35, NOW + 99))));
            Options appended = options.get();
            appended.type = TimestampType.LOG_APPEND_TIME;
            appended.appendTime = NOW;
            byte[] stamped = appended.build(Golden::keyed);
            cases.add(new Case(name + "-stamped-to-create-time", stamped));
            add(cases, name + "-stamped-to-append-time", stamped, c -> c.type = TimestampType.LOG_APPEND_TIME);
            byte[] untimedStamp = patched(options.get().build(Golden::untimed), b -> b.put(22, (byte) (b.get(22) | 8)));
            cases.add(new Case(name + "-untimed-stamp", untimedStamp));
            cases.add(new Case(name + "-count-high", patched(good, b -> { b.putInt(57, 6); b.putInt(23, 5); })));
            cases.add(new Case(name + "-count-low", patched(good, b -> { b.putInt(57, 4); b.putInt(23, 3); })));
            cases.add(new Case(name + "-count-differs", patched(good, b -> b.putInt(57, 4))));
            cases.add(new Case(name + "-count-zero", patched(good, b -> b.putInt(57, 0))));
            cases.add(new Case(name + "-range", patched(good, b -> b.putInt(23, -3))));
            cases.add(new Case(name + "-control", patched(good, b -> b.put(22, (byte) (b.get(22) | 0x20)))));
            cases.add(new Case(name + "-sequence", patched(good, b -> b.putLong(43, 5))));
            byte[] gaps = options.get().build(b -> {
                b.appendWithOffset(3, NOW, utf8("a"), utf8("b"));
                b.appendWithOffset(7, NOW, utf8("c"), utf8("d"));
            });
            cases.add(new Case(name + "-renumbered", patched(gaps, b -> b.putInt(23, 1))));
            for (Compression target : codecs()) {
                add(cases, name + "-to-" + target.type().name, good, c -> c.target = target);
            }
        }
        return cases;
    }

    static void add(List<Case> cases, String name, byte[] bytes, Consumer<Case> change) {
        Case added = new Case(name, bytes);
        change.accept(added);
        cases.add(added);
    }

    // For each case the rules, then what Kafka's LogValidator says: an error with its texts, or what is stored at
    // offset 100 in leader epoch 5.
    static void judge(Path directory) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        StringBuilder text = new StringBuilder();
        for (Case each : cases()) {
            bytes.write(each.bytes);
            text.append(String.format("case %s size=%d compacted=%b type=%s before=%d after=%d target=%s%n", each.name,
                each.bytes.length, each.compacted, each.type.name, each.before, each.after,
                each.target == null ? "producer" : each.target.type().name));
            text.append(verdict(each));
        }
        Files.write(directory.resolve("judged.bin"), bytes.toByteArray());
        Files.writeString(directory.resolve("judged.txt"), text.toString());
    }

    static String verdict(Case each) {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(each.bytes.clone()));
        CompressionType source = records.batches().iterator().next().compressionType();
        Compression target = each.target == null ? Compression.of(source).build() : each.target;
        LogValidator validator = new LogValidator(records, PARTITION, new Clock(), source, target, each.compacted,
            RecordBatch.MAGIC_VALUE_V2, each.type, each.before, each.after, 5, AppendOrigin.CLIENT);
        try {
            LogValidator.ValidationResult result = validator.validateMessagesAndAssignOffsets(
                PrimitiveRef.ofLong(100), new NoMetrics(), BufferSupplier.NO_CACHING);
            return String.format("accepted rebuilt=%b%n", result.messageSizeMaybeChanged())
                + dump(result.validatedRecords().buffer());
        } catch (RecordValidationException error) {
            StringBuilder text = new StringBuilder(refused(error.invalidException()));
            for (ProduceResponse.RecordError record : error.recordErrors()) {
                text.append(String.format("  at %d: %s%n", record.batchIndex, record.message));
            }
            return text.toString();
        } catch (RuntimeException error) {
            return refused(error);
        }
    }

    static String refused(RuntimeException error) {
        return String.format("refused %d: %s%n", Errors.forException(error).code(), error.getMessage());
    }

    static class Clock implements Time {
        public long milliseconds() { return NOW; }
        public long nanoseconds() { return NOW * 1_000_000; }
        public void sleep(long ms) { }
        public void waitObject(Object object, Supplier<Boolean> condition, long deadline) { }
    }

    static class NoMetrics implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() { }
        public void recordInvalidOffset() { }
        public void recordInvalidSequence() { }
        public void recordInvalidChecksums() { }
        public void recordNoKeyCompactedTopic() { }
    }
}
