"""Makes the files in this folder again: ``python -m tests.data.make`` from the repository root, with the dev extras.

Deterministic by seed with the same versions of Piper, ONNX Runtime, FFmpeg and Pillow; other versions give files that
sound and look alike but differ in their bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.data import make_callers, make_noisy_callers, make_pictures, make_speech, make_voices

FOLDER = Path(__file__).parent
SEED = 20_261_124


def main() -> None:
    """Make all files, or the kind that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=("speech", "voices", "callers", "noisy", "pictures"), help="leave the other kinds as they are"
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write into")
    args = parser.parse_args()
    written: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if args.only in {None, "speech", "voices"}:
            voice = make_speech.fetch_voice(scratch)
            if args.only != "voices":
                written += make_speech.make(args.out, voice, SEED)
            if args.only != "speech":
                written += make_voices.make(args.out, voice, SEED)
        if args.only in {None, "noisy"}:
            written += make_noisy_callers.make(args.out, SEED)
        if args.only in {None, "callers"}:
            written += make_callers.make(args.out, scratch, SEED)
    if args.only in {None, "pictures"}:
        written += make_pictures.make(args.out, SEED)
    for path in written:
        sys.stdout.write(f"{path.name:16s} {path.stat().st_size:9,d} bytes\n")


if __name__ == "__main__":
    main()
