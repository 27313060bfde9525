"""A Ray cluster whose workers outlive the servers of tests. So not every test starts Ray and loads the models."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from models.private_files import make_private_folder, read_or_create
from models.redaction.streaming.sealed_state import KEY_BYTES
from server.cli.demo.processes import Child
from server.runtime.installation import ID_FILE
from tests.ray_nodes import RayNode


class SharedRay:
    """The cluster, and what its servers have in common.

    A server that joins a cluster uses the workers that a killed server of its installation left, if they are built from
    the same settings. Those name the file of the workers' key. So the servers have one installation id, and one path to
    their state folders: a link to the folder of the one that runs. One runs at a time, and is killed at its end.

    Attributes:
        user: The last server that was started.
    """

    def __init__(self) -> None:
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._head = RayNode(environment=self.environment)
        self._folder = Path(tempfile.mkdtemp(prefix="vst-shared-"))
        self._state = self._folder / "state"
        self._installation = secrets.token_hex(6)
        self._key = secrets.token_bytes(KEY_BYTES)
        self.user: Child | None = None

    def start(self) -> None:
        """Start it; returns when it can be joined."""
        self._head.start()
        self._head.wait()

    def close(self) -> None:
        """End it with its workers."""
        try:
            self._head.remove()
        finally:
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
        assert self.user is None or not self.user.alive, "one server at a time"
        make_private_folder(folder / "workers")
        read_or_create(folder / ID_FILE, f"{self._installation}\n".encode("ascii"))
        read_or_create(folder / "workers" / "carry.key", self._key)  # the workers have it already
        self._state.unlink(missing_ok=True)
        self._state.symlink_to(folder)
        return self._state
