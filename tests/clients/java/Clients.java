import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Clients BOOTSTRAP: what applications do with the Java client: groups that rebalance, static members, positions, regular expressions. */
public final class Clients {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final long PATIENCE_MS = 60_000;
    private static String bootstrap;

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static void until(String what, BooleanSupplier condition) {
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (!condition.getAsBoolean()) {
            check(System.currentTimeMillis() < end, "not within " + PATIENCE_MS + " ms: " + what);
        }
    }

    private static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        config.putAll(more);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    /** One member of a group, which keeps what it has seen. */
    private static final class Member implements ConsumerRebalanceListener, AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final List<ConsumerRecord<String, String>> records = new ArrayList<>();
        final List<String> events = new ArrayList<>();

        Member(String group, Map<String, Object> more) {
            Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest",
                "metadata.max.age.ms", "500", "heartbeat.interval.ms", "200"));
            if (group != null) {
                config.put("group.id", group);
            }
            config.putAll(more);
            consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
        }

        Member subscribe(String... topics) {
            consumer.subscribe(List.of(topics), this);
            return this;
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            events.add("+" + partitions.size());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            events.add("-" + partitions.size());
        }

        void poll() {
            consumer.poll(POLL).forEach(records::add);
        }

        void pollAndCommit() {
            poll();
            try {
                consumer.commitSync();
            } catch (CommitFailedException | RebalanceInProgressException e) {
                events.add("commit: " + e.getClass().getSimpleName());
            }
        }

        Set<String> values() {
            Set<String> values = new TreeSet<>();
            records.forEach(record -> values.add(record.value()));
            return values;
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private static void create(Admin admin, String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    private static void produce(String topic, int from, int to) throws Exception {
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (int i = from; i < to; i++) {
                producer.send(new ProducerRecord<>(topic, "key" + i, "value" + i));
            }
        }
    }

    /** The sum of a group's committed offsets. */
    private static long committed(Admin admin, String group) {
        try {
            return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
                .mapToLong(OffsetAndMetadata::offset).sum();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean balanced(List<Member> members, int partitions, int each) {
        members.forEach(Member::poll);
        Set<TopicPartition> all = new HashSet<>();
        members.forEach(member -> all.addAll(member.consumer.assignment()));
        return all.size() == partitions && members.stream().allMatch(m -> m.consumer.assignment().size() == each);
    }

    /** Three members share six partitions; one leaves, another takes over; nothing is missed, committed offsets go on. */
    private static void groupOfThree(Admin admin, String name, Class<?> assignor) throws Exception {
        create(admin, name, 6);
        produce(name, 0, 300);
        Map<String, Object> config = Map.of("partition.assignment.strategy", assignor.getName(), "enable.auto.commit", "false");
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            members.add(new Member(name, config).subscribe(name));
        }
        until("three members with two partitions each", () -> balanced(members, 6, 2));
        Set<String> seen = new TreeSet<>();
        until("300 records", () -> {
            members.forEach(Member::poll);
            members.forEach(member -> seen.addAll(member.values()));
            return seen.size() == 300;
        });
        // Not before positions are at the end: a member may have lost a partition with what it had read.
        until("300 records committed", () -> {
            members.forEach(Member::pollAndCommit);
            return committed(admin, name) == 300;
        });
        try (Member leaver = members.remove(0)) {
            check(leaver.consumer.assignment().size() == 2, "the leaver has two partitions");
        }
        until("two members with three partitions each", () -> balanced(members, 6, 3));
        produce(name, 300, 400);
        members.forEach(member -> member.records.clear());
        until("100 records more", () -> {
            members.forEach(Member::poll);
            return members.stream().mapToInt(member -> member.values().size()).sum() >= 100;
        });
        Set<String> more = new TreeSet<>();
        members.forEach(member -> more.addAll(member.values()));
        check(more.size() == 100 && more.stream().noneMatch(seen::contains), "only what was not committed comes again");
        if (assignor == CooperativeStickyAssignor.class) {
            check(members.get(0).events.stream().noneMatch("-2"::equals), "cooperative members keep their partitions: " + members.get(0).events);
        }
        members.forEach(Member::close);
        check(committed(admin, name) == 300, "committed offsets add up to 300, not " + committed(admin, name));
    }

    /** A static member that restarts gets its partitions back without a rebalance of the others. */
    private static void staticMembers(Admin admin) throws Exception {
        create(admin, "static", 4);
        Map<String, Object> first = Map.of("group.instance.id", "one", "session.timeout.ms", "45000");
        Map<String, Object> second = Map.of("group.instance.id", "two", "session.timeout.ms", "45000");
        try (Member two = new Member("static", second).subscribe("static")) {
            Set<TopicPartition> had;
            try (Member one = new Member("static", first).subscribe("static")) {
                until("both have two", () -> balanced(List.of(one, two), 4, 2));
                had = new HashSet<>(one.consumer.assignment());
            }
            int events = two.events.size();
            try (Member one = new Member("static", first).subscribe("static")) {
                until("the member is back", () -> balanced(List.of(one, two), 4, 2));
                check(one.consumer.assignment().equals(had), "the same partitions as before");
                check(two.events.size() == events, "the other one had no rebalance: " + two.events);
            }
        }
    }

    private static void positions(Admin admin) throws Exception {
        create(admin, "positions", 1);
        TopicPartition partition = new TopicPartition("positions", 0);
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>("positions", 0, 1000L + i, null, "" + i)).get();
            }
        }
        try (Member member = new Member("positions", Map.of("max.poll.records", "10", "enable.auto.commit", "false"))) {
            KafkaConsumer<String, String> consumer = member.consumer;
            consumer.assign(List.of(partition));
            consumer.seek(partition, 42);
            until("ten records", () -> {
                member.poll();
                return member.records.size() >= 10;
            });
            check(member.records.get(0).offset() == 42 && consumer.position(partition) >= 52, "seek");
            Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(Map.of(partition, 1077L));
            check(found.get(partition).offset() == 77, "offset of a time: " + found);
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "beginning");
            check(consumer.endOffsets(List.of(partition)).get(partition) == 100, "end");
            consumer.seekToEnd(List.of(partition));
            check(consumer.position(partition) == 100, "position at the end");
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "a note")));
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            check(committed.offset() == 7 && committed.metadata().equals("a note"), "committed: " + committed);
            consumer.pause(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            check(consumer.poll(Duration.ofMillis(300)).isEmpty(), "paused");
        }
    }

    private static void regularExpression(Admin admin) throws Exception {
        create(admin, "regex-a", 1);
        try (Member member = new Member("regex", Map.of())) {
            member.consumer.subscribe(Pattern.compile("regex-.*"), member);
            until("one topic", () -> balanced(List.of(member), 1, 1));
            create(admin, "regex-b", 2);
            until("the topic that came later", () -> balanced(List.of(member), 3, 3));
        }
    }

    /** Kafka 4.3 can lose records here: the first batch comes before the topic is writable, the second after. None may be lost. */
    private static void fiveInFlightOnNewTopics(Admin admin) throws Exception {
        for (int round = 0; round < 10; round++) {
            String topic = "fresh-" + round;
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<String, String> producer = producer(Map.of("enable.idempotence", "true", "acks", "all",
                "max.in.flight.requests.per.connection", "5", "batch.size", "200", "linger.ms", "0"))) {
                create(admin, topic, 3);
                for (int i = 0; i < 300; i++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, i % 3, null, "" + i)));
                }
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
            try (Member member = new Member(null, Map.of("enable.auto.commit", "false"))) {
                member.consumer.assign(List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1), new TopicPartition(topic, 2)));
                until("300 records of " + topic, () -> {
                    member.poll();
                    return member.records.size() >= 300;
                });
                check(member.records.size() == 300, "each record once: " + member.records.size());
                int[] last = {-1, -1, -1};
                for (ConsumerRecord<String, String> record : member.records) {
                    int number = Integer.parseInt(record.value());
                    check(number > last[record.partition()], "in order");
                    last[record.partition()] = number;
                }
            }
        }
    }

    private interface Case {
        void run() throws Exception;
    }

    private static void run(String name, Case body) throws Exception {
        long start = System.currentTimeMillis();
        body.run();
        System.out.printf("%6.1fs %s%n", (System.currentTimeMillis() - start) / 1000.0, name);
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(config)) {
            run("a group of three, range", () -> groupOfThree(admin, "range", RangeAssignor.class));
            run("a group of three, cooperative", () -> groupOfThree(admin, "cooperative", CooperativeStickyAssignor.class));
            run("static members", () -> staticMembers(admin));
            run("positions", () -> positions(admin));
            run("a regular expression", () -> regularExpression(admin));
            run("five in flight on new topics", () -> fiveInFlightOnNewTopics(admin));
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
