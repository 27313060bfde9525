"""The scripts with which services of the compose file start, on their own files, and how they refuse to start."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from server.setting_groups.fields import PLACEHOLDER
from server.settings import Settings
from tests.postgres_server import ADMIN_DATABASE, postgres_server, programs, skip_without_postgres
from tests.unit.deploy.files import COMPOSE, DEPLOY, EXAMPLE, example, merged

CREATE = DEPLOY / "postgres" / "create.sh"
REFUSING = {
    "postgres": "POSTGRES_PASSWORD",
    "prometheus": "VESTIBULE_METRICS_TOKEN",
    "grafana": "GRAFANA_PASSWORD",
}
"""Services that need a secret, with its variable in .env."""


def test_the_role_of_the_server_is_no_superuser_and_the_superuser_has_no_password() -> None:
    skip_without_postgres()
    with postgres_server() as server:
        url, password = server.format(ADMIN_DATABASE), "o'dd \"pass"
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'first'")
            place = {"PGHOST": str(conninfo_to_dict(url)["host"]), "PGDATABASE": ADMIN_DATABASE}
            environment = {"PATH": f"{programs()}:{os.environ['PATH']}", "POSTGRES_PASSWORD": password, **place}
            subprocess.run(["sh", CREATE], env=environment, check=True, capture_output=True)
            found = admin.execute("SELECT rolname::VARCHAR, rolsuper, rolpassword IS NULL FROM pg_authid").fetchall()
            assert {("postgres", True, True), ("vestibule", False, False)} <= set(found)
            owner = "SELECT pg_get_userbyid(datdba)::VARCHAR FROM pg_database WHERE datname = 'vestibule'"
            assert admin.execute(owner).fetchone() == ("vestibule",)


def test_the_url_of_the_example_is_that_of_the_service(tmp_path: Path) -> None:
    """docker-compose puts the password of .env into the URL that the comment there shows."""
    [line] = re.findall(r"^# +(VESTIBULE_LEDGER__URL=.+)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    password = "4f0c2a"
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD={password}\n{line}\n", encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(COMPOSE.read_text(encoding="utf-8"), encoding="utf-8")
    services = merged(tmp_path / "compose.yaml")["services"]
    given = services["postgres"]["environment"]
    assert given["POSTGRES_PASSWORD"] == password
    created = CREATE.read_text(encoding="utf-8")
    [user] = re.findall(r"CREATE ROLE (\w+) LOGIN", created)
    [(database, owner)] = re.findall(r"CREATE DATABASE (\w+) OWNER (\w+)", created)
    assert owner == user
    url = services["vestibule"]["environment"]["VESTIBULE_LEDGER__URL"]
    assert url == f"postgresql://{user}:{password}@postgres/{database}"
    assert Settings(ledger={"url": url}).ledger.database == url


def started(tmp_path: Path, name: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the script with which a service starts, on its own files, with a folder instead of /tmp. The program of the
    image is replaced by one that prints its arguments.
    """
    service = merged(COMPOSE, **given)["services"][name]
    shell, *options = service["entrypoint"]
    script = service["command"][0].replace("$$", "$").replace("/tmp/", f"{tmp_path}/").replace("/run.sh", "run.sh")
    for volume in service["volumes"]:
        if volume["type"] == "bind":
            script = script.replace(volume["target"], volume["source"])
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("docker-entrypoint.sh", "prometheus", "run.sh", "envoy"):
        (programs / program).write_text('#!/bin/sh\necho "started $*"\n', encoding="utf-8")
        (programs / program).chmod(0o755)
    environment = {**service["environment"], "PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run([shell, *options, script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", REFUSING)
def test_a_service_refuses_the_placeholder_and_no_secret_at_all(tmp_path: Path, name: str) -> None:
    assert example()[REFUSING[name]] == PLACEHOLDER
    for number, given in enumerate([{}, {REFUSING[name]: PLACEHOLDER}]):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = started(folder, name, **given)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"Set {REFUSING[name]} in .env.\n"


@pytest.mark.parametrize("name", REFUSING)
def test_a_service_starts_with_a_secret(tmp_path: Path, name: str) -> None:
    done = started(tmp_path, name, **{REFUSING[name]: "4f0c2a"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("started")


def test_prometheus_has_its_files_and_the_token_beside_them(tmp_path: Path) -> None:
    done = started(tmp_path, "prometheus", VESTIBULE_METRICS_TOKEN="4f0c 2a%s")
    assert f"--config.file={tmp_path}/prometheus.yml" in done.stdout
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(tmp_path / name).is_file() for name in config["rule_files"]] == [True]
    token = tmp_path / config["scrape_configs"][0]["authorization"]["credentials_file"]
    assert token.read_text(encoding="utf-8") == "4f0c 2a%s"
    assert token.stat().st_mode & 0o777 == 0o600


def test_envoy_calls_the_server_and_takes_calls_of_the_page_that_is_set(tmp_path: Path) -> None:
    port = merged(COMPOSE)["services"]["vestibule"]["environment"]["VESTIBULE_ADDRESS"].rpartition(":")[2]
    done = started(tmp_path, "envoy", ENVOY_ORIGIN="https://pages.example.com:8443")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"--config-path {tmp_path}/envoy.yaml" in done.stdout
    text = (tmp_path / "envoy.yaml").read_text(encoding="utf-8")
    [cluster] = yaml.safe_load(text)["static_resources"]["clusters"]
    [server] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert server["endpoint"]["address"]["socket_address"] == {"address": "vestibule", "port_value": int(port)}
    assert "exact: https://pages.example.com:8443 " in text
    assert "app.example.com" not in text
