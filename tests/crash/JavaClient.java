/* An idempotent producer and a member of a group on Apache Kafka's Java client, with the values of client_tool.c and the history
 * of HISTORY.md. */
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class JavaClient {
    /* As users have it; else as most tests want it. */
    static final boolean DEFAULTS = System.getenv("CLIENT_DEFAULTS") != null;
    static volatile boolean stop;

    static long nowUs() {
        /* On Linux this is CLOCK_MONOTONIC, as in the other clients. */
        return System.nanoTime() / 1000;
    }

    static class History {
        final PrintWriter out;
        final String worker;

        History(String path, String role) throws Exception {
            out = new PrintWriter(Files.newBufferedWriter(Path.of(path), StandardCharsets.US_ASCII, StandardOpenOption.CREATE,
                StandardOpenOption.APPEND));
            worker = role + "-" + ProcessHandle.current().pid();
        }

        synchronized void event(String kind, String topic, int partition, Object... rest) {
            StringBuilder line = new StringBuilder();
            line.append(nowUs()).append(' ').append(worker).append(' ').append(kind).append(' ').append(topic).append(' ').append(partition);
            for (Object word : rest) {
                line.append(' ').append(word);
            }
            out.println(line);
        }

        synchronized void flush() {
            out.flush();
        }
    }

    static long mix(long x) {
        x += 0x9e3779b97f4a7c15L;
        x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }

    /* client_value of client_tool.c */
    static byte[] value(int partition, long number) {
        long seed = mix(number * 64 + partition);
        int size = 32 + (int) Long.remainderUnsigned(seed, 400);
        if (Long.remainderUnsigned(seed, 97) == 0) {
            size = 20000 + (int) Long.remainderUnsigned(seed, 40000);
        }
        byte[] head = (partition + " " + number + " ").getBytes(StandardCharsets.US_ASCII);
        byte[] value = Arrays.copyOf(head, size);
        for (int i = head.length; i < size; i++) {
            value[i] = (byte) ('a' + Long.remainderUnsigned(seed >>> (i % 56), 26));
        }
        return value;
    }

    static long numberOf(int partition, byte[] value) {
        String[] words = new String(value, 0, Math.min(value.length, 48), StandardCharsets.US_ASCII).split(" ");
        try {
            long number = Long.parseLong(words[1]);
            return Arrays.equals(value, value(partition, number)) ? number : -1;
        } catch (RuntimeException e) {
            return -1;
        }
    }

    static Properties properties(String bootstrap, String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        if (!DEFAULTS) {
            p.put("reconnect.backoff.ms", "20");
            p.put("reconnect.backoff.max.ms", "200");
        }
        for (int i = 0; i < pairs.length; i += 2) {
            p.put(pairs[i], pairs[i + 1]);
        }
        return p;
    }

    static int produce(String bootstrap, String topic, int partitions, long rate, String path) throws Exception {
        History history = new History(path, "java-producer");
        AtomicLong acked = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        Properties p = DEFAULTS
            ? properties(bootstrap)
            : properties(bootstrap, "enable.idempotence", "true", "acks", "all", "linger.ms", "2", "compression.type", "zstd", "delivery.timeout.ms",
                "2147483647", "request.timeout.ms", "10000", "max.block.ms", "600000");
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
        long[] next = new long[partitions];
        long began = nowUs();
        long sent = 0;
        while (!stop && failed.get() == 0) {
            for (; sent < (nowUs() - began) * rate / 1000000; sent++) {
                int partition = (int) (sent % partitions);
                long number = next[partition]++;
                history.event("send", topic, partition, number);
                producer.send(new ProducerRecord<>(topic, partition, null, value(partition, number)), (where, error) -> {
                    if (error == null) {
                        history.event("ack", topic, partition, number, where.offset());
                        acked.incrementAndGet();
                    } else {
                        history.event("unknown", topic, partition, number, error.getClass().getSimpleName());
                        System.err.println("not delivered: " + error);
                        failed.incrementAndGet();
                    }
                });
            }
            Thread.sleep(5);
            history.flush();
        }
        producer.close(Duration.ofSeconds(120));
        history.flush();
        System.out.println("java: acked " + acked + " of " + sent + ", failed " + failed);
        return failed.get() == 0 && acked.get() == sent ? 0 : 1;
    }

    static class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final History history;
        final String group;
        final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();

        Member(KafkaConsumer<byte[], byte[]> consumer, History history, String group) {
            this.consumer = consumer;
            this.history = history;
            this.group = group;
        }

        void commit() {
            Map<TopicPartition, OffsetAndMetadata> asked = new HashMap<>(next);
            next.clear();
            if (asked.isEmpty()) {
                return;
            }
            asked.forEach((p, o) -> history.event("commit-asked", p.topic(), p.partition(), o.offset(), group));
            String kind = "commit";
            String why = null;
            try {
                consumer.commitSync(asked, Duration.ofSeconds(20));
            } catch (CommitFailedException | RebalanceInProgressException e) {
                kind = "commit-refused";
                why = e.getClass().getSimpleName();
            } catch (KafkaException e) {
                kind = "commit-unknown";
                why = e.getClass().getSimpleName();
            }
            for (Map.Entry<TopicPartition, OffsetAndMetadata> e : asked.entrySet()) {
                if (why == null) {
                    history.event(kind, e.getKey().topic(), e.getKey().partition(), e.getValue().offset(), group);
                } else {
                    history.event(kind, e.getKey().topic(), e.getKey().partition(), e.getValue().offset(), group, why);
                }
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            long askedUs = nowUs();
            Map<TopicPartition, OffsetAndMetadata> committed = null;
            while (committed == null && !stop) {
                try {
                    askedUs = nowUs();
                    committed = consumer.committed(Set.copyOf(partitions), Duration.ofSeconds(20));
                } catch (TimeoutException e) {
                    System.err.println("committed offsets: " + e);
                }
            }
            for (TopicPartition p : partitions) {
                OffsetAndMetadata offset = committed == null ? null : committed.get(p);
                long at = offset == null ? -1 : offset.offset();
                if (committed != null) {
                    history.event("committed", p.topic(), p.partition(), at, group, askedUs);
                }
                history.event("assign", p.topic(), p.partition(), at, group);
                consumer.seek(p, Math.max(at, 0));
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            commit();
            onPartitionsLost(partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            for (TopicPartition p : partitions) {
                next.remove(p);
                history.event("revoke", p.topic(), p.partition(), group);
            }
        }
    }

    static int consume(String bootstrap, String topic, String group, String path) throws Exception {
        History history = new History(path, "java-consumer");
        Properties p = properties(bootstrap, "group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "none",
            "session.timeout.ms", "10000", "heartbeat.interval.ms", "500", "request.timeout.ms", "15000", "fetch.max.wait.ms", "100");
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Member member = new Member(consumer, history, group);
        consumer.subscribe(List.of(topic), member);
        long committedUs = nowUs();
        while (!stop) {
            try {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(50))) {
                    history.event("poll", r.topic(), r.partition(), numberOf(r.partition(), r.value()), r.offset(), group);
                    member.next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
            } catch (OffsetOutOfRangeException e) {
                e.offsetOutOfRangePartitions().forEach((at, offset) -> history.event("reset", at.topic(), at.partition(), offset, group));
                history.flush();
                throw e;
            }
            if (nowUs() - committedUs > 150000) {
                member.commit();
                committedUs = nowUs();
            }
            history.flush();
        }
        consumer.close(Duration.ofSeconds(30));
        history.flush();
        return 0;
    }

    public static void main(String[] args) throws Exception {
        /* SIGTERM: the loops end, and the process when they have. */
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop = true;
            try {
                Thread.sleep(150000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        int status = 1;
        try {
            status = args[0].equals("produce")
                ? produce(args[1], args[2], Integer.parseInt(args[3]), Long.parseLong(args[4]), args[5])
                : consume(args[1], args[2], args[3], args[4]);
        } catch (Throwable e) {
            e.printStackTrace();
        }
        /* halt: exit would wait for the hook; and while that waits nobody ends the process with 143, which tells nothing. */
        System.out.flush();
        Runtime.getRuntime().halt(status);
    }
}
