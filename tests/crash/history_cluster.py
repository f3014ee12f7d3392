"""What several brokers add to the check of a history (HISTORY.md, "Several brokers"): who leads in which epoch, where a partition ends as its leaders
say it, leader epochs of batches, topics that were made and deleted; and the faults that prove that each is found. check_history.py uses it."""
import bisect

EVENTS = {"leader": 3, "end": 4, "batch": 3, "topic-asked": 1, "topic-created": 0, "topic-unknown": 1, "topic-refused": 1, "delete-asked": 0,
    "topic-deleted": 0, "delete-unknown": 1, "delete-refused": 1, "topic": 1, "topics-listed": 0}


class Greatest:
    """The greatest value that was known before a time; times come in order."""

    def __init__(self):
        self.times, self.values = [], []

    def add(self, time, value):
        if not self.values or value > self.values[-1]:
            self.times.append(time)
            self.values.append(value)

    def before(self, time):
        i = bisect.bisect_left(self.times, time)
        return self.values[i - 1] if i else -1


class Partition:
    def __init__(self):
        self.end, self.epoch = Greatest(), Greatest()  # as acknowledgements, polls and leaders have told
        self.leaders, self.told = {}, {}  # by epoch; by who was asked
        self.last_batch = (-1, -1)


class ClusterCheck:
    def __init__(self, say):
        self.say, self.partitions = say, {}
        self.asked, self.created, self.refused, self.deleting, self.deleted = {}, set(), set(), set(), set()
        self.listing = {}

    def take(self, e):
        p = self.partitions.setdefault((e.topic, e.partition), Partition())
        if e.kind in ("ack", "poll") and e.rest[1] >= 0:
            p.end.add(e.time, e.rest[1] + 1)
        elif e.kind == "leader":
            self.leader(p, e)
        elif e.kind == "end":
            self.end(p, e)
        elif e.kind == "bounds":
            p.last_batch = (-1, -1)
        elif e.kind == "batch":
            self.batch(p, e)
        elif e.kind in EVENTS:
            self.topic(e)

    def leads(self, p, e, broker, epoch):
        if p.leaders.setdefault(epoch, broker) != broker:
            self.say("two-leaders", e, f"{p.leaders[epoch]} and {broker} lead in epoch {epoch}")

    def leader(self, p, e):
        broker, epoch, asked = e.rest
        self.leads(p, e, broker, epoch)
        if epoch < p.told.get(asked, -1):
            self.say("epoch-went-back", e, f"{asked} said epoch {p.told[asked]}, and says {epoch}")
        p.told[asked] = max(epoch, p.told.get(asked, -1))

    def end(self, p, e):
        """A leader says where its log ends. It may do so only while nobody else leads: what was known before it was asked is in it."""
        offset, epoch, broker, asked_us = e.rest
        self.leads(p, e, broker, epoch)
        least = p.end.before(asked_us)
        if offset < least:
            self.say("end-went-back", e, f"{broker} says that it ends at {offset}, and {least} was known before it was asked")
        if epoch < p.epoch.before(asked_us):
            self.say("epoch-went-back", e, f"{broker} answers in epoch {epoch}, and epoch {p.epoch.before(asked_us)} had begun")
        p.end.add(e.time, offset)
        p.epoch.add(e.time, epoch)

    def batch(self, p, e):
        _, last, epoch = e.rest
        if epoch < p.last_batch[1]:
            self.say("epoch-went-back", e, f"the batch that ends at {last} has epoch {epoch}, the one before it {p.last_batch[1]}")
        p.last_batch = (last, epoch)

    def topic(self, e):
        name = e.topic
        if e.kind == "topic-asked":
            self.asked[name] = e.rest[0]
        elif e.kind == "topic-created":
            self.created.add(name)
        elif e.kind == "topic-refused":
            self.refused.add(name)
        elif e.kind == "delete-asked":
            self.deleting.add(name)
        elif e.kind == "topic-deleted":
            self.deleted.add(name)
        elif e.kind == "topic":
            self.listing[name] = e.rest[0]
        elif e.kind == "topics-listed":
            self.listed(e)
            self.listing = {}

    def listed(self, e):
        for name in sorted(self.created - self.deleting):
            if self.listing.get(name) != self.asked[name]:
                self.say("topic-lost", e, f"{name} was made with {self.asked[name]} partitions and has {self.listing.get(name, 0)}")
        for name in sorted(self.deleted & set(self.listing)):
            self.say("topic-returned", e, f"{name} was deleted, and is there")
        for name in sorted(self.refused & set(self.listing)):
            self.say("dishonest", e, f"{name} was refused, and is there")


# --- the check of the check ---

CLUSTER = 2  # the partition of clean_history that clean_lines makes


def clean_lines(dice, time):
    """Two idempotent producers and a plain one in one partition that moves from broker to broker; an observer; topics come and go."""
    lines, at, epoch, begin = [], 0, 3, time
    sent, waiting, where = {0: 0, 1 << 40: 0, 2 << 40: 0}, [], []
    for _ in range(60):
        first = dice.choice(sorted(sent))
        worker, number = ("plain-9" if first == 2 << 40 else f"producer-{first >> 40}"), first + sent[first]
        sent[first] += 1
        lines.append([time, worker, "send", "t", CLUSTER, number])
        waiting.append((worker, number))
        if len(waiting) == 3 or dice.random() < 0.5:
            # A plain producer's records may change places: it has several connections.
            plain = [w for w in waiting if w[0] == "plain-9"][::-1]
            waiting = [w if w[0] != "plain-9" else plain.pop(0) for w in waiting]
            base = at
            for worker, number in waiting:
                lines.append([time + 5, worker, "ack", "t", CLUSTER, number, at])
                where.append((number, epoch))
                at += 1
            waiting = []
            lines.append([time + 9, "watch-1", "end", "t", CLUSTER, at, epoch, f"b{epoch % 3}", time + 6])
            if dice.random() < 0.3 or base == 0:
                epoch += 1
                for asked in ("b0", "b1", "b2"):
                    lines.append([time + 9, "watch-1", "leader", "t", CLUSTER, f"b{epoch % 3}", epoch, asked])
        time += 10
    for worker, number in waiting:
        lines.append([time, worker, "unknown", "t", CLUSTER, number, "_TIMED_OUT"])
    for i, name in enumerate(("made", "gone", "perhaps", "refused")):
        lines.append([begin + 20 * i, "admin-1", "topic-asked", name, 0, i + 1])
        kind = {"perhaps": "topic-unknown", "refused": "topic-refused"}.get(name, "topic-created")
        lines.append([begin + 20 * i + 10, "admin-1", kind, name, 0] + ([7] if kind != "topic-created" else []))
    lines += [[begin + 100, "admin-1", "delete-asked", "gone", 0], [begin + 110, "admin-1", "topic-deleted", "gone", 0]]
    time += 100
    lines.append([time, "reader", "bounds", "t", CLUSTER, 0, at])
    for offset, (number, batch_epoch) in enumerate(where):
        lines.append([time + 1 + offset, "reader", "read", "t", CLUSTER, number, offset])
        lines.append([time + 1 + offset, "final-1", "batch", "t", CLUSTER, offset, offset, batch_epoch])
    lines += [[time, "final-1", "topic", "made", 0, 1], [time, "final-1", "topic", "perhaps", 0, 3], [time + 1, "final-1", "topics-listed", "-", 0]]
    return lines


def some(lines, kind, dice, which=lambda line: True):
    return dice.choice([line for line in lines if line[2] == kind and which(line)])


def plant_two_leaders(lines, dice):
    """A second one answers in the epoch of the first."""
    some(lines, "end", dice, lambda line: line[6] > 3)[7] = "impostor"


def plant_two_leaders_told(lines, dice):
    some(lines, "leader", dice)[5] = "impostor"


def plant_epoch_went_back_answer(lines, dice):
    """The leader of an epoch that is over still answers."""
    ends = sorted((line for line in lines if line[2] == "end"), key=lambda line: line[0])
    last = ends[-1]
    lines.append([last[0] + 20, "watch-1", "end", "t", CLUSTER, last[5], 3, "b0", last[0] + 10])


def plant_epoch_went_back_batch(lines, dice):
    batches = [line for line in lines if line[2] == "batch"]
    batches[-1][7] = 1


def plant_epoch_went_back_told(lines, dice):
    told = [line for line in lines if line[2] == "leader"]
    lines.append([told[-1][0] + 1000, "watch-1", "leader", "t", CLUSTER, "b0", 3, "b2"])


def plant_end_went_back(lines, dice):
    """An old leader says the end that it knows."""
    line = some(lines, "end", dice)
    line[5] -= 1


def plant_topic_lost(lines, dice):
    lines.remove(some(lines, "topic", dice, lambda line: line[3] == "made"))


def plant_topic_lost_partition(lines, dice):
    some(lines, "topic", dice, lambda line: line[3] == "made")[5] += 1


def plant_topic_returned(lines, dice):
    some(lines, "topic", dice, lambda line: line[3] == "perhaps")[3] = "gone"


def plant_dishonest_topic(lines, dice):
    some(lines, "topic", dice, lambda line: line[3] == "perhaps")[3] = "refused"


def plant_reordered_of_several(lines, dice):
    """Two records of one idempotent producer change places, with others between them."""
    own = [line for line in lines if line[2] == "read" and line[4] == CLUSTER and line[5] < 1 << 40]
    first, second = own[0], own[-1]
    for line in lines:
        if line[4] == CLUSTER and line[2] in ("ack", "read") and line[6] in (first[6], second[6]):
            line[5] = 0 if line[6] == second[6] else -2
    number = max(line[5] for line in lines if line[2] == "send" and line[4] == CLUSTER and line[5] < 1 << 40)
    acked = [line[5] for line in lines if line[2] == "send" and line[4] == CLUSTER and line[5] < 1 << 40]
    for line in lines:
        if line[5:6] == [-2]:
            line[5] = next(n for n in reversed(acked) if n <= number)


def plant_lost_of_plain(lines, dice):
    """What a plain producer was told is as true as what others are told."""
    ack = some(lines, "ack", dice, lambda line: line[1] == "plain-9")
    lines[:] = [line for line in lines if not (line[2] == "read" and line[4] == CLUSTER and line[6] == ack[6])]


OTHER_NAMES = {"two_leaders_told": "two-leaders", "epoch_went_back_answer": "epoch-went-back", "epoch_went_back_batch": "epoch-went-back",
    "epoch_went_back_told": "epoch-went-back", "topic_lost_partition": "topic-lost", "dishonest_topic": "dishonest",
    "reordered_of_several": "reordered", "lost_of_plain": "lost"}
PLANTS = {name[6:]: fn for name, fn in globals().items() if name.startswith("plant_")}
