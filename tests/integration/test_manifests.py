"""The cluster's manifests, checked without a cluster.

Names, labels, probes, limits and settings are a contract with every service that connects to redis-master, and with the volume
and the Secret that a Bitnami release leaves behind; here they are spelled out once more, so that a change has to be meant.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from kv.server.user import PLACEHOLDER
from tests.integration.program import Server
from tests.program import ROOT, free_port

yaml = pytest.importorskip("yaml")
K8S = ROOT / "deploy" / "k8s"
MONITORING = K8S / "monitoring"
RELEASE = {"app.kubernetes.io/name": "redis", "app.kubernetes.io/instance": "redis"}
MASTER = {**RELEASE, "app.kubernetes.io/component": "master"}
EXPORTER = {"app.kubernetes.io/name": "kv-exporter"}
LIMIT = 2 << 30     # bytes, of the container
APPLIED_APART = {"secret.yaml", "kms-secret.yaml", "service-replicas.yaml"}
CUSTOM = {"KMSSecret", "ServiceMonitor", "PrometheusRule"}      # kinds that no validator here has a schema of


def manifest(path: Path) -> dict:
    [document] = yaml.safe_load_all(path.read_text())
    return document


MANIFESTS = {path: manifest(path) for path in sorted(K8S.rglob("*.yaml")) if path.name != "kustomization.yaml"}
BY_NAME = {path.stem: document for path, document in MANIFESTS.items()}
STATEFULSET, CONFIG = BY_NAME["statefulset"], BY_NAME["configmap"]
POD = STATEFULSET["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
WORKLOADS = [STATEFULSET, BY_NAME["exporter"]]
RULES = BY_NAME["prometheusrule"]["spec"]["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "kv-dashboard.json").read_text())


# -- each for itself ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("document", [one for one in MANIFESTS.values() if one["kind"] not in CUSTOM],
                         ids=lambda found: f"{found['kind']}-{found['metadata']['name']}")
def test_manifests_are_valid(document: dict, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    validator.validate(document, version, strict=True)


def test_all_are_named_for_the_namespace_and_labelled() -> None:
    for path, document in MANIFESTS.items():
        metadata = document["metadata"]
        assert metadata["namespace"] == "hanzo", path
        labels = EXPORTER if path.parent == MONITORING else RELEASE
        assert labels.items() <= metadata["labels"].items(), path


def test_the_objects_have_the_names_that_clients_know() -> None:
    assert {(one["kind"], one["metadata"]["name"]) for path, one in MANIFESTS.items() if path.parent == K8S} == {
        ("StatefulSet", "redis-master"), ("Service", "redis-master"), ("Service", "redis-headless"), ("Service", "redis-replicas"),
        ("ConfigMap", "redis-config"), ("Secret", "redis"), ("KMSSecret", "redis"), ("NetworkPolicy", "redis"),
        ("PodDisruptionBudget", "redis-master")}


@pytest.mark.parametrize("folder", [K8S, MONITORING], ids=lambda path: path.name)
def test_kustomizations_list_what_is_to_be_applied_again_and_again(folder: Path) -> None:
    kustomization = manifest(folder / "kustomization.yaml")
    files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert len(kustomization["resources"]) == len(set(kustomization["resources"]))
    assert set(kustomization["resources"]) == files - APPLIED_APART
    assert kustomization["namespace"] == "hanzo"


@pytest.mark.parametrize("folder", [K8S, MONITORING], ids=lambda path: path.name)
def test_what_kustomize_makes_of_them(folder: Path) -> None:
    """By kubectl or kustomize, where one is; no server is asked."""
    programs = {"kubectl": "kustomize", "kustomize": "build"}
    program = next(filter(shutil.which, programs), None)
    if program is None:
        pytest.skip("there is no kubectl, and no kustomize")
    made = subprocess.run([program, programs[program], str(folder)], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    documents = list(yaml.safe_load_all(made.stdout))
    listed = [manifest(folder / name) for name in manifest(folder / "kustomization.yaml")["resources"]]
    for document in listed:
        assert document in documents
    rest = [document for document in documents if document not in listed]
    assert not [one for one in documents if one["kind"] == "Secret"]
    if folder == K8S:
        assert rest == []
        return
    [dashboard] = rest
    assert (dashboard["kind"], dashboard["metadata"]["name"]) == ("ConfigMap", "kv-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["kv-dashboard.json"]) == DASHBOARD


def test_no_secret_is_in_clear() -> None:
    secret = BY_NAME["secret"]
    assert secret["stringData"] == {"redis-password": PLACEHOLDER} and "data" not in secret      # which the server warns of
    for path in K8S.rglob("*"):
        if path.is_file():
            assert not re.search(r"(?i)(password|secret|token|clientsecret)\"?\s*[:=]\s*\"?[A-Za-z0-9+/_-]{12,}\"?\s*$",
                                 re.sub(r"secretName: \S+|KV_PASSWORD_FILE.*", "", path.read_text()), re.M), path


# -- together -------------------------------------------------------------------------------------------------------------------

def test_selectors_find_the_pods_that_they_mean_and_no_others() -> None:
    assert STATEFULSET["spec"]["selector"]["matchLabels"] == STATEFULSET["spec"]["template"]["metadata"]["labels"] == MASTER
    for name in ("service", "service-headless", "service-replicas"):
        assert BY_NAME[name]["spec"]["selector"] == MASTER
    for name, field in (("poddisruptionbudget", "selector"), ("networkpolicy", "podSelector")):
        assert BY_NAME[name]["spec"][field] == {"matchLabels": MASTER}
    exporter = BY_NAME["exporter"]["spec"]
    assert exporter["selector"]["matchLabels"] == exporter["template"]["metadata"]["labels"] == EXPORTER
    service = BY_NAME["exporter-service"]
    assert service["spec"]["selector"] == EXPORTER
    assert BY_NAME["servicemonitor"]["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    replica = {**RELEASE, "app.kubernetes.io/component": "replica"}     # of the chart; its pods must not be found by ours
    assert not MASTER.items() <= replica.items()


def test_ports_are_named_alike() -> None:
    [port] = CONTAINER["ports"]
    assert port == {"name": "redis", "containerPort": 6379}
    for name in ("service", "service-headless", "service-replicas"):
        assert BY_NAME[name]["spec"]["type"] == "ClusterIP"
        assert BY_NAME[name]["spec"]["ports"] == [{"name": "tcp-redis", "port": 6379, "targetPort": "redis"}]
    assert BY_NAME["service-headless"]["metadata"]["name"] == STATEFULSET["spec"]["serviceName"]
    assert BY_NAME["service-headless"]["spec"]["clusterIP"] == "None" and "clusterIP" not in BY_NAME["service"]["spec"]
    [exporter] = BY_NAME["exporter"]["spec"]["template"]["spec"]["containers"]
    assert [(one["name"], one["containerPort"]) for one in exporter["ports"]] == [("metrics", 9121)]
    assert BY_NAME["exporter-service"]["spec"]["ports"] == [{"name": "metrics", "port": 9121, "targetPort": "metrics"}]
    assert {endpoint["port"] for endpoint in BY_NAME["servicemonitor"]["spec"]["endpoints"]} == {"metrics"}
    assert {exporter[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} == {"metrics"}


def test_the_network_lets_in_the_namespace_and_nothing_out() -> None:
    policy = BY_NAME["networkpolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["egress"] == []
    assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 6379}]}]


def test_a_node_can_be_drained() -> None:
    budget = BY_NAME["poddisruptionbudget"]["spec"]
    assert STATEFULSET["spec"]["replicas"] == 1 and budget["maxUnavailable"] == 1 and "minAvailable" not in budget


def test_the_volume_is_that_of_the_chart() -> None:
    """Claim redis-data-redis-master-0, files of user and group 1001, and 999 in that group may write to all of them."""
    [claim] = STATEFULSET["spec"]["volumeClaimTemplates"]
    assert claim["metadata"] == {"name": "redis-data"} and STATEFULSET["metadata"]["name"] == "redis-master"
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    assert STATEFULSET["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    [mount] = [mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "redis-data"]
    assert mount == {"name": "redis-data", "mountPath": "/data"}
    security = POD["securityContext"]
    assert (security["fsGroup"], security["fsGroupChangePolicy"]) == (1001, "Always")
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert user and (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one["metadata"]["name"])
def test_pods_have_no_more_rights_than_they_need(workload: dict) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"] and set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_the_container() -> None:
    assert (CONTAINER["name"], CONTAINER["image"]) == ("kv", "ghcr.io/hanzoai/kv:latest") and "initContainers" not in POD
    assert CONTAINER["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}}
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert set(mounts) == set(volumes) | {"redis-data"}
    assert volumes["config"]["configMap"]["name"] == CONFIG["metadata"]["name"]
    assert volumes["password"]["secret"] == {"secretName": BY_NAME["secret"]["metadata"]["name"], "defaultMode": 0o440,
                                             "items": [{"key": "redis-password", "path": "redis-password"}]}
    password = mounts["password"] + "/redis-password"
    assert not any("subPath" in mount for mount in CONTAINER["volumeMounts"])       # such a one never changes
    environment = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}
    assert environment == {"KV_PASSWORD_FILE": password, "HOME": mounts["tmp"]}     # no history of kv-cli on the volume
    config_file, *rest = CONTAINER["args"]
    assert config_file == mounts["config"] + "/kv.conf"
    assert dict(zip(rest[::2], rest[1::2], strict=True)) == {
        "--requirepass-file": password, "--dir": mounts["redis-data"], "--bind": "0.0.0.0",
        "--maxmemory-policy": "allkeys-lru", "--protected-mode": "no"}
    settings = [line for line in CONFIG["data"]["kv.conf"].splitlines() if line and not line.startswith("#")]
    assert settings == ["appendonly yes", 'save ""', "maxmemory-policy allkeys-lru", "maxmemory 75%",
                        'rename-command FLUSHDB ""', 'rename-command FLUSHALL ""']


def test_kms_brings_the_secret_that_the_pod_mounts() -> None:
    found = BY_NAME["kms-secret"]
    assert (found["apiVersion"], found["kind"]) == ("secrets.lux.network/v1alpha1", "KMSSecret")
    spec = found["spec"]
    assert set(spec) == {"hostAPI", "resyncInterval", "authentication", "managedSecretReference"}
    assert spec["managedSecretReference"] == {"secretName": "redis", "secretNamespace": "hanzo", "secretType": "Opaque"}
    login = spec["authentication"]["universalAuth"]
    assert set(login) == {"credentialsRef", "secretsScope"}
    assert set(login["credentialsRef"]) == {"secretName", "secretNamespace"}
    assert set(login["secretsScope"]) == {"projectSlug", "envSlug", "secretsPath"}
    assert spec["hostAPI"].startswith("https://") and isinstance(spec["resyncInterval"], int)


# -- probes ---------------------------------------------------------------------------------------------------------------------

def probe(folder: Path, word: str, program: str, password: str = "p") -> subprocess.CompletedProcess:
    """probe.sh as the kubelet runs it, with this text as kv-cli."""
    for name, text in (("probe.sh", CONFIG["data"]["probe.sh"]), ("password", password), ("kv-cli", "#!/bin/sh\n" + program)):
        (folder / name).write_bytes(text.encode())
    (folder / "kv-cli").chmod(0o755)
    return subprocess.run(["sh", str(folder / "probe.sh"), word], capture_output=True, text=True, timeout=30,
                          env={"PATH": f"{folder}:/usr/bin:/bin", "KV_PASSWORD_FILE": str(folder / "password")})


def test_probes_are_run_as_often_as_agreed() -> None:
    expected = {"startupProbe": ("live", None, 5, 60), "readinessProbe": ("ready", 5, 10, 3), "livenessProbe": ("live", 15, 30, 5)}
    for name, (word, delay, period, failures) in expected.items():
        found = dict(CONTAINER[name])
        assert found.pop("initialDelaySeconds", None) == delay
        assert found == {"exec": {"command": ["sh", "/etc/kv/probe.sh", word]}, "periodSeconds": period,
                         "timeoutSeconds": 3, "failureThreshold": failures}


@pytest.mark.parametrize("said, ready, alive", [
    ("PONG", True, True), ("LOADING KV is loading the dataset in memory", False, True), ("BUSY KV is busy", False, True),
    ("MASTERDOWN Link with MASTER is down", False, True), ("NOAUTH Authentication required.", False, True),
    ("WRONGPASS invalid", False, True), ("MISCONF Errors", False, True), ("", False, False), ("PONGX", False, False),
    ("ERR something", False, False)])
def test_a_probe_understands_what_a_server_answers(tmp_path: Path, said: str, ready: bool, alive: bool) -> None:
    for word, wanted in (("ready", ready), ("live", alive)):
        found = probe(tmp_path, word, f"echo '{said}'\n")
        assert (found.returncode == 0) == wanted
        assert wanted or found.stdout == (said or "no answer") + "\n"


@pytest.mark.parametrize("text", ["p w\\n'$x", "p w\\n'$x\n", "p w\\n'$x\r\nsecond line\n"])
def test_a_probe_gives_the_password_as_the_server_reads_it(tmp_path: Path, text: str) -> None:
    found = probe(tmp_path, "ready", f'printf %s "$KVCLI_AUTH" > {tmp_path}/seen\necho PONG\n', text)
    assert found.returncode == 0 and (tmp_path / "seen").read_bytes() == b"p w\\n'$x"


def test_a_probe_asks_a_real_server(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the password")
    with Server(tmp_path, wait=False, requirepass_file=secret) as server:
        server.wait_ready()
        client = f'PYTHONPATH={ROOT} exec {sys.executable} -m kv.cli.client -p {server.port} "$@"\n'
        server.until(lambda: probe(tmp_path, "ready", client, "the password").returncode == 0)
        assert probe(tmp_path, "live", client, "the password").returncode == 0
        assert probe(tmp_path, "ready", client, "another").returncode == 1
        assert probe(tmp_path, "live", client, "another").returncode == 0
        server.kill()
        assert probe(tmp_path, "live", client, "the password").stdout == "no answer\n"


# -- metrics --------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def metrics(tmp_path_factory) -> set[str]:
    """What /metrics gives, whose names are redis_exporter's (test_exporter.py)."""
    port = free_port()
    with Server(tmp_path_factory.mktemp("metrics"), admin_port=port, appendonly="yes") as server:
        server("SET", "k", "v")
        server("LPUSH", "k", "v")       # an error, so that there is one to count
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            return set(re.findall(r"^(redis_\w+)", response.read().decode(), re.M))


def names(expression: str) -> set[str]:
    """The metrics in an expression of PromQL; what stands around them is looked at, too."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    depth: list[str] = []
    for sign in bare:
        if sign in "([{":
            depth.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}":
            assert depth and depth.pop() == sign, expression
    assert not depth, expression
    bare = re.sub(r"\{[^{}]*\}|\[[^\]]*\]|\bby \([^)]*\)", "", bare)
    words = set(re.findall(r"[a-zA-Z_:][\w:]*", bare))
    found = {word for word in words if word.startswith("redis_")}
    assert found and words - found <= {"rate", "increase", "sum", "absent", "or"}, expression
    return found


def test_alerts_ask_for_metrics_that_exist(metrics: set[str]) -> None:
    for rule in RULES:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"KV[A-Za-z]+", rule["alert"]) and re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"]["severity"] in ("warning", "critical") and set(rule["annotations"]) == {"summary", "description"}
        assert names(rule["expr"]) <= metrics, rule["alert"]
        job = BY_NAME["exporter-service"]["metadata"]["name"]
        assert set(re.findall(r'job="([^"]*)"', rule["expr"])) == {job}
        assert rule["expr"].count("redis_") == rule["expr"].count("job=")
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert BY_NAME["prometheusrule"]["apiVersion"] == BY_NAME["servicemonitor"]["apiVersion"] == "monitoring.coreos.com/v1"


def test_alerts_have_the_thresholds_that_were_agreed() -> None:
    thresholds = set()
    for rule in RULES:
        if limit := re.search(r"(>|==) (\d+)$", rule["expr"]):
            [name] = names(rule["expr"])
            thresholds.add((name.removeprefix("redis_"), rule["labels"]["severity"], limit[1] + limit[2]))
    assert thresholds == {
        ("up", "critical", "==0"), ("connected_clients", "warning", ">100"), ("connected_clients", "critical", ">500"),
        ("evicted_keys_total", "warning", ">0"), ("evicted_keys_total", "critical", ">1000"),
        ("rejected_connections_total", "warning", ">0"), ("rejected_connections_total", "critical", ">10"),
        ("aof_last_bgrewrite_status", "warning", "==0"), ("aof_last_write_status", "critical", "==0"),
        ("commands_processed_total", "warning", ">50000"), ("commands_processed_total", "critical", ">100000")}
    memory = {rule["labels"]["severity"]: float(re.findall(r"> ([\d.]+) \* 1024 \* 1024 \* 1024$", rule["expr"])[0])
              for rule in RULES if names(rule["expr"]) == {"redis_memory_used_bytes"}}
    assert memory == {"warning": 1.5, "critical": 1.8} and LIMIT > 1.8 * (1 << 30)


def test_the_dashboard_asks_for_metrics_that_exist(metrics: set[str]) -> None:
    shown = {"type": "prometheus", "uid": "${datasource}"}
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource" and DASHBOARD["uid"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"]) >= 12
    asked: set[str] = set()
    places = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == shown and panel["title"]
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & places and place["x"] + place["w"] <= 24
        places |= cells
        for target in panel["targets"]:
            assert target["datasource"] == shown and "$instance" in target["expr"]
            asked |= names(target["expr"])
    assert asked <= metrics
    assert {"redis_up", "redis_connected_clients", "redis_memory_used_bytes", "redis_commands_total", "redis_keyspace_hits_total",
            "redis_net_input_bytes_total", "redis_evicted_keys_total", "redis_db_keys"} <= asked


def test_what_the_best_known_dashboard_asks_for_exists(metrics: set[str]) -> None:
    """Number 763 of Grafana's collection."""
    assert {"redis_up", "redis_uptime_in_seconds", "redis_connected_clients", "redis_blocked_clients", "redis_memory_used_bytes",
            "redis_memory_max_bytes", "redis_commands_total", "redis_commands_duration_seconds_total", "redis_keyspace_hits_total",
            "redis_keyspace_misses_total", "redis_net_input_bytes_total", "redis_net_output_bytes_total", "redis_db_keys",
            "redis_expired_keys_total", "redis_evicted_keys_total", "redis_db_keys_expiring"} <= metrics


def test_the_exporter_finds_the_server() -> None:
    [container] = BY_NAME["exporter"]["spec"]["template"]["spec"]["containers"]
    address, password = container["env"]
    assert address == {"name": "REDIS_ADDR", "value": f"redis://{BY_NAME['service']['metadata']['name']}:6379"}
    assert password == {"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "redis", "key": "redis-password"}}}
    assert container["image"].startswith("oliver006/redis_exporter:v")
