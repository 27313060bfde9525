"""The manifests for Kubernetes, as kustomize renders them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.files import LONGEST_STOP_S, SEVERAL, last_stage, rendered, variables

RELEASES = ("1.32", "1.37")
"""The oldest and the newest release of Kubernetes that the manifests are for."""


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """By their kind."""
    return {each["kind"]: each for each in rendered()}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, Any]) -> dict[str, Any]:
    """The pod of the server."""
    spec: dict[str, Any] = manifests["StatefulSet"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Its one container."""
    [found] = pod["containers"]
    return dict(found)


@pytest.mark.parametrize("release", RELEASES)
def test_the_manifests_are_those_that_kubernetes_knows(manifests: dict[str, Any], release: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate has the schemas; not installed")
    assert set(manifests) == {"ConfigMap", "NetworkPolicy", "Service", "StatefulSet"}
    for manifest in manifests.values():
        validate.validate(manifest, release, strict=True)


def test_one_server_owns_the_ledger(manifests: dict[str, Any]) -> None:
    spec = manifests["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    [claim] = spec["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_the_pod_can_do_no_more_than_it_must(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """As the restricted profile of the Pod Security Standards wants it."""
    user = {rest for word, rest in last_stage() if word == "USER"}
    assert user == {f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(pod)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_what_the_server_writes_to_is_mounted(pod: dict[str, Any], container: dict[str, Any]) -> None:
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {
        "/var/lib/vestibule": False,
        "/tmp": False,
        "/dev/shm": False,
        variables()["VESTIBULE_SECRETS_DIR"]: True,
        "/etc/vestibule/tls": True,
    }
    [shared] = [volume for volume in pod["volumes"] if volume["name"] == "shared-memory"]
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "512Mi"}


def test_other_pods_reach_it_with_tls_only(manifests: dict[str, Any]) -> None:
    given = manifests["ConfigMap"]["data"]
    assert given["VESTIBULE_TLS__CERTIFICATE"] and given["VESTIBULE_TLS__KEY"]
    assert "VESTIBULE_ALLOW_PLAINTEXT" not in given


def test_keys_are_read_by_the_group_of_the_pod_only(pod: dict[str, Any]) -> None:
    """The server refuses a key that others can read (TLS_KEY_EXPOSED)."""
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    assert {name: secret["defaultMode"] for name, secret in secrets.items()} == {"secrets": 0o440, "tls": 0o440}
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_only_a_server_that_does_not_answer_is_restarted(container: dict[str, Any]) -> None:
    """A certificate that expired is no reason, so liveness asks for no TLS."""
    assert container["startupProbe"]["tcpSocket"] == container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}
    assert container["readinessProbe"]["exec"]["command"] == ["vestibule", "health"]


def test_the_server_has_time_to_end(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > LONGEST_STOP_S


def test_only_the_port_of_grpc_is_open(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    port = int(manifests["ConfigMap"]["data"]["VESTIBULE_ADDRESS"].rpartition(":")[2])
    assert container["ports"] == [{"name": "grpc", "containerPort": port}]
    policy = manifests["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "grpc"}]}]
    assert {each["port"] for rule in policy["egress"] for each in rule["ports"]} == {53, 443}
    assert policy["podSelector"]["matchLabels"] == manifests["Service"]["spec"]["selector"]


@pytest.fixture(scope="module")
def several() -> dict[str, Any]:
    """The manifests of several servers, by their kind."""
    return {each["kind"]: each for each in rendered(SEVERAL)}


@pytest.mark.parametrize("release", RELEASES)
def test_several_servers_are_those_that_kubernetes_knows(several: dict[str, Any], release: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate has the schemas; not installed")
    for manifest in several.values():
        validate.validate(manifest, release, strict=True)


def test_several_servers_share_a_folder_and_one_of_them_at_a_time_may_be_ended(
    manifests: dict[str, Any], several: dict[str, Any]
) -> None:
    assert set(several) == {*manifests, "PersistentVolumeClaim", "PodDisruptionBudget"}
    spec = several["StatefulSet"]["spec"]
    assert spec["replicas"] == 3
    assert several["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    [container] = spec["template"]["spec"]["containers"]
    [mount] = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "shared"]
    assert several["ConfigMap"]["data"]["VESTIBULE_SHARED_DIR"].startswith(f"{mount}/")
    [volume] = [each for each in spec["template"]["spec"]["volumes"] if each["name"] == "shared"]
    assert volume["persistentVolumeClaim"]["claimName"] == several["PersistentVolumeClaim"]["metadata"]["name"]
    [claim] = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "storage", "each has its mirror and its own keys on a volume of its own"
    budget = several["PodDisruptionBudget"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    ports = {each["port"] for rule in several["NetworkPolicy"]["spec"]["egress"] for each in rule["ports"]}
    assert ports == {53, 443, 5432}
