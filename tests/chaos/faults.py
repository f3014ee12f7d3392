"""The faults of a chaos run. A fault is a generator: it breaks something, yields the seconds until it wants to go on, and heals what it
broke before it ends. It takes the brokers that it needs, so no two faults have one broker in their hands. README.md has the list."""
import os
import signal

from world import Failure


class Faults:
    """Makes faults by name; `dice` decides everything that is chosen."""

    def __init__(self, world, dice, lease_s):
        self.world, self.dice, self.lease_s = world, dice, lease_s

    @classmethod
    def all_kinds(cls):
        return [name[len("fault_"):].replace("_", "-") for name in dir(cls) if name.startswith("fault_")]

    def kinds(self):
        """Those that can be done here."""
        return [name for name in self.all_kinds() if self.world.has_namespaces or not name.startswith(("cut", "disk-full"))]

    def make(self, kind):
        return getattr(self, "fault_" + kind.replace("-", "_"))()

    # --- whom ---

    def take(self, count=1, first=None):
        """Up to `count` brokers that run and are in nobody's hands; `first` is one of them if it can be."""
        free = [b for b in self.world.brokers if b.is_running() and not b.is_paused and not b.is_claimed]
        self.dice.shuffle(free)
        if first in free:
            free.remove(first)
            free.insert(0, first)
        for broker in free[:count]:
            broker.is_claimed = True
        return free[:count]

    def release(self, brokers):
        for broker in brokers:
            broker.is_claimed = False

    def say(self, text):
        print(f"  {self.world.clock():>7} {text}", flush=True)

    def names(self, brokers):
        return " and ".join(f"broker {b.number}" for b in brokers) or "nobody"

    # --- processes ---

    def killed(self, brokers, least, most):
        self.say(f"SIGKILL for {self.names(brokers)}")
        for broker in brokers:
            broker.kill()
        yield self.dice.uniform(least, most)
        for broker in brokers:
            broker.start()
        self.release(brokers)

    def fault_kill(self):
        yield from self.killed(self.take(), 0, 5)

    def fault_kill_controller(self):
        yield from self.killed(self.take(1, self.world.controller()), 0, 5)

    def fault_kill_two(self):
        yield from self.killed(self.take(2), 0, 5)

    def fault_kill_all(self):
        yield from self.killed(self.take(len(self.world.brokers)), 0, 2)

    def fault_kill_starting(self):
        brokers = self.take()
        for broker in brokers:
            self.say(f"SIGKILL for {self.names(brokers)}, and again while it starts")
            broker.kill()
            broker.start()
            yield self.dice.uniform(0.05, 1.5)
            if broker.is_running():
                broker.kill()
                broker.start()
        self.release(brokers)

    def fault_stop(self):
        """SIGTERM: it hands over and ends with 0, or, when it may not serve any more, says why."""
        brokers = self.take()
        for broker in brokers:
            self.say(f"SIGTERM for {self.names(brokers)}")
            broker.log_note("chaos: SIGTERM")
            broker.process.send_signal(signal.SIGTERM)
            waited = 0
            while broker.is_running() and waited < 60:
                waited += 0.2
                yield 0.2
            if broker.is_running():
                raise Failure(f"broker {broker.number} still runs a minute after SIGTERM")
            if broker.process.returncode == 0:
                broker.process = None
            else:
                self.say(f"broker {broker.number} did not end in order: {broker.ended()}")
            broker.start()
        self.release(brokers)

    def paused(self, brokers, seconds):
        self.say(f"SIGSTOP for {self.names(brokers)} for {seconds:.1f} s")
        for broker in brokers:
            broker.pause()
        yield seconds
        for broker in brokers:
            broker.go_on()
        self.release(brokers)

    def fault_pause(self):
        yield from self.paused(self.take(), self.dice.uniform(1.1, 3) * self.lease_s)

    def fault_pause_controller(self):
        yield from self.paused(self.take(1, self.world.controller()), self.dice.uniform(1.4, 3) * self.lease_s)

    def fault_pause_short(self):
        """About as long as the lease and its margins: who is right is decided by little."""
        yield from self.paused(self.take(), self.dice.uniform(0.4, 1.3) * self.lease_s)

    # --- the network ---

    def cut(self, what, pairs):
        """Pairs of sender and receiver."""
        seconds = self.dice.uniform(0.5, 3) * self.lease_s
        self.say(f"{what} for {seconds:.1f} s")
        before = len(self.world.cuts)
        for sender, receiver in pairs:
            self.world.cut(sender, receiver)
        cuts = self.world.cuts[before:]
        yield seconds
        self.world.heal(cuts)

    def others(self, place, *left_out):
        return [p for p in self.world.places if p != place and p not in left_out]

    def both(self, place, others):
        return [(place, other) for other in others] + [(other, place) for other in others]

    def one(self):
        """A broker whose network is to be cut; it may be in other hands too."""
        return f"broker-{self.dice.choice(self.world.brokers).number}"

    def controller(self):
        controller = self.world.controller()
        return f"broker-{controller.number}" if controller else self.one()

    def fault_cut(self):
        place = self.one()
        yield from self.cut(f"{place} is cut from all", self.both(place, self.others(place)))

    def fault_cut_controller(self):
        place = self.controller()
        yield from self.cut(f"the controller, {place}, is cut from all", self.both(place, self.others(place)))

    def fault_cut_controller_peers(self):
        place = self.controller()
        yield from self.cut(f"the controller, {place}, is cut from the other brokers",
            self.both(place, self.others(place, "store", "clients")))

    def fault_cut_peers(self):
        place = self.one()
        yield from self.cut(f"{place} is cut from the other brokers", self.both(place, self.others(place, "store", "clients")))

    def fault_cut_store(self):
        place = self.one()
        yield from self.cut(f"{place} is cut from the store only", self.both(place, ["store"]))

    def fault_cut_controller_store(self):
        place = self.controller()
        yield from self.cut(f"the controller, {place}, is cut from the store only", self.both(place, ["store"]))

    def fault_cut_clients(self):
        place = self.one()
        yield from self.cut(f"{place} is cut from the clients only", self.both(place, ["clients"]))

    def fault_cut_out(self):
        place = self.dice.choice([self.one(), self.controller()])
        yield from self.cut(f"what {place} sends is lost", [(place, other) for other in self.others(place)])

    def fault_cut_in(self):
        place = self.dice.choice([self.one(), self.controller()])
        yield from self.cut(f"what is sent to {place} is lost", [(other, place) for other in self.others(place)])

    def fault_cut_peers_one_way(self):
        place = self.dice.choice([self.one(), self.controller()])
        yield from self.cut(f"what {place} sends to the other brokers is lost",
            [(place, other) for other in self.others(place, "store", "clients")])

    def fault_cut_store_answers(self):
        place = self.dice.choice([self.one(), self.controller()])
        yield from self.cut(f"what the store answers {place} is lost", [("store", place)])

    def fault_cut_ring(self):
        """Nobody hears the next one."""
        names = [f"broker-{b.number}" for b in self.world.brokers]
        yield from self.cut("each broker is deaf for the next one", list(zip(names, names[1:] + names[:1])))

    # --- the store ---

    def store(self, what, *rules):
        """Rules of the fault proxy, for one broker or for all."""
        numbers = [b.number for b in self.world.brokers]
        numbers = numbers if self.dice.random() < 0.6 else [self.dice.choice(numbers)]
        seconds = self.dice.uniform(2, 8)
        self.say(f"the store {what} for {'all' if len(numbers) > 1 else f'broker {numbers[0]}'} for {seconds:.1f} s")
        for number in numbers:
            for method, kind, probability, ms in rules:
                self.world.rule(number, method=method, kind=kind, probability=probability, ms=ms)
        yield seconds
        for number in numbers:
            self.world.rules_clear(number)

    def fault_store_500(self):
        yield from self.store("says 500", ("PUT", "500", 0.5, 0), ("GET", "500", 0.3, 0))

    def fault_store_503(self):
        yield from self.store("says 503", ("", "503", 0.7, 0))

    def fault_store_409(self):
        yield from self.store("says 409", ("PUT", "409", 0.7, 0))

    def fault_store_412(self):
        yield from self.store("lies with 412", ("PUT", "412", 0.1, 0))

    def fault_store_lost(self):
        yield from self.store("loses answers", ("PUT", "lost", 0.4, 0), ("GET", "lost", 0.1, 0))

    def fault_store_late(self):
        yield from self.store("carries out late", ("PUT", "late", 0.2, self.dice.randrange(200, 3000)))

    def fault_store_lies(self):
        yield from self.store("does it and says 500", ("PUT", "lie-500", 0.4, 0))

    def fault_store_truncates(self):
        yield from self.store("truncates", ("GET", "truncate", 0.4, 0))

    def fault_store_wrong(self):
        yield from self.store("sends wrong bytes", ("GET", "wrong", 0.3, 0))

    def fault_store_slow(self):
        yield from self.store("is slow", ("", "delay", 1, self.dice.randrange(50, 1500)))

    def fault_store_slow_bodies(self):
        yield from self.store("sends slowly", ("GET", "slow", 0.7, self.dice.randrange(5, 100)))

    def fault_store_mix(self):
        yield from self.store("does a bit of everything", ("PUT", "lost", 0.2, 0), ("PUT", "late", 0.1, 800), ("PUT", "lie-500", 0.1, 0),
            ("", "503", 0.2, 0), ("GET", "truncate", 0.2, 0), ("", "drop", 0.1, 0))

    def fault_store_gone(self):
        yield from self.store("is gone", ("", "drop", 1, 0))

    def fault_store_hangs(self):
        """Nobody answers; what was asked is carried out in the end."""
        seconds = self.dice.uniform(1, 8)
        self.say(f"SIGSTOP for the S3 server for {seconds:.1f} s")
        self.world.server.send_signal(signal.SIGSTOP)
        yield seconds
        self.world.server.send_signal(signal.SIGCONT)

    def fault_store_killed(self):
        seconds = self.dice.uniform(0, 5)
        self.say(f"SIGKILL for the S3 server, which is back after {seconds:.1f} s")
        self.world.store_kill()
        yield seconds
        self.world.store_start()

    # --- volumes ---

    def fault_disk_full(self):
        """Somebody else fills the volume of the last broker."""
        path, seconds = f"{self.world.volume}/foreign", self.dice.uniform(3, 8)
        self.say(f"the volume of broker {self.world.brokers[-1].number} is full for {seconds:.1f} s")
        try: # a machine without memory has no room for the first byte either
            with open(path, "wb") as file:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
        except OSError:
            pass
        yield seconds
        if os.path.exists(path):
            os.unlink(path)

    def disk(self, what, rule):
        """A start whose volume will fail: the broker must end, say why, and recover."""
        brokers = self.take()
        for broker in brokers:
            self.say(f"the volume of {self.names(brokers)} {what} ({rule})")
            broker.kill()
            broker.start(FRESHET_DISK_FAULTS=rule)
            waited = 0
            while broker.is_running() and waited < 10:
                waited += 0.2
                yield 0.2
            if broker.is_running():
                broker.kill()
            else:
                self.say(f"broker {broker.number} ended: {broker.ended()}")
            broker.start()
        self.release(brokers)

    def fault_disk_eio(self):
        yield from self.disk("fails a write", f"write:wal/:eio:skip={self.dice.randrange(400)}:n=1")

    def fault_disk_sync(self):
        yield from self.disk("fails a flush", f"sync:wal/:eio:skip={self.dice.randrange(4)}")

    def fault_disk_torn(self):
        yield from self.disk("tears a write", f"write:wal/:torn:skip={self.dice.randrange(400)}:n=1")

    def fault_disk_lost(self):
        yield from self.disk("loses a write", f"write:wal/:lost:skip={self.dice.randrange(400)}:n=1")

    def fault_disk_slow(self):
        yield from self.disk("is slow", f"write:wal/:slow:skip={self.dice.randrange(100)}:n=2:ms={self.dice.randrange(5000)}")
