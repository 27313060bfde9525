"""`vestibule keys dev-certificate`: what it prints can be used as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from click.testing import CliRunner, Result

from server.cli.config import load_settings
from server.cli.main import cli
from server.preflight import check_settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keys", "dev-certificate", *arguments])


def test_the_server_starts_with_the_lines_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "my state"
    result = run("--state-dir", str(state), "--host", "192.0.2.7", "--host", "laptop.local")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    [export] = [line for line in lines if line.startswith("export ")]
    assert lines[lines.index(export) + 1] == "vestibule serve"
    for variable in shlex.split(export)[1:]:
        monkeypatch.setenv(*variable.split("=", 1))
    settings = load_settings({"data_dir": tmp_path / "data"})
    assert (settings.address, settings.state_dir) == ("0.0.0.0:50051", state)
    check_settings(settings)
    assert settings.tls.enabled
    assert "VESTIBULE_API_KEY=vst_... vestibule talk visit.webm --address 192.0.2.7:50051 --tls-ca ca.pem" in lines
    assert len(re.findall(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", result.stdout)) == 2


def test_the_code_holds_the_address_and_the_fingerprint(tmp_path: Path) -> None:
    result = run("--state-dir", str(tmp_path), "--host", "2001:db8::7", "--qr")
    lines = [line for line in result.stdout.splitlines() if line and not line.strip(" ▄▀█")]
    rows = [[symbol in drawn for symbol in line] for line in lines for drawn in ("▀█", "▄█")]
    picture = np.kron(np.array(rows, dtype=np.uint8) * 255, np.ones((4, 4), dtype=np.uint8))
    [code] = zxingcpp.read_barcodes(picture)
    shown = re.findall(r"its SHA-256 +([0-9A-F:]+)", result.stdout)[1].replace(":", "").lower()
    assert code.text == f"vestibule://[2001:db8::7]:50051?certificate-sha256={shown}"


def test_without_a_host_the_addresses_of_this_machine_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.tls.development.addresses_of_this_machine", lambda: ["192.0.2.9", "desk.local"])
    assert "192.0.2.9, desk.local, localhost, 127.0.0.1, ::1" in run("--state-dir", str(tmp_path)).stdout


@pytest.mark.parametrize("days", ["0", "825", "x"])
def test_days_are_bounded(days: str, tmp_path: Path) -> None:
    assert run("--state-dir", str(tmp_path), "--days", days).exit_code == 2
    assert list(tmp_path.iterdir()) == []
