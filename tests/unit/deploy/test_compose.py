"""The compose files: docker-compose accepts them, and a stranger who starts them is safe."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.setting_groups import MEBIBYTE
from server.setting_groups.fields import PLACEHOLDER
from server.settings import Settings
from tests.source_tree import ROOT
from tests.unit.deploy.files import (
    COMPOSE,
    COMPOSE_TLS,
    DEPLOY,
    EXAMPLE,
    LONGEST_STOP_S,
    compose,
    example,
    merged,
    seconds,
    tool,
    variables,
)

PAGE = ROOT / "docs" / "operating" / "containers.md"
PROFILES = {
    "none": set(),
    "clamav": {"clamav"},
    "postgres": {"postgres"},
    "grafana": {"prometheus", "grafana"},
    "envoy": {"envoy"},
    "*": {"clamav", "postgres", "prometheus", "grafana", "envoy"},
}
"""Services that a profile starts beside the server."""


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """As docker-compose reads compose.yaml."""
    return merged(COMPOSE)


@pytest.fixture(scope="module")
def tls() -> dict[str, Any]:
    """As docker-compose reads both files."""
    return merged(COMPOSE, COMPOSE_TLS, SERVER_NAME="vestibule.example.com")


def test_in_plain_text_only_this_machine_reaches_it(plain: dict[str, Any]) -> None:
    server = plain["services"]["vestibule"]
    assert server["environment"]["VESTIBULE_ALLOW_PLAINTEXT"] == "true"
    assert [port["host_ip"] for port in server["ports"]] == ["127.0.0.1"]


def test_other_machines_reach_it_with_tls_only(tls: dict[str, Any]) -> None:
    server = tls["services"]["vestibule"]
    given = server["environment"]
    assert given["VESTIBULE_ALLOW_PLAINTEXT"] == "false"
    assert given["VESTIBULE_TLS__CERTIFICATE"].startswith(variables()["VESTIBULE_STATE_DIR"])
    assert given["VESTIBULE_TLS__KEY"].startswith(variables()["VESTIBULE_STATE_DIR"])
    assert given["VESTIBULE_CONSOLE__URL"] == "https://vestibule.example.com:8090"
    assert {port["target"] for port in server["ports"]} == {50051, 8090}
    assert not any(port.get("host_ip") for port in server["ports"]), "the port on loopback is replaced"


def test_tls_needs_the_name_of_the_server() -> None:
    with pytest.raises(AssertionError, match="Set SERVER_NAME"):
        merged(COMPOSE, COMPOSE_TLS)


def test_the_server_can_do_no_more_than_it_must(plain: dict[str, Any]) -> None:
    server = plain["services"]["vestibule"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "user"} & set(server)
    assert [(volume["type"], volume["target"]) for volume in server["volumes"]] == [("volume", "/var/lib/vestibule")]


def test_every_service_has_a_bound_on_memory(plain: dict[str, Any]) -> None:
    assert all(int(service["mem_limit"]) > 0 for service in plain["services"].values())


def test_shared_memory_is_enough_for_ray(plain: dict[str, Any]) -> None:
    assert int(plain["services"]["vestibule"]["shm_size"]) >= Settings().ray.object_store_bytes + 128 * MEBIBYTE


def test_the_server_has_time_to_end(plain: dict[str, Any]) -> None:
    grace = seconds(plain["services"]["vestibule"]["stop_grace_period"])
    assert grace > LONGEST_STOP_S


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_starts_its_own_services_only(profile: str) -> None:
    assert set(merged(COMPOSE, profile=profile)["services"]) == {"vestibule"} | PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_go_with_tls_for_other_machines(profile: str) -> None:
    both = merged(COMPOSE, COMPOSE_TLS, profile=profile, SERVER_NAME="vestibule.example.com")
    assert set(both["services"]) == {"vestibule"} | PROFILES[profile]


def test_without_a_profile_the_server_waits_for_no_other_service(plain: dict[str, Any]) -> None:
    """podman-compose fails at a dependency whose profile is off, also at one that is not required."""
    assert "depends_on" not in plain["services"]["vestibule"]


def test_the_scanner_is_one_that_the_server_accepts(plain: dict[str, Any]) -> None:
    """A scanner without these settings ends the start with SCANNER_UNSAFE."""
    given = plain["services"]["clamav"]["environment"]
    assert given["CLAMD_CONF_AlertExceedsMax"] == "yes"
    most = int(given["CLAMD_CONF_StreamMaxLength"].removesuffix("M")) * MEBIBYTE
    assert most > Settings().limits.upload_bytes


def test_whole_files_travel_in_a_network_of_two(plain: dict[str, Any]) -> None:
    assert plain["networks"]["scanner"]["internal"] is True
    inside = {name for name, each in plain["services"].items() if "scanner" in each.get("networks", {})}
    assert inside == {"clamav", "vestibule"}
    assert plain["services"]["vestibule"]["environment"]["VESTIBULE_CLAMAV__ADDRESS"] == "clamav:3310"


def test_without_a_file_of_variables_it_starts(plain: dict[str, Any]) -> None:
    assert compose(COMPOSE)["vestibule"]["env_file"] == [{"path": ".env", "required": False}]
    assert plain["services"]["vestibule"]["build"]["dockerfile"] == "deploy/image/Containerfile"


def test_the_server_gets_no_secret_of_another_service(tmp_path: Path) -> None:
    others = [name for name, value in example().items() if value == PLACEHOLDER and not name.startswith("VESTIBULE_")]
    assert {"GRAFANA_PASSWORD", "POSTGRES_PASSWORD"} <= set(others)
    (tmp_path / ".env").write_text("VESTIBULE_LLM_MODEL=ours\n" + "".join(f"{name}=4f0c2a\n" for name in others))
    (tmp_path / "compose.yaml").write_text(COMPOSE.read_text(encoding="utf-8"), encoding="utf-8")
    given = merged(tmp_path / "compose.yaml")["services"]["vestibule"]["environment"]
    assert given["VESTIBULE_LLM_MODEL"] == "ours"
    assert [name for name in others if given[name]] == []


@pytest.mark.parametrize("name", sorted(PROFILES["*"] - {"clamav"}))
def test_a_service_of_a_profile_can_do_no_more_than_it_must(plain: dict[str, Any], name: str) -> None:
    service = plain["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)
    folders = [volume for volume in service["volumes"] if volume["type"] == "bind"]
    assert all(folder["read_only"] for folder in folders), "files of the checkout"
    assert {volume["source"] for volume in service["volumes"] if volume["type"] == "volume"} <= {name}


def test_every_image_has_a_version(plain: dict[str, Any]) -> None:
    images = {name: plain["services"][name]["image"] for name in PROFILES["*"] - {"clamav"}}
    assert images["postgres"] == "docker.io/library/postgres:18"
    assert all(re.search(r":v?[0-9][0-9.]*(-latest)?$", image) for image in images.values())


def test_only_services_of_the_page_publish_a_port_and_only_to_this_machine(plain: dict[str, Any]) -> None:
    published = {
        (name, f"{port['host_ip']}:{port['published']}")
        for name, service in plain["services"].items()
        for port in service.get("ports", [])
    }
    assert published == {
        ("vestibule", "127.0.0.1:50051"),
        ("grafana", "127.0.0.1:3000"),
        ("envoy", "127.0.0.1:8443"),
    }
    page = PAGE.read_text(encoding="utf-8")
    assert [address for _, address in published if f"`{address}`" not in page] == []
    assert [profile for profile in set(PROFILES) - {"none", "*"} if f"| `{profile}` |" not in page] == []


def test_what_is_mounted_exists(plain: dict[str, Any]) -> None:
    sources = [
        Path(volume["source"])
        for service in plain["services"].values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    theirs = DEPLOY / "envoy-tls"
    assert theirs in sources, "the certificate is the operator's"
    assert [source for source in sources if source != theirs and not source.exists()] == []


def test_the_ledger_travels_in_a_network_of_two(plain: dict[str, Any]) -> None:
    assert plain["networks"]["database"]["internal"] is True
    inside = {name for name, each in plain["services"].items() if "database" in each.get("networks", {})}
    assert inside == {"postgres", "vestibule"}
    assert set(plain["services"]["postgres"]["networks"]) == {"database"}


def test_prometheus_is_in_the_network_of_the_server_where_the_metrics_are(plain: dict[str, Any]) -> None:
    assert plain["services"]["prometheus"]["network_mode"] == "service:vestibule"
    assert plain["services"]["prometheus"]["depends_on"]["vestibule"]["condition"] == "service_healthy"
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        target for job in config["scrape_configs"] for part in job["static_configs"] for target in part["targets"]
    }
    assert {target.partition(":")[0] for target in targets} == {"127.0.0.1"}


def test_grafana_finds_the_dashboards_and_the_source_that_they_name(plain: dict[str, Any]) -> None:
    mounts = {volume["target"]: Path(volume["source"]) for volume in plain["services"]["grafana"]["volumes"]}
    provisioning = mounts["/etc/grafana/provisioning"]
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://vestibule:9090", "that of Prometheus, in the network of the server"
    assert source["isDefault"] is True
    [provider] = yaml.safe_load((provisioning / "dashboards" / "vestibule.yaml").read_text())["providers"]
    dashboards = sorted(mounts[provider["options"]["path"]].rglob("*.json"))
    assert [each.name for each in dashboards] == ["vestibule-models.json", "vestibule-server.json"]
    for dashboard in dashboards:
        variable, *_ = json.loads(dashboard.read_text(encoding="utf-8"))["templating"]["list"]
        assert (variable["name"], variable["type"]) == ("datasource", "datasource")
        assert variable["query"] == source["type"]


def test_envoy_does_not_start_without_the_folder_of_its_certificate(plain: dict[str, Any]) -> None:
    mounts = {volume["target"]: volume for volume in plain["services"]["envoy"]["volumes"]}
    shown = (DEPLOY / "envoy" / "certificate.yaml").read_text(encoding="utf-8")
    assert "watched_directory: { path: /etc/envoy/tls }" in shown
    assert not mounts["/etc/envoy/tls"].get("bind", {}).get("create_host_path")


def test_docker_compose_takes_the_example_as_it_comes(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(COMPOSE.read_text(encoding="utf-8"), encoding="utf-8")
    command = [tool("docker-compose"), "-f", str(tmp_path / "compose.yaml"), "config", "--services"]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["vestibule"])
