"""The units of systemd name what there is, and give the server the time and the calls that it needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from server.cli.main import cli
from server.runtime.descriptors import OWN_DESCRIPTORS
from server.settings import Settings, unknown_variables
from tests.source_tree import ROOT
from tests.unit.deploy.files import LONGEST_STOP_S

UNITS = ROOT / "deploy" / "systemd"
FOLDERS = {
    "vestibule": {"VESTIBULE_DATA_DIR", "VESTIBULE_STATE_DIR", "VESTIBULE_CACHE_DIR"},
    "vestibule-mirror": {"VESTIBULE_DATA_DIR", "VESTIBULE_STATE_DIR"},
}
"""What each unit sets: the folders that it makes. All else is in the file of the operator."""
ANALYZE = shutil.which("systemd-analyze")


def unit_file(unit: str) -> Path:
    return UNITS / f"{unit}.service"


def section(unit: str, name: str = "Service") -> dict[str, list[str]]:
    """The values of a section by name; a name may come several times."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in unit_file(unit).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif "=" in line and not line.startswith("#") and current == name:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


SERVICE = section("vestibule")
each_unit = pytest.mark.parametrize("unit", FOLDERS)


def test_every_unit_is_tested() -> None:
    assert {path.stem for path in UNITS.iterdir()} == set(FOLDERS)


@each_unit
def test_it_starts_a_command_that_exists_with_options_that_exist(unit: str) -> None:
    program, name, *arguments = section(unit)["ExecStart"][0].split()
    assert Path(program).name == "vestibule"
    command = cli.commands[name]
    with command.make_context(name, arguments) as context:  # refuses an option, or a value, that is not known
        assert isinstance(context, click.Context)
    with pytest.raises(click.UsageError):
        command.make_context(name, [*arguments, "--no-such-option"])


@each_unit
def test_the_variables_that_it_sets_are_settings(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in section(unit)["Environment"]:
        name, _, value = each.partition("=")
        monkeypatch.setenv(name, value)
    assert unknown_variables() == {}
    assert {each.partition("=")[0] for each in section(unit)["Environment"]} == FOLDERS[unit]


def test_systemd_waits_longer_for_the_end_than_the_server_itself_does() -> None:
    assert int(SERVICE["TimeoutStopSec"][0]) > LONGEST_STOP_S


def test_the_server_alone_is_told_to_end_because_it_ends_ray_in_order() -> None:
    assert SERVICE["KillMode"] == ["mixed"]
    assert "KillSignal" not in SERVICE, "SIGTERM is the default, and what the server waits for"


@each_unit
def test_a_usage_error_is_not_tried_again(unit: str) -> None:
    assert section(unit)["Restart"] == ["on-failure"]
    assert section(unit)["RestartPreventExitStatus"] == [str(click.UsageError.exit_code)]


def test_every_connection_gets_its_descriptor() -> None:
    assert int(SERVICE["LimitNOFILE"][0]) >= Settings.model_fields["limits"].default.connections + OWN_DESCRIPTORS


def test_the_decoders_may_make_their_namespaces_and_filters() -> None:
    assert SERVICE["RestrictNamespaces"] == ["user net ipc"], "as server/sandbox/confine.py asks for"
    allowed = SERVICE["SystemCallFilter"][0].split()
    assert {"chroot", "@sandbox"} <= set(allowed)


@pytest.mark.skipif(ANALYZE is None, reason="this system has no systemd")
@each_unit
def test_systemd_takes_it(unit: str, tmp_path: Path) -> None:
    assert ANALYZE is not None
    text = unit_file(unit).read_text(encoding="utf-8")
    copy = tmp_path / unit_file(unit).name
    copy.write_text(text.replace(section(unit)["ExecStart"][0].split()[0], "/bin/true"), encoding="utf-8")
    assert verified(copy) == (0, "")
    copy.write_text(f"{copy.read_text(encoding='utf-8')}\nNoSuchOption=1\n", encoding="utf-8")
    assert "NoSuchOption" in verified(copy)[1]


def verified(unit: Path) -> tuple[int, str]:
    """The exit code of systemd's own check, and what it says about the unit."""
    assert ANALYZE is not None
    run = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False)
    return run.returncode, "\n".join(line for line in run.stderr.splitlines() if unit.name in line)
