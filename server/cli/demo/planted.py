"""What the clip and the pictures of the demo contain: the personal values that must not get out, and the files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from server.cli.output import Failure

CLIP = "visit.wav"
REGISTER = "register.jpg"
METER = "meter.jpg"


@dataclass(frozen=True, slots=True)
class Planted:
    """One personal value.

    Attributes:
        type: ``NAME``, ``PHONE``, ``EMAIL``, ``ADDRESS``.
        value: As it is written.
        spoken: As it is said; empty when it is only written.
        medium: File that it is in.
    """

    type: str
    value: str
    spoken: str
    medium: str


def data_folder() -> Path:
    """The folder with the clip and the pictures.

    Raises:
        Failure: Vestibule was installed without its repository.
    """
    folder = Path(__file__).resolve().parents[3] / "tests" / "data"
    missing = [name for name in (CLIP, REGISTER, METER) if not (folder / name).is_file()]
    if missing:
        raise Failure(
            "The demo's clip and pictures are not here.",
            hint="They lie in tests/data of the repository; run `make demo` in a checkout.",
        )
    return folder


def planted_values(folder: Path) -> list[Planted]:
    """Every personal value of the three media, from the description beside each."""
    found = []
    for medium in (CLIP, REGISTER, METER):
        described = json.loads((folder / medium).with_suffix(".json").read_text(encoding="utf-8"))
        found += [Planted(p["type"], p["value"], p.get("spoken", ""), medium) for p in described["personal"]]
    return found
