"""codes.py PORT [peer]: what is well-formed and wrong, and the error code that Kafka has for it. tests/bad_input/codes starts it.

With `peer` the broker is Apache Kafka itself. Where Freshet answers otherwise on purpose, the case says why."""
import os
import sys
import time

import kafka
from kafka import Connection

PORT, PEER = int(sys.argv[1]), len(sys.argv) > 2
APIS = {api.name: api for api in kafka.schemas_read().values()}
failures, cases = [], 0
NOW = int(time.time() * 1000)
HOUR = 3600 * 1000
TOPIC, TIMED = b"codes", b"timed"


def expect(what, got, wanted):
    """`wanted` is a code or several that are all right."""
    global cases
    cases += 1
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    if got not in allowed:
        failures.append(f"{what}: {got}, not {wanted}")
        print("FAILED:", failures[-1], flush=True)


def ask(connection, api, version, **values):
    return connection.tell(APIS[api], version, values)


def has(c, api):
    return any(k["api_key"] == APIS[api].key for k in ask(c, "ApiVersions", 0)["api_keys"])


def until_ready(fn):
    """A coordinator that loads, a leader that is not there yet: clients ask again."""
    for _ in range(100):
        code = fn()
        if code not in (14, 15, 16, 5, 3):
            return code
        time.sleep(0.1)
    return code


# --- topics ---


def create(c, name, partitions=1, replication=1, configs=(), assignments=()):
    topic = {"name": name, "num_partitions": partitions, "replication_factor": replication,
        "assignments": [{"partition_index": p, "broker_ids": b} for p, b in assignments],
        "configs": [{"name": n, "value": v} for n, v in configs]}
    return ask(c, "CreateTopics", 7, topics=[topic], timeout_ms=10000)["topics"][0]["error_code"]


def test_topics(c):
    expect("a topic", create(c, TOPIC, 2), 0)
    expect("a topic with a narrow clock", create(c, TIMED, 1, configs=[(b"message.timestamp.before.max.ms", b"%d" % HOUR)]), 0)
    expect("a topic that is there", create(c, TOPIC), 36)
    for name in (b"", b".", b"..", b"a b", b"a/b", b"x" * 250, "tr\u00e8s".encode()):
        expect(f"a topic called {name[:20]}", create(c, name), 17)
    expect("no partitions", create(c, b"none", 0), 37)
    expect("replication factor 0", create(c, b"none", 1, 0), 38)
    expect("an unknown config", create(c, b"none", configs=[(b"no.such.config", b"1")]), 40)
    expect("a config that is no number", create(c, b"none", configs=[(b"retention.ms", b"long")]), 40)
    expect("a config out of its range", create(c, b"none", configs=[(b"max.message.bytes", b"-1")]), 40)
    expect("a cleanup policy that is none", create(c, b"none", configs=[(b"cleanup.policy", b"shred")]), 40)
    expect("assignments that skip a partition", create(c, b"none", -1, -1, assignments=[(1, [1])]), 39)
    expect("an assignment without a broker", create(c, b"none", -1, -1, assignments=[(0, [])]), 39)
    expect("assignments and a number", create(c, b"none", 1, 1, assignments=[(0, [1])]), 42)
    twice = [{"name": b"twice", "num_partitions": 1, "replication_factor": 1}] * 2
    expect("a topic named twice", {t["error_code"] for t in ask(c, "CreateTopics", 7, topics=twice, timeout_ms=10000)["topics"]}, ({42},))
    delete = ask(c, "DeleteTopics", 5, topic_names=[b"nowhere"], timeout_ms=10000)
    expect("a topic to delete that is not there", delete["responses"][0]["error_code"], 3)
    delete = ask(c, "DeleteTopics", 6, topics=[{"name": None, "topic_id": os.urandom(16)}], timeout_ms=10000)
    expect("a topic id to delete that is not there", delete["responses"][0]["error_code"], 100)

    def grow(name, count):
        return ask(c, "CreatePartitions", 3, topics=[{"name": name, "count": count}], timeout_ms=10000)["results"][0]["error_code"]

    expect("fewer partitions", grow(TOPIC, 1), 37)
    expect("as many partitions", grow(TOPIC, 2), 37)
    expect("partitions of a topic that is not there", grow(b"nowhere", 2), 3)
    meta = ask(c, "Metadata", 12, topics=[{"name": b"a b"}, {"name": b"nowhere"}])
    expect("metadata of a name that cannot be", meta["topics"][0]["error_code"], 17)
    expect("metadata of a topic that is not there", meta["topics"][1]["error_code"], 3)
    meta = ask(c, "Metadata", 12, topics=[{"name": None, "topic_id": os.urandom(16)}])
    expect("metadata of a topic id that is not there", meta["topics"][0]["error_code"], 100)
    for wanted in (3, 0):  # the request that creates it doesn't find it; Kafka creates it after the answer
        meta = ask(c, "Metadata", 12, topics=[{"name": b"made"}], allow_auto_topic_creation=True)
        expect("metadata of a topic that it creates", meta["topics"][0]["error_code"], wanted)
        time.sleep(1)


# --- producers ---


def produce(c, data, partition=0, topic=TOPIC, acks=-1):
    answer = ask(c, "Produce", 9, acks=acks, timeout_ms=10000,
        topic_data=[{"name": topic, "partition_data": [{"index": partition, "records": data}]}])["responses"][0]["partition_responses"][0]
    return answer["error_code"], answer["base_offset"]


def producer_new(c, **given):
    values = {"transactional_id": None, "transaction_timeout_ms": 60000, "producer_id": -1, "producer_epoch": -1}
    return ask(c, "InitProducerId", 4, **{**values, **given})


def batch(producer, epoch, sequence, count=1, **other):
    return kafka.batch([b"v%d" % (sequence + i) for i in range(count)], producer=producer, epoch=epoch, sequence=sequence,
        **{"timestamp": NOW, **other})


def test_sequences(c):
    until_ready(lambda: produce(c, kafka.batch([b"first"], timestamp=NOW))[0])
    until_ready(lambda: producer_new(c)["error_code"])
    answer = producer_new(c)
    expect("a producer id", answer["error_code"], 0)
    pid, epoch = answer["producer_id"], answer["producer_epoch"]
    offsets = []
    for i in range(8):
        code, offset = produce(c, batch(pid, epoch, i))
        expect(f"sequence {i}", code, 0)
        offsets.append(offset)
    for i in range(3, 8):
        expect(f"sequence {i} again is where it was", produce(c, batch(pid, epoch, i)), ((0, offsets[i]),))
    # Kafka keeps five batches; what is older is out of order for it.
    for i in range(0, 3):
        expect(f"sequence {i} again, which is forgotten", produce(c, batch(pid, epoch, i))[0], (45, 46))
    expect("a sequence that skips one", produce(c, batch(pid, epoch, 9))[0], 45)
    expect("a sequence far ahead", produce(c, batch(pid, epoch, 2**31 - 1))[0], 45)
    expect("the next one goes on", produce(c, batch(pid, epoch, 8))[0], 0)
    expect("half of it again, with more", produce(c, batch(pid, epoch, 8, 2))[0], 45)
    expect("an epoch that is to come, not from its beginning", produce(c, batch(pid, epoch + 1, 5))[0], 45)
    expect("an epoch that is to come", produce(c, batch(pid, epoch + 1, 0))[0], 0)
    expect("the epoch before", produce(c, batch(pid, epoch, 9))[0], 47)
    expect("a sequence without a producer id", produce(c, batch(-1, epoch, 3))[0], (0, 87))
    expect("a producer id without a sequence", produce(c, batch(pid, epoch + 1, -1))[0], (42, 45, 87))
    fresh = producer_new(c)
    expect("another producer", fresh["error_code"], 0)
    expect("ids are given once", fresh["producer_id"] != pid, True)
    # What is unknown may have expired: Kafka takes it (KIP-360).
    expect("a producer id that is not known, in the middle", produce(c, batch(fresh["producer_id"], 0, 7))[0], 0)
    high = producer_new(c)["producer_id"]
    expect("the last sequences", produce(c, batch(high, 0, 2**31 - 2, 2))[0], 0)
    expect("which begin again at 0", produce(c, batch(high, 0, 0, 1))[0], 0)
    expect("a transactional id without a name", producer_new(c, transactional_id=b"")["error_code"], 42)


def test_timestamps(c):
    code = until_ready(lambda: produce(c, kafka.batch([b"now"], timestamp=NOW), 0, TIMED)[0])
    expect("a record of now", code, 0)
    expect("of two hours to come", produce(c, kafka.batch([b"later"], timestamp=NOW + 2 * HOUR))[0], 32)
    expect("of the end of time", produce(c, kafka.batch([b"later"], timestamp=2**63 - 1))[0], 32)
    expect("of the Middle Ages", produce(c, kafka.batch([b"old"], timestamp=1))[0], 0)
    expect("of two hours ago, where one is the limit", produce(c, kafka.batch([b"old"], timestamp=NOW - 2 * HOUR), 0, TIMED)[0], 32)
    expect("half an hour ahead", produce(c, kafka.batch([b"ahead"], timestamp=NOW + HOUR // 2))[0], 0)
    expect("a clock that jumps back", produce(c, kafka.batch([b"back"], timestamp=NOW - HOUR // 2), 0, TIMED)[0], 0)


# --- reading ---


def fetch(c, offset=0, partition=0, topic=TOPIC, epoch=-1, **given):
    values = {"replica_id": -1, "max_wait_ms": 0, "max_bytes": 1 << 20, "session_epoch": -1}
    answer = ask(c, "Fetch", 11, **{**values, **given}, topics=[{"topic": topic, "partitions": [
        {"partition": partition, "fetch_offset": offset, "current_leader_epoch": epoch, "log_start_offset": -1, "partition_max_bytes": 1 << 20}]}])
    if answer["error_code"] or not answer["responses"]:
        return answer["error_code"]
    return answer["responses"][0]["partitions"][0]["error_code"]


def test_reading(c):
    expect("from the beginning", fetch(c), 0)
    expect("behind the end", fetch(c, 10**6), 1)
    expect("before the beginning", fetch(c, -1), 1)
    expect("a partition that is not there", fetch(c, partition=77), 3)
    expect("a negative partition", fetch(c, partition=-5), 3)
    expect("a topic that is not there", fetch(c, topic=b"nowhere"), 3)
    expect("a leader epoch that is to come", fetch(c, epoch=10**6), 75)
    expect("a session that is not there", fetch(c, session_id=12345, session_epoch=3), 70)
    answer = ask(c, "Fetch", 13, max_bytes=1 << 20, session_epoch=-1, topics=[{"topic_id": os.urandom(16), "partitions": [
        {"partition": 0, "current_leader_epoch": -1, "last_fetched_epoch": -1, "log_start_offset": -1, "partition_max_bytes": 1 << 20}]}])
    expect("a topic id that is not there", answer["responses"][0]["partitions"][0]["error_code"], 100)

    def offset_of(timestamp, topic=TOPIC, partition=0, epoch=-1):
        answer = ask(c, "ListOffsets", 7, replica_id=-1, topics=[{"name": topic, "partitions": [
            {"partition_index": partition, "current_leader_epoch": epoch, "timestamp": timestamp}]}])
        return answer["topics"][0]["partitions"][0]["error_code"]

    expect("the end", offset_of(-1), 0)
    expect("a time that is to come", offset_of(NOW + 100 * HOUR), 0)
    expect("offsets of a topic that is not there", offset_of(-1, b"nowhere"), 3)
    expect("offsets of a partition that is not there", offset_of(-1, partition=9), 3)
    expect("offsets for a leader epoch that is to come", offset_of(-1, epoch=10**6), 75)

    def delete_to(offset, topic=TOPIC, partition=0):
        answer = ask(c, "DeleteRecords", 2, timeout_ms=10000, topics=[{"name": topic, "partitions": [{"partition_index": partition, "offset": offset}]}])
        return answer["topics"][0]["partitions"][0]["error_code"]

    expect("records to delete behind the end", delete_to(10**6), 1)
    expect("records to delete before the beginning", delete_to(-5), 1)
    expect("records to delete of a topic that is not there", delete_to(1, b"nowhere"), 3)


# --- groups ---


def join(c, group=b"codes-group", member=b"", **given):
    values = {"session_timeout_ms": 10000, "rebalance_timeout_ms": 10000, "protocol_type": b"consumer",
        "protocols": [{"name": b"range", "metadata": b"\0\0\0\0\0\0\0\0\0\0"}]}
    return ask(c, "JoinGroup", 7, group_id=group, member_id=member, **{**values, **given})


def commit(c, group, generation, member, topic=TOPIC, partition=0, offset=1, metadata=b""):
    answer = ask(c, "OffsetCommit", 8, group_id=group, generation_id_or_member_epoch=generation, member_id=member, topics=[{"name": topic,
        "partitions": [{"partition_index": partition, "committed_offset": offset, "committed_leader_epoch": -1, "committed_metadata": metadata}]}])
    return answer["topics"][0]["partitions"][0]["error_code"]


def test_groups_unknown(c):
    found = until_ready(lambda: ask(c, "FindCoordinator", 2, key=b"codes-group", key_type=0)["error_code"])
    expect("the coordinator", found, 0)
    expect("a coordinator of an unknown kind", ask(c, "FindCoordinator", 2, key=b"codes-group", key_type=9)["error_code"], 42)
    until_ready(lambda: commit(c, b"warm-up", -1, b""))

    def beat(group, generation, member):
        return ask(c, "Heartbeat", 4, group_id=group, generation_id=generation, member_id=member)["error_code"]

    def sync(group, generation, member):
        return ask(c, "SyncGroup", 4, group_id=group, generation_id=generation, member_id=member)["error_code"]

    def leave(group, member):
        answer = ask(c, "LeaveGroup", 4, group_id=group, members=[{"member_id": member}])
        return answer["error_code"] or answer["members"][0]["error_code"]

    expect("a heartbeat of a group that is not there", beat(b"nobody", 1, b"m"), 25)
    expect("a sync of a group that is not there", sync(b"nobody", 1, b"m"), 25)
    expect("a leave of a group that is not there", leave(b"nobody", b"m"), 25)
    expect("a commit of a member of a group that is not there", commit(c, b"nobody", 4, b"m"), 22)
    expect("a join as a member that is not there", join(c, b"nobody", b"m")["error_code"], 25)
    expect("a join without a group", join(c, b"")["error_code"], 24)
    expect("a join with a short session", join(c, session_timeout_ms=1)["error_code"], 26)
    expect("a join with a long session", join(c, session_timeout_ms=2**31 - 1)["error_code"], 26)
    expect("a join without a protocol", join(c, protocols=[])["error_code"], 23)
    expect("a join without a protocol type", join(c, protocol_type=b"")["error_code"], 23)
    first = join(c)
    expect("a join without a member id", first["error_code"], 79)
    member = first["member_id"]
    joined = join(c, member=member)
    expect("the join with that id", joined["error_code"], 0)
    generation = joined["generation_id"]
    expect("a heartbeat before the sync", beat(b"codes-group", generation, member), (0, 27))
    expect("a sync of another generation", sync(b"codes-group", generation + 1, member), 22)
    expect("a sync of an unknown member", sync(b"codes-group", generation, b"m"), 25)
    answer = ask(c, "SyncGroup", 4, group_id=b"codes-group", generation_id=generation, member_id=member,
        assignments=[{"member_id": member, "assignment": b"mine"}, {"member_id": b"nobody", "assignment": b"lost"}])
    expect("a sync", (answer["error_code"], answer["assignment"]), ((0, b"mine"),))
    expect("a heartbeat", beat(b"codes-group", generation, member), 0)
    expect("a heartbeat of another generation", beat(b"codes-group", generation + 1, member), 22)
    expect("a heartbeat of another member", beat(b"codes-group", generation, b"m"), 25)
    expect("a commit", commit(c, b"codes-group", generation, member), 0)
    expect("a commit of another generation", commit(c, b"codes-group", generation - 1, member), 22)
    expect("a commit of another member", commit(c, b"codes-group", generation, b"m"), 25)
    expect("a commit without a member in a group that has some", commit(c, b"codes-group", -1, b""), 25)
    expect("a commit for a topic that is not there", commit(c, b"codes-group", generation, member, b"nowhere"), 3)
    expect("a commit for a partition that is not there", commit(c, b"codes-group", generation, member, partition=99), 3)
    expect("a commit with long metadata", commit(c, b"codes-group", generation, member, metadata=b"x" * 5000), 12)
    expect("a join with other protocols", join(c, protocols=[{"name": b"sticky", "metadata": b""}])["error_code"], (23, 79))
    expect("a join of another protocol type", join(c, protocol_type=b"connect")["error_code"], (23, 79))
    if has(c, "DeleteGroups"):
        deleted = ask(c, "DeleteGroups", 2, groups_names=[b"codes-group", b"nobody"])["results"]
        expect("a group to delete that has members", deleted[0]["error_code"], 68)
        expect("a group to delete that is not there", deleted[1]["error_code"], 69)
    if has(c, "DescribeGroups"):
        described = ask(c, "DescribeGroups", 5, groups=[b"nobody"])["groups"][0]
        expect("a group to describe that is not there", (described["error_code"], described["group_state"]), ((0, b"Dead"),))
    expect("a leave", leave(b"codes-group", member), 0)
    expect("a second leave", leave(b"codes-group", member), 25)
    expect("a heartbeat after it", beat(b"codes-group", generation, member), 25)
    expect("a commit without a member in an empty group", commit(c, b"codes-group", -1, b"", offset=2), 0)
    fetched = ask(c, "OffsetFetch", 7, group_id=b"codes-group", topics=[{"name": TOPIC, "partition_indexes": [0, 1, 99]}])
    offsets = [(p["error_code"], p["committed_offset"]) for p in fetched["topics"][0]["partitions"]]
    expect("committed offsets", offsets, ([(0, 2), (0, -1), (0, -1)],))


def test_transactions_and_admin(c):
    answer = ask(c, "DescribeConfigs", 4, resources=[{"resource_type": 2, "resource_name": b"nowhere"}])["results"][0]
    expect("configs of a topic that is not there", answer["error_code"], 3)
    answer = ask(c, "IncrementalAlterConfigs", 1, resources=[{"resource_type": 2, "resource_name": TOPIC,
        "configs": [{"name": b"retention.ms", "config_operation": 0, "value": b"soon"}]}])["responses"][0]
    expect("a config that is no number", answer["error_code"], 40)
    answer = ask(c, "IncrementalAlterConfigs", 1, resources=[{"resource_type": 2, "resource_name": TOPIC,
        "configs": [{"name": b"retention.ms", "config_operation": 9, "value": b"1"}]}])["responses"][0]
    # Kafka's own answer is UNKNOWN_SERVER_ERROR, which says nothing.
    expect("an operation that is none", answer["error_code"], (42, -1))
    # Kafka takes a listener's setting whoever has such a listener, also one that nobody has.
    for broker in (b"", b"1"):
        for operation in (0, 1):
            answer = ask(c, "IncrementalAlterConfigs", 1, resources=[{"resource_type": 4, "resource_name": broker,
                "configs": [{"name": b"listener.name.nobody.max.connections", "config_operation": operation, "value": None if operation else b"7"}]}])["responses"][0]
            expect(f"a setting of a listener that nobody has {broker} {operation}", answer["error_code"], 0)
    answer = ask(c, "OffsetForLeaderEpoch", 4, replica_id=-1, topics=[{"topic": b"nowhere", "partitions": [
        {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}]}])
    expect("epochs of a topic that is not there", answer["topics"][0]["partitions"][0]["error_code"], 3)
    answer = ask(c, "DescribeProducers", 0, topics=[{"name": TOPIC, "partition_indexes": [99]}])
    expect("producers of a partition that is not there", answer["topics"][0]["partitions"][0]["error_code"], 3)


with Connection(PORT, 60) as connection:
    for test in (test_topics, test_sequences, test_timestamps, test_reading, test_groups_unknown, test_transactions_and_admin):
        test(connection)
print(f"codes: {cases} cases, {len(failures)} failures")
sys.exit(1 if failures else 0)
