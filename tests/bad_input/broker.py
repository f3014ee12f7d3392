"""A running broker as it is seen from outside: its metrics, its memory, and whether it is still there."""
import json
import re
import urllib.request


class Broker:
    def __init__(self, admin_port, pid):
        self.admin_port, self.pid = admin_port, pid

    def ask(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=20)

    def configure(self, body):
        """Settings of all brokers: POST /v1/config. Returns the status."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}/v1/config", json.dumps(body).encode(), method="POST")
        return urllib.request.urlopen(request, timeout=20).status

    def metric(self, name):
        text = self.ask("/metrics").read().decode()
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.M))

    def memory_kib(self):
        return self._status_kib("VmRSS")

    def memory_peak_kib(self):
        return self._status_kib("VmHWM")

    def _status_kib(self, field):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{field}:\s+(\d+) kB", status.read())[1])

    def is_alive(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
                return stat.read().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False
