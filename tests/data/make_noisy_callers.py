"""Speaks six calls with three voices of flite, in the noise of a street and of a crowd, for the demo's other visits.

The program ``flite`` must be installed (Debian: ``apt-get install flite``). It is a tool of this script only.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.data.make_callers import PAUSE_S, Call
from tests.data.make_speech import RATE_HZ, Recording, encode, join

STREET_DB, CROWD_DB = 15.0, 20.0
"""How much louder than the noise a voice is."""
PEAK = 0.8

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NoisyCall:
    """A call, and where it is made."""

    noise: str
    call: Call


def _personal(kind: str, value: str, spoken: str) -> dict[str, str]:
    return {"type": kind, "value": value, "spoken": spoken}


def _call(noise: str, name: str, voice: str, sentences: tuple[str, ...], **content: Any) -> NoisyCall:
    return NoisyCall(noise, Call(name, voice, 1.0, sentences, content))


CALLS = (
    _call(
        "street",
        "plumber",
        "slt",
        (
            "Good afternoon, my name is Margaret Ellison.",
            "I am at the Lakeside site to check the pump.",
            "My phone number is six one seven, five five five, oh one six eight.",
            "You can write to margaret dot ellison at example dot org.",
            "The meter reads three one seven oh four cubic metres.",
        ),
        personal=[
            _personal("NAME", "Margaret Ellison", "Margaret Ellison"),
            _personal("PHONE", "6175550168", "six one seven, five five five, oh one six eight"),
            _personal("EMAIL", "margaret.ellison@example.org", "margaret dot ellison at example dot org"),
        ],
        keep=["meter"],
        reading={"value": "31704", "spoken": "three one seven oh four"},
    ),
    _call(
        "street",
        "tenant",
        "rms",
        (
            "Hello, this is Victor Lindholm speaking.",
            "I moved in last week and need a parking permit.",
            "I live at one hundred and nine Juniper Road.",
            "My date of birth is the fourteenth of March nineteen eighty two.",
        ),
        personal=[
            _personal("NAME", "Victor Lindholm", "Victor Lindholm"),
            _personal("ADDRESS", "109 Juniper Road", "one hundred and nine Juniper Road"),
            _personal("DOB", "14 March 1982", "the fourteenth of March nineteen eighty two"),
        ],
        keep=["parking"],
    ),
    _call(
        "street",
        "driver",
        "awb",
        (
            "Hi, I am here with two pallets of tiles.",
            "My name is Gordon Fairbanks.",
            "My mobile number is oh seven seven double oh, nine double oh, four one six, sorry, four one seven.",
        ),
        personal=[
            _personal("NAME", "Gordon Fairbanks", "Gordon Fairbanks"),
            _personal(
                "PHONE", "07700900417", "oh seven seven double oh, nine double oh, four one six, sorry, four one seven"
            ),
        ],
        keep=["tiles"],
    ),
    _call(
        "crowd",
        "gardener",
        "awb",
        (
            "Good morning, my name is Patrick Holloway.",
            "I am at the Hillcrest site to look after the trees.",
            "You can reach me on three oh three, five five five, oh one two nine.",
            "The meter reads five two eight six one cubic metres.",
        ),
        personal=[
            _personal("NAME", "Patrick Holloway", "Patrick Holloway"),
            _personal("PHONE", "3035550129", "three oh three, five five five, oh one two nine"),
        ],
        keep=["meter"],
        reading={"value": "52861", "spoken": "five two eight six one"},
    ),
    _call(
        "crowd",
        "nurse",
        "slt",
        (
            "Hello, I have an appointment with the manager at noon.",
            "My name is Rebecca Sorensen.",
            "My social security number is nine eight seven, six five, four three two nine.",
            "My e-mail is rebecca dot sorensen at example dot net.",
        ),
        personal=[
            _personal("NAME", "Rebecca Sorensen", "Rebecca Sorensen"),
            _personal("SSN", "987654329", "nine eight seven, six five, four three two nine"),
            _personal("EMAIL", "rebecca.sorensen@example.net", "rebecca dot sorensen at example dot net"),
        ],
        keep=["manager"],
    ),
    _call(
        "crowd",
        "guest",
        "rms",
        (
            "I would like a visitor badge for today.",
            "My name is Leonard Whitfield.",
            "My phone number ends in oh one nine six, before that it is seven one three, five five five.",
            "My address is forty four Foxglove Lane.",
        ),
        personal=[
            _personal("NAME", "Leonard Whitfield", "Leonard Whitfield"),
            _personal("PHONE", "7135550196", "oh one nine six, before that it is seven one three, five five five"),
            _personal("ADDRESS", "44 Foxglove Lane", "forty four Foxglove Lane"),
        ],
        keep=["badge"],
    ),
)

CROWD = (
    ("kal16", "Shall we take the stairs or wait for the lift? The others have gone in, and the doors close soon."),
    ("rms", "They said that the coffee is on the second floor, next to the window with the plants in it."),
    ("slt", "It rained all morning, so the tram was late again, and nobody had told us about the other entrance."),
    ("awb", "Put the boxes over there, please, and mind the cable. We can carry the rest in after lunch."),
)
"""What the crowd says, all at once."""


def make(folder: Path, seed: int) -> list[Path]:
    """Write a recording and its description for each call into the folder."""
    crowd = [_spoken(voice, text) for voice, text in CROWD]
    written = []
    for number, one in enumerate(CALLS):
        chance = np.random.default_rng(seed + number)
        clips = [_spoken(one.call.voice, sentence) for sentence in one.call.sentences]
        voice = join(clips, [PAUSE_S] * len(clips))
        if one.noise == "street":
            sound = mixed(voice, street(len(voice), chance), STREET_DB)
        else:
            sound = mixed(voice, babble(len(voice), crowd, chance), CROWD_DB)
        path = folder / f"{one.call.name}.ogg"
        samples = (sound * 32767).astype(np.int16)
        encode(samples, path, Recording("ogg", "ogg", "libopus", 48_000, 24_000))
        described = path.with_suffix(".json")
        content = {"language": "en", "noise": one.noise, "say": " ".join(one.call.sentences), **one.call.content}
        described.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        written += [path, described]
    return written


def _spoken(voice: str, sentence: str) -> npt.NDArray[np.int16]:
    """One sentence, 16-bit mono at 16 kHz, which is the voices' own rate."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(path)], check=True)
        with wave.open(str(path), "rb") as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE_HZ, 1)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def street(length: int, chance: np.random.Generator) -> Sound:
    """A deep rumble that swells as vehicles pass, over a steady hiss of tyres."""
    spectrum = np.fft.rfft(chance.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE_HZ)
    rumble = np.fft.irfft(spectrum / np.maximum(hertz, 60.0), length)
    hiss = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 400.0)), length)
    at_s = np.arange(length) / RATE_HZ
    passing = 0.4 + np.sin(np.pi * (at_s / chance.uniform(5, 8) + chance.uniform())) ** 4
    sound = passing * (rumble / rumble.std() + 0.3 * hiss / hiss.std())
    return np.asarray(sound, np.float32)


def babble(length: int, others: list[npt.NDArray[np.int16]], chance: np.random.Generator) -> Sound:
    """Several people who speak without a pause, each from another place of the sentence on."""
    sound = np.zeros(length, np.float32)
    for other in others:
        clip = other / max(float(other.std()), 1.0)
        sound += np.resize(np.roll(clip, int(chance.integers(len(clip)))), length).astype(np.float32)
    return sound


def mixed(voice: Sound, noise: Sound, louder_db: float) -> Sound:
    """The voice so much louder than the noise, measured where somebody speaks; the highest peak is ``PEAK``."""
    spoken = voice[np.abs(voice) > 0.01]
    gain = float(np.sqrt(np.mean(spoken**2)) / np.sqrt(np.mean(noise**2))) * 10 ** (-louder_db / 20)
    sound = voice + gain * noise
    return np.asarray(sound * PEAK / np.max(np.abs(sound)), np.float32)
