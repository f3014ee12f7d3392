import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Record batches of all codecs. Kafka builds one, we validate it, unfold it and build it again with another codec, Kafka
 * reads that. Then batches are damaged: whatever Kafka refuses, we refuse.
 */
final class Batches {
    private static final int ROUNDS = Integer.getInteger("rounds", 6);

    private final long seed = Long.getLong("seed", 1);
    private Random random = new Random(seed);
    private int compared;
    private int refusedByBoth;
    private int refusedByUs;
    private int olderZstd;
    private int failures;

    private byte[] bytes(boolean nullable) {
        if (nullable && random.nextInt(5) == 0) {
            return null;
        }
        byte[] out = new byte[random.nextInt(10) == 0 ? random.nextInt(5000) : random.nextInt(60)];
        if (random.nextBoolean()) {
            random.nextBytes(out);
        } else {
            Arrays.fill(out, (byte) random.nextInt());
        }
        return out;
    }

    private Header[] headers() {
        Header[] headers = new Header[random.nextInt(3) == 0 ? random.nextInt(4) : 0];
        for (int i = 0; i < headers.length; i++) {
            headers[i] = new RecordHeader("header" + random.nextInt(100), bytes(true));
        }
        return headers;
    }

    private byte[] build(CompressionType type) {
        TimestampType timestamps = random.nextInt(6) == 0 ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME;
        boolean producer = random.nextBoolean();
        boolean transactional = producer && random.nextBoolean();
        long base = random.nextInt(3) == 0 ? random.nextInt(1 << 30) : 0;
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2,
                Compression.of(type).build(), timestamps, base, 1700000000000L, producer ? random.nextInt(1000) : -1,
                producer ? (short) random.nextInt(100) : -1, producer ? random.nextInt() & Integer.MAX_VALUE : -1,
                transactional, random.nextInt(40));
        long time = 1700000000000L;
        for (int i = 1 + random.nextInt(random.nextInt(5) == 0 ? 400 : 20); i > 0; i--) {
            time += random.nextInt(2000) - 500;
            builder.append(time, bytes(true), bytes(true), headers());
        }
        return array(builder.build().buffer());
    }

    private static byte[] array(ByteBuffer buffer) {
        byte[] out = new byte[buffer.remaining()];
        buffer.duplicate().get(out);
        return out;
    }

    private static DefaultRecordBatch only(byte[] bytes) {
        List<MutableRecordBatch> batches = new ArrayList<>();
        MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches().forEach(batches::add);
        if (batches.size() != 1) {
            throw new IllegalStateException(batches.size() + " batches");
        }
        batches.get(0).ensureValid();
        return (DefaultRecordBatch) batches.get(0);
    }

    private static List<Object> facts(DefaultRecordBatch batch) {
        /* With log append time the first record's own time is lost to all readers. */
        long base = batch.timestampType() == TimestampType.CREATE_TIME ? batch.baseTimestamp() : 0;
        List<Object> facts = new ArrayList<>(List.of(batch.baseOffset(), batch.lastOffset(), base, batch.maxTimestamp(),
                batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.countOrNull(), batch.isTransactional(), batch.isControlBatch(), batch.timestampType(), batch.partitionLeaderEpoch()));
        for (Record record : batch) {
            facts.add(List.of(record.offset(), record.timestamp(), record.sequence(), List.of(record.headers())));
            facts.add(record.hasKey() ? record.key() : "no key");
            facts.add(record.hasValue() ? record.value() : "no value");
        }
        return facts;
    }

    private void fail(String what, byte[] batch) {
        failures++;
        if (failures <= 5) {
            System.out.println(what + " (seed " + seed + ")\n  " + java.util.HexFormat.of().formatHex(batch));
        }
    }

    /** As a client sends it: base offset 0, create time. */
    private static boolean isProducible(DefaultRecordBatch batch) {
        return batch.baseOffset() == 0 && batch.timestampType() == TimestampType.CREATE_TIME;
    }

    private void roundTrip(Peer peer, CompressionType from, CompressionType to) throws Exception {
        byte[] theirs = build(from);
        DefaultRecordBatch batch = only(theirs);
        if (isProducible(batch)) {
            ByteBuffer answer = peer.validate(theirs);
            if (answer.getLong() != batch.maxTimestamp()) {
                fail("another max timestamp than " + batch.maxTimestamp(), theirs);
            }
            try (java.io.InputStream in = batch.recordInputStream(
                    org.apache.kafka.common.utils.internals.BufferSupplier.NO_CACHING)) {
                if (answer.getLong() != in.readAllBytes().length) {
                    fail("another decompressed size", theirs);
                }
            }
        }
        byte[] ours = peer.rebuild(to.id, Integer.MIN_VALUE, theirs);
        if (!facts(batch).equals(facts(only(ours)))) {
            fail("Kafka reads something else from what we built, " + from + " to " + to, ours);
        }
        boolean sameForm = from == CompressionType.NONE && to == CompressionType.NONE
                && batch.timestampType() == TimestampType.CREATE_TIME;
        if (sameForm && !Arrays.equals(theirs, ours)) {
            fail("not the same bytes as Kafka's", ours);
        }
        compared++;
    }

    private void levels(Peer peer) throws Exception {
        int[][] levels = {{CompressionType.GZIP.id, 1, 9}, {CompressionType.LZ4.id, 1, 17}, {CompressionType.ZSTD.id, 1, 19}};
        for (int[] codec : levels) {
            for (int level = codec[1]; level <= codec[2]; level++) {
                byte[] theirs = build(CompressionType.NONE);
                if (!facts(only(theirs)).equals(facts(only(peer.rebuild(codec[0], level, theirs))))) {
                    fail("codec " + codec[0] + " level " + level, theirs);
                }
                compared++;
            }
        }
    }

    private void markers(Peer peer) throws Exception {
        for (int i = 0; i < 20; i++) {
            long offset = random.nextInt(1 << 30);
            long time = 1700000000000L + random.nextInt();
            int leaderEpoch = random.nextInt(100);
            long producer = random.nextInt(1 << 20);
            short epoch = (short) random.nextInt(1000);
            int coordinator = random.nextInt(1000);
            boolean commit = random.nextBoolean();
            byte[] theirs = array(MemoryRecords.withEndTransactionMarker(offset, time, leaderEpoch, producer, epoch,
                    new EndTransactionMarker(commit ? ControlRecordType.COMMIT : ControlRecordType.ABORT, coordinator)).buffer());
            byte[] ours = peer.marker(offset, time, leaderEpoch, producer, epoch, coordinator, commit);
            if (!Arrays.equals(theirs, ours)) {
                fail("another transaction marker, Kafka's is " + java.util.HexFormat.of().formatHex(theirs), ours);
            }
            compared++;
        }
    }

    private static void repairCrc(byte[] batch) {
        CRC32C crc = new CRC32C();
        crc.update(batch, 21, batch.length - 21);
        ByteBuffer.wrap(batch).putInt(17, (int) crc.getValue());
    }

    private static String kafkaRefuses(byte[] batch) {
        try {
            DefaultRecordBatch read = only(batch);
            if (read.countOrNull() <= 0 || read.lastOffset() - read.baseOffset() + 1 != read.countOrNull()) {
                return "counts";
            }
            for (Record record : read) {
                record.headers();
            }
            return null;
        } catch (RuntimeException | OutOfMemoryError e) { /* it allocates what a damaged count says */
            return e.toString();
        }
    }

    /** Flips bits behind the CRC, repairs the CRC, and asks both sides. */
    private void damage(Peer peer, CompressionType type) throws Exception {
        byte[] batch = build(type);
        ByteBuffer.wrap(batch).putLong(0, 0); /* base offset, as from a producer */
        for (int i = 1 + random.nextInt(2); i > 0; i--) {
            int at = random.nextInt(4) == 0 ? 21 + random.nextInt(40) : 61 + random.nextInt(batch.length - 61);
            batch[at] ^= (byte) (1 << random.nextInt(8));
        }
        if (random.nextInt(10) != 0) {
            repairCrc(batch);
        }
        String theirs = kafkaRefuses(batch);
        boolean ours;
        try {
            peer.validate(batch);
            ours = false;
        } catch (Peer.Refused e) {
            ours = true;
        }
        if (type == CompressionType.ZSTD && theirs != null && theirs.contains("decompress") && !ours) {
            olderZstd++; /* zstd 1.5.7, Kafka's, notices more damage than Debian 12's 1.5.4 */
        } else if (theirs != null && !ours) {
            fail("Kafka refuses (" + theirs + "), we accept", batch);
        }
        refusedByBoth += theirs != null && ours ? 1 : 0;
        refusedByUs += theirs == null && ours ? 1 : 0;
        compared++;
    }

    int run(String program) throws Exception {
        try (Peer peer = new Peer(program)) {
            for (int round = 0; round < ROUNDS; round++) {
                for (CompressionType from : CompressionType.values()) {
                    for (CompressionType to : CompressionType.values()) {
                        roundTrip(peer, from, to);
                    }
                }
            }
            levels(peer);
            markers(peer);
            for (CompressionType type : CompressionType.values()) {
                for (int i = 0; i < 60 * ROUNDS; i++) {
                    damage(peer, type);
                }
            }
        }
        System.out.println(compared + " comparisons, " + refusedByBoth + " damaged batches refused by both, " + refusedByUs
                + " only by us, " + olderZstd + " only by Kafka's newer zstd, " + failures + " failures, seed " + seed);
        return failures == 0 && refusedByBoth > 100 ? 0 : 1;
    }
}
