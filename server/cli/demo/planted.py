"""What the clips and the pictures contain: every word, and the personal values that must not get out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.cli.output import Failure

VISITS: Final = {
    "quiet": ("visit.wav", "courier.ogg", "inspector.ogg"),
    "street": ("plumber.ogg", "tenant.ogg", "driver.ogg"),
    "crowd": ("gardener.ogg", "nurse.ogg", "guest.ogg"),
}
"""The clips of each visit, by the noise around them. The first is spoken in the session that becomes a record."""
CLIPS: Final = VISITS["quiet"]
REGISTER = "register.jpg"
METER = "meter.jpg"


@dataclass(frozen=True, slots=True)
class Planted:
    """One personal value.

    Attributes:
        type: Its type of entity, and so its tag: ``NAME``, ``PHONE``, ``EMAIL``, ``ADDRESS``.
        value: As it is written.
        spoken: As it is said; empty when it is only written.
        medium: File that it is in.
        heard: As speech recognition is known to write it wrongly.
    """

    type: str
    value: str
    spoken: str
    medium: str
    heard: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """What must stand in its place."""
        return f"[REDACTED_{self.type}]"


@dataclass(frozen=True, slots=True)
class Medium:
    """One clip, picture or typed text.

    Attributes:
        name: Its file, or what the reports call it.
        said: Everything that is said or printed in it, the values among it.
        values: The personal values, in the order in which they stand in it.
        kept: Parts of it that must still be there after redaction.
        noisy: Whether it is spoken in noise, where a value may be hidden as one of another type.
    """

    name: str
    said: str
    values: tuple[Planted, ...]
    kept: tuple[str, ...] = ()
    noisy: bool = False

    @property
    def harmless(self) -> list[str]:
        """What is not personal: the text between the values, and what must be kept."""
        pieces, at = [], 0
        for value in self.values:
            form = value.spoken or value.value
            begin = self.said.index(form, at)
            pieces.append(self.said[at:begin])
            at = begin + len(form)
        return [*pieces, self.said[at:], *self.kept]


def data_folder(clips: tuple[str, ...] = CLIPS) -> Path:
    """The folder with the clips and the pictures.

    Raises:
        Failure: Vestibule was installed without its repository.
    """
    folder = Path(__file__).resolve().parents[3] / "tests" / "data"
    missing = [name for name in (*clips, REGISTER, METER) if not (folder / name).is_file()]
    if missing:
        raise Failure(
            "The demo's clips and pictures are not here.",
            hint="They are in tests/data of the repository; run `make demo` in a checkout.",
        )
    return folder


def planted_media(folder: Path, names: tuple[str, ...] = (*CLIPS, REGISTER, METER)) -> list[Medium]:
    """The media of these names, from the description beside each."""
    return [_described(folder, name) for name in names]


def _described(folder: Path, name: str) -> Medium:
    content = json.loads((folder / name).with_suffix(".json").read_text(encoding="utf-8"))
    values = tuple(
        Planted(p["type"], p["value"], p.get("spoken", ""), name, tuple(p.get("heard", ())))
        for p in content["personal"]
    )
    said = content["say"] if "say" in content else "\n".join(content["text"])
    reading = content.get("reading", {}).get("value", "")
    return Medium(name, said, values, (*content["keep"], *([reading] if reading else [])), "noise" in content)
