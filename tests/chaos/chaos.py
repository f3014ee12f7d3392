"""chaos.py [--minutes N] [--seed S] [--faults LIST] [--brokers N] [--episode MINUTES] [--rate N] [--wal TYPE]: faults under a cluster of real
brokers with real clients (README.md). Prints the seed first. hack/chaos builds what is missing and starts it."""
import argparse
import heapq
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import world as world_module
from clients import Clients
from faults import Faults
from world import TESTS, Failure, World

LEASE_S = 2
QUIET_S = 60  # after the last fault everything must be available within this time
SETTINGS = {"lease.ms": LEASE_S * 1000, "reactors": 2, "upload.interval.ms": 200, "wal.capacity.bytes": 268435456,
    "object.delete.delay.ms": 3000, "group.initial.rebalance.delay.ms": 0, "group.min.session.timeout.ms": 1000,
    "offsets.topic.num.partitions": 8, "log.cache.bytes": 67108864, "block.cache.bytes": 16777216}


def now_us():
    return int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000000)


class Schedule:
    """Generators that yield the seconds until they want to go on; one thread runs them all."""

    def __init__(self):
        self.due, self.serial = [], 0

    def add(self, generator, seconds=0.0):
        self.serial += 1
        heapq.heappush(self.due, (time.monotonic() + seconds, self.serial, generator))

    def run(self):
        while self.due and self.due[0][0] <= time.monotonic():
            _, _, generator = heapq.heappop(self.due)
            try:
                self.add(generator, next(generator))
            except StopIteration:
                pass


class Episode:
    """One cluster, from its empty bucket to the check of its history."""

    def __init__(self, options, seed, seconds):
        self.options, self.seed, self.seconds = options, seed, seconds
        self.folder = tempfile.mkdtemp(prefix="freshet-chaos.")
        self.schedule, self.world, self.clients, self.counts = Schedule(), None, None, {}
        self.busy, self.ends = set(), 0

    def say(self, text):
        print(f"  {self.world.clock() if self.world else '':>7} {text}", flush=True)

    # --- what goes on all the time ---

    def turn(self):
        """A turn of the loop: faults that are due, brokers that ended by themselves, clients that must not have."""
        self.schedule.run()
        for broker in self.world.brokers:
            if broker.process is not None and not broker.is_claimed and not broker.is_running():
                reason = broker.ended()
                self.ends += 1
                self.say(f"broker {broker.number} has ended: {reason}")
                broker.is_claimed = True
                self.schedule.add(self.restart(broker), 0.5)
            broker.memory_look()
        self.clients.check_alive()
        time.sleep(0.05)

    def restart(self, broker):
        if False:
            yield 0
        broker.start()
        broker.is_claimed = False

    def until(self, what, seconds, done):
        """Seconds until `done` says nothing is missing."""
        began, missing = time.monotonic(), done()
        while missing:
            if time.monotonic() - began > seconds:
                raise Failure(f"{what}: after {seconds} s still missing: {str(missing)[:300]}")
            self.turn()
            missing = done()
        return time.monotonic() - began

    # --- the faults ---

    def family(self, kind):
        if kind.startswith(("kill", "stop", "pause", "disk")):
            return "broker"
        return kind.split("-")[0]

    def fault(self, kind, dice):
        """One fault; its family is busy meanwhile."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.busy.add(self.family(kind))
        try:
            if kind == "member":
                self.say(f"{self.clients.member_replace(dice)} is replaced")
            else:
                yield from Faults(self.world, dice, LEASE_S).make(kind)
        finally:
            self.busy.discard(self.family(kind))

    def faults(self):
        """Every 10 to 15 s one, or two of different families, until the time is over. Each has dice of its own, so that one which takes another
        way changes no later one."""
        kinds = Faults(self.world, None, LEASE_S).kinds() + ["member"]
        wanted = self.options.faults.split(",") if self.options.faults else kinds
        unknown = [kind for kind in wanted if kind not in [*Faults.all_kinds(), "member"]]
        wanted = [kind for kind in wanted if kind in kinds]
        if unknown or not wanted:
            raise Failure(f"no such faults: {', '.join(unknown) or self.options.faults}; there are here: {', '.join(kinds)}")
        bag, number, end = [], 0, time.monotonic() + self.seconds
        order = random.Random(f"{self.seed} order")
        while time.monotonic() < end:
            for _ in range(2 if order.random() < 0.25 else 1):
                bag = bag or order.sample(wanted, len(wanted))
                kind = next((k for k in bag if self.family(k) not in self.busy), None)
                number += 1
                if kind:
                    bag.remove(kind)
                    self.schedule.add(self.fault(kind, random.Random(f"{self.seed} {number}")), order.uniform(0, 2))
            yield order.uniform(10, 15)

    # --- the run ---

    def run(self):
        self.world = World(self.folder, self.options.brokers, self.options.namespaces, {**SETTINGS, "wal.type": self.options.wal})
        for broker in self.world.brokers:
            broker.start()
        self.clients = Clients(self.world, self.seed, self.options.rate)
        self.until("start", 30, lambda: [b.number for b in self.world.brokers if not b.is_ready()])
        self.clients.create_topics()
        self.clients.start()
        start = now_us()
        self.until("before the first fault", 30, lambda: self.clients.silent_since(start))
        self.say("all is well; the faults begin")
        self.schedule.add(self.faults())
        while self.schedule.due:
            self.turn()
        self.quiet_end()
        self.last_reading()
        self.check()

    def quiet_end(self):
        """No faults any more: everything must be available again in a bounded time."""
        self.say("the faults are over")
        start = now_us()
        watch, admin = self.clients.others[:2]
        self.clients.others = self.clients.others[2:]
        self.clients.end([admin], "client", 30)
        for broker in self.world.brokers:
            broker.is_claimed = False
            if broker.process is None:
                broker.start()
        ready = self.until("brokers", QUIET_S, lambda: [b.number for b in self.world.brokers if not b.is_ready()])
        for broker in self.world.brokers:
            self.until("cordons", 20, lambda: world_module.http("DELETE", self.world.brokers[0].url(f"/v1/brokers/{broker.number}/cordon"),
                None, 5) is None)
        acks = self.until("acknowledgements in", QUIET_S, lambda: self.clients.silent_since(start))
        self.clients.end(self.clients.producers, "producer", 130)
        self.clients.producers = []
        groups = self.until("groups", QUIET_S, self.clients.behind)
        self.clients.end([(name, p) for name, (_, p) in self.clients.members.items()], "member", 30)
        self.clients.members = {}
        self.clients.end([watch], "client", 30)
        self.say(f"all brokers ready after {ready:.1f} s, all partitions acknowledged after {ready + acks:.1f} s, groups at the end after {groups:.1f} s more")

    def last_reading(self):
        """By fresh clients; then once more from the bucket alone: all brokers stop, and come back with empty volumes."""
        self.clients.read_all("last-reading")
        self.clients.final()
        self.brokers_stop()
        for broker in self.world.brokers:
            broker.data += "-new"
            broker.start()
        self.until("start on the bucket alone", 60, lambda: [b.number for b in self.world.brokers if not b.is_ready()])
        self.clients.read_all("bucket-alone")
        self.brokers_stop()

    def brokers_stop(self):
        for broker in self.world.brokers:
            broker.process.send_signal(signal.SIGTERM)
        for broker in self.world.brokers:
            try:
                status = broker.process.wait(90)
            except subprocess.TimeoutExpired as error:
                raise Failure(f"broker {broker.number} still runs 90 s after SIGTERM") from error
            if status:
                raise Failure(f"broker {broker.number} ended with status {status} after SIGTERM: {broker.ended()}")
            broker.process = None

    def check(self):
        files = sorted(f"{self.clients.folder}/{name}" for name in os.listdir(self.clients.folder))
        done = subprocess.run([sys.executable, f"{TESTS}/crash/check_history.py", *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False)
        print(done.stdout.rstrip(), flush=True)
        if done.returncode:
            raise Failure("the history shows it")
        audit = subprocess.run([*self.world.places["store"].inside(), world_module.BROKER, "audit", "--read", self.world.store_url(1)],
            capture_output=True, text=True, env={**os.environ, **world_module.KEYS}, check=False)
        findings = [line for line in audit.stdout.splitlines() if not line.startswith("summary ")]
        if audit.returncode:
            raise Failure("freshet audit finds something: " + " | ".join(findings[:10]) + audit.stderr[-300:])
        self.say("freshet audit finds nothing; " + ", ".join(f"{kind} {n}" for kind, n in sorted(self.counts.items())) +
            f"; {self.ends} brokers ended by themselves; the largest memory {max(b.memory_max for b in self.world.brokers)} MiB")

    def close(self, keep):
        if self.clients:
            self.clients.close()
        if self.world:
            self.world.close()
            if self.world.volume and keep:
                shutil.copytree(self.world.volume, f"{self.world.volume}-kept", ignore=shutil.ignore_patterns("foreign"))
            if self.world.volume:
                subprocess.run(["umount", "-l", self.world.volume], check=False)
        if not keep:
            shutil.rmtree(self.folder)


def enter_namespaces():
    """Starts this program again in a network and a mount namespace of its own, where that is allowed."""
    if os.environ.pop("FRESHET_CHAOS_NAMESPACE", None):
        return os.environ.get("FRESHET_CHAOS_CUTS") != "no"
    if os.environ.get("FRESHET_CHAOS_CUTS") == "no":
        return False
    for rights in ([], ["--map-root-user"]):
        enter = ["unshare", "--mount", "--net", *rights]
        trial = [*enter, "sh", "-c", "ip link add try-0 type veth peer name try-1 && ip rule add from 10.0.0.1 to 10.0.0.2 blackhole && unshare --net true"]
        if subprocess.run(trial, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ["FRESHET_CHAOS_NAMESPACE"] = "1"
            os.execvp("unshare", [*enter, "--", sys.executable, *sys.argv])
    print("no network namespace can be made here: nothing is cut from anything", flush=True)
    return False


def options_read():
    parser = argparse.ArgumentParser(prog="hack/chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of faults, over all episodes")
    parser.add_argument("--episode", type=float, default=5, help="minutes of faults in one cluster; then it is checked, and the next one begins")
    parser.add_argument("--seed", type=int, help="repeats the choices of that run")
    parser.add_argument("--faults", default="", help="kinds, with commas between them; all of them without it")
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--rate", type=int, default=150, help="records a second of each of the three producers")
    parser.add_argument("--wal", default="volume", choices=["volume", "s3"], help="wal.type; s3 needs a broker that has it")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a good run too")
    return parser.parse_args()


def main():
    options = options_read()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    options.namespaces = enter_namespaces_once(seed)
    left, status = options.minutes, 0
    while left > 0 and not status:
        minutes = min(left, options.episode)
        again = f"hack/chaos --seed {seed} --minutes {minutes:g} --brokers {options.brokers} --rate {options.rate} --wal {options.wal}" + (
            f" --faults {options.faults}" if options.faults else "")
        print(f"chaos: seed {seed}; again: {again}", flush=True)
        status = episode_run(options, seed, minutes, again)
        left, seed = left - minutes, seed + 1
    return status


def enter_namespaces_once(seed):
    """The seed outlives the new start in the namespaces."""
    if "--seed" not in " ".join(sys.argv):
        sys.argv += ["--seed", str(seed)]
    return enter_namespaces()


def episode_run(options, seed, minutes, again):
    episode, failure = Episode(options, seed, minutes * 60), None
    try:
        episode.run()
    except Failure as found:
        failure = str(found)
    finally:
        if sys.exc_info()[0]:
            print(f"chaos: kept {episode.folder}", flush=True)
        episode.close(failure is not None or options.keep or sys.exc_info()[0] is not None)
    if failure:
        print(f"FAILED: {failure}\n  kept: {episode.folder} (logs, histories, volumes, bucket)\n  again: {again}", flush=True)
        return 1
    print(f"chaos: seed {seed} passed" + (f", kept {episode.folder}" if options.keep else ""), flush=True)
    return 0


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
