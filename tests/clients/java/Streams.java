import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Streams BOOTSTRAP STATE_FOLDER ROUND: two instances of a job that joins orders with a table of cities and counts them by city, over a
 * repartition topic and a store with a changelog. Each round sends ORDERS more and must come to the exact totals of all rounds: with a
 * fresh state folder that means that the store was restored from its changelog.
 */
public final class Streams {
    private static final int ORDERS = 3000;
    private static final int CUSTOMERS = 40;
    private static final int CITIES = 7;
    private static final int PARTITIONS = 4;
    private static final long PATIENCE_MS = 90_000;
    private static String bootstrap;

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static void until(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (!condition.getAsBoolean()) {
            check(System.currentTimeMillis() < end, "not within " + PATIENCE_MS + " ms: " + what);
            Thread.sleep(20);
        }
    }

    private static String customer(int order) {
        return "customer " + order % CUSTOMERS;
    }

    private static String city(int customer) {
        return "city " + customer % CITIES;
    }

    private static void createTopics(Admin admin) throws Exception {
        NewTopic cities = new NewTopic("cities", PARTITIONS, (short) 1).configs(Map.of("cleanup.policy", "compact"));
        for (NewTopic topic : List.of(cities, new NewTopic("orders", PARTITIONS, (short) 1), new NewTopic("totals", 1, (short) 1))) {
            try {
                admin.createTopics(List.of(topic)).all().get();
            } catch (ExecutionException e) {
                check(e.getCause() instanceof TopicExistsException, "create " + topic.name() + ": " + e.getCause());
            }
        }
    }

    private static KafkaStreams job(String folder) {
        StreamsBuilder builder = new StreamsBuilder();
        var strings = Serdes.String();
        var cities = builder.table("cities", Consumed.with(strings, strings), Materialized.as("cities-store"));
        builder.stream("orders", Consumed.with(strings, strings))
                .join(cities, (order, city) -> city)
                .map((customer, city) -> KeyValue.pair(city, "1"))
                .groupByKey(Grouped.with("by-city", strings, strings))
                .count(Materialized.as("totals-store"))
                .toStream()
                .to("totals", Produced.with(strings, Serdes.Long()));
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "city-totals");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put("session.timeout.ms", 6000); // members of Streams don't leave: the next round waits for the end of their sessions
        config.put("heartbeat.interval.ms", 500);
        return new KafkaStreams(builder.build(), config);
    }

    private static void send(int round) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "linger.ms", 5);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            if (round == 1) {
                for (int i = 0; i < CUSTOMERS; i++) {
                    producer.send(new ProducerRecord<>("cities", "customer " + i, city(i)));
                }
                producer.flush();
            }
            for (int i = (round - 1) * ORDERS; i < round * ORDERS; i++) {
                producer.send(new ProducerRecord<>("orders", customer(i), "order " + i));
            }
        }
    }

    private static Map<String, Long> expected(int round) {
        Map<String, Long> totals = new HashMap<>();
        for (int i = 0; i < round * ORDERS; i++) {
            totals.merge(city(i % CUSTOMERS), 1L, Long::sum);
        }
        return totals;
    }

    /** What the topic says, read from its start until it is what is expected; a total that is too high never is. */
    private static void checkTotals(Map<String, Long> expected) throws InterruptedException {
        Map<String, Long> totals = new HashMap<>();
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new LongDeserializer())) {
            consumer.assign(List.of(new TopicPartition("totals", 0)));
            until("the totals", () -> {
                for (ConsumerRecord<String, Long> record : consumer.poll(Duration.ofMillis(100))) {
                    totals.put(record.key(), record.value());
                }
                return totals.equals(expected);
            });
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + ": " + totals + ", expected " + expected);
        }
    }

    private static void checkInternalTopics(Admin admin) throws Exception {
        String changelog = "city-totals-totals-store-changelog";
        check(admin.listTopics().names().get().containsAll(List.of(changelog, "city-totals-by-city-repartition")), "internal topics");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, changelog);
        String policy = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("cleanup.policy").value();
        check(policy.equals("compact"), "cleanup.policy of the changelog is " + policy);
        check(admin.describeTopics(List.of(changelog)).allTopicNames().get().get(changelog).partitions().size() == PARTITIONS, "partitions");
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        int round = Integer.parseInt(args[2]);
        List<KafkaStreams> jobs = new ArrayList<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            createTopics(admin);
            if (round == 1) {
                send(1); // the table is there before the job begins: a join looks at it once
            }
            for (String name : List.of("a", "b")) {
                KafkaStreams job = job(args[1] + "/" + name);
                job.setUncaughtExceptionHandler(e -> {
                    e.printStackTrace();
                    System.exit(1);
                    return null;
                });
                jobs.add(job);
                job.start();
            }
            for (KafkaStreams job : jobs) {
                until("both run", () -> job.state() == KafkaStreams.State.RUNNING);
            }
            if (round > 1) {
                send(round);
            }
            checkTotals(expected(round));
            checkInternalTopics(admin);
        } finally {
            for (KafkaStreams job : jobs) {
                check(job.close(Duration.ofSeconds(60)), "an instance does not end");
            }
        }
        System.out.println("round " + round + ": exact totals of " + round * ORDERS + " orders");
    }
}
