"""What tests on a cluster share: kubectl, the S3 server, clients inside and outside, the cluster under test. See tests/kube/acceptance for the
environment."""
import atexit
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
CLIENT_TOOL = os.environ.get("CLIENT_TOOL", os.path.join(ROOT, "build/release/tests/clients/client_tool"))
FOLDER = os.environ.get("KUBE_FOLDER", "")
NODE, NODE_PORT = os.environ.get("OUTSIDE_NODE", ""), 31090
NAMESPACE, SYSTEM, RELEASE, NAME = "freshet-acceptance", "freshet-system", "freshet", "main"
PARTITIONS, RATE = 6, 400
WAL_TYPE, ACCESS_MODE = os.environ.get("WAL_TYPE", "volume"), os.environ.get("ACCESS_MODE", "ReadWriteOncePod")
REQUESTS = {"cpu": "50m", "memory": "128Mi"}  # of a broker
STARTED = time.monotonic()

STORE = """
apiVersion: v1
kind: Namespace
metadata: {name: %(namespace)s, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: %(namespace)s}
stringData: {accessKeyId: testkey, secretAccessKey: testsecret}
---
apiVersion: v1
kind: Service
metadata: {name: s3, namespace: %(namespace)s}
spec: {selector: {app: s3}, ports: [{port: 7070}]}
---
apiVersion: v1
kind: Pod
metadata: {name: s3, namespace: %(namespace)s, labels: {app: s3}}
spec:
  nodeSelector: %(where)s
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: s3
      image: freshet-test/versitygw:1
      imagePullPolicy: Never
      args: [--port, ':7070', --keep-alive, --quiet, posix, /data]
      env: [{name: ROOT_ACCESS_KEY, value: testkey}, {name: ROOT_SECRET_KEY, value: testsecret}]
      readinessProbe: {tcpSocket: {port: 7070}, periodSeconds: 1}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
"""

CLIENTS = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, namespace: %(namespace)s, labels: {%(labels)s}}
spec:
  nodeSelector: %(where)s
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: clients
      image: freshet-test/clients:1
      imagePullPolicy: Never
      command: [sh, -c, 'while :; do sleep 1; done']
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f}s {text}", flush=True)


def kubectl(*arguments, text=None, check=True, namespace=NAMESPACE):
    within = ["--namespace", namespace] if namespace else []
    result = subprocess.run(["kubectl", *within, *arguments], input=text, text=True, capture_output=True, check=False)
    if check and result.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def get(kind, name="", namespace=NAMESPACE, **options):
    selector = [f"--selector={options['selector']}"] if "selector" in options else []
    out = kubectl("get", kind, *([name] if name else []), *selector, "--output=json", "--ignore-not-found", namespace=namespace)
    return json.loads(out) if out.strip() else None


def wait(what, condition, patience_s=120):
    begin = time.monotonic()
    while True:
        value = condition()
        if value:
            return time.monotonic() - begin
        if time.monotonic() - begin > patience_s:
            state = get("fc", NAME) or {}
            raise AssertionError(f"not within {patience_s} s: {what}; status {json.dumps(state.get('status', {}), indent=1)}")
        time.sleep(0.25)


class Producer:
    """client_tool produce, here or in the pod `clients`; a topic and a history of its own."""
    pod = "clients"

    def __init__(self, work, topic, bootstrap, inside):
        self.topic, self.bootstrap, self.inside = topic, bootstrap, inside
        self.history = f"/tmp/{topic}.history" if inside else f"{work}/{topic}.history"
        self.copy = f"{work}/{topic}.history"
        self.read = f"/tmp/{topic}.read" if inside else f"{work}/{topic}.read"
        self.read_copy = f"{work}/{topic}.read"
        self.process = None

    def command(self, *arguments):
        tool = [*arguments]
        if self.inside:
            return ["kubectl", "--namespace", NAMESPACE, "exec", self.pod, "--", "client_tool", *tool]
        # Once the cluster is gone its addresses are somebody else's: the client must not outlive the test.
        return ["setpriv", "--pdeathsig", "KILL", "--", CLIENT_TOOL, *tool]

    def create(self):
        subprocess.run(self.command("create", self.bootstrap, self.topic, str(PARTITIONS)), check=True, timeout=60)

    def start(self, rate=RATE):
        arguments = ["produce", self.bootstrap, self.topic, str(PARTITIONS), str(rate), self.history]
        command = self.command(*arguments)
        if self.inside:
            settings = "CLIENT_DEFAULTS=1 " if "CLIENT_DEFAULTS" in os.environ else ""
            script = f"echo $$ >/tmp/{self.topic}.pid; {settings}exec client_tool {' '.join(arguments)}"
            command = ["kubectl", "--namespace", NAMESPACE, "exec", self.pod, "--", "sh", "-c", script]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)

    def stop(self):
        """All that was sent is acknowledged, or this fails."""
        if self.inside:
            kubectl("exec", self.pod, "--", "sh", "-c", f"kill -TERM $(cat /tmp/{self.topic}.pid)")
        else:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=120)
        say(f"producer of {self.topic}: {out.strip()}")
        assert self.process.returncode == 0, f"a produce failed: {self.topic}"

    def verify(self):
        subprocess.run(self.command("verify", self.bootstrap, self.topic, str(PARTITIONS), self.history, self.read), check=True, timeout=300)
        if self.inside:
            for inside, copy in ((self.history, self.copy), (self.read, self.read_copy)):
                with open(copy, "w", encoding="utf-8") as file:
                    subprocess.run(["kubectl", "--namespace", NAMESPACE, "exec", self.pod, "--", "cat", inside], stdout=file, check=True)
        return [self.copy, self.read_copy]

    def acks(self):
        """Partition and time of each acknowledgement so far, in seconds of this machine's monotonic clock."""
        if not os.path.exists(self.copy):
            return []
        with open(self.copy, encoding="utf-8") as file:
            lines = (line.split() for line in file if " ack " in line and line.endswith("\n"))
            return [(int(words[4]), int(words[0]) / 1e6) for words in lines]

    def pauses(self):
        """The longest time between two acknowledgements of one partition, and when it began."""
        last, longest = {}, (0, 0)
        for partition, at in self.acks():
            longest = max(longest, (at - last.get(partition, at), last.get(partition, at)))
            last[partition] = at
        return longest


class Group:
    """Two members of a consumer group that read a topic of a producer outside, and commit; their histories are checked with its own. `another`:
    where the second one begins, when not where the producer does."""

    def __init__(self, producer, another=""):
        self.producer = producer
        members = {f"{producer.history}.member-0": producer.bootstrap, f"{producer.history}.member-1": another or producer.bootstrap}
        self.files = list(members)
        self.processes = [subprocess.Popen(producer.command("consume", bootstrap, producer.topic, "readers", file), stdout=subprocess.PIPE, text=True)
                          for file, bootstrap in members.items()]
        for process in self.processes:
            atexit.register(process.kill)

    def count(self, kind):
        total = 0
        for file in filter(os.path.exists, self.files):
            with open(file, encoding="utf-8") as lines:
                total += sum(f" {kind} " in line for line in lines)
        return total

    def stop(self):
        """After the producer: all of what it was promised is read and committed; the histories."""
        wait("the group to read everything", lambda: self.count("poll") >= len(self.producer.acks()))
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            out, _ = process.communicate(timeout=60)
            say(f"member of readers: {out.strip()}")
            assert process.returncode == 0, "a member failed"
        asked = f"{self.producer.history}.asker"
        subprocess.run(self.producer.command("committed", self.producer.bootstrap, self.producer.topic, "readers", str(PARTITIONS), asked), check=True, timeout=60)
        with open(asked, encoding="utf-8") as file:
            offsets = sum(int(line.split()[5]) for line in file if " committed " in line)
        assert offsets == len(self.producer.acks()), f"{offsets} records are committed, not {len(self.producer.acks())}"
        return [*self.files, asked]


def listeners(outside):
    """For tests that need no more (tests/kube/ways.py has all kinds): clients inside are sent to load balancers too, where there are some; to
    the pods where those outside come by node ports."""
    if NODE:
        return [{"name": "kafka", "port": 9092}, {"name": "outside", "port": 9094, "type": "nodeport", "host": NODE, "nodePort": NODE_PORT}]
    return [{"name": "kafka", "port": 9092, **({"type": "loadbalancer", "host": outside} if outside else {})}]


def cluster_spec(replicas, outside="", by=None):
    return {"apiVersion": "freshet.dev/v1alpha1", "kind": "FreshetCluster", "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"replicas": replicas, "listeners": by or listeners(outside), "wal": {"type": WAL_TYPE, "size": "1Gi", "accessMode": ACCESS_MODE},
                     "objectStore": {"bucket": "freshet", "prefix": "kube", "region": "us-east-1", "endpoint": f"http://s3.{NAMESPACE}.svc:7070",
                                     "pathStyle": True, "credentials": {"secretName": "s3"}},
                     "resources": {"requests": REQUESTS, "limits": {"memory": "1Gi"}},
                     "rollout": {"minReadySeconds": int(os.environ.get("MIN_READY", "1")), "surge": int(os.environ.get("SURGE", "0"))},
                     "config": {"io.engine": os.environ.get("IO_ENGINE", "auto")}}}


def status():
    return (get("fc", NAME) or {}).get("status", {})


def brokers():
    return [p for p in (get("pods", selector=f"freshet.dev/cluster={NAME}") or {"items": []})["items"]]


def ready(count):
    cluster = get("fc", NAME)
    state = cluster.get("status", {})
    pods = brokers()
    return (state.get("observedGeneration") == cluster["metadata"]["generation"] and state.get("readyReplicas") == count
            and state.get("updatedReplicas") == count and len(pods) == count)


def scale(count):
    """Seconds until all are ready, or gone."""
    kubectl("scale", "fc", NAME, f"--replicas={count}")
    return wait(f"{count} brokers", lambda: ready(count), 240)


def leaders(topic):
    out = kubectl("exec", "clients", "--", "kcat", "-b", f"{NAME}-bootstrap:9092", "-L", "-J", "-t", topic, check=False)
    try:
        found = json.loads(out)["topics"][0]["partitions"]
    except (ValueError, KeyError, IndexError):
        return []
    return [p["leader"] for p in found]


def processes(pod):
    """The ids of a pod's freshet processes, where its node shares this machine's kernel: hack/kube-up, kind."""
    uid = pod["metadata"]["uid"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
                is_in_pod = uid in file.read().replace("_", "-")  # systemd's names have _
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if is_in_pod and file.read().startswith("freshet"):
                    yield int(pid)
        except OSError:
            continue


def kill_pod(pod, namespace=NAMESPACE):
    """SIGKILL for the process of a pod where it is of this machine; elsewhere the pod is deleted by force, which comes near."""
    killed = list(processes(pod))
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    if not killed:
        assert not FOLDER, "no process of " + pod["metadata"]["name"]
        say(f"{pod['metadata']['name']} is of another machine: deleted by force")
        kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", "--wait=false", namespace=namespace)


def restarts():
    return {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in brokers() if p["status"].get("containerStatuses")}


class World:
    """Operator, store, a cluster and its clients, and what was measured."""

    def __init__(self, work):
        self.work = work
        self.producers = []
        self.groups = []
        self.outside = os.environ.get("OUTSIDE_HOST", "")
        self.bootstrap = os.environ.get("OUTSIDE_BOOTSTRAP", "")
        if FOLDER:
            with open(os.path.join(FOLDER, "run/number"), encoding="utf-8") as file:
                net = f"198.19.{file.read().strip()}"
            self.outside, self.bootstrap = f"{net}.10{{id}}", f"{net}.200:9092"
        elif NODE:
            self.bootstrap = f"{NODE}:{NODE_PORT}"
        self.measured = {}

    def measure(self, what, value, unit="s"):
        self.measured[what] = value
        say(f"{what}: {value:.1f} {unit}")

    def producer(self, topic, inside):
        one = Producer(self.work, topic, f"{NAME}-bootstrap:9092" if inside else self.bootstrap, inside)
        self.producers.append(one)
        return one

    store_where = {}  # node labels

    def images(self):
        if FOLDER:
            images = os.environ.get("IMAGES")
            if not images:
                images = os.path.join(ROOT, "build/kube-images")
                subprocess.run([f"{HERE}/images", images], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([f"{ROOT}/hack/kube-load", FOLDER, *(os.path.join(images, n) for n in sorted(os.listdir(images)))], check=True,
                           stderr=subprocess.DEVNULL)
            say("images are there")

    def pod(self, name, namespace=NAMESPACE, labels=""):
        """One with the tools of clients."""
        return "---" + CLIENTS % {"name": name, "namespace": namespace, "labels": labels, "where": json.dumps(self.store_where)}

    def store(self):
        kubectl("apply", "-f", "-", text=STORE % {"namespace": NAMESPACE, "where": json.dumps(self.store_where)} + self.pod("clients"))
        kubectl("wait", "pod/s3", "pod/clients", "--for=condition=Ready", "--timeout=60s")
        self.s3("PUT", "freshet")

    def operator(self):
        self.helm("install", RELEASE, f"{ROOT}/charts/freshet", "--create-namespace", "--wait", "--timeout", "120s")

    def install(self):
        self.images()
        self.store()
        self.operator()
        say("operator and store are there")

    system = SYSTEM

    def helm(self, *arguments):
        helm = os.environ.get("HELM", "helm")
        subprocess.run([helm, "--namespace", self.system, *arguments], check=True, stdout=subprocess.DEVNULL)

    def first_ack(self, rate=RATE):
        begin = time.monotonic()
        kubectl("apply", "-f", "-", text=json.dumps(cluster_spec(1, self.outside)))
        if self.bootstrap:
            one = self.producer("outside", inside=False)
            while subprocess.run(one.command("create", one.bootstrap, one.topic, str(PARTITIONS)), check=False, stderr=subprocess.DEVNULL,
                                 timeout=60).returncode:
                assert time.monotonic() - begin < 120, "nobody made a topic within two minutes"
                time.sleep(0.1)
            one.start(rate)
            wait("an acknowledgement", one.acks)
            self.groups.append(Group(one))
            self.measure("kubectl apply to the first acknowledged record", one.acks()[0][1] - begin)
        wait("one broker", lambda: ready(1))
        inside = self.producer("inside", inside=True)
        inside.create()
        inside.start(rate)

    def roll(self):
        before = {p["metadata"]["uid"] for p in brokers()}
        patch = {"spec": {"template": {"annotations": {"example.com/rolled": str(time.time())}}}}
        kubectl("patch", "fc", NAME, "--type=merge", "--patch", json.dumps(patch))
        seconds = wait("a rolled cluster", lambda: ready(len(before)) and not before & {p["metadata"]["uid"] for p in brokers()}, 300)
        self.measure(f"rolled {len(before)} brokers", seconds)

    def check(self):
        files = []
        for one in self.producers:
            one.stop()
        for group in self.groups:
            files += group.stop()
        for one in self.producers:
            files += one.verify()
            longest, began = one.pauses()
            self.measure(f"longest pause of a partition of {one.topic}, {began - STARTED:.0f} s after the start,", longest)
        subprocess.run([sys.executable, f"{ROOT}/tests/crash/check_history.py", *files], check=True)

    def s3(self, method, path):
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        return kubectl("exec", "clients", "--", "curl", "-sSf", "--max-time", "20", "--retry", "10", "--retry-connrefused", "--retry-delay", "1", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "testkey:testsecret", "-H",
                       f"x-amz-content-sha256: {empty}", "-X", method, f"http://s3.{NAMESPACE}.svc:7070/{path}")

    def keys(self):
        return re.findall("<Key>([^<]*)</Key>", self.s3("GET", "freshet?list-type=2"))

    def remove(self):
        policy = {"spec": {"deletionPolicy": {"objects": "Delete"}}}
        assert self.keys(), "there is nothing in the bucket"
        kubectl("patch", "fc", NAME, "--type=merge", "--patch", json.dumps(policy))
        kubectl("delete", "fc", NAME, "--timeout=180s")
        left = self.keys()
        assert not left, f"left in the bucket: {left}"
        wait("no pods", lambda: not brokers(), 90)
        claims = (get("pvc") or {"items": []})["items"]
        assert bool(claims) == (WAL_TYPE == "volume"), f"volumes: {len(claims)}"
        self.helm("uninstall", RELEASE, "--wait", "--timeout", "60s")
        kept = kubectl("get", "crd", "--output=name")
        assert kept.count("freshet.dev") == 3, f"custom resources did not stay: {kept}"
        kubectl("delete", "namespace", *{NAMESPACE, self.system}, "--wait=false", namespace="")


def diagnose():
    """What a person would look at first."""
    for arguments in (("get", "fc,pods,pvc,svc", "--output=wide"), ("get", "events", "--sort-by=.lastTimestamp"),
                      ("logs", f"--selector=freshet.dev/cluster={NAME}", "--tail=15", "--prefix"),
                      ("logs", f"--selector=freshet.dev/cluster={NAME}", "--tail=5", "--prefix", "--previous")):
        print(kubectl(*arguments, check=False)[-6000:], file=sys.stderr)
    for namespace in (SYSTEM, NAMESPACE, "freshet"):
        selector = "--selector=app.kubernetes.io/name=freshet-operator"
        print(kubectl("logs", selector, "--tail=20", "--prefix", check=False, namespace=namespace)[-5000:], file=sys.stderr)


def run(name, kind, steps):
    """steps(a world of that kind), told about in full where it fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix=f"freshet-{name}-") as work:
        world = kind(work)
        try:
            steps(world)
        except BaseException:
            diagnose()
            raise
    say("passed")
