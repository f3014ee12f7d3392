"""check_history.py FILE...: checks the history of a test (HISTORY.md). Prints each finding, and a summary; ends with 1 when there is one.
check_history.py --self-test: plants each fault that HISTORY.md names in a clean history and expects it to be found, and nothing in the clean one."""
import bisect
import collections
import random
import sys

import history_cluster

FINDINGS_SHOWN = 20
# What follows the partition, and how many words may come behind that.
EVENTS = {"send": 1, "ack": 2, "unknown": 2, "refused": 2, "poll": 3, "assign": 2, "revoke": 1, "commit-asked": 2, "commit": 2,
    "commit-unknown": 3, "commit-refused": 3, "committed": 3, "reset": 2, "bounds": 2, "read": 2, "fatal": 2, "high": 2,
    "trim-asked": 1, "trimmed": 1, "trim-unknown": 2, "retain": 1,
    **history_cluster.EVENTS}
PRODUCER = 40  # bits of a number behind the producer's own
Event = collections.namedtuple("Event", "time worker kind topic partition rest")


def parse(line, where):
    words = line.split()
    if len(words) < 5 or words[2] not in EVENTS or len(words) - 5 != EVENTS[words[2]]:
        raise ValueError(f"{where}: no event: {line.strip()!r}")
    rest = [int(w) if w.lstrip("-").isdigit() else w for w in words[5:]]
    return Event(int(words[0]), words[1], words[2], words[3], int(words[4]), rest)


def read(paths):
    """All events in order of time. A line that its writer could not end (it was killed) is left out when it is the last."""
    events = []
    for path in paths:
        lines = open(path, encoding="ascii").read().split("\n")
        for i, line in enumerate(lines[:-1]):
            if line and not line.startswith("#"):
                events.append(parse(line, f"{path}:{i + 1}"))
    events.sort(key=lambda e: e.time)
    return events


class Partition:
    """What is known of one partition."""

    def __init__(self):
        self.sent, self.acked, self.refused, self.plain = {}, {}, set(), set()
        self.acked_somewhere = {}  # without an offset
        self.number_at, self.offset_of = {}, {}
        self.read, self.bounds, self.polled = {}, [], {}
        self.deletable, self.trimmed, self.retained = 0, 0, False  # asked to be deleted, and done; whether retention deletes by itself
        self.known = []  # (time, the greatest offset that was acknowledged or given to somebody until then)

    def gone(self):
        """The log may begin there, if it does."""
        begin = max((e.rest[0] for e in self.bounds), default=0)
        return begin if self.retained or begin <= self.deletable else 0

    def know(self, time, offset):
        if not self.known or offset > self.known[-1][1]:
            self.known.append((time, offset))

    def known_before(self, time):
        before = bisect.bisect_left(self.known, (time, -1))
        return self.known[before - 1][1] if before else -1


class Check:
    def __init__(self, events):
        self.events, self.found, self.counts = events, [], collections.Counter()
        self.lines = []  # what is said of the first ones
        self.partitions = collections.defaultdict(Partition)
        self.cluster = history_cluster.ClusterCheck(self.say)
        self.seen_by = collections.defaultdict(set)  # offsets that a group was given, by group, topic, partition

    def say(self, name, event, text):
        self.found.append(name)
        if len(self.found) <= FINDINGS_SHOWN:
            where = f"{event.topic}/{event.partition}" if event else ""
            self.lines.append(f"{name}: {where} {text}" + (f" ({event.worker} at {event.time})" if event else ""))

    def placed(self, event, number, offset):
        """Someone says that this number is at this offset."""
        p = self.partitions[event.topic, event.partition]
        if number == -1:
            self.say("torn", event, f"the record at offset {offset} has other bytes than were sent")
            return
        if number not in p.sent:
            self.say("invented", event, f"record {number} at offset {offset} was never sent")
        if p.number_at.setdefault(offset, number) != number:
            self.say("two-values", event, f"offset {offset} is record {p.number_at[offset]} and record {number}")
        if p.offset_of.setdefault(number, offset) != offset:
            self.say("duplicate", event, f"record {number} is at offset {p.offset_of[number]} and at {offset}")

    def run(self):
        position = {}  # of a worker in a partition while it is assigned
        readings = {}  # the last reading of each partition: the worker that made it
        for e in self.events:
            p = self.partitions[e.topic, e.partition]
            self.counts[e.kind] += 1
            self.cluster.take(e)
            key = (e.worker, e.topic, e.partition)
            if e.kind == "send":
                p.sent[e.rest[0]] = e.time
                if e.worker.startswith("plain"):
                    p.plain.add(e.rest[0] >> PRODUCER)
            elif e.kind == "ack" and e.rest[1] < 0:
                p.acked_somewhere[e.rest[0]] = e
            elif e.kind == "ack":
                number, offset = e.rest
                self.placed(e, number, offset)
                p.acked[number] = (offset, e)
                p.know(e.time, offset)
            elif e.kind == "refused":
                p.refused.add(e.rest[0])
            elif e.kind == "poll":
                number, offset, group = e.rest
                self.placed(e, number, offset)
                p.polled[offset] = (number, e)
                self.seen_by[group, e.topic, e.partition].add(offset)
                if key in position and position[key] is not None and offset != position[key]:
                    self.say("skipped" if offset > position[key] else "went-back", e, f"offset {offset} where {position[key]} was next")
                position[key] = offset + 1
                p.know(e.time, offset)
            elif e.kind == "assign":
                position[key] = max(e.rest[0], 0)
            elif e.kind == "revoke":
                position.pop(key, None)
            elif e.kind == "trim-asked":
                p.deletable = max(p.deletable, e.rest[0])
            elif e.kind == "trimmed":
                p.trimmed = max(p.trimmed, e.rest[0])
            elif e.kind == "retain":
                p.retained = True
            elif e.kind == "reset" and (p.retained or e.rest[0] < p.deletable):
                pass
            elif e.kind == "reset":
                self.say("unexpected-reset", e, f"the position {e.rest[0]} was given up")
            elif e.kind == "fatal":
                self.say("sequence-lost", e, f"the producer of record {e.rest[0]} was told {e.rest[1]}")
            elif e.kind == "high":
                end, asked = e.rest
                if end <= p.known_before(asked):
                    self.say("high-went-back", e, f"the high watermark was {end}, and offset {p.known_before(asked)} was known before")
            elif e.kind == "bounds":
                readings[e.topic, e.partition] = e.worker
                p.read, p.bounds = {}, [e]
            elif e.kind == "read":
                number, offset = e.rest
                self.placed(e, number, offset)
                if offset in p.read:
                    self.say("went-back", e, f"offset {offset} was read twice")
                p.read[offset] = (number, e)
        for p in self.partitions.values():
            self.check_partition(p)
        self.check_commits()
        for kind in ("ack", "read"):
            if not self.counts[kind]:
                self.say("no-progress", None, f"no {kind} at all")
        groups = [e for e in self.events if e.kind == "commit-asked" or (e.kind == "assign" and e.rest[1] != "-")]
        if groups and not (self.counts["poll"] and self.counts["commit"]):
            self.say("no-progress", None, "a group that was given nothing or has committed nothing")
        return self.found

    def check_partition(self, p):
        gone = p.gone()
        for number, (offset, e) in p.acked.items():
            if offset >= gone and p.read.get(offset, (None,))[0] != number:
                self.say("lost", e, f"record {number} was acknowledged at offset {offset}; there is {p.read.get(offset, ('nothing',))[0]}")
        there = {number for number, _ in p.read.values()} if p.acked_somewhere else ()
        for number, e in p.acked_somewhere.items():
            if number not in there and not gone:
                self.say("lost", e, f"record {number} was acknowledged without an offset, and is not there")
        for offset, (number, e) in p.polled.items():
            if offset >= gone and p.read.get(offset, (None,))[0] != number:
                self.say("vanished", e, f"record {number} was read at offset {offset}; there is {p.read.get(offset, ('nothing',))[0]}")
        last = {}  # of each producer
        for offset in sorted(p.read):
            number, e = p.read[offset]
            if number in p.refused:
                self.say("dishonest", e, f"record {number} was refused, and is at offset {offset}")
            producer = number >> PRODUCER
            if number == -1 or producer in p.plain:
                continue
            if number <= last.get(producer, -1):
                self.say("reordered", e, f"record {number} at offset {offset}, behind record {last[producer]}")
            last[producer] = max(number, last.get(producer, -1))
        for e in p.bounds:
            begin, end = e.rest
            missing = [o for o in range(begin, end) if o not in p.read]
            if missing:
                self.say("hole", e, f"from {begin} to {end}, and nothing at {missing[:5]} ({len(missing)} in all)")
            if begin != gone:
                self.say("hole", e, f"begins at {begin}, and what may be deleted ends at {p.deletable}")
            if begin < p.trimmed:
                self.say("undeleted", e, f"begins at {begin}, and all below {p.trimmed} was deleted")

    def check_commits(self):
        groups = collections.defaultdict(list)
        for e in self.events:
            if e.kind.startswith("commit"):
                groups[e.rest[1], e.topic, e.partition].append(e)
        for key, events in groups.items():
            p = self.partitions[key[1], key[2]]
            self.check_group(self.seen_by[key], events, max(p.gone(), p.deletable))

    def check_group(self, seen, events, gone):
        acked = []  # (time, the greatest acknowledged until then)
        asked, unknown, unread = {-1}, set(), 0
        while unread in seen or unread < gone:
            unread += 1
        for e in events:
            offset = e.rest[0]
            if e.kind == "commit-asked":
                asked.add(offset)
            elif e.kind == "commit-unknown":
                unknown.add(offset)
            elif e.kind == "commit":
                acked.append((e.time, max(offset, acked[-1][1] if acked else -1)))
            elif e.kind == "committed":
                before = bisect.bisect_left(acked, (e.rest[2], -1))
                least = acked[before - 1][1] if before else -1
                if offset < least and offset not in unknown:
                    self.say("commit-went-back", e, f"{offset} is committed, {least} was before")
                if offset not in asked:
                    self.say("commit-invented", e, f"{offset} is committed, and nobody asked for it")
                if offset > unread:
                    self.say("unread", e, f"{offset} is committed, and no member was given offset {unread}")


def summary(check):
    c = check.counts
    print(f"{c['send']} sent, {c['ack']} acknowledged, {c['unknown']} unknown, {c['refused']} refused, {c['poll']} polled, "
        f"{c['commit']} commits, {c['commit-unknown']} unknown, {c['assign']} assignments, {c['end']} ends told, {c['batch']} batches, "
        f"{c['topic-created']} topics made, {c['read']} read; {len(check.found)} findings")


# --- the check of the check ---


def clean_history(seed):
    """Two partitions, a producer that is not always answered, two members of a group that take over from each other."""
    dice, lines, time = random.Random(seed), [], 1000
    for partition in range(2):
        offset, where = 0, {}
        for number in range(60):
            lines.append([time, "producer", "send", "t", partition, number])
            kind = dice.choice(["ack"] * 8 + ["unknown", "gone", "refused"])
            time += 10
            if kind in ("ack", "unknown"):
                where[offset] = number
                offset += 1
            if kind == "ack":
                lines.append([time, "producer", "ack", "t", partition, number, offset - 1])
            else:
                lines.append([time, "producer", "refused" if kind == "refused" else "unknown", "t", partition, number, "_TIMED_OUT"])
            time += 10
        lines.append([time, "consumer-3", "high", "t", partition, offset, time])
        at, committed = 0, -1
        for member in ("consumer-1", "consumer-2", "consumer-1"):
            lines.append([time, member, "committed", "t", partition, committed, "g", time - 5])
            lines.append([time, member, "assign", "t", partition, committed, "g"])
            at = max(committed, 0)
            for _ in range(offset // 3):
                if at < offset:
                    time += 10
                    lines.append([time, member, "poll", "t", partition, where[at], at, "g"])
                    at += 1
            lines.append([time + 5, member, "commit-asked", "t", partition, at - 2, "g"])
            lines.append([time + 6, member, "commit", "t", partition, at - 2, "g"])
            committed = at - 2
            time += 50
            lines.append([time, member, "revoke", "t", partition, "g"])
        lines.append([time + 10, "asker", "committed", "t", partition, committed, "g", time + 5])
        time += 20
        begin = 0
        if partition == 1:  # some of it was deleted, and a bit more asked for in vain
            begin = offset // 3
            lines.append([time - 4, "deleter", "trim-asked", "t", partition, begin])
            lines.append([time - 3, "deleter", "trimmed", "t", partition, begin])
            lines.append([time - 2, "deleter", "trim-asked", "t", partition, begin + 2])
            lines.append([time - 1, "deleter", "trim-unknown", "t", partition, begin + 2, "code7"])
            lines.append([time, "consumer-3", "reset", "t", partition, 1, "-"])
        lines.append([time, "reader", "bounds", "t", partition, begin, offset])
        for o in range(begin, offset):
            lines.append([time + 1 + o, "reader", "read", "t", partition, where[o], o])
        time += 100
    return lines + history_cluster.clean_lines(dice, time)


def pick(lines, kind, dice):
    """The place of one such event of partition 0, not among the first and last."""
    return dice.choice([i for i, line in enumerate(lines) if line[2] == kind and line[4] == 0][5:-5])


def plant_lost(lines, dice):
    """The last records are gone, and the end is before them."""
    acks = [line for line in lines if line[2] == "ack" and line[4] == 0]
    last = acks[-1][6]
    lines[:] = [line for line in lines if not (line[4] == 0 and (line[2] in ("read", "poll")) and line[6] >= last)]
    for line in lines:
        if line[2] == "bounds" and line[4] == 0:
            line[6] = last


def plant_lost_somewhere(lines, dice):
    """The same, and the library did not know the offset."""
    plant_lost(lines, dice)
    last = next(line for line in reversed(lines) if line[2] == "ack" and line[4] == 0)
    last[6] = -1001


def plant_vanished(lines, dice):
    i = pick(lines, "poll", dice)
    lines[:] = [line for line in lines if not (line[2] in ("read", "ack") and line[4] == 0 and line[6] == lines[i][6])]


def plant_two_values(lines, dice):
    line = lines[pick(lines, "poll", dice)]
    line[5] += 1


def plant_duplicate(lines, dice):
    line = lines[pick(lines, "read", dice)]
    end = next(other for other in lines if other[2] == "bounds" and other[4] == 0)
    lines.append([line[0] + 90, "reader", "read", "t", 0, line[5], end[6]])
    end[6] += 1


def plant_reordered(lines, dice):
    """Two records change places everywhere."""
    acked = {line[6] for line in lines if line[2] == "ack" and line[4] == 0}
    i = dice.choice([o for o in acked if o > 5 and o + 1 in acked])
    number = {line[6]: line[5] for line in lines if line[2] == "read" and line[4] == 0}
    swap = {number[i]: i + 1, number[i + 1]: i}
    for line in lines:
        if line[2] in ("ack", "read", "poll") and line[4] == 0 and line[5] in swap:
            line[6] = swap[line[5]]
    # Members poll in order of offsets.
    lines.sort(key=lambda l: l[0])
    polls = [k for k, line in enumerate(lines) if line[2] == "poll" and line[4] == 0]
    for a, b in zip(polls, polls[1:]):
        if lines[a][6] == i + 1 and lines[b][6] == i:
            lines[a][5:7], lines[b][5:7] = lines[b][5:7], lines[a][5:7]


def plant_invented(lines, dice):
    number = lines[pick(lines, "read", dice)][5]
    lines[:] = [line for line in lines if not (line[2] in ("send", "ack", "unknown") and line[4] == 0 and line[5] == number)]


def plant_torn(lines, dice):
    lines[pick(lines, "read", dice)][5] = -1


def plant_dishonest(lines, dice):
    line = lines[pick(lines, "ack", dice)]
    line[2:] = ["refused", "t", 0, line[5], "MSG_SIZE_TOO_LARGE"]


def plant_hole(lines, dice):
    i = pick(lines, "read", dice)
    offset, number = lines[i][6], lines[i][5]
    lines[:] = [line for line in lines if not (line[4] == 0 and line[2] in ("read", "poll", "ack") and line[6] == offset)]


def plant_begins_late(lines, dice):
    for line in lines:
        if line[2] == "bounds":
            line[5] = 1


def plant_undeleted(lines, dice):
    """The start is where it was before the deletion."""
    bounds = next(line for line in lines if line[2] == "bounds" and line[4] == 1)
    number = {line[6]: line[5] for line in lines if line[2] == "poll" and line[4] == 1}
    bounds[5] -= 1
    lines.append([bounds[0] + 1, "reader", "read", "t", 1, number[bounds[5]], bounds[5]])


def plant_deleted_too_much(lines, dice):
    """The start is behind all that anybody wanted deleted."""
    bounds = next(line for line in lines if line[2] == "bounds" and line[4] == 1)
    bounds[5] += 3
    lines[:] = [line for line in lines if not (line[2] == "read" and line[4] == 1 and line[6] < bounds[5])]


def plant_skipped(lines, dice):
    polls = [line for line in lines if line[2] == "poll" and line[4] == 0]
    pairs = [a for a, b in zip(polls, polls[1:]) if a[1] == b[1] and b[6] == a[6] + 1]
    lines.remove(dice.choice(pairs))


def plant_went_back(lines, dice):
    i = pick(lines, "poll", dice)
    lines.insert(i + 1, list(lines[i]))


def plant_commit_went_back(lines, dice):
    asker = next(line for line in lines if line[2] == "committed" and line[1] == "asker")
    asked = next(line for line in lines if line[2] == "commit-asked")
    asker[5] = asked[5]


def plant_commit_gone(lines, dice):
    next(line for line in lines if line[2] == "committed" and line[1] == "asker")[5] = -1


def plant_commit_invented(lines, dice):
    next(line for line in lines if line[2] == "committed" and line[1] == "asker")[5] += 1


def plant_unread(lines, dice):
    line = lines[pick(lines, "poll", dice)]
    lines[:] = [other for other in lines if not (other[2] == "poll" and other[4] == 0 and other[6] == line[6])]


def plant_unexpected_reset(lines, dice):
    lines.append([lines[-1][0], "consumer-1", "reset", "t", 0, 7, "g"])


def plant_sequence_lost(lines, dice):
    line = lines[pick(lines, "ack", dice)]
    lines.append([line[0], "producer", "fatal", "t", 0, line[5], "code45"])


def plant_high_went_back(lines, dice):
    ack = next(line for line in reversed(lines) if line[2] == "ack" and line[4] == 0)
    lines.append([ack[0] + 500, "consumer-1", "high", "t", 0, ack[6], ack[0] + 400])


def plant_no_progress(lines, dice):
    lines[:] = [line for line in lines if line[2] in ("send", "bounds")]
    for line in lines:
        if line[2] == "bounds":
            line[6] = 0


def check_lines(lines):
    events = [parse(" ".join(map(str, line)), "planted") for line in lines]
    events.sort(key=lambda e: e.time)
    return set(Check(events).run())


def self_test():
    plants = {name[6:]: fn for name, fn in globals().items() if name.startswith("plant_")} | history_cluster.PLANTS
    other_names = {"begins_late": "hole", "deleted_too_much": "hole", "lost_somewhere": "lost", "commit_gone": "commit-went-back", **history_cluster.OTHER_NAMES}
    failures = []
    for seed in range(50):
        lines = clean_history(seed)
        lines[pick(lines, "ack", random.Random(seed))][6] = -1001
        clean = check_lines(lines)
        found = {}
        for name, plant in plants.items():
            lines = clean_history(seed)
            plant(lines, random.Random(seed))
            found[name] = check_lines(lines)
        failures += [f"seed {seed}: a clean history has {sorted(clean)}"] if clean else []
        for name, names in found.items():
            wanted = other_names.get(name, name.replace("_", "-"))
            failures += [] if wanted in names else [f"seed {seed}: {wanted} was planted, found: {sorted(names)}"]
    named = {line.split("`")[1] for line in open(__file__.replace("check_history.py", "HISTORY.md"), encoding="ascii")
        if line.startswith("| `") and line.split("`")[1] not in EVENTS} | {"went-back"}
    planted = {other_names.get(name, name.replace("_", "-")) for name in plants}
    failures += [f"{name} is promised by HISTORY.md, and never planted" for name in sorted(named - planted)]
    print("\n".join(failures) or f"self-test: {len(plants)} planted faults found in 50 histories each, none in the clean ones")
    return 1 if failures else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    check = Check(read(sys.argv[1:]))
    found = check.run()
    for line in check.lines:
        print(line)
    summary(check)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
