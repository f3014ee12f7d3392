#pragma once
/* Every queue, pool, map and growable buffer of Freshet has its ceiling here. Full means
 * back-pressure, never growth. Sizes in bytes unless the name says otherwise. */

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* reactor */
#define REACTORS_MAX 64
#define FIBERS_MAX 16384            /* per reactor; with mprotect guards two maps each */
#define FIBER_STACK_SIZE (64 * KIB) /* usable; four times as much under AddressSanitizer */
#define MAILBOX_CAPACITY 4096       /* messages between two reactors */
#define OFFLOAD_THREADS_MAX 16

/* net and session */
#define FRAME_SIZE_MAX (100 * MIB)            /* Kafka's socket.request.max.bytes default */
#define FRAME_BYTES_PER_SECOND_MIN (16 * KIB) /* a slower sender is closed */
#define CONNECTIONS_MAX 60000
#define CONNECTION_PIPELINE_MAX 64 /* requests of one connection under way at once */

#define REQUEST_ELEMENTS_MAX 200000         /* in all arrays of one request */
#define RECORD_ERRORS_MAX 10000             /* refused records that one produce answer names */
#define REQUEST_MEMORY_SOFT_MAX (384 * MIB) /* beyond it a request is not answered */
#define REQUEST_MEMORY_MAX (1 * GIB)        /* for one request's answer while it is made */

/* wire: Kafka 4.4 refuses the same numbers before it allocates */
#define WIRE_ARRAY_ELEMENTS_MAX 1000000
#define WIRE_TAGGED_FIELDS_MAX 10000

/* objectstore */
#define OBJECT_KEY_SIZE_MAX 512
#define OBJECT_SIZE_MAX (1 * GIB)

/* wal */
#define WAL_RECORD_SIZE_MAX (128 * MIB)
#define WAL_SEGMENT_SIZE (64 * MIB)
#define WAL_WAITERS_MAX 65536
#define WAL_GROUP_SIZE_MAX                                                                         \
    (2 * MIB) /* one flushed write: a default-sized batch of 1 MiB fits whole */
#define WAL_QUEUE_SIZE_MAX                                                                         \
    (32 * MIB) /* gathered, not durable yet; one record alone may be larger */
#define WAL_SEGMENTS_MAX 65536
/* wal.type: s3 */
#define WAL_OBJECTS_IN_FLIGHT 8          /* of one log */
#define WAL_OBJECT_GATHER_SIZE (4 * MIB) /* an object that has so much waits for no interval */
#define WAL_OBJECTS_MAX 262144           /* of one log in the bucket; then appends wait */
#define WAL_OBJECT_LOGS_MAX 4096         /* of one broker: one for each reactor */

/* store */
#define BLOCK_SIZE_TARGET (1 * MIB)
#define BLOCK_SIZE_MAX (128 * MIB)
#define STORE_OBJECT_RUNS_MAX 65536  /* partitions in one object */
#define STORE_RANGE_BLOCKS_MAX 65536 /* blocks of one partition in one object */
#define STORE_CHECKPOINT_SIZE_MAX (32 * MIB)
#define STORE_MANIFEST_RANGES_MAX 262144
#define STORE_MERGE_SIZE_MAX (256 * MIB) /* input of one merge, all of it in memory at once */
#define STORE_EXTENT_SIZE_MAX (4 * MIB)  /* adjacent blocks read ahead by one GET */
#define STORE_LOADS_MAX 64               /* GETs under way for read-ahead, per reactor */

/* meta */
#define META_RECORD_SIZE_MAX (8 * MIB)
#define META_PAYLOAD_SIZE_MAX (16 * MIB) /* records of one log object */
#define META_RECORDS_MAX (1 << 20)       /* in one log object: the index has 20 bits */
#define META_QUEUE_SIZE_MAX (64 * MIB)   /* proposals that wait for the log */
#define META_BROKERS_MAX 10000
#define META_CONFIGS_MAX 1000000
#define META_CONFIG_SIZE_MAX (64 * KIB) /* a config's key, name or value */
#define META_HOST_SIZE_MAX 255
#define META_ENDPOINTS_MAX 16            /* listeners of one broker */
#define META_LISTENER_SIZE_MAX 63        /* of a listener's name */
#define META_PARTITION_RANGES_MAX 100000 /* recent ranges of one partition */
#define META_INTENTS_MAX 65536
#define META_TAKERS_MAX 64            /* brokers that recover one dead broker's logs together */
#define META_INTENT_COUNT_MAX 65536   /* object ids in one intent */
#define INTERNAL_CONNECTIONS_MAX 1024 /* of brokers to the controller */
#define INTERNAL_HELLO_SIZE_MAX (8 * KIB)
#define INTERNAL_FRAME_SIZE_MAX (META_PAYLOAD_SIZE_MAX + 4 * KIB)
#define META_FEED_SIZE_MAX (64 * MIB) /* log objects that the controller keeps for followers */
#define META_FEED_OBJECTS_MAX 4096
#define META_SNAPSHOT_SIZE_MAX (512 * MIB)
#define OBJLOG_PAYLOAD_SIZE_MAX (160 * MIB)
#define TOPIC_NAME_SIZE_MAX 249 /* Kafka's Topic.validate */
#define PARTITIONS_MAX 1000000

/* groups, each per reactor */
#define GROUPS_MAX 100000
#define GROUPS_MEMORY_MAX (256 * MIB)     /* members, their metadata, committed offsets */
#define GROUP_WRITES_SIZE_MAX (32 * MIB)  /* of all coordinators, waiting for the log */
#define GROUP_RECORDS_SIZE_MAX (16 * MIB) /* of one request; a group with all its members */
