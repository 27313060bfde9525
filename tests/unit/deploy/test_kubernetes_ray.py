"""The manifests with a Ray cluster of KubeRay, as kustomize renders them."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.scripts.scripts import start

from tests.unit.deploy.files import DEPLOY, RAY, SEVERAL, last_stage, rendered
from tests.unit.deploy.test_kubernetes import RELEASES


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], Any]:
    """By their kind and name."""
    return _by_name(rendered(RAY))


def _by_name(found: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found)
    return named


@pytest.fixture(scope="module")
def cluster(manifests: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """What the Ray cluster shall be."""
    spec: dict[str, Any] = manifests["RayCluster", "vestibule-ray"]["spec"]
    return spec


@pytest.fixture(scope="module")
def groups(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The head and the workers."""
    [workers] = cluster["workerGroupSpecs"]
    return {"head": cluster["headGroupSpec"], "workers": workers}


@pytest.fixture(scope="module")
def server(manifests: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """The pod of a server."""
    spec: dict[str, Any] = manifests["StatefulSet", "vestibule"]["spec"]["template"]["spec"]
    return spec


def _pods(groups: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [group["template"]["spec"] for group in groups.values()]


def test_it_adds_a_ray_cluster_to_several_servers(manifests: dict[tuple[str, str], Any]) -> None:
    kinds = sorted(kind for kind, _ in manifests)
    added = ["NetworkPolicy", "PodDisruptionBudget", "RayCluster"]
    assert kinds == sorted([*(each["kind"] for each in rendered(SEVERAL)), *added])


def test_all_but_the_cluster_are_those_that_kubernetes_knows(
    manifests: dict[tuple[str, str], Any], groups: dict[str, dict[str, Any]]
) -> None:
    """Its schema is KubeRay's, but its pods are those of Kubernetes."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate has the schemas; not installed")
    pods = [{"apiVersion": "v1", "kind": "Pod", **group["template"]} for group in groups.values()]
    for manifest in [*(each for (kind, _), each in manifests.items() if kind != "RayCluster"), *pods]:
        for release in RELEASES:
            validate.validate(manifest, release, strict=True)


def test_ray_takes_the_options_with_which_kuberay_starts_a_node(groups: dict[str, dict[str, Any]]) -> None:
    """It writes each as an option of ``ray start``; of those whose value is "true" only the name."""
    known = {option for parameter in start.params for option in parameter.opts}
    for group in groups.values():
        assert {f"--{name}" for name in group["rayStartParams"]} <= known
    assert groups["head"]["rayStartParams"]["num-cpus"] == "0", "workers would end with the head"


def test_its_release_is_that_of_the_lock(cluster: dict[str, Any]) -> None:
    assert cluster["rayVersion"] == importlib.metadata.version("ray")


def test_servers_and_nodes_have_the_same_token(cluster: dict[str, Any], server: dict[str, Any]) -> None:
    assert cluster["authOptions"] == {"mode": "token"}
    [container] = server["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "ray-token"]
    [volume] = [each for each in server["volumes"] if each["name"] == "ray-token"]
    assert environment == {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": f"{mount['mountPath']}/auth_token"}
    assert volume["secret"] == {"secretName": "vestibule-ray", "defaultMode": 0o440}


def test_servers_join_it_at_the_service_that_kuberay_makes(manifests: dict[tuple[str, str], Any]) -> None:
    [settings] = [each["data"] for (kind, _), each in manifests.items() if kind == "ConfigMap"]
    assert settings["VESTIBULE_RAY__ADDRESS"] == "vestibule-ray-head-svc:6379"
    assert {settings[f"VESTIBULE_{kind}__REPLICAS"] for kind in ("SPEECH", "VISION", "REDACTION")} == {"2"}


def test_its_pods_can_do_no_more_than_those_of_the_servers(
    groups: dict[str, dict[str, Any]], server: dict[str, Any]
) -> None:
    for pod in _pods(groups):
        [container], [of_server] = pod["containers"], server["containers"]
        assert pod["securityContext"] == server["securityContext"]
        assert container["securityContext"] == of_server["securityContext"]
        assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
        assert not any("hostPath" in volume for volume in pod["volumes"])


def test_what_ray_writes_to_is_mounted_and_workers_find_the_key_of_streams(
    groups: dict[str, dict[str, Any]], server: dict[str, Any]
) -> None:
    mounts = {
        name: {each["mountPath"] for each in group["template"]["spec"]["containers"][0]["volumeMounts"]}
        for name, group in groups.items()
    }
    assert mounts["head"] == {"/var/lib/vestibule", "/tmp", "/dev/shm"}
    assert mounts["workers"] == mounts["head"] | {"/var/lib/vestibule-shared"}
    shared = [each for pod in (_pods(groups)[1], server) for each in pod["volumes"] if each["name"] == "shared"]
    assert shared[0] == shared[1]


def test_the_object_store_fits_into_the_shared_memory(groups: dict[str, dict[str, Any]]) -> None:
    for group in groups.values():
        [memory] = [each for each in group["template"]["spec"]["volumes"] if each["name"] == "shared-memory"]
        assert memory["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
        assert int(group["rayStartParams"]["object-store-memory"]) < 2**30


def test_probes_need_no_program_that_the_image_lacks(groups: dict[str, dict[str, Any]]) -> None:
    for pod in _pods(groups):
        [container] = pod["containers"]
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/api/local_raylet_healthz", "port": 52365}


def test_the_shell_of_kuberay_finds_ray() -> None:
    [links] = [rest for word, rest in last_stage() if word == "RUN" and rest.startswith("ln -s")]
    assert "/opt/vestibule/bin/ray" in links.split() and links.endswith(" /usr/local/bin/")


def test_only_servers_and_nodes_reach_nodes(manifests: dict[tuple[str, str], Any]) -> None:
    nodes = {"podSelector": {"matchLabels": {"ray.io/cluster": "vestibule-ray"}}}
    servers = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "vestibule"}}}
    of_nodes = manifests["NetworkPolicy", "vestibule-ray"]["spec"]
    assert {"podSelector": of_nodes["podSelector"]} == nodes
    assert of_nodes["ingress"] == [{"from": [nodes, servers]}]
    assert [rule["to"] for rule in of_nodes["egress"] if "ports" not in rule] == [[nodes, servers]]
    of_servers = manifests["NetworkPolicy", "vestibule"]["spec"]
    assert {"from": [nodes]} in of_servers["ingress"]
    assert {"to": [nodes]} in of_servers["egress"]


def test_a_drain_leaves_a_node_with_workers(
    manifests: dict[tuple[str, str], Any], groups: dict[str, dict[str, Any]]
) -> None:
    budget = manifests["PodDisruptionBudget", "vestibule-ray"]["spec"]
    assert budget["minAvailable"] < groups["workers"]["minReplicas"]
    assert budget["selector"]["matchLabels"] == {"ray.io/cluster": "vestibule-ray", "ray.io/group": "workers"}
    assert groups["workers"]["groupName"] == "workers"


def test_nodes_are_no_pods_of_the_service(
    manifests: dict[tuple[str, str], Any], groups: dict[str, dict[str, Any]]
) -> None:
    """Else calls of apps would go to them."""
    selector = manifests["Service", "vestibule"]["spec"]["selector"]
    for group in groups.values():
        labels = group["template"]["metadata"]["labels"]
        assert not selector.items() <= labels.items()


def test_a_kustomization_of_ones_own_gives_all_pods_its_image(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    own = {
        "resources": ["deploy/kubernetes-ray"],
        "configurations": ["deploy/kubernetes-ray/images.yaml"],
        "images": [{"name": "vestibule", "newName": "registry.example.com/vestibule", "newTag": "0.1.0"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    text = yaml.safe_dump_all(rendered(tmp_path))
    assert text.count("image: registry.example.com/vestibule:0.1.0") == text.count("image: ") == 3
