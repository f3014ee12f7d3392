"""The Kubernetes API for tests: JSON over HTTP(S), by the kubeconfig that hack/kube-up or tests/kube/fakeapi.py writes."""
import json
import os
import ssl
import urllib.error
import urllib.request

GROUP = "freshet.dev/v1alpha1"
PLURALS = {"FreshetCluster": "freshetclusters", "FreshetTopic": "freshettopics", "FreshetUser": "freshetusers"}


class Api:
    def __init__(self, kubeconfig=None):
        path = kubeconfig or os.environ["KUBECONFIG"]
        folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.server = text.split('server: "', 1)[1].split('"', 1)[0]
        self.context = None
        if self.server.startswith("https:"):
            self.context = ssl.create_default_context(cafile=os.path.join(folder, "pki/ca.crt"))
            self.context.load_cert_chain(os.path.join(folder, "pki/admin.crt"), os.path.join(folder, "pki/admin.key"))

    def call(self, method, path, body=None, content_type="application/json"):
        """Status and JSON, whatever the status is."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": content_type}, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"message": text}

    def table(self, path):
        """What kubectl prints."""
        request = urllib.request.Request(self.server + path, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
        with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
            return json.load(answer)

    def get(self, path):
        status, body = self.call("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body.get('message')}")
        return body

    def must(self, method, path, body=None, content_type="application/json"):
        status, answer = self.call(method, path, body, content_type)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.get('message')}")
        return answer


def custom_path(kind, namespace, name=""):
    return f"/apis/{GROUP}/namespaces/{namespace}/{PLURALS[kind]}" + (f"/{name}" if name else "")
