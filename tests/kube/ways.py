"""Clients by all kinds of listeners: from inside, and from outside by load balancers and by node ports. See tests/kube/acceptance for the environment."""
import json
import os
import subprocess
import time

from cluster import FOLDER, NAME, NAMESPACE, NODE, NODE_PORT, PARTITIONS, RATE, Group, Producer, brokers, cluster_spec, get, kubectl, ready, say, wait
from cluster import World as Plain


class Way:
    """A listener, and how clients come by it: `address(id)` is what they must be told of each broker."""

    def __init__(self, name, listener, bootstrap, address):
        self.name, self.listener, self.bootstrap, self.address = name, listener, bootstrap, address
        self.inside = listener["type"] == "internal"

    def command(self, *arguments):
        """That one, where those clients are."""
        return ["kubectl", "--namespace", NAMESPACE, "exec", "clients", "--", *arguments] if self.inside else [*arguments]

    def metadata(self, address):
        """What is told there of brokers, by id; None: nobody answers."""
        result = subprocess.run(self.command("kcat", "-b", address, "-L", "-J", "-m", "5"), capture_output=True, text=True, check=False)
        return {b["id"]: b["name"] for b in json.loads(result.stdout)["brokers"]} if result.returncode == 0 else None


def node_address():
    addresses = get("nodes")["items"][0]["status"]["addresses"]
    return next(a["address"] for a in addresses if a["type"] == "InternalIP")


def ways():
    found = [Way("inside", {"name": "kafka", "port": 9092, "type": "internal"}, f"{NAME}-bootstrap:9092", lambda n: f"{NAME}-kafka-{n}.{NAMESPACE}.svc:9092")]
    host, bootstrap, node = os.environ.get("OUTSIDE_HOST", ""), os.environ.get("OUTSIDE_BOOTSTRAP", ""), NODE
    if FOLDER:
        with open(os.path.join(FOLDER, "run/number"), encoding="utf-8") as file:
            net = f"198.19.{file.read().strip()}"
        host, bootstrap, node = f"{net}.10{{id}}", f"{net}.200:9094", node_address()
    if host:
        listener = {"name": "outside", "port": 9094, "type": "loadbalancer", "host": host}
        found.append(Way("outside", listener, bootstrap, lambda n: host.replace("{id}", str(n)) + ":9094"))
    if node:
        listener = {"name": "nodes", "port": 9095, "type": "nodeport", "host": node, "nodePort": NODE_PORT}
        found.append(Way("nodes", listener, f"{node}:{NODE_PORT}", lambda n: f"{node}:{NODE_PORT + 1 + n}"))
    return found


class World(Plain):
    def __init__(self, work):
        super().__init__(work)
        self.ways = ways()
        self.inside, self.others = self.ways[0], self.ways[1:]

    def by(self, way, topic):
        one = Producer(self.work, topic, way.bootstrap, way.inside)
        self.producers.append(one)
        return one

    def first_ack(self, rate=RATE):
        """A producer by each way, its topic called like it. The first one by a load balancer where there is one: it has the clock of this machine."""
        begin = time.monotonic()
        kubectl("apply", "-f", "-", text=json.dumps(cluster_spec(1, by=[way.listener for way in self.ways])))
        for way in [*self.others, self.inside]:
            one = self.by(way, way.name)
            while subprocess.run(one.command("create", one.bootstrap, one.topic, str(PARTITIONS)), check=False, stderr=subprocess.DEVNULL,
                                 timeout=60).returncode:
                assert time.monotonic() - begin < 120, f"nobody made a topic within two minutes: {way.name}"
                time.sleep(0.1)
            one.start(rate)
            if not way.inside and not self.groups:
                wait("an acknowledgement", one.acks)
                self.groups.append(Group(one, self.others[-1].bootstrap))
                self.measure("kubectl apply to the first acknowledged record", one.acks()[0][1] - begin)
        wait("one broker", lambda: ready(1))

    def look(self):
        """By each listener clients are told the addresses of that listener, and each of them is one where a broker answers."""
        ids = sorted(int(p["metadata"]["labels"]["freshet.dev/broker-id"]) for p in brokers())
        for way in self.ways:
            wished = {n: way.address(n) for n in ids}
            wait(f"by {way.name} these brokers: {wished}", lambda: way.metadata(way.bootstrap) == wished, 15)
            for address in wished.values():
                wait(f"an answer at {address}, by {way.name}", lambda: way.metadata(address) == wished, 15)
        say(f"by {', '.join(way.name for way in self.ways)}: brokers {ids} at their addresses")
