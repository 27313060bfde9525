"""The compose files: docker-compose accepts them, and a stranger who starts them is safe."""

from __future__ import annotations

from typing import Any

import pytest

from server.setting_groups import MEBIBYTE
from server.settings import Settings
from tests.unit.deploy.files import COMPOSE, COMPOSE_TLS, LONGEST_STOP_S, compose, merged, seconds, variables


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


def test_the_scanner_starts_with_its_profile_only() -> None:
    assert set(merged(COMPOSE, profile="none")["services"]) == {"vestibule"}
    assert set(merged(COMPOSE, profile="clamav")["services"]) == {"vestibule", "clamav"}


def test_the_scanner_is_one_that_the_server_accepts(plain: dict[str, Any]) -> None:
    """A scanner without these settings ends the start with SCANNER_UNSAFE."""
    given = plain["services"]["clamav"]["environment"]
    assert given["CLAMD_CONF_AlertExceedsMax"] == "yes"
    most = int(given["CLAMD_CONF_StreamMaxLength"].removesuffix("M")) * MEBIBYTE
    assert most > Settings().limits.upload_bytes


def test_whole_files_travel_in_a_network_of_two(plain: dict[str, Any]) -> None:
    assert plain["networks"]["scanner"]["internal"] is True
    inside = {name for name, each in plain["services"].items() if "scanner" in each["networks"]}
    assert inside == {"clamav", "vestibule"}
    assert plain["services"]["vestibule"]["environment"]["VESTIBULE_CLAMAV__ADDRESS"] == "clamav:3310"


def test_without_a_file_of_variables_it_starts(plain: dict[str, Any]) -> None:
    assert compose(COMPOSE)["vestibule"]["env_file"] == [{"path": ".env", "required": False}]
    assert plain["services"]["vestibule"]["build"]["dockerfile"] == "deploy/image/Containerfile"
