"""confluent-kafka-python against a broker: producers, consumers, groups, configs and admin calls as its users write them."""

import threading
import time
from collections import Counter

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from harness import BOOTSTRAP, CODECS, check, equal, main, unique, until

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def settings(base, changes):
    return {"bootstrap.servers": BOOTSTRAP, **base, **{key.replace("_", "."): value for key, value in changes.items()}}


def producer(**changes):
    return Producer(settings({"linger.ms": 5}, changes))


def consumer(**changes):
    base = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "group.id": unique("group")}
    return Consumer(settings(base, changes))


def new_topic(what, partitions=1, **configs):
    topic = unique(what)
    config = {key.replace("_", "."): value for key, value in configs.items()}
    admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)
    return topic


def value_of(i):
    return f"value {i} " + "x" * (i % 200)


def produce(topic, count, first=0, **changes):
    errors = []
    p = producer(**changes)
    for i in range(first, first + count):
        p.produce(topic, key=f"key {i}", value=value_of(i), on_delivery=lambda error, _: error and errors.append(error))
        p.poll(0)
    equal(p.flush(60), 0, "records left")
    equal(errors, [], "errors")


def take(c, count, seconds=40):
    """Up to count records; fewer when they don't come in time."""
    records, end = [], time.monotonic() + seconds
    while len(records) < count and time.monotonic() < end:
        record = c.poll(0.2)
        if record is None:
            continue
        if record.error():
            raise KafkaException(record.error())
        records.append(record)
    return records


def none_more(c, seconds=1.0):
    equal([r.offset() for r in take(c, 1, seconds)], [], "a record too much")


def read(topic, count, partitions=1, **changes):
    """Exactly count records from the beginning of all partitions."""
    c = consumer(**changes)
    try:
        c.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        records = take(c, count)
        equal(len(records), count, "records")
        none_more(c, 0.5)
        return records
    finally:
        c.close()


def code_of(call):
    """The error code that call() raises."""
    try:
        result = call()
    except KafkaException as error:
        return error.args[0].code()
    raise AssertionError(f"no error but {result!r}")


# Producing and fetching


def codec_check(codec, idempotent):
    def body():
        topic = new_topic("codec", 3)
        produce(topic, 1000, compression_type=codec, enable_idempotence=idempotent)
        got = {record.key().decode(): record.value().decode() for record in read(topic, 1000, 3)}
        equal(got, {f"key {i}": value_of(i) for i in range(1000)})

    body.__name__ = f"codec_{codec}{'_idempotent' if idempotent else ''}"
    check(body)


for name in CODECS:
    codec_check(name, False)
    codec_check(name, True)


@check
def broker_side_compression():
    for codec in CODECS[1:]:
        topic = new_topic("recompressed", compression_type=codec)
        produce(topic, 200)
        equal([r.value().decode() for r in read(topic, 200)], [value_of(i) for i in range(200)], codec)


@check
def idempotent_order():
    topic = new_topic("order")
    p = producer(enable_idempotence=True, batch_num_messages=7, linger_ms=0)
    for i in range(3000):
        p.produce(topic, value=str(i))
        p.poll(0)
    equal(p.flush(60), 0)
    records = read(topic, 3000)
    equal([r.value() for r in records], [str(i).encode() for i in range(3000)])
    equal([r.offset() for r in records], list(range(3000)))


@check
def idempotent_on_new_topics():
    """A topic is writable when CreateTopics has answered: the first of five requests in flight must not be the one that is refused."""
    for _ in range(4):
        topic = new_topic("fresh", 2)
        p = producer(enable_idempotence=True, batch_num_messages=1, linger_ms=0)
        for i in range(50):
            p.produce(topic, value=str(i), partition=i % 2)
        equal(p.flush(60), 0)
        for partition in range(2):
            c = consumer()
            c.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            equal([r.value() for r in take(c, 25)], [str(i).encode() for i in range(partition, 50, 2)])
            c.close()


@check
def acks_none_one_all():
    for acks in ("0", "1", "all"):
        topic = new_topic("acks")
        produce(topic, 100, acks=acks)
        equal(len(read(topic, 100)), 100)


@check
def headers_tombstones_timestamps():
    topic = new_topic("parts-of-a-record")
    p = producer()
    p.produce(topic, key="k", value=None)
    p.produce(
        topic, value="v", timestamp=1600000000123, headers=[("a", b"1"), ("a", b"2"), ("null", None), ("empty", b"")]
    )
    p.produce(topic, key=b"", value=b"")
    p.produce(topic, key="gr\u00f6\u00dfe", value="\u00fcn\u00ef", headers=[("schl\u00fcssel", b"wert")])
    equal(p.flush(30), 0)
    tombstone, headers, empty, unicode = read(topic, 4)
    equal((tombstone.key(), tombstone.value(), tombstone.headers()), (b"k", None, None))
    equal((headers.key(), headers.value()), (None, b"v"))
    equal(headers.headers(), [("a", b"1"), ("a", b"2"), ("null", None), ("empty", b"")])
    equal(headers.timestamp(), (1, 1600000000123), "create time")
    equal((empty.key(), empty.value()), (b"", b""))
    equal((unicode.key().decode(), unicode.headers()), ("gr\u00f6\u00dfe", [("schl\u00fcssel", b"wert")]))
    assert abs(tombstone.timestamp()[1] - time.time() * 1000) < 120_000, tombstone.timestamp()


@check
def log_append_time():
    topic = new_topic("append-time", message_timestamp_type="LogAppendTime")
    p = producer()
    p.produce(topic, value="v", timestamp=1600000000123)
    equal(p.flush(30), 0)
    kind, stamp = read(topic, 1)[0].timestamp()
    equal(kind, 2, "log append time")
    assert abs(stamp - time.time() * 1000) < 120_000, stamp


@check
def record_too_large():
    topic = new_topic("too-large", max_message_bytes="20000")
    errors = []
    p = producer(message_max_bytes=4_000_000)
    for size in (30_000, 10, 3_000_000):
        p.produce(topic, value=b"x" * size, on_delivery=lambda error, _: errors.append(error and error.code()))
        equal(p.flush(60), 0)
    equal(errors, [KafkaError.MSG_SIZE_TOO_LARGE, None, KafkaError.MSG_SIZE_TOO_LARGE])
    equal(len(read(topic, 1)), 1)


@check
def records_without_a_key_in_a_compacted_topic():
    """The broker names the records at fault (KIP-467): the client tells of them and of their neighbours apart."""
    topic = new_topic("compacted", cleanup_policy="compact")
    errors = []
    p = producer(linger_ms=500)
    for i in range(10):
        key = None if i % 5 == 0 else f"key {i}"
        p.produce(topic, key=key, value="v", on_delivery=lambda error, _: errors.append(error and error.code()))
    equal(p.flush(60), 0)
    equal(errors.count(KafkaError.INVALID_RECORD), 2, errors)
    equal(errors.count(KafkaError._INVALID_DIFFERENT_RECORD), 8, errors)


@check
def records_larger_than_the_fetch():
    """max.partition.fetch.bytes and fetch.max.bytes never stop a consumer at a large record."""
    topic = new_topic("large")
    p = producer(message_max_bytes=1_000_000)
    for i in range(6):
        p.produce(topic, value=bytes([65 + i]) * 700_000)
        equal(p.flush(60), 0)
    records = read(
        topic, 6, message_max_bytes=1000, fetch_message_max_bytes=1000, fetch_max_bytes=1000, receive_message_max_bytes=2_000_000
    )
    equal([r.value()[:1] for r in records], [b"A", b"B", b"C", b"D", b"E", b"F"])


# Offsets


@check
def offsets_for_times_and_watermarks():
    topic = new_topic("times")
    p = producer()
    for i in range(10):
        p.produce(topic, value="v", timestamp=1600000000000 + i * 1000)
    equal(p.flush(30), 0)
    c = consumer()
    stamps = ((1600000000000, 0), (1600000004500, 5), (1500000000000, 0), (1700000000000, -1))
    for stamp, offset in stamps:
        equal(c.offsets_for_times([TopicPartition(topic, 0, stamp)], timeout=30)[0].offset, offset, stamp)
    equal(c.get_watermark_offsets(TopicPartition(topic, 0), timeout=30), (0, 10))
    c.close()
    specs = ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.max_timestamp(), 9))
    for spec, offset in specs:
        found = admin.list_offsets({TopicPartition(topic, 0): spec})
        equal(next(iter(found.values())).result(30).offset, offset)


@check
def seek_pause_resume_position():
    topic = new_topic("seek", 2)
    p = producer()
    for i in range(200):
        p.produce(topic, value=str(i // 2), partition=i % 2)
    equal(p.flush(30), 0)
    c = consumer()
    c.assign([TopicPartition(topic, 0, OFFSET_BEGINNING), TopicPartition(topic, 1, OFFSET_BEGINNING)])
    equal(len(take(c, 200)), 200)
    equal([tp.offset for tp in c.position([TopicPartition(topic, 0), TopicPartition(topic, 1)])], [100, 100])
    c.pause([TopicPartition(topic, 1)])
    c.seek(TopicPartition(topic, 0, 90))
    equal([r.offset() for r in take(c, 10)], list(range(90, 100)))
    c.seek(TopicPartition(topic, 1, 95))
    none_more(c)
    c.resume([TopicPartition(topic, 1)])
    equal([(r.partition(), r.offset()) for r in take(c, 5)], [(1, i) for i in range(95, 100)])
    c.close()


@check
def offset_out_of_range():
    topic = new_topic("range")
    produce(topic, 10)
    for reset, expected in (("earliest", [0]), ("latest", []), ("error", KafkaError._AUTO_OFFSET_RESET)):
        c = consumer(auto_offset_reset=reset)
        c.assign([TopicPartition(topic, 0, 5000)])
        if reset == "error":
            equal(code_of(lambda: take(c, 1)), expected)  # noqa: B023
        else:
            equal([r.offset() for r in take(c, 1, 40 if expected else 2)], expected, reset)
        c.close()


@check
def from_the_end():
    topic = new_topic("end")
    produce(topic, 10)
    c = consumer()
    c.assign([TopicPartition(topic, 0, OFFSET_END)])
    none_more(c)
    produce(topic, 3, first=10)
    equal([r.offset() for r in take(c, 3)], [10, 11, 12])
    c.close()


# Groups


@check
def manual_commits():
    topic, group = new_topic("commit"), unique("group")
    produce(topic, 100)
    c = consumer(group_id=group)
    c.subscribe([topic])
    records = take(c, 40)
    c.commit(message=records[-1], asynchronous=False)
    equal(c.committed([TopicPartition(topic, 0)], timeout=30)[0].offset, 40)
    c.commit(offsets=[TopicPartition(topic, 0, 70, "why: because")], asynchronous=False)
    committed = c.committed([TopicPartition(topic, 0)], timeout=30)[0]
    equal((committed.offset, committed.metadata), (70, "why: because"))
    c.close()
    c = consumer(group_id=group)
    c.subscribe([topic])
    equal([r.offset() for r in take(c, 30)], list(range(70, 100)))
    c.close()


@check
def automatic_commits():
    topic, group = new_topic("auto"), unique("group")
    produce(topic, 100)
    c = consumer(group_id=group, enable_auto_commit=True, auto_commit_interval_ms=200)
    c.subscribe([topic])
    equal(len(take(c, 60)), 60)
    until(lambda: c.poll(0.05) is None or c.committed([TopicPartition(topic, 0)], timeout=30)[0].offset >= 60, 30, "60 committed")
    c.close()
    other = consumer(group_id=group)
    left = other.committed([TopicPartition(topic, 0)], timeout=30)[0].offset
    assert left >= 60, left
    other.close()


class Member(threading.Thread):
    """A consumer of a group that polls in a thread of its own. owned is what it has, seen what it got."""

    def __init__(self, topics, **changes):
        super().__init__(daemon=True)
        self.owned, self.seen, self.error, self.rebalances = set(), Counter(), None, 0
        self.stopping, self.keep_membership = threading.Event(), False
        self.topics, self.changes = topics, changes
        self.cooperative = changes.get("partition_assignment_strategy") == "cooperative-sticky"

    def assigned(self, c, partitions):
        self.rebalances += 1
        mine = {(p.topic, p.partition) for p in partitions}
        self.owned = self.owned | mine if self.cooperative else mine

    def revoked(self, c, partitions):
        self.owned -= {(p.topic, p.partition) for p in partitions}

    def run(self):
        try:
            c = consumer(**self.changes)
            c.subscribe(self.topics, on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
            while not self.stopping.is_set():
                record = c.poll(0.1)
                if record is not None and not record.error():
                    self.seen[record.value()] += 1
                    c.commit(message=record, asynchronous=True)
            c.close()
            self.owned = set()
        except BaseException as error:
            self.error = error

    def stop(self):
        self.stopping.set()
        self.join(60)
        if self.error:
            raise self.error


def shares(members):
    return [len(m.owned) for m in members]


def rebalance_check(strategy):
    def body():
        topic, group = new_topic("rebalance", 6), unique("group")
        timing = {"session_timeout_ms": 10000, "heartbeat_interval_ms": 300}
        members = [Member([topic], group_id=group, partition_assignment_strategy=strategy, **timing) for _ in range(3)]
        members[0].start()
        until(lambda: shares(members) == [6, 0, 0], 60, lambda: f"one has all: {shares(members)}")
        produce(topic, 300)
        members[1].start()
        members[2].start()
        until(lambda: shares(members) == [2, 2, 2], 60, lambda: f"two each: {shares(members)}")
        equal(len(set().union(*(m.owned for m in members))), 6, "all are owned")
        produce(topic, 300, first=300)
        members[1].stop()
        members[2].stop()
        until(lambda: shares(members) == [6, 0, 0], 60, lambda: f"all are back: {shares(members)}")
        seen = lambda: len(set().union(*(m.seen for m in members)))  # noqa: E731
        until(lambda: seen() == 600, 60, lambda: f"{seen()} of 600 seen")
        members[0].stop()

    body.__name__ = "rebalance_of_three_" + strategy.replace("-", "_")
    check(body)


for name in ("range", "roundrobin", "cooperative-sticky"):
    rebalance_check(name)


@check
def a_member_that_dies_is_replaced():
    topic, group = new_topic("dies", 2), unique("group")
    dead = consumer(group_id=group, session_timeout_ms=6000, heartbeat_interval_ms=500, max_poll_interval_ms=6000)
    dead.subscribe([topic])
    until(lambda: dead.poll(0.1) is None and len(dead.assignment()) == 2, 60, "the first has both")
    heir = Member([topic], group_id=group, session_timeout_ms=6000)
    heir.start()  # the first one never polls again: it loses its place by max.poll.interval.ms
    until(lambda: shares([heir]) == [2], 60, "the second has both")
    heir.stop()
    dead.close()


@check
def static_members_keep_their_partitions():
    topic, group = new_topic("static", 4), unique("group")
    base = {"group_id": group, "session_timeout_ms": 45000, "heartbeat_interval_ms": 300}
    first = Member([topic], group_instance_id="one", **base)
    second = Member([topic], group_instance_id="two", **base)
    first.start()
    second.start()
    until(lambda: shares([first, second]) == [2, 2], 60, lambda: f"two each: {shares([first, second])}")
    had, calm = set(second.owned), first.rebalances
    second.stop()  # a static member leaves nothing: its partitions wait for it
    again = Member([topic], group_instance_id="two", **base)
    again.start()
    until(lambda: again.owned == had, 60, lambda: f"{again.owned}, it had {had}")
    equal(first.rebalances, calm, "rebalances of the other")
    first.stop()
    again.stop()


@check
def a_static_member_is_fenced_by_its_twin():
    topic, group = new_topic("twin"), unique("group")
    first = consumer(group_id=group, group_instance_id="same", session_timeout_ms=10000, heartbeat_interval_ms=300)
    first.subscribe([topic])
    until(lambda: first.poll(0.1) is None and first.assignment(), 60, "assigned")
    twin = Member([topic], group_id=group, group_instance_id="same", session_timeout_ms=10000)
    twin.start()
    until(lambda: shares([twin]) == [1], 60, "the twin has it")
    found = []

    def fenced():
        record = first.poll(0.1)
        if record is not None and record.error():
            found.append(record.error().code())
        return found

    try:
        until(fenced, 30, "the first is told")
    except KafkaException as error:
        found.append(error.args[0].code())
    assert found[0] in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID), found
    twin.stop()
    first.close()


@check
def regex_subscription():
    prefix = unique("regex")
    names = [f"{prefix}.{i}" for i in range(3)]
    for done in admin.create_topics([NewTopic(n, 1, 1) for n in names[:2]]).values():
        done.result(30)
    member = Member([f"^{prefix}\\..*"], topic_metadata_refresh_interval_ms=500)
    member.start()
    until(lambda: member.owned == {(n, 0) for n in names[:2]}, 60, lambda: f"{member.owned}")
    admin.create_topics([NewTopic(names[2], 1, 1)])[names[2]].result(30)
    until(lambda: member.owned == {(n, 0) for n in names}, 60, lambda: f"the new one too: {member.owned}")
    produce(names[2], 5)
    until(lambda: len(member.seen) == 5, 30, "its records")
    member.stop()


@check
def commits_of_strangers_are_refused():
    topic, group = new_topic("stranger"), unique("group")
    owner = consumer(group_id=group)
    owner.subscribe([topic])
    until(lambda: owner.poll(0.1) is None and owner.assignment(), 60, "assigned")
    stranger = consumer(group_id=group)
    code = code_of(lambda: stranger.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False))
    equal(code, KafkaError.UNKNOWN_MEMBER_ID)
    stranger.close()
    owner.close()


# Admin


@check
def topics_and_configs():
    topic = new_topic("admin", 2, retention_ms="12345")
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    described = admin.describe_configs([resource])[resource].result(30)
    equal((described["retention.ms"].value, described["retention.ms"].is_default), ("12345", False))
    equal((described["cleanup.policy"].value, described["cleanup.policy"].is_default), ("delete", True))

    def alter(key, value, operation):
        entry = ConfigEntry(key, value, incremental_operation=operation)
        change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        return next(iter(admin.incremental_alter_configs([change]).values())).result(30)

    value = lambda key: admin.describe_configs([resource])[resource].result(30)[key].value  # noqa: E731
    alter("retention.ms", "54321", AlterConfigOpType.SET)
    until(lambda: value("retention.ms") == "54321", 10, "changed")
    alter("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    until(lambda: value("cleanup.policy") in ("delete,compact", "compact,delete"), 10, "appended")
    alter("retention.ms", None, AlterConfigOpType.DELETE)
    until(lambda: value("retention.ms") == "604800000", 10, "deleted")
    equal(code_of(lambda: alter("retention.ms", "soon", AlterConfigOpType.SET)), KafkaError.INVALID_CONFIG)
    equal(code_of(lambda: alter("no.such.config", "1", AlterConfigOpType.SET)), KafkaError.INVALID_CONFIG)

    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(30)
    until(lambda: len(admin.list_topics(topic, timeout=30).topics[topic].partitions) == 5, 10, "five partitions")
    asked = admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True)
    described = asked[topic].result(30)
    equal((described.name, len(described.partitions), described.is_internal), (topic, 5, False))
    operations = {"READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"}
    equal({operation.name for operation in described.authorized_operations}, operations)
    admin.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in admin.list_topics(timeout=30).topics, 10, "deleted")


@check
def a_deleted_topic_comes_back_empty():
    topic = new_topic("again")
    produce(topic, 10)
    admin.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in admin.list_topics(timeout=30).topics, 10, "deleted")
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    produce(topic, 3)
    equal([r.offset() for r in read(topic, 3)], [0, 1, 2])


@check
def errors_of_topics():
    topic = new_topic("errors", 2)
    create = lambda t, **more: admin.create_topics([NewTopic(t, **more)])[t].result(30)  # noqa: E731
    equal(code_of(lambda: create(topic, num_partitions=1, replication_factor=1)), KafkaError.TOPIC_ALREADY_EXISTS)
    equal(code_of(lambda: create("a/b", num_partitions=1, replication_factor=1)), KafkaError.TOPIC_EXCEPTION)
    equal(code_of(lambda: create("x" * 250, num_partitions=1, replication_factor=1)), KafkaError.TOPIC_EXCEPTION)
    equal(code_of(lambda: create(unique("none"), num_partitions=0, replication_factor=1)), KafkaError.INVALID_PARTITIONS)
    equal(code_of(lambda: create(unique("no-copies"), num_partitions=1, replication_factor=0)), KafkaError.INVALID_REPLICATION_FACTOR)
    bad = {"retention.ms": "soon"}
    equal(code_of(lambda: create(unique("bad"), num_partitions=1, replication_factor=1, config=bad)), KafkaError.INVALID_CONFIG)
    grow = lambda count: admin.create_partitions([NewPartitions(topic, count)])[topic].result(30)  # noqa: E731
    equal(code_of(lambda: grow(1)), KafkaError.INVALID_PARTITIONS)
    missing = unique("missing")
    delete = lambda: admin.delete_topics([missing])[missing].result(30)  # noqa: E731
    equal(code_of(delete), KafkaError.UNKNOWN_TOPIC_OR_PART)
    validated = unique("validated")
    admin.create_topics([NewTopic(validated, 1, 1)], validate_only=True)[validated].result(30)
    assert validated not in admin.list_topics(timeout=30).topics


@check
def records_are_deleted():
    topic = new_topic("delete-records")
    produce(topic, 100)
    deleted = admin.delete_records([TopicPartition(topic, 0, 40)])
    equal(next(iter(deleted.values())).result(30).low_watermark, 40)
    earliest = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()})
    equal(next(iter(earliest.values())).result(30).offset, 40)
    equal([r.offset() for r in read(topic, 60)], list(range(40, 100)))
    beyond = admin.delete_records([TopicPartition(topic, 0, 4000)])
    equal(code_of(next(iter(beyond.values())).result), KafkaError.OFFSET_OUT_OF_RANGE)


@check
def groups_are_described_and_deleted():
    topic, group = new_topic("groups"), unique("group")
    produce(topic, 20)
    c = consumer(group_id=group, client_id="who")
    c.subscribe([topic])
    equal(len(take(c, 20)), 20)
    c.commit(asynchronous=False)
    described = admin.describe_consumer_groups([group])[group].result(30)
    equal((described.state, len(described.members)), (ConsumerGroupState.STABLE, 1))
    equal(described.members[0].client_id, "who")
    equal([(p.topic, p.partition) for p in described.members[0].assignment.topic_partitions], [(topic, 0)])
    listed = admin.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(30)
    assert group in {g.group_id for g in listed.valid}, "the group is listed"
    equal(code_of(lambda: admin.delete_consumer_groups([group])[group].result(30)), KafkaError.NON_EMPTY_GROUP)
    c.close()

    offset = lambda: admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]  # noqa: E731
    equal(offset().result(30).topic_partitions[0].offset, 20)
    change = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])
    admin.alter_consumer_group_offsets([change])[group].result(30)
    equal(offset().result(30).topic_partitions[0].offset, 3)
    equal(admin.describe_consumer_groups([group])[group].result(30).state, ConsumerGroupState.EMPTY)
    admin.delete_consumer_groups([group])[group].result(30)
    equal(offset().result(30).topic_partitions, [])
    missing = unique("missing")
    delete = lambda: admin.delete_consumer_groups([missing])[missing].result(30)  # noqa: E731
    equal(code_of(delete), KafkaError.GROUP_ID_NOT_FOUND)


@check
def the_cluster():
    described = admin.describe_cluster(include_authorized_operations=True).result(30)
    assert described.cluster_id and len(described.nodes) == 1 and described.controller, described
    equal(len(described.authorized_operations), 7)
    node = described.nodes[0]
    broker = ConfigResource(ConfigResource.Type.BROKER, str(node.id))
    configs = admin.describe_configs([broker])[broker].result(30)
    assert {"log.retention.ms", "message.max.bytes", "num.partitions"} <= set(configs), sorted(configs)
    equal(admin.list_topics(timeout=30).cluster_id, described.cluster_id)


# Errors


@check
def unknown_topics_and_partitions():
    topic = new_topic("two", 2)
    errors = []
    p = producer(message_timeout_ms=20000)
    try:
        p.produce(topic, value="v", partition=7, on_delivery=lambda error, _: errors.append(error.code()))
        equal(p.flush(60), 0)
    except KafkaException as error:
        errors.append(error.args[0].code())
    equal(errors, [KafkaError._UNKNOWN_PARTITION])
    c = consumer(allow_auto_create_topics=False)
    c.subscribe([unique("never")])
    equal(code_of(lambda: take(c, 1)), KafkaError.UNKNOWN_TOPIC_OR_PART)
    c.close()


@check
def auto_creation():
    topic = unique("auto-created")
    produce(topic, 5)
    equal(len(admin.list_topics(topic, timeout=30).topics[topic].partitions), 4, "num.partitions")


main()
