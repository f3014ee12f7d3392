"""The clients of a chaos run and what they have written down so far."""
import os
import signal
import sys
import time

from world import CLIENT, Failure

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = {"numbers": 8, "plain": 4}
GROUPS = {"readers": "numbers", "others": "plain"}


class Tail:
    """Follows one history file."""

    def __init__(self, path):
        self.path, self.at, self.rest = path, 0, b""

    def lines(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = self.rest + file.read()
            self.at = file.tell()
        lines = data.split(b"\n")
        self.rest = lines.pop()
        return [line.split() for line in lines if line and not line.startswith(b"#")]


class Progress:
    """What the histories say: the last acknowledgement, poll and commit of each partition."""

    def __init__(self):
        self.tails, self.acked, self.acked_at, self.polled, self.committed = {}, {}, {}, {}, {}

    def look(self, folder):
        for name in os.listdir(folder):
            for words in self.tails.setdefault(name, Tail(f"{folder}/{name}")).lines():
                self.take(words)

    def take(self, words):
        kind, place = words[2], (words[3].decode(), int(words[4]))
        if kind == b"ack":
            self.acked[place] = max(self.acked.get(place, -1), int(words[6]))
            self.acked_at[place] = int(words[0])
        elif kind == b"poll":
            key = (words[7].decode(), *place)
            self.polled[key] = max(self.polled.get(key, -1), int(words[6]))
        elif kind == b"commit":
            key = (words[6].decode(), *place)
            self.committed[key] = max(self.committed.get(key, -1), int(words[5]))


class Clients:
    def __init__(self, world, seed, rate):
        self.world, self.seed, self.rate = world, seed, rate
        self.place, self.progress = world.places["clients"], Progress()
        self.folder = f"{world.folder}/histories"
        os.makedirs(self.folder)
        self.producers, self.members, self.others, self.serial = [], {}, [], 0

    def spawn(self, name, argv):
        log = f"{self.world.folder}/{name}.log"
        return self.world.spawn(self.place, argv, log, log)

    def tool(self, name, *argv, timeout=120):
        process = self.spawn(name, [CLIENT, *argv])
        try:
            return process.wait(timeout)
        except Exception as error:
            process.kill()
            raise Failure(f"{name}: no end after {timeout} s") from error

    def create_topics(self):
        for topic, count in PARTITIONS.items():
            if self.tool("create", "create", self.world.bootstrap(), topic, str(count)):
                raise Failure(f"topic {topic} cannot be created")

    def start(self):
        """Two idempotent producers into one topic, a plain one into another; their numbers begin far from each other."""
        for i, (command, topic) in enumerate([("produce", "numbers"), ("produce", "numbers"), ("plain", "plain")]):
            name = f"producer-{i}"
            self.producers.append((name, self.spawn(name, [CLIENT, command, self.world.bootstrap(), topic, str(PARTITIONS[topic]),
                str(self.rate), f"{self.folder}/{name}", str(i << 40)])))
        for group, count in (("readers", 2), ("others", 1)):
            for _ in range(count):
                self.member_start(group)
        self.others = [self.observer("watch"), self.observer("admin")]

    def member_start(self, group):
        self.serial += 1
        name = f"member-{self.serial}"
        self.members[name] = (group, self.spawn(name, [CLIENT, "consume", self.world.bootstrap(), GROUPS[group], group,
            f"{self.folder}/{name}"]))

    def observer(self, mode):
        topics = [f"{topic}:{count}" for topic, count in PARTITIONS.items()]
        return (mode, self.spawn(f"observer-{mode}", [sys.executable, f"{HERE}/observer.py", mode, f"{self.folder}/{mode}", str(self.seed),
            self.world.bootstrap(), str(self.world.admin_port), *topics]))

    def member_replace(self, dice):
        """One member ends, by SIGKILL or in order, and another one comes."""
        name = dice.choice(sorted(self.members))
        group, process = self.members.pop(name)
        if dice.random() < 0.5:
            process.kill()
        else:
            process.send_signal(signal.SIGTERM)
            self.others.append((f"leaving {name}", process))
        self.member_start(group)
        return name

    def check_alive(self):
        for name, process in self.producers + [(name, p) for name, (_, p) in self.members.items()] + self.others:
            if process.poll() is not None and not name.startswith("leaving"):
                raise Failure(f"client {name} ended with status {process.returncode}: {self.last_words(name)}")

    def last_words(self, name):
        try:
            return " | ".join(open(f"{self.world.folder}/{name}.log", encoding="utf-8", errors="replace").read().splitlines()[-3:])
        except OSError:
            return "no log"

    def places(self):
        return [(topic, partition) for topic, count in PARTITIONS.items() for partition in range(count)]

    def silent_since(self, time_us):
        """The partitions in which nothing was acknowledged since."""
        self.progress.look(self.folder)
        return [place for place in self.places() if self.progress.acked_at.get(place, 0) <= time_us]

    def behind(self):
        """What groups have not read or not committed of what was acknowledged."""
        self.progress.look(self.folder)
        out = []
        for group, topic in GROUPS.items():
            for partition in range(PARTITIONS[topic]):
                acked = self.progress.acked.get((topic, partition), -1)
                key = (group, topic, partition)
                if self.progress.polled.get(key, -1) < acked or self.progress.committed.get(key, -1) <= acked:
                    out.append(key)
        return out

    def end(self, processes, what, seconds):
        for _, process in processes:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for name, process in processes:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if process.poll() is None:
                raise Failure(f"{what} {name} still runs {seconds} s after SIGTERM: {self.last_words(name)}")
            if process.returncode not in (0, -signal.SIGTERM):
                raise Failure(f"{what} {name} ended with status {process.returncode}: {self.last_words(name)}")

    def read_all(self, name):
        """The last reading, by a fresh client."""
        for topic, count in PARTITIONS.items():
            if self.tool("read", "read", self.world.bootstrap(), topic, str(count), f"{self.folder}/{name}-{topic}", timeout=300):
                raise Failure(f"{name}: {self.last_words('read')}")
        for group, topic in GROUPS.items():
            if self.tool("committed", "committed", self.world.bootstrap(), topic, group, str(PARTITIONS[topic]),
                    f"{self.folder}/{name}-committed-{group}"):
                raise Failure(f"{name}: the committed offsets of {group}: {self.last_words('committed')}")

    def final(self):
        _, process = self.observer("final")
        try:
            status = process.wait(300)
        except Exception as error:
            process.kill()
            raise Failure("the last look at all batches does not end") from error
        if status:
            raise Failure(f"final: {self.last_words('observer-final')}")

    def close(self):
        for _, process in self.producers + [p for p in self.members.values()] + self.others:
            process.kill()
            process.wait()
