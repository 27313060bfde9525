"""A Ray cluster whose workers outlive the servers of tests. So not every test starts Ray and loads the models."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Final

from models.private_files import make_private_folder
from server.runtime.installation import ID_FILE
from tests.eventually import eventually
from tests.ray_nodes import RayNode

STARTS_S: Final = 120.0


class SharedRay:
    """The cluster, and what its servers have in common.

    A server that joins a cluster uses the workers that a killed server of its installation left, if they are built from
    the same settings. Those name the file of the workers' key. So the servers have one installation id, and one path to
    their state folders: a link to the folder of the one that runs. One runs at a time, and is killed at its end.
    """

    def __init__(self) -> None:
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._head = RayNode(environment=self.environment)
        self._folder = Path(tempfile.mkdtemp(prefix="vst-shared-"))
        self._state = self._folder / "state"
        self._installation = secrets.token_hex(6)

    def start(self) -> None:
        """Start it; returns when it can be joined."""
        self._head.start()
        asyncio.run(eventually(lambda: self._head.is_up, STARTS_S))

    def close(self) -> None:
        """End it with its workers."""
        self._head.remove()
        shutil.rmtree(self._folder)

    @property
    def assignment(self) -> str:
        """The setting of a server that joins it."""
        return f"ray.address={self._head.address}"

    def state_dir(self, folder: Path) -> Path:
        """The path under which the next server gets its state folder.

        Args:
            folder: Where it really is.
        """
        make_private_folder(folder)
        if not (folder / ID_FILE).exists():
            (folder / ID_FILE).write_text(f"{self._installation}\n", encoding="ascii")
            (folder / ID_FILE).chmod(0o600)
        self._state.unlink(missing_ok=True)
        self._state.symlink_to(folder)
        return self._state
