"""The configuration of Envoy: it is valid, and exposes what apps and reviewers need and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from server.access.caller import Scope
from server.access.scopes import SCOPES
from tests.certificates import issue
from tests.envoy_proxy import FILES, needs_envoy, show_certificate, validated, write_files

PAGE = FILES.parents[1] / "docs" / "operating" / "envoy.md"


def service_of(method: str) -> str:
    """The name of its service."""
    return method.partition("/")[0]


NEEDED = {service_of(method) for method, scopes in SCOPES.items() if scopes & {Scope.APP, Scope.REVIEWER}} - {
    "vestibule.v1.SealedValueService"
}
"""Services with a method for apps or reviewers. Sealed values are for another system."""


def manager() -> dict[str, Any]:
    """The connection manager of the shipped file."""
    config = yaml.safe_load((FILES / "envoy.yaml").read_text(encoding="utf-8"))
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    return dict(chain["filters"][0]["typed_config"])


def routes() -> list[dict[str, Any]]:
    """Its routes."""
    return list(manager()["route_config"]["virtual_hosts"][0]["routes"])


def exposed(method: str) -> bool:
    """Whether the only route to the server takes a path."""
    (route,) = [route for route in routes() if "route" in route]
    return re.fullmatch(route["match"]["safe_regex"]["regex"], f"/{method}") is not None


@needs_envoy
def test_envoy_accepts_the_files(tmp_path: Path) -> None:
    show_certificate(tmp_path, issue("envoy", issue("CA")))
    done = validated(write_files(tmp_path, {}))
    assert done.returncode == 0, done.stderr


@needs_envoy
def test_envoy_refuses_a_file_with_a_mistake(tmp_path: Path) -> None:
    show_certificate(tmp_path, issue("envoy", issue("CA")))
    done = validated(write_files(tmp_path, {"codec_type: AUTO": "codec_tipe: AUTO"}))
    assert done.returncode != 0
    assert "codec_tipe" in done.stderr


@pytest.mark.parametrize("method", SCOPES)
def test_a_service_is_exposed_if_apps_or_reviewers_need_it(method: str) -> None:
    assert exposed(method) == (service_of(method) in NEEDED)


@pytest.mark.parametrize(
    "method",
    [
        f"{reflection.SERVICE_NAME}/ServerReflectionInfo",
        f"{health.SERVICE_NAME}/Check",
        "vestibule.v1.AdminService/GetStatus",
        "vestibule.v1.AccessService/CreateApiKey",
        "vestibule.v1.SealedValueService/ReleaseSealedValues",
        "vestibule.v1.SessionService/GetSession/x",
        "vestibule.v1.SessionService/",
        "x/vestibule.v1.SessionService/GetSession",
    ],
)
def test_nothing_else_is_exposed(method: str) -> None:
    assert not exposed(method)


def test_origins_are_exact() -> None:
    policy = manager()["route_config"]["virtual_hosts"][0]["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert {kind for origin in policy["allow_origin_string_match"] for kind in origin} == {"exact"}


def test_filters_come_in_the_order_in_which_each_can_work() -> None:
    names = [one["name"].removeprefix("envoy.filters.http.") for one in manager()["http_filters"]]
    assert names == ["health_check", "cors", "connect_grpc_bridge", "grpc_web", "local_ratelimit", "router"]


def test_nothing_is_sent_twice_and_envoy_has_no_port_of_its_own() -> None:
    text = (FILES / "envoy.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert "admin" not in config
    assert "retry_policy" not in text
    assert len(config["static_resources"]["listeners"]) == 1


def test_the_log_has_no_query_and_nothing_that_a_client_says() -> None:
    (log,) = manager()["access_log"]
    values = set(log["typed_config"]["log_format"]["json_format"].values())
    assert not [value for value in values if "%REQ" in value or "REMOTE" in value]
    assert [value for value in values if "PATH" in value] == ["%PATH(NQ:PATH):100%"]


def test_the_page_names_every_line_that_an_operator_changes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = [line for file in FILES.iterdir() for line in file.read_text(encoding="utf-8").splitlines()]
    marked = [line.partition(" # CHANGE")[0].strip() for line in lines if line.endswith("# CHANGE")]
    assert len(marked) == 6
    assert [line for line in marked if line.lstrip("- ") not in page] == []
