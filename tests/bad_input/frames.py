"""frames.py PORT ADMIN-PORT PID SECONDS SEED: what a hostile client can send, against a running broker. tests/bad_input/frames starts it.

After each group of attacks the broker must serve, hold all that it acknowledged before, and have taken bounded memory."""
import os
import random
import socket
import struct
import sys
import time
import traceback

import kafka
from broker import Broker
from kafka import INT32_MAX, Closed, Connection, Plain, Writer, answer_read, batch, framed, request_bytes

PORT, ADMIN_PORT, PID, SECONDS, SEED = (int(x) for x in sys.argv[1:6])
MEMORY_GROWTH_MAX_KIB = int(os.environ.get("MEMORY_GROWTH_MAX_MIB", "512")) * 1024
APIS = kafka.schemas_read()
PRODUCE, FETCH, METADATA, FIND_COORDINATOR, JOIN_GROUP, API_VERSIONS, CREATE_TOPICS = (APIS[k] for k in (0, 1, 3, 10, 11, 18, 19))
NONE, CORRUPT_MESSAGE, TOO_LARGE, UNSUPPORTED_VERSION, UNSUPPORTED_COMPRESSION, INVALID_RECORD = 0, 2, 10, 35, 76, 87
COORDINATOR_LOADING, NOT_COORDINATOR = 14, 16
PRECIOUS, VICTIM = b"precious", b"victim"
failures = []
broker = Broker(ADMIN_PORT, PID)


def say(text):
    print(f"{time.monotonic() - started:6.1f}s {text}", flush=True)


def expect(what, condition):
    if not condition:
        failures.append(what)
        say(f"FAILED: {what}")


def produce(connection, topic, data, version=9, partition=0, acks=-1):
    """The error code and the base offset."""
    choose = Plain(name=topic, acks=acks, timeout_ms=10000, index=partition, records=data, one_of=("topic_data", "partition_data"))
    answer = connection.call(PRODUCE, version, choose)["responses"][0]["partition_responses"][0]
    return answer["error_code"], answer["base_offset"]


def create(connection, topic, partitions=1):
    choose = Plain(name=topic, num_partitions=partitions, replication_factor=1, timeout_ms=10000, one_of=("topics",))
    return connection.call(CREATE_TOPICS, 5, choose)["topics"][0]["error_code"]


precious = []


def precious_write():
    with Connection(PORT) as connection:
        expect("the topic is made", create(connection, PRECIOUS) == NONE and create(connection, VICTIM, 3) == NONE)
        for i in range(50):
            value = b"acknowledged %d " % i + b"x" * (i * 37)
            error, offset = produce(connection, PRECIOUS, batch([value]))
            expect("a good batch is taken", error == NONE and offset == i)
            precious.append(value)


def precious_check(when):
    """All that was acknowledged is there, in order, once."""
    with Connection(PORT) as connection:
        data = b""
        got = []
        while len(got) < len(precious):
            choose = Plain(replica_id=-1, max_wait_ms=0, max_bytes=INT32_MAX, topic=PRECIOUS, partition_max_bytes=INT32_MAX,
                fetch_offset=len(got), session_epoch=-1, current_leader_epoch=-1, last_fetched_epoch=-1, log_start_offset=-1,
                one_of=("topics", "partitions"))
            answer = connection.call(FETCH, 11, choose)["responses"][0]["partitions"][0]
            data = answer["records"]
            if answer["error_code"] != NONE or not data:
                break
            at = 0
            while at + 61 <= len(data):
                size = struct.unpack(">i", data[at + 8 : at + 12])[0] + 12
                if at + size > len(data):
                    break
                if kafka.crc32c(data[at + 21 : at + size]) != struct.unpack(">I", data[at + 17 : at + 21])[0]:
                    expect(f"{when}: the CRC of batch {len(got)}", False)
                if struct.unpack(">q", data[at : at + 8])[0] == len(got):
                    got.append(data[at + 61 : at + size])
                at += size
        want = [kafka.record(0, value) for value in precious]
        expect(f"{when}: acknowledged records are there ({len(got)} of {len(want)})", got == want)


def healthy(when):
    expect(f"{when}: the broker lives", broker.is_alive())
    if not broker.is_alive():
        finish()
    try:
        with Connection(PORT) as connection:
            connection.call(API_VERSIONS, 0, Plain())
            create(connection, VICTIM, 3)  # an attack may have deleted it
            error, _ = produce(connection, VICTIM, batch())
            expect(f"{when}: the broker takes records ({error})", error == NONE)
        status = broker.ask("/healthz").status
        expect(f"{when}: healthy", status == 200)
    except (OSError, Closed, ValueError) as error:
        expect(f"{when}: the broker answers ({error!r})", False)
    peak = broker.memory_peak_kib()
    grown = peak - memory_before
    expect(f"{when}: {grown // 1024} MiB more memory", grown <= MEMORY_GROWTH_MAX_KIB)
    say(f"{when}: peak of memory {peak // 1024} MiB")


# --- frames ---


def closes(what, data, seconds=10):
    with Connection(PORT) as connection:
        try:
            connection.send(data)
            closed = connection.is_closed(seconds)
        except Closed:
            closed = True
        expect(f"{what}: the connection is closed", closed)


def test_sizes_that_cannot_be():
    for size in (-1, -(2**31), 0, 1, 7, INT32_MAX, 104857601):
        closes(f"size {size}", struct.pack(">i", size) + b"x" * 100)


def test_garbage():
    closes("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    closes("TLS", bytes.fromhex("16030100f8010000f40303") + os.urandom(240))
    for _ in range(30):
        data = struct.pack(">i", 200) + random.randbytes(200)
        closes("garbage", data)


def test_truncated_frames():
    body = Writer(METADATA.request, 9, Plain()).body()
    frame = framed(request_bytes(METADATA, 9, 1, body))
    for size in range(len(frame)):
        with Connection(PORT) as connection:
            connection.send(frame[:size])
            connection.socket.shutdown(socket.SHUT_WR)
            expect(f"a frame cut at {size}: no answer", connection.is_closed(5))
    # The frame is whole and the message in it isn't.
    for api in supported():
        version = api[2]
        request = APIS[api[0]].request
        body = Writer(request, version, Plain(one_of=[f.name for f in request.fields])).body()
        for size in range(0, len(body), max(1, len(body) // 6)):
            with Connection(PORT, 3) as connection:
                try:
                    connection.ask(request_bytes(APIS[api[0]], version, 1, body[:size]))
                    expect(f"{APIS[api[0]].name} {version} cut at {size} of {len(body)}: no answer", api[0] == 18)
                except (Closed, TimeoutError):
                    pass


def supported():
    with Connection(PORT) as connection:
        answer = connection.call(API_VERSIONS, 3, Plain(client_software_name=b"x", client_software_version=b"1"))
    return [(k["api_key"], k["min_version"], k["max_version"]) for k in answer["api_keys"]]


def test_unknown_apis_and_versions():
    for key in (-1, -32768, 4, 5, 6, 7, 500, 32767):
        closes(f"API {key}", framed(request_bytes(None, 0, 1, b"", key=key)))
    for key, first, last in supported():
        if key == 18:
            continue
        first = max(first, APIS[key].request.versions.first)
        for version in (-1, -32768, first - 1, last + 1, 32767):
            closes(f"{APIS[key].name} {version}", framed(request_bytes(None, version, 1, b"\0" * 40, key=key)))
    for version in (6, 99, 32767, -1):
        with Connection(PORT) as connection:
            answer = answer_read(API_VERSIONS, 0, 5, connection.ask(request_bytes(None, version, 5, b"\1\1\0", key=18)))
            expect(f"ApiVersions {version}: UNSUPPORTED_VERSION in version 0", answer["error_code"] == UNSUPPORTED_VERSION)
            expect("ApiVersions says what it speaks", any(k["api_key"] == 18 for k in answer["api_keys"]))
            expect("the connection goes on", connection.call(API_VERSIONS, 0, Plain())["error_code"] == NONE)


def test_slow_senders():
    """Announce 100 MiB and send little of it; others are served meanwhile."""
    slow = [Connection(PORT) for _ in range(400)]
    for connection in slow:
        connection.send(struct.pack(">i", 104857600) + b"\0\0\0\3" + b"\0" * random.randrange(2000))
    healthy("400 half-open frames of 100 MiB")
    for connection in slow:
        connection.close()


def test_pipelined():
    """5,000 requests before the first answer is read: all are answered, in order (N1)."""
    with Connection(PORT, 60) as connection:
        frames = b""
        for i in range(5000):
            api, version = ((API_VERSIONS, 0), (METADATA, 9))[i % 2]
            frames += framed(request_bytes(api, version, i, Writer(api.request, version, Plain()).body()))
        connection.socket.setblocking(False)
        sent, got, data = 0, 0, bytearray()
        deadline = time.monotonic() + 60
        while got < 5000 and time.monotonic() < deadline:
            idle = True
            try:
                sent += connection.socket.send(frames[sent:]) if sent < len(frames) else 0
            except BlockingIOError:
                pass
            try:
                part = connection.socket.recv(1 << 20)
                if not part:
                    break
                data += part
                idle = False
            except BlockingIOError:
                pass
            while len(data) >= 8 and len(data) >= 4 + struct.unpack(">i", data[:4])[0]:
                size, correlation = struct.unpack(">ii", data[:8])
                if correlation != got:
                    expect(f"answer {correlation} comes in the place of {got}", False)
                    return
                del data[: 4 + size]
                got += 1
            if idle:
                time.sleep(0.001)
        expect(f"{got} of 5000 pipelined requests are answered", got == 5000)


def test_deaf():
    """Asks without end and reads nothing: the broker stops reading instead of growing."""
    deaf = [Connection(PORT) for _ in range(20)]
    frame = framed(request_bytes(METADATA, 9, 1, Writer(METADATA.request, 9, Plain()).body())) * 50
    for connection in deaf:
        connection.socket.setblocking(False)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for connection in deaf:
            try:
                connection.socket.send(frame)
            except OSError:
                pass
        time.sleep(0.001)
    healthy("clients that read nothing")
    for connection in deaf:
        connection.close()


class HugeWriter(Writer):
    """The first array says that it has 2^31 - 1 elements, and has none."""

    done = False

    def value(self, field, kind):
        if kind.startswith("[]") and not self.done:
            self.done = True
            return self.length(INT32_MAX, False)
        return super().value(field, kind)


def test_huge_counts():
    for key, first, last in supported():
        api = APIS[key]
        for version in range(max(first, api.request.versions.first), last + 1):
            writer = HugeWriter(api.request, version, Plain())
            body = writer.body()
            if writer.done:
                closes(f"{api.name} {version}: 2^31-1 elements", framed(request_bytes(api, version, 1, body + b"\0" * 64)))


# --- record batches ---


def bomb(size):
    """One record of zeros, as gzip."""
    import zlib

    head = b"\0\0\0\1" + kafka.varint(size)
    pack = zlib.compressobj(6, zlib.DEFLATED, 31)
    out = [pack.compress(kafka.varint(len(head) + size + 1) + head)]
    zeros = bytes(1 << 20)
    for _ in range(size >> 20):
        out.append(pack.compress(zeros))
    out.append(pack.compress(b"\0") + pack.flush())
    return b"".join(out)


def test_batches():
    good = batch()
    cases = {
        "a wrong CRC": (batch(crc=1), {CORRUPT_MESSAGE}),
        "one flipped bit": (good[:-3] + bytes([good[-3] ^ 1]) + good[-2:], {CORRUPT_MESSAGE}),
        "magic 0": (batch(magic=0), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "magic 1": (batch(magic=1), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "magic 3": (batch(magic=3), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "magic -1": (batch(magic=-1), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "count 0": (batch(count=0), {INVALID_RECORD}),
        "count -1": (batch(count=-1), {INVALID_RECORD}),
        "count 2^31-1": (batch(count=INT32_MAX, last_delta=INT32_MAX - 1), {INVALID_RECORD}),
        "a count too small": (batch([b"a", b"b"], count=1, last_delta=0), {INVALID_RECORD}),
        "a last offset that doesn't fit": (batch(last_delta=1000000), {INVALID_RECORD}),
        "a negative last offset": (batch(last_delta=-1), {INVALID_RECORD}),
        "a size beyond the end": (batch(size=1 << 20), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "a size of 0": (batch(size=0), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "a negative size": (batch(size=-5), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "a size of 2^31-1": (batch(size=INT32_MAX), {CORRUPT_MESSAGE, INVALID_RECORD}),
        "a header alone": (good[:61], {CORRUPT_MESSAGE, INVALID_RECORD}),
        "half a header": (good[:30], {CORRUPT_MESSAGE, INVALID_RECORD}),
        "nothing": (b"", {CORRUPT_MESSAGE, INVALID_RECORD}),
        "two batches": (good + good, {INVALID_RECORD}),
        "bytes behind the batch": (good + b"\0" * 20, {CORRUPT_MESSAGE, INVALID_RECORD}),
        "too large": (batch([b"x" * 2_000_000]), {TOO_LARGE}),
        "compression 5": (batch(attributes=5), {UNSUPPORTED_COMPRESSION, INVALID_RECORD, CORRUPT_MESSAGE}),
        "compression 7": (batch(attributes=7), {UNSUPPORTED_COMPRESSION, INVALID_RECORD, CORRUPT_MESSAGE}),
        "a control batch of a client": (batch(attributes=0x20), {INVALID_RECORD}),
        "gzip that is none": (batch(attributes=1), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "snappy that is none": (batch(attributes=2), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "lz4 that is none": (batch(attributes=3), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "zstd that is none": (batch(attributes=4), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "a record longer than the batch": (batch(records=kafka.varint(1000) + b"\0" * 20), {INVALID_RECORD, CORRUPT_MESSAGE}),
        "a record of negative length": (batch(records=kafka.varint(-1) + b"\0" * 20), {INVALID_RECORD, CORRUPT_MESSAGE}),
    }
    with Connection(PORT) as connection:
        for what, (data, codes) in cases.items():
            error, offset = produce(connection, VICTIM, data)
            expect(f"{what}: {error} is one of {sorted(codes)}", error in codes and offset == -1)
        error, _ = produce(connection, VICTIM, batch(attributes=4, records=b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00"), version=6)
        expect(f"zstd in version 6 of Produce: {error}", error == UNSUPPORTED_COMPRESSION)
        error, _ = produce(connection, VICTIM, batch(), partition=1000)
        expect(f"a partition that is not there: {error}", error == 3)
        error, _ = produce(connection, b"nowhere", batch())
        expect(f"a topic that is not there: {error}", error == 3)
        error, _ = produce(connection, VICTIM, batch(), acks=7)
        expect(f"acks 7: {error}", error == 21)


def test_cursors():
    api = APIS[75]
    for index in (0, 1, 1000, INT32_MAX):
        with Connection(PORT) as connection:
            choose = Plain(cursor=1, name=VICTIM, topics=1, topic_name=VICTIM, partition_index=index, response_partition_limit=2000)
            answer = connection.ask(request_bytes(api, 0, 1, Writer(api.request, 0, choose).body()))
            expect(f"a page from partition {index} on: {len(answer)} bytes", VICTIM in answer)


def test_bombs():
    data = bomb(512 << 20)
    say(f"a bomb of {len(data)} bytes that holds 512 MiB")
    for _ in range(3):
        with Connection(PORT, 60) as connection:
            error, _ = produce(connection, VICTIM, batch(compression=1, records=data))
            say(f"answered with {error}")


# --- few bytes that ask for much ---


def hostile_call(what, api, version, body, seconds=60):
    start = time.monotonic()
    with Connection(PORT, seconds) as connection:
        try:
            answer = len(connection.ask(request_bytes(api, version, 1, body)))
        except (Closed, TimeoutError) as error:
            answer = type(error).__name__
    took = time.monotonic() - start
    say(f"{what}: {len(body)} bytes, answer {answer}, {took:.1f} s")
    expect(f"{what} is answered or refused within 30 s", took < 30)


def test_amplification():
    produce_body = Writer(PRODUCE.request, 9, Plain(name=VICTIM, acks=-1, timeout_ms=1000, topic_data=1, partition_data=900000)).body()
    hostile_call("a Produce of 900,000 partitions", PRODUCE, 9, produce_body)
    with Connection(PORT) as connection:
        expect("a topic of 2,000 partitions", create(connection, b"wide", 2000) == NONE)
    body = Writer(METADATA.request, 9, Plain(name=b"wide", topics=200000)).body()
    hostile_call("Metadata that names one wide topic 200,000 times", METADATA, 9, body)
    names = [b"n%d" % i for i in range(150000)]
    body = Writer(CREATE_TOPICS.request, 5, Plain(name=names, num_partitions=1, replication_factor=1, validate_only=1, topics=150000)).body()
    hostile_call("CreateTopics of 150,000 topics", CREATE_TOPICS, 5, body)
    body = Writer(CREATE_TOPICS.request, 5, Plain(name=b"same", num_partitions=1, replication_factor=1, topics=150000)).body()
    hostile_call("CreateTopics that names one topic 150,000 times", CREATE_TOPICS, 5, body)
    for partitions in (0, -2, 100001, INT32_MAX):
        with Connection(PORT) as connection:
            error = create(connection, b"absurd", partitions)
            expect(f"a topic of {partitions} partitions: {error}", error == 37)
    for key, first, last in supported():
        api, version = APIS[key], last
        arrays = [f.name for f in api.request.fields if f.type.startswith("[]") and last in f.versions]
        if arrays and key not in (0, 3, 19):
            given = {name: 200000 for name in arrays}
            body = Writer(api.request, version, Plain(name=b"nothing", topic=VICTIM, group_id=b"g", **given)).body()
            hostile_call(f"{api.name} with {arrays} of 200,000", api, version, body)


# --- random ---


class Random(Plain):
    """Values that a schema allows, and that nobody sane sends."""

    TEXTS = [b"", b"victim", b"g1", b"g2", b"m", b"range", b"consumer", b"..", b"a b", b"\xff\xfe", b"x" * 300, b"12"]

    def number(self, field, kind):
        bits = {"bool": 1, "int8": 7, "int16": 15, "uint16": 16, "int32": 31, "int64": 63, "float64": 31}[kind]
        if field.name in ("max_wait_ms", "timeout_ms", "rebalance_timeout_ms", "session_timeout_ms") and random.random() < 0.9:
            return random.randrange(100)
        n = random.choice([0, 0, 0, 1, 1, 2, -1, 3, 100, 2**bits - 1, random.getrandbits(bits), -(2**bits)])
        return min(max(n, 0 if kind in ("bool", "uint16") else -(2**bits)), 2**bits - 1)

    def string(self, field):
        return random.choice(self.TEXTS)

    def bytes(self, field):
        return random.randbytes(random.choice([0, 1, 4, 30, 500]))

    def records(self, field):
        return random.choice([batch(), batch([b"a"] * 5), batch(compression=1), batch(crc=3), random.randbytes(80), b""])

    def uuid(self, field):
        return random.choice([bytes(16), random.randbytes(16), random.choice(topic_ids)])

    def count(self, field):
        return random.choice([0, 1, 1, 1, 2, 3])

    def null(self, field):
        return random.random() < 0.2

    def tagged(self, field):
        return random.random() < 0.5


topic_ids = [bytes(16)]


def mutate(data):
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 4])):
        at = random.randrange(len(data)) if data else 0
        kind = random.randrange(5)
        if kind == 0 and data:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at : at + 4] = random.choice([b"\x7f\xff\xff\xff", b"\xff" * 4, b"\x80\0\0\0", b"\0\0\0\0", b"\xff\xff\xff\xff\x0f"])
        elif kind == 2:
            del data[at : at + random.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = random.randbytes(random.randrange(1, 9))
        elif data:
            data = data[:at]
    return bytes(data)


def test_random(seconds):
    with Connection(PORT) as connection:
        choose = Plain(name=VICTIM, topic_id=bytes(16), one_of=("topics",))
        topic_ids[0] = connection.call(METADATA, 12, choose)["topics"][0]["topic_id"]
    end, count, answers, closed, silent = time.monotonic() + seconds, 0, 0, 0, 0
    keys = [(k, max(a, APIS[k].request.versions.first), b) for k, a, b in supported()]
    connection = None
    while time.monotonic() < end and broker.is_alive():
        key, first, last = random.choice(keys)
        api, version = APIS[key], random.randint(first, last)
        body = Writer(api.request, version, Random()).body()
        pure = random.random() < 0.4
        frame = request_bytes(api, version, count, body)
        if not pure:
            frame = frame[:2] + mutate(frame[2:]) if random.random() < 0.2 else frame[:10] + mutate(frame[10:])
        count += 1
        connection = connection or Connection(PORT, 0.15)
        try:
            data = connection.ask(frame)
            answers += 1
            if pure:
                answer_read(api, version, count - 1, data)
            continue
        except ValueError as error:
            expect(f"{api.name} {version}, request {count} of seed {SEED}: {error}", False)
        except Closed:
            closed += 1
        except TimeoutError:
            silent += 1
        connection.close()
        connection = None
    say(f"{count} requests: {answers} answered, {closed} closed the connection, {silent} without an answer in time")


def test_connections_end():
    """Handlers of clients that are gone end too."""
    for _ in range(100):
        if broker.metric("freshet_connections") <= 1:
            return
        time.sleep(0.2)
    expect(f"{broker.metric('freshet_connections')} connections are left", False)


def test_waiting():
    """Left waiting for days: frames stops the broker while they wait, and it must end at once."""
    fetch = Plain(max_wait_ms=INT32_MAX, min_bytes=1, max_bytes=INT32_MAX, topic=b"silent", partition_max_bytes=INT32_MAX, session_epoch=-1,
        current_leader_epoch=-1, one_of=("topics", "partitions"))
    joins = []
    for _ in range(2):
        joins.append(Plain(group_id=b"waits", session_timeout_ms=300000, rebalance_timeout_ms=INT32_MAX, protocol_type=b"consumer",
            name=b"range", one_of=("protocols",)))
    with Connection(PORT) as connection:
        error = None
        for _ in range(100):
            connection.call(FIND_COORDINATOR, 0, Plain(key=b"waits"))
            error = connection.call(JOIN_GROUP, 2, joins[0])["error_code"]
            if error not in (COORDINATOR_LOADING, NOT_COORDINATOR):
                break
            time.sleep(0.1)
        expect(f"the first member joins: {error}", error == NONE)
    with Connection(PORT) as connection:
        expect("a topic without records", create(connection, b"silent") == NONE)
        expect("a Fetch of nothing is answered at once", not connection.call(FETCH, 11, Plain(max_wait_ms=INT32_MAX, session_epoch=-1))["responses"])
    for api, version, choose in ((FETCH, 11, fetch), (JOIN_GROUP, 2, joins[1])):
        with Connection(PORT) as connection:
            connection.send(framed(request_bytes(api, version, 1, Writer(api.request, version, choose).body())))
            connection.socket.settimeout(0.3)
            try:
                expect(f"{api.name} waits: {connection.receive()}", False)
            except TimeoutError:
                pass


def finish():
    for failure in failures:
        print("FAILED:", failure)
    print("bad_input: " + ("FAILED" if failures else "passed"), f"(seed {SEED})")
    sys.exit(1 if failures else 0)


started = time.monotonic()
random.seed(SEED)
precious_write()
memory_before = broker.memory_peak_kib()
only = os.environ.get("ONLY", "")
for test, arguments in (
    (test_sizes_that_cannot_be, ()), (test_garbage, ()), (test_truncated_frames, ()), (test_unknown_apis_and_versions, ()),
    (test_slow_senders, ()), (test_pipelined, ()), (test_deaf, ()), (test_huge_counts, ()), (test_batches, ()),
    (test_cursors, ()), (test_bombs, ()), (test_amplification, ()), (test_random, (SECONDS,)), (test_connections_end, ()),
    (test_waiting, ()),
):
    name = test.__name__[5:].replace("_", " ")
    if only and only not in name:
        continue
    say(name)
    try:
        test(*arguments)
    except (OSError, Closed, ValueError) as error:
        traceback.print_exc()
        expect(f"{name}: {error!r}", False)
    healthy(name)
    precious_check(name)
finish()
