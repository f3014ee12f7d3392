"""An API server that keeps objects in memory: enough of Kubernetes for tests/kube/operator to run in hack/test, where no real one is
built. Plain HTTP; resourceVersions, conflicts, uid preconditions, graceful deletion of pods, finalizers, status subresources,
generation, scale, watches from a version, 410 for versions that are too old, pages. Apply is a merge: ownership of fields isn't kept.
With `trouble` the operator's requests meet what a bad day brings: 409, 429, 500, answers that get lost after they took effect, tokens
that expire, watches that are cut anywhere or say 410. What only a real server can show (schemas, CEL, apply in full) is tested on a real one.
"""
import copy
import json
import os
import random
import ssl
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

HISTORY = 2000  # events that a watch may begin at
GENERATION = {"freshetclusters", "freshettopics", "freshetusers", "poddisruptionbudgets", "networkpolicies"}


class Problem(Exception):
    def __init__(self, code, reason, message=""):
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


def merge(into, patch):
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


class Store:
    def __init__(self):
        self.lock = threading.Condition()
        self.version = 100
        self.objects = {}  # (plural, namespace, name) -> object
        self.events = []  # (version, plural, type, object)
        self.compacted = 100

    def note(self, kind, key, obj):
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, key[0], kind, copy.deepcopy(obj)))
        if len(self.events) > HISTORY:
            self.compacted = self.events[-HISTORY][0]
            del self.events[:-HISTORY]
        self.lock.notify_all()

    def find(self, key):
        if key not in self.objects:
            raise Problem(404, "NotFound", f"{key[0]} \"{key[2]}\" not found")
        return self.objects[key]

    def create(self, plural, namespace, obj):
        meta = obj.setdefault("metadata", {})
        key = (plural, namespace, meta["name"])
        if key in self.objects:
            raise Problem(409, "AlreadyExists", f"{plural} \"{meta['name']}\" already exists")
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1767225600 + self.version))  # each second one object
        meta.update({"uid": str(uuid.uuid4()), "namespace": namespace, "creationTimestamp": created, "generation": 1})
        obj.setdefault("status", {"phase": "Pending"} if plural in ("pods", "persistentvolumeclaims") else {})
        if plural == "persistentvolumeclaims":
            meta["finalizers"] = ["kubernetes.io/pvc-protection"]
        self.objects[key] = obj
        self.note("ADDED", key, obj)
        return obj

    def write(self, key, new, expected):
        """Puts `new` in the place of what is there, unless it is the same."""
        old = self.find(key)
        if expected and expected != old["metadata"]["resourceVersion"]:
            raise Problem(409, "Conflict", "the object has been modified")
        wanted = new["metadata"].get("uid")
        if wanted and wanted != old["metadata"]["uid"]:
            raise Problem(409, "Conflict", "the uid differs")
        for name in ("uid", "namespace", "name", "creationTimestamp", "resourceVersion", "generation"):
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        if new == old:
            return old
        if key[0] in GENERATION and new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        self.objects[key] = new
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers") and key[0] != "pods":
            return self.remove(key)
        self.note("MODIFIED", key, new)
        return new

    def remove(self, key):
        obj = self.objects.pop(key)
        self.note("DELETED", key, obj)
        # Garbage collection: what belongs to it goes too.
        uid = obj["metadata"]["uid"]
        for other in [k for k, o in self.objects.items() if any(r["uid"] == uid for r in o["metadata"].get("ownerReferences", []))]:
            self.delete(other, {})
        return obj

    def delete(self, key, options):
        obj = self.find(key)
        expected = options.get("preconditions", {})
        for name in ("uid", "resourceVersion"):
            if name in expected and expected[name] != obj["metadata"][name]:
                raise Problem(409, "Conflict", f"precondition {name} failed")
        is_graceful = key[0] == "pods" and obj["spec"].get("nodeName") and options.get("gracePeriodSeconds") != 0
        if not is_graceful and not obj["metadata"].get("finalizers"):
            return self.remove(key)
        if "deletionTimestamp" not in obj["metadata"]:
            new = copy.deepcopy(obj)
            new["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
            self.objects[key] = new
            self.note("MODIFIED", key, new)
        return self.objects[key]


def matches(obj, selector):
    labels = obj["metadata"].get("labels", {})
    return all(labels.get(part.split("=")[0]) == part.split("=")[1] for part in selector.split(",")) if selector else True


def fields_of(value):
    """As an apply server names them in managedFields: most of what a real server's answers consist of."""
    if isinstance(value, list):
        return {".": {}, **{f'k:{{"index":{i}}}': fields_of(item) for i, item in enumerate(value)}}
    return {"f:" + key: fields_of(item) for key, item in value.items()} if isinstance(value, dict) else {}


def with_managers(obj):
    status = {"f:status": fields_of(obj.get("status", {}))}
    rest = fields_of({k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "status")})
    managers = [{"manager": name, "operation": operation, "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
                 "fieldsV1": fields} for name, operation, fields in (("freshet-operator", "Apply", rest), ("kubelet", "Update", status))]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managers}}


class Place:
    """What a path names: [namespace] plural [name [sub]]."""

    def __init__(self, path):
        parts = path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        self.namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            self.namespace = parts[1]
            parts = parts[2:]
        self.plural = parts[0]
        self.name = parts[1] if len(parts) > 1 else None
        self.sub = parts[2] if len(parts) > 2 else None
        self.key = (self.plural, self.namespace, self.name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None
    server_trouble = None
    trouble = None
    shows_managers = False
    slow_s = 0  # how long a write of the operator takes

    def log_message(self, *_):
        pass

    def answer(self, code, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(code)
        for name in headers:
            self.send_header(name, headers[name])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_one(self):
        url = urlparse(self.path)
        place = Place(url.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}") if size else {}
        self.trouble = self.server_trouble if place.plural != "leases" and self.headers.get("Authorization") else None
        if self.trouble and self.headers["Authorization"] not in self.trouble.tokens():
            self.answer(401, {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "the token has expired"})
            return
        if self.command == "GET" and query.get("watch"):
            self.watch(place, query)
            return
        if self.trouble and self.refuse():
            return
        if self.slow_s and self.command in ("POST", "PATCH") and self.headers.get("Authorization") and place.plural not in ("leases", "events"):
            time.sleep(self.slow_s)
        try:
            with self.store.lock:
                code, answer = getattr(self, "on_" + self.command.lower())(place, query, body)
                answer = copy.deepcopy(answer)
        except Problem as problem:
            code = problem.code
            answer = {"kind": "Status", "code": code, "reason": problem.reason, "message": problem.message}
        if self.trouble and self.command != "GET" and self.trouble.happens("lost", 0.05):
            self.close_connection = True  # it took effect, and nobody hears of it
            return
        self.answer(code, answer)

    def refuse(self):
        """Without any effect."""
        if self.command in ("PUT", "PATCH") and self.trouble.happens("409", 0.15):
            self.answer(409, {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"})
        elif self.trouble.happens("429", 0.05):
            self.answer(429, {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "later"}, {"Retry-After": "1"})
        elif self.trouble.happens("500", 0.05):
            self.answer(500, {"kind": "Status", "code": 500, "reason": "InternalError", "message": "a bad day"})
        else:
            return False
        return True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

    def on_get(self, place, query, _):
        if not place.name:
            return 200, self.page(place, query)
        obj = self.store.find(place.key)
        if place.sub == "scale":
            status = obj["status"]
            return 200, {"spec": {"replicas": obj["spec"]["replicas"]},
                         "status": {"replicas": status.get("replicas", 0), "selector": status.get("labelSelector", "")}}
        return 200, obj

    def page(self, place, query):
        chosen = [o for k, o in sorted(self.store.objects.items()) if k[0] == place.plural and place.namespace in ("", k[1])
                  and matches(o, query.get("labelSelector"))]
        begin = int(query.get("continue", "0"))
        end = begin + int(query.get("limit", "500"))
        meta = {"resourceVersion": str(self.store.version)}
        if end < len(chosen):
            meta["continue"] = str(end)
        items = [with_managers(o) for o in chosen[begin:end]] if self.shows_managers else chosen[begin:end]
        return {"kind": "List", "metadata": meta, "items": items}

    def on_post(self, place, query, body):
        if place.sub == "binding":
            new = copy.deepcopy(self.store.find(place.key))
            new["spec"]["nodeName"] = body["target"]["name"]
            return 201, self.store.write(place.key, new, None)
        namespace = "" if place.plural == "namespaces" else place.namespace
        if query.get("dryRun"):
            if (place.plural, namespace, body["metadata"]["name"]) in self.store.objects:
                raise Problem(409, "AlreadyExists", body["metadata"]["name"])
            return 201, body
        return 201, self.store.create(place.plural, namespace, body)

    def on_put(self, place, _, body):
        new = copy.deepcopy(body)
        new["status"] = self.store.find(place.key)["status"]
        return 200, self.store.write(place.key, new, body["metadata"].get("resourceVersion"))

    def on_patch(self, place, query, body):
        is_apply = "apply" in self.headers.get("Content-Type", "")
        if is_apply and place.key not in self.store.objects and not place.sub:
            if body["metadata"].get("uid"):
                raise Problem(409, "Conflict", "uid mismatch: no existing object was found")
            return 201, self.store.create(place.plural, place.namespace, body)
        new = copy.deepcopy(self.store.find(place.key))
        if is_apply and place.sub == "status":
            new["status"] = {}  # one owner: what it doesn't say any more goes
        expected = body.get("metadata", {}).get("resourceVersion")
        uid = body.get("metadata", {}).get("uid")
        patch = {"status": body.get("status", {})} if place.sub == "status" else {k: v for k, v in body.items() if k != "status"}
        merge(new, patch)
        if uid:
            new["metadata"]["uid"] = uid
        return 200, self.store.write(place.key, new, expected)

    def on_delete(self, place, _, body):
        return 200, self.store.delete(place.key, body)

    def watch(self, place, query):
        version = int(query["resourceVersion"])
        end = time.monotonic() + int(query.get("timeoutSeconds", "300"))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while time.monotonic() < end:
                with self.store.lock:
                    if version < self.store.compacted:
                        self.chunk({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
                        break
                    fresh = [e for e in self.store.events if e[0] > version]
                    if not fresh:
                        self.store.lock.wait(0.5)
                        continue
                if self.trouble and self.trouble.now_and_then("410", 4):
                    self.chunk({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})
                    break
                if self.trouble and self.trouble.now_and_then("cut", 5):
                    self.wfile.write(b'11\r\n{"type":"MODIFIED')
                    self.close_connection = True
                    return
                for number, plural, kind, obj in fresh:
                    version = number
                    if plural == place.plural and place.namespace in ("", obj["metadata"].get("namespace", "")) \
                            and matches(obj, query.get("labelSelector")):
                        self.chunk({"type": kind, "object": obj})
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def chunk(self, event):
        data = json.dumps(event).encode() + b"\n"
        while self.trouble and len(data) > 1:  # in pieces
            size = min(self.trouble.dice.randrange(1, 400), len(data) - 1)
            self.wfile.write(f"{size:x}\r\n".encode() + data[:size] + b"\r\n")
            data = data[size:]
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Trouble:
    """What happens to requests that carry a token; `token_file` has a new one every few seconds."""

    def __init__(self, seed, token_file):
        self.dice = random.Random(seed)
        self.token_file = token_file
        self.lock = threading.Lock()
        self.counts = {}
        self.last = {}
        self.since = 0
        self.number = 0
        self.tokens()

    def tokens(self):
        with self.lock:
            if time.monotonic() - self.since > 10:
                self.since = time.monotonic()
                self.number += 1
                with open(self.token_file, "w", encoding="utf-8") as file:
                    file.write(f"token-{self.number}")
            return {f"Bearer token-{self.number}"}

    def now_and_then(self, what, seconds):
        with self.lock:
            does = time.monotonic() - self.last.get(what, 0) > seconds
            if does:
                self.last[what] = time.monotonic()
            self.counts[what] = self.counts.get(what, 0) + does
            return does

    def happens(self, what, probability):
        with self.lock:
            does = self.dice.random() < probability
            self.counts[what] = self.counts.get(what, 0) + does
            return does


def certificate(folder):
    """One for server, authority and administrator: its file and its key's."""
    os.makedirs(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", f"{folder}/ca.key", "-out",
                    f"{folder}/ca.crt", "-subj", "/CN=freshet-test", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    for suffix in ("crt", "key"):
        os.symlink(f"ca.{suffix}", f"{folder}/admin.{suffix}")
    return f"{folder}/ca.crt", f"{folder}/ca.key"


class FakeApiServer:
    """Runs on a free port of the loopback; `kubeconfig` is a file for its clients."""

    def __init__(self, folder, is_tls=False):
        """With TLS its lists also have managedFields: what costs memory on a real server."""
        handler = type("H", (Handler,), {"store": Store(), "shows_managers": is_tls})
        self.handler = handler

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, request, client_address):
                """Clients that are killed are what the tests are about."""
                if not isinstance(sys.exc_info()[1], OSError):
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), handler)
        scheme, authority = ("https", ", certificate-authority: pki/ca.crt") if is_tls else ("http", "")
        if is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate(f"{folder}/pki"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.kubeconfig = f"{folder}/kubeconfig"
        self.token_file = f"{folder}/token"
        with open(self.token_file, "w", encoding="utf-8") as file:
            file.write("calm")
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            file.write(f'current-context: t\nclusters: [{{name: t, cluster: {{server: "{scheme}://127.0.0.1:{self.server.server_port}"{authority}}}}}]\n'
                       "users: [{name: t, user: {tokenFile: token}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]\n")
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def trouble(self, seed):
        """From now on; None: no more. Returns it, with the counts of what happened."""
        self.handler.server_trouble = None if seed is None else Trouble(seed, self.token_file)
        return self.handler.server_trouble
