"""The peer of benchmarks/speech.py: a clip a line in, its text and its time a line out. Runs in its own environment.

Arguments: folder of the weights, threads. Standard input: ``{"audio": path, "lang": code}`` a line.
"""

import json
import sys
import time

from faster_whisper import WhisperModel  # type: ignore[import-not-found]  # of its own environment
from faster_whisper.audio import decode_audio  # type: ignore[import-not-found]


def main() -> None:
    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=int(sys.argv[2]))
    for line in sys.stdin:
        clip = json.loads(line)
        samples = decode_audio(clip["audio"])
        began = time.perf_counter()
        segments, _ = model.transcribe(
            samples,
            language=clip["lang"],
            beam_size=1,
            condition_on_previous_text=False,
            vad_filter=clip.get("vad", False),
        )
        text = "".join(segment.text for segment in segments)
        took_s = time.perf_counter() - began
        sys.stdout.write(json.dumps({"text": text, "compute_s": took_s}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
