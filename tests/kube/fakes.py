"""What a cluster without nodes lacks: a kubelet that runs pods by saying so, and brokers that are their admin API only.

The kubelet binds volume claims, gives each pod an address of the loopback (127.N.x.y) and calls it ready once its broker answers
there. A pod whose volume is missing doesn't start. Brokers follow docs/admin-api.md; their state belongs to the volume, as a real
broker's does, so it survives the pod.
"""
import functools
import json
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADMIN_PORT = 9190
STATE = "freshet.dev/state"
DYNAMIC = {"log.retention.ms", "log.level"}  # a few


@functools.cache
def address_block():
    """N of 127.N.x.y, the addresses of this process's pods: all have one port, and several tests run side by side. Its last address is
    listened on for as long as the process lives."""
    for i in range(250):
        number = 1 + (os.getpid() + i) % 250
        mark = socket.socket()
        try:
            mark.bind((f"127.{number}.255.254", ADMIN_PORT))
            mark.listen()
        except OSError:
            mark.close()
            continue
        BLOCK_MARKS.append(mark)
        return number
    raise RuntimeError("all blocks of loopback addresses are taken")


BLOCK_MARKS = []


class Registry:
    """What the metadata log of one cluster knows: shared by all brokers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.brokers = {}  # id -> dict
        self.epoch = 0
        self.alive = set()  # ids of those that run
        self.stubborn = set()  # ids whose drain never ends
        self.topics = {}  # name -> {"name", "id", "partitions", "config"}
        self.topic_ids = []  # of all that were ever made
        self.config = {}  # of all brokers
        self.forgetful = 0  # so many creations take effect and are answered by 503
        self.unregistered = []
        self.dirty = set()  # ids of dead brokers whose logs may hold records
        self.damaged = set()  # whose log cannot give everything back

    def register(self, number):
        with self.lock:
            self.epoch = max([self.epoch, *(b["epoch"] for b in self.brokers.values())]) + 1  # never less than one before
            old = self.brokers.get(number, {"cordoned": False, "drain": None})
            self.brokers[number] = {**old, "epoch": self.epoch}
            self.alive.add(number)
            self.dirty.discard(number)

    def gone(self, number):
        with self.lock:
            self.alive.discard(number)

    def view(self, number):
        with self.lock:
            broker = self.brokers[number]
            state = "active"
            if broker["drain"] is not None:
                done = time.monotonic() - broker["drain"] > 0.3 and number not in self.stubborn
                state = "drained" if done else "draining"
            empty = state == "drained"
            return {"id": number, "epoch": broker["epoch"], "clusterId": "x", "version": "0.1.0", "alive": True, "state": state,
                    "cordoned": broker["cordoned"], "partitions": {"owned": 0 if empty else 7, "opening": 0, "closing": 0},
                    "wal": {"endPosition": "9", "uploadedPosition": "9" if empty else "5", "empty": empty,
                            "quarantined": 2 if number in self.damaged else 0}}

    def roster(self):
        with self.lock:
            return {"clusterId": "x", "controllerId": 0,
                    "brokers": [{"id": i, "epoch": b["epoch"], "alive": i in self.alive} for i, b in sorted(self.brokers.items())]}

    def topic(self, method, name, what, query, body):
        """/v1/topics/NAME of docs/admin-api.md: (status, answer)."""
        with self.lock:
            topic = self.topics.get(name)
            config = {k: str(v) for k, v in body.get("config", {}).items()}
            if any(k.startswith("no.such") for k in config):
                return 400, {"error": "INVALID_CONFIG", "message": "Unknown topic config name: no.such"}
            if method == "POST" and not what:
                return self.create_topic(name, config, body)
            if not topic:
                return 404, {"error": "UNKNOWN_TOPIC_OR_PARTITION", "message": "This server does not host this topic-partition."}
            if method != "GET" and query != f"id={topic['id']}":
                return 409, {"error": "OTHER_TOPIC", "message": "the topic of this name has another id"}
            if method == "DELETE":
                return 200, {"deleted": bool(self.topics.pop(name))}
            if what == "config":
                topic["config"] = config
            if what == "partitions":
                if body["partitions"] < topic["partitions"]:
                    return 400, {"error": "INVALID_PARTITIONS", "message": "would not be an increase"}
                topic["partitions"] = body["partitions"]
            return 200, topic

    def create_topic(self, name, config, body):
        if name in self.topics or body.get("id") in self.topic_ids:
            return 409, {"error": "TOPIC_ALREADY_EXISTS", "message": f"Topic '{name}' already exists."}
        if body.get("validateOnly"):
            return 200, {"valid": True}
        self.topics[name] = {"name": name, "id": body["id"], "partitions": body["partitions"], "config": config}
        self.topic_ids.append(body["id"])
        if self.forgetful:
            self.forgetful -= 1
            return 503, {"error": "REQUEST_TIMED_OUT", "message": "not known"}
        return 201, self.topics[name]

    def configure(self, body):
        with self.lock:
            bad = [k for k, v in body.get("set", {}).items() if v == "soon"]
            if bad:
                return 400, {"error": "INVALID_REQUEST", "message": f"Invalid value soon for configuration {bad[0]}: Not a number of type LONG"}
            static = [k for k in body.get("set", {}) if k not in DYNAMIC]
            if static:
                return 400, {"error": "INVALID_REQUEST", "message": f"Cannot update these configs dynamically: {static}"}
            self.config.update({k: str(v) for k, v in body.get("set", {}).items()})
            for name in body.get("unset", []):
                self.config.pop(name, None)
            return 200, {"config": self.config}

    def change(self, method, number, what, epoch):
        with self.lock:
            broker = self.brokers.get(number)
            if method == "DELETE" and not what:
                if broker and epoch not in ("", str(broker["epoch"])):
                    return 409
                if broker and (number in self.alive or number in self.dirty):
                    return 409
                self.brokers.pop(number, None)
                self.unregistered.append(number)
                return 200
            if not broker:
                return 404
            if method == "POST":
                broker["cordoned"] = True
                if what == "drain" and broker["drain"] is None:
                    broker["drain"] = time.monotonic()
            else:
                broker["cordoned"], broker["drain"] = False, None
            return 200


class Broker:
    def __init__(self, registry, number, address):
        registry.register(number)

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def ask(self):
                path, _, query = self.path.partition("?")
                parts = path.split("/")  # "", v1, brokers or topics, id or name, what
                what = parts[4] if len(parts) > 4 else ""
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                if path == "/v1/broker":
                    self.answer(200, registry.view(number))
                elif path == "/v1/brokers":
                    self.answer(200, registry.roster())
                elif parts[2] == "topics":
                    self.answer(*registry.topic(self.command, parts[3], what, query, body))
                elif parts[2] == "config":
                    self.answer(*registry.configure(body))
                else:
                    status = registry.change(self.command, int(parts[3]), what, query.removeprefix("epoch="))
                    is_alive = status == 409 and int(parts[3]) in registry.alive
                    is_dirty = status == 409 and int(parts[3]) in registry.dirty
                    error = "BROKER_ALIVE" if is_alive else "LOG_NOT_EMPTY" if is_dirty else ""
                    self.answer(status, {"error": error, "message": "its lease may still run"})

            do_GET = do_POST = do_PUT = do_DELETE = ask

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 32
            daemon_threads = True

        self.server = Server((address, ADMIN_PORT), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

        self.gone = lambda: registry.gone(number)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.gone()


class Kubelet:
    """One for a namespace. `errors` has what must never happen (P1, P2 of operator/plan/plan.h)."""

    def __init__(self, api, namespace, brokers=True):
        self.api = api
        self.base = f"/api/v1/namespaces/{namespace}"
        self.registry = Registry()
        self.has_brokers = brokers
        self.interval_s = 0.1
        self.running = {}  # uid -> Broker or None
        self.broken_images = set()
        self.refused = {}  # ids whose broker ends at once, unless it may go on without its log -> its last words
        self.refused_clusters = set()
        self.node_of = lambda number: "node-1"
        self.dead_nodes = set()  # whose pods neither start nor end
        self.stuck_volumes = set()  # names of claims that are still attached to a dead node
        self.given_up = set()  # names of claims that may go although they aren't empty
        self.purged = []  # arguments of purges that were carried out
        self.purge_refused = ""  # the last words of those that are not
        self.unbound = set()  # names of claims that get no volume
        self.errors = []
        self.keeps_claims = True  # no deletionPolicy wishes otherwise
        self.claims_seen = {}  # name -> last state
        self.ready_min = None  # fewest ready pods since this was set
        self.next_address = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()
        for broker in self.running.values():
            if broker:
                broker.stop()

    def loop(self):
        while not self.ended.wait(self.interval_s):
            try:
                self.turn()
            except (RuntimeError, OSError, KeyError) as error:
                if not self.ended.is_set():
                    print(f"kubelet: {error}", flush=True)

    def turn(self):
        claims = {c["metadata"]["name"]: c for c in self.api.get(self.base + "/persistentvolumeclaims")["items"]}
        for claim in claims.values():
            self.claim_turn(claim)
        for name in set(self.claims_seen) - set(claims):
            if self.claims_seen.pop(name) not in ("empty", "lost") and self.keeps_claims and name not in self.given_up:
                self.errors.append(f"P1: claim {name} went without the mark that it is empty")
        pods = self.api.get(self.base + "/pods")["items"]
        for pod in pods:
            self.pod_turn(pod, claims)
        alive = {pod["metadata"]["uid"] for pod in pods}
        for uid in set(self.running) - alive:
            self.end(uid)
        if self.ready_min is not None:
            self.ready_min = min(self.ready_min, sum(1 for p in pods if is_ready(p) and "deletionTimestamp" not in p["metadata"]))

    def claim_turn(self, claim):
        meta, path = claim["metadata"], f"{self.base}/persistentvolumeclaims/{claim['metadata']['name']}"
        state = meta.get("annotations", {}).get(STATE, "")
        if state == "empty" and self.claims_seen.get(meta["name"]) != "empty" and self.has_brokers:
            number = int(meta["labels"]["freshet.dev/broker-id"])
            view = self.registry.view(number) if number in self.registry.brokers else {"state": "gone"}
            if view["state"] not in ("drained", "gone"):
                self.errors.append(f"P1: claim {meta['name']} was marked empty, its broker is {view['state']}")
        is_lost = claim.get("status", {}).get("phase") == "Lost"
        self.claims_seen[meta["name"]] = "lost" if is_lost else state
        if "deletionTimestamp" in meta:
            self.api.call("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        elif meta["name"] in self.unbound or claim.get("status", {}).get("phase") == "Lost":
            pass
        elif claim.get("status", {}).get("phase") != "Bound":
            self.api.call("PATCH", path + "/status", {"status": {"phase": "Bound"}}, "application/merge-patch+json")

    def pod_turn(self, pod, claims):
        meta, path = pod["metadata"], f"{self.base}/pods/{pod['metadata']['name']}"
        uid = meta["uid"]
        if pod["spec"].get("nodeName") in self.dead_nodes:
            return
        if "deletionTimestamp" in meta:
            self.end(uid)
            self.api.call("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
            return
        if uid in self.running:
            return
        wanted = next((v["persistentVolumeClaim"]["claimName"] for v in pod["spec"].get("volumes", []) if "persistentVolumeClaim" in v), None)
        if meta.get("labels", {}).get("freshet.dev/role") == "purge":
            self.purge(pod, path)
        if "freshet.dev/broker-id" not in meta.get("labels", {}):
            return  # nobody's broker
        if wanted and (wanted not in claims or "deletionTimestamp" in claims[wanted]["metadata"]):
            return
        if wanted and claims[wanted].get("status", {}).get("phase") == "Lost":
            return
        home = claims[wanted]["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node") if wanted else None
        if wanted in self.unbound or (home and not self.api.get(f"/api/v1/nodes/{home}")):
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                         "message": "0/2 nodes are available: " + ("2 node(s) didn't match PersistentVolume's node affinity." if home
                                                                          else "pod has unbound immediate PersistentVolumeClaims.")}
            self.api.call("PATCH", path + "/status", {"status": {"phase": "Pending", "conditions": [condition]}}, "application/merge-patch+json")
            return
        if "nodeName" not in pod["spec"]:
            self.api.call("POST", path + "/binding", {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]},
                                                      "target": {"kind": "Node", "name": self.node_of(int(meta["labels"]["freshet.dev/broker-id"]))}})
        if wanted in self.stuck_volumes:
            return  # ContainerCreating, for as long as that takes
        self.start(pod, path)

    def start(self, pod, path):
        image = pod["spec"]["containers"][0]["image"]
        if image in self.broken_images:
            waiting = {"reason": "ImagePullBackOff", "message": f"no image {image}"}
            status = {"phase": "Pending", "containerStatuses": [
                {"name": "freshet", "image": image, "imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}]}
            self.api.call("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")
            return
        number = int(pod["metadata"]["labels"]["freshet.dev/broker-id"])
        accepts = any(e["name"] == "FRESHET_WAL_RECOVERY_ACCEPT_LOSS" for e in pod["spec"]["containers"][0]["env"])
        if accepts:
            self.refused.pop(number, None)  # it takes the volume as it is, from now on
            self.registry.damaged.discard(number)
        if number in self.refused and pod["metadata"]["labels"]["freshet.dev/cluster"] in self.refused_clusters:
            status = {"phase": "Running", "containerStatuses": [
                {"name": "freshet", "image": image, "imageID": "", "ready": False, "restartCount": 3,
                 "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}},
                 "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "starting\n" + self.refused[number] + "\n"}}}]}
            self.api.call("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")
            return
        self.next_address += 1
        address = f"127.{address_block()}.{self.next_address // 250}.{self.next_address % 250 + 1}"
        self.running[pod["metadata"]["uid"]] = Broker(self.registry, number, address) if self.has_brokers else None
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                  "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}
        self.api.call("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")

    def purge(self, pod, path):
        if pod["status"].get("phase") == "Succeeded":
            return
        if self.running or self.purge_refused:
            state = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                     "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": f"freshet purge: {self.purge_refused}\n"}}}
            if self.running:
                self.errors.append("P10: a purge while brokers run")
            status = {"phase": "Running", "containerStatuses": [{"name": "freshet", "image": "x", "imageID": "", "ready": False, "restartCount": 3, **state}]}
        else:
            self.purged.append(pod["spec"]["containers"][0]["args"])
            status = {"phase": "Succeeded", "containerStatuses": []}
        self.api.call("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")

    def end(self, uid):
        broker = self.running.pop(uid, None)
        if broker:
            broker.stop()


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))
