"""`vestibule keys dev-certificate`: what it prints can be used as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from click.testing import CliRunner, Result

from server.cli.config import load_settings, nest
from server.cli.main import cli
from server.preflight import check_settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keys", "dev-certificate", *arguments])


def test_the_line_for_the_server_can_be_run(tmp_path: Path) -> None:
    state = tmp_path / "my state"
    result = run("--state-dir", str(state), "--host", "192.0.2.7", "--host", "laptop.local")
    assert result.exit_code == 0, result.stderr
    [line] = [line.strip() for line in result.stdout.splitlines() if "vestibule serve" in line]
    program, command, *options = shlex.split(line)
    assert (program, command) == ("vestibule", "serve")
    given = dict(zip(options[:4:2], options[1:4:2], strict=True))
    assert given == {"--address": "0.0.0.0:50051", "--state-dir": str(state)}
    assert options[4::2] == ["--set", "--set"]
    folders = {"state_dir": given["--state-dir"], "data_dir": str(tmp_path / "data")}
    settings = load_settings({"address": given["--address"], **folders, **nest(tuple(options[5::2]))})
    check_settings(settings)
    assert settings.tls.enabled
    assert "vestibule status --address 192.0.2.7:50051 --tls-ca ca.pem" in result.stdout
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
