/* The broker's settings that do something. A row's text goes into docs/configuration.md as it is;
 * the order of rows is the order there. Kafka's names and defaults are those of Apache Kafka 4.4
 * unless the text says otherwise. */
#include "base/limits.h"
#include "settings/settings_internal.h"

#define COMPRESSIONS "uncompressed, zstd, lz4, snappy, gzip, producer"
#define PROTOCOL_MAP "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"

const struct setting settings_broker_rows[] = {
    /* who and where */
    { "node.id", SETTING_INT, "1", AT_LEAST(0),
            .about = "The broker's number, unique in its cluster (Kafka has no default for it)." },
    { "cluster.id", SETTING_STRING, NULL, .check = check_cluster_id,
            .about = "The cluster that the bucket must belong to, as 22 characters of URL-safe "
                     "base64; not set: the "
                     "bucket's own, and a new one for an empty bucket." },
    { "broker.rack", SETTING_STRING, NULL, .check = check_rack,
            .about = "The zone that the broker runs in; clients with the same client.rack prefer "
                     "it." },
    { "listeners", SETTING_LIST, "PLAINTEXT://127.0.0.1:9092", .check = check_listeners,
            .about = "Where Kafka clients connect: NAME://host:port, several with commas between "
                     "them; an empty host "
                     "means all addresses (Kafka's own default is PLAINTEXT://:9092)." },
    { "advertised.listeners", SETTING_LIST, NULL, .check = check_listeners,
            .about = "What clients are told to connect to, by listener name; not set: the "
                     "listeners themselves." },
    { "listener.security.protocol.map", SETTING_LIST, PROTOCOL_MAP,
            .about = "The protocol of each listener name, as NAME:PROTOCOL with commas between "
                     "them." },
    { "admin.listener", SETTING_STRING, "127.0.0.1:9190", .check = check_endpoint,
            .about = "host:port of the HTTP listener for /metrics, /healthz and /readyz; empty: "
                     "none." },
    { "admin.max.connections", SETTING_INT, "64", BETWEEN(1, 1024),
            .about = "Connections that the HTTP listener keeps at once; more are refused." },

    /* where data lies */
    { "data.dir", SETTING_STRING, "./data",
            .about = "The folder on the local volume that holds the write-ahead log (and the "
                     "object store, when "
                     "store.url is not set)." },
    { "store.url", SETTING_STRING, NULL,
            .about = "The object store that holds all data: s3://bucket/prefix?region=..., or "
                     "file:///folder; not set: "
                     "the folder store in data.dir." },
    { "wal.type", SETTING_ENUM, "volume", .choices = "volume, s3",
            .about = "Where acknowledged batches are kept until their object is committed; only "
                     "volume is there yet." },
    { "wal.capacity.bytes", SETTING_LONG, "10737418240", AT_LEAST(4 * (int64_t)WAL_SEGMENT_SIZE),
            .about = "The most that the write-ahead log takes on the volume, over all reactors; "
                     "when it is full, "
                     "producers wait. The default shrinks to half of the free space of a small "
                     "volume." },
    { "upload.interval.ms", SETTING_LONG, "1000", BETWEEN(10, 600000), .dynamic = true,
            .about = "The longest that a batch waits in the write-ahead log before its upload "
                     "begins; nothing is "
                     "written when there is nothing to write." },
    { "upload.bytes", SETTING_LONG, "16777216", BETWEEN(65536, 512 * (int64_t)MIB), .dynamic = true,
            .about = "An upload begins early once a reactor has gathered this much." },
    { "object.delete.delay.ms", SETTING_LONG, "600000", AT_LEAST(0),
            .about = "How long an object that nothing names any more stays in the bucket before it "
                     "is removed: longer "
                     "than the slowest reader." },
    { "lease.ms", SETTING_LONG, "10000", BETWEEN(1000, 300000),
            .about = "How long a broker may serve after its last contact with the metadata log; a "
                     "dead broker is "
                     "replaced after about as long." },

    /* the machine */
    { "reactors", SETTING_INT, "0", BETWEEN(0, REACTORS_MAX),
            .about = "Threads that serve, one per processor; 0: as many as the process may use." },
    { "io.engine", SETTING_ENUM, "auto", .choices = "auto, uring, threads",
            .about = "How disk and network are driven; auto takes io_uring where the kernel and "
                     "the container allow it." },
    { "log.cache.bytes", SETTING_LONG, "0", AT_LEAST(0),
            .about = "Memory for the newest batches, over all reactors; 0: a quarter of the memory "
                     "of the machine or "
                     "container." },
    { "block.cache.bytes", SETTING_LONG, "0", AT_LEAST(0),
            .about = "Memory for blocks read from objects, over all reactors; 0: a quarter of the "
                     "memory of the "
                     "machine or container." },
    { "read.ahead.max.bytes", SETTING_LONG, "16777216", BETWEEN(0, 1 * (int64_t)GIB),
            .about = "The most that is read ahead for one consumer that reads old data." },
    { "log.level", SETTING_ENUM, "info", .choices = "debug, info, warn, error", .dynamic = true,
            .about = "The least important messages that are written to standard error." },
    { "log.format", SETTING_ENUM, "logfmt", .choices = "logfmt, json",
            .about = "The form of messages on standard error, one line each." },

    /* connections and requests */
    { "socket.request.max.bytes", SETTING_INT, "104857600", AT_LEAST(1),
            .about = "The largest request; a larger one closes the connection." },
    { "max.connections", SETTING_INT, "2147483647", AT_LEAST(0), .dynamic = true,
            .about =
                    "Connections at once, over all listeners; never more than 60000 per reactor." },
    { "max.connections.per.ip", SETTING_INT, "2147483647", AT_LEAST(0), .dynamic = true,
            .about = "Connections at once from one address." },
    { "connections.max.idle.ms", SETTING_LONG, "600000",
            .about = "A connection without a request for this long is closed." },
    { "socket.listen.backlog.size", SETTING_INT, "50", AT_LEAST(1),
            .about = "Connections that the kernel keeps waiting for us on each listener." },
    { "fetch.max.bytes", SETTING_INT, "57671680", AT_LEAST(1024),
            .about = "The most that one fetch answer holds, whatever the consumer asks for (a "
                     "first batch that is "
                     "larger is still sent)." },
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
                     "of each key." },
    { "log.retention.ms", SETTING_LONG, NULL, AT_LEAST(-1), .dynamic = true,
            .about = "How long records are kept; -1: for ever; not set: log.retention.minutes." },
    { "log.retention.minutes", SETTING_INT, NULL, AT_LEAST(-1),
            .about = "As log.retention.ms, in minutes; not set: log.retention.hours." },
    { "log.retention.hours", SETTING_INT, "168", AT_LEAST(-1),
            .about = "As log.retention.ms, in hours." },
    { "log.retention.bytes", SETTING_LONG, "-1", .dynamic = true,
            .about = "How much of one partition is kept; -1: no limit." },
    { "log.retention.check.interval.ms", SETTING_LONG, "300000", AT_LEAST(1),
            .about = "How often partitions are looked through for what is past its retention." },
    { "log.segment.bytes", SETTING_INT, "1073741824", AT_LEAST(1048576), .dynamic = true,
            .about = "The size that small objects of one partition are merged into." },
    { "log.roll.ms", SETTING_LONG, NULL, AT_LEAST(1), .dynamic = true,
            .about = "The longest time that one merged object covers; not set: log.roll.hours." },
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
    { "offset.metadata.max.bytes", SETTING_INT, "4096", AT_LEAST(0),
            .about = "The largest text that a client may keep beside a committed offset." },
    { "offsets.commit.timeout.ms", SETTING_INT, "5000", AT_LEAST(1),
            .about = "How long an offset commit may wait to become durable." },
    { "group.min.session.timeout.ms", SETTING_INT, "6000", AT_LEAST(0),
            .about = "The shortest session timeout that a member may ask for." },
    { "group.max.session.timeout.ms", SETTING_INT, "1800000", AT_LEAST(0),
            .about = "The longest session timeout that a member may ask for." },
    { "group.initial.rebalance.delay.ms", SETTING_INT, "3000", AT_LEAST(0),
            .about = "How long an empty group waits for more members before its first rebalance." },
    { "group.max.size", SETTING_INT, "2147483647", AT_LEAST(1), .about = "Members of one group." },
};
const size_t settings_broker_row_count = ARRAY_SIZE(settings_broker_rows);
