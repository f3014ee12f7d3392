"""floods.py WHAT PORT ADMIN-PORT PID SECOND-PORT: one kind of flood against a running broker, while a good client is served. tests/bad_input/floods
starts it."""
import select
import socket
import struct
import sys
import threading
import time

import kafka
from broker import Broker
from kafka import Closed, Connection, framed, request_bytes

WHAT, PORT, ADMIN_PORT, PID, SECOND_PORT = sys.argv[1], *(int(x) for x in sys.argv[2:6])
APIS = {api.name: api for api in kafka.schemas_read().values()}
TOPIC = b"flooded"
failures = []
broker = Broker(ADMIN_PORT, PID)


def say(text):
    print(f"  {WHAT}: {text}", flush=True)


def expect(what, condition):
    if not condition:
        failures.append(what)
        say(f"FAILED: {what}")


def create(connection):
    connection.tell(APIS["CreateTopics"], 5, {"topics": [{"name": TOPIC, "num_partitions": 2, "replication_factor": 1}], "timeout_ms": 10000})


def produce(connection, data=None):
    answer = connection.tell(APIS["Produce"], 9, {"acks": -1, "timeout_ms": 10000,
        "topic_data": [{"name": TOPIC, "partition_data": [{"index": 0, "records": data or kafka.batch([b"good"])}]}]})
    return answer["responses"][0]["partition_responses"][0]["error_code"]


class GoodClient(threading.Thread):
    """Produces all the time on a connection that was open before; remembers the slowest answer."""

    def __init__(self):
        super().__init__(daemon=True)
        self.connection, self.slowest, self.count, self.error, self.stop = Connection(PORT, 60), 0, 0, None, False
        create(self.connection)
        produce(self.connection)
        self.start()

    def run(self):
        try:
            while not self.stop:
                start = time.monotonic()
                code = produce(self.connection)
                self.slowest, self.count = max(self.slowest, time.monotonic() - start), self.count + 1
                if code:
                    raise ValueError(f"error code {code}")
        except (OSError, Closed, ValueError) as error:
            self.error = error

    def end(self, seconds=10):
        self.stop = True
        self.join(60)
        say(f"a good client: {self.count} answers, the slowest after {self.slowest * 1000:.0f} ms")
        expect(f"a good client is served meanwhile ({self.error!r})", self.error is None and self.count > 0)
        expect(f"its slowest answer took {self.slowest:.1f} s", self.slowest < seconds)
        self.connection.close()


def ask(connection):
    connection.send(framed(request_bytes(APIS["ApiVersions"], 0, 7, b"")))


def is_answered(connection):
    try:
        return kafka.answer_read(APIS["ApiVersions"], 0, 7, connection.receive())["error_code"] == 0
    except (OSError, Closed):
        return False


def is_served(connection):
    try:
        ask(connection)
    except (OSError, Closed):
        return False
    return is_answered(connection)


def connections_end(most):
    for _ in range(150):
        if broker.metric("freshet_connections") <= most:
            return
        time.sleep(0.2)
    expect(f"{broker.metric('freshet_connections')} connections are left", False)


def from_address(address, port=PORT):
    connection = Connection.__new__(Connection)
    connection.socket = socket.create_connection(("127.0.0.1", port), 20, (address, 0))
    return connection


def alter(connection, *changes):
    """Sets (name, value), or takes it back where the value is None, for all brokers."""
    answer = connection.tell(APIS["IncrementalAlterConfigs"], 1, {"resources": [{"resource_type": 4, "resource_name": b"", "configs": [
        {"name": name, "config_operation": 0 if value else 1, "value": value} for name, value in changes]}]})
    expect(f"limits are changed while it runs: {answer['responses']}", answer["responses"][0]["error_code"] == 0)
    time.sleep(0.5)


def flood_limits():
    """max.connections.per.ip 40, max.connections 60."""
    mine = [Connection(PORT) for _ in range(40)]
    expect("40 connections of one address are served", all(is_served(c) for c in mine))
    over = Connection(PORT)
    expect("the 41st is closed", over.is_closed())
    others = [from_address("127.0.0.2") for _ in range(20)]
    expect("20 of another address are served", all(is_served(c) for c in others))
    waiting = [from_address("127.0.0.3") for _ in range(3)]
    for connection in waiting:
        ask(connection)
    expect("the 61st of all waits, and those behind it", not select.select([c.socket for c in waiting], [], [], 1)[0])
    expect("the first are still served", all(is_served(c) for c in mine))
    expect(f"{broker.metric('freshet_connections')} connections", broker.metric("freshet_connections") == 60)
    expect("one waits, and none is refused but the 41st", broker.metric("freshet_connections_waited_total") == 1 and broker.metric("freshet_connections_refused_total") == 1)
    others.pop().close()
    expect("one that left makes room", is_answered(waiting[0]))
    expect("for one", not select.select([c.socket for c in waiting[1:]], [], [], 0.5)[0])

    alter(mine[0], (b"max.connections.per.ip", b"41"), (b"max.connections", b"1000"))
    expect("a greater limit lets those in that wait", all(is_answered(c) for c in waiting[1:]))
    others += waiting
    mine.append(Connection(PORT))
    expect("one more", is_served(mine[-1]))
    expect("and no more", Connection(PORT).is_closed())
    alter(mine[0], (b"max.connections.per.ip.overrides", b"127.0.0.9:2,localhost:42"))
    mine.append(Connection(PORT))
    expect("one more for an address with an exception", is_served(mine[-1]))
    expect("and no more than that", Connection(PORT).is_closed())
    exceptions = [from_address("127.0.0.9") for _ in range(3)]
    expect("two for another one", [is_served(c) for c in exceptions] == [True, True, False])
    others += exceptions[:2]
    expect("all that are open are served", all(is_served(c) for c in others) and all(is_served(c) for c in mine))
    alter(mine[0], (b"max.connections", b"10"))
    connections_end(10)
    expect("a lower limit spares who asked last", is_served(mine[-1]))
    served = sum(is_served(c) for c in mine + others)
    expect(f"{served} of all are left", served == 10)
    alter(mine[-1], (b"max.connections.per.ip", None), (b"max.connections", None), (b"max.connections.per.ip.overrides", None))
    for connection in mine + others:
        connection.close()
    connections_end(1)
    nobody_comes_in()


def nobody_comes_in():
    """max.connections 0 is taken, as by Kafka. No client can take it back then; the admin listener can."""
    before = Connection(PORT)
    expect("served before", is_served(before))
    expect("0 is taken", broker.configure({"set": {"max.connections": 0}}) == 200)
    connections_end(0)
    after = Connection(PORT)
    ask(after)
    expect("who was connected is closed", not is_served(before))
    expect("and nobody comes in", not select.select([after.socket], [], [], 1)[0])
    expect("the admin listener isn't counted", broker.configure({"unset": ["max.connections"]}) == 200)
    expect("taken back, who waits is answered", is_answered(after))
    after.close()


def serve_seconds(count, port):
    """How long it takes until so many connections, all opened at once, are served."""
    start = time.monotonic()
    many = [from_address("127.0.0.2", port) for _ in range(count)]
    served = sum(is_served(connection) for connection in many)
    expect(f"{served} of {count} are served", served == count)
    for connection in many:
        connection.close()
    return time.monotonic() - start


def flood_rate():
    """The mean is one over one second; SECOND_PORT is of the listener EXTERNAL."""
    good = GoodClient()
    control = Connection(PORT)
    alter(control, (b"listener.name.external.max.connection.creation.rate", b"20"))
    took = serve_seconds(100, SECOND_PORT)
    say(f"100 connections at 20 a second: {took:.1f} s")
    expect(f"100 connections at 20 a second took {took} s", took > 3.8)
    expect("they waited, and none was refused", broker.metric("freshet_connections_delayed_total") > 0 and broker.metric("freshet_connections_refused_total") == 0)
    delayed = broker.metric("freshet_connections_delayed_total")
    serve_seconds(100, PORT)
    expect("the other listener is not throttled", broker.metric("freshet_connections_delayed_total") == delayed)
    alter(control, (b"listener.name.external.max.connection.creation.rate", None), (b"max.connection.creation.rate", b"20"))
    took = serve_seconds(40, PORT) + serve_seconds(60, SECOND_PORT)
    expect(f"100 connections at 20 a second over both took {took} s", took > 3.8)
    alter(control, (b"max.connection.creation.rate", None), (b"listener.name.external.max.connections", b"3"))
    delayed = broker.metric("freshet_connections_delayed_total")
    mine = [from_address("127.0.0.2", SECOND_PORT) for _ in range(4)]
    ask(mine[3])
    expect("three of one listener are served", all(is_served(c) for c in mine[:3]))
    expect("the fourth waits", not select.select([mine[3].socket], [], [], 1)[0])
    expect("the other one has room", is_served(control) and serve_seconds(10, PORT) >= 0)
    expect("without a rate nobody waits for a turn", broker.metric("freshet_connections_delayed_total") == delayed)
    mine.pop(0).close()
    expect("one that left makes room", is_answered(mine[-1]))
    for connection in mine + [control]:
        connection.close()
    good.end()
    connections_end(1)


def flood_storm():
    """Four threads connect and leave, half of them with an unfinished frame."""
    good = GoodClient()
    end, counts = time.monotonic() + 5, []

    def run(n):
        count = 0
        while time.monotonic() < end:
            try:
                with Connection(PORT, 5) as connection:
                    if n % 2:
                        connection.socket.send(b"\0\0\1")
                count += 1
            except (OSError, Closed):
                pass
        counts.append(count)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(f"{sum(counts)} connections in 5 s")
    good.end()
    connections_end(1)


def flood_slow():
    """Slowloris: 400 clients that send a byte now and then. connections.max.idle.ms is 6 s."""
    good = GoodClient()
    before = broker.memory_kib()
    slow = [Connection(PORT) for _ in range(400)]
    frame = framed(request_bytes(APIS["Metadata"], 9, 1, b"\0\0\0\0\0"))
    for i in range(12):
        for connection in slow:
            try:
                connection.socket.send(frame[i : i + 1])
            except OSError:
                pass
        time.sleep(0.25)
    grown = broker.memory_kib() - before
    say(f"400 slow senders take {grown // 1024} MiB")
    expect(f"{grown} KiB for 400 slow senders", grown < 64 * 1024)
    connected = broker.metric("freshet_connections")
    expect(f"{connected:.0f} slow ones are connected while they send", connected >= 400)
    connections_end(2)  # and are closed when they fall silent
    good.end()
    expect("a closed one knows it", slow[0].is_closed())


def flood_deaf():
    """60 consumers that ask for 50 MB again and again, and never read an answer."""
    with Connection(PORT, 60) as connection:
        create(connection)
        data = kafka.batch([b"x" * 900_000])
        for _ in range(60):
            expect("ballast", produce(connection, data) == 0)
    good = GoodClient()
    fetch = kafka.Exact(APIS["Fetch"].request, 11).encode({"replica_id": -1, "max_wait_ms": 100, "max_bytes": 50 << 20, "session_epoch": -1,
        "topics": [{"topic": TOPIC, "partitions": [{"partition": 0, "current_leader_epoch": -1, "log_start_offset": -1,
            "partition_max_bytes": 50 << 20}]}]})
    deaf = [Connection(PORT, 60) for _ in range(60)]
    for connection in deaf:
        for i in range(20):
            connection.send(framed(request_bytes(APIS["Fetch"], 11, i, fetch)))
    time.sleep(3)
    say(f"60 deaf consumers that want {60 * 20 * 50 // 1024} GiB: {broker.memory_kib() // 1024} MiB, at most {broker.memory_peak_kib() // 1024} MiB")
    expect(f"{broker.memory_peak_kib() // 1024} MiB", broker.memory_peak_kib() < 600 * 1024)
    with Connection(PORT, 60) as connection:
        expect("who connects now is served", is_served(connection))
    good.end()
    for connection in deaf:
        connection.close()
    connections_end(1)


def flood_idle():
    """3,000 connections that say something once."""
    before = broker.memory_kib()
    good = GoodClient()
    idle = []
    for _ in range(3000):
        idle.append(Connection(PORT, 60))
        is_served(idle[-1])
    each = (broker.memory_kib() - before) / len(idle)
    say(f"{len(idle)} idle connections, {each:.1f} KiB each")
    expect(f"{each} KiB for an idle connection", each < 64)
    good.end()
    for connection in idle:
        connection.close()
    connections_end(1)


def flood_gone():
    """200 clients that ask for a long poll and leave."""
    fetch = kafka.Exact(APIS["Fetch"].request, 11).encode({"replica_id": -1, "max_wait_ms": 600000, "min_bytes": 1 << 30, "max_bytes": 1 << 30,
        "session_epoch": -1, "topics": [{"topic": TOPIC, "partitions": [{"partition": 1, "current_leader_epoch": -1, "log_start_offset": -1,
            "partition_max_bytes": 1 << 20}]}]})
    for _ in range(200):
        with Connection(PORT) as connection:
            connection.send(framed(request_bytes(APIS["Fetch"], 11, 1, fetch)))
    connections_end(1)


def flood_descriptors():
    """400 connections to a broker that may open 150 files."""
    good = GoodClient()
    many, waiting = [], 0
    for _ in range(400):
        connection = Connection.__new__(Connection)
        connection.socket = socket.socket()
        connection.socket.setblocking(False)
        connection.socket.connect_ex(("127.0.0.1", PORT))
        many.append(connection)
    time.sleep(3)
    good.end()
    for connection in many:
        waiting += connection.socket in select.select([], [connection.socket], [], 0)[1]
        connection.close()
    say(f"{waiting} of 400 had a connection, of the kernel at least")
    connections_end(1)
    with Connection(PORT, 20) as connection:
        expect("served again", is_served(connection))


globals()["flood_" + WHAT]()
sys.exit(1 if failures else 0)
