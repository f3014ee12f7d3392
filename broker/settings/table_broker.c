/* The broker's settings that do something. A row's text goes into docs/configuration.md as it is;
 * the order of rows is the order there. Kafka's names and defaults are those of Apache Kafka 4.4
 * unless the text says otherwise. */
#include "base/limits.h"
#include "settings/settings_internal.h"

#define COMPRESSIONS "uncompressed, zstd, lz4, snappy, gzip, producer"
#define PROTOCOL_MAP "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"
#define OWN .differs = "Freshet's own"

const struct setting settings_broker_rows[] = {
    /* who and where */
    { "node.id", SETTING_INT, "1", AT_LEAST(0),
            .about = "The broker's number, unique in its cluster (Kafka has no default for it).",
            .differs = "Kafka has no default for it" },
    { "cluster.id", SETTING_STRING, NULL, .check = check_cluster_id,
            .about = "The cluster that the bucket must belong to, as 22 characters of URL-safe "
                     "base64; not set: the "
                     "bucket's own, and a new one for an empty bucket.",
            OWN },
    { "broker.rack", SETTING_STRING, NULL, .check = check_rack,
            .about = "The zone that the broker runs in; clients with the same client.rack prefer "
                     "it.",
            .differs = "an empty one is refused: not set means none" },
    { "replica.selector.class", SETTING_STRING, NULL, .check = check_selector,
            .about = "org.apache.kafka.common.replica.RackAwareReplicaSelector: consumers that set "
                     "client.rack read what is in the object store from a broker of their own "
                     "zone, behind the leader by about upload.interval.ms. Not set: from the "
                     "leader.",
            .differs = "other classes are refused: classes of Java cannot be loaded" },
    { "listeners", SETTING_LIST, "PLAINTEXT://127.0.0.1:9092", .check = check_listeners,
            .per_broker = true,
            .about = "Where Kafka clients connect: NAME://host:port, several with commas between "
                     "them; an empty host "
                     "means all addresses (Kafka's own default is PLAINTEXT://:9092).",
            .list = LIST_NOT_EMPTY,
            .differs = "the loopback by default, checked as a whole at once, and fixed until the "
                       "next start" },
    { "advertised.listeners", SETTING_LIST, NULL, .check = check_listeners,
            .about = "What clients are told to connect to, by listener name; not set: the "
                     "listeners themselves.",
            .list = LIST_NOT_EMPTY, .differs = "checked as a whole at once" },
    { "listener.security.protocol.map", SETTING_STRING, PROTOCOL_MAP, .per_broker = true,
            .about = "The protocol of each listener name, as NAME:PROTOCOL with commas between "
                     "them.",
            .differs = "fixed until the next start" },
    { "admin.listener", SETTING_STRING, "127.0.0.1:9190", .check = check_endpoint,
            .about = "host:port of the HTTP listener for /metrics, /healthz and /readyz; empty: "
                     "none.",
            OWN },
    { "internal.listener", SETTING_STRING, NULL, .check = check_endpoint, OWN,
            .about = "host:port where other brokers of the cluster connect; not set: the host of "
                     "the first listener and any free port. It has no authentication yet: only "
                     "brokers may reach it." },
    { "internal.advertised.host", SETTING_STRING, NULL, OWN,
            .about = "The host that other brokers are told to connect to; not set: that of "
                     "internal.listener, or the advertised one of the first listener when that is "
                     "all addresses." },
    { "config.generation", SETTING_STRING, NULL, OWN,
            .about = "Whatever an operator calls this configuration; told at /v1/broker "
                     "(docs/admin-api.md), so that it sees which brokers run with which." },
    { "admin.max.connections", SETTING_INT, "64", BETWEEN(1, 1024),
            .about = "Connections that the HTTP listener keeps at once; more are refused.", OWN },

    /* where data lies */
    { "data.dir", SETTING_STRING, "./data",
            .about = "The folder on the local volume that holds the write-ahead log (and the "
                     "object store, when "
                     "store.url is not set).",
            OWN },
    { "store.url", SETTING_STRING, NULL,
            .about = "The object store that holds all data: s3://bucket/prefix?region=..., or "
                     "file:///folder; not set: "
                     "the folder store in data.dir.",
            OWN },
    { "wal.type", SETTING_ENUM, "volume", .choices = "volume, s3",
            .about = "Where acknowledged batches are kept until their object is committed: on the "
                     "volume of data.dir (milliseconds), or in the bucket (the latency of a PUT, "
                     "and "
                     "any live broker takes over from a dead one); docs/operations.md compares "
                     "them.",
            OWN },
    { "wal.s3.interval.ms", SETTING_LONG, "100", BETWEEN(0, 10000),
            .about = "With wal.type: s3, the least time between two write-ahead objects of a "
                     "reactor, unless one is full: bounds the PUTs a second. A batch that comes "
                     "after a pause does not wait.",
            OWN },
    { "wal.capacity.bytes", SETTING_LONG, "10737418240", AT_LEAST(4 * (int64_t)WAL_SEGMENT_SIZE),
            .about = "The most that the write-ahead log takes on the volume, over all reactors; "
                     "when it is full, "
                     "producers wait. The default shrinks to half of the free space of a small "
                     "volume.",
            OWN },
    { "wal.recovery.accept.loss", SETTING_BOOL, "false",
            .about =
                    "Go on without acknowledged records that the write-ahead log cannot give back: "
                    "quarantined partitions serve again, what is missing in them is logged. For "
                    "one start, after the volume could not be restored.",
            OWN },
    { "upload.interval.ms", SETTING_LONG, "1000", BETWEEN(10, 600000), .dynamic = true,
            .about = "The longest that a batch waits in the write-ahead log before its upload "
                     "begins; nothing is "
                     "written when there is nothing to write.",
            OWN },
    { "upload.bytes", SETTING_LONG, "16777216", BETWEEN(65536, 512 * (int64_t)MIB), .dynamic = true,
            .about = "An upload begins early once a reactor has gathered this much.", OWN },
    { "object.delete.delay.ms", SETTING_LONG, "600000", AT_LEAST(0),
            .about = "How long an object that nothing names any more stays in the bucket before it "
                     "is removed: longer "
                     "than the slowest reader.",
            OWN },
    { "lease.ms", SETTING_LONG, "10000", BETWEEN(1000, 300000),
            .about =
                    "How long a broker may serve after its last contact with the metadata log; a "
                    "dead broker is replaced after about as long. With wal.type: s3 the default is "
                    "2000.",
            OWN },
    { "shutdown.linger.ms", SETTING_LONG, "0", BETWEEN(0, 300000),
            .about = "How long after SIGTERM, at least, a broker goes on serving although it has "
                     "handed over what it led, and /readyz fails from the first moment on: so "
                     "load balancers and the like lead nobody here any more when the port closes. "
                     "Another SIGTERM or SIGINT ends it at once.",
            OWN },
    { "balancer.enable", SETTING_BOOL, "true", .dynamic = true,
            .about = "Whether the controller moves partitions between brokers where numbers of "
                     "partitions, traffic or zones are uneven. Set it for all brokers "
                     "(--entity-default): the controller is any of them.",
            OWN },
    { "balancer.imbalance.percent", SETTING_INT, "20", BETWEEN(1, 100), .dynamic = true,
            .about = "By how much of the mean brokers may differ before partitions are moved; then "
                     "they are moved until it is half of that.",
            OWN },
    { "balancer.moves.max", SETTING_INT, "250", BETWEEN(1, 10000), .dynamic = true,
            .about = "How many partitions may be on the move at once before the balancer waits; "
                     "those that others move count too.",
            OWN },

    { "balancer.settle.ms", SETTING_INT, "3000", BETWEEN(0, 600000), .dynamic = true,
            .about = "How long a broker that has just registered gets no partitions of others: "
                     "until "
                     "load balancers and the like lead to it. Where no other broker takes any it "
                     "gets them at once.",
            OWN },

    /* the machine */
    { "reactors", SETTING_INT, "0", BETWEEN(0, REACTORS_MAX),
            .about = "Threads that serve, one per processor; 0: as many as the process may use.",
            OWN },
    { "io.engine", SETTING_ENUM, "auto", .choices = "auto, uring, threads",
            .about = "How disk and network are driven; auto takes io_uring where the kernel and "
                     "the container allow it.",
            OWN },
    { "log.cache.bytes", SETTING_LONG, "0", AT_LEAST(0),
            .about = "Memory for the newest batches, over all reactors: those on their way to the "
                     "store, and what is left of it for those that are there. Producers wait when "
                     "three quarters are on their way; 0: a quarter of the memory of the machine "
                     "or container.",
            OWN },
    { "log.cache.uploaded.bytes", SETTING_LONG, "0", AT_LEAST(0),
            .about = "Of log.cache.bytes, the most for batches that are in the store already: how "
                     "far back consumers read from memory; 0: 512 MiB for each reactor, at most "
                     "half.",
            OWN },
    { "block.cache.bytes", SETTING_LONG, "0", AT_LEAST(0),
            .about = "Memory for blocks read from objects, over all reactors; 0: a quarter of the "
                     "memory of the "
                     "machine or container.",
            OWN },
    { "read.ahead.max.bytes", SETTING_LONG, "16777216", BETWEEN(0, 1 * (int64_t)GIB),
            .about = "The most that is read ahead for one consumer that reads old data.", OWN },
    { "log.level", SETTING_ENUM, "info", .choices = "debug, info, warn, error", .dynamic = true,
            .about = "The least important messages that are written to standard error.", OWN },
    { "log.format", SETTING_ENUM, "logfmt", .choices = "logfmt, json",
            .about = "The form of messages on standard error, one line each.", OWN },

    /* connections and requests */
    { "socket.request.max.bytes", SETTING_INT, "104857600", AT_LEAST(1),
            .about = "The largest request; a larger one closes the connection." },
    { "queued.max.request.bytes", SETTING_LONG, "-1", AT_LEAST(-1),
            .about = "Memory for all requests under way, with their answers; when it is full, "
                     "sockets are not read. -1: an eighth of the memory of the machine or "
                     "container, at least twice socket.request.max.bytes (Kafka: no bound).",
            .differs = "a value below -1 is refused" },
    { "max.connections", SETTING_INT, "2147483647", AT_LEAST(0), .dynamic = true,
            .per_listener = true,
            .about =
                    "Connections at once, over all listeners; more wait until one ends. When it is "
                    "lowered, those that were silent longest are closed. Of one listener: "
                    "listener.name.<its name in lower case>.max.connections. Never more than "
                    "60000. Kafka spares the listener of its brokers; ours talk by "
                    "internal.listener, which is not counted." },
    { "max.connection.creation.rate", SETTING_INT, "2147483647", AT_LEAST(0), .dynamic = true,
            .per_listener = true,
            .about = "New connections a second, over all listeners, as a mean over the quota "
                     "windows: more wait until it is their turn. Of one listener: "
                     "listener.name.<its name in lower case>.max.connection.creation.rate." },
    { "quota.window.num", SETTING_INT, "11", AT_LEAST(1),
            .about = "Windows that max.connection.creation.rate is a mean over, with the one that "
                     "is not over: after a pause as many connections are let in at once as the "
                     "others allow." },
    { "quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1),
            .about = "The length of one of those windows; no connection waits longer." },
    { "max.connections.per.ip", SETTING_INT, "2147483647", AT_LEAST(0), .dynamic = true,
            .about = "Connections at once from one address; 0 only with exceptions." },
    { "max.connections.per.ip.overrides", SETTING_STRING, "", .check = check_per_ip_overrides,
            .dynamic = true, .differs = "checked as a whole at once",
            .about = "Exceptions from it: HOST:NUMBER with commas between them; the host is an "
                     "address or a name, looked up when the value is set." },
    { "connections.max.idle.ms", SETTING_LONG, "600000",
            .about = "A connection without a request for this long is closed." },
    { "socket.listen.backlog.size", SETTING_INT, "50", AT_LEAST(1),
            .about = "Connections that the kernel keeps waiting for us on each listener." },
    { "fetch.max.bytes", SETTING_INT, "57671680", AT_LEAST(1024),
            .about = "The most that one fetch answer holds, whatever the consumer asks for (a "
                     "first batch that is "
                     "larger is still sent)." },
    { "telemetry.max.bytes", SETTING_INT, "1048576", AT_LEAST(1),
            .about = "The most that a client pushes of its metrics at once, as compressed." },
    { "max.incremental.fetch.session.cache.slots", SETTING_INT, "1000", AT_LEAST(0),
            .about = "Fetch sessions that are kept; 0: consumers name all partitions in each "
                     "request." },
    { "max.request.partition.size.limit", SETTING_INT, "2000", AT_LEAST(1),
            .about = "Partitions in one answer to DescribeTopicPartitions." },

    /* topics */
    { "auto.create.topics.enable", SETTING_BOOL, "true",
            .about = "A topic comes into being when a client that allows it first asks for it." },
    { "delete.topic.enable", SETTING_BOOL, "true", .about = "Topics may be deleted." },
    { "num.partitions", SETTING_INT, "1", AT_LEAST(1),
            .about = "Partitions of a topic whose creator didn't say how many." },
    { "message.max.bytes", SETTING_INT, "1048588", AT_LEAST(0), .dynamic = true,
            .about = "The largest record batch that a topic takes." },
    { "max.decompressed.message.bytes", SETTING_INT, "2147483639", BETWEEN(1, 2147483639),
            .dynamic = true,
            .about = "The most that one batch may take after decompression when the broker must "
                     "look inside." },
    { "compression.type", SETTING_ENUM, "producer", .choices = COMPRESSIONS, .dynamic = true,
            .about = "How batches are kept; producer: as they arrive." },
    { "log.cleanup.policy", SETTING_LIST, "delete", .choices = "compact, delete", .dynamic = true,
            .about = "What happens to old records: delete by age and size, compact to the newest "
                     "of each key.",
            .list = LIST_UNIQUE },
    { "log.retention.ms", SETTING_LONG, NULL, AT_LEAST(-1), .dynamic = true,
            .about = "How long records are kept; -1: for ever; not set: log.retention.minutes.",
            .differs = "a value below -1 is refused at once; Kafka takes it for -1" },
    { "log.retention.minutes", SETTING_INT, NULL, AT_LEAST(-1),
            .about = "As log.retention.ms, in minutes; not set: log.retention.hours.",
            .differs = "a value below -1 is refused at once; Kafka takes it for -1" },
    { "log.retention.hours", SETTING_INT, "168", AT_LEAST(-1),
            .about = "As log.retention.ms, in hours.",
            .differs = "a value below -1 is refused at once; Kafka takes it for -1" },
    { "log.retention.bytes", SETTING_LONG, "-1", .dynamic = true,
            .about = "How much of one partition is kept; -1: no limit." },
    { "log.retention.check.interval.ms", SETTING_LONG, "300000", AT_LEAST(1),
            .about = "How often partitions are looked through for what is past its retention." },
    { "log.segment.bytes", SETTING_INT, "1073741824", AT_LEAST(1048576), .dynamic = true,
            .about = "The size that small objects of one partition are merged into." },
    { "log.roll.ms", SETTING_LONG, NULL, AT_LEAST(1), .dynamic = true,
            .about = "The longest time that one merged object covers; not set: log.roll.hours.",
            .differs = "a value below 1 is refused at once; Kafka finds it at the start" },
    { "log.roll.hours", SETTING_INT, "168", AT_LEAST(1), .about = "As log.roll.ms, in hours." },
    { "log.message.timestamp.type", SETTING_ENUM, "CreateTime",
            .choices = "CreateTime, LogAppendTime", .dynamic = true,
            .about = "Whose clock a record's timestamp comes from: the producer's or the "
                     "broker's." },
    { "log.message.timestamp.before.max.ms", SETTING_LONG, "9223372036854775807", AT_LEAST(0),
            .dynamic = true,
            .about = "How far a record's timestamp may lie before the broker's clock." },
    { "log.message.timestamp.after.max.ms", SETTING_LONG, "3600000", AT_LEAST(0), .dynamic = true,
            .about = "How far a record's timestamp may lie after the broker's clock." },
    { "log.cleaner.delete.retention.ms", SETTING_LONG, "86400000", AT_LEAST(0), .dynamic = true,
            .about = "How long a delete marker of a compacted topic is kept." },
    { "log.cleaner.min.compaction.lag.ms", SETTING_LONG, "0", AT_LEAST(0), .dynamic = true,
            .about = "How long a record stays as it is before compaction may remove it." },
    { "log.cleaner.max.compaction.lag.ms", SETTING_LONG, "9223372036854775807", AT_LEAST(1),
            .dynamic = true, .about = "The longest that a record waits for compaction." },
    { "log.cleaner.min.cleanable.ratio", SETTING_DOUBLE, "0.5", BETWEEN(0, 1), .dynamic = true,
            .about = "The part of a partition that must be new before compaction is worth its "
                     "cost." },

    /* producers and transactions */
    { "producer.id.expiration.ms", SETTING_INT, "86400000", AT_LEAST(1), .dynamic = true,
            .about = "How long a partition remembers a producer that has gone silent." },
    { "transactional.id.expiration.ms", SETTING_INT, "604800000", AT_LEAST(1),
            .about = "How long an unused transactional id is remembered." },
    { "transaction.max.timeout.ms", SETTING_INT, "900000", AT_LEAST(1),
            .about = "The longest transaction timeout that a producer may ask for." },
    { "transaction.state.log.num.partitions", SETTING_INT, "50", AT_LEAST(1),
            .about = "Partitions of __transaction_state; fixed once that topic exists." },
    { "transaction.abort.timed.out.transaction.cleanup.interval.ms", SETTING_INT, "10000",
            AT_LEAST(1),
            .about = "How often transactions are looked through for those past their timeout." },

    /* groups */
    { "offsets.retention.minutes", SETTING_INT, "10080", AT_LEAST(1),
            .about = "How long the offsets of a group without members are kept." },
    { "offsets.retention.check.interval.ms", SETTING_LONG, "600000", AT_LEAST(1),
            .about = "How often groups are looked through for offsets past their retention." },
    { "offsets.topic.num.partitions", SETTING_INT, "50", AT_LEAST(1),
            .about = "Partitions of __consumer_offsets; fixed once that topic exists." },
    { "offsets.topic.segment.bytes", SETTING_INT, "104857600", AT_LEAST(1),
            .about = "segment.bytes of __consumer_offsets when it is created." },
    { "offsets.topic.compression.codec", SETTING_INT, "0", BETWEEN(0, 4),
            .differs = "an id that is no codec is refused, which Kafka takes and cannot use",
            .about = "Codec of the batches in __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, "
                     "4 zstd." },
    { "offset.metadata.max.bytes", SETTING_INT, "4096", AT_LEAST(0),
            .about = "The largest text that a client may keep beside a committed offset.",
            .differs = "a value below 0 is refused, which Kafka takes and cannot use" },
    { "offsets.commit.timeout.ms", SETTING_INT, "5000", AT_LEAST(1),
            .about = "How long an offset commit may wait to become durable." },
    { "group.min.session.timeout.ms", SETTING_INT, "6000", AT_LEAST(0),
            .about = "The shortest session timeout that a member may ask for.",
            .differs = "a value below 0 is refused, which Kafka takes and cannot use" },
    { "group.max.session.timeout.ms", SETTING_INT, "1800000", AT_LEAST(0),
            .about = "The longest session timeout that a member may ask for.",
            .differs = "a value below 0 is refused, which Kafka takes and cannot use" },
    { "group.initial.rebalance.delay.ms", SETTING_INT, "3000", AT_LEAST(0),
            .about = "How long an empty group waits for more members before its first rebalance.",
            .differs = "a value below 0 is refused, which Kafka takes and cannot use" },
    { "group.max.size", SETTING_INT, "2147483647", AT_LEAST(1), .about = "Members of one group." },
};
const size_t settings_broker_row_count = ARRAY_SIZE(settings_broker_rows);
