"""Has sentences of the corpus spoken and degraded: WAV files, and a line for each that says what was said.

Needs the programs espeak-ng, flite and festival; for Pico and Kokoro the folders of their packages, by ``--pico`` and
``--kokoro``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.training.spoken.degrade import CONDITIONS, degraded
from models.training.spoken.generate import sentences
from models.training.spoken.grammar import LANGUAGES
from models.training.spoken.kokoro import kokoro_of
from models.training.spoken.sentences import Sentence
from models.training.spoken.verbalize import LETTER

VOICES: Final = Path(__file__).resolve().parent / "voices.yaml"
PROGRAMS: Final = ("espeak", "flite", "festival", "pico")
_CONDITION_WEIGHTS: Final = (30, 20, 12, 12, 14, 7, 5)
_BABBLERS: Final = 20
_LONGEST_S: Final = 120


def spoken_text(sentence: Sentence, language: str) -> str:
    """What a voice is given to read. English voices take a lone "A" for the article, so it is written out."""
    said = [
        "eh" if token.kind == LETTER and token.said == "A" and language == "en" else token.said
        for token in sentence.tokens
    ]
    text = " ".join(said)
    for sign in ",.?!":
        text = text.replace(f" {sign}", sign)
    return text.replace(" …", "...").replace("…", "")


@dataclass(frozen=True)
class VoiceFolders:
    """Where the packages of voices lie that are no programs."""

    pico: Path | None = None
    kokoro: Path | None = None


def speak(text: str, voice: str, folders: VoiceFolders) -> Samples:
    """Text in a voice of ``voices.yaml``, such as ``espeak en-us+Andrea``.

    Raises:
        subprocess.CalledProcessError: The program failed.
    """
    engine, name = voice.split()
    if engine == "pico":
        return _pico(text, name, folders.pico)
    if engine == "kokoro" and folders.kokoro:
        accent, mix = name.split("+")
        return kokoro_of(folders.kokoro).speak(text, accent, int(mix))
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "spoken.wav"
        commands = {
            "espeak": ["espeak-ng", "-v", name, "-w", str(wav), "--", text],
            "flite": ["flite", "-voice", name, "-t", text, "-o", str(wav)],
            "festival": ["text2wave", "-eval", f"(voice_{name})", "-o", str(wav)],
        }
        encoded = text.encode("utf-8" if name.startswith("hindi") else "latin-1", "replace")
        subprocess.run(commands[engine], input=encoded, check=True, capture_output=True, timeout=_LONGEST_S)
        return decode(wav.read_bytes())


def _pico(text: str, name: str, pico: Path | None) -> Samples:
    if str(pico) not in sys.path:
        sys.path.insert(0, str(pico))
    raw = importlib.import_module("py_nanotts").NanoTTS().speak(text, voice=name)
    return (np.frombuffer(raw, np.int16) / 32768).astype(np.float32)


def write_wav(path: Path, samples: Samples) -> None:
    """A mono WAV file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())


def clips(
    count: int,
    seed: int,
    out: Path,
    folders: VoiceFolders,
    languages: Sequence[str] = LANGUAGES,
    engines: Sequence[str] = PROGRAMS,
) -> Iterator[dict[str, Any]]:
    """Speak sentences into the folder; what was said in each. A clip that a voice fails to say is left out."""
    voices = yaml.safe_load(VOICES.read_text(encoding="utf-8"))
    known = {
        (split, code): [voice for voice in some if voice.split()[0] in engines]
        for split, of_languages in voices.items()
        for code, some in of_languages.items()
    }
    chance, noise = random.Random(seed), np.random.default_rng(seed)
    others: list[Samples] = []
    for number, (language, split, sentence, _) in enumerate(sentences(count, seed, languages)):
        voice = chance.choice(known[split, language])
        condition = chance.choices(CONDITIONS, _CONDITION_WEIGHTS)[0]
        try:
            clean = speak(spoken_text(sentence, language), voice, folders)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{voice}: {error}", file=sys.stderr)
            continue
        path = out / f"c{seed}-{number}.wav"
        write_wav(path, degraded(clean, condition, others, noise))
        others = [*others, clean][-_BABBLERS:]
        yield {
            "id": path.stem, "lang": language, "split": split, "shape": sentence.shape, "asked": sentence.asked,
            "whole": sentence.whole,
            "voice": voice, "condition": condition, "said": sentence.said, "labels": sentence.labels,
            "tokens": [asdict(token) for token in sentence.tokens],
        }  # fmt: skip


def main() -> None:
    """Write the clips that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a folder; clips.jsonl is made in it")
    parser.add_argument("--pico", type=Path)
    parser.add_argument("--kokoro", type=Path)
    parser.add_argument("--engines", nargs="+", default=PROGRAMS, help="only the voices of these")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "clips.jsonl").open("a", encoding="utf-8") as lines:
        folders = VoiceFolders(given.pico, given.kokoro)
        for clip in clips(given.clips, given.seed, given.out, folders, given.languages, given.engines):
            lines.write(json.dumps(clip, ensure_ascii=False) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
