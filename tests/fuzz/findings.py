"""What counts as a finding, and where it is saved."""

from __future__ import annotations

import hashlib
import json
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SEEDS: Final = Path(__file__).parent / "seeds"
LONGEST_S: Final = 5.0
LEAK: Final = re.compile(
    r"Traceback|\bFile \"|\.py\b|site-packages|/(?:home|root|usr|tmp|var|work|opt)/|<class '|object at 0x"
)
"""A path, a trace, or the text of an object, as no answer and no log line may show it."""
MOST_GROWTH_BYTES: Final = 300 * 1024 * 1024


@dataclass
class Finding(Exception):
    """A try that went wrong.

    Attributes:
        target: Name of the target.
        number: Number of the try.
        what: What went wrong, in one line.
        data: What was sent, as far as it is one piece.
    """

    target: str
    number: int
    what: str
    data: bytes = b""

    def save(self, folder: Path = SEEDS) -> Path:
        """Write it, named by its content; returns the file."""
        folder.mkdir(exist_ok=True)
        name = f"{self.target}-{hashlib.sha256(self.data or str(self.number).encode()).hexdigest()[:12]}.json"
        record = {"target": self.target, "number": self.number, "what": self.what, "data": self.data.hex()}
        file = folder / name
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return file


def leaks(text: str) -> str:
    """What a text shows that it must not; empty if nothing."""
    found = LEAK.search(text)
    return found[0] if found else ""


def own_memory_bytes() -> int:
    """Most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
