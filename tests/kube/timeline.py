"""What happened while partitions paused: pods, endpoints, the reachability of each broker's address and the logs of brokers and operators are
watched while a test runs, and printed beside the longest pauses that clients saw. Times are of CLOCK_MONOTONIC, as in histories."""
import datetime
import glob
import os
import re
import socket
import subprocess
import threading
import time

POD_COLUMNS = {"name": ".metadata.name", "ip": ".status.podIP", "phase": ".status.phase", "ready": ".status.containerStatuses[0].ready",
               "started": ".status.containerStatuses[0].started", "restarts": ".status.containerStatuses[0].restartCount",
               "role": ".metadata.labels['freshet\\.dev/role']", "deleted": ".metadata.deletionTimestamp"}
SLICE_COLUMNS = {"name": ".metadata.labels['kubernetes\\.io/service-name']", "addresses": ".endpoints[*].addresses[0]",
                 "ready": ".endpoints[*].conditions.ready", "serving": ".endpoints[*].conditions.serving",
                 "terminating": ".endpoints[*].conditions.terminating"}
PROBE_S = 0.05
# What follows upon each other when a broker begins and ends; the addresses are those that are probed from here.
SEQUENCES = {
    "begins": {"begin": r"{pod}: .*msg=ready ", "ready": r"pods {pod}: (.*, )?ready true", "clients are led to it": r"endpointslices .*-{number}: (.*, )?ready true",
               "its address answers": r"address of broker {number}: reachable"},
    "ends": {"end": r"{pod}: .*msg=stopping ", "handed over": r"{pod}: .*msg=.?partitions handed over", "unready": r"pods {pod}: (.*, )?ready false",
             "nobody is led to it": r"endpointslices .*-{number}: (.*, )?serving false", "its address refuses": r"address of broker {number}: Connection refused",
             "process ended": r"{pod}: .*msg=stopped"},
}
BEFORE_S, AFTER_S = 1.5, 0.3


def pauses(times):
    """(seconds, begin) between neighbours of a sorted list."""
    return [(b - a, a) for a, b in zip(times, times[1:])]


class Timeline:
    """`addresses`: what to connect to, by name, to see when it is reachable from here."""

    def __init__(self, namespaces, selector, folder, addresses):
        self.events, self.lock, self.ended = [], threading.Lock(), False
        self.namespaces, self.folder = namespaces, folder
        self.watch("pods", POD_COLUMNS, f"--selector={selector}")
        self.watch("endpointslices", SLICE_COLUMNS)
        for name, address in addresses.items():
            self.spawn(self.probe, name, address)
        if folder:
            self.spawn(self.logs)

    def spawn(self, target, *arguments):
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def add(self, at, text):
        with self.lock:
            self.events.append((at, text))

    def watch(self, kind, columns, *options):
        self.spawn(self.watch_main, kind, columns, options)

    def watch_main(self, kind, columns, options):
        shape = ",".join(f"{name}:{path}" for name, path in columns.items())
        before = {}
        while not self.ended:
            command = ["setpriv", "--pdeathsig", "KILL", "--", "kubectl", "--namespace", self.namespaces[0], "get", kind, *options, "--watch", "--no-headers",
                       "--output=custom-columns=" + shape]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
                for line in process.stdout:
                    self.changed(kind, list(columns), line.split(), before)
            time.sleep(0.2)

    def changed(self, kind, names, words, before):
        now = dict(zip(names, words))
        old = before.get(words[0], {}) if words else {}
        changes = [f"{name} {now[name]}" for name in names[1:] if name in now and now[name] != old.get(name)]
        if changes:
            before[words[0]] = now
            self.add(time.monotonic(), f"{kind} {words[0]}: {', '.join(changes)}")

    def probe(self, name, address):
        last = None
        while not self.ended:
            at = time.monotonic()
            try:
                socket.create_connection(address, timeout=0.5).close()
                state = "reachable"
            except OSError as error:
                state = os.strerror(error.errno) if error.errno else "no answer"
            if state != last:
                self.add(at, f"address of {name}: {state}")
                last = state
            time.sleep(PROBE_S)

    def logs(self):
        """Of all pods, as the kubelet writes them; it removes those of pods that are gone."""
        read = {}
        while not self.ended:
            for path in glob.glob(os.path.join(self.folder, "*/var-log/pods/*/*/*.log")):
                namespace, pod = os.path.basename(os.path.dirname(os.path.dirname(path))).split("_")[:2]
                if namespace in self.namespaces and pod not in ("s3", "clients"):
                    read[path] = self.log_lines(path, pod, read.get(path, 0))
            time.sleep(0.1)

    def log_lines(self, path, pod, offset):
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read()
        except OSError:
            return offset
        whole = data[:data.rfind(b"\n") + 1]
        for line in whole.decode(errors="replace").splitlines():
            stamp, _, _, text = (line.split(" ", 3) + [""] * 3)[:4]
            self.add(self.monotonic_of(stamp), f"{pod}: {text[:220]}")
        return offset + len(whole)

    @staticmethod
    def monotonic_of(stamp):
        seconds, _, fraction = re.match(r"([0-9T:-]+)(\.([0-9]+))?", stamp).groups()
        wall = datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.timezone.utc).timestamp() + float("0." + (fraction or "0"))
        return wall - time.time() + time.monotonic()

    def mark(self, text):
        self.add(time.monotonic(), "=== " + text)

    def client_log(self, name, path):
        """librdkafka's own lines (CLIENT_DEBUG)."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found = [re.match(r"%\d\|(\d+\.\d+)\|([^|]*)\|[^|]*\| (.*)", line) for line in file]
        except OSError:
            return
        for match in filter(None, found):
            self.add(float(match[1]) - time.time() + time.monotonic(), f"client {name}: {match[2]} {match[3][:200]}")

    def between(self, begin, end):
        with self.lock:
            return sorted((at, text) for at, text in self.events if begin <= at <= end)

    def sequences(self, which):
        """Of each time that a pod said the first of SEQUENCES[which]: when, the pod, and the seconds until each of the others came, or None."""
        first, *steps = SEQUENCES[which].items()
        events = self.between(0, float("inf"))
        for i, (at, text) in enumerate(events):
            found = re.match(first[1].format(pod=r"(\S+-(\d+))"), text)
            if not found:
                continue
            seconds = {}
            for what, pattern in steps:
                wanted = re.compile(pattern.format(pod=re.escape(found[1]), number=found[2]))
                seconds[what] = next((later - at for later, line in events[i:] if wanted.match(line)), None)
            yield at, found[1], seconds

    def tell(self, what, begin, end, zero):
        lines = [f"{what}: {end - begin:.2f} s, from {begin - zero:.2f} s to {end - zero:.2f} s"]
        lines += [f"    {at - zero:8.2f}  {at - begin:+6.2f}  {text}" for at, text in self.between(begin - BEFORE_S, end + AFTER_S)]
        return "\n".join(lines)


class History:
    """Times of what a client saw, by partition, and who led."""

    def __init__(self, path, kind="ack"):
        self.times, self.led = {}, {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.split() if line.endswith("\n") else []
                if len(words) > 4 and words[2] == kind:
                    self.times.setdefault(int(words[4]), []).append(int(words[0]) / 1e6)
                elif len(words) == 6 and words[2] == "led":
                    self.led.setdefault(int(words[4]), []).append((int(words[1]) / 1e6, int(words[5])))

    def leader(self, partition, at):
        known = [broker for since, broker in self.led.get(partition, []) if since <= at + 0.001]
        return known[-1] if known else "?"

    def longest(self, begin, end, count=1):
        """(seconds, begin, partition), the longest first, of pauses that begin between the two."""
        found = [(*pause, partition) for partition, times in self.times.items() for pause in pauses(times) if begin <= pause[1] < end]
        return sorted(found, reverse=True)[:count]

    def describe(self, name, pause):
        seconds, begin, partition = pause
        return f"pause of partition {partition} of {name}, led by {self.leader(partition, begin)} before and {self.leader(partition, begin + seconds)} after"
