"""aiokafka, a client written in Python alone (asyncio), against a broker."""

import asyncio
import logging
import os
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
)
from harness import BOOTSTRAP, CODECS, check, equal, main, unique, until_async


if not os.environ.get("TRACE"):
    logging.disable(logging.CRITICAL)  # it tells of every rebalance


class started:
    """async with started(client): it is started, and stopped in the end."""

    def __init__(self, client, begin="start", end="stop"):
        self.client, self.begin, self.end = client, begin, end

    async def __aenter__(self):
        await getattr(self.client, self.begin)()
        return self.client

    async def __aexit__(self, *_):
        await getattr(self.client, self.end)()


def producer(**changes):
    return started(AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=5, **changes))


def consumer(*topics, **changes):
    base = {"bootstrap_servers": BOOTSTRAP, "auto_offset_reset": "earliest", "enable_auto_commit": False}
    return started(AIOKafkaConsumer(*topics, **{**base, **changes}))


def admin():
    return started(AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP), end="close")


async def new_topic(what, partitions=1, **configs):
    topic = unique(what)
    config = {key.replace("_", "."): value for key, value in configs.items()}
    async with admin() as a:
        answer = await a.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
        equal([code for _, code, *_ in answer.topic_errors], [0])
    return topic


async def produce(topic, count, first=0, **changes):
    async with producer(**changes) as p:
        sent = [await p.send(topic, b"value %d" % i, key=b"key %d" % i) for i in range(first, first + count)]
        await asyncio.gather(*sent)


async def take(c, count, seconds=40):
    records, end = [], time.monotonic() + seconds
    while len(records) < count and time.monotonic() < end:
        for batch in (await c.getmany(timeout_ms=200, max_records=count - len(records))).values():
            records += batch
    return records


async def read(topic, count, partitions=1, **changes):
    async with consumer(**changes) as c:
        c.assign([TopicPartition(topic, p) for p in range(partitions)])
        await c.seek_to_beginning()
        records = await take(c, count)
        equal(len(records), count, "records")
        equal(await take(c, 1, 0.5), [], "a record too much")
        return records


def codec_check(codec, idempotent):
    async def body():
        topic = await new_topic("codec", 3)
        kind = None if codec == "none" else codec
        await produce(topic, 1000, compression_type=kind, enable_idempotence=idempotent)
        got = {r.key: r.value for r in await read(topic, 1000, 3)}
        equal(got, {b"key %d" % i: b"value %d" % i for i in range(1000)})

    body.__name__ = f"codec_{codec}{'_idempotent' if idempotent else ''}"
    check(body)


for name in CODECS:
    codec_check(name, name in ("none", "zstd"))


@check
async def headers_tombstones_timestamps():
    topic = await new_topic("parts-of-a-record")
    async with producer() as p:
        await p.send_and_wait(topic, None, key=b"k")
        await p.send_and_wait(topic, b"v", timestamp_ms=1600000000123, headers=[("a", b"1"), ("a", b"2"), ("e", b"")])
        sent = await p.send_and_wait(topic, b"", key=b"")
        equal((sent.offset, sent.timestamp_type), (2, 0))
    tombstone, headers, empty = await read(topic, 3)
    equal((tombstone.key, tombstone.value), (b"k", None))
    equal((headers.key, headers.value, headers.timestamp), (None, b"v", 1600000000123))
    equal(headers.headers, (("a", b"1"), ("a", b"2"), ("e", b"")))
    equal((empty.key, empty.value), (b"", b""))


@check
async def acks_none_one_all():
    for acks in (0, 1, "all"):
        topic = await new_topic("acks")
        await produce(topic, 100, acks=acks)
        equal(len(await read(topic, 100)), 100)


@check
async def offsets_and_seeks():
    topic = await new_topic("offsets")
    async with producer() as p:
        for i in range(10):
            await p.send_and_wait(topic, b"%d" % i, timestamp_ms=int(time.time() * 1000) - 100_000 + i * 1000)
    tp = TopicPartition(topic, 0)
    async with consumer() as c:
        c.assign([tp])
        equal(await c.beginning_offsets([tp]), {tp: 0})
        equal(await c.end_offsets([tp]), {tp: 10})
        records = await take(c, 10)
        found = await c.offsets_for_times({tp: records[6].timestamp})
        equal((found[tp].offset, found[tp].timestamp), (6, records[6].timestamp))
        equal(await c.offsets_for_times({tp: records[9].timestamp + 1}), {tp: None})
        equal(await c.position(tp), 10)
        c.seek(tp, 4)
        equal([r.offset for r in await take(c, 6)], list(range(4, 10)))
        await c.seek_to_beginning(tp)
        c.pause(tp)
        equal(await take(c, 1, 0.5), [])
        c.resume(tp)
        equal([r.offset for r in await take(c, 2)], [0, 1])


@check
async def out_of_range():
    topic = await new_topic("range")
    await produce(topic, 5)
    tp = TopicPartition(topic, 0)
    async with consumer(auto_offset_reset="none") as c:
        c.assign([tp])
        c.seek(tp, 5000)
        try:
            await take(c, 1, 20)
            raise AssertionError("no error")
        except OffsetOutOfRangeError:
            pass


@check
async def record_too_large():
    topic = await new_topic("too-large", max_message_bytes="20000")
    async with producer(max_request_size=4_000_000) as p:
        for size in (30_000, 3_000_000):
            try:
                await p.send_and_wait(topic, b"x" * size)
                raise AssertionError("no error")
            except MessageSizeTooLargeError:
                pass
        await p.send_and_wait(topic, b"small")
    equal(len(await read(topic, 1)), 1)


@check
async def commits():
    topic, group = await new_topic("commit"), unique("group")
    await produce(topic, 100)
    tp = TopicPartition(topic, 0)
    async with consumer(topic, group_id=group) as c:
        await take(c, 40)
        await c.commit({tp: (30, "why: because")})
        equal(await c.committed(tp), 30)
    async with consumer(topic, group_id=group, enable_auto_commit=True, auto_commit_interval_ms=100) as c:
        equal([r.offset for r in await take(c, 50)], list(range(30, 80)))
    async with consumer(topic, group_id=group) as c:
        equal([r.offset for r in await take(c, 20)], list(range(80, 100)))


class Member(ConsumerRebalanceListener):
    """A consumer of a group in a task of its own. owned is what it has, seen what it got."""

    def __init__(self, topics, pattern=None, **changes):
        base = {"session_timeout_ms": 10000, "heartbeat_interval_ms": 300, "metadata_max_age_ms": 1000}
        self.owned, self.seen, self.rebalances = set(), set(), 0
        self.topics, self.pattern, self.changes = topics, pattern, {**base, **changes}
        self.task = asyncio.create_task(self.run())

    async def on_partitions_revoked(self, revoked):
        self.owned = set()

    async def on_partitions_assigned(self, assigned):
        self.rebalances += 1
        self.owned = set(assigned)

    async def run(self):
        try:
            async with consumer(**self.changes) as c:
                c.subscribe(self.topics or (), pattern=self.pattern, listener=self)
                while True:
                    for batch in (await c.getmany(timeout_ms=200)).values():
                        self.seen.update(r.value for r in batch)
        finally:
            self.owned = set()

    async def stop(self):
        self.task.cancel()
        try:
            await self.task
        except asyncio.CancelledError:
            pass


def shares(members):
    return [len(m.owned) for m in members]


def rebalance_check(assignor):
    async def body():
        topic, group = await new_topic("rebalance", 6), unique("group")
        more = {"group_id": group, "partition_assignment_strategy": [assignor]}
        members = [Member([topic], **more)]
        await until_async(lambda: shares(members) == [6], 60, lambda: f"one has all: {shares(members)}")
        await produce(topic, 300)
        members += [Member([topic], **more), Member([topic], **more)]
        await until_async(lambda: shares(members) == [2, 2, 2], 60, lambda: f"two each: {shares(members)}")
        equal(len(set().union(*(m.owned for m in members))), 6, "all are owned")
        await produce(topic, 300, first=300)
        await members[1].stop()
        await members[2].stop()
        await until_async(lambda: shares(members) == [6, 0, 0], 60, lambda: f"all are back: {shares(members)}")
        seen = lambda: len(set().union(*(m.seen for m in members)))  # noqa: E731
        await until_async(lambda: seen() == 600, 60, lambda: f"{seen()} of 600 seen")
        await members[0].stop()

    body.__name__ = f"rebalance_of_three_{assignor.name}"
    check(body)


for kind in (RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor):
    rebalance_check(kind)


@check
async def static_members():
    topic, group = await new_topic("static", 4), unique("group")
    more = {"group_id": group, "session_timeout_ms": 45000}
    first = Member([topic], group_instance_id="one", **more)
    second = Member([topic], group_instance_id="two", **more)
    await until_async(lambda: shares([first, second]) == [2, 2], 60, lambda: f"two each: {shares([first, second])}")
    had, calm = set(second.owned), first.rebalances
    await second.stop()
    again = Member([topic], group_instance_id="two", **more)
    await until_async(lambda: again.owned == had, 60, lambda: f"{again.owned}, it had {had}")
    equal(first.rebalances, calm, "rebalances of the other")
    await first.stop()
    await again.stop()


@check
async def regex_subscription():
    prefix = unique("regex")
    async with admin() as a:
        await a.create_topics([NewTopic(f"{prefix}.0", 1, 1), NewTopic(f"{prefix}.1", 1, 1)])
        member = Member(None, pattern=f"^{prefix}\\..*", group_id=unique("group"))
        owned = lambda: sorted(tp.topic for tp in member.owned)  # noqa: E731
        await until_async(lambda: owned() == [f"{prefix}.0", f"{prefix}.1"], 60, owned)
        await a.create_topics([NewTopic(f"{prefix}.2", 1, 1)])
        await until_async(lambda: len(owned()) == 3, 60, owned)
        await member.stop()


@check
async def a_lost_member_cannot_commit():
    topic, group = await new_topic("lost"), unique("group")
    await produce(topic, 10)
    async with consumer(topic, group_id=group, max_poll_interval_ms=3000, session_timeout_ms=6000) as c:
        await take(c, 5)
        await asyncio.sleep(4)
        other = Member([topic], group_id=group)
        await until_async(lambda: shares([other]) == [1], 60, "the other has it")
        try:
            await c.commit()
            raise AssertionError("the commit went through")
        except CommitFailedError:
            pass
        await other.stop()


@check
async def admin_calls():
    topic, group = await new_topic("admin", 2, retention_ms="12345"), unique("group")
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    async with admin() as a:

        async def value(key):
            answers = await a.describe_configs([resource])
            return {c[0]: c[1] for answer in answers for r in answer.resources for c in r[4]}[key]

        equal(await value("retention.ms"), "12345")
        await a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "54321"})])
        equal(await value("retention.ms"), "54321")
        await a.create_partitions({topic: NewPartitions(3)})
        equal(len((await a.describe_topics([topic]))[0]["partitions"]), 3)
        try:
            answer = await a.create_topics([NewTopic(topic, 1, 1)])
            equal([code for _, code, *_ in answer.topic_errors], [TopicAlreadyExistsError.errno])
        except TopicAlreadyExistsError:
            pass
        async with producer() as p:
            for i in range(10):
                await p.send_and_wait(topic, b"%d" % i, partition=0)
        await a.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
        async with consumer(topic, group_id=group) as c:
            equal([r.offset for r in await take(c, 6)], list(range(4, 10)))
            await c.commit()
        offsets = await a.list_consumer_group_offsets(group)
        equal(offsets[TopicPartition(topic, 0)].offset, 10)
        assert group in {g[0] for g in await a.list_consumer_groups()}, "the group is listed"
        described = (await a.describe_consumer_groups([group]))[0].groups[0]
        equal((described[0], described[1], described[2]), (0, group, "Empty"))
        cluster = await a.describe_cluster()
        equal(len(cluster["brokers"]), 1)
        await a.delete_topics([topic])
        assert topic not in await a.list_topics()


@check
async def errors():
    topic = await new_topic("errors")
    async with producer(request_timeout_ms=5000) as p:
        try:
            await p.send_and_wait(topic, b"v", partition=7)
            raise AssertionError("no error")
        except (KafkaError, AssertionError) as error:
            assert "partition" in str(error).lower(), error


main()
