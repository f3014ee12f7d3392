/* Kafka's settings that are accepted, so that a file written for Kafka need not be cut first, but
 * change nothing here: each with the reason. Values are still checked. Settings whose silent loss
 * would hurt (security, quotas) are not here: they are refused, at the end of this file. */
#include "settings/settings_internal.h"

#define THROTTLE .differs = "Kafka has it in QuotaConfig, not among the settings of brokers"
#define REPLICAS                                                                                   \
    .about = "Replication between brokers.",                                                       \
    .inert = "there are no follower replicas: the object store keeps the copies"
#define FLUSH                                                                                      \
    .about = "When log files are flushed.",                                                        \
    .inert = "every batch is flushed before it is acknowledged"
#define CLEANER                                                                                    \
    .about = "Kafka's log cleaner.",                                                               \
    .inert = "compaction here is part of merging objects and has no threads or buffers of its own"
#define LOCAL                                                                                      \
    .about = "Kafka's log files.",                                                                 \
    .inert = "there are no local log files: see data.dir and wal.capacity.bytes"
#define THREADS                                                                                    \
    .about = "Kafka's threads and queues.",                                                        \
    .inert = "each reactor serves its requests itself: see reactors"
#define QUORUM                                                                                     \
    .about = "Kafka's KRaft quorum and traffic between brokers.",                                  \
    .inert = "the metadata log is in the object store: there is no quorum"
#define METRICS                                                                                    \
    .about = "Kafka's metrics and quota windows.",                                                 \
    .inert = "metrics are at /metrics of admin.listener"
#define TIERED .about = "Kafka's tiered storage.", .inert = "all data is in the object store anyway"
#define SHARE .about = "Kafka's share groups.", .inert = "share groups are not served yet"
#define STREAMS                                                                                    \
    .about = "Kafka's streams group protocol.",                                                    \
    .inert = "the streams group protocol is not served yet"
#define CONSUMER                                                                                   \
    .about = "Kafka's newer consumer group protocol.",                                             \
    .inert = "it is not served yet; clients fall back to the classic one"
#define LEVELS                                                                                     \
    .about = "Levels of compression.", .inert = "compression.type uses the codec's own level"
#define SOCKETS .about = "Buffers of sockets.", .inert = "the kernel sizes them"
#define TXN                                                                                        \
    .about = "Housekeeping of transactions inside Kafka.", .inert = "there is no such step here"

const struct setting settings_inert_rows[] = {
    { "alter.log.dirs.replication.quota.window.num", SETTING_INT, "11", AT_LEAST(1), REPLICAS },
    { "alter.log.dirs.replication.quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1),
            REPLICAS },
    { "auto.leader.rebalance.enable", SETTING_BOOL, "true", REPLICAS },
    { "default.replication.factor", SETTING_INT, "1", REPLICAS },
    { "follower.fetch.last.tiered.offset.enable", SETTING_BOOL, "false", REPLICAS,
            .dynamic = true },
    { "leader.imbalance.check.interval.seconds", SETTING_LONG, "300", AT_LEAST(1), REPLICAS },
    { "min.insync.replicas", SETTING_INT, "1", AT_LEAST(1), REPLICAS, .dynamic = true },
    { "num.replica.alter.log.dirs.threads", SETTING_INT, NULL, REPLICAS },
    { "num.replica.fetchers", SETTING_INT, "1", AT_LEAST(1), REPLICAS, .dynamic = true },
    { "offsets.topic.replication.factor", SETTING_SHORT, "3", AT_LEAST(1), REPLICAS },
    { "replica.fetch.backoff.ms", SETTING_INT, "1000", AT_LEAST(0), REPLICAS },
    { "replica.fetch.max.bytes", SETTING_INT, "1048576", AT_LEAST(0), REPLICAS },
    { "replica.fetch.min.bytes", SETTING_INT, "1", REPLICAS },
    { "replica.fetch.response.max.bytes", SETTING_INT, "10485760", AT_LEAST(0), REPLICAS },
    { "replica.fetch.wait.max.ms", SETTING_INT, "500", REPLICAS },
    { "replica.high.watermark.checkpoint.interval.ms", SETTING_LONG, "5000", REPLICAS },
    { "replica.lag.time.max.ms", SETTING_LONG, "30000", REPLICAS },
    { "replica.socket.receive.buffer.bytes", SETTING_INT, "65536", REPLICAS },
    { "replica.socket.timeout.ms", SETTING_INT, "30000", REPLICAS },
    /* kafka-reassign-partitions sets and clears them. */
    { "leader.replication.throttled.rate", SETTING_LONG, "9223372036854775807", AT_LEAST(0),
            .dynamic = true, REPLICAS, THROTTLE },
    { "follower.replication.throttled.rate", SETTING_LONG, "9223372036854775807", AT_LEAST(0),
            .dynamic = true, REPLICAS, THROTTLE },
    { "replica.alter.log.dirs.io.max.bytes.per.second", SETTING_LONG, "9223372036854775807",
            AT_LEAST(0), .dynamic = true, REPLICAS, THROTTLE },
    { "replication.quota.window.num", SETTING_INT, "11", AT_LEAST(1), REPLICAS },
    { "replication.quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1), REPLICAS },
    { "share.coordinator.state.topic.min.isr", SETTING_SHORT, "2", AT_LEAST(1), REPLICAS },
    { "share.coordinator.state.topic.replication.factor", SETTING_SHORT, "3", AT_LEAST(1),
            REPLICAS },
    { "transaction.state.log.min.isr", SETTING_INT, "2", AT_LEAST(1), REPLICAS },
    { "transaction.state.log.replication.factor", SETTING_SHORT, "3", AT_LEAST(1), REPLICAS },
    { "unclean.leader.election.enable", SETTING_BOOL, "false", REPLICAS, .dynamic = true },
    { "log.flush.interval.messages", SETTING_LONG, "9223372036854775807", AT_LEAST(1), FLUSH,
            .dynamic = true },
    { "log.flush.interval.ms", SETTING_LONG, NULL, FLUSH, .dynamic = true },
    { "log.flush.offset.checkpoint.interval.ms", SETTING_INT, "60000", AT_LEAST(0), FLUSH },
    { "log.flush.scheduler.interval.ms", SETTING_LONG, "9223372036854775807", FLUSH },
    { "log.flush.start.offset.checkpoint.interval.ms", SETTING_INT, "60000", AT_LEAST(0), FLUSH },
    { "log.cleaner.backoff.ms", SETTING_LONG, "15000", AT_LEAST(0), CLEANER, .dynamic = true },
    { "log.cleaner.dedupe.buffer.size", SETTING_LONG, "134217728", CLEANER, .dynamic = true },
    { "log.cleaner.enable", SETTING_BOOL, "true", CLEANER },
    { "log.cleaner.io.buffer.load.factor", SETTING_DOUBLE, "0.9", CLEANER, .dynamic = true },
    { "log.cleaner.io.buffer.size", SETTING_INT, "524288", AT_LEAST(0), CLEANER, .dynamic = true },
    { "log.cleaner.io.max.bytes.per.second", SETTING_DOUBLE, "1.7976931348623157E308", CLEANER,
            .dynamic = true },
    { "log.cleaner.threads", SETTING_INT, "1", AT_LEAST(0), CLEANER, .dynamic = true },
    { "cordoned.log.dirs", SETTING_LIST, "", LOCAL, .dynamic = true, .per_broker = true,
            .list = LIST_UNIQUE },
    { "log.dir", SETTING_LIST, NULL, LOCAL, .list = LIST_NOT_EMPTY,
            .differs = "not set by default: there are no log folders" },
    { "log.dir.failure.timeout.ms", SETTING_LONG, "30000", AT_LEAST(1), LOCAL },
    { "log.dirs", SETTING_LIST, NULL, LOCAL, .list = LIST_NOT_EMPTY },
    { "log.index.interval.bytes", SETTING_INT, "4096", AT_LEAST(0), LOCAL, .dynamic = true },
    { "log.index.size.max.bytes", SETTING_INT, "10485760", AT_LEAST(4), LOCAL, .dynamic = true },
    { "log.preallocate", SETTING_BOOL, "false", LOCAL, .dynamic = true },
    { "log.roll.jitter.hours", SETTING_INT, "0", AT_LEAST(0), LOCAL },
    { "log.roll.jitter.ms", SETTING_LONG, NULL, LOCAL, .dynamic = true },
    { "log.segment.delete.delay.ms", SETTING_LONG, "60000", AT_LEAST(0), LOCAL, .dynamic = true },
    { "metadata.log.dir", SETTING_STRING, NULL, LOCAL },
    { "metadata.log.max.record.bytes.between.snapshots", SETTING_LONG, "20971520", AT_LEAST(1),
            LOCAL },
    { "metadata.log.max.snapshot.interval.ms", SETTING_LONG, "3600000", AT_LEAST(0), LOCAL },
    { "metadata.log.segment.bytes", SETTING_INT, "1073741824", AT_LEAST(8388608), LOCAL },
    { "metadata.log.segment.ms", SETTING_LONG, "604800000", LOCAL },
    { "metadata.max.idle.interval.ms", SETTING_INT, "500", AT_LEAST(0), LOCAL },
    { "metadata.max.retention.bytes", SETTING_LONG, "104857600", LOCAL },
    { "metadata.max.retention.ms", SETTING_LONG, "604800000", LOCAL },
    { "num.recovery.threads.per.data.dir", SETTING_INT, "2", AT_LEAST(1), LOCAL, .dynamic = true },
    { "offsets.load.buffer.size", SETTING_INT, "5242880", AT_LEAST(1), LOCAL },
    { "share.coordinator.load.buffer.size", SETTING_INT, "5242880", AT_LEAST(1), LOCAL },
    { "share.coordinator.state.topic.compression.codec", SETTING_INT, "0", LOCAL },
    { "share.coordinator.state.topic.segment.bytes", SETTING_INT, "104857600", AT_LEAST(1), LOCAL },
    { "transaction.state.log.load.buffer.size", SETTING_INT, "5242880", AT_LEAST(1), LOCAL },
    { "transaction.state.log.segment.bytes", SETTING_INT, "104857600", AT_LEAST(1), LOCAL },
    { "background.threads", SETTING_INT, "10", AT_LEAST(1), THREADS, .dynamic = true },
    { "controller.quorum.append.linger.ms", SETTING_INT, "25", AT_LEAST(0), THREADS },
    { "group.coordinator.append.linger.ms", SETTING_INT, "-1", AT_LEAST(-1), THREADS },
    { "group.coordinator.background.threads", SETTING_INT, "2", AT_LEAST(1), THREADS },
    { "group.coordinator.cached.buffer.max.bytes", SETTING_INT, "1048588", AT_LEAST(524288),
            THREADS, .dynamic = true },
    { "group.coordinator.threads", SETTING_INT, "4", AT_LEAST(1), THREADS },
    { "num.io.threads", SETTING_INT, "8", AT_LEAST(1), THREADS, .dynamic = true },
    { "num.network.threads", SETTING_INT, "3", AT_LEAST(1), THREADS, .dynamic = true },
    { "queued.max.requests", SETTING_INT, "500", AT_LEAST(1), THREADS },
    { "remote.log.reader.threads", SETTING_INT, "10", AT_LEAST(1), THREADS, .dynamic = true },
    { "share.coordinator.append.linger.ms", SETTING_INT, "-1", AT_LEAST(-1), THREADS },
    { "share.coordinator.cached.buffer.max.bytes", SETTING_INT, "1048588", AT_LEAST(524288),
            THREADS, .dynamic = true },
    { "share.coordinator.threads", SETTING_INT, "1", AT_LEAST(1), THREADS },
    { "delete.records.purgatory.purge.interval.requests", SETTING_INT, "1", THREADS },
    { "fetch.purgatory.purge.interval.requests", SETTING_INT, "1000", THREADS },
    { "producer.purgatory.purge.interval.requests", SETTING_INT, "1000", THREADS },
    { "share.fetch.purgatory.purge.interval.requests", SETTING_INT, "1000", THREADS },
    { "broker.heartbeat.interval.ms", SETTING_INT, "2000", QUORUM },
    { "broker.id", SETTING_INT, "-1", QUORUM },
    { "broker.session.timeout.ms", SETTING_INT, "9000", QUORUM },
    { "controlled.shutdown.enable", SETTING_BOOL, "true", QUORUM },
    { "controller.listener.names", SETTING_LIST, NULL, QUORUM, .list = LIST_NOT_EMPTY },
    { "controller.quorum.auto.join.enable", SETTING_BOOL, "false", QUORUM },
    { "controller.quorum.bootstrap.servers", SETTING_LIST, "", QUORUM,
            .check = check_bootstrap_servers },
    { "controller.quorum.election.backoff.max.ms", SETTING_INT, "1000", AT_LEAST(0), QUORUM },
    { "controller.quorum.election.timeout.ms", SETTING_INT, "1000", AT_LEAST(0), QUORUM },
    { "controller.quorum.fetch.max.bytes", SETTING_INT, "1048576", AT_LEAST(1), QUORUM },
    { "controller.quorum.fetch.snapshot.max.bytes", SETTING_INT, "1048576", AT_LEAST(1), QUORUM },
    { "controller.quorum.fetch.timeout.ms", SETTING_INT, "2000", AT_LEAST(0), QUORUM },
    { "controller.quorum.request.timeout.ms", SETTING_INT, "2000", AT_LEAST(0), QUORUM },
    { "controller.quorum.retry.backoff.ms", SETTING_INT, "20", AT_LEAST(0), QUORUM },
    { "controller.quorum.voters", SETTING_LIST, "", QUORUM, .check = check_voters },
    { "controller.quota.window.num", SETTING_INT, "11", AT_LEAST(1), QUORUM },
    { "controller.quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1), QUORUM },
    { "controller.socket.timeout.ms", SETTING_INT, "30000", QUORUM },
    { "early.start.listeners", SETTING_LIST, NULL, QUORUM, .list = LIST_UNIQUE },
    { "initial.broker.registration.timeout.ms", SETTING_INT, "60000", QUORUM },
    { "inter.broker.listener.name", SETTING_STRING, NULL, QUORUM },
    { "process.roles", SETTING_LIST, NULL, QUORUM, .list = LIST_NOT_EMPTY,
            .choices = "broker, controller" },
    { "request.timeout.ms", SETTING_INT, "30000", QUORUM },
    { "security.inter.broker.protocol", SETTING_ENUM, "PLAINTEXT", QUORUM,
            .choices = "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL" },
    { "socket.connection.setup.timeout.max.ms", SETTING_LONG, "30000", QUORUM },
    { "socket.connection.setup.timeout.ms", SETTING_LONG, "10000", QUORUM },
    { "kafka.metrics.polling.interval.secs", SETTING_INT, "10", AT_LEAST(1), METRICS },
    { "kafka.metrics.reporters", SETTING_LIST, "", METRICS, .list = LIST_UNIQUE },
    { "metric.reporters", SETTING_LIST, "", METRICS, .dynamic = true, .list = LIST_UNIQUE,
            .differs = "empty by default: there is no JMX" },
    { "metrics.num.samples", SETTING_INT, "2", AT_LEAST(1), METRICS },
    { "metrics.recording.level", SETTING_STRING, "INFO", METRICS },
    { "metrics.sample.window.ms", SETTING_LONG, "30000", AT_LEAST(1), METRICS },
    { "log.local.retention.bytes", SETTING_LONG, "-2", AT_LEAST(-2), TIERED, .dynamic = true },
    { "log.local.retention.ms", SETTING_LONG, "-2", AT_LEAST(-2), TIERED, .dynamic = true },
    { "log.remote.copy.lag.bytes", SETTING_LONG, "-1", AT_LEAST(-1), TIERED, .dynamic = true },
    { "log.remote.copy.lag.ms", SETTING_LONG, "0", AT_LEAST(-1), TIERED, .dynamic = true },
    { "remote.fetch.max.wait.ms", SETTING_INT, "500", AT_LEAST(1), TIERED, .dynamic = true },
    { "remote.list.offsets.request.timeout.ms", SETTING_LONG, "30000", AT_LEAST(1), TIERED,
            .dynamic = true },
    { "remote.log.index.file.cache.total.size.bytes", SETTING_LONG, "1073741824", AT_LEAST(1),
            TIERED, .dynamic = true },
    { "remote.log.manager.copier.thread.pool.size", SETTING_INT, "10", AT_LEAST(1), TIERED,
            .dynamic = true },
    { "remote.log.manager.copy.max.bytes.per.second", SETTING_LONG, "9223372036854775807",
            AT_LEAST(1), TIERED, .dynamic = true },
    { "remote.log.manager.copy.quota.window.num", SETTING_INT, "11", AT_LEAST(1), TIERED },
    { "remote.log.manager.copy.quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1), TIERED },
    { "remote.log.manager.expiration.thread.pool.size", SETTING_INT, "10", AT_LEAST(1), TIERED,
            .dynamic = true },
    { "remote.log.manager.fetch.max.bytes.per.second", SETTING_LONG, "9223372036854775807",
            AT_LEAST(1), TIERED, .dynamic = true },
    { "remote.log.manager.fetch.quota.window.num", SETTING_INT, "11", AT_LEAST(1), TIERED },
    { "remote.log.manager.fetch.quota.window.size.seconds", SETTING_INT, "1", AT_LEAST(1), TIERED },
    { "remote.log.manager.follower.thread.pool.size", SETTING_INT, "2", AT_LEAST(1), TIERED,
            .dynamic = true },
    { "remote.log.manager.task.interval.ms", SETTING_LONG, "30000", AT_LEAST(1), TIERED },
    { "remote.log.manager.thread.pool.size", SETTING_INT, "2", AT_LEAST(1), TIERED },
    { "remote.log.metadata.custom.metadata.max.bytes", SETTING_INT, "128", AT_LEAST(0), TIERED },
    { "remote.log.metadata.manager.class.name", SETTING_STRING,
            "org.apache.kafka.server.log.remote.metadata.storage."
            "TopicBasedRemoteLogMetadataManager",
            TIERED, .check = check_not_empty },
    { "remote.log.metadata.manager.class.path", SETTING_STRING, NULL, TIERED },
    { "remote.log.metadata.manager.impl.prefix", SETTING_STRING, "rlmm.config.", TIERED,
            .check = check_not_empty },
    { "remote.log.metadata.manager.listener.name", SETTING_STRING, NULL, TIERED,
            .check = check_not_empty },
    { "remote.log.reader.max.pending.tasks", SETTING_INT, "100", AT_LEAST(1), TIERED },
    { "remote.log.storage.manager.class.name", SETTING_STRING, NULL, TIERED,
            .check = check_not_empty },
    { "remote.log.storage.manager.class.path", SETTING_STRING, NULL, TIERED },
    { "remote.log.storage.manager.impl.prefix", SETTING_STRING, "rsm.config.", TIERED,
            .check = check_not_empty },
    { "errors.deadletterqueue.auto.create.topics.enable", SETTING_BOOL, "false", SHARE,
            .dynamic = true },
    { "errors.deadletterqueue.topic.name.prefix", SETTING_STRING, "dlq.", SHARE, .dynamic = true },
    { "group.share.assignment.interval.ms", SETTING_INT, "1000", AT_LEAST(0), SHARE,
            .dynamic = true },
    { "group.share.assignors", SETTING_LIST, "simple", SHARE, .list = LIST_NOT_EMPTY },
    { "group.share.delivery.count.limit", SETTING_INT, "5", BETWEEN(2, 10), SHARE },
    { "group.share.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), SHARE },
    { "group.share.max.assignment.interval.ms", SETTING_INT, "15000", AT_LEAST(0), SHARE },
    { "group.share.max.delivery.count.limit", SETTING_INT, "10", BETWEEN(5, 25), SHARE },
    { "group.share.max.heartbeat.interval.ms", SETTING_INT, "15000", AT_LEAST(1), SHARE },
    { "group.share.max.partition.max.record.locks", SETTING_INT, "4000", BETWEEN(2000, 10000),
            SHARE },
    { "group.share.max.record.lock.duration.ms", SETTING_INT, "60000", BETWEEN(30000, 3600000),
            SHARE },
    { "group.share.max.session.timeout.ms", SETTING_INT, "60000", AT_LEAST(1), SHARE },
    { "group.share.max.share.sessions", SETTING_INT, "2000", AT_LEAST(1), SHARE },
    { "group.share.max.size", SETTING_INT, "200", BETWEEN(1, 1000), SHARE },
    { "group.share.min.assignment.interval.ms", SETTING_INT, "0", AT_LEAST(0), SHARE },
    { "group.share.min.delivery.count.limit", SETTING_INT, "2", BETWEEN(2, 5), SHARE },
    { "group.share.min.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), SHARE },
    { "group.share.min.partition.max.record.locks", SETTING_INT, "100", BETWEEN(100, 2000), SHARE },
    { "group.share.min.record.lock.duration.ms", SETTING_INT, "15000", BETWEEN(1000, 30000),
            SHARE },
    { "group.share.min.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), SHARE },
    { "group.share.partition.max.record.locks", SETTING_INT, "2000", BETWEEN(100, 10000), SHARE },
    { "group.share.record.lock.duration.ms", SETTING_INT, "30000", BETWEEN(1000, 3600000), SHARE },
    { "group.share.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), SHARE },
    { "share.coordinator.snapshot.update.records.per.snapshot", SETTING_INT, "500", BETWEEN(0, 500),
            SHARE },
    { "share.coordinator.state.topic.num.partitions", SETTING_INT, "50", AT_LEAST(1), SHARE },
    { "share.coordinator.write.timeout.ms", SETTING_INT, "5000", AT_LEAST(1), SHARE },
    { "group.streams.assignment.interval.ms", SETTING_INT, "1000", AT_LEAST(0), STREAMS,
            .dynamic = true },
    { "group.streams.assignors", SETTING_LIST, "sticky", STREAMS, .list = LIST_NOT_EMPTY },
    { "group.streams.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), STREAMS },
    { "group.streams.initial.rebalance.delay.ms", SETTING_INT, "3000", AT_LEAST(0), STREAMS },
    { "group.streams.max.assignment.interval.ms", SETTING_INT, "15000", AT_LEAST(0), STREAMS },
    { "group.streams.max.heartbeat.interval.ms", SETTING_INT, "15000", AT_LEAST(1), STREAMS },
    { "group.streams.max.session.timeout.ms", SETTING_INT, "60000", AT_LEAST(1), STREAMS },
    { "group.streams.max.size", SETTING_INT, "2147483647", AT_LEAST(1), STREAMS },
    { "group.streams.max.standby.replicas", SETTING_INT, "2", AT_LEAST(0), STREAMS },
    { "group.streams.min.assignment.interval.ms", SETTING_INT, "0", AT_LEAST(0), STREAMS },
    { "group.streams.min.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), STREAMS },
    { "group.streams.min.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), STREAMS },
    { "group.streams.num.standby.replicas", SETTING_INT, "0", AT_LEAST(0), STREAMS },
    { "group.streams.rack.aware.assignment.tags", SETTING_LIST, "", STREAMS, .list = LIST_UNIQUE },
    { "group.streams.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), STREAMS },
    { "group.streams.topology.description.plugin.class", SETTING_STRING, NULL, STREAMS,
            .differs = "the class is not looked up: classes of Java cannot be loaded" },
    { "group.consumer.assignment.interval.ms", SETTING_INT, "1000", AT_LEAST(0), CONSUMER,
            .dynamic = true },
    { "group.consumer.assignors", SETTING_LIST, "uniform,range", CONSUMER, .list = LIST_NOT_EMPTY },
    { "group.consumer.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), CONSUMER },
    { "group.consumer.max.assignment.interval.ms", SETTING_INT, "15000", AT_LEAST(0), CONSUMER },
    { "group.consumer.max.heartbeat.interval.ms", SETTING_INT, "15000", AT_LEAST(1), CONSUMER },
    { "group.consumer.max.session.timeout.ms", SETTING_INT, "60000", AT_LEAST(1), CONSUMER },
    { "group.consumer.max.size", SETTING_INT, "2147483647", AT_LEAST(1), CONSUMER },
    { "group.consumer.migration.policy", SETTING_STRING, "bidirectional", CONSUMER,
            .check = check_migration_policy },
    { "group.consumer.min.assignment.interval.ms", SETTING_INT, "0", AT_LEAST(0), CONSUMER },
    { "group.consumer.min.heartbeat.interval.ms", SETTING_INT, "5000", AT_LEAST(1), CONSUMER },
    { "group.consumer.min.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), CONSUMER },
    { "group.consumer.session.timeout.ms", SETTING_INT, "45000", AT_LEAST(1), CONSUMER },
    { "group.coordinator.rebalance.protocols", SETTING_LIST, "classic,consumer,streams", CONSUMER,
            .list = LIST_NOT_EMPTY, .choices = "consumer, classic, share, streams" },
    { "compression.gzip.level", SETTING_INT, "-1", .check = check_gzip_level, LEVELS,
            .dynamic = true },
    { "compression.lz4.level", SETTING_INT, "9", BETWEEN(1, 17), LEVELS, .dynamic = true },
    { "compression.zstd.level", SETTING_INT, "3", BETWEEN(-131072, 22), LEVELS, .dynamic = true },
    { "socket.receive.buffer.bytes", SETTING_INT, "102400", SOCKETS },
    { "socket.send.buffer.bytes", SETTING_INT, "102400", SOCKETS },
    { "add.partitions.to.txn.retry.backoff.max.ms", SETTING_INT, "100", AT_LEAST(0), TXN },
    { "add.partitions.to.txn.retry.backoff.ms", SETTING_INT, "20", AT_LEAST(1), TXN },
    { "transaction.partition.verification.enable", SETTING_BOOL, "true", TXN, .dynamic = true },
    { "transaction.remove.expired.transaction.cleanup.interval.ms", SETTING_INT, "3600000",
            AT_LEAST(1), TXN },
    { "inter.broker.protocol.version", SETTING_STRING, NULL, QUORUM,
            .differs = "no longer Kafka's, but in older files" },
    { "log.message.format.version", SETTING_STRING, NULL, LOCAL,
            .differs = "no longer Kafka's, but in older files" },
    { "zookeeper.connect", SETTING_STRING, NULL, QUORUM,
            .differs = "no longer Kafka's, but in older files" },
};
const size_t settings_inert_row_count = ARRAY_SIZE(settings_inert_rows);

struct refused {
    const char *name; /* a prefix when it ends in '.' */
    const char *reason;
};

static const struct refused refused_rows[] = {
    { "ssl.", "TLS on listeners is not there yet" },
    { "sasl.", "SASL is not there yet" },
    { "listener.name.", "security of single listeners is not there yet" },
    { "authorizer.class.name", "there is no authorizer yet: everybody may do everything" },
    { "super.users", "there is no authorizer yet: everybody may do everything" },
    { "allow.everyone.if.no.acl.found", "there is no authorizer yet: everybody may do everything" },
    { "principal.builder.class", "classes of Java cannot be loaded" },
    { "security.providers", "classes of Java cannot be loaded" },
    { "config.providers", "classes of Java cannot be loaded; use the environment: FRESHET_<KEY>" },
    { "client.quota.callback.class", "classes of Java cannot be loaded" },
    { "create.topic.policy.class.name", "classes of Java cannot be loaded" },
    { "alter.config.policy.class.name", "classes of Java cannot be loaded" },
    { "delegation.token.", "delegation tokens are not there yet" },
    { "connections.max.reauth.ms", "SASL is not there yet" },
    { "connection.failed.authentication.delay.ms", "SASL is not there yet" },
    { "transaction.two.phase.commit.enable", "two-phase commit is not there yet" },
    { "remote.log.storage.system.enable", "all data is in the object store anyway" },
};

const char *
settings_refused(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_rows); i++) {
        struct bytes row = bytes_of_string(refused_rows[i].name);
        bool prefix = row.size && row.data[row.size - 1] == '.';
        if (prefix ? bytes_starts_with(name, row) : bytes_equal(name, row)) {
            return refused_rows[i].reason;
        }
    }
    return NULL;
}

const char *
settings_refused_at(size_t index, const char **ret_reason)
{
    if (index >= ARRAY_SIZE(refused_rows)) {
        return NULL;
    }
    *ret_reason = refused_rows[index].reason;
    return refused_rows[index].name;
}
