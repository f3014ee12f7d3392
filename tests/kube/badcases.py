"""The cases of tests/kube/bad-input whose cluster never was well: what is applied, what must be told, and what puts it right."""
import json
import subprocess

from cluster import NAMESPACE, kubectl, wait

NAME = "main"
STORE = f"http://s3.{NAMESPACE}.svc:7070"
CLASS = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "freshet.test/folder", "volumeBindingMode": "WaitForFirstConsumer"}


def merge(into, patch):
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def spec_of(case, **changes):
    spec = {"replicas": 1, "imagePullPolicy": "IfNotPresent", "wal": {"size": "1Gi", "accessMode": "ReadWriteOncePod"},
            "objectStore": {"bucket": "freshet", "prefix": f"bad/{case}", "region": "us-east-1", "endpoint": STORE, "pathStyle": True,
                            "credentials": {"secretName": "s3"}},
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
            "template": {"terminationGracePeriodSeconds": 10}, "rollout": {"minReadySeconds": 1}}
    return merge(spec, changes)


def secret(name, **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def owned_by_others(kind, version, name, **body):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": {"app": "somebody-elses"}}, **body}


def quota(**hard):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}


class Case:
    """`there` is applied first; `wish` is merged into the cluster's spec. Then condition `kind` has `reason` and all `words`; `right`, a
    function of the case, or a merge of its spec, makes it Ready."""

    def __init__(self, name, wish, kind, reason, words, right, there=(), quick=False):
        self.name, self.wish, self.kind, self.reason, self.words, self.right = name, wish, kind, reason, words, right
        self.there, self.quick = list(there), quick
        self.namespace = f"bad-{name}"

    def kubectl(self, *arguments, **options):
        return kubectl(*arguments, namespace=self.namespace, **options)

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def patch(self, spec):
        self.kubectl("patch", "fc", NAME, "--type=merge", "--patch", json.dumps({"spec": spec}))

    def begin(self):
        kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": self.namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}))
        self.apply(secret("s3", accessKeyId="testkey", secretAccessKey="testsecret"), *self.there)
        if any(o["kind"] == "ValidatingAdmissionPolicyBinding" for o in self.there):
            wait(f"{self.name}: the policy is in force", self.is_denied, 60)
        self.apply({"apiVersion": "freshet.dev/v1alpha1", "kind": "FreshetCluster", "metadata": {"name": NAME},
                    "spec": spec_of(self.name, **self.wish)})

    def is_denied(self):
        """Policies are in force some seconds after they were made."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "x", "image": "x", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}
        command = ["kubectl", "--namespace", self.namespace, "create", "--dry-run=server", "-f", "-"]
        return "no pods on Sundays" in subprocess.run(command, input=json.dumps(pod), text=True, capture_output=True, check=False).stderr

    def put_right(self):
        if callable(self.right):
            self.right(self)
        else:
            self.patch(self.right)

    def cluster(self):
        return json.loads(self.kubectl("get", "fc", NAME, "--output=json"))

    def condition(self, kind):
        cluster = self.cluster()
        return next((c for c in cluster.get("status", {}).get("conditions", []) if c["type"] == kind), {"status": "", "reason": "", "message": ""})

    def is_told(self):
        """In the condition, in the event beside it, and in what `kubectl get fc` shows."""
        told = self.condition(self.kind)
        if told["reason"] != self.reason or not all(w in told["message"] for w in self.words):
            return False
        assert self.condition("Ready")["status"] == "False", f"{self.name}: Ready although {self.reason}"
        events = json.loads(self.kubectl("get", "events", "--output=json"))["items"]
        return any(e["reason"] == self.reason and e["type"] == "Warning" for e in events)

    def is_ready(self):
        cluster = self.cluster()
        generation = cluster.get("status", {}).get("observedGeneration")
        return generation == cluster["metadata"]["generation"] and self.condition("Ready")["status"] == "True"


def remove(*what):
    return lambda case: case.kubectl("delete", *what, "--wait=false")


def put(*objects):
    return lambda case: case.apply(*objects)


def pod_denied(name):
    """A policy that lets no pod into the case's namespace."""
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
              "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
                       "validations": [{"expression": "false", "message": "no pods on Sundays"}]}}
    binding = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
               "spec": {"policyName": name, "validationActions": ["Deny"],
                        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}}}
    return [policy, binding]


def selector(**labels):
    return {"selector": {"matchLabels": labels}}


def cases(world):
    """Fresh clusters: `quick` ones are in hack/test."""
    image = json.loads(kubectl("get", "pods", "--selector=freshet.dev/cluster=main", "--output=json"))["items"][0]["spec"]["containers"][0]["image"]
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "bad-mode"},
              "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "bad-mode",
                       "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/tmp", "type": "Directory"}}}  # where anybody may write
    return [
        Case("bucket", {"objectStore": {"bucket": "no-such-bucket"}}, "Degraded", "BrokerStuck", ["main-0", "bucket"],
             lambda _: world.s3("PUT", "no-such-bucket")),
        Case("keys", {"objectStore": {"credentials": {"secretName": "other"}}}, "Degraded", "BrokerStuck", ["main-0", "SignatureDoesNotMatch"],
             put(secret("other", accessKeyId="testkey", secretAccessKey="testsecret")), [secret("other", accessKeyId="testkey", secretAccessKey="wrong")]),
        Case("nosecret", {"objectStore": {"credentials": {"secretName": "other"}}}, "Degraded", "BrokerStuck", ["secret \"other\" not found"],
             put(secret("other", accessKeyId="testkey", secretAccessKey="testsecret")), quick=True),
        Case("nokey", {"objectStore": {"credentials": {"secretName": "other"}}}, "Degraded", "BrokerStuck", ["secretAccessKey"],
             put(secret("other", accessKeyId="testkey", secretAccessKey="testsecret")), [secret("other", accessKeyId="testkey")]),
        Case("cpu", {"resources": {"requests": {"cpu": "900"}}}, "Degraded", "Unschedulable", ["main-0", "Insufficient cpu"],
             {"resources": {"requests": {"cpu": "10m"}}}, quick=True),
        Case("class", {"wal": {"storageClassName": "bad-class"}}, "Degraded", "VolumePending", ["wal-main-0", "bad-class"],
             put({**CLASS, "metadata": {"name": "bad-class"}})),
        Case("mode", {"wal": {"storageClassName": "bad-mode"}}, "Degraded", "VolumePending", ["wal-main-0", "access mode"],
             {"wal": {"accessMode": "ReadWriteOnce"}},
             [{**CLASS, "metadata": {"name": "bad-mode"}, "provisioner": "kubernetes.io/no-provisioner"}, volume]),
        Case("zone", {"wal": {"storageClassName": "bad-zone"}, "zones": {"topologyKey": "topology.kubernetes.io/zone", "values": ["nowhere"]}},
             "Degraded", "Unschedulable", ["main-0", "zone nowhere"], {"zones": {"values": ["zone-a"]}}, [{**CLASS, "metadata": {"name": "bad-zone"}}]),
        Case("podquota", {}, "Reconciled", "QuotaExceeded", ["exceeded quota: q", "raise it"], put(quota(pods="1")), [quota(pods="0")], quick=True),
        Case("claimquota", {}, "Reconciled", "QuotaExceeded", ["exceeded quota: q"], remove("resourcequota", "q"),
             [quota(persistentvolumeclaims="0")]),
        Case("strictquota", {}, "Reconciled", "Refused", ["must specify limits.cpu"], {"resources": {"limits": {"cpu": "1"}}},
             [quota(**{"limits.cpu": "4"})]),
        Case("policy", {}, "Reconciled", "Refused", ["no pods on Sundays"], remove("validatingadmissionpolicybinding", "bad-policy"),
             pod_denied("bad-policy")),
        Case("image", {"image": "freshet:none", "imagePullPolicy": "Never"}, "Degraded", "BrokerStuck", ["ErrImageNeverPull", "freshet:none"],
             {"image": image}),
        Case("pull", {"image": "registry.invalid/freshet:1"}, "Degraded", "BrokerStuck", ["ImagePull", "registry.invalid"], {"image": image}),
        Case("program", {"image": "freshet-test/clients:1", "imagePullPolicy": "Never"}, "Degraded", "BrokerStuck", ["main-0", "executable file not found"],
             {"image": image}),
        Case("setting", {"config": {"no.such.setting": 1}}, "Degraded", "BrokerStuck", ["no.such.setting"], {"config": None}),
        # So little that not even the container is made.
        Case("memory", {"resources": {"requests": {"memory": "1Mi"}, "limits": {"memory": "2Mi"}}, "rollout": {"podTimeoutSeconds": 10}}, "Degraded",
             "BrokerStuck", ["main-0", "kubectl describe pod"], {"rollout": {"podTimeoutSeconds": 300}, "resources": {"limits": {"memory": "512Mi"}}}),
        Case("limits", {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}}, "Reconciled", "Refused", ["memory limit"],
             {"resources": {"requests": {"memory": "64Mi"}}}),
        Case("account", {"template": {"serviceAccountName": "nobody"}}, "Reconciled", "Refused", ["serviceaccount \"nobody\" not found"],
             put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})),
        Case("priority", {"template": {"priorityClassName": "nobody"}}, "Reconciled", "Refused", ["no PriorityClass with name nobody"],
             {"template": {"priorityClassName": None}}),
        Case("template", {"template": {"tolerations": [{"key": "a", "operator": "Sometimes"}]}}, "Reconciled", "Refused", ["Sometimes"],
             {"template": {"tolerations": None}}),
        Case("service", {}, "Reconciled", "NameConflict", ["Service bad-service/main-bootstrap", "remove or rename"], remove("service", "main-bootstrap"),
             [owned_by_others("Service", "v1", "main-bootstrap", spec={"ports": [{"port": 1}]})], quick=True),
        Case("budget", {}, "Reconciled", "NameConflict", ["PodDisruptionBudget bad-budget/main"], remove("pdb", "main"),
             [owned_by_others("PodDisruptionBudget", "policy/v1", "main", spec=selector(app="x"))]),
        Case("network", {}, "Reconciled", "NameConflict", ["NetworkPolicy bad-network/main"], remove("networkpolicy", "main"),
             [owned_by_others("NetworkPolicy", "networking.k8s.io/v1", "main", spec={"podSelector": {"matchLabels": {"app": "x"}}})]),
        Case("claim", {}, "Reconciled", "NameConflict", ["wal-main-0"], remove("pvc", "wal-main-0"),
             [owned_by_others("PersistentVolumeClaim", "v1", "wal-main-0", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})]),
        Case("nodeport", {"listeners": [{"name": "kafka", "port": 9092}, {"name": "out", "port": 9093, "type": "nodeport", "nodePort": 31900, "host": "n"}]},
             "Reconciled", "Refused", ["31900", "already allocated"], remove("service", "taken"),
             [owned_by_others("Service", "v1", "taken", spec={"type": "NodePort", "ports": [{"port": 1, "nodePort": 31900}]})]),
        Case("tls", {"listeners": [{"name": "kafka", "port": 9092, "tls": {"enabled": True}}]}, "Reconciled", "NotYet", ["no TLS"],
             {"listeners": [{"name": "kafka", "port": 9092}]}),
    ]
