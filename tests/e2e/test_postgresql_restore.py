"""A server whose ledger is in PostgreSQL is backed up while it works, and restored into another PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from vestibule.v1 import media_pb2, recommendation_pb2, session_pb2

from server.access.audit_head import HEAD_FILE
from server.cli.channel import open_aio_channel
from server.cli.demo.processes import free_ports
from server.cli.demo.proof import files_below
from server.ledger.columns import CHANGED_IN
from tests.e2e.failed_jobs import page_of
from tests.e2e.harness import App, reason, refusal, start_server, stop_server
from tests.e2e.planted_values import people
from tests.e2e.shared_ray import SharedRay
from tests.e2e.test_postgresql import Database, reports, visit
from tests.postgres_server import PostgresServer, postgres_process, skip_without_postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGES = 2
"""Pages of print, which take the Vision worker some seconds each, so that jobs wait in the backup."""
PATIENCE_S = 180.0
TRANSACTIONS = """DO $$ BEGIN
    FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
END $$"""
"""The numbers of this server's transactions are higher afterwards than those of a new one."""


@pytest.fixture
def postgres() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Two that know nothing of each other."""
    skip_without_postgres()
    with postgres_process() as first, postgres_process() as second:
        yield first, second


class Backup:
    """A dump, and a copy of the folders of a server that works meanwhile.

    Args:
        folder: For the copy.
        dump: The file of the dump.
    """

    def __init__(self, folder: Path, dump: Path) -> None:
        self._folder, self._dump = folder, dump

    def make(self, home: Path, postgres: PostgresServer) -> None:
        """In the order of docs/operating/postgresql.md: copy, dump, and copy what has come meanwhile.

        Python copies the folders in place of rsync.
        """
        self._copy(home)
        postgres.run("pg_dump", "--format=custom", f"--file={self._dump}", f"--dbname={postgres.url.format('ledger')}")
        self._copy(home, leave=HEAD_FILE)

    def restore(self, home: Path, postgres: PostgresServer) -> None:
        """Into an empty database and new folders, which their owner alone can enter."""
        database = f"--dbname={postgres.url.format('ledger')}"
        postgres.run("pg_restore", "--no-owner", "--exit-on-error", database, str(self._dump))
        for folder, into in (("data/pictures", home / "data"), ("state", home)):
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copytree(self._folder / folder, into / Path(folder).name)

    def _copy(self, home: Path, leave: str = "") -> None:
        for file in files_below([home / "data" / "pictures", home / "state"]):
            if file.name != leave:
                into = self._folder / file.relative_to(home)
                into.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # a job is done, and its media deleted
                    shutil.copy2(file, into)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the folders of a server that does not run."""
    folders = {"VESTIBULE_DATA_DIR": str(home / "data"), "VESTIBULE_STATE_DIR": str(home / "state")}
    whole = [sys.executable, "-m", "server.cli", *arguments]
    return subprocess.run(
        whole, env={**os.environ, **folders}, check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )


async def finished(app: App, uploads: list[str]) -> None:
    """Wait until these uploads are done."""
    async with asyncio.timeout(PATIENCE_S):
        for upload_id in uploads:
            assert (await app.finished(upload_id)).state == media_pb2.UPLOAD_STATE_DONE


async def test_a_server_goes_on_from_a_dump_and_a_copy_of_its_folders(
    home: Path, postgres: tuple[PostgresServer, PostgresServer], shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = postgres
    database = Database(first.url)
    database.administer(TRANSACTIONS)
    backup = Backup(home / "backup", second.folder / "ledger.dump")
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", database.url)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")  # nobody listens there
    server = await asyncio.to_thread(start_server, home / "one", ray=shared_ray)
    try:
        credential = server.operator_key
        async with open_aio_channel(server.address, credential=credential) as channel:
            app = App(channel)
            session_id = await visit(app)
            [[read]] = database.rows("SELECT id FROM uploads")
            picture = await app.picture(read)
            pages = [page_of(people(5, seed)) for seed in range(PAGES)]
            other = await app.open_session()
            sent = [await app.upload(other, page, media_pb2.MEDIA_KIND_UNSPECIFIED, "image/png") for page in pages]
            uploads = [upload.id for upload in sent]
            await asyncio.to_thread(backup.make, home / "one", first)
            await finished(app, uploads)  # the media that the backup has are deleted
            lost = await app.open_session()
    finally:
        stop_server(server)
    first.kill()
    shutil.rmtree(home / "one")

    restored = Database(second.url)
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", restored.url)
    await asyncio.to_thread(backup.restore, home / "two", second)
    waiting = "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING') AND kind = 'read_picture'"
    assert restored.rows(waiting) != [(0,)], "otherwise this test proves less than it says"
    for whole in (("ledger", "check"), ("audit", "verify")):
        checked = await asyncio.to_thread(run, home / "two", *whole)
        assert checked.returncode == 0, checked.stdout + checked.stderr

    server = await asyncio.to_thread(start_server, home / "two", ray=shared_ray)
    try:
        async with open_aio_channel(server.address, credential=credential) as channel:
            app = App(channel)
            later = f"SELECT 1 FROM turns WHERE {CHANGED_IN} >= pg_snapshot_xmax(pg_current_snapshot())"
            assert restored.rows(later) == [], "mirrors would read these rows in every round"
            await reports(app, 1)
            [[record]] = restored.rows(f"SELECT id FROM recommendations WHERE session_id = '{session_id}'")
            asked = recommendation_pb2.GetRecommendationRequest(recommendation_id=record)
            approved = (await app.recommendations.GetRecommendation(asked)).recommendation
            assert approved.state == recommendation_pb2.RECOMMENDATION_STATE_APPROVED
            assert await app.picture(read) == picture
            await finished(app, uploads)
            await visit(app)
            await reports(app, 2)
            gone = await refusal(app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=lost)))
            assert reason(gone) == "SESSION_NOT_FOUND"
        verified = await asyncio.to_thread(run, home / "two", "audit", "verify", "--address", server.address)
        assert verified.returncode == 0, verified.stdout
    finally:
        stop_server(server)
