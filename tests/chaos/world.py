"""The machine of a chaos run: namespaces that can be cut from each other, brokers, and an S3 server behind one fault proxy for each broker.

With the right to make namespaces (root, or users' namespaces) every broker, the store and the clients live in a network namespace each, and
the namespace that this program runs in routes between them: a rule of its routing table drops what goes from one to another, one way, without
a word to either. Without that right all live on addresses of 127.0.0.0/8, and nothing can be cut. Nothing here touches the host's network."""
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
BROKER = os.environ.get("BROKER_BINARY", f"{ROOT}/build/freshet")
CLIENT = os.environ.get("CLIENT_TOOL", f"{ROOT}/build/release/tests/clients/client_tool")
PROXY = os.environ.get("FAULT_PROXY", f"{ROOT}/build/release/tests/s3/faultproxy")
KEYS = {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": "us-east-1"}
VOLUME_MIB = 700  # of the broker whose volume can be filled


class Failure(Exception):
    """The test has found something; its text says what."""


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: {done.stdout.strip()}")


def http(method, url, body=None, timeout=2.0):
    """The answer as text; None when there is none or it is an error."""
    try:
        request = urllib.request.Request(url, method=method, data=body.encode() if body else None)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError, ValueError):
        return None


class Place:
    """Where processes live: a network namespace, or only an address."""

    def __init__(self, name, address, gateway, has_namespace):
        self.name, self.address, self.holder = name, address, None
        if has_namespace:
            self.holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "sleep", "infinity"])
            self.enter(gateway)

    def enter(self, gateway):
        pid, link = str(self.holder.pid), f"to-{self.name}"
        own = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{pid}/ns/net").st_ino == own:
            time.sleep(0.01)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "address", "add", f"{gateway}/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run(*self.inside(), "ip", "link", "set", "lo", "up")
        run(*self.inside(), "ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*self.inside(), "ip", "link", "set", "eth0", "up")
        run(*self.inside(), "ip", "route", "add", "default", "via", gateway)

    def inside(self):
        return ["nsenter", "--net", "--target", str(self.holder.pid), "--"] if self.holder else []


class Broker:
    def __init__(self, world, number):
        self.world, self.number, self.place = world, number, world.places[f"broker-{number}"]
        self.process, self.is_paused, self.is_claimed, self.starts = None, False, False, 0
        self.log_path = f"{world.folder}/broker-{number}.log"
        self.data = f"{world.folder}/data-{number}"
        self.memory_max = 0

    def url(self, path):
        return f"http://{self.place.address}:{self.world.admin_port}{path}"

    def start(self, **environment):
        settings = {"node.id": self.number, "listeners": f"PLAINTEXT://{self.place.address}:{self.world.kafka_port}",
            "internal.listener": f"{self.place.address}:{self.world.internal_port}",
            "admin.listener": f"{self.place.address}:{self.world.admin_port}", "data.dir": self.data,
            "store.url": self.world.store_url(self.number), **self.world.settings}
        argv = [BROKER, "broker"]
        for name, value in settings.items():
            argv += ["--set", f"{name}={value}"]
        os.makedirs(self.data, exist_ok=True)
        self.starts += 1
        self.log_note(f"chaos: start {self.starts} {environment or ''}")
        self.is_paused = False
        self.process = self.world.spawn(self.place, argv, f"{self.world.folder}/broker-{self.number}.out", self.log_path,
            {**KEYS, **environment})

    def log_note(self, text):
        with open(self.log_path, "a", encoding="utf-8") as log:
            log.write(f"--- {self.world.clock()} {text}\n")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            self.log_note("chaos: SIGKILL")
            self.process.kill()
            self.process.wait()
            self.process, self.is_paused = None, False

    def pause(self):
        self.log_note("chaos: SIGSTOP")
        self.is_paused = True
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.is_paused and self.is_running():
            self.process.send_signal(signal.SIGCONT)
            self.log_note("chaos: SIGCONT")
        self.is_paused = False

    def is_ready(self):
        return self.is_running() and not self.is_paused and http("GET", self.url("/readyz")) is not None

    def ended(self):
        """The end that nobody here asked for: it must have a reason, and the log must say it. Returns the reason."""
        status = self.process.wait()
        self.process, self.is_paused = None, False
        lines = open(self.log_path, encoding="utf-8", errors="replace").read().splitlines()
        start = max(i for i, line in enumerate(lines) if "chaos: start" in line)
        # A start on a volume that somebody else has filled is refused as a setting that cannot be: status 2.
        words = {1: "the broker cannot", 2: "the volume of data.dir has only"}.get(status)
        reasons = [line for line in lines[start:] if words and words in line]
        if not reasons:
            raise Failure(f"broker {self.number} ended with status {status}: {lines[-1][:300]}")
        # The innermost reason comes last.
        return reasons[-1].partition('error="')[2].partition('" fiber=')[0][-160:] or reasons[-1][-160:]

    def memory_look(self):
        try:
            for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
                if line.startswith("VmRSS"):
                    self.memory_max = max(self.memory_max, int(line.split()[1]) // 1024)
        except (OSError, AttributeError):
            pass


class World:
    def __init__(self, folder, brokers, has_namespaces, settings):
        self.folder, self.has_namespaces, self.settings, self.started = folder, has_namespaces, settings, time.monotonic()
        net = "10.77" if has_namespaces else f"127.{random.randint(64, 250)}"
        if has_namespaces:
            run("ip", "link", "set", "lo", "up")
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
                switch.write("1")
        names = [f"broker-{n}" for n in range(1, brokers + 1)] + ["store", "clients"]
        self.places = {name: Place(name, f"{net}.{i + 1}.2", f"{net}.{i + 1}.1", has_namespaces) for i, name in enumerate(names)}
        self.kafka_port, self.internal_port, self.admin_port, self.s3_port, self.proxy_port = self.ports()
        self.cuts, self.server, self.proxies = [], None, {}
        self.store_start()
        for n in range(1, brokers + 1):
            listen = f"{self.places['store'].address}:{self.proxy_port + n}"
            self.proxies[n] = self.spawn(self.places["store"], [PROXY, listen, str(self.s3_port)], f"{folder}/proxy-{n}.out",
                f"{folder}/proxy-{n}.log")
        self.brokers = [Broker(self, n) for n in range(1, brokers + 1)]
        self.volume = None
        if has_namespaces: # the last broker's volume can be filled
            self.volume = self.brokers[-1].data
            os.makedirs(self.volume)
            run("mount", "-t", "tmpfs", "-o", f"size={VOLUME_MIB}m", "none", self.volume)

    def ports(self):
        """Below those that the kernel gives to clients, free on all addresses."""
        while True:
            first = 20000 + random.randrange(1200) * 10
            try:
                for place in self.places.values():
                    for port in range(first, first + 10):
                        if not self.has_namespaces:
                            with socket.socket() as probe:
                                probe.bind((place.address, port))
                return first, first + 1, first + 2, first + 3, first + 3
            except OSError:
                continue

    def clock(self):
        return f"{time.monotonic() - self.started:.1f}s"

    def spawn(self, place, argv, out, err, environment=None):
        with open(out, "ab") as stdout, open(err, "ab") as stderr:
            return subprocess.Popen([*place.inside(), "setpriv", "--pdeathsig", "KILL", "--", *argv], stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=stderr, env={**os.environ, **(environment or {})})

    def bootstrap(self):
        return ",".join(f"{b.place.address}:{self.kafka_port}" for b in self.brokers)

    # --- the store ---

    def store_url(self, number):
        return (f"s3://chaos/t?endpoint=http://{self.places['store'].address}:{self.proxy_port + number}"
            "&region=us-east-1&path_style=true")

    def store_start(self):
        os.makedirs(f"{self.folder}/bucket", exist_ok=True)
        self.server = self.spawn(self.places["store"], [f"{CACHE}/freshet/bin/versitygw", "--port", f"127.0.0.1:{self.s3_port}",
            "--keep-alive", "--quiet", "posix", f"{self.folder}/bucket"], f"{self.folder}/server.log", f"{self.folder}/server.log",
            {"ROOT_ACCESS_KEY": "testkey", "ROOT_SECRET_KEY": "testsecret"})
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        for _ in range(200):
            made = subprocess.run([*self.places["store"].inside(), "curl", "-sS", "--max-time", "10", "--aws-sigv4", "aws:amz:us-east-1:s3",
                "--user", "testkey:testsecret", "-H", f"x-amz-content-sha256: {empty}", "-X", "PUT", "-w", "%{http_code}", "-o",
                f"{self.folder}/answer", f"http://127.0.0.1:{self.s3_port}/chaos"], capture_output=True, text=True, check=False)
            if made.stdout in ("200", "409"): # 409: it is there
                return
            time.sleep(0.1)
        raise Failure(f"the S3 server does not start: {made.stderr}")

    def store_kill(self):
        self.server.kill()
        self.server.wait()

    def rule(self, number, **rule):
        url = f"http://{self.places['store'].address}:{self.proxy_port + number}/__fault"
        if http("PUT", url, json.dumps(rule), 10) is None:
            raise Failure(f"the fault proxy of broker {number} does not take {rule}")

    def rules_clear(self, number):
        url = f"http://{self.places['store'].address}:{self.proxy_port + number}/__fault"
        if http("DELETE", url, None, 10) is None:
            raise Failure(f"the fault proxy of broker {number} does not answer")

    # --- the network ---

    def cut(self, sender, receiver):
        """Drops what goes from one place to the other."""
        rule = ["from", self.places[sender].address, "to", self.places[receiver].address, "blackhole"]
        run("ip", "rule", "add", *rule)
        self.cuts.append(rule)

    def heal(self, cuts):
        for rule in cuts:
            run("ip", "rule", "del", *rule)
            self.cuts.remove(rule)

    # --- who is what ---

    def controller(self):
        """The broker that is the controller, as most of the living see it; None: nobody knows."""
        votes = {}
        for broker in self.brokers:
            if broker.is_running() and not broker.is_paused:
                answer = http("GET", broker.url("/v1/brokers"), None, 1)
                if answer:
                    number = json.loads(answer).get("controllerId", -1)
                    votes[number] = votes.get(number, 0) + 1
        best = max(votes, key=votes.get, default=None)
        return next((b for b in self.brokers if b.number == best), None)

    def close(self):
        for broker in self.brokers if hasattr(self, "brokers") else []:
            broker.kill()
        for process in [self.server, *self.proxies.values()]:
            if process is not None:
                process.kill()
                process.wait()
        for place in self.places.values():
            if place.holder:
                place.holder.kill()
                place.holder.wait()
