"""observer.py watch|admin|final HISTORY SEED BOOTSTRAP ADMIN-PORT TOPIC:PARTITIONS...: clients of a chaos run that speak the protocol themselves,
so that they see what client libraries hide: who says that it leads, in which epoch, and where the log ends (watch); who moves partitions, drains
brokers and makes and deletes topics all the time (admin); and what there is in the end: topics, batches and their leader epochs (final)."""
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../bad_input"))
import kafka

APIS = {api.name: api for api in kafka.schemas_read().values()}
RETRY = {3, 5, 6, 7, 9, 13, 14, 15, 16, 41, 74, 75, 76, 85}
stop_wanted = []


def now_us():
    return int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000000)


class History:
    def __init__(self, path, role):
        self.file, self.worker = open(path, "a", encoding="ascii"), f"{role}-{os.getpid()}"

    def event(self, kind, topic, partition, *rest):
        words = [now_us(), self.worker, kind, topic, partition, *rest]
        self.file.write(" ".join(str(w).replace(" ", "_") for w in words) + "\n")
        self.file.flush()


class Peer:
    """One broker, asked directly; connects again by itself."""

    def __init__(self, address):
        self.host, _, self.port = address.partition(":")
        self.connection, self.quiet_until = None, 0

    def ask(self, api, version, timeout=2, **values):
        """The answer, or None: nobody knows."""
        if time.monotonic() < self.quiet_until:
            return None
        try:
            if self.connection is None:
                self.connection = kafka.Connection(int(self.port), 1, self.host)
            self.connection.socket.settimeout(timeout)
            return self.connection.tell(APIS[api], version, values)
        except (OSError, socket.timeout, kafka.Closed):
            self.close()
            self.quiet_until = time.monotonic() + 0.3
            return None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Observer:
    def __init__(self, history, seed, bootstrap, admin_port, topics):
        self.history, self.dice, self.admin_port = history, random.Random(f"{seed} admin"), admin_port
        self.peers = [Peer(address) for address in bootstrap.split(",")]
        self.topics = [(name, int(count)) for name, _, count in (t.partition(":") for t in topics)]
        self.told, self.made, self.serial = {}, [], 0

    # --- watch ---

    def watch(self):
        while not stop_wanted:
            for peer in self.peers:
                self.watch_metadata(peer)
                self.watch_ends(peer)
            time.sleep(0.1)

    def watch_metadata(self, peer):
        """Who leads, as this broker says; written when it is another than before."""
        answer = peer.ask("Metadata", 12, topics=[{"name": name.encode()} for name, _ in self.topics])
        hosts = {b["node_id"]: b["host"].decode() for b in answer["brokers"]} if answer else {}
        for topic in answer["topics"] if answer else []:
            for p in topic["partitions"]:
                key = (peer.host, topic["name"], p["partition_index"])
                value = (hosts.get(p["leader_id"]), p["leader_epoch"])
                if value[0] and self.told.get(key) != value:
                    self.told[key] = value
                    self.history.event("leader", topic["name"].decode(), p["partition_index"], *value, peer.host)

    def watch_ends(self, peer):
        """Where each partition ends, from whoever dares to say it."""
        asked = now_us()
        topics = [{"name": name.encode(), "partitions": [{"partition_index": i, "current_leader_epoch": -1, "timestamp": -1}
            for i in range(count)]} for name, count in self.topics]
        answer = peer.ask("ListOffsets", 5, replica_id=-1, isolation_level=0, topics=topics)
        for topic in answer["topics"] if answer else []:
            for p in topic["partitions"]:
                if p["error_code"] == 0:
                    self.history.event("end", topic["name"].decode(), p["partition_index"], p["offset"], p["leader_epoch"], peer.host, asked)

    # --- admin ---

    def admin(self):
        acts = [self.reassign] * 4 + [self.drain, self.cordon, self.topic_create, self.topic_create, self.topic_delete]
        while not stop_wanted:
            self.dice.choice(acts)()
            time.sleep(self.dice.uniform(0.3, 2.5))

    def any_peer(self):
        return self.dice.choice(self.peers)

    def note(self, text):
        self.history.file.write(f"# {now_us()} {text}\n")

    def reassign(self):
        name, count = self.dice.choice(self.topics)
        partitions = self.dice.sample(range(count), self.dice.randint(1, count))
        wishes = [{"partition_index": p, "replicas": [self.dice.randint(1, len(self.peers))]} for p in partitions]
        answer = self.any_peer().ask("AlterPartitionReassignments", 0, 12, timeout_ms=10000, topics=[{"name": name.encode(), "partitions": wishes}])
        self.note(f"reassign {name} {[(w['partition_index'], w['replicas'][0]) for w in wishes]}: {answer and answer['error_code']}")

    def http(self, method, path):
        url = f"http://{self.any_peer().host}:{self.admin_port}/v1/brokers/{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
                text = json.loads(answer.read().decode()).get("state")
        except (urllib.error.URLError, OSError, ValueError) as error:
            text = str(error)
        self.note(f"{method} {path}: {text}")

    def drain(self):
        broker = self.dice.randint(1, len(self.peers))
        self.http("POST", f"{broker}/drain")
        self.wait(self.dice.uniform(1, 6))
        self.http("DELETE", f"{broker}/cordon")

    def cordon(self):
        broker = self.dice.randint(1, len(self.peers))
        self.http("POST", f"{broker}/cordon")
        self.wait(self.dice.uniform(1, 3))
        self.http("DELETE", f"{broker}/cordon")

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop_wanted:
            time.sleep(0.1)

    def topic_create(self):
        self.serial += 1
        name, count = f"extra-{self.serial}", self.dice.randint(1, 3)
        self.history.event("topic-asked", name, 0, count)
        answer = self.any_peer().ask("CreateTopics", 7, 12, timeout_ms=10000,
            topics=[{"name": name.encode(), "num_partitions": count, "replication_factor": 1, "assignments": [], "configs": []}])
        code = answer["topics"][0]["error_code"] if answer else None
        if code == 0:
            self.made.append(name)
        self.topic_event("topic-created", "topic-unknown", "topic-refused", name, code)

    def topic_delete(self):
        if not self.made:
            return
        name = self.made.pop(self.dice.randrange(len(self.made)))
        self.history.event("delete-asked", name, 0)
        answer = self.any_peer().ask("DeleteTopics", 5, 12, topic_names=[name.encode()], timeout_ms=10000)
        self.topic_event("topic-deleted", "delete-unknown", "delete-refused", name, answer["responses"][0]["error_code"] if answer else None)

    def topic_event(self, done, unknown, refused, name, code):
        """REQUEST_TIMED_OUT and no answer say nothing; NOT_CONTROLLER and its like may come too late to be sure: Kafka's own clients ask again."""
        if code == 0:
            self.history.event(done, name, 0)
        elif code in (None, 7, 41, -1, 13, 14, 15, 16, 56):
            self.history.event(unknown, name, 0, code)
        else:
            self.history.event(refused, name, 0, code)

    # --- final ---

    def final(self):
        for peer in self.peers:
            if not self.eventually(lambda: peer.ask("Metadata", 12, 20, topics=None), self.list_topics):
                raise SystemExit(f"observer: {peer.host} gives no metadata")
        for name, count in self.topics:
            for partition in range(count):
                self.read_batches(name, partition)

    def eventually(self, ask, take):
        for _ in range(100):
            answer = ask()
            if answer is not None and take(answer):
                return True
            time.sleep(0.2)
        return False

    def list_topics(self, answer):
        if answer["controller_id"] < 0:
            return False
        for topic in answer["topics"]:
            if topic["name"].decode() != "__consumer_offsets":
                self.history.event("topic", topic["name"].decode(), 0, len(topic["partitions"]))
        self.history.event("topics-listed", "-", 0)
        return True

    def read_batches(self, name, partition):
        """The headers of all batches: base offset, last offset, leader epoch."""
        at, tries, end = 0, 0, None
        while end is None or at < end:
            peer = self.peers[tries % len(self.peers)]
            asked = {"topic": name.encode(), "partitions": [{"partition": partition, "current_leader_epoch": -1, "fetch_offset": at,
                "log_start_offset": -1, "partition_max_bytes": 4 << 20}]}
            answer = peer.ask("Fetch", 11, 20, replica_id=-1, max_wait_ms=10, min_bytes=1, max_bytes=4 << 20, session_id=0, session_epoch=-1,
                topics=[asked], isolation_level=0, rack_id=b"")
            told = answer["responses"][0]["partitions"][0] if answer and answer["responses"] else None
            if told is None or told["error_code"]:
                tries += 1
                if tries > 300:
                    raise SystemExit(f"observer: {name}/{partition} cannot be read at {at}: {told and told['error_code']}")
                time.sleep(0.0 if tries % len(self.peers) else 0.2)
                continue
            end = told["high_watermark"]
            at = self.batches(name, partition, told["records"] or b"", at)

    def batches(self, name, partition, data, at):
        place = 0
        while place + 61 <= len(data):
            base, size, epoch = struct.unpack(">qii", data[place : place + 16])
            last = base + struct.unpack(">i", data[place + 23 : place + 27])[0]
            if place + 12 + size > len(data):
                break
            if last >= at:
                self.history.event("batch", name, partition, base, last, epoch)
                at = last + 1
            place += 12 + size
        return at


def main():
    mode, path, seed, bootstrap, admin_port, *topics = sys.argv[1:]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_wanted.append(1))
    observer = Observer(History(path, mode), seed, bootstrap, int(admin_port), topics)
    {"watch": observer.watch, "admin": observer.admin, "final": observer.final}[mode]()


main()
