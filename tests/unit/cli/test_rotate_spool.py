"""``vestibule keys rotate-spool``, against a real port with the real service, and against the files."""

from __future__ import annotations

import asyncio
import errno
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import admin_pb2_grpc

from server.access.audit import AuditTrail
from server.cli.main import cli
from server.cli.rotate_spool import Progress, until_still
from server.ledger.types import utc_now
from server.records.vocabulary import VocabularySealer
from server.services.admin import AdminService
from server.uploads.key_rotation import SpoolKeyRotation
from server.uploads.keys import load_or_create_spool_keys
from server.uploads.spool import Spool
from tests.unit.ledger.migrated import open_ledger


class Home:
    """The folders of a server whose spool has two files."""

    def __init__(self, folder: Path) -> None:
        self.data, self.state = folder / "data", folder / "state"
        open_ledger(self.data / "ledger.duckdb").close()
        self.names = [str(uuid4()), str(uuid4())]
        for name in self.names:
            self.spool().put(name, [name.encode()])
        self.before = self.keys()
        self.files = ("--data-dir", str(self.data), "--state-dir", str(self.state))

    def spool(self, setting: str = "") -> Spool:
        return Spool(self.state / "spool", load_or_create_spool_keys(setting, self.state / "spool.key"))

    def damage(self, name: str) -> None:
        """Cut off the end of a file."""
        file = self.state / "spool" / name
        file.write_bytes(file.read_bytes()[:-1])

    def keys(self) -> list[bytes]:
        return (self.state / "spool.key").read_bytes().splitlines()

    def check(self) -> None:
        """Everything can be read, with a new key alone."""
        spool = self.spool()
        assert [spool.read(name) for name in self.names] == [name.encode() for name in self.names]
        [key] = self.keys()
        assert key not in self.before

    @contextmanager
    def serving(self, setting: str = "") -> Iterator[str]:
        """The address of a port with the admin service, in a thread of its own, because the commands block."""
        ready, ended, found = Event(), asyncio.Event(), list[Any]()

        async def serve() -> None:
            nothing: Any = None
            ledger = open_ledger(self.data / "ledger.duckdb")
            spool = self.spool(setting)
            trail = AuditTrail(bytes(32), bytes(32), utc_now)
            rotation = SpoolKeyRotation(spool, ledger, VocabularySealer(spool.keys), trail, asyncio.Lock())
            service = AdminService(
                nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, rotation, nothing, nothing
            )
            server = grpc.aio.server()
            admin_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            found.extend((asyncio.get_running_loop(), f"127.0.0.1:{port}"))
            ready.set()
            await ended.wait()
            await server.stop(0)
            ledger.close()

        thread = Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        assert ready.wait(60)
        yield found[1]
        found[0].call_soon_threadsafe(ended.set)
        thread.join(60)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    return Home(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def test_the_key_of_a_running_server_is_changed(home: Home) -> None:
    with home.serving() as address:
        done = run("keys", "rotate-spool", "--json", "--address", address)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["done"], report["remaining"], report["finished"]) == (2, 0, True)
    assert report["key_id"] == home.spool().keys.current_id
    home.check()


def test_the_key_of_a_stopped_server_is_changed_and_the_audit_stays_whole(home: Home) -> None:
    done = run("keys", "rotate-spool", *home.files)
    assert done.exit_code == 0, done.output
    key_id = home.spool().keys.current_id
    assert done.stdout.splitlines() == [
        f"The key of the spool is {key_id}. Encrypted anew: 2.",
        "Nothing needs an earlier key.",
    ]
    home.check()
    verified = run("audit", "verify", *home.files)
    assert (verified.exit_code, verified.stdout.splitlines()[-1].split()) == (0, ["intact", "yes"])
    listed = json.loads(run("audit", "list", "--json", "--action", "spool_key_rotated", *home.files).stdout)
    assert [row["object_id"] for row in listed] == [key_id]


def test_a_file_that_cannot_be_encrypted_is_told_and_ends_the_command(home: Home) -> None:
    (home.state / "spool" / home.names[0]).write_bytes(b"no file of the spool")
    home.damage(home.names[1])
    done = run("keys", "rotate-spool", *home.files)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1:] == [
        "Files that still need an earlier key: 1.",
        "  Damaged, so that they cannot be encrypted anew: 1.",
        "It is kept for them. A running server goes on by itself, and deletes it when nothing needs it.",
    ]
    assert len(home.keys()) == 2


def test_a_file_that_the_disk_refuses_is_told_by_name_and_is_a_failure(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, real = home.names[0], Path.open

    def refuse(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *given, **named)

    monkeypatch.setattr(Path, "open", refuse)
    done = run("keys", "rotate-spool", *home.files)
    with home.serving() as address:
        called = run("keys", "rotate-spool", "--address", address)
    assert (done.exit_code, called.exit_code) == (1, 1)
    assert (
        done.stdout.splitlines()[1:]
        == called.stdout.splitlines()[1:]
        == [
            "Files that still need an earlier key: 1.",
            "  Refused by the disk; the log names them (spool_file_refused): 1.",
            "It is kept for them. A running server goes on by itself, and deletes it when nothing needs it.",
        ]
    )
    assert "Encrypted anew: 1." in done.stdout
    assert "Encrypted anew: 0." in called.stdout
    assert '"code": "EIO"' in done.stderr
    assert f'"file": "{bad}"' in done.stderr
    monkeypatch.undo()
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(home.state))
    assert run("keys", "rotate-spool", *home.files).exit_code == 0
    home.check()


def test_the_earlier_key_of_a_setting_must_stay_until_nothing_needs_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = b64encode(bytes(32)).decode(), home.before[0].decode()
    monkeypatch.setenv("VESTIBULE_SPOOL_KEY", f"{new},{old}")
    home.damage(home.names[0])
    told = run("keys", "rotate-spool", *home.files)
    assert told.exit_code == 1
    assert told.stdout.splitlines()[1:] == [
        "Files that still need an earlier key: 1.",
        "  Damaged, so that they cannot be encrypted anew: 1.",
        "Run this command again before you take the earlier key out of VESTIBULE_SPOOL_KEY.",
    ]
    with home.serving(f"{new},{old}") as address:
        called = run("keys", "rotate-spool", "--address", address)
        assert (called.exit_code, called.stdout) == (1, told.stdout.replace("anew: 1", "anew: 0", 1))
        (home.state / "spool" / home.names[0]).unlink()
        finished = run("keys", "rotate-spool", "--address", address)
    assert finished.exit_code == 0, finished.output
    assert finished.stdout.splitlines()[1:] == ["Nothing needs an earlier key."]


def test_a_key_that_a_setting_gives_is_not_changed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_SPOOL_KEY", home.before[0].decode())
    done = run("keys", "rotate-spool", *home.files)
    assert done.exit_code == 1
    assert "SPOOL_KEY_GIVEN" in done.stderr
    assert "VESTIBULE_SPOOL_KEY" in done.stderr
    assert home.keys() == home.before


def test_the_command_goes_on_until_nothing_more_can_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    answers = iter(
        [
            Progress("a", 3, remaining=2, more=True),
            Progress("a", 0, remaining=2, more=True),
            Progress("a", 1, remaining=1, in_use=1),
        ]
    )

    def step(key_id: str) -> Progress:
        asked.append(key_id)
        return next(answers)

    assert until_still(step) == Progress("a", 4, remaining=1, in_use=1)
    assert asked == ["", "a", "a"]
    assert capsys.readouterr().err.splitlines() == ["3 encrypted anew, 2 files left."] * 2
