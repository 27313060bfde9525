"""The engines that the classifier can run on. Imports nothing heavy, so that settings can check a choice."""

from __future__ import annotations

from typing import Final, Literal

from models.errors import InvalidInput

Device = Literal["auto", "cpu", "cuda"]

DEFAULT_ENGINE: Final = "ctranslate2"
TRANSFORMERS: Final = "transformers"
ENGINES: Final = (DEFAULT_ENGINE, TRANSFORMERS)


def check_engine(engine: str, device: str) -> None:
    """Check that the engine exists and can use the device.

    Raises:
        InvalidInput: There is no engine of that name, or it cannot use that device.
    """
    if engine not in ENGINES:
        raise InvalidInput(f"There is no redaction engine of that name; known: {', '.join(ENGINES)}.")
    if engine == DEFAULT_ENGINE and device == "cuda":
        raise InvalidInput("The redaction engine ctranslate2 runs on the CPU only; transformers can use a GPU.")
